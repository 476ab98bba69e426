//! Who a card is about: names, phones and other addresses, read from the CRM as the employee may see it.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::Employee;
use crate::app::App;
use crate::crm::bitrix24::batch::{Batch, Part};
use crate::crm::bitrix24::fault::Fault;
use crate::flow::portal;
use crate::model::address::phone_digits;
use crate::model::php_form::Fields;
use crate::store::Result;

/// So many contacts of one card are looked at.
const CONTACTS: usize = 20;

/// The numbers of kinds of cards in the CRM's methods.
const LEAD: i64 = 1;
const DEAL: i64 = 2;
const CONTACT: i64 = 3;
const COMPANY: i64 = 4;

/// A client, as the CRM tells of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The name or the title of the card.
    pub name: String,
    /// Phones, as digits.
    pub phones: Vec<String>,
    /// E-mail addresses, in lower case.
    pub emails: Vec<String>,
    /// User names, in lower case.
    pub usernames: Vec<String>,
    /// Chats that open lines wrote into the card: the messenger, and the chat as it names it.
    pub bound: Vec<(String, String)>,
}

/// A client as the page shows them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CardClient)]
pub struct ClientOut {
    /// The name or the title of the card.
    pub name: String,
    /// Phones, as digits.
    pub phones: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// User names without their `@`.
    pub usernames: Vec<String>,
}

impl Client {
    /// The chats that may be theirs, as messengers name them.
    pub(super) fn chats(&self) -> Vec<String> {
        let of_phones = self.phones.iter().map(|phone| format!("{phone}@c.us"));
        let bound = self.bound.iter().map(|(_, chat)| chat.clone());
        of_phones.chain(self.emails.iter().cloned()).chain(bound).collect()
    }

    /// Whether a chat is none of theirs: messengers give the same numbers to different people.
    pub(super) fn is_foreign(&self, messenger: &str, chat: &str) -> bool {
        let mut same = self.bound.iter().filter(|(_, bound)| bound == chat).peekable();
        same.peek().is_some() && !same.any(|(of, _)| of == messenger)
    }

    pub(super) fn shown(self) -> ClientOut {
        ClientOut { name: self.name, phones: self.phones, emails: self.emails, usernames: self.usernames }
    }

    fn take(&mut self, item: &Value, region: &str) {
        for row in Fields::of(item).list("fm") {
            let text = |name| row.text(name).ok().flatten().unwrap_or_default().trim().to_owned();
            let (kind, of, value) = (text("typeId").to_uppercase(), text("valueType").to_uppercase(), text("value"));
            match kind.as_str() {
                "PHONE" => add(&mut self.phones, phone_digits(&value, region)),
                "EMAIL" => add(&mut self.emails, Some(value.to_lowercase()).filter(|value| value.contains('@'))),
                "IM" => match value.strip_prefix("imol|") {
                    // imol|connector|line|chat|user
                    Some(code) => self.bound.extend(bound_chat(code)),
                    None if of == "TELEGRAM" => add(&mut self.usernames, username(&value)),
                    None => {}
                },
                _ => {}
            }
        }
    }
}

/// Reads a card, and the contacts and the company behind a deal or a lead.
///
/// # Errors
/// The outer error is the store's, the inner one the portal's; a contact that the employee may not see is left out.
pub(super) async fn read(
    app: &App,
    employee: &Employee,
    card: &str,
    id: i64,
) -> Result<std::result::Result<Client, Fault>> {
    let kind = match card {
        "lead" => LEAD,
        "deal" => DEAL,
        "company" => COMPANY,
        _ => CONTACT,
    };
    let (company, portal, user) = (employee.company, employee.portal, employee.user_id);
    let params = json!({ "entityTypeId": kind, "id": id });
    let told = match portal::call_of(app, company, portal, user, "crm.item.get", &params).await? {
        Ok(told) => told,
        Err(fault) => return Ok(Err(fault)),
    };
    let item = told.result.get("item").cloned().unwrap_or_default();
    let region = &app.config.region;
    let mut client = Client { name: name_of(&item), ..Client::default() };
    client.take(&item, region);
    let behind = behind(&item, kind);
    if behind.is_empty() {
        return Ok(Ok(client));
    }
    let mut batch = Batch::new();
    for (kind, id) in behind {
        // fewer than a batch holds
        let _ = batch.push("crm.item.get", &json!({ "entityTypeId": kind, "id": id }));
    }
    let mut is_title = kind == DEAL;
    match portal::call_of(app, company, portal, user, "batch", &batch.params()).await? {
        Ok(told) => {
            for part in batch.read(&told.result) {
                let Part::Done(told) = part else { continue };
                let item = told.get("item").cloned().unwrap_or_default();
                client.take(&item, region);
                // a deal is called by what is sold, and people are written to
                let name = name_of(&item);
                if is_title && !name.is_empty() {
                    (client.name, is_title) = (name, false);
                }
            }
            Ok(Ok(client))
        }
        Err(fault) => Ok(Err(fault)),
    }
}

/// The people and the company behind a card: a deal has none of their addresses itself.
fn behind(item: &Value, kind: i64) -> Vec<(i64, i64)> {
    if !matches!(kind, DEAL | LEAD) {
        return Vec::new();
    }
    let fields = Fields::of(item);
    let many = fields.texts("contactIds").unwrap_or_default().into_iter().filter_map(|id| id.parse::<i64>().ok());
    let one = fields.number("contactId").ok().flatten();
    let mut contacts: Vec<i64> = Vec::new();
    for id in many.chain(one).filter(|id| *id > 0) {
        if contacts.len() < CONTACTS && !contacts.contains(&id) {
            contacts.push(id);
        }
    }
    let company = fields.number("companyId").ok().flatten().filter(|id| *id > 0);
    contacts.into_iter().map(|id| (CONTACT, id)).chain(company.map(|id| (COMPANY, id))).collect()
}

/// First and last name of a person, or the title.
fn name_of(item: &Value) -> String {
    let fields = Fields::of(item);
    let text = |name| fields.text(name).ok().flatten().unwrap_or_default().trim().to_owned();
    let person = format!("{} {}", text("name"), text("lastName"));
    let person = person.trim();
    if person.is_empty() { text("title") } else { person.to_owned() }
}

fn add(list: &mut Vec<String>, value: Option<String>) {
    if let Some(value) = value.filter(|value| !list.contains(value)) {
        list.push(value);
    }
}

fn username(value: &str) -> Option<String> {
    let name = value.trim_start_matches("https://").trim_start_matches("t.me/").trim_start_matches('@');
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // a number is a phone or an id, which says nothing here
    (good && name.starts_with(|c: char| c.is_ascii_alphabetic())).then(|| name.to_lowercase())
}

/// The messenger and the chat of a dialog in open lines of one of our connectors.
fn bound_chat(code: &str) -> Option<(String, String)> {
    let mut parts = code.split('|');
    let messenger = parts.next()?.to_ascii_lowercase().strip_prefix("switchboard_")?.to_owned();
    parts.nth(1).filter(|chat| !chat.is_empty()).map(|chat| (messenger, chat.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_every_row_of_a_card() {
        let item = json!({"name": "Иван", "lastName": "Петров", "fm": [
            {"id": 1, "typeId": "PHONE", "valueType": "WORK", "value": "8 (999) 000-00-01"},
            {"id": 2, "typeId": "PHONE", "valueType": "HOME", "value": "+7 999 000 00 01"},
            {"id": 3, "typeId": "PHONE", "valueType": "HOME", "value": "спросить Олю"},
            {"id": 4, "typeId": "EMAIL", "valueType": "WORK", "value": "Ivan@Example.com"},
            {"id": 5, "typeId": "IM", "valueType": "TELEGRAM", "value": "@Ivan_P"},
            {"id": 6, "typeId": "IM", "valueType": "TELEGRAM", "value": "123456789"},
            {"id": 7, "typeId": "IM", "valueType": "IMOL", "value": "imol|switchboard_vk|12|91234567|55"},
            {"id": 8, "typeId": "IM", "valueType": "IMOL", "value": "imol|livechat|12|91234567|55"},
        ]});
        let mut client = Client { name: name_of(&item), ..Client::default() };
        client.take(&item, "RU");
        assert_eq!(client.name, "Иван Петров");
        assert_eq!(client.phones, ["79990000001"]);
        assert_eq!(client.emails, ["ivan@example.com"]);
        assert_eq!(client.usernames, ["ivan_p"]);
        assert_eq!(client.bound, [("vk".to_owned(), "91234567".to_owned())]);
        assert_eq!(client.chats(), ["79990000001@c.us", "ivan@example.com", "91234567"]);
        assert!(client.is_foreign("telegram", "91234567"), "another messenger has another person under this number");
        assert!(!client.is_foreign("vk", "91234567") && !client.is_foreign("telegram", "5"));
    }

    #[test]
    fn a_deal_has_people_and_a_company_behind_it_or_nobody() {
        let deal = json!({"contactId": 5, "contactIds": [5, "7"], "companyId": "9"});
        assert_eq!(behind(&deal, DEAL), [(CONTACT, 5), (CONTACT, 7), (COMPANY, 9)]);
        assert_eq!(behind(&json!({"contactId": 0, "contactIds": [], "companyId": null}), DEAL), []);
        assert_eq!(behind(&json!({"contactIds": [5]}), CONTACT), []);
    }
}
