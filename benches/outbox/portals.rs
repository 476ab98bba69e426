//! Many portals at once: in each an operator says something a minute. It is taken, leaves through a bot of the company, and the
//! portal is told that it was delivered; all of it by the whole server on one core.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use switchboard::app::App;
use switchboard::flow::credentials;
use switchboard::model::clock::SystemClock;
use switchboard::model::id::{OpenLineChatId, PortalId};
use switchboard::model::open_line::Settings;
use switchboard::model::pace::Pace;
use switchboard::serve::Roles;
use switchboard::store::row::{ConnectionRow, NewLane, OpenLineChatRow, PortalRow, TokenPairRow, text};

use crate::Asked;
use crate::child::{cpu_s, memory_mb};
use crate::load::{Loaded, Vendor};
use crate::report::{not_ours, result, rounded};
use crate::server::Served;
use crate::stage::{self, House};

/// Portals of one company, which have its bot in an open line each.
const OF_A_COMPANY: i64 = 50;

/// What all portals of the bench know each other by; their number stands before it.
const TOKEN: &str = "00112233445566778899aabb";

/// An event of portal `number % portals`: an operator says something new.
pub fn post(number: u64, portals: u64) -> String {
    let (portal, word) = (number % portals, number);
    let body = format!(
        "event=ONIMCONNECTORMESSAGEADD&data%5BCONNECTOR%5D=switchboard_telegram_bot&data%5BLINE%5D=12\
         &data%5BMESSAGES%5D%5B0%5D%5Bim%5D%5Bchat_id%5D={im}&data%5BMESSAGES%5D%5B0%5D%5Bim%5D%5Bmessage_id%5D={word}\
         &data%5BMESSAGES%5D%5B0%5D%5Bmessage%5D%5Buser_id%5D=27&data%5BMESSAGES%5D%5B0%5D%5Bmessage%5D%5Btext%5D=%D0%94%D0%B0\
         &data%5BMESSAGES%5D%5B0%5D%5Bchat%5D%5Bid%5D={portal}&ts={now}&auth%5Bdomain%5D=p{portal}.bitrix24.ru\
         &auth%5Bmember_id%5D={portal:032x}&auth%5Bapplication_token%5D={portal:08x}{TOKEN}",
        im = portal + 1,
        now = chrono::Utc::now().timestamp(),
    );
    format!(
        "POST /bitrix24/event HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// 5 000 portals with an event a minute each, for a minute.
pub async fn portals(asked: &Asked) {
    let (portals, seconds) = (asked.number("portals", 5_000, 100), asked.number("seconds", 60, 5));
    let vendor = Vendor::start(asked).await;
    not_ours(vendor.child.pid);
    let address = format!("http://127.0.0.1:{}", vendor.port);
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    for first in (0..portals).step_by(usize::try_from(OF_A_COMPANY).unwrap()) {
        let house = stage::house(&server.app).await;
        company(&server.app, house, &address, first..(first + OF_A_COMPANY).min(portals)).await;
    }
    server.stop().await;
    let served = Served::start_on_one_core_with(asked, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &address)]).await;
    let rate = (portals + 59) / 60;
    let before = cpu_s(served.pid());
    let mut load = Loaded::start(asked, served.port, &format!("portals:{portals}"), rate, seconds, None);
    not_ours(load.child.pid);
    let figures = load.figures().await;
    load.child.wait().await;
    let cores = (cpu_s(served.pid()) - before) / seconds as f64;
    // what was said last is on its way
    tokio::time::sleep(Duration::from_secs(5)).await;
    let memory = memory_mb(served.pid(), "VmHWM");
    served.kill().await;
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let told = server.app.store.read(|conn| switchboard::on!(conn, open_word::count("delivered"))).await.unwrap();
    server.stop().await;
    result(&json!({
        "portals": portals, "asked_per_s": rate, "taken": figures["taken"], "delivered": told, "cores": rounded(cores, 3),
        "paced_p50_ms": figures["p50_ms"], "paced_p99_ms": figures["p99_ms"], "rss_mb": memory,
    }));
    vendor.child.wait().await;
}

/// The bot of a company, and its portals: installed, connected, with a dialog each.
async fn company(app: &App, house: House, address: &str, numbers: std::ops::Range<i64>) {
    let pace = Pace::Gap { from_ms: 1_000, to_ms: 1_000, live_ms: 100 };
    let channel = stage::channels(app, house, 1, pace).await.remove(0);
    let (inner, endpoint, now) = (app.clone(), format!("{address}/rest/"), app.clock.now().0);
    let made = app.store.write(move |conn| {
        let settings = text(&Settings::default())?;
        for number in numbers.clone() {
            let pace = Pace::Bucket { per_second_milli: 2000, burst: 50 };
            let lane = NewLane { kind: "portal".into(), pace, hours: None };
            let id = PortalId::new().to_string();
            let token = SecretString::from(format!("{number:08x}{TOKEN}"));
            let row = PortalRow {
                company: house.company.to_string(),
                member_id: format!("{number:032x}"),
                domain: format!("p{number}.bitrix24.ru"),
                client_endpoint: endpoint.clone(),
                server_endpoint: endpoint.clone(),
                application_token: credentials::seal(&inner, "portals", &id, &token),
                state: "installed".into(),
                lane: switchboard::on!(conn, lane::create(house.company, &lane))?,
                hook_key: format!("portal-{number}"),
                robot_url: None,
                event_at: None,
                created_at: 0,
                id: id.clone(),
            };
            switchboard::on!(conn, portal::create(&row))?;
            let at = format!("{id}:27");
            let sealed =
                |text: &str| credentials::seal(&inner, "portal_tokens", &at, &SecretString::from(text.to_owned()));
            let pair = TokenPairRow {
                portal: id.clone(),
                user_id: "27".into(),
                is_admin: true,
                access_token: sealed("access"),
                refresh_token: sealed("refresh"),
                expires_at: now + 3_600_000,
                version: 0,
                lease_owner: None,
                lease_until: 0,
                dead: false,
            };
            switchboard::on!(conn, portal::keep_tokens(&pair))?;
            let connection = ConnectionRow {
                portal: id.clone(),
                messenger: "telegram_bot".into(),
                open_line: 12,
                company: house.company.to_string(),
                channel: channel.id.clone(),
                name: None,
                state: "on".into(),
                reason: None,
                settings: settings.clone(),
                made_at: 0,
                checked_at: None,
            };
            switchboard::on!(conn, open_line::keep(&connection))?;
            let chat = OpenLineChatRow {
                id: OpenLineChatId::new().to_string(),
                company: house.company.to_string(),
                portal: id,
                messenger: "telegram_bot".into(),
                open_line: 12,
                channel: channel.id.clone(),
                chat: (700_000_000 + number).to_string(),
                external: number.to_string(),
                person: number.to_string(),
                im_chat: Some(number + 1),
                im_user: None,
                session: None,
                closed: false,
                title: None,
                contact: None,
                lead: None,
                deal: None,
                owner: None,
                assigned: None,
                active_at: now,
            };
            switchboard::on!(conn, open_line::create_chat(&chat))?;
        }
        Ok(())
    });
    made.await.unwrap();
}
