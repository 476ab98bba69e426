//! A connection to PostgreSQL that breaks at the very commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Where the next commit breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of it.
    Before,
    /// The server has done it, and its answer is lost.
    After,
}

/// A wire between a store and its server. What is cut is cut once for each time it was asked for.
pub struct Wire {
    pub url: String,
    before: Arc<AtomicUsize>,
    after: Arc<AtomicUsize>,
}

impl Wire {
    /// Lays a wire to this database.
    pub async fn lay(database: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = url::Url::parse(database).unwrap();
        let server = format!("127.0.0.1:{}", url.port().unwrap());
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (before, after) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (cut_before, cut_after) = (Arc::clone(&before), Arc::clone(&after));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&cut_before), Arc::clone(&cut_after)));
            }
        });
        Self { url: url.into(), before, after }
    }

    /// Cuts the next commit.
    pub fn cut(&self, cut: Cut) {
        if cut == Cut::Before { &self.before } else { &self.after }.fetch_add(1, Ordering::SeqCst);
    }
}

fn takes_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn carry(mut client: TcpStream, mut server: TcpStream, before: Arc<AtomicUsize>, after: Arc<AtomicUsize>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                let said = &asked[..count];
                let commits = said.windows(7).any(|bytes| bytes == b"COMMIT\0");
                if commits && takes_one(&before) {
                    return;
                }
                server.write_all(said).await.unwrap();
                if commits && takes_one(&after) {
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
