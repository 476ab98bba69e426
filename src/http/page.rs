//! The page of a server that was built without the cabinet: what this is.

use actix_web::{HttpRequest, HttpResponse};

use super::language::Language;

/// Tells a person who opens the address in a browser where they are.
pub(super) fn show_page(request: &HttpRequest) -> HttpResponse {
    let (lang, text) = match Language::of(request.headers()) {
        Language::Russian => (
            "ru",
            "Сервер, который соединяет мессенджеры с Битрикс24. Он работает, но собран без личного кабинета: соберите его командой make build.",
        ),
        Language::English => (
            "en",
            "A server that joins messengers with Bitrix24. It is running, but was built without its cabinet: build it with make build.",
        ),
    };
    let body = format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Switchboard</title><h1>Switchboard {}</h1><p>{text}</p></html>",
        env!("CARGO_PKG_VERSION")
    );
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(body)
}
