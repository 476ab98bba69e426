//! How figures reach `bench/run`, or a person.

use std::io::BufRead as _;

use serde_json::{Value, json};

fn is_driven() -> bool {
    std::env::args().any(|word| word == "--json")
}

fn say(line: &Value) {
    println!("{line}");
}

/// A stretch begins, or the last one ends. Waits until the driver has read the processor times.
pub fn mark(name: &str) {
    say(&json!({ "mark": name }));
    if is_driven() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).unwrap();
    }
}

/// Figures for the row.
pub fn result(figures: &Value) {
    say(&json!({ "result": figures }));
}

/// A process of ours whose processor time is none of the product's: a vendor, a load.
pub fn not_ours(pid: u32) {
    say(&json!({ "not_ours": pid }));
}

/// The value below which this part of all values lies.
pub fn quantile(sorted: &[i64], part: f64) -> i64 {
    let at = ((sorted.len() as f64) * part).ceil() as usize;
    sorted.get(at.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// Microseconds as milliseconds with two digits.
pub fn ms(us: i64) -> f64 {
    (us as f64 / 10.0).round() / 100.0
}

pub fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
