//! Which call does what.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Told, Trouble, change, chat, difference, file, group, login, react};
use crate::sandbox::state::Sandbox;

/// Answers a call that came on a line, sent to a data centre.
pub(super) fn answer(sandbox: &Arc<Sandbox>, line: u64, centre: i64, call: &Value) -> Told {
    let name = super::text(call, "_");
    let (key, account) = {
        let mtproto = sandbox.mtproto.lock();
        let key = mtproto.lines.get(&line).map(|line| line.key.clone()).unwrap_or_default();
        let known = mtproto.keys.get(&key);
        if known.is_some_and(|known| known.duplicated) {
            return Err(Trouble(406, "AUTH_KEY_DUPLICATED".to_owned()));
        }
        (key.clone(), known.and_then(|known| known.account))
    };
    let at = login::At { centre, key: &key };
    match name {
        "auth.sendCode" => return login::send_code(sandbox, &at, call),
        "auth.signIn" => return login::sign_in(sandbox, &at, call),
        "auth.exportLoginToken" => return login::export_token(sandbox, &at, call),
        "auth.importLoginToken" => return login::import_token(sandbox, &at, call),
        "account.getPassword" => return login::password(sandbox, &at),
        "auth.checkPassword" => return login::check_password(sandbox, &at, call),
        "auth.importAuthorization" => return login::import_authorization(sandbox, &at, call),
        _ => {}
    }
    let account = account.ok_or_else(|| Trouble(401, "AUTH_KEY_UNREGISTERED".to_owned()))?;
    login::check_centre(sandbox, &at, name)?;
    match name {
        "auth.logOut" => login::log_out(sandbox, &at),
        "auth.exportAuthorization" => login::export_authorization(sandbox, account, call),
        "users.getUsers" => login::users(sandbox, account, call),
        "contacts.importContacts" => chat::import(sandbox, account, call),
        "contacts.resolvePhone" => chat::resolve_phone(sandbox, account, call),
        "contacts.resolveUsername" => chat::resolve_username(sandbox, account, call),
        "messages.sendMessage" | "messages.sendMedia" => chat::send(sandbox, account, line, call),
        "messages.editMessage" => change::edit(sandbox, account, line, call),
        "messages.sendReaction" => react::send(sandbox, account, line, call),
        "messages.deleteMessages" => change::delete(sandbox, account, line, call),
        "messages.getMessages" | "channels.getMessages" => chat::messages(sandbox, account, call),
        "messages.createChat"
        | "messages.addChatUser"
        | "messages.editChatTitle"
        | "messages.deleteChatUser"
        | "messages.exportChatInvite"
        | "channels.inviteToChannel"
        | "channels.editTitle"
        | "channels.leaveChannel" => group::act(sandbox, account, call),
        "updates.getState" => difference::state(sandbox, account),
        "updates.getDifference" => difference::difference(sandbox, account, call),
        "updates.getChannelDifference" => difference::of_channel(sandbox, account, call),
        "upload.saveFilePart" | "upload.saveBigFilePart" => file::save_part(sandbox, call),
        "upload.getFile" => file::fetch(sandbox, centre, call),
        _ => Err(Trouble::bad("METHOD_INVALID")),
    }
}

/// The answer of a call that is a plain yes.
pub(super) fn yes() -> Value {
    json!(true)
}
