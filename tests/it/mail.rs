//! Real mail servers for tests: Dovecot and Postfix from Debian's packages, one pair for each test process, on free ports.
//!
//! Every address of `company.test` and `example.test` has a mailbox, made when it is first used, with the password `secret`.
//! Letters to `ghost…` are taken and come back; `stranger…`, `gray…`, `full…`, `spam…` and `quota…` are refused at the door.
//! The servers end with the process, however it ends: their keeper reads a pipe, and the pipe closes when we die.

pub(crate) mod faults;
mod listening;
pub(crate) mod mailbox;
mod many;
mod trips;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use switchboard::net::dial::Dial;
use switchboard::net::guard::Policy;

use crate::postgres::Folder;

const KEEPER: &str = include_str!("mail/keeper.sh");

/// The servers.
pub struct Post {
    pub imap: u16,
    pub imaps: u16,
    pub smtp: u16,
    pub smtps: u16,
    folder: PathBuf,
    // the keeper ends when this closes
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    // removed by the keeper, which may be another user
    _folder: Folder,
}

/// The servers of this test process.
pub fn post() -> &'static Post {
    static POST: OnceLock<Post> = OnceLock::new();
    POST.get_or_init(Post::start)
}

impl Post {
    /// Servers for one test alone, which may stop them.
    pub fn start() -> Self {
        Self::start_for(&[])
    }

    /// Servers that let many mailboxes idle at once; they are not to be stopped and started.
    pub fn start_for_many() -> Self {
        Self::start_for(&["many"])
    }

    fn start_for(more: &[&str]) -> Self {
        // another process may take a free port before the servers do
        let mut answers = Vec::new();
        for _ in 0..3 {
            match Self::try_to_start(more) {
                Ok(post) => return post,
                Err(answer) => answers.push(answer),
            }
        }
        panic!("the mail servers of the tests do not start: {answers:?}")
    }

    fn try_to_start(more: &[&str]) -> Result<Self, String> {
        let folder = Folder::new();
        let path = folder.path().to_owned();
        write_certificates(&path);
        let [imap, imaps, smtp, smtps, auth] = free_ports();
        let ports = [imap, imaps, smtp, smtps, auth].map(|port| port.to_string());
        let mut command = if rustix::process::getuid().is_root() {
            Command::new("bash")
        } else {
            // Postfix runs as root only
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "bash"]);
            sudo
        };
        let mut keeper = command
            .args(["-c", KEEPER, "keeper"])
            .arg(&path)
            .args(ports)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // a Ctrl-C for the tests is not one for the keeper, which still has to tidy up
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        let input = keeper.stdin.take().ok_or("the keeper has no input")?;
        let mut output = BufReader::new(keeper.stdout.take().ok_or("the keeper has no output")?);
        let mut answer = String::new();
        output.read_line(&mut answer).map_err(|error| error.to_string())?;
        if answer.trim() != "ready" {
            return Err(answer);
        }
        Ok(Self { imap, imaps, smtp, smtps, folder: path, talk: Mutex::new((input, output)), _folder: folder })
    }

    /// Dovecot ends, and every connection with it.
    pub fn stop_imap(&self) {
        assert_eq!(self.ask("stop"), "stopped");
    }

    /// Dovecot comes up again.
    pub fn start_imap(&self) {
        assert_eq!(self.ask("start"), "ready");
    }

    fn ask(&self, word: &str) -> String {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{word}").unwrap();
        let mut answer = String::new();
        talk.1.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }

    /// The file of the authority that signed the servers' certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Connections that trust the servers.
    pub fn dial(&self) -> Arc<Dial> {
        let policy = Policy { plain_http: false, networks: vec!["127.0.0.0/8".parse().unwrap()] };
        Arc::new(Dial::new(policy, Some(&self.authority()), Duration::from_secs(10)).unwrap())
    }

    /// What a person fills in to attach a mailbox.
    pub fn form(&self, address: &str) -> Value {
        json!({ "service": "custom", "address": address, "password": "secret", "from_name": "Ромашка",
            "imap_host": "localhost", "imap_port": self.imaps, "imap_security": "ssl",
            "smtp_host": "localhost", "smtp_port": self.smtp, "smtp_security": "starttls" })
    }

    /// Lays a letter into a mailbox, as a delivery would.
    pub fn deliver(&self, address: &str, letter: &[u8]) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(1_000_000);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        // Dovecot numbers letters that it has not seen by the names of their files
        self.put(&self.mailbox(address), &format!("{}.{count}.test", count + 1_700_000_000), letter);
    }

    /// Where the letters of an address lie.
    pub fn mailbox(&self, address: &str) -> PathBuf {
        self.folder.join("mail").join(address)
    }

    /// The letters in a folder of a mailbox: none is the inbox.
    pub fn letters(&self, address: &str, folder: Option<&str>) -> Vec<Vec<u8>> {
        let at = self.mailbox(address).join(folder.map_or(String::new(), |name| format!(".{name}")));
        let mut found: Vec<PathBuf> = ["new", "cur"]
            .iter()
            .flat_map(|name| std::fs::read_dir(at.join(name)).into_iter().flatten())
            .map(|file| file.unwrap().path())
            .collect();
        found.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        found.iter().map(|path| std::fs::read(path).unwrap()).collect()
    }

    fn put(&self, mailbox: &Path, name: &str, letter: &[u8]) {
        for folder in ["tmp", "new", "cur"] {
            std::fs::create_dir_all(mailbox.join(folder)).unwrap();
        }
        let temporary = mailbox.join("tmp").join(name);
        std::fs::write(&temporary, letter).unwrap();
        self.give(mailbox);
        std::fs::rename(&temporary, mailbox.join("new").join(name)).unwrap();
    }

    /// Makes a mailbox that we wrote into Dovecot's own.
    pub fn give(&self, mailbox: &Path) {
        let owner = std::fs::metadata(self.folder.join("mail")).unwrap();
        let mut open = vec![mailbox.to_owned()];
        while let Some(path) = open.pop() {
            let _ = chown(&path, Some(owner.uid()), Some(owner.gid()));
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
}

/// A token of OAuth 2 that the servers take for an address until a moment, in seconds of UTC: a signed one (RFC 7519).
pub fn token(address: &str, until: i64) -> String {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let part = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let head = part(json!({"alg": "HS256", "typ": "JWT"}).to_string());
    let body = part(json!({"sub": address, "email": address, "iat": until - 3600, "exp": until}).to_string());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"the key of the tests, as long as it should be").unwrap();
    mac.update(format!("{head}.{body}").as_bytes());
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{head}.{body}.{signature}")
}

/// An address that no other test uses.
pub fn address(name: &str) -> String {
    format!("{name}-{}@company.test", uuid::Uuid::now_v7().simple())
}

/// A letter of somebody.
pub fn letter(from: &str, to: &str, id: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "Return-Path: <{from}>\r\nMessage-ID: <{id}>\r\nDate: Fri, 20 Nov 2026 13:40:00 +0300\r\nFrom: Anna <{from}>\r\nTo: {to}\r\n\
         Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

/// Waits until something is so; the test fails where it does not become so.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let limit = tokio::time::Instant::now() + Duration::from_mins(2);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < limit, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write_certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), server.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

fn free_ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
