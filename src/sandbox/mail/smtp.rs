//! One connection of submission: who logs in, who may send as whom, who gets the letter.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use smtp_proto::request::receiver::DataReceiver;
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, AUTH_XOAUTH2, Request};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Known, LARGEST, Mailbox, deliver, knows, note};
use crate::model::moment::Moment;
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::state::{Sandbox, random_hex};

/// The longest line of a command: a token is long.
const LONGEST: usize = 16 * 1024;

/// A connection.
struct Session {
    sandbox: Arc<Sandbox>,
    stream: BufReader<TcpStream>,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

/// The connection is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// Serves one connection to its end.
pub(super) async fn serve(sandbox: Arc<Sandbox>, stream: TcpStream) {
    let mut session = Session { sandbox, stream: BufReader::new(stream), user: None, from: None, to: Vec::new() };
    // whoever goes away has said all that he wanted
    let _ = session.talk().await;
}

impl Session {
    async fn talk(&mut self) -> Result<(), Over> {
        self.say("220 sandbox.example.com ESMTP").await?;
        loop {
            let line = self.line().await?;
            match Request::parse(&mut line.iter()).map(Request::into_owned) {
                Ok(request) => self.obey(request).await?,
                Err(_) => self.say("500 5.5.2 Command not recognized").await?,
            }
        }
    }

    async fn obey(&mut self, request: Request<String>) -> Result<(), Over> {
        match request {
            Request::Ehlo { .. } => {
                let sizes = format!("250-SIZE {LARGEST}");
                let lines = [
                    "250-sandbox.example.com",
                    &sizes,
                    "250-8BITMIME",
                    "250-ENHANCEDSTATUSCODES",
                    "250 AUTH PLAIN LOGIN XOAUTH2",
                ];
                self.say(&lines.join("\r\n")).await
            }
            Request::Helo { .. } => self.say("250 sandbox.example.com").await,
            Request::Auth { mechanism, initial_response } => self.log_in(mechanism, initial_response).await,
            Request::Noop { .. } => self.say("250 2.0.0 Ok").await,
            Request::Rset => {
                self.from = None;
                self.to.clear();
                self.say("250 2.0.0 Ok").await
            }
            Request::Quit => {
                self.say("221 2.0.0 Bye").await?;
                Err(Over)
            }
            _ if self.user.is_none() => self.say("530 5.7.0 Authentication required").await,
            Request::Mail { from } => self.begin(from.address).await,
            Request::Rcpt { to } => self.address(to.address.to_lowercase()).await,
            Request::Data if self.to.is_empty() => self.say("503 5.5.1 Need RCPT command").await,
            Request::Data => self.take().await,
            _ => self.say("502 5.5.1 Command not implemented").await,
        }
    }

    async fn log_in(&mut self, mechanism: u64, initial: String) -> Result<(), Over> {
        let (user, good) = match mechanism {
            AUTH_PLAIN => {
                let said = if initial.is_empty() { self.ask("334 ").await? } else { decode(&initial) };
                let mut parts = said.split('\0').skip(1);
                let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                (user.to_owned(), self.opens(user, |known, _| known.password == password))
            }
            AUTH_LOGIN => {
                let user = if initial.is_empty() { self.ask("334 VXNlcm5hbWU6").await? } else { decode(&initial) };
                let password = self.ask("334 UGFzc3dvcmQ6").await?;
                let good = self.opens(&user, |known, _| known.password == password);
                (user, good)
            }
            AUTH_XOAUTH2 => {
                let said = if initial.is_empty() { self.ask("334 ").await? } else { decode(&initial) };
                let (user, token) = super::token::said(&said);
                let good = self.opens(&user, |known, now| known.tokens.opens(&token, now));
                if !good {
                    let challenge = format!("334 {}", STANDARD.encode(super::token::CHALLENGE));
                    self.ask(&challenge).await?;
                }
                (user, good)
            }
            _ => return self.say("504 5.5.4 Unrecognized authentication type").await,
        };
        if !good {
            return self.say("535 5.7.8 Error: authentication failed").await;
        }
        self.user = Some(user);
        self.say("235 2.7.0 Authentication successful").await
    }

    fn opens(&self, user: &str, opens: impl FnOnce(&Mailbox, Moment) -> bool) -> bool {
        let fault = self.sandbox.faults.meet_late("mail", "login", user.as_bytes());
        let now = self.sandbox.now();
        let good = fault.is_none() && self.sandbox.mail.lock().boxes.get(user).is_some_and(|known| opens(known, now));
        note(&self.sandbox, "login", user, json!({"way": "smtp"}), if good { 235 } else { 535 }, fault.as_ref());
        good
    }

    async fn begin(&mut self, from: String) -> Result<(), Over> {
        let from = from.to_lowercase();
        if self.user.as_ref() != Some(&from) {
            return self.say("553 5.7.1 Sender address rejected: not owned by user").await;
        }
        self.from = Some(from);
        self.to.clear();
        self.say("250 2.1.0 Ok").await
    }

    async fn address(&mut self, to: String) -> Result<(), Over> {
        if self.from.is_none() {
            return self.say("503 5.5.1 Need MAIL command").await;
        }
        if let Some(fault) = self.sandbox.faults.meet_late("mail", "rcpt", to.as_bytes()) {
            return self.refuse(&fault, "550 5.1.1 No such user here").await;
        }
        if knows(&self.sandbox, &to) == Known::No {
            return self.say("550 5.1.1 No such user here").await;
        }
        self.to.push(to);
        self.say("250 2.1.5 Ok").await
    }

    /// Takes the letter itself.
    async fn take(&mut self) -> Result<(), Over> {
        if self.sandbox.faults.meet_early("mail", "letter").is_some() {
            return Err(Over);
        }
        self.say("354 End data with <CR><LF>.<CR><LF>").await?;
        let Some(letter) = self.letter().await? else {
            return self.say("552 5.3.4 Message size exceeds fixed limit").await;
        };
        let fault = self.sandbox.faults.meet_late("mail", "letter", &letter);
        let from = self.from.take().unwrap_or_default();
        let to = std::mem::take(&mut self.to);
        let taken = fault.as_ref().is_none_or(|fault| matches!(fault.kind, Kind::Slow | Kind::Cut));
        let told = json!({"to": to, "size": letter.len()});
        note(&self.sandbox, "letter", &from, told, if taken { 250 } else { 554 }, fault.as_ref());
        if taken {
            for to in &to {
                deliver(&self.sandbox, &from, to, &letter);
            }
        }
        match fault {
            Some(fault) if fault.kind == Kind::Cut => Err(Over),
            Some(fault) if !taken => self.refuse(&fault, "554 5.7.1 Message rejected").await,
            fault => {
                tokio::time::sleep(Duration::from_millis(fault.map_or(0, |fault| fault.delay_ms))).await;
                self.say(&format!("250 2.0.0 Ok: queued as {}", random_hex(6).to_uppercase())).await
            }
        }
    }

    /// Reads to the final dot; none where the letter is too large.
    async fn letter(&mut self) -> Result<Option<Bytes>, Over> {
        let (mut receiver, mut letter, mut fits) = (DataReceiver::new(), Vec::new(), true);
        loop {
            let part = self.stream.fill_buf().await?;
            if part.is_empty() {
                return Err(Over);
            }
            let mut bytes = part.iter();
            let over = receiver.ingest(&mut bytes, &mut letter);
            let used = part.len() - bytes.as_slice().len();
            self.stream.consume(used);
            fits = fits && letter.len() <= LARGEST;
            if !fits {
                letter.clear();
            }
            if over {
                return Ok(fits.then(|| Bytes::from(letter)));
            }
        }
    }

    /// A planned refusal.
    async fn refuse(&mut self, fault: &Fault, usual: &str) -> Result<(), Over> {
        match fault.kind {
            Kind::Busy => self.say("451 4.7.1 Try again later").await,
            Kind::Down => {
                self.say("421 4.3.2 Service shutting down").await?;
                Err(Over)
            }
            Kind::TokenExpired => self.say("535 5.7.8 Error: authentication failed").await,
            Kind::Cut | Kind::CutBefore => Err(Over),
            Kind::Slow | Kind::Html | Kind::Empty | Kind::Refuse => {
                self.say(fault.text.as_deref().unwrap_or(usual)).await
            }
        }
    }

    async fn ask(&mut self, challenge: &str) -> Result<String, Over> {
        self.say(challenge).await?;
        let line = self.line().await?;
        Ok(decode(String::from_utf8_lossy(&line).trim_end()))
    }

    async fn say(&mut self, text: &str) -> Result<(), Over> {
        Ok(self.stream.write_all(format!("{text}\r\n").as_bytes()).await?)
    }

    /// One line with its end.
    async fn line(&mut self) -> Result<Vec<u8>, Over> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let part = self.stream.fill_buf().await?;
            if part.is_empty() || line.len() > LONGEST {
                return Err(Over);
            }
            let end = part.iter().position(|byte| *byte == b'\n').map_or(part.len(), |at| at + 1);
            line.extend_from_slice(part.get(..end).unwrap_or_default());
            self.stream.consume(end);
        }
        Ok(line)
    }
}

fn decode(text: &str) -> String {
    STANDARD.decode(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
