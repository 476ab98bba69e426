//! The commands of the binary, as a person or a script calls them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard::model::id::CompanyId;
use switchboard::store::{Options, Store};

use crate::postgres::empty_sqlite;

/// The binary, with an environment of its own and nothing on this machine that it could reach.
fn switchboard(database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let folder = Path::new(database.trim_start_matches("sqlite:")).parent().filter(|folder| folder.exists());
    command.current_dir(folder.unwrap_or(Path::new("/")));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("DATABASE_URL", database).env("SWITCHBOARD_KEYS", format!("1:{}", "01".repeat(32)));
    for (name, value) in [
        ("TELEGRAM_BOT", "http://127.0.0.1:9"),
        ("WABA", "http://127.0.0.1:9"),
        ("OAUTH_HOSTS", "127.0.0.1:9"),
        ("ALLOW_HTTP", "true"),
    ] {
        command.env(format!("SWITCHBOARD_VENDORS__{name}"), value);
    }
    command
}

/// A process that does not outlive its test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

on_both_databases! {
#[test]
fn a_backup_made_while_others_write_is_whole_and_comes_back(database: &str) {
    let (folder, target) = empty_sqlite();
    let file = folder.path().join("copy");
    let store = Store::open(Options::new(database)).unwrap();
    let (stop, writing) = (Arc::new(AtomicBool::new(false)), Arc::clone(&store));
    let (told, first) = (Arc::clone(&stop), std::sync::mpsc::channel());
    let writer = std::thread::spawn(move || {
        let mut count = 0u64;
        while !told.load(Ordering::SeqCst) {
            // two rows of one transaction: a copy has both of them or none
            let pair = [CompanyId::new(), CompanyId::new()];
            writing.write_blocking(move |conn| {
                for id in pair {
                    switchboard::on!(conn, company::create(id, "x", "UTC", 0))?;
                }
                Ok(())
            }).unwrap();
            count += 2;
            let _ = first.0.send(());
        }
        count
    });
    first.1.recv().unwrap();
    let copied = switchboard(database).args(["backup"]).arg(&file).output().unwrap();
    first.1.try_iter().count();
    first.1.recv().unwrap();
    stop.store(true, Ordering::SeqCst);
    let written = writer.join().unwrap();
    assert!(copied.status.success(), "{}", text(&copied));
    let again = switchboard(database).args(["backup"]).arg(&file).output().unwrap();
    assert!(!again.status.success() && text(&again).contains("is there already"), "{}", text(&again));

    let target = if database.starts_with("sqlite:") { target } else { crate::postgres::empty_database() };
    let restored = switchboard(&target).args(["restore"]).arg(&file).output().unwrap();
    assert!(restored.status.success(), "{}", text(&restored));
    let copy = Store::open(Options::new(&target)).unwrap();
    let rows = copy.read_blocking(|conn| switchboard::on!(conn, company::all())).unwrap().len() as u64;
    assert!(rows >= 2 && rows.is_multiple_of(2) && rows < written, "{rows} of {written}");
}
}

#[test]
fn a_restore_takes_nothing_away_unasked_and_never_under_a_server() {
    let (folder, database) = empty_sqlite();
    let file = folder.path().join("copy");
    drop(Store::open(Options::new(&database)).unwrap());
    assert!(switchboard(&database).arg("backup").arg(&file).status().unwrap().success());
    let unasked = switchboard(&database).arg("restore").arg(&file).output().unwrap();
    assert!(!unasked.status.success() && text(&unasked).contains("--replace"), "{}", text(&unasked));
    let server = Store::open(Options::new(&database)).unwrap();
    let under = switchboard(&database).args(["restore", "--replace"]).arg(&file).output().unwrap();
    assert!(!under.status.success() && text(&under).contains("in use"), "{}", text(&under));
    drop(server);
    std::fs::write(folder.path().join("other"), "no database").unwrap();
    let other =
        switchboard(&database).args(["restore", "--replace"]).arg(folder.path().join("other")).output().unwrap();
    assert!(!other.status.success() && text(&other).contains("no backup"), "{}", text(&other));
    let good = switchboard(&database).args(["restore", "--replace"]).arg(&file).output().unwrap();
    assert!(good.status.success(), "{}", text(&good));
}

#[test]
fn the_doctor_names_every_trouble_and_what_to_do() {
    let (_folder, database) = empty_sqlite();
    let sick = switchboard(&database).arg("doctor").output().unwrap();
    let said = text(&sick);
    assert_eq!(sick.status.code(), Some(1), "{said}");
    for part in
        ["wrong  public address: not set", "server.public_url", "wrong  Telegram bot", "wrong  Bitrix24", "port 443"]
    {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let unknown = switchboard(&database).arg("doctor").env("SWITCHBOARD_SERVER__LISTN", "x").output().unwrap();
    assert!(text(&unknown).contains("server.listn") && unknown.status.code() == Some(1), "{}", text(&unknown));
    let gone = switchboard("postgres://u:hunter2@127.0.0.1:9/x").arg("doctor").output().unwrap();
    assert!(text(&gone).contains("wrong  database") && !text(&gone).contains("hunter2"), "{}", text(&gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_logs_in_at_the_mail_server_and_sends_nothing() {
    let post = crate::http::post_office::PostOffice::open().await;
    let (_folder, database) = empty_sqlite();
    let ask = async |more: &[(&str, &str)]| {
        let mut doctor = switchboard(&database);
        doctor.arg("doctor").envs(post.settings()).env("SWITCHBOARD_VENDORS__ALLOW_NETWORKS", "127.0.0.0/8");
        doctor.envs(more.iter().copied());
        text(&tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap())
    };
    let said = ask(&[]).await;
    assert!(said.contains("ok     mail server: lets us in"), "{said}");
    let said = ask(&[("SWITCHBOARD_MAIL__PORT", "9")]).await;
    assert!(said.contains("wrong  mail server: ") && said.contains("the section mail"), "{said}");
    assert_eq!(post.tries(), 0);
    assert!(
        !ask(&[("SWITCHBOARD_MAIL__SERVER", "")]).await.contains("mail server"),
        "where none is set none is missed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tells_of_a_bot_that_posts_to_somebody_else() {
    use crate::http::channels::{TOKEN, attach, sandbox_with_a_bot};
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let (_folder, database) = empty_sqlite();
    let rig = crate::rig::Rig::start_with(&database, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram)]).await;
    let tenant = rig.tenant("one.example").await;
    assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
    let ask = async || {
        let mut doctor = switchboard(&database);
        doctor.arg("doctor").env("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram);
        doctor.env("SWITCHBOARD_VENDORS__ALLOW_NETWORKS", "127.0.0.0/8");
        text(&tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap())
    };
    let said = ask().await;
    assert!(said.contains("ok     Telegram bots: 1 post to this server"), "{said}");
    let hook = |url: &str| {
        let call = crate::rig::client().post(format!("{telegram}/bot{TOKEN}/setWebhook"));
        call.json(&serde_json::json!({ "url": url })).send()
    };
    assert!(hook("https://other.example/secret-path").await.unwrap().status().is_success());
    let said = ask().await;
    assert!(said.contains("wrong  Telegram bot @") && said.contains("posts to other.example"), "{said}");
    assert!(!said.contains("secret-path") && !said.contains(TOKEN), "{said}");
    rig.server.stop().await;
    vendors.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tells_how_the_gateway_of_whatsapp_web_is() {
    let config = switchboard::sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
    let vendors = switchboard::sandbox::Running::start(config).await.unwrap();
    let control = crate::rig::client();
    let set = control.post(format!("{}/_/waha", vendors.base())).json(&serde_json::json!({ "key": "right-key" }));
    assert!(set.send().await.unwrap().status().is_success());
    let (_folder, database) = empty_sqlite();
    let gateway = format!("{}/waha", vendors.base());
    let ask = async |address: &str, key: &str| {
        let mut doctor = switchboard(&database);
        doctor.arg("doctor").env("SWITCHBOARD_VENDORS__WHATSAPP_WEB", address);
        doctor.env("SWITCHBOARD_VENDORS__WHATSAPP_WEB_KEY", key);
        text(&tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap())
    };
    assert!(!ask(&gateway, "").await.contains("gateway"), "where none is set none is missed");
    let said = ask(&gateway, "right-key").await;
    assert!(said.contains("ok     WhatsApp Web gateway: 0 sessions"), "{said}");
    let said = ask(&gateway, "wrong-key").await;
    assert!(said.contains("wrong  WhatsApp Web gateway: refuses the key") && !said.contains("wrong-key"), "{said}");
    let said = ask(&vendors.base(), "right-key").await;
    assert!(said.contains("is no WAHA"), "{said}");
    let said = ask("http://127.0.0.1:9", "right-key").await;
    assert!(said.contains("wrong  WhatsApp Web gateway") && said.contains("vendors.whatsapp_web"), "{said}");
    vendors.stop().await;
}

#[test]
fn a_bad_setting_stops_the_start_with_one_sentence() {
    let (_folder, database) = empty_sqlite();
    let stopped = switchboard(&database).arg("serve").env("SWITCHBOARD_SERVER__WORKERS", "many").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&stopped.stderr),
        "switchboard: the setting server.workers of SWITCHBOARD_SERVER__WORKERS is not a whole number: write it so\n"
    );
    let keyless = switchboard("postgres://u@127.0.0.1:9/x").arg("serve").env("SWITCHBOARD_KEYS", "").output().unwrap();
    assert!(text(&keyless).contains("switchboard keys") && !keyless.status.success(), "{}", text(&keyless));
}

#[test]
fn a_user_is_made_once_and_gets_a_new_password_when_asked() {
    let (_folder, database) = empty_sqlite();
    let user = |arguments: &[&str]| switchboard(&database).arg("user").args(arguments).output().unwrap();
    let made = user(&["add", "Admin@Example.com", "--company", "Ромашка"]);
    assert!(
        text(&made).starts_with("Login  Admin@Example.com  ") || text(&made).starts_with("Login  admin"),
        "{}",
        text(&made)
    );
    let twice = user(&["add", "admin@example.com"]);
    assert!(!twice.status.success() && text(&twice).contains("is taken"), "{}", text(&twice));
    assert!(text(&user(&["list"])).contains("admin@example.com  admin"));
    let (one, other) =
        (text(&user(&["password", "admin@example.com"])), text(&user(&["password", "admin@example.com"])));
    assert_ne!(one, other);
    assert!(!user(&["password", "nobody@example.com"]).status.success());
}

#[test]
fn the_demo_prints_what_a_script_needs_and_ends_in_order() {
    let (folder, _) = empty_sqlite();
    let demo = Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["demo", "--port", "0", "--sandbox-port", "0", "--data"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut demo = Running(demo);
    let lines: Vec<String> =
        BufReader::new(demo.0.stdout.take().unwrap()).lines().take(4).map(Result::unwrap).collect();
    let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
    let mut said = String::new();
    if words.len() < 4 {
        demo.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    }
    assert_eq!(
        words.iter().map(|words| words[0]).collect::<Vec<_>>(),
        ["Switchboard", "Cabinet", "Sandbox", "Login"],
        "{said}"
    );
    assert!(words[0][1].starts_with("http://127.0.0.1:") && words[3].len() == 3, "{lines:?}");
    let ended = Command::new("kill").args(["-TERM", &demo.0.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert!(demo.0.wait().unwrap().success());
}

#[test]
fn the_log_tells_of_a_request_and_never_its_address() {
    let (_folder, database) = empty_sqlite();
    let mut command = switchboard(&database);
    command.arg("serve").env("SWITCHBOARD_SERVER__LISTEN", "127.0.0.1:0").stderr(Stdio::piped());
    let mut server = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let read = |line: String| {
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let address = lines.by_ref().map(read).find_map(|line| line["address"].as_str().map(str::to_owned)).unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket
        .write_all(b"POST /hook/waba/very-secret-key?token=hidden HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let logged = lines.by_ref().find(|line| line.contains("request refused")).unwrap();
    assert!(!logged.contains("very-secret-key") && !logged.contains("hidden"), "{logged}");
    let line = read(logged);
    let span = &line["span"];
    assert_eq!(
        (line["status"].as_u64(), span["route"].as_str()),
        (Some(403), Some("/hook/{messenger}/{key}")),
        "{line}"
    );
    assert!(span["request_id"].as_str().is_some_and(|id| id.len() == 36), "{line}");
    assert!(Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap().success());
    assert!(server.0.wait().unwrap().success());
}
