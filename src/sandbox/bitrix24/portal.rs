//! One portal: its app, its people, what the app registered and what happened.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::crm::Crm;
use super::disk::Disk;
use super::event::{Bind, Habits};
use super::open_line::OpenLines;
use super::robot::Steps;
use super::sms::Texts;
use crate::sandbox::limit::Bucket;
use crate::sandbox::state::{Sandbox, random_hex};

/// The scopes that an app gets unless the control says otherwise.
pub(crate) const SCOPES: &str =
    "crm,imopenlines,imconnector,im,contact_center,placement,bizproc,messageservice,disk,documentgenerator,user_brief";

/// The app in a portal.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// `local.…` or `app.…`.
    pub(crate) client_id: String,
    /// The secret of the app.
    pub(crate) client_secret: String,
    /// Proves that an event comes from this portal.
    pub(crate) application_token: String,
    /// The installer page.
    pub(crate) installer_url: String,
    /// The page of the app itself, which opens once it is installed.
    pub(crate) page_url: String,
    /// Where ONAPPINSTALL goes.
    pub(crate) event_url: String,
    /// Granted scopes, with commas.
    pub(crate) scope: String,
    /// `L F D T P`.
    pub(crate) status: String,
    /// `installFinish` was called, or the app has no pages.
    pub(crate) installed: bool,
    /// In the portal at all.
    pub(crate) present: bool,
    /// The version.
    pub(crate) version: i64,
}

/// One employee.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// The id.
    pub(crate) id: i64,
    /// First and last name.
    pub(crate) name: (&'static str, &'static str),
    /// An administrator.
    pub(crate) admin: bool,
}

impl User {
    fn card(&self) -> Value {
        json!({"id": self.id, "name": format!("{} {}", self.name.0, self.name.1), "admin": self.admin})
    }
}

/// One portal.
#[derive(Debug)]
pub(crate) struct Portal {
    /// The name in the address.
    pub(crate) name: String,
    /// The id that never changes.
    pub(crate) member_id: String,
    /// The host that the portal says it has.
    pub(crate) domain: String,
    /// The app.
    pub(crate) app: App,
    /// The employees.
    pub(crate) users: Vec<User>,
    /// Employees from whom the app is hidden.
    pub(crate) hidden_from: HashSet<i64>,
    /// The plan allows REST.
    pub(crate) commercial: bool,
    /// `ent`, `pro` and so on.
    pub(crate) licence: String,
    /// Blocked by the vendor.
    pub(crate) overloaded: bool,
    /// Robots by code, in the order in which they were registered.
    pub(crate) robots: Map<String, Value>,
    /// SMS senders by code.
    pub(crate) senders: BTreeMap<String, Value>,
    /// Bound events.
    pub(crate) binds: Vec<Bind>,
    /// Bound placements.
    pub(crate) placements: Vec<Value>,
    /// Options of the app.
    pub(crate) options: BTreeMap<String, Value>,
    /// What `im.notify` told, oldest first.
    pub(crate) notices: Vec<Value>,
    /// Deals, contacts and comments.
    pub(crate) crm: Crm,
    /// Files and documents.
    pub(crate) disk: Disk,
    /// Steps of robots.
    pub(crate) steps: Steps,
    /// SMS messages.
    pub(crate) texts: Texts,
    /// Open lines.
    pub(crate) open_lines: OpenLines,
    /// How events are sent.
    pub(crate) habits: Habits,
    /// Requests a second and depth.
    pub(crate) rate: (f64, f64),
    /// One bucket for each address that calls.
    pub(crate) buckets: HashMap<String, Bucket>,
    /// Methods blocked by operating time, until when in unix seconds.
    pub(crate) blocked_methods: HashMap<String, i64>,
    /// Seconds each method used so far.
    pub(crate) operating: HashMap<String, f64>,
    /// What the portal posted to the app: the latest ones.
    pub(crate) posts: Vec<Value>,
    next_id: i64,
}

impl Portal {
    /// A portal with three employees, twelve contacts and three deals; the app is not installed.
    pub(crate) fn new(name: &str, given: &Value) -> Self {
        let text = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
        let app = App {
            client_id: text("client_id").unwrap_or_else(|| format!("local.{}.{}", random_hex(7), random_hex(4))),
            client_secret: text("client_secret").unwrap_or_else(|| random_hex(25)),
            application_token: random_hex(16),
            installer_url: text("installer_url").unwrap_or_default(),
            page_url: text("page_url").unwrap_or_default(),
            event_url: text("event_url").unwrap_or_default(),
            scope: text("scope").unwrap_or_else(|| SCOPES.to_owned()),
            status: text("status").unwrap_or_else(|| "L".to_owned()),
            installed: false,
            present: false,
            version: 1,
        };
        let users = vec![
            User { id: 1, name: ("Мария", "Орлова"), admin: true },
            User { id: 27, name: ("Игорь", "Смирнов"), admin: true },
            User { id: 33, name: ("Ольга", "Белова"), admin: false },
        ];
        Self {
            name: name.to_owned(),
            member_id: text("member_id").unwrap_or_else(|| random_hex(16)),
            domain: text("domain").unwrap_or_else(|| format!("{name}.bitrix24.test")),
            app,
            users,
            hidden_from: HashSet::new(),
            commercial: true,
            licence: text("licence").unwrap_or_else(|| "pro".to_owned()),
            overloaded: false,
            robots: Map::new(),
            senders: BTreeMap::new(),
            binds: Vec::new(),
            placements: Vec::new(),
            options: BTreeMap::new(),
            notices: Vec::new(),
            crm: Crm::seeded(),
            disk: Disk::seeded(),
            steps: Steps::default(),
            texts: Texts::default(),
            open_lines: OpenLines::default(),
            habits: Habits::default(),
            rate: (2.0, 50.0),
            buckets: HashMap::new(),
            blocked_methods: HashMap::new(),
            operating: HashMap::new(),
            posts: Vec::new(),
            next_id: 999,
        }
    }

    /// A new number for comments, notices, binds.
    pub(crate) fn next_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// The employee.
    pub(crate) fn user(&self, id: i64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// Where REST of this portal is, with a slash at the end.
    pub(crate) fn endpoint(&self, sandbox: &Sandbox) -> String {
        format!("{}/b24/{}/rest/", sandbox.base(), self.name)
    }

    /// Forgets what the app registered, as an update and a removal do.
    pub(crate) fn drop_registrations(&mut self) {
        self.robots.clear();
        self.senders.clear();
        self.binds.clear();
        self.placements.clear();
        self.open_lines.forget_connectors();
    }

    /// Writes down what was posted to the app.
    pub(crate) fn note_post(&mut self, what: Value) {
        if self.posts.len() >= 500 {
            self.posts.remove(0);
        }
        self.posts.push(what);
    }

    /// How it looks to the control.
    pub(crate) fn card(&self, sandbox: &Sandbox) -> Value {
        json!({"name": self.name, "member_id": self.member_id, "domain": self.domain, "endpoint": self.endpoint(sandbox),
            "server_endpoint": format!("{}/rest/", sandbox.base()), "client_id": self.app.client_id,
            "client_secret": self.app.client_secret, "application_token": self.app.application_token, "scope": self.app.scope,
            "installer_url": self.app.installer_url, "page_url": self.app.page_url, "event_url": self.app.event_url, "installed": self.app.installed,
            "present": self.app.present, "version": self.app.version, "robots": self.robots, "senders": self.senders,
            "events": self.binds.iter().map(Bind::card).collect::<Vec<_>>(), "placements": self.placements,
            "users": self.users.iter().map(User::card).collect::<Vec<_>>(), "open_lines": self.open_lines.card(), "notices": self.notices,
            "crm": self.crm.card(), "disk": self.disk.card(sandbox.now()), "texts": self.texts.counts(), "posts": self.posts})
    }
}
