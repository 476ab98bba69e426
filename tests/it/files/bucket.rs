//! Files in a bucket: a small server that speaks as much of S3 as is asked of it, written from Amazon's description.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use switchboard::app::shelf::{Shelf, ShelfError};
use switchboard::config::{Config, Sources};

/// Objects, and uploads in parts that are not finished.
#[derive(Default)]
struct Bucket {
    objects: HashMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    unsigned: usize,
}

type Shared = web::Data<Mutex<Bucket>>;

fn start() -> (String, Arc<Mutex<Bucket>>) {
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let shared: Shared = web::Data::from(Arc::clone(&bucket));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(64 << 20))
            .default_service(web::route().to(serve))
    });
    tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
    (base, bucket)
}

async fn serve(request: HttpRequest, body: Bytes, bucket: Shared) -> HttpResponse {
    let query: HashMap<String, String> =
        form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let key = request.path().trim_start_matches("/box/").to_owned();
    let mut bucket = bucket.lock();
    let signature = request.headers().get("authorization").map_or("", |value| value.to_str().unwrap());
    let signed =
        signature.starts_with("AWS4-HMAC-SHA256 Credential=key/") && signature.contains("/ru-1/s3/aws4_request");
    bucket.unsigned += usize::from(!signed || request.headers().get("x-amz-content-sha256").is_none());
    let xml = |text: String| HttpResponse::Ok().content_type("application/xml").body(text);
    let etag = ("ETag", "\"e\"");
    match (request.method().as_str(), query.get("uploadId")) {
        ("POST", None) if query.contains_key("uploads") => {
            let id = format!("up{}", bucket.uploads.len());
            bucket.uploads.insert(id.clone(), BTreeMap::new());
            xml(format!(
                "<InitiateMultipartUploadResult><Bucket>box</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        ("PUT", Some(id)) => {
            let number = query["partNumber"].parse().unwrap();
            bucket.uploads.get_mut(id).unwrap().insert(number, body);
            HttpResponse::Ok().insert_header(etag).finish()
        }
        ("POST", Some(id)) => {
            let parts = bucket.uploads.remove(id).unwrap();
            let sizes: Vec<usize> = parts.values().map(Bytes::len).collect();
            let small = sizes.iter().rev().skip(1).any(|size| *size < 5 << 20);
            assert!(!small, "no part but the last is below 5 MB: {sizes:?}");
            bucket.objects.insert(key, parts.into_values().collect::<Vec<_>>().concat().into());
            xml("<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>".to_owned())
        }
        ("DELETE", Some(id)) => {
            bucket.uploads.remove(id);
            HttpResponse::NoContent().finish()
        }
        ("PUT", None) => {
            bucket.objects.insert(key, body);
            HttpResponse::Ok().insert_header(etag).finish()
        }
        ("DELETE", None) => {
            bucket.objects.remove(&key);
            HttpResponse::NoContent().finish()
        }
        ("POST", None) if query.contains_key("delete") => {
            let text = String::from_utf8(body.to_vec()).unwrap();
            let keys: Vec<&str> = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()).collect();
            let told: String = keys.iter().flat_map(|key| ["<Deleted><Key>", key, "</Key></Deleted>"]).collect();
            for key in keys {
                bucket.objects.remove(key);
            }
            xml(format!("<DeleteResult>{told}</DeleteResult>"))
        }
        ("GET", None) => match bucket.objects.get(&key) {
            None => HttpResponse::NotFound().body("<Error><Code>NoSuchKey</Code></Error>"),
            Some(found) => give(&request, found.clone()),
        },
        (method, _) => panic!("{method} {}", request.uri()),
    }
}

fn give(request: &HttpRequest, found: Bytes) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    let range =
        request.headers().get("range").map(|range| range.to_str().unwrap().trim_start_matches("bytes=").to_owned());
    let whole = found.len();
    let part = match range {
        None => found,
        Some(range) => {
            let (first, last) = range.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            answer.status(actix_web::http::StatusCode::PARTIAL_CONTENT);
            answer.insert_header(("Content-Range", format!("bytes {first}-{last}/{whole}")));
            found.slice(first..=last)
        }
    };
    answer.insert_header(("ETag", "\"e\"")).insert_header(("Last-Modified", "Thu, 26 Nov 2026 12:00:00 GMT")).body(part)
}

fn shelf(base: &str) -> Shelf {
    let settings = [
        ("SWITCHBOARD_FILES__BUCKET", "box"),
        ("SWITCHBOARD_FILES__ENDPOINT", base),
        ("SWITCHBOARD_FILES__REGION", "ru-1"),
        ("SWITCHBOARD_FILES__ACCESS_KEY", "key"),
        ("SWITCHBOARD_FILES__SECRET_KEY", "secret"),
        ("SWITCHBOARD_FILES__PREFIX", "/switchboard/"),
    ];
    let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    // TLS is chosen once in a process, as a server does it when it makes its client
    drop(switchboard::net::http::Http::new().unwrap());
    Shelf::open(&Config::read(&Sources { file: None, environment }).unwrap()).unwrap()
}

async fn whole(shelf: &Shelf, key: &str, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
    shelf.get(key, range).await.unwrap().try_collect::<Vec<_>>().await.unwrap().concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_lies_in_the_bucket_of_the_settings() {
    let (base, bucket) = start();
    let shelf = shelf(&base);
    let put = async |key: &str, size: u64, limit: u64| {
        shelf.put(key, futures_util::stream::iter(super::server::pieces(size).map(Ok)).boxed(), limit).await
    };
    for (key, size) in [("co_1/small", 100_u64), ("co_1/large", 13 << 20)] {
        let shelved = put(key, size, 20 << 20).await.unwrap();
        assert_eq!((shelved.size, shelved.sha256.as_str()), (size, super::server::sha256(size).as_str()));
        assert_eq!(shelved.head.len(), usize::try_from(size.min(8 << 10)).unwrap());
        let bytes = whole(&shelf, key, None).await;
        assert_eq!(bytes, super::server::pieces(size).collect::<Vec<_>>().concat());
        assert_eq!(whole(&shelf, key, Some(10..20)).await, bytes[10..20]);
        assert!(bucket.lock().objects.contains_key(&format!("switchboard/{key}")));
    }
    assert!(matches!(put("co_1/huge", 13 << 20, 12 << 20).await, Err(ShelfError::TooBig(_))));
    let broken = futures_util::stream::iter(super::server::pieces(6 << 20).map(Ok));
    let broken = broken.chain(futures_util::stream::iter([Err(std::io::Error::other("gone"))])).boxed();
    assert!(matches!(shelf.put("co_1/broken", broken, 20 << 20).await, Err(ShelfError::Broken(_))));
    assert!(bucket.lock().uploads.is_empty(), "what was begun is taken back");
    for key in ["co_1/small", "co_1/large", "co_1/never"] {
        shelf.remove(key).await.unwrap();
    }
    assert_eq!(shelf.get("co_1/small", None).await.err().unwrap().kind(), std::io::ErrorKind::NotFound);
    shelf.check().await.unwrap();
    let bucket = bucket.lock();
    assert!(bucket.objects.is_empty() && bucket.unsigned == 0);
}
