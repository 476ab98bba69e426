//! The statement of accession to VK Notify: what a company says of itself in it, and how far it has come.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of company it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalForm {
    /// ООО.
    Ooo,
    /// АО.
    Ao,
    /// ПАО.
    Pao,
    /// Another legal person.
    Other,
    /// An individual entrepreneur.
    Ip,
}

impl LegalForm {
    /// How it is written in the statement.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ooo => "Общество с ограниченной ответственностью",
            Self::Ao => "Акционерное общество",
            Self::Pao => "Публичное акционерное общество",
            Self::Other => "Юридическое лицо",
            Self::Ip => "Индивидуальный предприниматель",
        }
    }
}

/// What is filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApplicationForm)]
pub struct Form {
    /// Whether documents are exchanged electronically (ЭДО).
    pub edo: bool,
    /// The company's id there.
    #[serde(default)]
    pub edo_id: String,
    /// The operator.
    #[serde(default)]
    pub edo_operator: String,
    /// What kind of company.
    pub legal_form: LegalForm,
    /// Its name, without the form.
    pub company_name: String,
    /// ИНН.
    pub inn: String,
    /// ОГРН, or ОГРНИП.
    pub ogrn: String,
    /// КПП; empty for an entrepreneur.
    #[serde(default)]
    pub kpp: String,
    /// The address of registration.
    pub address: String,
    /// The signer's position.
    pub signer_position: String,
    /// The signer's name in full.
    pub signer_name: String,
    /// What the signer acts on, as a charter.
    pub signer_basis: String,
}

/// How far an application has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ApplicationStage)]
pub enum Stage {
    /// «Документы сформированы»: the statement may be downloaded and signed.
    Formed,
    /// «Заявление отправлено».
    Sent,
    /// «Проверено»: the data were checked, the decision is still to come.
    Checked,
    /// «Одобрено»: VK Notify may be attached.
    Approved,
    /// «Отказано».
    Refused,
}

impl Stage {
    /// Every stage, in the order of the way.
    pub const ALL: [Self; 5] = [Self::Formed, Self::Sent, Self::Checked, Self::Approved, Self::Refused];

    /// The written form.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Formed => "formed",
            Self::Sent => "sent",
            Self::Checked => "checked",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }

    /// The stage of a written form; an unknown one is where applications begin.
    #[must_use]
    pub fn of(slug: &str) -> Self {
        Self::ALL.into_iter().find(|stage| stage.slug() == slug).unwrap_or(Self::Formed)
    }

    /// Whether an application may come from here to there.
    #[must_use]
    pub const fn leads_to(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Formed, Self::Sent)
                | (Self::Sent, Self::Checked | Self::Approved | Self::Refused)
                | (Self::Checked, Self::Approved | Self::Refused)
        )
    }

    /// Whether people are to be told that it came here: the answer of the other side.
    #[must_use]
    pub const fn is_news(self) -> bool {
        matches!(self, Self::Checked | Self::Approved | Self::Refused)
    }
}

/// A field that is wrong, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {en}")]
pub struct BadField {
    /// The field.
    pub field: &'static str,
    /// What to do, in Russian.
    pub ru: &'static str,
    /// What to do, in English.
    pub en: &'static str,
}

const fn bad(field: &'static str, ru: &'static str, en: &'static str) -> BadField {
    BadField { field, ru, en }
}

impl Form {
    /// The form without blanks around its answers, and without what does not belong to this kind of company.
    #[must_use]
    pub fn tidy(&self) -> Self {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let edo = |text: &str| if self.edo { line(text) } else { String::new() };
        Self {
            edo: self.edo,
            edo_id: edo(&self.edo_id),
            edo_operator: edo(&self.edo_operator),
            legal_form: self.legal_form,
            company_name: line(&self.company_name),
            inn: line(&self.inn),
            ogrn: line(&self.ogrn),
            kpp: line(&self.kpp).to_uppercase(),
            address: line(&self.address),
            signer_position: line(&self.signer_position),
            signer_name: line(&self.signer_name),
            signer_basis: line(&self.signer_basis),
        }
    }

    /// Whether everything that can be known of a tidy form without asking anybody is right. Fields are looked at in the order
    /// in which people fill them in.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), BadField> {
        self.check_edo()?;
        self.check_numbers()?;
        let texts = [
            (
                "company_name",
                &self.company_name,
                2,
                "Укажите наименование, от 2 до 300 знаков",
                "Give the company's name, 2 to 300 characters",
            ),
            (
                "address",
                &self.address,
                10,
                "Укажите адрес регистрации целиком: индекс, город, улица, дом",
                "Give the whole address of registration: postal code, city, street, house",
            ),
            ("signer_position", &self.signer_position, 3, "Укажите должность подписанта", "Give the signer's position"),
            (
                "signer_name",
                &self.signer_name,
                5,
                "Укажите фамилию, имя и отчество подписанта",
                "Give the signer's name in full",
            ),
            (
                "signer_basis",
                &self.signer_basis,
                3,
                "Укажите основание: устав, доверенность с номером и датой",
                "Give the basis: the charter, or a power of attorney with its number and date",
            ),
        ];
        for (field, text, least, ru, en) in texts {
            let length = text.chars().count();
            if !(least..=300).contains(&length) || text.chars().any(char::is_control) {
                return Err(bad(field, ru, en));
            }
        }
        if self.signer_name.split(' ').count() < 2 {
            return Err(bad(
                "signer_name",
                "Укажите фамилию, имя и отчество подписанта",
                "Give the signer's name in full",
            ));
        }
        Ok(())
    }

    fn check_edo(&self) -> Result<(), BadField> {
        if !self.edo {
            return Ok(());
        }
        let id = &self.edo_id;
        if !(5..=100).contains(&id.len()) || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c)) {
            return Err(bad(
                "edo_id",
                "Укажите идентификатор участника ЭДО из личного кабинета оператора, например 2BM-7707083893-…",
                "Give the participant's id from the operator's cabinet, as 2BM-7707083893-…",
            ));
        }
        if !(2..=100).contains(&self.edo_operator.chars().count()) {
            return Err(bad(
                "edo_operator",
                "Укажите оператора ЭДО, например Диадок или СБИС",
                "Give the operator, as Diadoc or SBIS",
            ));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), BadField> {
        let alone = self.legal_form == LegalForm::Ip;
        if !is_inn(&self.inn, if alone { 12 } else { 10 }) {
            return Err(if alone {
                bad(
                    "inn",
                    "Проверьте ИНН: у предпринимателя 12 цифр, последние две — контрольные",
                    "Check the INN: an entrepreneur's has 12 digits, the last two of them are check digits",
                )
            } else {
                bad(
                    "inn",
                    "Проверьте ИНН: у организации 10 цифр, последняя — контрольная",
                    "Check the INN: a company's has 10 digits, the last of them is a check digit",
                )
            });
        }
        if !is_ogrn(&self.ogrn, if alone { 15 } else { 13 }) {
            return Err(if alone {
                bad(
                    "ogrn",
                    "Проверьте ОГРНИП: 15 цифр, последняя — контрольная",
                    "Check the OGRNIP: 15 digits, the last of them is a check digit",
                )
            } else {
                bad(
                    "ogrn",
                    "Проверьте ОГРН: 13 цифр, последняя — контрольная",
                    "Check the OGRN: 13 digits, the last of them is a check digit",
                )
            });
        }
        match (alone, self.kpp.is_empty()) {
            (true, false) => Err(bad(
                "kpp",
                "У предпринимателя нет КПП: оставьте поле пустым",
                "An entrepreneur has no KPP: leave the field empty",
            )),
            (false, _) if !is_kpp(&self.kpp) => {
                Err(bad("kpp", "Укажите КПП: 9 знаков, например 770701001", "Give the KPP: 9 characters, as 770701001"))
            }
            _ => Ok(()),
        }
    }
}

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

/// The weights are those of the tax service's order; the control of twelve digits is two.
fn is_inn(text: &str, length: usize) -> bool {
    const WEIGHTS: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
    let Some(digits) = digits(text).filter(|digits| digits.len() == length) else { return false };
    // no tax office has the number 00
    if digits.iter().take(2).all(|digit| *digit == 0) {
        return false;
    }
    let control = |count: usize| {
        let weights = WEIGHTS.iter().skip(WEIGHTS.len() - count);
        let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        digits.get(count) == Some(&(sum % 11 % 10))
    };
    if length == 10 { control(9) } else { control(10) && control(11) }
}

fn is_ogrn(text: &str, length: usize) -> bool {
    let good = text.len() == length && text.chars().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    let (Some(number), Some(last)) = (text.get(..length.saturating_sub(1)), text.chars().last()) else { return false };
    let divisor = if length == 15 { 13 } else { 11 };
    let control = number.parse::<u64>().ok().map(|number| number % divisor % 10);
    good && control == last.to_digit(10).map(u64::from)
}

/// Four digits of the office, two signs of the reason, three digits of the order.
fn is_kpp(text: &str) -> bool {
    text.len() == 9
        && text.char_indices().all(|(at, c)| {
            if matches!(at, 4 | 5) { c.is_ascii_digit() || c.is_ascii_uppercase() } else { c.is_ascii_digit() }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            edo: true,
            edo_id: "2BM-7707083893-2012052808220682662630000000000".to_owned(),
            edo_operator: "Диадок".to_owned(),
            legal_form: LegalForm::Ooo,
            company_name: "Ромашка".to_owned(),
            inn: "7707083893".to_owned(),
            ogrn: "1027700132195".to_owned(),
            kpp: "773601001".to_owned(),
            address: "117997, Москва, ул. Вавилова, д. 19".to_owned(),
            signer_position: "Генеральный директор".to_owned(),
            signer_name: "Иванов Иван Иванович".to_owned(),
            signer_basis: "Устава".to_owned(),
        }
    }

    fn wrong(change: impl Fn(&mut Form)) -> &'static str {
        let mut form = form();
        change(&mut form);
        form.tidy().check().unwrap_err().field
    }

    #[test]
    fn a_company_and_an_entrepreneur_are_taken() {
        assert_eq!(form().check(), Ok(()));
        let alone = Form {
            legal_form: LegalForm::Ip,
            inn: "500100732259".to_owned(),
            ogrn: "304500116000157".to_owned(),
            kpp: String::new(),
            ..form()
        };
        assert_eq!(alone.check(), Ok(()));
    }

    #[test]
    fn every_digit_of_a_number_counts() {
        for (good, length, is) in [
            ("7707083893", 10, is_inn as fn(&str, usize) -> bool),
            ("7830002293", 10, is_inn),
            ("500100732259", 12, is_inn),
            ("1027700132195", 13, is_ogrn),
            ("1027739642281", 13, is_ogrn),
            ("304500116000157", 15, is_ogrn),
        ] {
            assert!(is(good, length), "{good}");
            assert!(!is(good, if length == 10 { 12 } else { length - 1 }), "{good}");
            for (at, digit) in good.char_indices() {
                let other = if digit == '9' { '1' } else { '9' };
                let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
                // the control is modulo 11 and then 10, so a rare change passes; none of these does
                assert!(!is(&changed, length), "{good} as {changed}");
            }
        }
        for text in ["", "77070838", "770708389x", "٧٧٠٧٠٨٣٨٩٣", "0000000000", "7707083893 "] {
            assert!(!is_inn(text, 10), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_at_its_field() {
        assert_eq!(wrong(|form| form.inn = "7707083894".to_owned()), "inn");
        assert_eq!(wrong(|form| form.inn = "500100732259".to_owned()), "inn");
        assert_eq!(wrong(|form| form.ogrn = "1027700132196".to_owned()), "ogrn");
        assert_eq!(wrong(|form| form.kpp = String::new()), "kpp");
        assert_eq!(wrong(|form| form.kpp = "77360100".to_owned()), "kpp");
        assert_eq!(wrong(|form| form.edo_id = "мой".to_owned()), "edo_id");
        assert_eq!(wrong(|form| form.edo_operator = " ".to_owned()), "edo_operator");
        assert_eq!(wrong(|form| form.company_name = String::new()), "company_name");
        assert_eq!(wrong(|form| form.address = "Москва".to_owned()), "address");
        assert_eq!(wrong(|form| form.signer_position = String::new()), "signer_position");
        assert_eq!(wrong(|form| form.signer_name = "Иванов".to_owned()), "signer_name");
        assert_eq!(wrong(|form| form.signer_basis = "я".repeat(301)), "signer_basis");
        assert_eq!(
            wrong(|form| {
                form.legal_form = LegalForm::Ip;
                form.inn = "500100732259".to_owned();
                form.ogrn = "304500116000157".to_owned();
            }),
            "kpp"
        );
    }

    #[test]
    fn without_electronic_exchange_its_fields_are_not_kept() {
        let form =
            Form {
                edo: false, kpp: " 77360a001 ".to_owned(), signer_name: "Иванов  Иван\n".to_owned(), ..form()
            };
        let tidy = form.tidy();
        assert_eq!((tidy.edo_id.as_str(), tidy.edo_operator.as_str()), ("", ""));
        assert_eq!((tidy.kpp.as_str(), tidy.signer_name.as_str()), ("77360A001", "Иванов Иван"));
    }

    #[test]
    fn an_application_goes_forward_only_and_ends() {
        for from in Stage::ALL {
            assert_eq!(Stage::of(from.slug()), from);
            assert!(!from.leads_to(from) && !from.leads_to(Stage::Formed));
            let over = matches!(from, Stage::Approved | Stage::Refused);
            assert_eq!(Stage::ALL.into_iter().any(|to| from.leads_to(to)), !over);
        }
        assert!(!Stage::Formed.leads_to(Stage::Approved));
    }
}
