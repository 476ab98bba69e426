//! Signing in: by a code, by a QR code, with a password after either; and out.

use serde_json::{Value, json};

use super::account::Account;
use super::{Code, Mtproto, Told, Trouble, srp, text, whole};
use crate::sandbox::phone::digits;
use crate::sandbox::state::{Sandbox, random_hex};

/// How long a code is good, milliseconds.
const CODE_MS: i64 = 300_000;

/// How long a token of a QR code is good, seconds.
const TOKEN_S: i64 = 30;

/// Where a call came in.
pub(super) struct At<'a> {
    pub(super) centre: i64,
    pub(super) key: &'a str,
}

fn check_application(call: &Value) -> Result<(), Trouble> {
    let known = whole(call, "api_id") > 0 && !text(call, "api_hash").is_empty();
    if known { Ok(()) } else { Err(Trouble::bad("API_ID_INVALID")) }
}

/// `auth.sendCode`.
pub(super) fn send_code(sandbox: &Sandbox, at: &At<'_>, call: &Value) -> Told {
    check_application(call)?;
    let phone = digits(text(call, "phone_number"));
    if phone.len() < 7 {
        return Err(Trouble::bad("PHONE_NUMBER_INVALID"));
    }
    let mut mtproto = sandbox.mtproto.lock();
    if let Some(account) = mtproto.accounts.values().find(|account| account.phone == phone)
        && account.home != at.centre
    {
        return Err(Trouble(303, format!("PHONE_MIGRATE_{}", account.home)));
    }
    // the first digits of hexadecimal randomness are as good as any, and never begin with a zero
    let code = (10_000 + i64::from_str_radix(&random_hex(3), 16).unwrap_or(0) % 90_000).to_string();
    let hash = random_hex(9);
    mtproto.codes.insert(phone, Code { hash: hash.clone(), digits: code, until: sandbox.now().0 + CODE_MS });
    Ok(json!({"_": "auth.sentCode", "type": {"_": "auth.sentCodeTypeApp", "length": 5}, "phone_code_hash": hash,
        "next_type": {"_": "auth.codeTypeSms"}, "timeout": 120}))
}

/// The code that the owner of a phone sees.
pub(crate) fn code_of(mtproto: &Mtproto, phone: &str) -> Option<String> {
    mtproto.codes.get(phone).map(|code| code.digits.clone())
}

/// Every code that was sent, by phone.
pub(crate) fn codes(mtproto: &Mtproto) -> Value {
    mtproto
        .codes
        .iter()
        .map(|(phone, code)| (phone.clone(), json!(code.digits)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The QR codes that nobody has scanned, oldest first.
pub(crate) fn waiting(mtproto: &Mtproto, now_s: i64) -> Vec<String> {
    use base64::Engine as _;
    let mut open: Vec<(i64, &String)> = mtproto
        .tokens
        .iter()
        .filter(|(_, (_, until, who))| *until > now_s && who.is_none())
        .map(|(token, (_, until, _))| (*until, token))
        .collect();
    open.sort_unstable();
    let shown = open.into_iter().map(|(_, token)| hex::decode(token).unwrap_or_default());
    let code = |token| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode::<Vec<u8>>(token);
    shown.map(|token| format!("tg://login?token={}", code(token))).collect()
}

/// The owner forwards the code or lets it lie: it is void.
pub(crate) fn void_code(mtproto: &mut Mtproto, phone: &str) {
    if let Some(code) = mtproto.codes.get_mut(phone) {
        code.until = 0;
    }
}

/// `auth.signIn`.
pub(super) fn sign_in(sandbox: &Sandbox, at: &At<'_>, call: &Value) -> Told {
    let phone = digits(text(call, "phone_number"));
    let mut mtproto = sandbox.mtproto.lock();
    let code = mtproto.codes.get(&phone).filter(|code| code.hash == text(call, "phone_code_hash"));
    let code = code.filter(|code| code.until > sandbox.now().0).ok_or_else(|| Trouble::bad("PHONE_CODE_EXPIRED"))?;
    match text(call, "phone_code") {
        "" => return Err(Trouble::bad("PHONE_CODE_EMPTY")),
        given if given != code.digits => return Err(Trouble::bad("PHONE_CODE_INVALID")),
        _ => {}
    }
    mtproto.codes.remove(&phone);
    match mtproto.accounts.values().find(|account| account.phone == phone).map(|account| account.id) {
        Some(account) => enter(&mut mtproto, at, account),
        None => Ok(json!({"_": "auth.authorizationSignUpRequired"})),
    }
}

/// The first step is taken: the account is entered, unless it wants a password.
fn enter(mtproto: &mut Mtproto, at: &At<'_>, account: i64) -> Told {
    let wants = mtproto.accounts.get(&account).is_some_and(|account| account.password.is_some());
    let key = mtproto.keys.entry(at.key.to_owned()).or_default();
    if wants {
        key.awaits = Some(account);
        return Err(Trouble(401, "SESSION_PASSWORD_NEEDED".to_owned()));
    }
    (key.account, key.awaits) = (Some(account), None);
    let user = mtproto.accounts.get(&account).map(Account::me);
    Ok(json!({"_": "auth.authorization", "user": user}))
}

/// `auth.exportLoginToken`: the same call tells later that the code was scanned.
pub(super) fn export_token(sandbox: &Sandbox, at: &At<'_>, call: &Value) -> Told {
    check_application(call)?;
    let now_s = sandbox.unix();
    let mut mtproto = sandbox.mtproto.lock();
    let accepted = mtproto.tokens.iter().find_map(|(token, (key, _, who))| {
        (key == at.key).then_some(())?;
        Some((token.clone(), (*who)?))
    });
    if let Some((token, account)) = accepted {
        let home = mtproto.accounts.get(&account).map_or(at.centre, |account| account.home);
        if home != at.centre {
            return Ok(json!({"_": "auth.loginTokenMigrateTo", "dc_id": home, "token": token}));
        }
        mtproto.tokens.remove(&token);
        let entered = enter(&mut mtproto, at, account)?;
        return Ok(json!({"_": "auth.loginTokenSuccess", "authorization": entered}));
    }
    mtproto.tokens.retain(|_, (_, until, _)| *until > now_s);
    let token = random_hex(16);
    mtproto.tokens.insert(token.clone(), (at.key.to_owned(), now_s + TOKEN_S, None));
    Ok(json!({"_": "auth.loginToken", "expires": now_s + TOKEN_S, "token": token}))
}

/// `auth.importLoginToken`: the account lives in another data centre.
pub(super) fn import_token(sandbox: &Sandbox, at: &At<'_>, call: &Value) -> Told {
    let mut mtproto = sandbox.mtproto.lock();
    let account = mtproto.tokens.get(text(call, "token")).and_then(|(_, _, who)| *who);
    let account = account.ok_or_else(|| Trouble::bad("AUTH_TOKEN_INVALID"))?;
    mtproto.tokens.remove(text(call, "token"));
    let entered = enter(&mut mtproto, at, account)?;
    Ok(json!({"_": "auth.loginTokenSuccess", "authorization": entered}))
}

/// The owner scans a code: the token is in it, in hexadecimal digits here.
pub(crate) fn scan(sandbox: &Sandbox, token: &str, account: i64) -> bool {
    let mut mtproto = sandbox.mtproto.lock();
    let Some((key, until, who)) = mtproto.tokens.get_mut(token) else { return false };
    if *until <= sandbox.unix() {
        return false;
    }
    *who = Some(account);
    let key = key.clone();
    let update = json!({"_": "updateShort", "update": {"_": "updateLoginToken"}, "date": sandbox.unix()});
    if let Ok(bytes) = super::tl::schema().write("Updates", &update) {
        for line in mtproto.lines.values().filter(|line| line.key == key) {
            let _ = line.out.send(Some((0, bytes.clone())));
        }
    }
    true
}

/// `account.getPassword`.
pub(super) fn password(sandbox: &Sandbox, at: &At<'_>) -> Told {
    let id = i64::try_from(sandbox.serial()).unwrap_or(1);
    let mut mtproto = sandbox.mtproto.lock();
    let account = mtproto.keys.get(at.key).and_then(|key| key.awaits.or(key.account));
    let account = account.and_then(|account| mtproto.accounts.get_mut(&account));
    let account = account.ok_or_else(|| Trouble(401, "AUTH_KEY_UNREGISTERED".to_owned()))?;
    let nothing = json!({"_": "passwordKdfAlgoUnknown"});
    let mut told = json!({"_": "account.password", "new_algo": nothing, "secure_random": random_hex(16),
        "new_secure_algo": {"_": "securePasswordKdfAlgoUnknown"}});
    let (Some(password), Some(fields)) = (account.password.clone(), told.as_object_mut()) else { return Ok(told) };
    let half = srp::Half::new(&password);
    fields.insert("has_password".to_owned(), json!(true));
    fields.insert("hint".to_owned(), json!("как обычно"));
    fields.insert("current_algo".to_owned(), half.told());
    fields.insert("srp_B".to_owned(), json!(half.public()));
    fields.insert("srp_id".to_owned(), json!(id));
    account.srp.insert(id, half);
    Ok(told)
}

/// `auth.checkPassword`.
pub(super) fn check_password(sandbox: &Sandbox, at: &At<'_>, call: &Value) -> Told {
    let mut mtproto = sandbox.mtproto.lock();
    let awaits = mtproto.keys.get(at.key).and_then(|key| key.awaits);
    let id = awaits.ok_or_else(|| Trouble(401, "AUTH_KEY_UNREGISTERED".to_owned()))?;
    let given = call.get("password").cloned().unwrap_or_default();
    let half = mtproto.accounts.get_mut(&id).and_then(|account| account.srp.remove(&whole(&given, "srp_id")));
    let half = half.ok_or_else(|| Trouble::bad("SRP_ID_INVALID"))?;
    if !half.proves(text(&given, "A"), text(&given, "M1")) {
        return Err(Trouble::bad("PASSWORD_HASH_INVALID"));
    }
    let key = mtproto.keys.entry(at.key.to_owned()).or_default();
    (key.account, key.awaits) = (Some(id), None);
    let user = mtproto.accounts.get(&id).map(Account::me);
    Ok(json!({"_": "auth.authorization", "user": user}))
}

/// `auth.logOut`.
pub(super) fn log_out(sandbox: &Sandbox, at: &At<'_>) -> Told {
    let known = sandbox.mtproto.lock().keys.remove(at.key);
    known.map(|_| json!({"_": "auth.loggedOut"})).ok_or_else(|| Trouble(401, "AUTH_KEY_UNREGISTERED".to_owned()))
}

/// `auth.exportAuthorization`: a word for another data centre.
pub(super) fn export_authorization(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    if whole(call, "dc_id") <= 0 {
        return Err(Trouble::bad("DC_ID_INVALID"));
    }
    let word = random_hex(24);
    sandbox.mtproto.lock().exports.insert(word.clone(), account);
    Ok(json!({"_": "auth.exportedAuthorization", "id": account, "bytes": word}))
}

/// `auth.importAuthorization`.
pub(super) fn import_authorization(sandbox: &Sandbox, at: &At<'_>, call: &Value) -> Told {
    let mut mtproto = sandbox.mtproto.lock();
    let account = mtproto.exports.remove(text(call, "bytes")).filter(|account| *account == whole(call, "id"));
    let account = account.ok_or_else(|| Trouble::bad("AUTH_BYTES_INVALID"))?;
    mtproto.keys.entry(at.key.to_owned()).or_default().centres.push(at.centre);
    let user = mtproto.accounts.get(&account).map(Account::me);
    Ok(json!({"_": "auth.authorization", "user": user}))
}

/// A key is known at the home of its account, and where an authorization was taken to.
pub(super) fn check_centre(sandbox: &Sandbox, at: &At<'_>, name: &str) -> Result<(), Trouble> {
    let mtproto = sandbox.mtproto.lock();
    let key = mtproto.keys.get(at.key);
    let home = key.and_then(|key| mtproto.accounts.get(&key.account?)).map(|account| account.home);
    if home == Some(at.centre) {
        return Ok(());
    }
    match key.filter(|key| key.centres.contains(&at.centre)) {
        Some(_) if name.starts_with("upload.") => Ok(()),
        Some(_) => Err(Trouble(303, format!("USER_MIGRATE_{}", home.unwrap_or(0)))),
        None => Err(Trouble(401, "AUTH_KEY_UNREGISTERED".to_owned())),
    }
}

/// `users.getUsers`.
pub(super) fn users(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let account = mtproto.accounts.get(&account).ok_or_else(|| Trouble::bad("USER_ID_INVALID"))?;
    let asked = call.get("id").and_then(Value::as_array).cloned().unwrap_or_default();
    let tell = |asked: &Value| match text(asked, "_") {
        "inputUserSelf" => Some(account.me()),
        _ => phones.by_chat(whole(asked, "user_id")).map(|phone| account.person(phone)),
    };
    Ok(Value::Array(asked.iter().filter_map(tell).collect()))
}

/// The owner ends the session on the phone.
pub(crate) fn revoke(mtproto: &mut Mtproto, account: i64) {
    mtproto.hang_up(account);
    mtproto.keys.retain(|_, key| key.account != Some(account));
}
