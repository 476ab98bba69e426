//! A letter as it lies in a mailbox: structure, charsets, reports of mail servers, HTML.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use switchboard::messenger::email::Habits;
use switchboard::messenger::email::letter::{Around, Folder, read};
use switchboard::model::message::Event;
use switchboard_fuzz::{NOW, holds_zero};

fuzz_target!(|raw: &[u8]| {
    for (folder, on) in [(Folder::Inbox, false), (Folder::Inbox, true), (Folder::Sent, false), (Folder::Junk, true)] {
        let around = Around {
            own: "sales@company.test",
            folder,
            validity: 7,
            uid: 9,
            at: NOW,
            habits: Habits { group_letters: on, remove_links: on, server_keeps_sent: false },
            sizes: HashMap::new(),
        };
        let (key, event) = read(raw, &around);
        assert!(!key.is_empty() && key.len() <= 100, "the key is {key}");
        let kept = serde_json::to_string(&event).unwrap();
        assert!(!holds_zero(&serde_json::from_str(&kept).unwrap()), "a zero byte is kept: {kept}");
        assert_eq!(serde_json::from_str::<Event>(&kept).unwrap(), event);
        if let Event::Letter(letter) = &event {
            assert!(!letter.message.chat.is_empty() && letter.message.chat.len() < 400);
            let html = letter.html.as_deref().unwrap_or_default().to_lowercase();
            assert!(!html.contains("<script") && !html.contains("<style") && !html.contains("<iframe"), "{html}");
            for media in &letter.message.media {
                let name = media.name.as_deref().unwrap_or_default();
                assert!(!name.contains(['/', '\\', '\r', '\n', '\0']) && name.len() <= 200, "a file named {name:?}");
            }
        }
    }
});
