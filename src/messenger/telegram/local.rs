//! The line to the sandbox: the functions of Telegram's schema without the encryption, in frames over a bare connection. A
//! frame is four bytes of length, eight of a number, four of a data centre, and the body; the first one carries the key.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use grammers_mtsender::RpcError;
use grammers_session::updates::UpdatesLike;
use grammers_tl_types::{Deserializable as _, enums, types};
use parking_lot::Mutex;
use rand::RngCore as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::driver::{Open, Pipe, Trouble};
use super::session::Session;
use crate::messenger::{Boxed, Wire, field};
use crate::net::dial::Line;

/// The constructor of an error.
const ERROR: [u8; 4] = 0x2144_ca19_u32.to_le_bytes();

/// The largest frame that is read.
const LARGEST: usize = 8 << 20;

type Pending = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Vec<u8>>>>>>;

/// Opens a line with the key of the session's home; a new session gets one.
pub(super) async fn open(wire: &Wire, session: &Session) -> Result<Open, Trouble> {
    let not_sent = |seen: String| Trouble::NotSent(seen);
    let asked = wire.http.call(wire.http.client().get(&wire.vendor), wire.http.limits()).await;
    let told = asked.map_err(|error| Trouble::NotSent(error.seen()))?;
    let port = field::number(&told.json(), "port").and_then(|port| u16::try_from(port).ok());
    let url = url::Url::parse(&wire.vendor).map_err(|error| not_sent(error.to_string()))?;
    let (Some(port), Some(host)) = (port, url.host_str()) else {
        return Err(not_sent("the sandbox names no port".to_owned()));
    };
    let line = wire.dial.open_bare(host, port).await.map_err(|error| not_sent(error.to_string()))?;
    let (read, mut write) = tokio::io::split(line);
    let key = session.key(session.home(), || {
        let mut key = [0; 256];
        rand::rng().fill_bytes(&mut key);
        key
    });
    let key = key.ok_or_else(|| not_sent("no such data centre".to_owned()))?;
    write.write_all(&frame(0, session.home(), &key)).await.map_err(|error| not_sent(error.to_string()))?;
    let (told, updates) = mpsc::channel(10_000);
    let pending: Pending = Arc::new(Mutex::new(Some(HashMap::new())));
    let reading = tokio::spawn(listen(read, Arc::clone(&pending), told)).abort_handle();
    let pipe = Arc::new(Frames { write: tokio::sync::Mutex::new(write), pending, next: AtomicU64::new(1), reading });
    Ok(Open { pipe, updates })
}

struct Frames {
    write: tokio::sync::Mutex<WriteHalf<Line>>,
    pending: Pending,
    next: AtomicU64,
    reading: AbortHandle,
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Pipe for Frames {
    fn invoke(&self, centre: i32, call: Vec<u8>) -> Boxed<'_, Result<Vec<u8>, Trouble>> {
        Box::pin(async move {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (tell, told) = oneshot::channel();
            match self.pending.lock().as_mut() {
                Some(pending) => _ = pending.insert(number, tell),
                None => return Err(Trouble::NotSent("the connection is closed".to_owned())),
            }
            let mut write = self.write.lock().await;
            let written = write.write_all(&frame(number, centre, &call)).await;
            drop(write);
            written.map_err(|error| Trouble::Unsure(error.to_string()))?;
            let body = told.await.map_err(|_| Trouble::Unsure("the connection was closed".to_owned()))?;
            if body.get(..4) != Some(ERROR.as_slice()) {
                return Ok(body);
            }
            let error = types::RpcError::from_bytes(body.get(4..).unwrap_or_default());
            let error = error.map_err(|error| Trouble::Unsure(error.to_string()))?;
            Err(Trouble::Refused(RpcError::from(error)))
        })
    }
}

fn frame(number: u64, centre: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap_or_default().to_le_bytes().to_vec();
    bytes.extend(number.to_le_bytes());
    bytes.extend(centre.to_le_bytes());
    bytes.extend(body);
    bytes
}

async fn listen(mut read: ReadHalf<Line>, pending: Pending, told: mpsc::Sender<UpdatesLike>) {
    while let Ok((number, body)) = next(&mut read).await {
        if number == 0 {
            let update = match enums::Updates::from_bytes(&body) {
                Ok(updates) => UpdatesLike::Updates(updates),
                Err(_) => UpdatesLike::MalformedUpdates,
            };
            // what finds no room is fetched later: its number is missed
            let _ = told.try_send(update);
        } else if let Some(tell) = pending.lock().as_mut().and_then(|pending| pending.remove(&number)) {
            let _ = tell.send(body);
        }
    }
    // whoever waits for an answer is told that none will come
    *pending.lock() = None;
}

async fn next(read: &mut ReadHalf<Line>) -> std::io::Result<(u64, Vec<u8>)> {
    let length = read.read_u32_le().await? as usize;
    let number = read.read_u64_le().await?;
    read.read_i32_le().await?;
    if length > LARGEST {
        return Err(std::io::Error::other("the frame is too large"));
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await?;
    Ok((number, body))
}
