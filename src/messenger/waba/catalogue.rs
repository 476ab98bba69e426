//! The templates of an account, as Meta lists them, page by page.

use serde_json::Value;

use super::{call, code};
use crate::messenger::{Wire, field};
use crate::model::message::MediaKind;
use crate::model::template::{TemplateCard, TemplateHeader, TemplatePress, values_of};
use crate::model::vendor::Answer;

const FIELDS: &str = "id,name,status,category,language,parameter_format,components,quality_score,rejected_reason";

/// Templates of one page.
const PAGE: &str = "100";

/// An account has 6 000 templates at most; a list that never ends is no list.
const MOST_PAGES: usize = 100;

/// Every template of the account behind the channel.
pub(super) async fn list(wire: &Wire) -> Result<Vec<TemplateCard>, Answer> {
    let account = field::id(&wire.settings, "waba_id").unwrap_or_default();
    let (mut cards, mut after) = (Vec::new(), None::<String>);
    for _ in 0..MOST_PAGES {
        let mut request = call(wire, reqwest::Method::GET, &format!("{account}/message_templates"));
        request = request.query(&[("fields", FIELDS), ("limit", PAGE)]);
        if let Some(after) = &after {
            request = request.query(&[("after", after)]);
        }
        let page = code::result_of(wire.http.call(request, wire.http.limits()).await).map_err(repeatable)?;
        cards.extend(field::list(&page, "data").iter().filter_map(card));
        let paging = page.get("paging").unwrap_or(&Value::Null);
        // a cursor stands on the last page too; the next page is told by its address
        let next = field::text(paging, "next").and_then(|_| field::text(paging.get("cursors")?, "after"));
        match next {
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => break,
        }
    }
    Ok(cards)
}

/// To list twice does no harm.
fn repeatable(answer: Answer) -> Answer {
    match answer {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        other => other,
    }
}

/// One template; none where the entry names none.
pub(super) fn card(entry: &Value) -> Option<TemplateCard> {
    let parts = field::list(entry, "components");
    let part = |kind: &str| {
        parts.iter().find(|part| field::text(part, "type").is_some_and(|found| found.eq_ignore_ascii_case(kind)))
    };
    let body = part("BODY").and_then(|body| field::text(body, "text")).unwrap_or_default();
    let buttons = part("BUTTONS").map_or(&[][..], |part| field::list(part, "buttons"));
    Some(TemplateCard {
        vendor_id: field::id(entry, "id")?,
        name: word(entry, "name")?,
        language: word(entry, "language")?,
        status: word(entry, "status").unwrap_or_default(),
        category: word(entry, "category").unwrap_or_default(),
        quality: entry.get("quality_score").and_then(|quality| word(quality, "score")),
        reason: word(entry, "rejected_reason").filter(|reason| reason != "NONE"),
        header: part("HEADER").map(header),
        values: values_of(&body),
        named: field::text(entry, "parameter_format").as_deref() == Some("NAMED"),
        body,
        footer: part("FOOTER").and_then(|footer| field::text(footer, "text")),
        buttons: buttons.iter().map(press).collect(),
    })
}

/// A text of one line, as it may stand in a column.
fn word(from: &Value, name: &str) -> Option<String> {
    field::text(from, name).filter(|text| !text.chars().any(char::is_control))
}

fn header(part: &Value) -> TemplateHeader {
    let text = field::text(part, "text").unwrap_or_default();
    let file = match field::text(part, "format").as_deref() {
        Some("TEXT") => return TemplateHeader::Text { value: !values_of(&text).is_empty(), text },
        Some("IMAGE") => MediaKind::Image,
        Some("VIDEO" | "GIF") => MediaKind::Video,
        Some("DOCUMENT") => MediaKind::Document,
        _ => return TemplateHeader::Other,
    };
    TemplateHeader::File { file }
}

fn press(button: &Value) -> TemplatePress {
    let kind = field::text(button, "type").unwrap_or_default().to_lowercase();
    let address = field::text(button, "url").unwrap_or_default();
    let value = kind == "copy_code" || (kind == "url" && !values_of(&address).is_empty());
    TemplatePress { kind, text: field::text(button, "text").unwrap_or_default(), value }
}
