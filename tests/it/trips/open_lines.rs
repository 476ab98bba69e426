//! Open lines end to end: the sandbox's portal on one side, the phones of customers on the other, and sockets between.

mod answers;
mod connecting;
mod elsewhere;
mod following;
mod mending;
mod outage;
mod portals;
mod talking;

use serde_json::Value;
use switchboard::flow::open_line::settings::{self, ConnectError, ConnectionIn, ConnectionOut};
use switchboard::model::id::{ChannelId, PortalId};
use switchboard::model::message::Kind;
use switchboard::model::open_line::Settings;

use super::stage::Stage;

pub(super) const CUSTOMER: &str = "79990000001";
pub(super) const LINE: i64 = 12;

/// What people see in the chats of the portal.
impl Stage {
    pub(super) async fn portal_id(&self) -> PortalId {
        self.row().await.unwrap().id.parse().unwrap()
    }

    /// The only channel of a messenger.
    pub(super) async fn channel_of(&self, kind: Kind) -> ChannelId {
        let company = self.company;
        let rows = self.server.app.store.read(move |conn| switchboard::on!(conn, channel::of_company(company)));
        let row = rows.await.unwrap().into_iter().find(|row| row.messenger == kind.slug()).unwrap();
        row.id.parse().unwrap()
    }

    /// «Сохранить и подключить».
    pub(super) async fn connect(
        &self,
        kind: Kind,
        line: i64,
        settings: Settings,
    ) -> Result<ConnectionOut, ConnectError> {
        let given = ConnectionIn { channel: self.channel_of(kind).await, settings };
        settings::connect(&self.server.app, self.company, self.portal_id().await, kind, line, given).await
    }

    pub(super) async fn connected(&self, kind: Kind, settings: Settings) {
        let connection = self.connect(kind, LINE, settings).await.unwrap();
        assert_eq!(connection.state, "on", "{connection:?}");
    }

    /// The chats of the portal, oldest first.
    pub(super) async fn chats(&self) -> Vec<Value> {
        self.control("GET", "/_/b24/demo/chats", Value::Null).await["chats"].as_array().unwrap().clone()
    }

    /// Waits for the chat of a customer in which something is so.
    pub(super) async fn chat_where(&self, what: &str, customer: &str, is: impl Fn(&Value) -> bool) -> Value {
        let is = &is;
        self.wait_for(what, |stage| async move {
            let chats = stage.chats().await;
            let mine = |chat: &Value| chat["external"].as_str().unwrap().ends_with(&format!("-{customer}"));
            chats.into_iter().find(|chat| mine(chat) && is(chat))
        })
        .await
    }

    /// An operator writes into a chat.
    pub(super) async fn operator(&self, chat: &Value, said: Value) -> i64 {
        let path = format!("/_/b24/demo/chats/{}/say", chat["id"]);
        self.control("POST", &path, said).await["id"].as_i64().unwrap()
    }

    /// The texts that came to a phone, in their order.
    pub(super) async fn came(&self, phone: &str) -> Vec<String> {
        let phone = self.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
        let came = phone["messages"].as_array().unwrap().iter().filter(|one| one["direction"] == "received");
        came.filter_map(|one| one["text"].as_str()).map(str::to_owned).collect()
    }

    pub(super) async fn customer_says(&self, said: Value) {
        self.control("POST", &format!("/_/phones/{CUSTOMER}/say"), said).await;
    }
}

/// The texts of a chat, oldest first; what was taken back is left out.
pub(super) fn said(chat: &Value) -> Vec<String> {
    let messages = chat["messages"].as_array().unwrap();
    let shown = messages.iter().filter(|message| message["deleted"] != true);
    shown.map(|message| message["text"].as_str().unwrap().replace('\u{200b}', "")).collect()
}

/// One message of a chat, by the portal's number.
pub(super) fn message(chat: &Value, id: i64) -> Value {
    let messages = chat["messages"].as_array().unwrap();
    messages.iter().find(|message| message["id"] == id).cloned().unwrap_or_default()
}

pub(super) fn says(text: &'static str) -> impl Fn(&Value) -> bool {
    move |chat| said(chat).iter().any(|said| said.contains(text))
}
