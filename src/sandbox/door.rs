//! The door of all vendors: reads a call, lets planned faults happen, writes the ledger.

use std::time::Duration;

use actix_web::web::{self, BytesMut, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Plug};
use super::args::Args;
use super::fault::{Fault, Kind};
use super::ledger::{Entry, masked};
use super::multipart::{self, Part};
use super::state::Sandbox;
use super::{avito, bitrix24, form, mail, mtproto, notify, telegram, vk, waba, waha};

/// The largest body that is read, bytes.
const LARGEST: usize = 120 * 1024 * 1024;

/// One call to a vendor, read whole.
#[derive(Debug)]
pub(crate) struct Call {
    /// The method of HTTP.
    pub(crate) verb: String,
    /// The query as it came.
    pub(crate) query: String,
    /// What was passed, in the query and in the body.
    pub(crate) args: Args,
    /// The body as it came.
    pub(crate) body: Bytes,
    /// The files of a multipart body.
    pub(crate) files: Vec<Part>,
    /// The token of the `Authorization` header.
    pub(crate) bearer: Option<String>,
    /// The `Authorization` header as it came; empty where there is none.
    pub(crate) authorization: String,
    /// The key of the `X-Api-Key` header.
    pub(crate) key: Option<String>,
    /// The caller named itself in `User-Agent`.
    pub(crate) has_agent: bool,
    /// Where the call came from.
    pub(crate) peer: String,
}

/// Whom a path means.
#[derive(Debug)]
pub(crate) enum Way {
    /// A method of a bot.
    Telegram { token: String, method: String },
    /// A file of a bot.
    TelegramFile { token: String, path: String },
    /// A node of the graph and its edge.
    Graph { node: String, edge: String },
    /// The content of a file that `WhatsApp` keeps.
    GraphFile { media: String },
    /// A path of Avito, unescaped.
    Avito { parts: Vec<String> },
    /// Where the accounts of Telegram are.
    Mtproto,
    /// A method of VK.
    Vk { method: String },
    /// Where a file is posted for a community.
    VkUpload { kind: String, group: i64 },
    /// The content of a file of VK.
    VkFile { key: String },
    /// An address of the sign-in at VK.
    VkSignIn { path: String },
    /// An address of an aggregator of VK Notify.
    Notify { path: String },
    /// An address of the gateway of `WhatsApp` Web, in its parts.
    Waha { parts: Vec<String> },
    /// Where tokens of mailboxes are given.
    MailToken,
    /// A REST method of a portal; `hook` when it came by a webhook address.
    Rest { portal: String, method: String, hook: bool },
    /// The token address of the authorization server.
    Token,
    /// The methods of the authorization server.
    OauthRest { method: String },
}

/// The routes of all vendors.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.default_service(web::to(serve));
}

async fn serve(request: HttpRequest, payload: Payload, sandbox: Data<Sandbox>) -> HttpResponse {
    let (tick, now) = (sandbox.tick(), sandbox.now());
    let Some(way) = Way::read(request.path()) else {
        return Answer::json(404, json!({"error": "nothing here"})).write();
    };
    let (vendor, method, who) = way.names();
    let mut entry =
        Entry { n: 0, vendor, method, who, at_us: tick.0, at: now.0, params: Value::Null, status: 0, fault: None };
    if sandbox.faults.meet_early(vendor, &entry.method).is_some() {
        entry.fault = Some(Kind::CutBefore.word());
        sandbox.ledger.write(entry);
        return cut(&request);
    }
    let Some(body) = read_body(payload).await else { return cut(&request) };
    let call = read_call(&request, &body);
    let fault = sandbox.faults.meet_late(vendor, &entry.method, &body);
    entry.params = masked(&Way::key_params(&call));
    entry.fault = fault.as_ref().map(|fault| fault.kind.word());
    let sandbox = sandbox.into_inner();
    let answer = match fault.as_ref().and_then(|fault| way.instead(fault, sandbox.unix())) {
        Some(answer) => answer,
        None => way.answer(&sandbox, &call).await,
    };
    let is_empty = fault.as_ref().is_some_and(|fault| fault.kind == Kind::Empty);
    let answer = if is_empty { Answer::empty() } else { answer };
    let is_cut = fault.as_ref().is_some_and(|fault| fault.kind == Kind::Cut);
    entry.status = if is_cut { 0 } else { answer.status };
    sandbox.ledger.write(entry);
    if let Some(delay_ms) = fault.map(|fault| fault.delay_ms).filter(|ms| *ms > 0) {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    if is_cut { cut(&request) } else { answer.write() }
}

fn cut(request: &HttpRequest) -> HttpResponse {
    if let Some(plug) = request.conn_data::<Plug>() {
        plug.pull();
    }
    HttpResponse::ServiceUnavailable().force_close().finish()
}

async fn read_body(mut payload: Payload) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        body.extend_from_slice(&chunk.ok()?);
        if body.len() > LARGEST {
            return None;
        }
    }
    Some(body.freeze())
}

fn read_call(request: &HttpRequest, body: &Bytes) -> Call {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut args = match form::decode(request.query_string().as_bytes()) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let mut files = Vec::new();
    let kind = header("content-type").to_ascii_lowercase();
    if kind.starts_with("multipart/form-data") {
        for part in multipart::parts(header("content-type"), body) {
            if part.file_name.is_some() {
                files.push(part);
            } else {
                args.insert(part.name, Value::String(String::from_utf8_lossy(&part.bytes).into_owned()));
            }
        }
    } else if !body.is_empty() {
        args.extend(read_fields(&kind, body));
    }
    Call {
        verb: request.method().as_str().to_owned(),
        query: request.query_string().to_owned(),
        args: Args(args),
        body: body.clone(),
        files,
        bearer: header("authorization").strip_prefix("Bearer ").map(str::to_owned),
        authorization: header("authorization").to_owned(),
        key: Some(header("x-api-key").to_owned()).filter(|key| !key.is_empty()),
        has_agent: !header("user-agent").is_empty(),
        peer: request.peer_addr().map(|addr| addr.ip().to_string()).unwrap_or_default(),
    }
}

fn unescape(part: &str) -> String {
    // `+` stands for itself in a path
    let part = part.replace('+', "%2B");
    form_urlencoded::parse(part.as_bytes()).next().map_or_else(String::new, |(text, _)| text.into_owned())
}

fn read_fields(kind: &str, body: &Bytes) -> Map<String, Value> {
    let value = if kind.starts_with("application/json") { serde_json::from_slice(body).ok() } else { None };
    match value.unwrap_or_else(|| form::decode(body)) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl Way {
    fn read(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let bot = |part: &str| {
            let token = part.strip_prefix("bot")?;
            form_urlencoded::parse(token.replace('+', "%2B").as_bytes()).next().map(|(token, _)| token.into_owned())
        };
        let method = |name: &str| name.trim_end_matches(".json").to_owned();
        match *parts.as_slice() {
            ["tg", "file", token, ref rest @ ..] if !rest.is_empty() => {
                Some(Self::TelegramFile { token: bot(token)?, path: rest.join("/") })
            }
            ["tg", token, name] => Some(Self::Telegram { token: bot(token)?, method: name.to_owned() }),
            ["graph", "file", media] => Some(Self::GraphFile { media: media.to_owned() }),
            ["graph", version, node] if version.starts_with('v') => {
                Some(Self::Graph { node: node.to_owned(), edge: String::new() })
            }
            ["graph", version, node, edge] if version.starts_with('v') => {
                Some(Self::Graph { node: node.to_owned(), edge: edge.to_owned() })
            }
            ["avito", ref rest @ ..] if !rest.is_empty() => {
                let end = path.ends_with('/').then(String::new);
                Some(Self::Avito { parts: rest.iter().map(|part| unescape(part)).chain(end).collect() })
            }
            ["mtproto"] => Some(Self::Mtproto),
            ["vk", "oauth", ref rest @ ..] if !rest.is_empty() => Some(Self::VkSignIn { path: rest.join("/") }),
            ["vk", "method", name] => Some(Self::Vk { method: name.to_owned() }),
            ["vk", "upload", kind, group] => Some(Self::VkUpload { kind: kind.to_owned(), group: group.parse().ok()? }),
            ["notify", ref rest @ ..] if !rest.is_empty() => Some(Self::Notify { path: rest.join("/") }),
            ["vk", "file", key] => Some(Self::VkFile { key: key.to_owned() }),
            ["waha", ref rest @ ..] if !rest.is_empty() => {
                let read = |part: &&str| {
                    form_urlencoded::parse(part.replace('+', "%2B").as_bytes())
                        .next()
                        .map(|(part, _)| part.into_owned())
                };
                Some(Self::Waha { parts: rest.iter().filter_map(read).collect() })
            }
            ["mail", "oauth", "token"] => Some(Self::MailToken),
            ["b24", portal, "rest", name] => {
                Some(Self::Rest { portal: portal.to_owned(), method: method(name), hook: false })
            }
            ["b24", portal, "rest", _, _, name] => {
                Some(Self::Rest { portal: portal.to_owned(), method: method(name), hook: true })
            }
            ["oauth", "token"] => Some(Self::Token),
            ["rest", name] => Some(Self::OauthRest { method: method(name) }),
            _ => None,
        }
    }

    fn names(&self) -> (&'static str, String, String) {
        let bot = |token: &str| token.split(':').next().unwrap_or_default().to_owned();
        match self {
            Self::Telegram { token, method } => ("telegram", method.clone(), bot(token)),
            Self::TelegramFile { token, .. } => ("telegram", "file".to_owned(), bot(token)),
            Self::Graph { node, edge } => {
                ("waba", if edge.is_empty() { "node" } else { edge }.to_owned(), node.clone())
            }
            Self::GraphFile { media } => ("waba", "file".to_owned(), media.clone()),
            Self::Avito { parts } => {
                // a history ends with a slash
                let name = parts.last().filter(|part| !part.is_empty()).map_or("history", String::as_str).to_owned();
                ("avito", name, parts.get(3).cloned().unwrap_or_default())
            }
            Self::Mtproto => (mtproto::VENDOR, "where".to_owned(), String::new()),
            Self::Vk { method } => ("vk", method.clone(), String::new()),
            Self::VkUpload { group, .. } => ("vk", "upload".to_owned(), group.to_string()),
            Self::VkFile { key } => ("vk", "file".to_owned(), key.clone()),
            Self::VkSignIn { path } => ("vk", path.clone(), String::new()),
            Self::Notify { path } => {
                ("vk_notify", path.rsplit('/').next().unwrap_or_default().to_owned(), String::new())
            }
            Self::Waha { parts } => {
                let (method, who) = waha::names(parts);
                ("waha", method, who)
            }
            Self::MailToken => ("mail", "token".to_owned(), String::new()),
            Self::Rest { portal, method, .. } => ("bitrix24", method.to_ascii_lowercase(), portal.clone()),
            Self::Token => ("oauth", "token".to_owned(), String::new()),
            Self::OauthRest { method } => ("oauth", method.clone(), String::new()),
        }
    }

    fn key_params(call: &Call) -> Value {
        let mut shown = call.args.0.clone();
        // the length alone tells what was sent of a template or a keyboard
        shown.remove("reply_markup");
        for file in &call.files {
            let told = json!({"name": file.file_name, "mime": file.mime, "size": file.bytes.len()});
            shown.insert(file.name.clone(), told);
        }
        Value::Object(shown)
    }

    fn instead(&self, fault: &Fault, now_s: i64) -> Option<Answer> {
        if matches!(fault.kind, Kind::Slow | Kind::Cut | Kind::CutBefore | Kind::Empty) {
            return None;
        }
        if fault.kind == Kind::Html {
            return Some(Answer::html());
        }
        Some(match self {
            Self::Telegram { .. } | Self::TelegramFile { .. } => telegram::refuse_by_plan(fault),
            Self::Graph { .. } | Self::GraphFile { .. } => waba::refuse_by_plan(fault),
            Self::Avito { .. } => avito::refuse_by_plan(fault),
            // its calls come on lines of their own
            Self::Mtproto => return None,
            Self::Vk { .. } | Self::VkUpload { .. } | Self::VkFile { .. } | Self::VkSignIn { .. } => {
                vk::refuse_by_plan(fault)
            }
            Self::Notify { .. } => notify::refuse_by_plan(fault),
            Self::Waha { .. } => waha::refuse_by_plan(fault),
            Self::MailToken => mail::refuse_by_plan(fault),
            Self::Rest { .. } => bitrix24::refuse_by_plan(fault, now_s),
            Self::Token | Self::OauthRest { .. } => bitrix24::refuse_token_by_plan(fault),
        })
    }

    async fn answer(&self, sandbox: &std::sync::Arc<Sandbox>, call: &Call) -> Answer {
        match self {
            Self::Telegram { token, method } => telegram::answer(sandbox, token, method, call).await,
            Self::TelegramFile { token, path } => telegram::download(sandbox, token, path),
            Self::Graph { node, edge } => waba::answer(sandbox, node, edge, call).await,
            Self::GraphFile { media } => waba::download(sandbox, media, call),
            Self::Avito { parts } => avito::answer(sandbox, parts, call).await,
            Self::Mtproto => mtproto::where_it_is(sandbox),
            Self::Vk { method } => vk::answer(sandbox, method, call),
            Self::VkUpload { kind, group } => vk::upload(sandbox, kind, *group, call),
            Self::VkFile { key } => vk::download(sandbox, key),
            Self::VkSignIn { path } => vk::oauth::answer(sandbox, path, call),
            Self::Notify { path } => notify::answer(sandbox, path, call),
            Self::Waha { parts } => waha::answer(sandbox, parts, call),
            Self::MailToken => mail::answer(sandbox, call),
            Self::Rest { portal, method, hook } => {
                let answer = bitrix24::answer(sandbox, portal, method, *hook, call);
                // a portal answers when it has fetched what it was told of
                bitrix24::open_line::say::fetch_files(sandbox, portal).await;
                answer
            }
            Self::Token => bitrix24::give_tokens(sandbox, call),
            Self::OauthRest { method } => bitrix24::tell_app(sandbox, method, call),
        }
    }
}
