//! Sending: one connection, one letter, and what each reply means for the queue.

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::{Error, response::Response};

use super::account::{self, Account, Proof};
use super::compose::{Composed, compose};
use super::door::{self, At, Tongue, Trouble, within};
use super::mailbox::Mailbox;
use super::token;
use crate::messenger::{Wire, field};
use crate::model::message::Outgoing;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::departure;

/// How long a server that is busy is left alone, in milliseconds; greylisting asks for a minute and more.
const BUSY_MS: i64 = 60_000;

/// A used up quota is not asked for again within an hour.
const QUOTA_MS: i64 = 3_600_000;

pub(super) async fn send(wire: &Wire, message: &Outgoing, now: Moment) -> Answer {
    let account = match account::of_wire(wire) {
        Ok(account) => account,
        Err(seen) => return Answer::Expired { seen },
    };
    let letter = match compose(wire, &account, message, now).await {
        Ok(letter) => letter,
        Err(answer) => return answer,
    };
    if let Some(answer) = token::has_run_out(wire, now) {
        return answer;
    }
    match submit(wire, &account, &letter, now).await {
        Answer::Unsure { seen, .. } => look_for(wire, &account, &letter, seen).await,
        answer @ Answer::Done { .. } => {
            keep_copy(wire, &account, &letter).await;
            answer
        }
        other => other,
    }
}

/// Sends without a mailbox behind: nothing is kept, and what is unsure stays so.
pub(super) async fn post(wire: &Wire, message: &Outgoing, now: Moment) -> Answer {
    let account = match account::of_wire(wire) {
        Ok(account) => account,
        Err(seen) => return Answer::Expired { seen },
    };
    match compose(wire, &account, message, now).await {
        Ok(letter) => submit(wire, &account, &letter, now).await,
        Err(answer) => answer,
    }
}

/// Logs in, and sends nothing.
pub(super) async fn reach(wire: &Wire) -> Result<(), String> {
    let account = account::of_wire(wire)?;
    let mut connection = enter(wire, &account).await.map_err(|trouble| trouble.seen)?;
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), connection.quit()).await;
    Ok(())
}

/// One connection, one letter.
async fn submit(wire: &Wire, account: &Account, letter: &Composed, now: Moment) -> Answer {
    let mut connection = match enter(wire, account).await {
        Ok(connection) => connection,
        Err(trouble) => return trouble.answer(),
    };
    if !departure::may_leave() {
        return Answer::Down { seen: "this process may not send any more".to_owned() };
    }
    let answer = hand_over(wire, &mut connection, letter, now).await;
    // the answer is known: how the connection ends is of no matter
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), connection.quit()).await;
    answer
}

/// Connects and logs in; the attach form tries it too.
pub(super) async fn enter(wire: &Wire, account: &Account) -> Result<AsyncSmtpConnection, Trouble> {
    let deadline = wire.http.limits().deadline;
    let line = door::open(wire, &account.smtp, Tongue::Smtp).await?;
    let name = ClientId::Domain(account.domain().to_owned());
    within(deadline, async {
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(line), &name).await.map_err(talk)?;
        log_in(&mut connection, account).await?;
        Ok(connection)
    })
    .await
}

async fn log_in(connection: &mut AsyncSmtpConnection, account: &Account) -> Result<(), Trouble> {
    let done = match &account.proof {
        // a server of one's own may take letters from this machine without a login
        Proof::Password(password) if password.is_empty() => return Ok(()),
        Proof::Password(password) => {
            let credentials = Credentials::new(account.login.clone(), password.clone());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await
        }
        Proof::Token(token) => {
            let credentials = Credentials::new(account.login.clone(), token.access.clone());
            let command = Auth::new(Mechanism::Xoauth2, credentials, None).map_err(talk)?;
            match connection.command(command).await {
                // the challenge says what is wrong; an empty line asks for the refusal itself
                Ok(reply) if reply.has_code(334) => connection.command("\r\n").await,
                other => other,
            }
        }
    };
    done.map(|_: Response| ()).map_err(|error| match code(&error) {
        Some(454 | 421 | 450..=452) => Trouble::new(At::Talk, said(&error)),
        Some(_) => Trouble::new(At::Login, said(&error)),
        // none of the ways to log in that the server offers is ours
        None if error.is_client() => Trouble::new(At::Login, said(&error)),
        None => talk(error),
    })
}

/// Hands a letter over. Before the final dot nothing was taken, whatever happens; after it only an answer tells.
async fn hand_over(wire: &Wire, connection: &mut AsyncSmtpConnection, letter: &Composed, now: Moment) -> Answer {
    let limits = wire.http.limits();
    match tokio::time::timeout(limits.deadline, announce(connection, letter, now)).await {
        Ok(Ok(())) => {}
        Ok(Err(answer)) => return answer,
        Err(_) => return Answer::Down { seen: "the server did not answer in time".to_owned() },
    }
    let limit = limits.with_file().deadline;
    match tokio::time::timeout(limit, connection.message(&letter.bytes)).await {
        Ok(Ok(_)) => done(letter),
        Ok(Err(error)) if code(&error).is_some() => refusal(&error, Step::Letter, now),
        Ok(Err(error)) => unsure(&error.to_string()),
        Err(_) => unsure("the server did not answer in time"),
    }
}

/// Everything before the letter itself.
async fn announce(connection: &mut AsyncSmtpConnection, letter: &Composed, now: Moment) -> Result<(), Answer> {
    let eight = connection.server_info().supports_feature(Extension::EightBitMime);
    if !letter.bytes.is_ascii() && !eight {
        return Err(Answer::Refused { code: Code::Refused, text: "the server takes seven bits only".to_owned() });
    }
    let options = if eight { vec![MailParameter::Body(MailBodyParameter::EightBitMime)] } else { Vec::new() };
    let mail = connection.command(Mail::new(Some(letter.from.clone()), options)).await;
    mail.map_err(|error| refusal(&error, Step::Sender, now))?;
    let rcpt = connection.command(Rcpt::new(letter.to.clone(), Vec::new())).await;
    rcpt.map_err(|error| refusal(&error, Step::Recipient, now))?;
    let data = connection.command(Data).await;
    data.map_err(|error| refusal(&error, Step::Letter, now))?;
    Ok(())
}

fn done(letter: &Composed) -> Answer {
    let chat = Some(letter.chat.clone());
    Answer::Done { vendor_ids: vec![letter.id.clone()], chat }
}

fn unsure(seen: &str) -> Answer {
    Answer::Unsure { seen: field::short(seen), resendable: false }
}

/// Which command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Sender,
    Recipient,
    Letter,
}

/// A letter that was not taken for sure: the connection broke before its end, or a reply says so.
fn refusal(error: &Error, step: Step, now: Moment) -> Answer {
    match code(error) {
        Some(code) => meaning(code, &said(error), step, now),
        None => Answer::Down { seen: field::short(&error.to_string()) },
    }
}

/// What a reply means for the queue.
fn meaning(code: u16, said: &str, step: Step, now: Moment) -> Answer {
    let text = field::short(said);
    let status = enhanced(said);
    let lower = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let quota =
        status == "5.4.5" || has(&["daily", "quota exceeded for the day", "sending limit", "too many messages"]);
    if quota && matches!(code, 452 | 550 | 554) {
        return Answer::Busy { after_ms: until_tomorrow(now), scope: Scope::Lane };
    }
    let about_sender = has(&["sender address", "not owned by", "from address", "mail from"]);
    match code {
        // this server's troubles are everybody's; a mailbox that is busy is one recipient's
        450..=452 if step == Step::Recipient => Answer::Busy { after_ms: BUSY_MS, scope: Scope::Recipient },
        400..=499 => Answer::Busy { after_ms: BUSY_MS, scope: Scope::Lane },
        530 | 534 | 535 => Answer::Expired { seen: text },
        553 if step == Step::Sender => Answer::Expired { seen: text },
        550 | 553 if about_sender => Answer::Expired { seen: text },
        552 if status == "5.3.4" || (step != Step::Recipient && status != "5.2.2") => {
            Answer::Refused { code: Code::FileTooBig, text }
        }
        550 | 551 | 553 if step == Step::Recipient && !status.starts_with("5.7") => Answer::Nobody { text },
        _ if suspects_spam(status, said) => Answer::Refused { code: Code::SpamSuspected, text },
        _ => Answer::Refused { code: Code::Refused, text },
    }
}

/// Whether a server says that it takes us for a spammer: a code of policy (RFC 3463, X.7.0 and X.7.1; RFC 7372) and a word of spam,
/// since the same code also stands for a list that takes letters of its members only.
pub(super) fn suspects_spam(status: &str, said: &str) -> bool {
    const WORDS: [&str; 12] = [
        "spam",
        "policy",
        "dmarc",
        "reputation",
        "blocked",
        "block list",
        "blocklist",
        "blacklist",
        "unsolicited",
        "bulk",
        "suspicious",
        "спам",
    ];
    // servers repeat the address, and spam@ is a good one
    let lower = said.to_lowercase();
    let about_us = lower.split_whitespace().filter(|word| !word.contains('@')).collect::<Vec<_>>().join(" ");
    status.starts_with("5.7") && WORDS.iter().any(|word| about_us.contains(word))
}

/// The code of RFC 3463 that a reply begins with; empty where it has none.
fn enhanced(said: &str) -> &str {
    let first = said.split_whitespace().next().unwrap_or_default();
    let digits = first.split('.').count() == 3 && first.chars().all(|c| c.is_ascii_digit() || c == '.');
    if digits { first } else { "" }
}

fn until_tomorrow(now: Moment) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    (DAY_MS - now.0.rem_euclid(DAY_MS)).max(QUOTA_MS)
}

fn code(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}

/// What the server said beside its code.
fn said(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}

fn talk(error: Error) -> Trouble {
    Trouble::new(At::Talk, error)
}

/// Nobody knows whether the letter was taken: where it lies among the sent ones, it was.
async fn look_for(wire: &Wire, account: &Account, letter: &Composed, seen: String) -> Answer {
    let looked = async {
        let mut mailbox = Mailbox::enter(wire, account).await?;
        let found = is_among_sent(&mut mailbox, &letter.id).await;
        mailbox.leave().await;
        found
    };
    match looked.await {
        Ok(true) => done(letter),
        Ok(false) => unsure(&seen),
        Err(trouble) => unsure(&format!("{seen}; and the sent letters could not be searched: {}", trouble.seen)),
    }
}

async fn is_among_sent(mailbox: &mut Mailbox, id: &str) -> Result<bool, Trouble> {
    let Some(folder) = mailbox.sent_folder().await? else { return Ok(false) };
    mailbox.examine(&folder).await?;
    Ok(!mailbox.search(&format!("HEADER Message-ID {id}")).await?.is_empty())
}

/// The letter belongs among the sent ones, as with every mail program. The answer does not hang on it.
async fn keep_copy(wire: &Wire, account: &Account, letter: &Composed) {
    if account.habits.server_keeps_sent {
        return;
    }
    let kept = async {
        let mut mailbox = Mailbox::enter(wire, account).await?;
        let kept = put_among_sent(&mut mailbox, letter).await;
        mailbox.leave().await;
        kept
    };
    if let Err(trouble) = kept.await {
        tracing::info!(seen = trouble.seen, "a sent letter has no copy among the sent ones");
    }
}

async fn put_among_sent(mailbox: &mut Mailbox, letter: &Composed) -> Result<(), Trouble> {
    let Some(folder) = mailbox.sent_folder().await? else { return Ok(()) };
    mailbox.examine(&folder).await?;
    // some providers put it there themselves
    if !mailbox.search(&format!("HEADER Message-ID {}", letter.id)).await?.is_empty() {
        return Ok(());
    }
    let deadline = mailbox.deadline * 4;
    let session = mailbox.session()?;
    within(deadline, async {
        session.append(&folder, Some("(\\Seen)"), None, &letter.bytes).await.map_err(super::mailbox::talk)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::Step::{Letter, Recipient, Sender};
    use super::*;

    #[test]
    fn every_reply_steers_the_queue_as_the_contract_says() {
        let now = Moment(86_400_000 / 2);
        let answer = |code, said: &str, step| match meaning(code, said, step, now) {
            Answer::Busy { scope: Scope::Lane, after_ms } => format!("lane {after_ms}"),
            Answer::Busy { scope: Scope::Recipient, .. } => "recipient".to_owned(),
            Answer::Refused { code, .. } => code.slug().to_owned(),
            Answer::Nobody { .. } => "nobody".to_owned(),
            Answer::Expired { .. } => "expired".to_owned(),
            other => format!("{other:?}"),
        };
        for (code, said, step, told) in [
            (421, "4.7.0 Try again later", Sender, "lane 60000"),
            (450, "4.2.1 greylisted", Recipient, "recipient"),
            (451, "4.3.0 error", Letter, "lane 60000"),
            (452, "4.2.2 mailbox full", Recipient, "recipient"),
            (452, "4.2.x daily limit", Letter, "lane 43200000"),
            (454, "4.7.0 temporary", Sender, "lane 60000"),
            (530, "5.7.0 login", Sender, "expired"),
            (534, "5.7.9 app password", Sender, "expired"),
            (535, "5.7.8 no", Sender, "expired"),
            (550, "5.4.5 Daily user sending limit exceeded", Letter, "lane 43200000"),
            (554, "5.7.0 Too many messages", Letter, "lane 43200000"),
            (550, "5.1.1 no such user", Recipient, "nobody"),
            (550, "no such user", Recipient, "nobody"),
            (553, "5.1.3 bad address", Recipient, "nobody"),
            (553, "5.7.1 Sender address rejected: not owned by user", Recipient, "expired"),
            (553, "from must equal login", Sender, "expired"),
            (552, "5.2.2 mailbox full", Recipient, "refused"),
            (552, "5.3.4 too large", Letter, "file_too_big"),
            (552, "too large", Letter, "file_too_big"),
            (550, "5.7.1 spam", Letter, "spam_suspected"),
            (554, "5.7.1 policy", Recipient, "spam_suspected"),
            (550, "5.7.1 blocked", Recipient, "spam_suspected"),
            (550, "5.7.1 only members may write here", Recipient, "refused"),
            (554, "5.7.1 <spam@company.test>: Recipient address rejected: Not wanted", Recipient, "refused"),
            (555, "syntax", Letter, "refused"),
            (502, "not implemented", Letter, "refused"),
        ] {
            assert_eq!(answer(code, said, step), told, "{code} {said}");
        }
    }

    #[test]
    fn a_quota_rests_until_tomorrow_and_never_for_a_moment() {
        assert_eq!(until_tomorrow(Moment(1)), 86_399_999);
        assert_eq!(until_tomorrow(Moment(86_400_000 - 5)), QUOTA_MS);
    }
}
