//! The lines: frames in, answers and updates out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use super::{Line, VENDOR, calls, tl};
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::ledger::Entry;
use crate::sandbox::state::Sandbox;

/// The largest frame that is read, bytes.
const LARGEST: usize = 4 << 20;

type Out = UnboundedSender<Option<(u64, Vec<u8>)>>;

/// Takes lines as long as the sandbox lives.
pub(in crate::sandbox) async fn listen(sandbox: Arc<Sandbox>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(Arc::clone(&sandbox), stream));
            }
            Err(error) => tracing::warn!(%error, "a line was not taken"),
        }
    }
}

async fn serve(sandbox: Arc<Sandbox>, stream: TcpStream) {
    let (mut read, mut write) = stream.into_split();
    let (out, mut queue) = tokio::sync::mpsc::unbounded_channel::<Option<(u64, Vec<u8>)>>();
    let Some((0, _, key)) = frame(&mut read).await else { return };
    let key = hex::encode(key);
    let number = open(&sandbox, &key, &out);
    settle(&sandbox, number, &key).await;
    let writing = async {
        while let Some(Some((number, body))) = queue.recv().await {
            let mut bytes = u32::try_from(body.len()).unwrap_or_default().to_le_bytes().to_vec();
            bytes.extend(number.to_le_bytes());
            bytes.extend(0_i32.to_le_bytes());
            bytes.extend(body);
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        while let Some((call, centre, body)) = frame(&mut read).await {
            if !take(&sandbox, number, (call, i64::from(centre)), &body, &out) {
                return;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
    sandbox.mtproto.lock().lines.remove(&number);
}

fn open(sandbox: &Sandbox, key: &str, out: &Out) -> u64 {
    let mut mtproto = sandbox.mtproto.lock();
    mtproto.next_line += 1;
    let number = mtproto.next_line;
    mtproto.keys.entry(key.to_owned()).or_default();
    mtproto.lines.insert(number, Line { key: key.to_owned(), out: out.clone() });
    number
}

/// A line that was closed on the other side is given a moment to be seen closed; a key that is used on two lines then is void.
async fn settle(sandbox: &Sandbox, number: u64, key: &str) {
    for _ in 0..50 {
        let others = sandbox.mtproto.lock().lines.iter().any(|(other, line)| *other != number && line.key == key);
        if !others {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut mtproto = sandbox.mtproto.lock();
    let known = mtproto.keys.entry(key.to_owned()).or_default();
    known.duplicated |= known.account.is_some();
}

async fn frame(read: &mut OwnedReadHalf) -> Option<(u64, i32, Vec<u8>)> {
    let length = usize::try_from(read.read_u32_le().await.ok()?).ok()?;
    let number = read.read_u64_le().await.ok()?;
    let centre = read.read_i32_le().await.ok()?;
    if length > LARGEST {
        return None;
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.ok()?;
    Some((number, centre, body))
}

/// Takes one call; false closes the line.
fn take(sandbox: &Arc<Sandbox>, line: u64, (call, centre): (u64, i64), body: &[u8], out: &Out) -> bool {
    let (tick, now) = (sandbox.tick(), sandbox.now());
    let method = tl::schema().function(body).map_or("unknown", |function| function.name.as_str()).to_owned();
    let mut entry = Entry {
        n: 0,
        vendor: VENDOR,
        method,
        who: who(sandbox, line),
        at_us: tick.0,
        at: now.0,
        params: Value::Null,
        status: 0,
        fault: None,
    };
    if sandbox.faults.meet_early(VENDOR, &entry.method).is_some() {
        entry.fault = Some(Kind::CutBefore.word());
        sandbox.ledger.write(entry);
        return false;
    }
    let fault = sandbox.faults.meet_late(VENDOR, &entry.method, body);
    entry.fault = fault.as_ref().map(|fault| fault.kind.word());
    let read = tl::schema().call(body);
    if let Ok(read) = &read {
        entry.params = shown(read);
    }
    let answer = match (fault.as_ref().and_then(refusal), &read) {
        (Some((code, text)), _) => Err((code, text)),
        (None, Err(wrong)) => Err((400, format!("INPUT_METHOD_INVALID {wrong}"))),
        (None, Ok(read)) => calls::answer(sandbox, line, centre, read).map_err(|trouble| (trouble.0, trouble.1)),
    };
    let kind = tl::schema().function(body).map_or("", |function| function.result.as_str());
    let answer = answer.and_then(|value| tl::schema().write(kind, &value).map_err(|wrong| (500, wrong)));
    let cut = fault.as_ref().is_some_and(|fault| fault.kind == Kind::Cut);
    let status = answer.as_ref().map_or_else(|(code, _)| u16::try_from(*code).unwrap_or(500), |_| 200);
    entry.status = if cut { 0 } else { status };
    sandbox.ledger.write(entry);
    if cut {
        return false;
    }
    let bytes = answer.unwrap_or_else(|(code, text)| tl::rpc_error(code, &text));
    match fault.map(|fault| fault.delay_ms).filter(|ms| *ms > 0) {
        None => out.send(Some((call, bytes))).is_ok(),
        Some(delay_ms) => {
            let out = out.clone();
            sandbox.spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                let _ = out.send(Some((call, bytes)));
            });
            true
        }
    }
}

fn who(sandbox: &Sandbox, line: u64) -> String {
    let mtproto = sandbox.mtproto.lock();
    let key = mtproto.lines.get(&line).and_then(|line| mtproto.keys.get(&line.key));
    key.and_then(|key| key.account).map(|account| account.to_string()).unwrap_or_default()
}

fn refusal(fault: &Fault) -> Option<(i32, String)> {
    let said = |code: i32, text: &str| Some((code, fault.text.clone().unwrap_or_else(|| text.to_owned())));
    match fault.kind {
        Kind::Slow | Kind::Cut | Kind::CutBefore | Kind::Empty => None,
        Kind::Busy => said(420, &format!("FLOOD_WAIT_{}", (fault.after_ms / 1000).max(1))),
        Kind::Down | Kind::Html => said(500, "RPC_CALL_FAIL"),
        Kind::TokenExpired => said(401, "AUTH_KEY_UNREGISTERED"),
        Kind::Refuse => {
            let code = fault.code.as_ref().and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
            said(code.unwrap_or(400), "USER_PRIVACY_RESTRICTED")
        }
    }
}

/// What is worth reading of a call: secrets and contents of files are left out.
fn shown(call: &Value) -> Value {
    let secret = ["api_hash", "phone_code", "password", "bytes", "token"];
    let Value::Object(fields) = call else { return Value::Null };
    let kept = fields.iter().map(|(name, value)| {
        let value = if secret.contains(&name.as_str()) { json!("***") } else { value.clone() };
        (name.clone(), value)
    });
    Value::Object(kept.collect::<Map<_, _>>())
}
