//! A card of the CRM and comments in its timeline.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A card, as the third part of a robot's `document_id` names it: `DEAL_8061`, `LEAD_98`, `DYNAMIC_177_5`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Card {
    /// The kind in small letters, as the timeline wants it: `deal`, `contact`, `dynamic_177`.
    pub kind: String,
    /// The id among its kind.
    pub id: i64,
}

impl Card {
    /// Reads `DEAL_8061`; none where it is no name of a card.
    #[must_use]
    pub fn read(document: &str) -> Option<Self> {
        let (kind, id) = document.rsplit_once('_')?;
        let good = kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && kind.starts_with(char::is_alphabetic);
        let id = id.parse().ok().filter(|id| *id > 0)?;
        good.then(|| Self { kind: kind.to_ascii_lowercase(), id })
    }

    /// The number of its kind (`entityTypeId`); none where it is none of the CRM.
    #[must_use]
    pub fn type_id(&self) -> Option<i64> {
        match self.kind.as_str() {
            "lead" => Some(1),
            "deal" => Some(2),
            "contact" => Some(3),
            "company" => Some(4),
            "quote" => Some(7),
            "smart_invoice" => Some(31),
            other => other.strip_prefix("dynamic_")?.parse().ok(),
        }
    }

    /// The card of a binding of an SMS (`OWNER_TYPE_ID`, `OWNER_ID`).
    #[must_use]
    pub fn of_owner(type_id: i64, id: i64) -> Self {
        let kind = match type_id {
            1 => "lead".to_owned(),
            2 => "deal".to_owned(),
            3 => "contact".to_owned(),
            4 => "company".to_owned(),
            7 => "quote".to_owned(),
            31 => "smart_invoice".to_owned(),
            other => format!("dynamic_{other}"),
        };
        Self { kind, id }
    }
}

/// The method of a timeline comment, and its parameters. This method takes small-letter `fields` only.
#[must_use]
pub fn comment(card: &Card, text: &str) -> (&'static str, Value) {
    let fields = json!({ "ENTITY_TYPE": card.kind, "ENTITY_ID": card.id, "COMMENT": text });
    ("crm.timeline.comment.add", json!({ "fields": fields }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_every_kind_are_read() {
        for (document, kind, id) in [
            ("DEAL_8061", "deal", 8061),
            ("LEAD_98", "lead", 98),
            ("CONTACT_5", "contact", 5),
            ("COMPANY_1", "company", 1),
            ("DYNAMIC_177_5", "dynamic_177", 5),
            ("SMART_INVOICE_7", "smart_invoice", 7),
        ] {
            let card = Card::read(document).unwrap();
            assert_eq!(card, Card { kind: kind.into(), id });
            assert_eq!(Card::of_owner(card.type_id().unwrap(), id), card);
        }
        for document in
            ["", "DEAL", "DEAL_", "_5", "DEAL_x", "DEAL_-5", "DEAL_0", "a b_5", "5_5", "DEAL_99999999999999999999"]
        {
            assert_eq!(Card::read(document), None, "{document}");
        }
        assert_eq!(Card::of_owner(2, 5), Card { kind: "deal".into(), id: 5 });
        assert_eq!(Card::of_owner(177, 5), Card { kind: "dynamic_177".into(), id: 5 });
    }
}
