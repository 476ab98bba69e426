//! What messengers open: files of their company, and addresses, also where nobody tells the size.

use std::io::ErrorKind;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use switchboard::flow::files::{self, CompanyFiles};
use switchboard::messenger::Files as _;
use switchboard::net::guard::{Guard, Policy};
use switchboard::net::http::Limits;

use super::server::{Server, sha256};
use crate::rig::Rig;

const SIZE: u64 = 3_000_000;

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messenger_opens_files_of_its_company_only(database: &str) {
    let rig = Rig::start(database).await;
    let (ours, theirs) = (rig.tenant("ours.example").await, rig.tenant("theirs.example").await);
    let app = &rig.server.app;
    let bytes = futures_util::stream::iter([Ok(Bytes::from_static(b"content"))]).boxed();
    let row = files::keep(app, ours.company, ("a.txt", None), bytes, 100).await.unwrap();
    let source = format!("store:{}", row.id);
    let opened = CompanyFiles::new(app.clone(), Some(ours.company)).open(&source).await.unwrap();
    assert_eq!(opened.size, 7);
    assert_eq!(opened.bytes.try_collect::<Vec<_>>().await.unwrap().concat(), b"content");
    let kind = async |company, source: &str| CompanyFiles::new(app.clone(), company).open(source).await.err().unwrap().kind();
    assert_eq!(kind(Some(theirs.company), &source).await, ErrorKind::NotFound);
    assert_eq!(kind(Some(ours.company), "store:../x").await, ErrorKind::NotFound);
    assert_eq!(kind(None, &source).await, ErrorKind::PermissionDenied);
    assert_eq!(kind(None, "https://example.com/").await, ErrorKind::PermissionDenied);
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_passed_on_as_it_comes_and_laid_down_where_its_size_is_not_told(database: &str) {
    let rig = Rig::start_with(database, &[("SWITCHBOARD_FILES__LARGEST_MB", "4")]).await;
    let (tenant, server) = (rig.tenant("ours.example").await, Server::start());
    let app = &rig.server.app;
    let outlet = CompanyFiles::new(app.clone(), Some(tenant.company));
    for told in [true, false] {
        let mut opened = outlet.open(&server.file(SIZE, told)).await.unwrap();
        assert_eq!(opened.size, SIZE);
        let mut hash = Sha256::new();
        while let Some(part) = opened.bytes.next().await {
            hash.update(part.unwrap());
        }
        assert_eq!(hex::encode(hash.finalize()), sha256(SIZE));
    }
    for told in [true, false] {
        let refused = outlet.open(&server.file(5 << 20, told)).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
    }
    let broken = outlet.open(&format!("{}/files/1500000/broken", server.base)).await.unwrap();
    assert!(broken.bytes.try_collect::<Vec<_>>().await.is_err());
    for (way, kind) in [("gone", ErrorKind::NotFound), ("away", ErrorKind::Other)] {
        assert_eq!(outlet.open(&format!("{}/files/1/{way}", server.base)).await.err().unwrap().kind(), kind);
    }
    // what was laid down only to be measured goes soon
    rig.clock.advance_ms(3 * 3_600_000);
    assert_eq!(files::forget(app, 10).await.unwrap(), 1);
    rig.server.stop().await;
}
}

#[tokio::test]
async fn a_file_that_stops_coming_ends_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _ = socket.read(&mut head).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
        std::future::pending::<()>().await;
    });
    let policy = Policy { plain_http: true, networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let limits = Limits { deadline: std::time::Duration::from_millis(300), ..Limits::CALL };
    let mut found = Guard::new(policy, limits).unwrap().fetch(&address, 10).await.unwrap();
    assert_eq!(found.length, Some(10));
    assert_eq!(&found.bytes.next().await.unwrap().unwrap()[..], b"abc");
    assert_eq!(found.bytes.next().await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(found.bytes.next().await.is_none());
}
