//! The other ends of the wire, with as little processor time as can be: a vendor that answers at once, and a load of
//! deliveries. Each runs in a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Asked;
use crate::child::Child;
use crate::report::{ms, quantile, rounded};
use crate::{portals, receive};

/// A vendor that runs.
pub struct Vendor {
    pub child: Child,
    pub port: u16,
    /// One line when the first call comes.
    pub lines: Lines,
}

/// What a process says.
type Lines = tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStdout>>;

impl Vendor {
    pub async fn start(asked: &Asked) -> Self {
        let (child, mut lines) = Child::start(asked, &["--phase", "vendor"]);
        let port = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        Self { child, port, lines }
    }
}

/// What a portal answers to a batch of marks.
const DELIVERED: &str = r#"{"result":{"result":{"c00":{"SUCCESS":true},"c01":{"SUCCESS":true},"c02":{"SUCCESS":true}},
    "result_error":{},"result_total":{},"result_next":{},"result_time":{}},"time":{"operating":0.1}}"#;

/// Answers every call as the Bot API answers `sendMessage`, and calls of a portal as it answers marks, until its input ends.
pub async fn vendor() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let numbers = Arc::new(AtomicU64::new(1));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, Arc::clone(&numbers)));
    }
}

async fn serve(mut stream: TcpStream, numbers: Arc<AtomicU64>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(length) = read_message(&mut stream, &mut buffer).await? {
        let is_batch = buffer.starts_with(b"POST /rest/");
        buffer.drain(..length);
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        if number == 1 {
            println!("called");
        }
        let body = if is_batch {
            DELIVERED.to_owned()
        } else {
            format!(
                r#"{{"ok":true,"result":{{"message_id":{number},"date":1767258000,"chat":{{"id":1,"type":"private"}}}}}}"#
            )
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Reads until the buffer begins with a whole message; its length. None at the end of the stream.
async fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    loop {
        if let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let whole = head + 4 + length.unwrap_or(0usize);
            if buffer.len() >= whole {
                return Ok(Some(whole));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// What a load found.
pub struct Loaded {
    pub child: Child,
    lines: Lines,
}

impl Loaded {
    /// Starts to post deliveries, of a `robot` or with a `message`: `rate` a second, or as many as `connections` can where it
    /// is 0.
    pub fn start(asked: &Asked, port: u16, what: &str, rate: i64, seconds: i64, acked: Option<&str>) -> Self {
        let (port, rate, seconds) = (port.to_string(), rate.to_string(), seconds.to_string());
        let mut words =
            vec!["--phase", "load", "--what", what, "--port", &port, "--rate", &rate, "--seconds", &seconds];
        words.extend(acked.iter().flat_map(|file| ["--acked", file]));
        let (child, lines) = Child::start(asked, &words);
        Self { child, lines }
    }

    /// Its figures; the process lives on until its input ends.
    pub async fn figures(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }
}

const FORM: &str = include_str!("../../tests/fixtures/bitrix24/handler_robot_wait.form");

/// Posts deliveries, each a new one. A latency is counted from the moment at which the delivery was due, so that a server
/// that falls behind cannot hide it.
pub async fn load(asked: &Asked) {
    let (port, rate) = (asked.number("port", 0, 0) as u16, asked.number("rate", 0, 0));
    let seconds = asked.number("seconds", 10, 10);
    let post: Arc<Post> = match asked.text("what") {
        Some("message") => Arc::new(receive::post),
        Some(what) if what.starts_with("portals:") => {
            let count = what["portals:".len()..].parse().unwrap();
            Arc::new(move |number| portals::post(number, count))
        }
        _ => Arc::new(robot),
    };
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now() + Duration::from_millis(200);
    let end = begun + Duration::from_secs(seconds.unsigned_abs());
    let posts = (0..asked.number("connections", 100, 100)).map(|_| {
        let (next, post) = (Arc::clone(&next), Arc::clone(&post));
        tokio::spawn(async move {
            let mut taken = Vec::new();
            // an error is the end of the server, which the bench kills
            let _ = post_all(port, &*post, rate, begun, end, &next, &mut taken).await;
            taken
        })
    });
    let posts: Vec<_> = posts.collect();
    let mut taken = Vec::new();
    for post in posts {
        taken.extend(post.await.unwrap());
    }
    let took_s = begun.elapsed().as_secs_f64();
    if let Some(path) = asked.text("acked") {
        let tokens: Vec<String> = taken.iter().map(|(number, _)| token(*number)).collect();
        std::fs::write(path, tokens.join("\n")).unwrap();
    }
    let mut late: Vec<i64> = taken.iter().map(|(_, us)| *us).collect();
    late.sort_unstable();
    let figures = json!({
        "taken": taken.len(), "per_s": rounded(taken.len() as f64 / took_s, 0), "p50_ms": ms(quantile(&late, 0.5)),
        "p99_ms": ms(quantile(&late, 0.99)), "max_ms": ms(late.last().copied().unwrap_or_default()),
    });
    println!("{figures}");
    // the processor time of this process is read before it ends
    let _ = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await;
}

pub fn token(number: u64) -> String {
    format!("bench|{number}")
}

/// The request of a robot.
fn robot(number: u64) -> String {
    let (before, after) = FORM.split_once("event_token=").unwrap();
    let after = &after[after.find('&').unwrap()..];
    let body = format!("{before}event_token={}{after}", token(number).replace('|', "%7C"));
    format!(
        "POST /bitrix24/robot HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Makes the request of a number.
type Post = dyn Fn(u64) -> String + Send + Sync;

async fn post_all(
    port: u16,
    post: &Post,
    rate: i64,
    begun: Instant,
    end: Instant,
    next: &AtomicU64,
    taken: &mut Vec<(u64, i64)>,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let offset = if rate == 0 { 1 << 40 } else { 0 } + u64::from(std::process::id()) * 1_000_000_000;
    let mut buffer = Vec::new();
    tokio::time::sleep_until(begun.into()).await;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = if rate == 0 { Instant::now() } else { begun + Duration::from_secs_f64(number as f64 / rate as f64) };
        if due >= end {
            return Ok(());
        }
        // made before it is due, where there is time: what the load needs for it is no latency of the server
        let request = post(offset + number);
        tokio::time::sleep_until(due.into()).await;
        stream.write_all(request.as_bytes()).await?;
        let Some(length) = read_message(&mut stream, &mut buffer).await? else { return Ok(()) };
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
        buffer.drain(..length);
        taken.push((offset + number, i64::try_from(due.elapsed().as_micros()).unwrap_or(i64::MAX)));
    }
}
