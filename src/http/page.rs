//! The page at `/`: what this is.

use actix_web::{HttpRequest, HttpResponse};

use super::language::Language;

/// Tells a person who opens the address in a browser where they are.
pub(super) async fn show_page(request: HttpRequest) -> HttpResponse {
    let (lang, text) = match Language::of(request.headers()) {
        Language::Russian => (
            "ru",
            "Сервер, который соединяет мессенджеры с Битрикс24. Он работает. Подключите портал: установите приложение в Битрикс24.",
        ),
        Language::English => (
            "en",
            "A server that joins messengers with Bitrix24. It is running. To connect a portal, install the application in Bitrix24.",
        ),
    };
    let body = format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Switchboard</title><h1>Switchboard {}</h1><p>{text}</p></html>",
        env!("CARGO_PKG_VERSION")
    );
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(body)
}
