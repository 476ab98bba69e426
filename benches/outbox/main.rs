//! The bench of the outbox. `bench/run` drives it and prints the tables; one phase can be run alone too:
//!
//!     cargo bench --bench outbox -- --db postgres --phase drain     with DATABASE_URL set to an empty database
//!
//! What is measured is what is shipped: the store, the pump, the flows. Only the vendor is replaced, see `pumping.rs`.
#![cfg(test)] // tells the lints that unwrapping is in order here
#![allow(unreachable_pub, reason = "a bench shows nothing to anybody")]
#![allow(missing_docs, reason = "names tell it")]
#![allow(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
#![allow(clippy::similar_names, clippy::missing_panics_doc, reason = "a bench is no library")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures for people")]

mod child;
mod drain;
mod lanes;
mod load;
mod portals;
mod pumping;
mod receive;
mod report;
mod server;
mod stage;

use std::collections::HashMap;

#[global_allocator] // the binary's own
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the bench was told.
#[derive(Debug, Clone)]
pub struct Asked {
    pub url: String,
    pub phase: String,
    /// Small numbers: whether everything runs, not how fast.
    pub quick: bool,
    given: HashMap<String, String>,
}

impl Asked {
    fn read() -> Self {
        let mut given = HashMap::new();
        let mut words = std::env::args().skip(1).peekable();
        while let Some(word) = words.next() {
            if let Some(name) = word.strip_prefix("--") {
                let value = words.next_if(|next| !next.starts_with("--")).unwrap_or_default();
                given.insert(name.to_owned(), value);
            }
        }
        let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| {
            let folder = std::env::temp_dir().join(format!("switchboard-bench-{}", std::process::id()));
            format!("sqlite:{}/bench.db", folder.display())
        });
        let phase = given.get("phase").cloned().unwrap_or_else(|| "drain".to_owned());
        Self { url, phase, quick: given.contains_key("quick"), given }
    }

    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// A number that was given, or one of the two usual ones.
    pub fn number(&self, name: &str, usual: i64, quick: i64) -> i64 {
        let usual = if self.quick { quick } else { usual };
        self.text(name).map_or(usual, |text| text.parse().expect("a number"))
    }

    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }
}

fn main() {
    let asked = Asked::read();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match asked.phase.as_str() {
            "drain" => drain::drain(&asked).await,
            "http" => drain::http(&asked).await,
            "backlog" => drain::backlog(&asked).await,
            "procs" => drain::processes(&asked).await,
            "lanes" => lanes::lanes(&asked).await,
            "takeover" => lanes::takeover(&asked).await,
            "hook" => server::hook(&asked).await,
            "receive" => receive::receive(&asked).await,
            "portals" => portals::portals(&asked).await,
            "idle" => server::idle(&asked).await,
            "start" => server::start(&asked).await,
            // what the bench starts beside itself
            "pump" => child::pump(&asked).await,
            "vendor" => load::vendor().await,
            "load" => load::load(&asked).await,
            other => panic!("there is no phase {other}"),
        }
    });
    runtime.shutdown_background();
}
