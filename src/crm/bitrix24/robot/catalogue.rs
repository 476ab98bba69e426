//! The catalogue of our robots: their codes, and their definitions in the shape of `bizproc.robot.add`.

use serde_json::{Value, json};

macro_rules! robots {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        /// One of our robots.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Robot {
            $(#[doc = $doc] $name,)*
        }

        impl Robot {
            /// Every robot, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code in the portal; it never changes, since automations name it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The robot of a code; none where the code is not ours.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            const fn written(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../../../../robots/", $code, ".json")),)* }
            }
        }
    };
}

robots! {
    Send = "switchboard_send", "Sends a message.";
    SendFile = "switchboard_send_file", "Sends a file of the Disk.";
    SendDocument = "switchboard_send_document", "Sends a document of the CRM.";
    CheckPhone = "switchboard_check_phone", "Looks whether phones have the messenger.";
    SetTags = "switchboard_set_tags", "Sets tags of dialogs.";
    RemoveTags = "switchboard_remove_tags", "Removes tags of dialogs.";
    RenameChat = "switchboard_rename_chat", "Gives chats another title.";
    CreateGroup = "switchboard_create_group", "Makes a group.";
    AddToGroup = "switchboard_add_to_group", "Adds people to a group.";
    GroupMessage = "switchboard_group_message", "Sends a text or a document of the CRM into a group.";
    GroupFile = "switchboard_group_file", "Sends a file of the Disk into a group.";
    DeleteGroup = "switchboard_delete_group", "Deletes a group, or leaves it.";
}

impl Robot {
    /// The definition as it is written, without handler and user.
    #[must_use]
    pub fn definition(self) -> Value {
        // the definitions are part of the program, and a test reads each of them
        serde_json::from_str(self.written()).unwrap_or_default()
    }

    /// The parameters of `bizproc.robot.add`. Robots bring the tokens of `user_id`, an administrator.
    #[must_use]
    pub fn install_body(self, handler_url: &str, user_id: i64) -> Value {
        let mut body = self.definition();
        if let Some(map) = body.as_object_mut() {
            map.insert("HANDLER".to_owned(), json!(handler_url));
            map.insert("AUTH_USER_ID".to_owned(), json!(user_id));
            if self == Self::Send {
                // its settings are a page of ours, which stands beside the handler
                map.insert("USE_PLACEMENT".to_owned(), json!("Y"));
                map.insert("PLACEMENT_HANDLER".to_owned(), json!(format!("{handler_url}-settings")));
            }
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::message::Kind;

    #[test]
    fn every_definition_is_filled_in_and_has_the_three_results() {
        assert_eq!(Robot::ALL.len(), 12);
        for robot in Robot::ALL {
            let body = robot.install_body("https://app.example.com/robot", 27);
            assert_eq!(body["CODE"], robot.code());
            assert_eq!(
                (&body["HANDLER"], &body["AUTH_USER_ID"]),
                (&json!("https://app.example.com/robot"), &json!(27))
            );
            for result in ["status", "details", "in_time"] {
                assert!(body["RETURN_PROPERTIES"][result].is_object(), "{} has no {result}", robot.code());
            }
            assert_eq!(Robot::from_code(robot.code()), Some(*robot));
        }
        assert_eq!(Robot::from_code("other"), None);
    }

    #[test]
    fn the_channels_that_robots_offer_are_messengers() {
        for robot in Robot::ALL {
            let body = robot.definition();
            let options = body["PROPERTIES"]["channel"]["Options"].as_object().unwrap();
            assert!(options.keys().all(|key| key == "auto" || Kind::from_slug(key).is_some()), "{}", robot.code());
        }
        let options = Robot::Send.definition()["PROPERTIES"]["channel"]["Options"].as_object().unwrap().len();
        assert_eq!(options, Kind::ALL.len() + 1);
    }
}
