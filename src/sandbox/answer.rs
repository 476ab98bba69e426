//! What a fake vendor answers, and the plug that can be pulled instead.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

use actix_web::HttpResponse;
use actix_web::dev::Extensions;
use actix_web::http::StatusCode;
use bytes::Bytes;
use serde_json::Value;

/// An answer of a vendor.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body and its content type.
    pub(crate) body: Body,
    /// One more header.
    pub(crate) header: Option<(&'static str, String)>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// JSON, as serde writes it.
    Json(Value),
    /// Anything else, with its content type.
    Raw(Bytes, String),
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), header: None }
    }

    /// The page of a gateway that gave up.
    pub(crate) fn html() -> Self {
        let page = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";
        Self { status: 502, body: Body::Raw(page.into(), "text/html".to_owned()), header: None }
    }

    /// Nothing at all, and all is said to be well.
    pub(crate) fn empty() -> Self {
        Self { status: 200, body: Body::Raw(Bytes::new(), "text/html".to_owned()), header: None }
    }

    /// The same as the web server writes it.
    pub(crate) fn write(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK));
        if let Some(header) = self.header {
            response.insert_header(header);
        }
        match self.body {
            Body::Json(value) => response.json(value),
            Body::Raw(bytes, kind) => response.content_type(kind).body(bytes),
        }
    }
}

/// The socket of a connection, kept so that it can be shut without an answer.
pub(crate) struct Plug(TcpStream);

impl Plug {
    /// Shuts the connection in both directions at once.
    pub(crate) fn pull(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Keeps the plug of every new connection.
pub(crate) fn keep_plug(io: &dyn Any, keep: &mut Extensions) {
    let socket = io.downcast_ref::<actix_web::rt::net::TcpStream>();
    if let Some(Ok(copy)) = socket.map(|socket| socket.as_fd().try_clone_to_owned()) {
        keep.insert(Plug(TcpStream::from(copy)));
    }
}
