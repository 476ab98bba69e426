//! A connection to PostgreSQL that breaks at the very commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Where the next commit breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of it.
    Before,
    /// The server has done it, and its answer is lost.
    After,
    /// The server never hears of it, and its transaction stays open until the server itself is gone.
    Held,
}

/// A wire between a store and its server. What is cut is cut once for each time it was asked for.
pub struct Wire {
    pub url: String,
    cuts: Arc<Cuts>,
}

/// How often each kind of cut was asked for, and not made yet.
#[derive(Default)]
struct Cuts {
    before: AtomicUsize,
    after: AtomicUsize,
    held: AtomicUsize,
    holds: Notify,
}

impl Wire {
    /// Lays a wire to this database.
    pub async fn lay(database: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = url::Url::parse(database).unwrap();
        let server = format!("127.0.0.1:{}", url.port().unwrap());
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let cuts = Arc::<Cuts>::default();
        let carried = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // a server that is down refuses its clients, and its wire does too
                if let Ok(server) = TcpStream::connect(&server).await {
                    tokio::spawn(carry(client, server, Arc::clone(&carried)));
                }
            }
        });
        Self { url: url.into(), cuts }
    }

    /// Cuts the next commit.
    pub fn cut(&self, cut: Cut) {
        let asked = match cut {
            Cut::Before => &self.cuts.before,
            Cut::After => &self.cuts.after,
            Cut::Held => &self.cuts.held,
        };
        asked.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until a commit is held.
    pub async fn holds(&self) {
        self.cuts.holds.notified().await;
    }
}

fn takes_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn carry(mut client: TcpStream, mut server: TcpStream, cuts: Arc<Cuts>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                let said = &asked[..count];
                let commits = said.windows(7).any(|bytes| bytes == b"COMMIT\0");
                if commits && takes_one(&cuts.before) {
                    return;
                }
                if commits && takes_one(&cuts.held) {
                    cuts.holds.notify_one();
                    while matches!(server.read(&mut answered).await, Ok(1..)) {}
                    return;
                }
                server.write_all(said).await.unwrap();
                if commits && takes_one(&cuts.after) {
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
