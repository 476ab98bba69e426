//! A server of files, and a vendor that takes them: it counts bytes and keeps none.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What was posted to one address: how often, and the bytes of the last body.
#[derive(Debug, Clone, Default)]
pub struct Posted {
    pub count: usize,
    pub size: u64,
}

/// The server. It ends when it is dropped.
pub struct Server {
    pub base: String,
    pub posted: Arc<Mutex<HashMap<String, Posted>>>,
    handle: ServerHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Server {
    pub fn start() -> Self {
        let posted = Arc::new(Mutex::new(HashMap::new()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shared = web::Data::from(Arc::clone(&posted));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .route("/files/{size}/{way}", web::get().to(give))
                .default_service(web::route().to(take))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { base, posted, handle }
    }

    /// The address of a file of so many bytes, whose size is told or not.
    pub fn file(&self, size: u64, told: bool) -> String {
        format!("{}/files/{size}/{}", self.base, if told { "told" } else { "untold" })
    }
}

/// The bytes of a file of this server, piece by piece.
pub fn pieces(size: u64) -> impl Iterator<Item = Bytes> {
    const PIECE: u64 = 64 << 10;
    (0..size.div_ceil(PIECE)).map(move |n| {
        let length = usize::try_from(PIECE.min(size - n * PIECE)).unwrap();
        Bytes::from(vec![u8::try_from(n % 251).unwrap(); length])
    })
}

/// The hash of the bytes of a file of this server.
pub fn sha256(size: u64) -> String {
    let mut hash = Sha256::new();
    pieces(size).for_each(|piece| hash.update(&piece));
    hex::encode(hash.finalize())
}

async fn give(path: web::Path<(u64, String)>) -> HttpResponse {
    let (size, way) = path.into_inner();
    let body = futures_util::stream::iter(pieces(size).map(Ok::<_, actix_web::Error>));
    let mut response = HttpResponse::Ok();
    match way.as_str() {
        "told" => response.no_chunking(size).streaming(body),
        "untold" => response.streaming(body),
        // half of what is announced
        "broken" => response.no_chunking(size * 2).streaming(body),
        "gone" => HttpResponse::NotFound().finish(),
        _ => HttpResponse::ServiceUnavailable().finish(),
    }
}

async fn take(
    request: HttpRequest,
    mut body: web::Payload,
    posted: web::Data<Mutex<HashMap<String, Posted>>>,
) -> HttpResponse {
    let mut size = 0;
    while let Some(part) = body.next().await {
        let Ok(part) = part else { return HttpResponse::BadRequest().finish() };
        size += part.len() as u64;
    }
    let path = request.path().to_owned();
    let mut posted = posted.lock();
    let entry = posted.entry(path.clone()).or_default();
    *entry = Posted { count: entry.count + 1, size };
    let id = format!("id{}", entry.count);
    HttpResponse::Ok().json(match path.as_str() {
        path if path.ends_with("/media") => json!({ "id": "1001" }),
        path if path.ends_with("/messages") => json!({ "messaging_product": "whatsapp",
            "contacts": [{ "input": "79990000001", "wa_id": "79990000001" }], "messages": [{ "id": format!("wamid.{id}") }] }),
        path if path.contains("/sendMessage") || path.contains("/sendDocument") => {
            json!({ "ok": true, "result": { "message_id": 1, "date": 1, "chat": { "id": 1, "type": "private" } } })
        }
        _ => json!({ "id": format!("true_79990000001@c.us_{id}"), "numberExists": true, "chatId": "79990000001@c.us" }),
    })
}
