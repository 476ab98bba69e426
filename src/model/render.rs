//! The randomizer: `{Здравствуйте|Добрый день}, {друг|{дорогой |}коллега}` takes one variant of every brace.
//!
//! What Bitrix24 left in the text is never touched: `{{Field}}` and `{=Document:FIELD}` stay as they are. A brace without a
//! bar is no choice and stays too. `\{`, `\|`, `\}` and `\\` are the characters themselves. The seed decides everything, so
//! the same recipient of the same mailing gets the same text however often it is made.

use std::iter::Peekable;
use std::str::CharIndices;

/// Braces that do not fit together. Positions count characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBraces {
    /// A brace that is never closed.
    #[error("the brace at character {0} is never closed")]
    NotClosed(usize),
    /// A closing brace that was never opened.
    #[error("the brace at character {0} closes nothing")]
    NotOpened(usize),
    /// Braces inside braces, deeper than anybody reads.
    #[error("the brace at character {0} is nested too deeply")]
    TooDeep(usize),
}

/// A text with its choices, read once and rendered for each recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Randomized {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Choice(Vec<Vec<Part>>),
}

const DEPTH_LIMIT: usize = 16;

impl Randomized {
    /// Reads a text.
    ///
    /// # Errors
    /// [`BadBraces`] where braces do not fit together, with the place.
    pub fn read(text: &str) -> Result<Self, BadBraces> {
        let mut reader = Reader { text, chars: text.char_indices().peekable(), depth: 0 };
        let mut variants = reader.variants()?;
        match reader.chars.peek().copied() {
            Some((at, _)) => Err(BadBraces::NotOpened(reader.position(at))),
            // bars outside of braces are no choice: `variants` splits at none of them there
            None => Ok(Self { parts: variants.pop().unwrap_or_default() }),
        }
    }

    /// The text for this seed; the same for ever.
    #[must_use]
    pub fn pick(&self, seed: u64) -> String {
        let (mut out, mut dice) = (String::new(), Dice(seed));
        render(&self.parts, &mut dice, &mut out);
        out
    }

    /// How many different ways there are to choose, at most `u64::MAX`. Two ways may read the same.
    #[must_use]
    pub fn combinations(&self) -> u64 {
        combinations(&self.parts)
    }
}

fn render(parts: &[Part], dice: &mut Dice, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Choice(variants) => {
                if let Some(variant) = variants.get(dice.below(variants.len())) {
                    render(variant, dice, out);
                }
            }
        }
    }
}

fn combinations(parts: &[Part]) -> u64 {
    parts.iter().fold(1, |all: u64, part| match part {
        Part::Text(_) => all,
        Part::Choice(variants) => {
            let sum = variants.iter().fold(0, |sum: u64, variant| sum.saturating_add(combinations(variant)));
            all.saturating_mul(sum)
        }
    })
}

/// `SplitMix64`: small, and the same in every version of every library, which a stored seed needs.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed.checked_rem(count as u64).unwrap_or(0)).unwrap_or(0)
    }
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    depth: usize,
}

impl Reader<'_> {
    /// Reads variants up to the closing brace, which it leaves, or to the end.
    fn variants(&mut self) -> Result<Vec<Vec<Part>>, BadBraces> {
        let (mut variants, mut parts, mut text) = (Vec::new(), Vec::new(), String::new());
        while let Some((at, c)) = self.chars.next_if(|(_, c)| *c != '}') {
            match c {
                '\\' => {
                    let escaped = self.chars.next_if(|(_, c)| matches!(c, '{' | '|' | '}' | '\\'));
                    text.push(escaped.map_or('\\', |(_, c)| c));
                }
                '|' if self.depth > 0 => {
                    flush(&mut text, &mut parts);
                    variants.push(std::mem::take(&mut parts));
                }
                '{' => match self.field_end(at) {
                    Some(end) => {
                        text.push_str(self.text.get(at..end).unwrap_or_default());
                        while self.chars.next_if(|(next, _)| *next < end).is_some() {}
                    }
                    None => self.brace(at, &mut text, &mut parts)?,
                },
                c => text.push(c),
            }
        }
        flush(&mut text, &mut parts);
        variants.push(parts);
        Ok(variants)
    }

    fn brace(&mut self, at: usize, text: &mut String, parts: &mut Vec<Part>) -> Result<(), BadBraces> {
        if self.depth >= DEPTH_LIMIT {
            return Err(BadBraces::TooDeep(self.position(at)));
        }
        self.depth += 1;
        let mut variants = self.variants()?;
        self.depth -= 1;
        if self.chars.next().is_none() {
            return Err(BadBraces::NotClosed(self.position(at)));
        }
        if variants.len() > 1 {
            flush(text, parts);
            parts.push(Part::Choice(variants));
        } else {
            text.push('{');
            flush(text, parts);
            parts.append(&mut variants.pop().unwrap_or_default());
            text.push('}');
        }
        Ok(())
    }

    /// Where the field of Bitrix24 that begins here ends; none where it is a brace of ours.
    fn field_end(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        if rest.starts_with("{{=") {
            return balanced_end(rest).map(|length| at + length);
        }
        if let Some(inner) = rest.strip_prefix("{{") {
            // `{{a|b}|c}` is a choice inside a choice: only `{{…}}` without braces in between is a field
            let end = inner.find(['{', '}'])?;
            return inner.get(end..)?.starts_with("}}").then_some(at + end + 4);
        }
        rest.strip_prefix("{=")?.find('}').map(|end| at + end + 3)
    }

    fn position(&self, at: usize) -> usize {
        self.text.get(..at).map_or(0, |before| before.chars().count()) + 1
    }
}

/// The length of `{{=…}}`, whose formula may hold fields.
fn balanced_end(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            return Some(at + 1);
        }
    }
    None
}

fn flush(text: &mut String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn all(text: &str) -> BTreeSet<String> {
        let read = Randomized::read(text).unwrap();
        (0..400).map(|seed| read.pick(seed)).collect()
    }

    #[test]
    fn every_variant_comes_and_no_other() {
        assert_eq!(all("{a|b|{c|d}}!"), ["a!", "b!", "c!", "d!"].map(String::from).into());
        assert_eq!(all("{{a|b}|c}"), ["a", "b", "c"].map(String::from).into());
        assert_eq!(all("{a|}"), ["a", ""].map(String::from).into());
    }

    #[test]
    fn a_seed_gives_the_same_text_for_ever() {
        let read = Randomized::read("{Здравствуйте|Добрый день|Привет}, {друг|коллега}!").unwrap();
        let texts = [1, 2, 3, 4].map(|seed| read.pick(seed));
        // checked against an independent SplitMix64
        assert_eq!(texts, ["Привет, коллега!", "Добрый день, друг!", "Здравствуйте, коллега!", "Добрый день, друг!"]);
    }

    #[test]
    fn fields_of_bitrix24_and_plain_braces_stay() {
        for text in [
            "{{Имя}} и {=Document:NAME}",
            "{{Имя|друг}}",
            "{=A:B > printable|x}",
            "{{=if({=Document:X}>5;\"a|b\";\"c\")}}",
            "{просто} | текст",
            "{}",
        ] {
            assert_eq!(all(text), [text.to_owned()].into(), "{text}");
        }
        assert_eq!(all("{{{Имя}}|x}"), ["{{Имя}}", "x"].map(String::from).into());
        assert_eq!(
            all("{Дорогой {=Document:NAME}|{{Имя}}}"),
            ["Дорогой {=Document:NAME}", "{{Имя}}"].map(String::from).into()
        );
    }

    #[test]
    fn escaped_characters_are_themselves() {
        assert_eq!(all(r"\{a\|b\} \\ \n {x\|y|x\|y}"), [r"{a|b} \ \n x|y".to_owned()].into());
    }

    #[test]
    fn bad_braces_are_named_by_their_place() {
        assert_eq!(Randomized::read("при{вет|мир"), Err(BadBraces::NotClosed(4)));
        assert_eq!(Randomized::read("привет}"), Err(BadBraces::NotOpened(7)));
        assert_eq!(Randomized::read("{a|{b|c}"), Err(BadBraces::NotClosed(1)));
        assert_eq!(Randomized::read(&"{a|".repeat(20)), Err(BadBraces::TooDeep(49)));
    }

    #[test]
    fn combinations_are_counted() {
        let count = |text: &str| Randomized::read(text).unwrap().combinations();
        assert_eq!(count("текст"), 1);
        assert_eq!(count("{a|b|{c|d}} {e|f}"), 8);
        assert_eq!(count("{x} {{F|y}}"), 1);
        assert_eq!(count(&"{a|b}".repeat(70)), u64::MAX);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ab{}|\\\\=я]{0,60}", seed: u64) {
            if let Ok(read) = Randomized::read(&text) {
                prop_assert_eq!(read.pick(seed), read.pick(seed));
                prop_assert!(read.combinations() >= 1);
            }
        }

        #[test]
        fn a_text_without_braces_and_backslashes_stays(text in "[^{}\\\\]{0,60}", seed: u64) {
            prop_assert_eq!(Randomized::read(&text).map(|read| read.pick(seed)), Ok(text));
        }
    }
}
