//! Customers who refuse mailings: what they wrote is kept for the whole company, and letters pass them over. Answers of operators, robots
//! and everything else that is no mailing still reach them.

use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Incoming, Peer};
use crate::model::moment::Moment;
use crate::model::opt_out::{Wish, wish};
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

/// Hears whether a message of a customer is a wish about mailings.
///
/// # Errors
/// Those of the database.
pub fn hear(conn: &mut Conn, channel: &ChannelRow, incoming: &Incoming, now: Moment) -> Result<()> {
    let Some(said) = incoming.text.as_deref().filter(|_| !incoming.group && !incoming.ours) else { return Ok(()) };
    let (Some(wish), Ok(company), Ok(id)) = (wish(said), channel.company.parse(), channel.id.parse()) else {
        return Ok(());
    };
    let phone = incoming.from.phone.clone().or_else(|| phone_of(&incoming.chat));
    let address = phone.unwrap_or_else(|| of_chat(id, &incoming.chat));
    match wish {
        Wish::Out => crate::on!(conn, opt_out::keep(company, &address, said.trim(), now.0)),
        Wish::In => crate::on!(conn, opt_out::forget(company, &address)).map(|_| ()),
    }
}

/// A vendor says that a customer takes no marketing of ours any more (WhatsApp Business: 131050, and its own word about it): letters
/// pass them over from now on, and they come back by their own word, or by the vendor's.
///
/// # Errors
/// Those of the database.
pub fn told(
    conn: &mut Conn,
    company: CompanyId,
    channel: ChannelId,
    chat: &str,
    said: &str,
    now: Moment,
) -> Result<()> {
    let address = phone_of(chat).unwrap_or_else(|| of_chat(channel, chat));
    crate::on!(conn, opt_out::keep(company, &address, said, now.0))
}

/// The vendor says that they take it again. What they told us in words of their own is theirs to take back.
///
/// # Errors
/// Those of the database.
pub fn taken_back(conn: &mut Conn, company: CompanyId, channel: ChannelId, chat: &str) -> Result<()> {
    let address = phone_of(chat).unwrap_or_else(|| of_chat(channel, chat));
    let word = crate::on!(conn, opt_out::word(company, &address))?;
    if word.is_some_and(|word| wish(&word) != Some(Wish::Out)) {
        crate::on!(conn, opt_out::forget(company, &address))?;
    }
    Ok(())
}

/// Whether somebody refused mailings, by phone or in this chat.
///
/// # Errors
/// Those of the database.
pub fn is_out(conn: &mut Conn, company: CompanyId, channel: ChannelId, to: &Peer) -> Result<bool> {
    let chat = to.chat_id();
    let mut addresses = vec![of_chat(channel, &chat)];
    addresses.extend(phone_of(&chat));
    if let Peer::Phone(phone) = to
        && let Some(dialog) = crate::on!(conn, dialog::by_contact(channel, None, Some(phone)))?
    {
        addresses.push(of_chat(channel, &dialog.chat));
    }
    crate::on!(conn, opt_out::has_any(company, &addresses))
}

/// WhatsApp names a chat by its phone.
fn phone_of(chat: &str) -> Option<String> {
    let digits = chat.trim_end_matches("@c.us");
    let good = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| digits.to_owned())
}

fn of_chat(channel: ChannelId, chat: &str) -> String {
    format!("{channel} {chat}")
}
