//! A mail server that keeps what it gets, and is in different moods.

use std::sync::Arc;

use mail_parser::MessageParser;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes letters.
    Good,
    /// It asks to come back later.
    Busy,
    /// It takes a letter and breaks the connection instead of saying so.
    Cut,
}

/// A letter as it came.
#[derive(Debug, Clone)]
pub struct Letter {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub text: String,
}

struct Desk {
    mood: Mood,
    tries: usize,
    letters: Vec<Letter>,
}

/// The server.
pub struct PostOffice {
    desk: Arc<Mutex<Desk>>,
    port: &'static str,
}

impl PostOffice {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string().leak();
        let desk = Arc::new(Mutex::new(Desk { mood: Mood::Good, tries: 0, letters: Vec::new() }));
        let shared = Arc::clone(&desk);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let desk = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, &desk).await });
            }
        });
        Self { desk, port }
    }

    /// The settings of a server that writes through it.
    pub fn settings(&self) -> [(&'static str, &'static str); 4] {
        [
            ("SWITCHBOARD_MAIL__SERVER", "127.0.0.1"),
            ("SWITCHBOARD_MAIL__PORT", self.port),
            ("SWITCHBOARD_MAIL__SECURITY", "none"),
            ("SWITCHBOARD_MAIL__FROM", "switchboard@house.example"),
        ]
    }

    pub fn be(&self, mood: Mood) {
        self.desk.lock().mood = mood;
    }

    pub fn tries(&self) -> usize {
        self.desk.lock().tries
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.desk.lock().letters.clone()
    }

    pub fn subjects(&self) -> Vec<String> {
        self.letters().into_iter().map(|letter| letter.subject).collect()
    }
}

async fn serve(stream: TcpStream, desk: &Mutex<Desk>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let _ = write.write_all(b"220 post office\r\n").await;
    let (mut from, mut to) = (String::new(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        let mood = desk.lock().mood;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-post office\r\n250 8BITMIME\r\n",
            "MAIL" => {
                desk.lock().tries += 1;
                from = between(&line);
                if mood == Mood::Busy { "451 4.3.0 come back later\r\n" } else { "250 ok\r\n" }
            }
            "RCPT" => {
                to = between(&line);
                "250 ok\r\n"
            }
            "DATA" => {
                let _ = write.write_all(b"354 go on\r\n").await;
                let mut raw = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    raw.push_str(line.strip_prefix("..").map_or(line.as_str(), |_| &line[1..]));
                    raw.push_str("\r\n");
                }
                let read = MessageParser::default().parse(raw.as_bytes()).unwrap();
                let letter = Letter {
                    from: from.clone(),
                    to: to.clone(),
                    subject: read.subject().unwrap_or_default().to_owned(),
                    text: read.body_text(0).unwrap_or_default().into_owned(),
                };
                desk.lock().letters.push(letter);
                if mood == Mood::Cut {
                    return;
                }
                "250 taken\r\n"
            }
            "QUIT" => {
                let _ = write.write_all(b"221 bye\r\n").await;
                return;
            }
            _ => "250 ok\r\n",
        };
        let _ = write.write_all(reply.as_bytes()).await;
    }
}

fn between(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(inside, _)| inside).to_owned()
}
