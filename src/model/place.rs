//! Places and cards of people, as parts of what is said.

use serde::{Deserialize, Serialize};

/// A place on the map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Degrees north, times ten million.
    pub latitude_e7: i32,
    /// Degrees east, times ten million.
    pub longitude_e7: i32,
    /// What is written beside it.
    pub title: Option<String>,
    /// Its address, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Place {
    /// A place by its degrees; none where there is no such place.
    #[must_use]
    pub fn at(latitude: f64, longitude: f64, title: Option<String>, address: Option<String>) -> Option<Self> {
        let known = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        #[expect(clippy::cast_possible_truncation, reason = "180 times ten million fits")]
        let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
        known.then(|| Self { latitude_e7: e7(latitude), longitude_e7: e7(longitude), title, address })
    }

    /// Degrees north and degrees east.
    #[must_use]
    pub fn degrees(&self) -> (f64, f64) {
        (f64::from(self.latitude_e7) / 1e7, f64::from(self.longitude_e7) / 1e7)
    }

    /// What is written beside it, on one line; empty where nothing is.
    #[must_use]
    pub fn beside(&self) -> String {
        [&self.title, &self.address].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Somebody's card: a name and a phone to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The name.
    pub name: String,
    /// The phone in digits, international, without the plus.
    pub phone: String,
}
