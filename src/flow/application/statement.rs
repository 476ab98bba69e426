//! The statement as a PDF of one or two pages. Its font lies in the binary and is embedded into the document, cut to the signs
//! that are used, so that it looks the same everywhere.

use std::sync::Arc;

use krilla::Document;
use krilla::geom::{PathBuilder, Point};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::Stroke;
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use ttf_parser::Face;

use crate::model::application::{Form, LegalForm};
use crate::model::moment::Moment;

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/LiberationSerif-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/fonts/LiberationSerif-Bold.ttf");

/// A4, in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
const LEFT: f32 = 71.0;
const RIGHT: f32 = 42.5;
const TOP: f32 = 57.0;
const BOTTOM: f32 = 57.0;
/// Where the second column of the table begins.
const COLUMN: f32 = 190.0;
const SIZE: f32 = 12.0;
const LINE: f32 = 16.0;

/// Writes the statement of a form that was checked.
pub(super) fn write(number: i64, made: Moment, form: &Form) -> Result<Vec<u8>, String> {
    let sheet = Sheet::new()?;
    let date = made.to_utc().with_timezone(&chrono_tz::Europe::Moscow).format("%d.%m.%Y").to_string();
    let mut document = Document::new();
    document
        .set_metadata(Metadata::new().title(format!("Заявление о присоединении № {number}")).language("ru".to_owned()));
    for page in sheet.pages(number, &date, form) {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or("the size of the page")?;
        let mut open = document.start_page_with(settings);
        let mut surface = open.surface();
        for mark in &page {
            sheet.draw(&mut surface, mark);
        }
        surface.finish();
        open.finish();
    }
    document.finish().map_err(|error| format!("{error:?}"))
}

/// Something on a page.
enum Mark {
    Text { x: f32, y: f32, size: f32, bold: bool, text: String },
    Rule { x: f32, y: f32, to: f32 },
}

/// The fonts, and how wide their signs are.
struct Sheet {
    fonts: [Font; 2],
    faces: [Face<'static>; 2],
}

/// Where the next line goes, and what was put down so far.
struct Pen {
    pages: Vec<Vec<Mark>>,
    y: f32,
}

impl Pen {
    fn new() -> Self {
        Self { pages: vec![Vec::new()], y: TOP + SIZE }
    }

    /// Makes room for so many lines, on the next page where this one is full.
    fn need(&mut self, lines: f32) {
        if self.y + lines * LINE > HEIGHT - BOTTOM {
            self.pages.push(Vec::new());
            self.y = TOP + SIZE;
        }
    }

    fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn down(&mut self, lines: f32) {
        self.y += lines * LINE;
    }
}

impl Sheet {
    fn new() -> Result<Self, String> {
        let font = |bytes: &'static [u8]| {
            let data: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes);
            Font::new(data.into(), 0).ok_or_else(|| "the font is broken".to_owned())
        };
        let face = |bytes| Face::parse(bytes, 0).map_err(|error| error.to_string());
        Ok(Self { fonts: [font(REGULAR)?, font(BOLD)?], faces: [face(REGULAR)?, face(BOLD)?] })
    }

    fn pages(&self, number: i64, date: &str, form: &Form) -> Vec<Vec<Mark>> {
        let mut pen = Pen::new();
        self.centred(&mut pen, &format!("Заявление о присоединении № {number}"), 15.0);
        self.centred(&mut pen, "к условиям использования сервиса VK Notify", SIZE);
        pen.down(0.5);
        pen.put(Mark::Text { x: LEFT, y: pen.y, size: SIZE, bold: false, text: date.to_owned() });
        pen.down(2.0);
        let full = full_name(form);
        self.paragraph(
            &mut pen,
            &format!(
                "{full}, в лице: {}, {}, действующего на основании: {}, настоящим заявляет о присоединении к условиям \
                 использования сервиса VK Notify и просит подключить отправку сервисных и транзакционных уведомлений по номеру \
                 телефона от имени сообщества компании.",
                lower_first(&form.signer_position),
                form.signer_name,
                form.signer_basis,
            ),
        );
        pen.down(0.7);
        self.heading(&mut pen, "Сведения о заявителе");
        for (name, value) in rows(form, &full) {
            self.row(&mut pen, name, &value);
        }
        pen.down(0.7);
        self.paragraph(
            &mut pen,
            "Заявитель подтверждает достоверность указанных сведений и обязуется отправлять только уведомления по одобренным \
             шаблонам и только получателям, которые дали на это согласие.",
        );
        self.signature(&mut pen, form);
        pen.pages
    }

    fn signature(&self, pen: &mut Pen, form: &Form) {
        pen.need(6.0);
        pen.down(2.0);
        self.lines(pen, LEFT, &form.signer_position, WIDTH - RIGHT - LEFT, false);
        pen.down(1.5);
        pen.put(Mark::Rule { x: LEFT, y: pen.y + 2.0, to: LEFT + 180.0 });
        let name = format!("/ {} /", form.signer_name);
        self.lines(pen, LEFT + 190.0, &name, WIDTH - RIGHT - LEFT - 190.0, false);
        pen.put(Mark::Text {
            x: LEFT + 60.0, y: pen.y - 3.0, size: 9.0, bold: false, text: "(подпись)".to_owned()
        });
        if form.legal_form != LegalForm::Ip {
            pen.down(1.0);
            pen.put(Mark::Text { x: LEFT, y: pen.y, size: SIZE, bold: false, text: "М. П.".to_owned() });
        }
    }

    fn centred(&self, pen: &mut Pen, text: &str, size: f32) {
        let bold = size > SIZE;
        for line in self.wrap(text, WIDTH - LEFT - RIGHT, size, bold) {
            let x = LEFT + (WIDTH - LEFT - RIGHT - self.width(&line, size, bold)) / 2.0;
            pen.put(Mark::Text { x, y: pen.y, size, bold, text: line });
            pen.down(if bold { 1.3 } else { 1.0 });
        }
    }

    fn heading(&self, pen: &mut Pen, text: &str) {
        pen.need(3.0);
        self.lines(pen, LEFT, text, WIDTH - LEFT - RIGHT, true);
        pen.down(0.3);
    }

    fn paragraph(&self, pen: &mut Pen, text: &str) {
        self.lines(pen, LEFT, text, WIDTH - LEFT - RIGHT, false);
    }

    /// A row of the table: what it is called on the left, the value on the right, a rule below.
    fn row(&self, pen: &mut Pen, name: &str, value: &str) {
        let (left, right) = (COLUMN - 10.0, WIDTH - RIGHT - LEFT - COLUMN);
        let names = self.wrap(name, left, SIZE, false);
        let values = self.wrap(value, right, SIZE, false);
        #[expect(clippy::cast_precision_loss, reason = "a few lines")]
        let height = names.len().max(values.len()) as f32;
        pen.need(height + 0.5);
        for (x, lines) in [(LEFT, names), (LEFT + COLUMN, values)] {
            let mut y = pen.y;
            for text in lines {
                pen.put(Mark::Text { x, y, size: SIZE, bold: false, text });
                y += LINE;
            }
        }
        pen.down(height);
        pen.put(Mark::Rule { x: LEFT, y: pen.y - LINE + 5.0, to: WIDTH - RIGHT });
        pen.down(0.25);
    }

    fn lines(&self, pen: &mut Pen, x: f32, text: &str, width: f32, bold: bool) {
        for text in self.wrap(text, width, SIZE, bold) {
            pen.need(1.0);
            pen.put(Mark::Text { x, y: pen.y, size: SIZE, bold, text });
            pen.down(1.0);
        }
    }

    /// Breaks a text into lines at blanks; a word that is wider than a line is broken anywhere.
    fn wrap(&self, text: &str, width: f32, size: f32, bold: bool) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer, size, bold) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for sign in word.chars() {
                line.push(sign);
                if self.width(&line, size, bold) > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::take(&mut line));
                    line.push(sign);
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    fn width(&self, text: &str, size: f32, bold: bool) -> f32 {
        let [regular, strong] = &self.faces;
        let face = if bold { strong } else { regular };
        let advance = |sign| face.glyph_hor_advance(face.glyph_index(sign).unwrap_or_default()).unwrap_or_default();
        let units: u32 = text.chars().map(|sign| u32::from(advance(sign))).sum();
        #[expect(clippy::cast_precision_loss, reason = "a line of text")]
        let units = units as f32;
        units * size / f32::from(face.units_per_em())
    }

    fn draw(&self, surface: &mut Surface<'_>, mark: &Mark) {
        match mark {
            Mark::Text { x, y, size, bold, text } => {
                let [regular, strong] = &self.fonts;
                let font = if *bold { strong } else { regular };
                surface.draw_text(Point::from_xy(*x, *y), font.clone(), *size, text, false, TextDirection::LeftToRight);
            }
            Mark::Rule { x, y, to } => {
                let mut path = PathBuilder::new();
                path.move_to(*x, *y);
                path.line_to(*to, *y);
                if let Some(path) = path.finish() {
                    surface.set_fill(None);
                    surface.set_stroke(Some(Stroke { width: 0.5, ..Stroke::default() }));
                    surface.draw_path(&path);
                    surface.set_stroke(None);
                    surface.set_fill(Some(krilla::paint::Fill::default()));
                }
            }
        }
    }
}

fn full_name(form: &Form) -> String {
    match form.legal_form {
        LegalForm::Ip => format!("{} {}", form.legal_form.title(), form.company_name),
        // the form stands in the name already
        LegalForm::Other => form.company_name.clone(),
        _ => format!("{} «{}»", form.legal_form.title(), form.company_name.trim_matches(['«', '»', '"'])),
    }
}

fn rows(form: &Form, full: &str) -> Vec<(&'static str, String)> {
    let alone = form.legal_form == LegalForm::Ip;
    let mut rows = vec![
        ("Заявитель", full.to_owned()),
        ("ИНН", form.inn.clone()),
        (if alone { "ОГРНИП" } else { "ОГРН" }, form.ogrn.clone()),
    ];
    if !alone {
        rows.push(("КПП", form.kpp.clone()));
    }
    rows.extend([
        ("Адрес регистрации", form.address.clone()),
        ("Должность подписанта", form.signer_position.clone()),
        ("ФИО подписанта", form.signer_name.clone()),
        ("Основание действия подписанта", form.signer_basis.clone()),
        ("Электронный документооборот (ЭДО)", if form.edo { "да" } else { "нет" }.to_owned()),
    ]);
    if form.edo {
        rows.extend([("Идентификатор ЭДО", form.edo_id.clone()), ("Оператор ЭДО", form.edo_operator.clone())]);
    }
    rows
}

fn lower_first(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map(|first| first.to_lowercase().chain(signs).collect()).unwrap_or_default()
}
