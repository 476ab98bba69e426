//! The proxy in front of the servers, as every house on the internet has one. It waits for a server that is not there,
//! as a good proxy does, and remembers which requests were acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use parking_lot::Mutex;

/// A request of the portal and what it was answered.
pub struct Passed {
    pub path: String,
    pub body: String,
    pub status: u16,
}

/// What the handler of the proxy knows.
pub struct Front {
    targets: Mutex<Vec<u16>>,
    next: AtomicUsize,
    client: reqwest::Client,
    pub passed: Mutex<Vec<Passed>>,
}

/// Headers that mean something to the server.
const HEADERS: [&str; 4] = ["content-type", "authorization", "idempotency-key", "x-hub-signature-256"];

impl Front {
    /// Starts the proxy; its base address is the second answer.
    pub fn start() -> (Arc<Self>, String) {
        let client = crate::rig::plain_client().pool_max_idle_per_host(0);
        let front = Arc::new(Self {
            targets: Mutex::default(),
            next: AtomicUsize::default(),
            client: client.timeout(Duration::from_secs(30)).build().unwrap(),
            passed: Mutex::default(),
        });
        let shared = web::Data::from(Arc::clone(&front));
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(pass)));
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        (front, base)
    }

    /// To whom requests go from now on, by port.
    pub fn aim(&self, targets: &[u16]) {
        *self.targets.lock() = targets.to_vec();
    }

    fn target(&self) -> Option<u16> {
        let targets = self.targets.lock();
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        targets.get(n.checked_rem(targets.len())?).copied()
    }
}

async fn pass(front: web::Data<Front>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let path = request.uri().to_string();
    let (status, text) = ask(&front, &request, &path, &body).await;
    if path.starts_with("/bitrix24/robot") || path.starts_with("/bitrix24/sms") {
        let body = String::from_utf8_lossy(&body).into_owned();
        front.passed.lock().push(Passed { path, body, status });
    }
    HttpResponse::build(status.try_into().unwrap()).content_type("application/json").body(text)
}

async fn ask(front: &Front, request: &HttpRequest, path: &str, body: &web::Bytes) -> (u16, web::Bytes) {
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    while tokio::time::Instant::now() < end {
        beat.tick().await;
        let Some(port) = front.target() else { continue };
        let method: reqwest::Method = request.method().as_str().parse().unwrap();
        let mut asked = front.client.request(method, format!("http://127.0.0.1:{port}{path}")).body(body.to_vec());
        for name in HEADERS {
            if let Some(value) = request.headers().get(name) {
                asked = asked.header(name, value.as_bytes());
            }
        }
        match asked.send().await {
            Ok(reply) => {
                let status = reply.status().as_u16();
                return match reply.bytes().await {
                    Ok(text) => (status, text),
                    Err(_) => (502, web::Bytes::new()),
                };
            }
            // nothing was handed over: another server, or the same one a moment later
            Err(error) if error.is_connect() => {}
            Err(_) => return (502, web::Bytes::new()),
        }
    }
    (503, web::Bytes::new())
}
