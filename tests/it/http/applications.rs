//! Applications for VK Notify: filled in, downloaded, moved on, and never seen by another company.

use serde_json::{Value, json};

use crate::rig::{Reply, Rig};

fn form() -> Value {
    json!({
        "edo": true, "edo_id": "2BM-7707083893-20120528", "edo_operator": "Диадок", "legal_form": "ooo",
        "company_name": "Ромашка", "inn": "7707083893", "ogrn": "1027700132195", "kpp": "773601001",
        "address": "117997, Москва, ул. Вавилова, д. 19", "signer_position": "Генеральный директор",
        "signer_name": "Иванов Иван Иванович", "signer_basis": "Устава",
    })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut form = form();
    form[name] = value.into();
    form
}

fn field(reply: &Reply) -> String {
    assert_eq!(reply.status, 422, "{reply:?}");
    reply.json()["error"]["field"].as_str().unwrap_or_default().to_owned()
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_goes_its_way_and_opens_the_door(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let attach = format!("/api/v1/lines/{}/channels", tenant.line);
    let vk_notify = json!({ "messenger": "vk_notify", "answers": { "provider": "devino" } });
    let closed = rig.post(&attach, &tenant.admin, vk_notify.clone()).await;
    assert_eq!((closed.status, closed.code().as_str()), (409, "not_approved"));

    let made = rig.post("/api/v1/applications", &tenant.admin, form()).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!((&made["number"], &made["stage"], &made["next"]), (&json!(1), &json!("formed"), &json!(["sent"])));
    let id = made["id"].as_str().unwrap().to_owned();
    let to = |stage: &str, reason: &str| {
        let (path, body) = (format!("/api/v1/applications/{id}/move"), json!({ "to": stage, "reason": reason }));
        async { let (path, body) = (path, body); rig.post(&path, &tenant.admin, body).await }
    };
    for early in ["formed", "checked", "approved", "refused"] {
        let reply = to(early, "рано").await;
        assert_eq!((reply.status, reply.code().as_str()), (409, "wrong_state"), "{early}");
    }
    assert_eq!(to("sent", "").await.json()["seen"], true);
    let checked = to("checked", "").await.json();
    assert_eq!((&checked["seen"], &checked["next"]), (&json!(false), &json!(["approved", "refused"])));
    assert_eq!(rig.post(&attach, &tenant.admin, vk_notify.clone()).await.status, 409);
    rig.clock.advance_ms(60_000);
    let approved = to("approved", "").await.json();
    let steps: Vec<&str> = approved["steps"].as_array().unwrap().iter().map(|step| step["stage"].as_str().unwrap()).collect();
    assert_eq!(steps, ["formed", "sent", "checked", "approved"]);
    assert_eq!(approved["steps"][3]["at"].as_i64().unwrap() - approved["created_at"].as_i64().unwrap(), 60_000);
    assert_eq!(to("refused", "передумали").await.status, 409);
    assert_eq!(rig.post(&format!("/api/v1/applications/{id}/seen"), &tenant.operator, json!({})).await.status, 204);
    let list = rig.get("/api/v1/applications", &tenant.operator).await.json();
    assert_eq!(list["applications"][0]["seen"], true);
    let open = rig.post(&attach, &tenant.admin, vk_notify).await.json();
    assert_eq!(open["step"], "form", "{open}");
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_has_its_reason_and_a_new_application_its_own_number(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let id = rig.post("/api/v1/applications", &tenant.admin, form()).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/applications/{id}/move");
    rig.post(&path, &tenant.admin, json!({ "to": "sent" })).await;
    for empty in ["", "  ", &"я".repeat(1001)] {
        assert_eq!(field(&rig.post(&path, &tenant.admin, json!({ "to": "refused", "reason": empty })).await), "reason");
    }
    let refused = rig.post(&path, &tenant.admin, json!({ "to": "refused", "reason": " Нет доверенности " })).await.json();
    assert_eq!((&refused["reason"], &refused["next"]), (&json!("Нет доверенности"), &json!([])));
    let again = rig.post("/api/v1/applications", &tenant.admin, with("legal_form", "ao")).await.json();
    assert_eq!(again["number"], 2);
    // several at once get several numbers
    let many = futures_util::future::join_all((0..4).map(|_| rig.post("/api/v1/applications", &tenant.admin, form()))).await;
    let mut numbers: Vec<i64> = many.iter().map(|reply| reply.json()["number"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 4, 5, 6]);
    // two answers of two people at once: one of them wins
    let id = many[0].json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/applications/{id}/move");
    rig.post(&path, &tenant.admin, json!({ "to": "sent" })).await;
    let both = futures_util::future::join_all(
        ["approved", "refused"].map(|to| rig.post(&path, &tenant.admin, json!({ "to": to, "reason": "x" }))),
    );
    let mut statuses: Vec<u16> = both.await.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_is_its_companys_alone(database: &str) {
    let rig = Rig::start(database).await;
    let (ours, theirs) = (rig.tenant("ours.example").await, rig.tenant("theirs.example").await);
    let id = rig.post("/api/v1/applications", &ours.admin, form()).await.json()["id"].as_str().unwrap().to_owned();
    for (method, path, body) in [
        ("GET", format!("/api/v1/applications/{id}/statement"), json!({})),
        ("POST", format!("/api/v1/applications/{id}/move"), json!({ "to": "sent" })),
        ("POST", format!("/api/v1/applications/{id}/seen"), json!({})),
    ] {
        let reply = rig.send(rig.request(method, &path, &theirs.admin).json(&body)).await;
        assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text);
        if path.ends_with("move") {
            assert_eq!(rig.post(&path, &ours.operator, body).await.status, 403);
        }
    }
    assert_eq!(rig.get("/api/v1/applications", &theirs.admin).await.json(), json!({ "applications": [] }));
    assert_eq!(rig.post("/api/v1/applications", &ours.operator, form()).await.status, 403);
    // numbers are counted for each company
    assert_eq!(rig.post("/api/v1/applications", &theirs.admin, form()).await.json()["number"], 1);
    rig.server.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_in_the_form_is_told_at_its_field_in_both_languages() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let tenant = rig.tenant("one.example").await;
    for (name, value) in [
        ("inn", "7707083894"),
        ("inn", "500100732259"),
        ("ogrn", "1027700132194"),
        ("kpp", ""),
        ("kpp", "77360100"),
        ("edo_id", "нет"),
        ("edo_operator", ""),
        ("company_name", "\u{0}"),
        ("address", "Москва"),
        ("signer_position", " "),
        ("signer_name", "Иванов"),
        ("signer_basis", ""),
    ] {
        for (language, russian) in [("ru", true), ("en", false)] {
            let request =
                rig.request("POST", "/api/v1/applications", &tenant.admin).header("Accept-Language", language);
            let reply = rig.send(request.json(&with(name, value))).await;
            assert_eq!(field(&reply), name, "{value:?}");
            let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
            assert_eq!(message.chars().any(|c| ('а'..='я').contains(&c)), russian, "{message}");
        }
    }
    let alone = json!({ "legal_form": "ip", "company_name": "Петров Пётр Петрович", "inn": "500100732259",
        "ogrn": "304500116000157", "kpp": "", "edo": false });
    let mut entrepreneur = form();
    entrepreneur.as_object_mut().unwrap().extend(alone.as_object().unwrap().clone());
    let made = rig.post("/api/v1/applications", &tenant.admin, entrepreneur).await;
    assert_eq!((made.status, made.json()["form"]["edo_id"].as_str()), (201, Some("")));
    for bad in [with("legal_form", "gmbh"), with("inn", 7_707_083_893_i64), with("more", 1), json!([]), Value::Null] {
        assert_eq!(rig.post("/api/v1/applications", &tenant.admin, bad).await.status, 400);
    }
    rig.server.stop().await;
}

/// The pages are read by a reader of its own: the signs of the font's subset are told through its map.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statement_is_a_pdf_with_the_font_inside() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let tenant = rig.tenant("one.example").await;
    let long = "Очень длинное название компании ".repeat(9);
    let wordy = with("address", "г".repeat(300));
    for (form, most) in [(form(), 80_000), (with("company_name", long.trim()), 80_000), (wordy, 80_000)] {
        let id = rig.post("/api/v1/applications", &tenant.admin, form).await.json()["id"].as_str().unwrap().to_owned();
        let request = rig.request("GET", &format!("/api/v1/applications/{id}/statement"), &tenant.operator);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        assert_eq!(reply.headers()["content-type"], "application/pdf");
        let name = reply.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(name.starts_with("attachment; filename=\"statement-"), "{name}");
        let pdf = reply.bytes().await.unwrap();
        assert!(pdf.starts_with(b"%PDF-") && pdf.len() < most, "{} bytes", pdf.len());
        let has = |part: &str| pdf.windows(part.len()).any(|window| window == part.as_bytes());
        assert!(has("LiberationSerif") && (has("/FontFile2") || has("/FontFile3")), "no font inside");
        assert!(has("/ToUnicode"));
    }
    rig.server.stop().await;
}
