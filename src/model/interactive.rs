//! What a message offers to press beneath its text: buttons, a list, or the button of an address.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::message::MediaKind;

/// What there is to press beneath a text. Exactly one of `buttons`, `list` and `link` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Interactive {
    /// A line above the text; a file of the message stands there as well, then without this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A line beneath the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// Buttons; which one was pressed comes back in a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<PressButton>,
    /// A list that a button opens; which row was chosen comes back in a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ChoiceList>,
    /// A button that opens an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkButton>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InteractiveButton)]
pub struct PressButton {
    /// What comes back when it is pressed; nobody sees it.
    pub id: String,
    /// What stands on it.
    pub title: String,
}

/// A list to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InteractiveList)]
pub struct ChoiceList {
    /// What stands on the button that opens it.
    pub button: String,
    /// Its parts.
    pub sections: Vec<ListSection>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InteractiveSection)]
pub struct ListSection {
    /// Its title; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its rows.
    pub rows: Vec<ListRow>,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InteractiveRow)]
pub struct ListRow {
    /// What comes back when it is chosen; nobody sees it.
    pub id: String,
    /// Its words.
    pub title: String,
    /// Smaller words beneath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A button that opens an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InteractiveLink)]
pub struct LinkButton {
    /// What stands on it.
    pub title: String,
    /// The address.
    pub url: String,
}

/// How much a messenger shows of what there is to press: counts, and lengths in characters. All are 0 where it shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct InteractiveLimits {
    /// Buttons.
    pub buttons: usize,
    /// What stands on a button of any kind.
    pub button_title: usize,
    /// What a button sends back.
    pub button_id: usize,
    /// Sections of a list.
    pub sections: usize,
    /// The title of a section.
    pub section_title: usize,
    /// Rows of a list, in all its sections.
    pub rows: usize,
    /// The words of a row.
    pub row_title: usize,
    /// The smaller words beneath.
    pub row_description: usize,
    /// What a row sends back.
    pub row_id: usize,
    /// The address of a button.
    pub url: usize,
    /// The line above the text.
    pub header: usize,
    /// The line beneath.
    pub footer: usize,
    /// The text over buttons.
    pub text: usize,
    /// The text over a list.
    pub list_text: usize,
}

impl InteractiveLimits {
    /// Nothing is shown.
    pub const NONE: Self = Self {
        buttons: 0,
        button_title: 0,
        button_id: 0,
        sections: 0,
        section_title: 0,
        rows: 0,
        row_title: 0,
        row_description: 0,
        row_id: 0,
        url: 0,
        header: 0,
        footer: 0,
        text: 0,
        list_text: 0,
    };
}

/// Which field is wrong, and what to do about it, in Russian and in English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadInteractive {
    /// The field, as `interactive.buttons[0].title`.
    pub field: String,
    /// In Russian.
    pub ru: String,
    /// In English.
    pub en: String,
}

type Checked = Result<(), BadInteractive>;

fn bad(field: impl Into<String>, ru: impl Into<String>, en: impl Into<String>) -> BadInteractive {
    BadInteractive { field: field.into(), ru: ru.into(), en: en.into() }
}

impl Interactive {
    /// Whether all of it fits, beneath this text and this kind of file.
    ///
    /// # Errors
    /// The first field that does not.
    pub fn check(&self, text: &str, file: Option<MediaKind>, limits: &InteractiveLimits) -> Checked {
        let kinds =
            usize::from(!self.buttons.is_empty()) + usize::from(self.list.is_some()) + usize::from(self.link.is_some());
        if kinds != 1 {
            return Err(bad(
                "interactive",
                "Задайте ровно одно из трёх: buttons, list или link",
                "Give exactly one of the three: buttons, list or link",
            ));
        }
        let most = if self.list.is_some() { limits.list_text } else { limits.text };
        says("text", text, most, Lines::Many)?;
        self.check_frame(file, limits)?;
        check_buttons(&self.buttons, limits)?;
        if let Some(list) = &self.list {
            check_list(list, limits)?;
        }
        self.link.as_ref().map_or(Ok(()), |link| check_link(link, limits))
    }

    /// What stands above the text and beneath it.
    fn check_frame(&self, file: Option<MediaKind>, limits: &InteractiveLimits) -> Checked {
        if let Some(header) = &self.header {
            says("interactive.header", header, limits.header, Lines::One)?;
        }
        if let Some(footer) = &self.footer {
            says("interactive.footer", footer, limits.footer, Lines::One)?;
        }
        let Some(file) = file else { return Ok(()) };
        if self.header.is_some() {
            return Err(bad(
                "interactive.header",
                "Над текстом стоит либо строка, либо файл: уберите что-то одно",
                "Either a line or a file stands above the text: take one of them away",
            ));
        }
        if self.list.is_some() {
            return Err(bad("file", "У сообщения со списком не может быть файла", "A message with a list has no file"));
        }
        if matches!(file, MediaKind::Image | MediaKind::Video | MediaKind::Document) {
            return Ok(());
        }
        Err(bad(
            "file",
            "Над кнопками может стоять картинка, видео или документ",
            "A picture, a film or a document may stand above buttons",
        ))
    }
}

fn check_buttons(buttons: &[PressButton], limits: &InteractiveLimits) -> Checked {
    at_most("interactive.buttons", buttons.len(), limits.buttons)?;
    let (mut ids, mut titles) = (Vec::new(), Vec::new());
    for (n, button) in buttons.iter().enumerate() {
        let field = |name: &str| format!("interactive.buttons[{n}].{name}");
        id(&field("id"), &button.id, limits.button_id, &mut ids)?;
        says(&field("title"), &button.title, limits.button_title, Lines::One)?;
        once(&field("title"), button.title.trim(), &mut titles)?;
    }
    Ok(())
}

fn check_list(list: &ChoiceList, limits: &InteractiveLimits) -> Checked {
    says("interactive.list.button", &list.button, limits.button_title, Lines::One)?;
    let sections = "interactive.list.sections";
    if list.sections.is_empty() {
        return Err(bad(sections, "Добавьте хотя бы один раздел", "Add at least one section"));
    }
    at_most(sections, list.sections.len(), limits.sections)?;
    at_most(sections, list.sections.iter().map(|section| section.rows.len()).sum(), limits.rows)?;
    let mut ids = Vec::new();
    for (n, section) in list.sections.iter().enumerate() {
        let field = |name: &str| format!("{sections}[{n}].{name}");
        match &section.title {
            Some(title) => says(&field("title"), title, limits.section_title, Lines::One)?,
            None if list.sections.len() > 1 => says(&field("title"), "", limits.section_title, Lines::One)?,
            None => {}
        }
        if section.rows.is_empty() {
            return Err(bad(
                field("rows"),
                "Добавьте в раздел хотя бы одну строку",
                "Add at least one row to the section",
            ));
        }
        for (m, row) in section.rows.iter().enumerate() {
            check_row(&format!("{sections}[{n}].rows[{m}]"), row, limits, &mut ids)?;
        }
    }
    Ok(())
}

fn check_row<'a>(place: &str, row: &'a ListRow, limits: &InteractiveLimits, ids: &mut Vec<&'a str>) -> Checked {
    id(&format!("{place}.id"), &row.id, limits.row_id, ids)?;
    says(&format!("{place}.title"), &row.title, limits.row_title, Lines::One)?;
    let words = row.description.as_ref();
    words.map_or(Ok(()), |words| says(&format!("{place}.description"), words, limits.row_description, Lines::One))
}

fn check_link(link: &LinkButton, limits: &InteractiveLimits) -> Checked {
    says("interactive.link.title", &link.title, limits.button_title, Lines::One)?;
    says("interactive.link.url", &link.url, limits.url, Lines::One)?;
    let web = link.url.starts_with("https://") || link.url.starts_with("http://");
    if web && !link.url.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(bad(
        "interactive.link.url",
        "Нужен адрес, который начинается с https://",
        "An address that begins with https:// is needed",
    ))
}

/// How many lines words may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    One,
    Many,
}

/// Words are there, and not too many.
fn says(field: &str, words: &str, most: usize, lines: Lines) -> Checked {
    if words.trim().is_empty() {
        return Err(bad(field, "Заполните это поле", "Fill in this field"));
    }
    let count = words.chars().count();
    if count > most {
        let ru = format!("Не больше {most} знаков, сейчас {count}");
        return Err(bad(field, ru, format!("At most {most} characters, there are {count}")));
    }
    if lines == Lines::One && words.chars().any(char::is_control) {
        return Err(bad(field, "Уберите переводы строк", "Take the line feeds out"));
    }
    Ok(())
}

/// What comes back is told apart by it, so it is there once, and as it was given: vendors cut blanks off.
fn id<'a>(field: &str, id: &'a str, most: usize, seen: &mut Vec<&'a str>) -> Checked {
    says(field, id, most, Lines::One)?;
    if id.trim() != id {
        return Err(bad(field, "Уберите пробелы в начале и в конце", "Take the blanks off both ends"));
    }
    once(field, id, seen)
}

fn once<'a>(field: &str, word: &'a str, seen: &mut Vec<&'a str>) -> Checked {
    if seen.contains(&word) {
        let ru = format!("«{word}» уже есть: значения не должны повторяться");
        return Err(bad(field, ru, format!("\"{word}\" is there already: values must differ")));
    }
    seen.push(word);
    Ok(())
}

fn at_most(field: &str, count: usize, most: usize) -> Checked {
    if count <= most {
        return Ok(());
    }
    Err(bad(field, format!("Не больше {most}, сейчас {count}"), format!("At most {most}, there are {count}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: InteractiveLimits = InteractiveLimits {
        buttons: 3,
        button_title: 20,
        button_id: 256,
        sections: 10,
        section_title: 24,
        rows: 10,
        row_title: 24,
        row_description: 72,
        row_id: 200,
        url: 2000,
        header: 60,
        footer: 60,
        text: 1024,
        list_text: 4096,
    };

    fn buttons(count: usize) -> Interactive {
        let button = |n: usize| PressButton { id: format!("id{n}"), title: format!("Кнопка {n}") };
        Interactive { buttons: (0..count).map(button).collect(), ..Interactive::default() }
    }

    fn list(sections: usize, rows: usize) -> Interactive {
        let row = |n: usize| ListRow { id: format!("row{n}"), title: format!("Строка {n}"), description: None };
        let section = |n: usize| ListSection {
            title: Some(format!("Раздел {n}")),
            rows: (n * rows..(n + 1) * rows).map(row).collect(),
        };
        let list = ChoiceList { button: "Выбрать".into(), sections: (0..sections).map(section).collect() };
        Interactive { list: Some(list), ..Interactive::default() }
    }

    fn link(url: &str) -> Interactive {
        Interactive {
            link: Some(LinkButton { title: "Открыть".into(), url: url.into() }), ..Interactive::default()
        }
    }

    fn field_of(interactive: &Interactive, text: &str, file: Option<MediaKind>) -> String {
        interactive.check(text, file, &LIMITS).err().map(|bad| bad.field).unwrap_or_default()
    }

    #[test]
    fn what_fits_is_taken_to_the_last_character() {
        let mut full = buttons(3);
        full.buttons[0] = PressButton { id: "i".repeat(256), title: "я".repeat(20) };
        (full.header, full.footer) = (Some("я".repeat(60)), Some("я".repeat(60)));
        assert_eq!(full.check(&"я".repeat(1024), None, &LIMITS), Ok(()));
        assert_eq!(buttons(1).check("текст", Some(MediaKind::Document), &LIMITS), Ok(()));
        let mut full = list(5, 2);
        let row = &mut full.list.as_mut().unwrap().sections[4].rows[1];
        *row = ListRow { id: "i".repeat(200), title: "я".repeat(24), description: Some("я".repeat(72)) };
        assert_eq!(full.check(&"я".repeat(4096), None, &LIMITS), Ok(()));
        assert_eq!(link("https://example.test/?a=1").check("текст\nв две строки", None, &LIMITS), Ok(()));
    }

    #[test]
    fn what_does_not_fit_names_its_field() {
        let spoilt = |mut interactive: Interactive, spoil: fn(&mut Interactive)| {
            spoil(&mut interactive);
            field_of(&interactive, "текст", None)
        };
        assert_eq!(field_of(&Interactive::default(), "текст", None), "interactive");
        assert_eq!(spoilt(buttons(1), |one| one.link = link("https://a").link), "interactive");
        assert_eq!(field_of(&buttons(1), " \n", None), "text");
        assert_eq!(field_of(&buttons(1), &"я".repeat(1025), None), "text");
        assert_eq!(field_of(&list(1, 1), &"я".repeat(4097), None), "text");
        assert_eq!(spoilt(buttons(1), |one| one.header = Some("я".repeat(61))), "interactive.header");
        assert_eq!(spoilt(buttons(1), |one| one.footer = Some("в\nдве".into())), "interactive.footer");
        assert_eq!(field_of(&buttons(4), "текст", None), "interactive.buttons");
        assert_eq!(spoilt(buttons(2), |one| one.buttons[1].title = "я".repeat(21)), "interactive.buttons[1].title");
        assert_eq!(spoilt(buttons(2), |one| one.buttons[1].title = "Кнопка 0 ".into()), "interactive.buttons[1].title");
        assert_eq!(spoilt(buttons(2), |one| one.buttons[1].id = "id0".into()), "interactive.buttons[1].id");
        assert_eq!(spoilt(buttons(2), |one| one.buttons[0].id = " id".into()), "interactive.buttons[0].id");
        assert_eq!(spoilt(buttons(2), |one| one.buttons[0].id.clear()), "interactive.buttons[0].id");
        assert_eq!(field_of(&list(11, 1), "текст", None), "interactive.list.sections");
        assert_eq!(field_of(&list(4, 3), "текст", None), "interactive.list.sections");
        assert_eq!(field_of(&list(0, 1), "текст", None), "interactive.list.sections");
        assert_eq!(field_of(&list(1, 0), "текст", None), "interactive.list.sections[0].rows");
        let of_list = |spoil: fn(&mut ChoiceList)| {
            let mut interactive = list(2, 2);
            spoil(interactive.list.as_mut().unwrap());
            field_of(&interactive, "текст", None)
        };
        assert_eq!(of_list(|list| list.button.clear()), "interactive.list.button");
        assert_eq!(of_list(|list| list.sections[1].title = None), "interactive.list.sections[1].title");
        let row = "interactive.list.sections[1].rows[0]";
        assert_eq!(of_list(|list| list.sections[1].rows[0].title = "я".repeat(25)), format!("{row}.title"));
        assert_eq!(of_list(|list| list.sections[1].rows[0].id = "row0".into()), format!("{row}.id"));
        let long: fn(&mut ChoiceList) = |list| list.sections[1].rows[0].description = Some("я".repeat(73));
        assert_eq!(of_list(long), format!("{row}.description"));
        for url in ["example.test", "javascript:alert(1)", "https://a b"] {
            assert_eq!(field_of(&link(url), "текст", None), "interactive.link.url", "{url}");
        }
        assert_eq!(field_of(&buttons(1), "текст", Some(MediaKind::Voice)), "file");
        assert_eq!(field_of(&list(1, 1), "текст", Some(MediaKind::Image)), "file");
        let mut both = buttons(1);
        both.header = Some("x".into());
        assert_eq!(field_of(&both, "текст", Some(MediaKind::Image)), "interactive.header");
    }
}
