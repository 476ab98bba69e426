//! The page itself: proven, given its token, framed by its portal and by nobody else.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

use super::ReportOut;
use crate::app::App;
use crate::crm::bitrix24::event::Page;
use crate::crm::bitrix24::scope;
use crate::flow::framed::{self, Opened};
use crate::flow::install::{InstallError, Trouble};
use crate::http::cabinet;
use crate::http::language::Language;
use crate::http::limit::Doors;
use crate::model::php_form;

/// What stands in the page until it is told what it is.
const PLACE: &str = "name=\"boot\" content=\"\"";

/// What is shown where this binary was built without the pages.
const BARE: &str = "<!doctype html><html lang=\"ru\"><meta charset=\"utf-8\"><meta name=\"boot\" content=\"\">\
    <title>Switchboard</title><p>Switchboard</p></html>";

/// Which page a portal opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The installer's.
    Install,
    /// The application's own.
    App,
    /// The tab in a card of the CRM.
    Card,
    /// The settings of a connector on an open line.
    Connector,
    /// The settings of a robot in an automation.
    Robot,
}

/// What the page is told when it begins.
#[derive(Serialize)]
struct Boot<'a> {
    page: Shown,
    language: &'static str,
    /// The clock of the server: that of the browser may be wrong.
    now: i64,
    placement: &'a str,
    /// What the place tells; nobody has proven it.
    options: &'a Value,
    /// Rights that the application was not given, as far as the portal tells.
    missing_scopes: Vec<&'static str>,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Opened {
        portal: String,
        domain: String,
        user_id: i64,
        admin: bool,
        token: String,
        expires_at: i64,
        report: ReportOut,
    },
    Refused {
        refusal: &'static str,
        trouble: Option<Trouble>,
    },
}

/// Shows a page that a portal opens for an employee.
pub(crate) async fn show(app: &App, doors: &Doors, request: &HttpRequest, form: &Value, shown: Shown) -> HttpResponse {
    if let Err(error) = doors.page(request) {
        return error.tell(Language::of(request.headers()));
    }
    let query = php_form::decode(request.query_string().as_bytes()).map(php_form::without_zeros);
    let read = query.map_err(|error| error.to_string()).and_then(|query| {
        let page = Page::read(&query, form).map_err(|error| error.to_string())?;
        Ok((page, query.get("PROTOCOL").and_then(Value::as_str) == Some("0")))
    });
    let (page, plain) = match read {
        Ok(read) => read,
        Err(error) => return HttpResponse::BadRequest().body(error),
    };
    let outcome = framed::open(app, &page, shown == Shown::Install).await;
    if let Err(error) = &outcome {
        tracing::warn!(%error, "a page of a portal could not be shown");
    }
    render(app, &page, plain, shown, outcome)
}

fn render(app: &App, page: &Page, plain: bool, shown: Shown, outcome: Result<Opened, InstallError>) -> HttpResponse {
    let status = match &outcome {
        Err(InstallError::NotThePortal | InstallError::NotAdministrator) => StatusCode::FORBIDDEN,
        // the frame shows a page only with 200; what else is wrong stands on it
        Ok(_) | Err(_) => StatusCode::OK,
    };
    let ancestors = match &outcome {
        Ok(opened) => origin(&opened.portal.client_endpoint),
        // a refusal names nothing but itself, so it may be shown by whoever says that he is the portal; otherwise its people
        // would see an empty frame
        Err(_) => origin(&format!("{}://{}/", if plain { "http" } else { "https" }, page.domain)),
    };
    let boot = Boot {
        page: shown,
        language: language(&page.language),
        now: app.clock.now().0,
        placement: &page.placement,
        options: &page.options,
        missing_scopes: if page.scopes.is_empty() { Vec::new() } else { scope::missing(&page.scopes) },
        outcome: match outcome {
            Ok(opened) => told(app, opened),
            Err(error) => refused(&error),
        },
    };
    let boot = serde_json::to_string(&boot).unwrap_or_default();
    let html = cabinet::framed_page().unwrap_or_else(|| BARE.to_owned());
    let html = html.replacen(PLACE, &format!("name=\"boot\" content=\"{}\"", escaped(&boot)), 1);
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, policy(&ancestors)))
        .body(html)
}

/// What the page may load: its own files, and nothing of anybody else; not even of the portal.
fn policy(ancestors: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; frame-ancestors {ancestors}; base-uri 'none'; form-action 'none'"
    )
}

fn told(app: &App, opened: Opened) -> Outcome {
    let token = framed::give_token(app, &opened.employee);
    Outcome::Opened {
        portal: opened.employee.portal.to_string(),
        domain: opened.portal.domain,
        user_id: opened.employee.user_id,
        admin: opened.employee.is_admin,
        token: token.text,
        expires_at: token.expires_at.0,
        report: ReportOut { steps: opened.steps, troubles: opened.troubles },
    }
}

/// A refusal by its name; the page has the words.
fn refused(error: &InstallError) -> Outcome {
    let (refusal, trouble) = match error {
        InstallError::NotThePortal => ("not_the_portal", None),
        InstallError::NotAdministrator => ("not_administrator", None),
        InstallError::NoKeys => ("no_keys", None),
        InstallError::NoPublicAddress => ("no_public_address", None),
        InstallError::Oauth(_) => ("auth_server", None),
        InstallError::Portal(fault) => ("portal", Some(Trouble::of("", fault))),
        InstallError::Store(_) => ("store", None),
    };
    Outcome::Refused { refusal, trouble }
}

/// The language of the portal, where it is one of ours.
fn language(of_portal: &str) -> &'static str {
    if matches!(of_portal, "ru" | "kz" | "by" | "ua" | "") { "ru" } else { "en" }
}

fn origin(address: &str) -> String {
    let url = url::Url::parse(address).ok().filter(|url| url.host().is_some() && url.username().is_empty());
    url.map_or_else(|| "'none'".to_owned(), |url| url.origin().ascii_serialization())
}

/// A text inside the quotes of an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_may_frame_a_page() {
        assert_eq!(origin("https://romashka.bitrix24.ru/rest/"), "https://romashka.bitrix24.ru");
        assert_eq!(origin("http://127.0.0.1:8090/b24/demo/rest/"), "http://127.0.0.1:8090");
        for bad in ["", "https://", "https://a b/", "https://x@evil.example/", "https://evil.example; script-src */"] {
            let origin = origin(bad);
            assert!(origin == "'none'" || !origin.contains([' ', ';', '\'', '@']), "{bad}: {origin}");
        }
    }

    #[test]
    fn nothing_that_a_portal_tells_leaves_the_attribute() {
        assert_eq!(
            escaped(r#"{"a":"</script><b a='\"&"}"#),
            "{&quot;a&quot;:&quot;&lt;/script&gt;&lt;b a='\\&quot;&amp;&quot;}"
        );
        assert!(BARE.contains(PLACE));
    }
}
