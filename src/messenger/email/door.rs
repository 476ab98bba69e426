//! Connections to the two servers of a mailbox, up to the moment when a protocol begins: TLS, and STARTTLS before it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::account::{Security, Server};
use super::strait::Strait;
use crate::messenger::Wire;
use crate::model::vendor::Answer;
use crate::net::dial::{DialError, Line};

/// Where something went wrong on the way to a server; the attach form shows it at its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The name, or the way to it.
    Host,
    /// The protection of the connection.
    Security,
    /// The login.
    Login,
    /// The talk itself.
    Talk,
}

/// What went wrong. Nothing was sent that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) at: At,
    pub(super) seen: String,
}

impl Trouble {
    pub(super) fn new(at: At, seen: impl std::fmt::Display) -> Self {
        Self { at, seen: crate::messenger::field::short(&seen.to_string()) }
    }

    /// What it means for a message or a connection: only a refused login is more than a passing trouble.
    pub(super) fn answer(self) -> Answer {
        if self.at == At::Login { Answer::Expired { seen: self.seen } } else { Answer::Down { seen: self.seen } }
    }
}

impl From<DialError> for Trouble {
    fn from(error: DialError) -> Self {
        let at = match error {
            DialError::BadHost | DialError::Unknown(_) | DialError::Private | DialError::Closed(_) => At::Host,
            DialError::Bare | DialError::Tls(_) => At::Security,
        };
        Self::new(at, error)
    }
}

/// Which protocol a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    Imap,
    Smtp,
}

/// A connection on which the protocol may begin. After STARTTLS the server does not greet again, so a greeting that the
/// library waits for stands before what it reads.
pub(super) async fn open(wire: &Wire, server: &Server, tongue: Tongue) -> Result<Strait, Trouble> {
    match server.security {
        Security::Ssl => {
            let line = wire.dial.open(&server.host, server.port).await?;
            Ok(Strait::new(wire.dial.secure(&server.host, line).await?))
        }
        Security::None => Ok(Strait::new(wire.dial.open_bare(&server.host, server.port).await?)),
        Security::Starttls => {
            let mut line = wire.dial.open(&server.host, server.port).await?;
            within(wire.http.limits().deadline, ask_for_tls(&mut line, tongue)).await?;
            let line = wire.dial.secure(&server.host, line).await?;
            let greeting: &[u8] = match tongue {
                Tongue::Imap => b"* OK ready\r\n",
                Tongue::Smtp => b"220 ready\r\n",
            };
            Ok(Strait::after(greeting, line))
        }
    }
}

/// Something that a server must do in time.
pub(super) async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let late = || Trouble::new(At::Talk, format!("the server did not answer within {} ms", deadline.as_millis()));
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(late()))
}

async fn ask_for_tls(line: &mut Line, tongue: Tongue) -> Result<(), Trouble> {
    let refused = |said: String| Trouble::new(At::Security, format!("the server refused STARTTLS: {said}"));
    match tongue {
        Tongue::Imap => {
            let greeting = read_line(line).await?;
            if !greeting.starts_with("* OK") {
                return Err(Trouble::new(At::Talk, format!("the server does not greet: {greeting}")));
            }
            write(line, b"s1 STARTTLS\r\n").await?;
            loop {
                let said = read_line(line).await?;
                match said.strip_prefix("s1 ") {
                    Some(ok) if ok.starts_with("OK") => return Ok(()),
                    Some(_) => return Err(refused(said)),
                    None => {}
                }
            }
        }
        Tongue::Smtp => {
            let (code, said) = read_reply(line).await?;
            if code != "220" {
                return Err(Trouble::new(At::Talk, said));
            }
            write(line, b"EHLO [127.0.0.1]\r\n").await?;
            read_reply(line).await?;
            write(line, b"STARTTLS\r\n").await?;
            let (code, said) = read_reply(line).await?;
            if code == "220" { Ok(()) } else { Err(refused(said)) }
        }
    }
}

/// A reply of SMTP: its code, and its last line.
async fn read_reply(line: &mut Line) -> Result<(String, String), Trouble> {
    for _ in 0..64 {
        let said = read_line(line).await?;
        if said.as_bytes().get(3) != Some(&b'-') {
            return Ok((said.get(..3).unwrap_or_default().to_owned(), said));
        }
    }
    Err(Trouble::new(At::Talk, "the server's reply has no end"))
}

/// One line, byte by byte: what an attacker put behind it before TLS is not kept for later, and breaks the handshake.
async fn read_line(line: &mut Line) -> Result<String, Trouble> {
    let mut said = Vec::new();
    while said.len() < 1024 {
        let byte = line.read_u8().await.map_err(|error| Trouble::new(At::Talk, error))?;
        if byte == b'\n' {
            return Ok(String::from_utf8_lossy(&said).trim_end().to_owned());
        }
        said.push(byte);
    }
    Err(Trouble::new(At::Talk, "the server sent a line that is too long"))
}

async fn write(line: &mut Line, bytes: &[u8]) -> Result<(), Trouble> {
    line.write_all(bytes).await.map_err(|error| Trouble::new(At::Talk, error))
}
