//! Files that people upload, and links to them.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use switchboard::flow::files;
use switchboard::model::id::FileId;

use crate::rig::{Reply, Rig, Tenant};

const DAY_MS: i64 = 86_400_000;

async fn upload(rig: &Rig, tenant: &Tenant, name: &str, mime: &str, body: impl Into<reqwest::Body>) -> Reply {
    let request = rig.request("POST", "/api/v1/files", &tenant.operator).query(&[("name", name)]);
    rig.send(request.header("content-type", mime).body(body)).await
}

/// A page of a browser gets nothing from us but the address.
async fn get(url: &str, range: Option<&str>) -> (u16, HeaderMap, Vec<u8>) {
    let mut request = crate::rig::client().get(url);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.headers().clone(), reply.bytes().await.unwrap().to_vec())
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_up_as_it_comes_and_down_by_its_link(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let body = "имя;сумма\nАнна;10\n";
    let made = upload(&rig, &tenant, "../Счёт\u{202e}\n.csv", "text/csv; charset=utf-8", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!((made["name"].as_str(), made["mime"].as_str()), (Some("Счёт_.csv"), Some("text/csv")));
    assert_eq!(made["size"], body.len());
    assert_eq!(made["source"], format!("store:{}", made["id"].as_str().unwrap()));
    assert_eq!(made["sha256"], hex(body));
    let url = made["url"].as_str().unwrap();
    let (status, headers, bytes) = get(url, None).await;
    assert_eq!((status, bytes.as_slice()), (200, body.as_bytes()));
    assert_eq!(header(&headers, "content-length"), body.len().to_string());
    assert!(header(&headers, "content-disposition").starts_with("attachment; filename=\"_____.csv\""), "{headers:?}");
    assert_eq!(header(&headers, "x-content-type-options"), "nosniff");
    assert!(header(&headers, "content-security-policy").starts_with("sandbox;"));
    let (status, headers, bytes) = get(url, Some("bytes=2-5")).await;
    assert_eq!((status, bytes.as_slice()), (206, &body.as_bytes()[2..6]));
    assert_eq!(header(&headers, "content-range"), format!("bytes 2-5/{}", body.len()));
    assert_eq!(get(url, Some("bytes=1000-")).await.0, 416);

    // neither another file, nor another time, nor another signature is proven by the link
    let (path, _) = url.split_once('?').unwrap();
    let forged = [
        url.replace(made["id"].as_str().unwrap(), &FileId::new().to_string()),
        url.replace("until=1", "until=2"),
        url.replace("sign=", "sign=00"),
        format!("{path}?until=1767603600001&sign="),
    ];
    for forged in forged {
        assert_eq!(get(&forged, None).await.0, 404, "{forged}");
    }
    assert_eq!(get(path, None).await.0, 400);
    rig.clock.advance_ms(61 * 60_000);
    assert_eq!(get(url, None).await.0, 404, "its time is over");
    let again = rig.get(&format!("/api/v1/files/{}", made["id"].as_str().unwrap()), &tenant.operator).await.json();
    assert_eq!(get(again["url"].as_str().unwrap(), None).await.0, 200);
    rig.server.stop().await;
}
}

fn hex(body: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(body.as_bytes()))
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_act_in_a_browser_is_saved_as_mere_bytes(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    for (name, told, body, is) in [
        ("a.png", "image/png", &b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"[..], "image/svg+xml"),
        ("a.txt", "text/plain", b"<!doctype html><script>alert(1)</script>", "text/html"),
        ("a.pdf", "application/pdf", b"%PDF-1.7\n", "application/pdf"),
    ] {
        let made = upload(&rig, &tenant, name, told, body).await.json();
        assert_eq!(made["mime"], is);
        let (status, headers, bytes) = get(made["url"].as_str().unwrap(), None).await;
        assert_eq!((status, bytes.as_slice()), (200, body));
        assert_eq!(header(&headers, "content-type"), "application/octet-stream");
        assert!(header(&headers, "content-disposition").starts_with("attachment"));
    }
    let picture = upload(&rig, &tenant, "a.html", "text/html", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..]).await.json();
    assert_eq!(picture["mime"], "image/png");
    assert_eq!(header(&get(picture["url"].as_str().unwrap(), None).await.1, "content-type"), "image/png");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_too_large_or_empty_is_refused_and_leaves_nothing(database: &str) {
    let folder = crate::postgres::Folder::new();
    let shelf = folder.path().join("shelf");
    let settings = [("SWITCHBOARD_FILES__LARGEST_MB", "1"), ("SWITCHBOARD_FILES__FOLDER", shelf.to_str().unwrap())];
    let rig = Rig::start_with(database, &settings).await;
    let tenant = rig.tenant("one.example").await;
    let told = upload(&rig, &tenant, "a.bin", "application/x-a", vec![1_u8; (1 << 20) + 1]).await;
    assert_eq!((told.status, told.code().as_str()), (413, "too_large"));
    let pieces = futures_util::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![1_u8; 64 << 10])));
    let untold = upload(&rig, &tenant, "a.bin", "application/x-a", reqwest::Body::wrap_stream(pieces)).await;
    assert_eq!((untold.status, untold.code().as_str()), (413, "too_large"));
    assert_eq!(upload(&rig, &tenant, "a.bin", "application/x-a", "").await.status, 422);
    let rows = rig.server.app.store.read(|conn| switchboard::on!(conn, file::expired(i64::MAX, 100))).await.unwrap();
    assert!(rows.is_empty(), "{rows:?}");
    assert!(leaves(&shelf).is_empty(), "{:?}", leaves(&shelf));
    let whole = upload(&rig, &tenant, "a.bin", "application/x-a", vec![1_u8; 1 << 20]).await;
    assert_eq!(whole.status, 201);
    assert_eq!(leaves(&shelf).len(), 1);
    rig.server.stop().await;
}
}

/// The files under a folder.
fn leaves(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(leaves(&path)) } else { found.push(path) }
    }
    found
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_forgotten_with_its_content_when_its_time_is_over(database: &str) {
    let folder = crate::postgres::Folder::new();
    let shelf = folder.path().join("shelf");
    let rig = Rig::start_with(database, &[("SWITCHBOARD_FILES__FOLDER", shelf.to_str().unwrap())]).await;
    let tenant = rig.tenant("one.example").await;
    rig.channel(&tenant, "100").await;
    let early = upload(&rig, &tenant, "a.txt", "text/plain", "early").await.json();
    let used = upload(&rig, &tenant, "b.txt", "text/plain", "used").await.json();
    rig.clock.advance_ms(60 * DAY_MS);
    let token = rig.sign_in("operator@one.example").await;
    let message = json!({ "to": "+79990000001", "file": { "source": used["source"] } });
    assert_eq!(rig.post("/api/v1/messages", &token, message).await.status, 202);
    // an upload that was cut off by a crash: its row is there, and what was written so far
    let half = shelf.join(tenant.company.to_string()).join("fi_half#1");
    std::fs::write(&half, "half").unwrap();
    let company = tenant.company.to_string();
    rig.server.app.store.write(move |conn| switchboard::on!(conn, file::create(&switchboard::store::row::FileRow {
        id: "fi_half".to_owned(), company: company.clone(), name: "x".to_owned(), mime: "x/x".to_owned(), size: None,
        sha256: None, created_at: 0, expires_at: Some(1),
    }))).await.unwrap();
    rig.clock.advance_ms(31 * DAY_MS);
    assert_eq!(files::forget(&rig.server.app, 100).await.unwrap(), 2);
    let token = rig.sign_in("operator@one.example").await;
    let status = async |file: &Value| rig.get(&format!("/api/v1/files/{}", file["id"].as_str().unwrap()), &token).await.status;
    assert_eq!((status(&early).await, status(&used).await), (404, 200), "what is used is kept on");
    assert!(!half.exists());
    assert_eq!(leaves(&shelf).len(), 1);
    rig.clock.advance_ms(60 * DAY_MS);
    assert_eq!(files::forget(&rig.server.app, 100).await.unwrap(), 1);
    assert!(leaves(&shelf).is_empty());
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_takes_files_of_its_own_company_and_public_addresses(database: &str) {
    let rig = Rig::start(database).await;
    let (ours, theirs) = (rig.tenant("ours.example").await, rig.tenant("theirs.example").await);
    rig.channel(&ours, "100").await;
    rig.channel(&theirs, "200").await;
    let made = upload(&rig, &ours, "Договор.pdf", "application/pdf", &b"%PDF-1.7\n"[..]).await.json();
    let id = made["id"].as_str().unwrap();
    let send = async |token: &str, file: Value| {
        rig.post("/api/v1/messages", token, json!({ "to": "+79990000001", "text": "Ваш договор", "file": file })).await
    };
    assert_eq!(rig.get(&format!("/api/v1/files/{id}"), &theirs.operator).await.status, 404);
    for (file, code) in [
        (json!({ "source": made["source"] }), "file_gone"),
        (json!({ "source": "store:fi_1" }), "file_gone"),
        (json!({ "source": format!("store:{}", FileId::new()) }), "file_gone"),
        (json!({ "source": "https://10.0.0.1/a.pdf" }), "file_bad"),
        (json!({ "source": "file:///etc/passwd" }), "file_bad"),
        (json!({ "source": "https://files.example.test/a.pdf", "mime": "a\r\nb" }), "file_bad"),
    ] {
        let reply = send(&theirs.operator, file.clone()).await;
        assert_eq!((reply.status, reply.code().as_str()), (422, code), "{file}: {}", reply.text);
        assert_eq!(reply.json()["error"]["field"], "file");
    }
    let sent = send(&ours.operator, json!({ "source": made["source"] })).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let told = rig.get(&format!("/api/v1/messages/{}", sent.json()["id"].as_str().unwrap()), &ours.operator).await.json();
    let media = &told["content"]["media"];
    assert_eq!((media["kind"].as_str(), media["name"].as_str(), media["size"].as_i64()), (Some("document"), Some("Договор.pdf"), Some(9)));
    assert_eq!((told["files"][0]["state"].as_str(), told["files"][0]["id"].as_str()), (Some("kept"), Some(id)));
    assert_eq!(get(told["files"][0]["url"].as_str().unwrap(), None).await.2, b"%PDF-1.7\n");
    let sent = send(&ours.operator, json!({ "source": "https://files.example.test/%D0%A4%D0%BE%D1%82%D0%BE.jpg?x=1" })).await;
    let told = rig.get(&format!("/api/v1/messages/{}", sent.json()["id"].as_str().unwrap()), &ours.operator).await.json();
    let media = &told["content"]["media"];
    assert_eq!((media["kind"].as_str(), media["name"].as_str(), media["mime"].as_str()), (Some("image"), Some("Фото.jpg"), Some("image/jpeg")));
    assert_eq!(told["files"], json!([]));
    rig.server.stop().await;
}
}
