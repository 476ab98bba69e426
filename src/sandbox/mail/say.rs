//! What customers do: they write letters, with a file or without, and answer to ours.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use lettre::Address;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};

use super::{address_of, shown};
use crate::sandbox::phone::Media;
use crate::sandbox::state::{Sandbox, random_hex};

/// What a customer writes.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The mailbox; the only one where absent.
    pub(crate) line: Option<String>,
    /// The subject; that of the letter that is answered where absent.
    pub(crate) subject: Option<String>,
    /// The text.
    pub(crate) text: String,
    /// A file.
    pub(crate) media: Option<(String, Media, Bytes)>,
    /// The id of the letter that is answered.
    pub(crate) quote: Option<String>,
}

/// Lets a customer write; says the id of the letter, or nothing where there is no such mailbox.
pub(crate) fn say(sandbox: &Sandbox, digits: &str, words: &Words) -> Option<String> {
    let wanted = |address: &&String| words.line.as_ref().is_none_or(|line| line == *address);
    let line = sandbox.mail.lock().boxes.keys().find(wanted)?.clone();
    let (name, answered) = {
        let mut phones = sandbox.phones.lock();
        let owner = phones.get(digits)?;
        let quoted =
            words.quote.as_deref().and_then(|quote| owner.find(&line, quote)).and_then(|one| one.subject.clone());
        (owner.name.clone(), quoted)
    };
    let subject =
        words.subject.clone().or_else(|| answered.map(|subject| format!("Re: {}", subject.trim_start_matches("Re: "))));
    let raw = compose(sandbox, (digits, &name), &line, &subject.unwrap_or_default(), words)?;
    let bubble = shown(sandbox, &line, &raw, "said");
    let id = bubble.id.clone();
    sandbox.phones.lock().add(digits, bubble);
    let now = sandbox.now();
    sandbox.mail.lock().boxes.get_mut(&line)?.receive(Bytes::from(raw), now);
    Some(id)
}

fn compose(sandbox: &Sandbox, (digits, name): (&str, &str), to: &str, subject: &str, words: &Words) -> Option<Vec<u8>> {
    let from: Address = address_of(digits).parse().ok()?;
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(sandbox.now().0).ok()?);
    let mut letter = Message::builder()
        .from(Mailbox::new(Some(name.to_owned()), from))
        .to(Mailbox::new(None, to.parse().ok()?))
        .subject(subject)
        .date(at)
        .message_id(Some(format!("<{}@example.com>", random_hex(12))));
    if let Some(quote) = &words.quote {
        letter = letter.in_reply_to(format!("<{quote}>")).references(format!("<{quote}>"));
    }
    let text = SinglePart::plain(words.text.clone());
    let letter = match &words.media {
        None => letter.singlepart(text),
        Some((_, media, bytes)) => {
            let kind = ContentType::parse(&media.mime).unwrap_or(ContentType::TEXT_PLAIN);
            let file = Attachment::new(media.name.clone()).body(bytes.to_vec(), kind);
            letter.multipart(MultiPart::mixed().singlepart(text).singlepart(file))
        }
    };
    letter.ok().map(|letter| letter.formatted())
}
