//! What stands between a server and the libraries that read its IMAP and SMTP: it lets through only what they can take.
//!
//! They keep a response whole in memory, and read nested lists by recursion. Whoever writes letters decides how large and
//! how deep some responses are, and servers are named by people, so both are bounded here, before the libraries.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::dial::Line;

/// How deep lists may be nested.
const MOST_NESTED: u32 = 60;

/// The longest line, in bytes, literals left out.
const LONGEST_LINE: u64 = 2 << 20;

/// The largest literal in the beginning, in bytes.
const LITERAL: u64 = 2 << 20;

/// A connection with its bounds.
#[derive(Debug)]
pub(super) struct Strait {
    line: Line,
    bounds: Bounds,
    preface: &'static [u8],
}

/// Where the reading stands in what the server says.
#[derive(Debug, Default)]
struct Bounds {
    nested: u32,
    length: u64,
    quoted: bool,
    escaped: bool,
    /// The digits of a literal's length that are being read; ended where the brace was closed.
    brace: Option<(u64, bool)>,
    /// Bytes of a literal that are still to come.
    literal: u64,
    most: Option<u64>,
}

impl Strait {
    pub(super) fn new(line: Line) -> Self {
        Self { line, bounds: Bounds::default(), preface: b"" }
    }

    /// The same with words that the library waits for and that the server has said already, before TLS.
    pub(super) fn after(preface: &'static [u8], line: Line) -> Self {
        Self { line, bounds: Bounds::default(), preface }
    }

    /// From now on literals may have so many bytes.
    pub(super) const fn let_through(&mut self, bytes: u64) {
        self.bounds.most = Some(bytes);
    }
}

impl Bounds {
    /// Goes on over bytes; tells what is wrong with them.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.literal > 0 {
                let part = usize::try_from(self.literal).unwrap_or(usize::MAX).min(bytes.len());
                self.literal -= part as u64;
                bytes = bytes.get(part..).unwrap_or_default();
                continue;
            }
            self.step(*byte)?;
            bytes = rest;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        self.length += 1;
        if self.length > LONGEST_LINE {
            return Err("the server sent a line that is too long");
        }
        match (byte, self.brace) {
            (b'\n', brace) => self.end_of_line(brace)?,
            (b'0'..=b'9', Some((count, false))) => {
                self.brace = Some((count.saturating_mul(10).saturating_add(u64::from(byte - b'0')), false));
            }
            // a plus is of LITERAL+
            (b'\r', _) | (b'+', Some((_, false))) => {}
            (b'}', Some((count, false))) => self.brace = Some((count, true)),
            _ => {
                self.brace = None;
                self.nest(byte)?;
            }
        }
        Ok(())
    }

    fn nest(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return Ok(());
        }
        match byte {
            b'"' => self.quoted = true,
            b'{' => self.brace = Some((0, false)),
            b'(' => self.nested += 1,
            b')' => self.nested = self.nested.saturating_sub(1),
            _ => {}
        }
        if self.nested > MOST_NESTED { Err("the server sent lists that are nested too deep") } else { Ok(()) }
    }

    fn end_of_line(&mut self, brace: Option<(u64, bool)>) -> Result<(), &'static str> {
        self.brace = None;
        if let Some((count, true)) = brace {
            if count > self.most.unwrap_or(LITERAL) {
                return Err("the server sent more than was asked for");
            }
            self.literal = count;
            return Ok(());
        }
        let most = self.most;
        *self = Self { most, ..Self::default() };
        Ok(())
    }
}

impl AsyncRead for Strait {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.preface.is_empty() {
            let (now, later) = this.preface.split_at(this.preface.len().min(buf.remaining()));
            buf.put_slice(now);
            this.preface = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.line).poll_read(cx, buf);
        if matches!(polled, Poll::Ready(Ok(()))) {
            let new = buf.filled().get(before..).unwrap_or_default();
            if let Err(what) = this.bounds.pass(new) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
            }
        }
        polled
    }
}

impl AsyncWrite for Strait {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().line).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().line).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().line).poll_shutdown(cx)
    }
}

impl lettre::transport::smtp::client::AsyncTokioStream for Strait {
    fn peer_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.line.peer()
    }
}

/// Whether a line of a server gets through, for the fuzz target.
#[cfg(fuzzing)]
pub(super) fn takes(bytes: &[u8]) -> bool {
    Bounds::default().pass(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(parts: &[&[u8]]) -> Result<(), &'static str> {
        let mut bounds = Bounds::default();
        parts.iter().try_for_each(|part| bounds.pass(part))
    }

    #[test]
    fn what_servers_say_passes_whole_and_in_pieces() {
        let said = b"* 1 FETCH (UID 7 BODY[] {12}\r\n((((((((((((  FLAGS (\\Seen))\r\n* LIST () \"/\" \"a(((\\\"(\"\r\na1 OK\r\n";
        assert_eq!(pass(&[said]), Ok(()));
        let single: Vec<&[u8]> = said.chunks(1).collect();
        assert_eq!(pass(&single), Ok(()));
        let letters: Vec<u8> =
            (0..1000).flat_map(|n| format!("* {n} FETCH (UID {n} X \"((\")\r\n").into_bytes()).collect();
        assert_eq!(pass(&[&letters]), Ok(()));
        let inside = [b"* 1 FETCH (BODY[] {5000}\r\n".as_slice(), &[b'('; 5000], b")\r\n"].concat();
        assert_eq!(pass(&[&inside]), Ok(()));
    }

    #[test]
    fn what_would_break_the_library_does_not_pass() {
        assert!(pass(&[b"* 1 FETCH (BODYSTRUCTURE ", &[b'('; 100]]).is_err());
        assert!(pass(&[b"* 1 FETCH (BODY[] {2097153}\r\n"]).is_err());
        assert!(pass(&[b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n"]).is_err());
        let flood = vec![b'x'; 3 << 20];
        assert!(pass(&[&flood]).is_err());
        // a list goes on behind its literal
        assert!(pass(&[b"* 1 FETCH (", &[b'('; 50], b"X {2}\r\n((", &[b'('; 20]]).is_err());
    }
}
