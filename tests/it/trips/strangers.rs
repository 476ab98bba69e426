//! What strangers may post to the doors of portals: a clear refusal, or a 200 with a recorded one; never a 500, and never a
//! row that the databases cannot hold.

use serde_json::json;

use super::stage::Stage;

const ROBOT: &str = "workflow_id=w&document_id[]=crm&document_id[]=CCrmDocumentDeal&document_id[]=DEAL_8061";

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_door_of_portals_refuses_with_a_sentence(url: &str) {
        let stage = Stage::set(url).await;
        let card = stage.portal().await;
        let (member, token) = (card["member_id"].as_str().unwrap(), card["application_token"].as_str().unwrap());
        let auth = format!("auth[member_id]={member}&auth[application_token]={token}");
        let million = "x".repeat(1_000_000);
        let forms: Vec<(&str, String, &[u16])> = vec![
            ("nothing", String::new(), &[400]),
            ("no form", "{\"code\": \"switchboard_send\"}".into(), &[400]),
            ("brackets that never close", format!("code[=1&auth[member_id={member}&{ROBOT}"), &[400]),
            ("brackets alone", "[[[[]]]]=&]=[&[]=".into(), &[400]),
            ("deep nesting", format!("a{}=1", "[b]".repeat(200)), &[400]),
            ("a million brackets", format!("a{}=1", "[".repeat(1_000_000)), &[400]),
            ("six thousand variables", "a[]=1&".repeat(6000), &[400]),
            ("a megabyte of a name", format!("{million}=1"), &[400]),
            ("a megabyte of a portal", format!("code=switchboard_send&event_token=t&{ROBOT}&event=ONAPPINSTALL&message_id=m&message_to=1&message_body=x&auth[member_id]={million}"), &[400]),
            ("a megabyte of a code", format!("code={million}&event_token=t&{ROBOT}&message_id=m&message_to=1&message_body=x&{auth}"), &[400]),
            ("zero bytes", format!("code=%00&event=%00&event_token=%00&{ROBOT}&auth[member_id]=%00&auth[application_token]=%00"), &[400]),
            ("a zero byte in an unknown portal", format!("code=c&event=ONAPPTEST&event_token=t&{ROBOT}&message_id=m&message_to=1&message_body=x&auth[member_id]=a%00b"), &[403]),
            ("no UTF-8", format!("code=%ff%fe&event_token=%ff&{ROBOT}&event=%ff&message_id=%ff&message_to=%ff&message_body=%ff&auth[member_id]=%ff"), &[403]),
            ("an unknown portal", format!("code=switchboard_send&event=ONAPPTEST&event_token=t&{ROBOT}&message_id=m&message_to=1&message_body=x&auth[member_id]=0123456789abcdef0123456789abcdef&auth[application_token]={token}"), &[403]),
            ("a wrong token", format!("code=switchboard_send&event=ONAPPUNINSTALL&event_token=t&{ROBOT}&message_id=m&message_to=1&message_body=x&auth[member_id]={member}&auth[application_token]=wrong"), &[403]),
            ("an empty token", format!("code=switchboard_send&event=ONAPPUNINSTALL&event_token=t&{ROBOT}&auth[member_id]={member}&auth[application_token]="), &[400, 403]),
            ("a token that is a map", format!("code=switchboard_send&event=ONAPPUNINSTALL&event_token=t&{ROBOT}&message_id=m&message_to=1&message_body=x&auth[member_id]={member}&auth[application_token][a]={token}"), &[400]),
            ("a number that is none", format!("code=switchboard_send&event=ONAPPUNINSTALL&event_token=t&{ROBOT}&message_id=m&message_to=1&message_body=x&ts=yesterday&{auth}"), &[400]),
        ];
        for (what, form, expected) in &forms {
            for path in ["/bitrix24/robot", "/bitrix24/event", "/bitrix24/sms/0123456789abcdef"] {
                let (status, text) = stage.post(path, form.clone()).await;
                // an event of an installation is a robot without its code, and the other way round
                let fits = expected.contains(&status) || (400..404).contains(&status);
                assert!(fits, "{what} at {path}: {status} {text}");
                assert!(!text.is_empty() && text.len() < 500, "{what} at {path}: {text}");
            }
            for path in ["/bitrix24/install", "/bitrix24/app", "/bitrix24/install?DOMAIN=x&LANG=en&a[[=%00"] {
                let (status, text) = stage.post(path, form.clone()).await;
                assert!((400..404).contains(&status), "{what} at {path}: {status} {text}");
                assert!(!text.is_empty(), "{what} at {path}");
            }
        }
        let (status, text) = stage.post("/bitrix24/robot", "x".repeat(5 << 20)).await;
        assert_eq!(status, 413, "{text}");
        assert_eq!(stage.row().await.unwrap().state, "installed");
        // after all this the portal is served as before
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_proven_portal_posts_is_taken_and_answered_or_its_refusal_is_recorded(url: &str) {
        let stage = Stage::set(url).await;
        let card = stage.portal().await;
        let (member, token) = (card["member_id"].as_str().unwrap(), card["application_token"].as_str().unwrap());
        let auth = format!("auth[member_id]={member}&auth[application_token]={token}");
        for (what, path, form) in [
            ("a robot that is none of ours", "/bitrix24/robot", format!("code=old_robot&event_token=t1&use_subscription=Y&{ROBOT}&{auth}")),
            ("zero bytes everywhere", "/bitrix24/robot", format!("code=switchboard_send&event_token=t2%00&use_subscription=Y&{ROBOT}%00&properties[phones]=%00x&properties[message]=%00&{auth}")),
            ("properties that are a text", "/bitrix24/robot", format!("code=switchboard_send&event_token=t3&properties=x&use_subscription=Y&{ROBOT}&{auth}")),
            ("maps for texts", "/bitrix24/robot", format!("code=switchboard_send&event_token=t4&properties[message][a][b]=x&properties[phones][a][b]=x&use_subscription=Y&{ROBOT}&{auth}")),
            ("a time far away", "/bitrix24/robot", format!("code=switchboard_send&event_token=t5&ts=9223372036854775807&timeout_duration=9223372036854775807&properties[phones]=79990000001&properties[message]=x&use_subscription=Y&{ROBOT}&{auth}")),
            ("an event that nobody knows", "/bitrix24/event", format!("event=ONSOMETHINGNEW&data=107&{auth}")),
            ("a test", "/bitrix24/event", format!("event=OnAppTest&data[QUERY][a]=%00&{auth}")),
            ("an installation without tokens", "/bitrix24/event", format!("event=ONAPPINSTALL&data=x&{auth}")),
        ] {
            let (status, text) = stage.post(path, form.clone()).await;
            assert_eq!(status, 200, "{what}: {text}");
            // replayed, it is taken and changes nothing
            assert_eq!(stage.post(path, form).await.0, 200, "{what} again");
        }
        let store = &stage.server.app.store;
        stage.wait_for("everything is worked", |_| async move {
            let (waiting, _) = store.read(|conn| switchboard::on!(conn, hook::backlog())).await.unwrap();
            (waiting == 0).then_some(())
        }).await;
        let refusals = store.read(|conn| switchboard::on!(conn, hook::refusals(100))).await.unwrap();
        let reasons: Vec<&str> = refusals.iter().filter_map(|(_, _, why)| why.as_deref()).collect();
        assert_eq!(reasons, ["the portal could not be recognised"], "{refusals:?}");
        // each of the five robots was answered once; the portal knows none of the tokens
        stage.wait_for("every robot was answered", |stage| async move {
            (stage.calls("bitrix24", "bizproc.event.send").await.len() == 5).then_some(())
        }).await;
        let answers = stage.calls("bitrix24", "bizproc.event.send").await;
        let mut details: Vec<String> = answers
            .iter()
            .map(|call| call["params"]["RETURN_VALUES"]["details"].as_str().unwrap().to_owned())
            .collect();
        details.sort();
        let begins = ["x:N:[message_empty]", ":N:[address_empty]", ":N:[request_bad]", ":N:[request_bad]", "79990000001:"];
        assert!(begins.iter().all(|begin| details.iter().any(|text| text.contains(begin))), "{details:?}");
        stage.clear().await;
    }
}
