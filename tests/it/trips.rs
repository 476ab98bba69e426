//! The main job end to end, over real sockets: a CRM request becomes one paced message, and its result comes back.

mod avito;
mod bot_server;
mod changes;
mod email;
mod fields;
mod files;
mod gaps;
mod groups;
mod hidden_phones;
mod install;
mod letters;
mod limits;
mod notices;
mod open_lines;
mod pages;
mod presses;
mod reactions;
mod robots;
mod shapes;
mod sms;
mod stage;
mod strangers;
mod telegram;
mod telegram_groups;
mod templates;
mod tokens;
mod vk;
mod vk_notify;
mod waba_groups;
mod webhooks;
mod whatsapp_web;

use serde_json::json;

use self::stage::Stage;

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_robot_sends_one_message_and_hears_its_result(url: &str) {
        let stage = Stage::set(url).await;
        stage.fire(json!({ "phones": "+7 999 000-00-01", "message": "Здравствуйте!" })).await;
        let step = stage.answered_step().await;
        assert_eq!(step["returned"]["status"], "Y", "{step}");
        assert_eq!(step["returned"]["details"], "79990000001:Y:");
        assert_eq!(step["returned"]["in_time"], "1");
        assert_eq!(stage.texts("79990000001").await, ["Здравствуйте!"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_done_is_measured(url: &str) {
        let stage = Stage::set(url).await;
        stage.fire(json!({ "phones": "+7 999 000-00-01", "message": "Здравствуйте!" })).await;
        stage.answered_step().await;
        let measured = stage.metrics().await;
        // other tests of this process measure into the same registry: at least what was done here stands there
        let value = |line: &str| {
            let found = measured.lines().find_map(|row| row.strip_prefix(line)).and_then(|row| row.trim().parse::<f64>().ok());
            found.unwrap_or_else(|| panic!("{line} is not in:\n{measured}"))
        };
        assert!(value("switchboard_calls_total{outcome=\"done\"}") >= 2.0);
        for rank in ["live", "service", "marketing", "mailing"] {
            value(&format!("switchboard_queue_errands{{rank=\"{rank}\"}}"));
            value(&format!("switchboard_queue_oldest_seconds{{rank=\"{rank}\"}}"));
        }
        assert!(value("switchboard_lanes{state=\"running\"}") >= 1.0);
        assert!(value("switchboard_vendor_seconds_count{vendor=\"waba\"}") >= 1.0);
        assert!(value("switchboard_vendor_seconds_count{vendor=\"bitrix24\"}") >= 1.0);
        assert!(value("switchboard_lateness_seconds_count") >= 2.0);
        assert!(measured.contains("switchboard_portal_budget_calls{portal="), "{measured}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_bad_address_among_good_ones_costs_only_its_own_entry(url: &str) {
        let stage = Stage::set(url).await;
        stage.fire(json!({ "phones": "89990000001; 123", "message": "Раз" })).await;
        let step = stage.answered_step().await;
        assert_eq!(step["returned"]["status"], "N");
        let details = step["returned"]["details"].as_str().unwrap().to_owned();
        assert!(details.starts_with("79990000001:Y:; 123:N:[address_bad]"), "{details}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_robot_without_an_address_is_told_so_with_a_stable_code(url: &str) {
        let stage = Stage::set(url).await;
        stage.fire(json!({ "phones": "", "message": "Раз" })).await;
        let step = stage.answered_step().await;
        assert_eq!(step["returned"]["status"], "N");
        assert!(step["returned"]["details"].as_str().unwrap().contains("[address_empty]"), "{step}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_letter_leaves_at_the_pace_and_its_statuses_reach_the_portal(url: &str) {
        let stage = Stage::set(url).await;
        stage.letter(4, "Скидка {10|15}% для вас, {name}!").await;
        let sent = stage.wait_for("every message of the letter is delivered in the portal", |stage| async move {
            let letter = stage.last_letter().await;
            let all = letter["messages"].as_array().unwrap().clone();
            let done = all.iter().all(|message| message["status"] == "delivered");
            (done && all.len() == 4).then_some(all)
        }).await;
        assert_eq!(sent.len(), 4);
        let starts = stage.vendor_starts_us("waba", "messages").await;
        assert_eq!(starts.len(), 4);
        for pair in starts.windows(2) {
            // a busy machine may bring a call to the vendor late; the exact gaps are told by `outbox::pace`, by the clock
            assert!(pair[1] - pair[0] >= stage::GAP_MS * 2 / 3 * 1000, "{} us", pair[1] - pair[0]);
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stopped_letter_sends_no_further_message(url: &str) {
        let stage = Stage::set(url).await;
        stage.letter(8, "Приходите на распродажу").await;
        stage.wait_for("two messages left", |stage| async move {
            (stage.vendor_starts_us("waba", "messages").await.len() >= 2).then_some(())
        }).await;
        let mailing = stage.only_mailing().await;
        let stopped = stage.api("POST", &format!("/api/v1/mailings/{mailing}/stop")).await;
        assert_eq!(stopped["state"], "stopped");
        let left = stage.vendor_starts_us("waba", "messages").await.len();
        let most = left + usize::try_from(stopped["in_flight"].as_i64().unwrap()).unwrap();
        let failed = stage.wait_for("the portal hears of every message that did not leave", |stage| async move {
            let letter = stage.last_letter().await;
            let all = letter["messages"].as_array().unwrap().clone();
            // the portal itself calls a message sent as soon as it has posted it
            all.iter().all(|message| message["status"] == "failed" || message["status"] == "delivered")
                .then(|| all.iter().filter(|message| message["status"] == "failed").count())
        }).await;
        let sent = stage.vendor_starts_us("waba", "messages").await.len();
        assert!(sent <= most, "{sent} messages left, {most} at the stop");
        assert_eq!(sent + failed, 8);
        stage.clear().await;
    }
}
