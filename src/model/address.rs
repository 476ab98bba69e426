//! Addresses of people as they are typed, and as they are compared.

use super::message::Peer;

/// Reads a phone in any usual spelling. Without a country code it is taken for a number of `region` (two capital
/// letters); a Russian number with the leading 8 becomes one with 7. The answer is digits without the plus.
#[must_use]
pub fn phone_digits(text: &str, region: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let digits = kept.trim_start_matches('+');
    if digits.len() < 7 || digits.len() > 15 || digits.contains('+') || text.chars().any(char::is_alphabetic) {
        return None;
    }
    let region = region.parse().ok();
    let international = format!("+{digits}");
    let tries: [(Option<phonenumber::country::Id>, &str); 2] = if kept.starts_with('+') {
        [(None, &international), (region, digits)]
    } else {
        // «8 999 …» is a national spelling, «7 999 …» an international one without its plus
        [(region, digits), (None, &international)]
    };
    tries
        .into_iter()
        .filter_map(|(region, text)| phonenumber::parse(region, text).ok())
        .find(phonenumber::is_valid)
        .map(|number| number.format().mode(phonenumber::Mode::E164).to_string().trim_start_matches('+').to_owned())
}

/// Reads the numbering plans of the world, which the first phone of a process would otherwise wait for.
pub fn warm_up(region: &str) {
    let _ = phone_digits("+79990000000", region);
}

/// Reads one address of a robot's «Id чата»: `@name`, an e-mail address, or the vendor's own id of a chat.
#[must_use]
pub fn chat_peer(text: &str) -> Option<Peer> {
    let text = text.trim();
    if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
        return None;
    }
    if let Some(name) = text.strip_prefix('@') {
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        return good.then(|| Peer::Username(name.to_lowercase()));
    }
    match text.split_once('@') {
        // WhatsApp names chats as 7999…@c.us and …@g.us
        Some((_, "c.us" | "g.us" | "lid" | "s.whatsapp.net")) | None => Some(Peer::Chat(text.to_owned())),
        Some((user, host)) if !user.is_empty() && host.contains('.') => Some(Peer::Email(text.to_lowercase())),
        Some(_) => None,
    }
}

/// Splits a field that may hold several addresses: by comma, semicolon and line feed.
pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_the_same_in_every_spelling() {
        for text in
            ["+7 (999) 123-45-67", "8 999 123-45-67", "79991234567", "7-999-123-45-67", "9991234567", " +79991234567 "]
        {
            assert_eq!(phone_digits(text, "RU").as_deref(), Some("79991234567"), "{text}");
        }
    }

    #[test]
    fn a_foreign_phone_keeps_its_country() {
        assert_eq!(phone_digits("+49 30 901820", "RU").as_deref(), Some("4930901820"));
        assert_eq!(phone_digits("+375 29 123-45-67", "RU").as_deref(), Some("375291234567"));
    }

    #[test]
    fn what_is_no_phone_is_refused() {
        for text in ["", "12", "abc", "+7999", "номер 89991234567", "99999999999999999999"] {
            assert_eq!(phone_digits(text, "RU"), None, "{text}");
        }
    }

    #[test]
    fn chats_names_and_mailboxes_are_told_apart() {
        assert_eq!(chat_peer("@Ivan_1"), Some(Peer::Username("ivan_1".into())));
        assert_eq!(chat_peer("Ivan@Example.com"), Some(Peer::Email("ivan@example.com".into())));
        assert_eq!(chat_peer("79990000001@c.us"), Some(Peer::Chat("79990000001@c.us".into())));
        assert_eq!(chat_peer("-100123"), Some(Peer::Chat("-100123".into())));
        assert_eq!(chat_peer("@"), None);
        assert_eq!(chat_peer("a@b"), None);
    }
}
