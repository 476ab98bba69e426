//! What messengers post.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::flow::intake;
use crate::messenger::Delivery;

/// `GET` and `POST /hook/{messenger}/{key}`: a delivery of a channel.
pub(crate) async fn take(
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let (_, key) = path.into_inner();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let delivery = Delivery {
        method: request.method().as_str(),
        query: request.query_string(),
        headers: &headers,
        body: &body,
        at: app.clock.now(),
    };
    match intake::messenger(&app, &key, &delivery).await {
        Ok(reply) if reply.mime.is_empty() => HttpResponse::Ok().finish(),
        Ok(reply) => HttpResponse::Ok().content_type(reply.mime).body(reply.body),
        Err(error) => super::not_taken(&error),
    }
}
