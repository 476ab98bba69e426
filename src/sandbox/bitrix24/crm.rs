//! Deals, contacts and the comments under them.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::Trouble;
use crate::sandbox::args::{Args, as_text, as_whole, text_at};
use crate::sandbox::phone::digits;

/// How many items a page holds.
const PAGE: usize = 50;

/// The stages of a deal, in their order.
pub(crate) const STAGES: [(&str, &str); 5] = [
    ("NEW", "Новая"),
    ("PREPARATION", "Документы"),
    ("EXECUTING", "В работе"),
    ("FINAL_INVOICE", "Счёт выставлен"),
    ("WON", "Успешно"),
];

const NAMES: [(&str, &str); 12] = [
    ("Анна", "Петрова"),
    ("Иван", "Кузнецов"),
    ("Елена", "Соколова"),
    ("Дмитрий", "Попов"),
    ("Ольга", "Лебедева"),
    ("Сергей", "Новиков"),
    ("Наталья", "Морозова"),
    ("Андрей", "Волков"),
    ("Татьяна", "Алексеева"),
    ("Павел", "Фёдоров"),
    ("Юлия", "Михайлова"),
    ("Артём", "Никитин"),
];

/// What the CRM of a portal holds. Items are kept as `crm.item.get` gives them.
#[derive(Debug, Default)]
pub(crate) struct Crm {
    deals: BTreeMap<i64, Value>,
    leads: BTreeMap<i64, Value>,
    contacts: BTreeMap<i64, Value>,
    comments: Vec<Value>,
}

impl Crm {
    /// Twelve contacts and three deals.
    pub(crate) fn seeded() -> Self {
        let mut crm = Self::default();
        crm.first_contacts(NAMES.len());
        for (n, title) in ["Окна для дачи", "Доставка мебели", "Сервисный договор"].into_iter().enumerate()
        {
            let id = 8061 + i64::try_from(n).unwrap_or(0);
            crm.put_deal(id, title, 275 + i64::try_from(n).unwrap_or(0));
        }
        crm.put_lead(98, "Вопрос с сайта", "Ирина", "+79990000098");
        // what is sold to nobody yet
        crm.put_deal(8069, "Сделка без контакта", 0);
        crm
    }

    /// Puts a deal of a contact, in the first stage.
    pub(crate) fn put_deal(&mut self, id: i64, title: &str, contact: i64) {
        let deal = json!({"id": id, "createdTime": "2026-01-01T12:00:00+03:00", "updatedTime": "2026-01-01T12:05:00+03:00",
            "createdBy": 27, "updatedBy": 27, "assignedById": 27, "opened": "Y", "leadId": 0, "companyId": 0, "contactId": contact,
            "contactIds": if contact == 0 { json!([]) } else { json!([contact]) }, "title": title, "categoryId": 0, "stageId": "NEW", "stageSemanticId": "P",
            "opportunity": 1999.5, "currencyId": "RUB", "sourceId": "WEB", "closed": "N", "observers": [], "entityTypeId": 2});
        self.deals.insert(id, deal);
    }

    /// Puts a lead: a person who is no contact yet.
    pub(crate) fn put_lead(&mut self, id: i64, title: &str, name: &str, phone: &str) {
        let lead = json!({"id": id, "title": title, "name": name, "lastName": "", "assignedById": 27, "opened": "Y",
            "statusId": "NEW", "contactId": 0, "companyId": 0, "hasPhone": "Y", "entityTypeId": 1,
            "fm": [{"id": id * 10, "typeId": "PHONE", "valueType": "WORK", "value": phone}]});
        self.leads.insert(id, lead);
    }

    /// Every card that has a page of its own: kind, number and title.
    pub(crate) fn cards(&self) -> Value {
        let title = |item: &Value| {
            let person = format!("{} {}", text_at(item, "name"), text_at(item, "lastName"));
            Some(text_at(item, "title")).filter(|title| !title.is_empty()).unwrap_or(person)
        };
        let of = |kind: &str, items: &BTreeMap<i64, Value>| {
            let cards = items.iter().map(|(id, item)| json!({"kind": kind, "id": id, "title": title(item).trim()}));
            cards.collect::<Vec<_>>()
        };
        Value::Array([of("deal", &self.deals), of("lead", &self.leads), of("contact", &self.contacts)].concat())
    }

    /// Puts a contact with a phone.
    pub(crate) fn put_contact(&mut self, id: i64, name: &str, last_name: &str, phone: &str) {
        let contact = json!({"id": id, "name": name, "lastName": last_name, "assignedById": 27, "opened": "Y", "typeId": "CLIENT",
            "hasPhone": "Y", "entityTypeId": 3,
            "fm": [{"id": id * 10, "typeId": "PHONE", "valueType": "WORK", "value": phone}]});
        self.contacts.insert(id, contact);
    }

    /// Numbers and names of the first contacts, no number twice; missing ones are made.
    pub(crate) fn first_contacts(&mut self, count: usize) -> Vec<(String, String)> {
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        for contact in self.contacts.values() {
            if known.insert(digits(&phone_of(contact))) {
                found.push((phone_of(contact), text_at(contact, "name")));
            }
        }
        for n in 1.. {
            if found.len() >= count {
                break;
            }
            let phone = format!("+7999{n:07}");
            if known.insert(digits(&phone)) {
                let (name, last_name) = NAMES.get((n - 1) % NAMES.len()).copied().unwrap_or_default();
                let id = self.contacts.keys().next_back().map_or(275, |last| last + 1);
                self.put_contact(id, name, last_name, &phone);
                found.push((phone, name.to_owned()));
            }
        }
        found.truncate(count);
        found
    }

    /// The name of the contact with this number.
    pub(crate) fn name_of(&self, phone: &str) -> Option<String> {
        let wanted = digits(phone);
        self.contacts
            .values()
            .find(|contact| digits(&phone_of(contact)) == wanted)
            .map(|contact| text_at(contact, "name"))
    }

    /// The deal with the lowest number.
    pub(crate) fn first_deal(&self) -> Option<i64> {
        self.deals.keys().next().copied()
    }

    /// The contact of a deal.
    pub(crate) fn contact_of(&self, deal: i64) -> Option<i64> {
        self.deals.get(&deal)?.get("contactId")?.as_i64()
    }

    /// Moves a deal to a stage.
    pub(crate) fn move_deal(&mut self, deal: i64, stage: &str) -> Option<()> {
        let deal = self.deals.get_mut(&deal)?.as_object_mut()?;
        deal.insert("stageId".to_owned(), json!(stage));
        let semantic = if stage == "WON" { "S" } else { "P" };
        deal.insert("stageSemanticId".to_owned(), json!(semantic));
        Some(())
    }

    /// How it looks to the control: deals with their contact and comments.
    pub(crate) fn card(&self) -> Value {
        let deals: Vec<Value> = self.deals.values().map(|deal| self.deal_card(deal)).collect();
        let stages: Vec<Value> = STAGES.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
        json!({"deals": deals, "stages": stages, "contacts": self.contacts.len()})
    }

    fn deal_card(&self, deal: &Value) -> Value {
        let id = deal.get("id").and_then(Value::as_i64).unwrap_or(0);
        let contact = self.contact_of(id).and_then(|contact| self.contacts.get(&contact)).cloned().unwrap_or_default();
        let name = format!("{} {}", text_at(&contact, "name"), text_at(&contact, "lastName"));
        let comments: Vec<&Value> = self.comments.iter().filter(|comment| is_under(comment, "deal", id)).collect();
        json!({"id": id, "title": deal.get("title"), "stage": deal.get("stageId"), "amount": deal.get("opportunity"),
            "contact": {"id": contact.get("id"), "name": name.trim(), "phone": phone_of(&contact)}, "comments": comments})
    }

    /// `crm.timeline.comment.add`.
    pub(crate) fn add_comment(&mut self, id: i64, args: &Args, at: i64) -> Result<Value, Trouble> {
        let fields = args.get("fields").filter(|fields| fields.is_object());
        let fields = fields.ok_or_else(|| Trouble::of(400, "100", "Could not find value for parameter {fields}"))?;
        let (kind, owner) = (text_at(fields, "ENTITY_TYPE").to_lowercase(), fields.get("ENTITY_ID").and_then(as_whole));
        let text = text_at(fields, "COMMENT");
        if text.is_empty() {
            return Err(Trouble::of(400, "", "Field COMMENT is required"));
        }
        let is_there = match (kind.as_str(), owner) {
            ("deal", Some(owner)) => self.deals.contains_key(&owner),
            ("contact", Some(owner)) => self.contacts.contains_key(&owner),
            (_, Some(_)) => true,
            (_, None) => false,
        };
        if !is_there {
            return Err(Trouble::of(400, "", "Owner was not found"));
        }
        self.comments.push(json!({"id": id, "type": kind, "owner": owner, "text": text, "at": at}));
        Ok(json!(id))
    }

    /// `crm.item.get`.
    pub(crate) fn get(&self, args: &Args) -> Result<Value, Trouble> {
        let items = self.items(args)?;
        let id = args.get("id").and_then(as_whole).ok_or_else(|| missing("id"))?;
        let item = items.get(&id).ok_or_else(|| Trouble::of(400, "NOT_FOUND", "Element not found"))?;
        Ok(json!({"item": item}))
    }

    /// `crm.item.update`.
    pub(crate) fn update(&mut self, args: &Args) -> Result<Value, Trouble> {
        let id = args.get("id").and_then(as_whole).ok_or_else(|| missing("id"))?;
        let fields = args.get("fields").and_then(Value::as_object).cloned().ok_or_else(|| missing("fields"))?;
        let items = match args.get("entityTypeId").and_then(as_whole) {
            Some(1) => &mut self.leads,
            Some(2) => &mut self.deals,
            Some(3) => &mut self.contacts,
            Some(_) => return Err(Trouble::of(400, "ENTITY_TYPE_NOT_SUPPORTED", "Entity type is not supported")),
            None => return Err(missing("entityTypeId")),
        };
        let item = items.get_mut(&id).and_then(Value::as_object_mut);
        let item = item.ok_or_else(|| Trouble::of(400, "NOT_FOUND", "Element not found"))?;
        for (key, value) in fields {
            // a number stays one, however it was written
            let value = as_whole(&value).map_or(value, |number| json!(number));
            item.insert(key, value);
        }
        Ok(json!({"item": item}))
    }

    /// Somebody else becomes responsible for a card: `lead`, `deal` or `contact`.
    pub(crate) fn entrust(&mut self, kind: &str, id: i64, user: i64) -> Option<()> {
        let items = match kind {
            "lead" => &mut self.leads,
            "deal" => &mut self.deals,
            "contact" => &mut self.contacts,
            _ => return None,
        };
        items.get_mut(&id)?.as_object_mut()?.insert("assignedById".to_owned(), json!(user));
        Some(())
    }

    /// The contact with a number.
    pub(crate) fn contact_by_phone(&self, phone: &str) -> Option<i64> {
        let wanted = same_number(phone);
        let mut found = self.contacts.iter().filter(|(_, contact)| same_number(&phone_of(contact)) == wanted);
        found.next().map(|(id, _)| *id)
    }

    /// The deal of a contact.
    pub(crate) fn deal_of(&self, contact: i64) -> Option<i64> {
        self.deals
            .iter()
            .find(|(_, deal)| deal.get("contactId").and_then(Value::as_i64) == Some(contact))
            .map(|(id, _)| *id)
    }

    /// `crm.item.list`: the page, how many there are, and where the next page begins.
    pub(crate) fn list(&self, args: &Args) -> Result<(Value, usize, Option<usize>), Trouble> {
        let items = self.items(args)?;
        let filter = args.get("filter").and_then(Value::as_object).cloned().unwrap_or_default();
        let wanted: Vec<&Value> = items.values().filter(|item| passes(item, &filter)).collect();
        let start = args.get("start").and_then(as_whole).unwrap_or(0);
        let from = usize::try_from(start).unwrap_or(0);
        let select: Vec<String> = args
            .get("select")
            .and_then(Value::as_array)
            .map(|keys| keys.iter().filter_map(as_text).collect())
            .unwrap_or_default();
        let page: Vec<Value> = wanted.iter().skip(from).take(PAGE).map(|item| narrowed(item, &select)).collect();
        let next = from + page.len();
        Ok((json!({"items": page}), wanted.len(), (next < wanted.len() && start >= 0).then_some(next)))
    }

    fn items(&self, args: &Args) -> Result<&BTreeMap<i64, Value>, Trouble> {
        match args.get("entityTypeId").and_then(as_whole) {
            Some(1) => Ok(&self.leads),
            Some(2) => Ok(&self.deals),
            Some(3) => Ok(&self.contacts),
            Some(_) => Err(Trouble::of(400, "ENTITY_TYPE_NOT_SUPPORTED", "Entity type is not supported")),
            None => Err(missing("entityTypeId")),
        }
    }

    /// `crm.duplicate.findbycomm`: contacts with one of the numbers.
    pub(crate) fn find_by_phone(&self, args: &Args) -> Result<Value, Trouble> {
        let sentence = |text: &str| Trouble::of(400, text, "");
        let kind = args.get("type").and_then(as_text).ok_or_else(|| sentence("Communication type is not defined"))?;
        let values: Vec<String> = match args.get("values") {
            Some(Value::Array(values)) => values.iter().filter_map(as_text).collect(),
            Some(value) => as_text(value).into_iter().collect(),
            None => Vec::new(),
        };
        if values.is_empty() || values.len() > 20 {
            return Err(sentence("Communication values is not defined"));
        }
        let wanted: Vec<String> = values.iter().map(|value| same_number(value)).collect();
        let entity = args.get("entity_type").and_then(as_text).unwrap_or_else(|| "CONTACT".to_owned());
        let found: Vec<i64> = if kind == "PHONE" && entity == "CONTACT" {
            let fits = |contact: &Value| wanted.contains(&same_number(&phone_of(contact)));
            self.contacts.iter().filter(|(_, contact)| fits(contact)).map(|(id, _)| *id).take(20).collect()
        } else {
            Vec::new()
        };
        Ok(if found.is_empty() { json!([]) } else { json!({"CONTACT": found}) })
    }
}

fn missing(name: &str) -> Trouble {
    Trouble::of(400, "100", &format!("Could not find value for parameter {{{name}}}"))
}

fn is_under(comment: &Value, kind: &str, id: i64) -> bool {
    comment.get("type").is_some_and(|it| it == kind) && comment.get("owner").is_some_and(|it| it == id)
}

fn phone_of(contact: &Value) -> String {
    contact.pointer("/fm/0").map(|phone| text_at(phone, "value")).unwrap_or_default()
}

/// Numbers are compared without the sign of the country line: 8 and +7 are the same in Russia.
fn same_number(text: &str) -> String {
    let all = digits(text);
    match all.strip_prefix('8') {
        Some(rest) if all.len() == 11 => format!("7{rest}"),
        _ => all,
    }
}

fn narrowed(item: &Value, select: &[String]) -> Value {
    if select.is_empty() || select.iter().any(|key| key == "*") {
        return item.clone();
    }
    let kept = select.iter().filter(|key| *key != "fm").filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
    let id = item.get("id").map(|id| ("id".to_owned(), id.clone()));
    Value::Object(kept.chain(id).collect())
}

fn passes(item: &Value, filter: &Map<String, Value>) -> bool {
    filter.iter().all(|(key, wanted)| {
        let name = key.trim_start_matches(['=', '!', '>', '<', '@', '%']);
        let sign = key.strip_suffix(name).unwrap_or_default();
        let is = item.get(name).and_then(as_text).unwrap_or_default();
        let any = |wanted: &Value| match wanted {
            Value::Array(values) => values.iter().filter_map(as_text).any(|value| value == is),
            value => as_text(value).is_some_and(|value| value == is),
        };
        let order = item.get(name).and_then(as_whole).zip(as_whole(wanted)).map(|(is, wanted)| is.cmp(&wanted));
        match sign {
            "" | "=" | "@" => any(wanted),
            "!" | "!=" | "!@" => !any(wanted),
            ">" => order.is_some_and(std::cmp::Ordering::is_gt),
            ">=" => order.is_some_and(std::cmp::Ordering::is_ge),
            "<" => order.is_some_and(std::cmp::Ordering::is_lt),
            "<=" => order.is_some_and(std::cmp::Ordering::is_le),
            _ => is.to_lowercase().contains(&as_text(wanted).unwrap_or_default().to_lowercase()),
        }
    })
}
