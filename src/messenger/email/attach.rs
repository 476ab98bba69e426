//! Attaching: both logins are tried, and what is wrong is told at its field.

use secrecy::SecretString;
use serde_json::Value;

use super::account::{Account, Proof};
use super::door::{At, Trouble};
use super::mailbox::{Folder, Mailbox};
use super::{form, listen, smtp, token};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Wire};

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let mut account = form::read(&step.answers)?;
    let begins = check(wire, &mut account).await?;
    Ok(AttachNext::Done(done(account, begins)))
}

/// Tries both servers, with a new token where tokens can be renewed: one that cannot is found out now, and not in an hour.
/// Gives back where listening to the inbox begins.
pub(super) async fn check(wire: &Wire, account: &mut Account) -> Result<Value, AttachError> {
    let proof = match &mut account.proof {
        Proof::Password(_) => "password",
        Proof::Token(token) => match &mut token.renewal {
            None => "access_token",
            Some(renewal) => {
                token.access = token::first(wire, account.service, renewal).await?;
                "refresh_token"
            }
        },
    };
    let mut mailbox = Mailbox::enter(wire, account).await.map_err(|trouble| told(trouble, &IMAP, proof))?;
    let name = mailbox.inbox.clone();
    let inbox = folder(&mut mailbox, "inbox_folder", &name).await?;
    if let (true, Some(name)) = (account.folders.sent.is_some(), mailbox.sent_folder().await.unwrap_or_default()) {
        folder(&mut mailbox, "sent_folder", &name).await?;
    }
    mailbox.leave().await;
    let mut connection = smtp::enter(wire, account).await.map_err(|trouble| told(trouble, &SMTP, proof))?;
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), connection.quit()).await;
    Ok(listen::from(account, inbox))
}

/// Opens a folder that the owner named, or the one that every mailbox has.
async fn folder(mailbox: &mut Mailbox, field: &'static str, name: &str) -> Result<Folder, AttachError> {
    mailbox.examine(name).await.map_err(|trouble| {
        AttachError::new(
            field,
            &format!("Папка не открывается: {}. Укажите имя папки, как его показывает почта.", trouble.seen),
            &format!("The folder cannot be opened: {}. Give its name as the mail program shows it.", trouble.seen),
        )
    })
}

/// What is kept of a mailbox.
pub(super) fn done(account: Account, begins: Value) -> Attachment {
    Attachment {
        secrets: SecretString::from(account.secrets().to_string()),
        settings: account.settings(),
        account: account.address,
        cursor: begins,
    }
}

/// The names of a server's fields.
struct Names {
    title: &'static str,
    host: &'static str,
    security: &'static str,
}

const IMAP: Names = Names { title: "IMAP", host: "imap_host", security: "imap_security" };
const SMTP: Names = Names { title: "SMTP", host: "smtp_host", security: "smtp_security" };

fn told(trouble: Trouble, names: &Names, proof: &'static str) -> AttachError {
    let (title, seen) = (names.title, trouble.seen);
    match trouble.at {
        At::Host => AttachError::new(
            names.host,
            &format!("Сервер {title} недоступен: {seen}. Проверьте его имя и порт."),
            &format!("The {title} server cannot be reached: {seen}. Check its name and its port."),
        ),
        At::Security => AttachError::new(
            names.security,
            &format!("Защищённое соединение с сервером {title} не установлено: {seen}. Проверьте порт и вид защиты."),
            &format!("No secure connection with the {title} server: {seen}. Check the port and the protection."),
        ),
        At::Login => AttachError::new(
            proof,
            &format!(
                "Сервер {title} не принял вход: {seen}. Проверьте логин и пароль; Gmail, Яндексу и Mail.ru нужен пароль \
                 приложения и включённый доступ по IMAP."
            ),
            &format!(
                "The {title} server refused the login: {seen}. Check login and password; Gmail, Yandex and Mail.ru need an \
                 app password and IMAP switched on."
            ),
        ),
        At::Talk => AttachError::new(
            names.host,
            &format!("Сервер {title} отвечает не так, как должен: {seen}. Проверьте имя, порт и вид защиты."),
            &format!("The {title} server does not answer as it should: {seen}. Check name, port and protection."),
        ),
    }
}
