//! The shape of a text: what stays the same in all the personalised copies of one letter.
//!
//! CRM-marketing hands a letter over as single messages without its number. To show them as one mailing they are grouped by
//! shape. Personalisation changes names (capitalised words), numbers, dates, addresses, and the endings that follow the
//! gender («готов», «готова»). So the shape is a fingerprint of the small-letter words in their order, each cut to its
//! first five letters; words of up to three letters, capitalised words and words with digits or addresses are left out.
//! Words all in capitals are not names and stay. A text that has nothing left («Привет, Иван!») keeps all its words.
//!
//! The fingerprint misses copies whose randomizer or fields change small-letter words. For those there is [`similarity`]:
//! copies of one letter share most of their words whatever changed, and different letters do not; from
//! [`SAME_LETTER`] on they count as one letter.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// From this similarity on two texts are copies of one letter. The tests hold realistic copies above it, and different
/// letters of one sender below 0.3.
pub const SAME_LETTER: f64 = 0.5;

const STEM: usize = 5;
const SHORT: usize = 3;

/// A fingerprint of 16 hexadecimal digits; equal for most copies of one letter. An empty text has one too.
#[must_use]
pub fn shape(text: &str) -> String {
    let words: Vec<&str> = words(text).collect();
    let mut kept: Vec<String> = words.iter().filter(|word| !is_personal(word)).map(|word| stem(word)).collect();
    if kept.is_empty() {
        kept = words.iter().map(|word| if has_digit(word) { "#".to_owned() } else { stem(word) }).collect();
    }
    let digest = Sha256::digest(kept.join(" "));
    hex::encode(digest.get(..8).unwrap_or_default())
}

/// How much of their words two texts share, from 0 to 1: the words of both, each as often as it stands in both, over all
/// words of either. Numbers and addresses do not count. Two texts without words are the same.
#[must_use]
pub fn similarity(one: &str, other: &str) -> f64 {
    let (one, other) = (count(one), count(other));
    let (mut common, mut all) = (0_u32, 0_u32);
    for stem in one.keys().chain(other.keys().filter(|stem| !one.contains_key(*stem))) {
        let (a, b) = (one.get(stem).copied().unwrap_or(0), other.get(stem).copied().unwrap_or(0));
        common += a.min(b);
        all += a.max(b);
    }
    if all == 0 { 1.0 } else { f64::from(common) / f64::from(all) }
}

fn count(text: &str) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for word in words(text).filter(|word| !has_digit(word) && !is_address(word)) {
        *counts.entry(stem(word)).or_insert(0) += 1;
    }
    counts
}

/// Words with the marks at their ends cut off.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
}

fn is_personal(word: &str) -> bool {
    let mut letters = word.chars();
    let capital = letters.next().is_some_and(char::is_uppercase);
    let name = capital && letters.any(char::is_lowercase);
    name || word.chars().count() <= SHORT || has_digit(word) || is_address(word)
}

fn has_digit(word: &str) -> bool {
    word.chars().any(char::is_numeric)
}

fn is_address(word: &str) -> bool {
    word.contains("://") || word.contains('@') || word.contains('/') || word.starts_with("www.")
}

fn stem(word: &str) -> String {
    word.chars().flat_map(char::to_lowercase).map(|c| if c == 'ё' { 'е' } else { c }).take(STEM).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: [&str; 4] = [
        "Здравствуйте, Иван! Ваш заказ № 1045 на сумму 12 300 ₽ готов к выдаче. Ждём вас до 15.03.2026 по адресу: ул. Ленина, 5.",
        "Здравствуйте, Анна Сергеевна! Ваш заказ № 77 на сумму 990 ₽ готов к выдаче. Ждём вас до 1.04.2026 по адресу: ул. Мира, 118.",
        "Здравствуйте, Пётр! Ваш заказ № A-9 на сумму 5 ₽ готов к выдаче. Ждем вас до 15.03.2026 по адресу: пр. Невский, 1.",
        "Здравствуйте! Ваш заказ № 1 на сумму 1 ₽ готов к выдаче. Ждём вас до 2.02.2026 по адресу: ул. Садовая, 2",
    ];
    const SALES: [&str; 3] = [
        "Мария, добрый день! Только до воскресенья СКИДКА 20% на весь ассортимент по вашему промокоду MARIA20: https://shop.example/p/maria",
        "Олег, добрый день! Только до воскресенья СКИДКА 15% на весь ассортимент по вашему промокоду OLEG15: https://shop.example/p/oleg",
        "Уважаемая Мария, здравствуйте! Только до воскресенья СКИДКА 20% на весь ассортимент по вашему промокоду M1",
    ];
    const VISITS: [&str; 2] = [
        "Ольга, вы были записаны к мастеру Светлане на 12:30. Уважаемая Ольга, вы довольны визитом?",
        "Игорь, вы были записаны к мастеру Дмитрию на 9:00. Уважаемый Игорь, вы довольны визитом?",
    ];

    #[test]
    fn copies_of_one_letter_have_one_shape() {
        for letters in [&ORDERS[..], &SALES[..2], &VISITS[..]] {
            for letter in letters {
                assert_eq!(shape(letter), shape(letters[0]), "{letter}");
            }
        }
    }

    #[test]
    fn different_letters_have_different_shapes_and_share_little() {
        for (one, other) in [(ORDERS[0], SALES[0]), (SALES[0], VISITS[0]), (ORDERS[0], VISITS[0])] {
            assert_ne!(shape(one), shape(other));
            assert!(similarity(one, other) < 0.3, "{}", similarity(one, other));
        }
    }

    #[test]
    fn copies_that_a_randomizer_changed_are_still_similar() {
        for (one, other) in
            [(SALES[0], SALES[2]), (ORDERS[0], ORDERS[1]), (ORDERS[1], ORDERS[2]), (VISITS[0], VISITS[1])]
        {
            assert!(similarity(one, other) >= SAME_LETTER, "{}", similarity(one, other));
        }
    }

    #[test]
    fn short_texts_have_a_shape_too() {
        assert_eq!(shape("Код 1234"), shape("Код 9876"));
        assert_ne!(shape("Код 1234"), shape("Спасибо!"));
        assert_eq!(shape("").len(), 16);
        assert!((similarity("", "12") - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn similarity_is_the_same_in_both_directions() {
        assert!((similarity(SALES[0], SALES[2]) - similarity(SALES[2], SALES[0])).abs() < f64::EPSILON);
        assert!((similarity(SALES[0], SALES[0]) - 1.0).abs() < f64::EPSILON);
    }
}
