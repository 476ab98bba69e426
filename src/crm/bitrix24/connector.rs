//! Connectors of the contact centre: one for each messenger, the same in every portal (`imconnector.register`).

use form_urlencoded::byte_serialize;
use serde_json::{Value, json};

use super::install::Step;
use crate::model::message::Kind;

/// The events of open lines that every installation listens to.
pub const EVENTS: [&str; 7] = [
    "ONIMCONNECTORMESSAGEADD",
    "ONIMCONNECTORMESSAGEUPDATE",
    "ONIMCONNECTORMESSAGEDELETE",
    "ONIMCONNECTORDIALOGSTART",
    "ONIMCONNECTORDIALOGFINISH",
    "ONIMCONNECTORSTATUSDELETE",
    "ONIMCONNECTORLINEDELETE",
];

/// The method that puts a connector into the contact centre, and changes one that is there.
pub const REGISTER: &str = "imconnector.register";

const PREFIX: &str = "switchboard_";

/// The id of a messenger's connector. Portals keep it in small letters.
#[must_use]
pub fn id_of(kind: Kind) -> String {
    format!("{PREFIX}{}", kind.slug())
}

/// The messenger of a connector's id, in letters of any size; none where it is not ours.
#[must_use]
pub fn kind_of(connector: &str) -> Option<Kind> {
    connector.trim().to_ascii_lowercase().strip_prefix(PREFIX).and_then(Kind::from_slug)
}

/// The calls that register every connector. `page` is the page of its settings.
#[must_use]
pub fn steps(page: &str) -> Vec<Step> {
    Kind::ALL.into_iter().map(|kind| Step { method: REGISTER, params: register_body(kind, page) }).collect()
}

/// Our connectors in the answer of `imconnector.list`, which names every connector there is.
#[must_use]
pub fn read_registered(list: &Value) -> Vec<Kind> {
    list.as_object().into_iter().flatten().filter_map(|(id, _)| kind_of(id)).collect()
}

/// The parameters of `imconnector.register`.
#[must_use]
pub fn register_body(kind: Kind, page: &str) -> Value {
    let (color, sign) = look(kind);
    json!({
        "ID": id_of(kind),
        "NAME": format!("Switchboard - {}", name(kind)),
        "ICON": icon(sign, color),
        "ICON_DISABLED": icon(sign, "#99adb3"),
        "PLACEMENT_HANDLER": page,
        "DEL_EXTERNAL_MESSAGES": true,
        "EDIT_INTERNAL_MESSAGES": true,
        "DEL_INTERNAL_MESSAGES": true,
        "NEWSLETTER": true,
        "NEED_SYSTEM_MESSAGES": true,
        // whether the name goes on to the customer is a setting of each line
        "NEED_SIGNATURE": true,
        // groups are chats of one member who speaks for all: with true there would be no leads and contacts at all
        "CHAT_GROUP": false,
    })
}

/// The parameters of `imconnector.activate`. Everything that is not empty switches on, also `N`.
#[must_use]
pub fn activate_body(kind: Kind, line: i64, active: bool) -> Value {
    json!({ "CONNECTOR": id_of(kind), "LINE": line, "ACTIVE": if active { "1" } else { "0" } })
}

/// The parameters of `imconnector.connector.data.set`. They replace everything that was told before.
#[must_use]
pub fn data_body(kind: Kind, line: i64, title: &str, url: Option<&str>) -> Value {
    let connector = id_of(kind);
    let mut data = json!({ "ID": format!("{connector}_line{line}"), "NAME": title });
    if let (Some(url), Some(map)) = (url, data.as_object_mut()) {
        map.insert("URL".to_owned(), json!(url));
        map.insert("URL_IM".to_owned(), json!(url));
    }
    json!({ "CONNECTOR": connector, "LINE": line, "DATA": data })
}

/// The parameters of `imconnector.status`. Without a line the portal would tell of line 0.
#[must_use]
pub fn status_body(kind: Kind, line: i64) -> Value {
    json!({ "CONNECTOR": id_of(kind), "LINE": line })
}

/// Whether the answer of `imconnector.status` says that messages go through.
#[must_use]
pub fn is_ready(status: &Value) -> bool {
    crate::model::php_form::Fields::of(status).flag("STATUS")
}

/// The code of a registration that failed. The portal tells of it inside a success.
#[must_use]
pub fn refusal(result: &Value) -> Option<String> {
    let failed = result.get("result") == Some(&Value::Bool(false));
    failed.then(|| {
        result.get("error").and_then(Value::as_str).unwrap_or("GENERAL_CONNECTOR_REGISTRATION_ERROR").to_owned()
    })
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::WhatsappWeb => "WhatsApp",
        Kind::Waba => "WhatsApp Business",
        Kind::Telegram => "Telegram",
        Kind::TelegramBot => "Telegram bot",
        Kind::Vk => "VK",
        Kind::VkNotify => "VK Notify",
        Kind::Email => "E-mail",
        Kind::Avito => "Avito",
    }
}

/// The colour of a tile and the sign on it, as a path of 24 by 24.
const fn look(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        // a bubble with a receiver
        Kind::WhatsappWeb => {
            ("#25d366", "M4 20l1.3-4A8 8 0 1 1 8 18.7zM9 8c0 4 3 7 7 7l1-2-2-1-1 1c-1-.4-2.600-2-3-3l1-1-1-2z")
        }
        // a bubble with a shop's roof
        Kind::Waba => ("#128c7e", "M4 20l1.300-4A8 8 0 1 1 8 18.700zM8 9h8l-1 3H9zM9 13h6v3H9z"),
        // a paper plane
        Kind::Telegram => ("#2aabee", "M3 11l18-7-3 16-6-4-3 3v-5l8-7-10 6z"),
        // a head with an antenna
        Kind::TelegramBot => (
            "#229ed9",
            "M11 3h2v3h4a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h4zM8 10h2v3H8zM14 10h2v3h-2z",
        ),
        // two letters in strokes
        Kind::Vk => ("#0077ff", "M3 7h3l2.500 6L11 7h2v4l4-4h3l-4.500 4.500L20 17h-3l-4-4.500V17h-2v-5l-2 5H7.500z"),
        // a bell
        Kind::VkNotify => ("#4986cc", "M12 3a6 6 0 0 1 6 6v5l2 3H4l2-3V9a6 6 0 0 1 6-6zM10 19h4a2 2 0 0 1-4 0z"),
        // an envelope
        Kind::Email => ("#f7a600", "M3 5h18v1.500l-9 6-9-6zM3 9l9 6 9-6v10H3z"),
        // four dots of different size
        Kind::Avito => {
            ("#00aaff", "M6 6a3 3 0 1 0 .1 0zM15 4a5 5 0 1 0 .1 0zM8 13a4 4 0 1 0 .1 0zM17 15a2 2 0 1 0 .1 0z")
        }
    }
}

fn icon(path: &str, color: &str) -> Value {
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path fill='#fff' fill-rule='evenodd' d='{path}'/></svg>"
    );
    // blanks of a data address are written as %20: a plus would stay a plus
    let written: String = byte_serialize(svg.as_bytes()).collect::<String>().replace('+', "%20");
    json!({ "DATA_IMAGE": format!("data:image/svg+xml,{written}"), "COLOR": color, "SIZE": "90%", "POSITION": "center" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_messenger_has_a_connector_of_its_own() {
        let page = "https://app.example.com/bitrix24/connector";
        let mut icons: Vec<String> = Vec::new();
        for (kind, step) in Kind::ALL.into_iter().zip(steps(page)) {
            let id = step.params["ID"].as_str().unwrap().to_owned();
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{id}");
            assert_eq!((kind_of(&id), kind_of(&id.to_uppercase())), (Some(kind), Some(kind)));
            icons.push(step.params["ICON"]["DATA_IMAGE"].as_str().unwrap().to_owned());
        }
        icons.sort();
        icons.dedup();
        assert_eq!(icons.len(), Kind::ALL.len());
        assert!(
            icons.iter().all(|icon| icon.starts_with("data:image/svg+xml,%3Csvg%20xmlns") && !icon.contains('+')
                || icon.matches('+').count() == 1),
            "{icons:?}"
        );
        assert_eq!(kind_of("olchat_whatsapp"), None);
    }

    #[test]
    fn switching_off_is_told_by_a_zero() {
        assert_eq!(activate_body(Kind::Waba, 12, false)["ACTIVE"], "0");
        assert_eq!(activate_body(Kind::Waba, 12, true)["ACTIVE"], "1");
    }

    #[test]
    fn a_failed_registration_is_seen_inside_its_success() {
        let failed = json!({"result": false, "error": "NO_APPLICATION_ID", "error_description": "…"});
        assert_eq!(refusal(&failed).as_deref(), Some("NO_APPLICATION_ID"));
        assert_eq!(refusal(&json!({"result": true})), None);
        assert_eq!(refusal(&json!(true)), None);
        assert!(is_ready(&json!({"STATUS": true})) && is_ready(&json!({"STATUS": "1"})));
        assert!(!is_ready(&json!({"STATUS": false})) && !is_ready(&json!([])));
    }
}
