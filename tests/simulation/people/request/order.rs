//! What devices ask for that is about order: who may say nothing or not be here, whom one does not
//! want to hear, and what the staff is to see.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::place_of;

#[derive(Clone, Debug, PartialEq)]
pub enum OrderRequest {
    Mute {
        room: Option<String>,
        name: String,
        minutes: Option<u64>,
        reason: Option<String>,
    },
    Unmute {
        room: Option<String>,
        name: String,
    },
    Ignore {
        name: String,
    },
    Unignore {
        name: String,
    },
    Report {
        room: Option<String>,
        which: Which,
        reason: Option<String>,
    },
    /// `with`: of a conversation.
    Delete {
        room: Option<String>,
        with: Option<String>,
        which: Which,
    },
    /// `whom`: a name, or an address.
    Ban {
        whom: String,
        minutes: Option<u64>,
        reason: Option<String>,
    },
    Unban {
        whom: String,
    },
    Bans,
    /// Programs only: which messages of a room, or with an `@` of a conversation, are deleted.
    Deletions {
        place: String,
        after: u64,
        before: u64,
    },
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Which {
    Id(u64),
    /// At terminals: counted from the last one, which is 1.
    Back(u64),
    /// The last of one's own.
    OwnLast,
}

impl Which {
    /// As it was typed.
    fn read(typed: Option<String>) -> Which {
        let Some(typed) = typed else { return Which::OwnLast };
        match typed.strip_prefix('-') {
            Some(back) => Which::Back(back.parse().expect("a number")),
            None => Which::Id(typed.parse().expect("a number")),
        }
    }

    fn typed(self) -> String {
        match self {
            Which::Id(id) => id.to_string(),
            Which::Back(back) => format!("-{back}"),
            Which::OwnLast => String::new(),
        }
    }

    fn id(self) -> u64 {
        let Which::Id(id) = self else { panic!("a program says the number") };
        id
    }
}

impl OrderRequest {
    pub fn object(&self) -> Value {
        match self {
            OrderRequest::Mute { room, name, minutes, reason } => json!({
                "type": "mute", "room": room, "name": name, "minutes": minutes, "reason": reason
            }),
            OrderRequest::Unmute { room, name } => {
                json!({ "type": "unmute", "room": room, "name": name })
            }
            OrderRequest::Ignore { name } => json!({ "type": "ignore", "name": name }),
            OrderRequest::Unignore { name } => json!({ "type": "unignore", "name": name }),
            OrderRequest::Report { room, which, reason } => {
                json!({ "type": "report", "room": room, "id": which.id(), "reason": reason })
            }
            OrderRequest::Delete { room, with, which } => {
                json!({ "type": "delete", "room": room, "to": with, "id": which.id() })
            }
            OrderRequest::Ban { whom, minutes, reason } => json!({
                "type": "ban", field_of(whom): whom, "minutes": minutes, "reason": reason
            }),
            OrderRequest::Unban { whom } => json!({ "type": "unban", field_of(whom): whom }),
            OrderRequest::Bans => json!({ "type": "bans" }),
            OrderRequest::Deletions { place, after, before } => {
                let (field, place) = place_of(place);
                json!({ "type": "deletions", field: place, "after": after, "before": before })
            }
        }
    }

    pub fn line(&self) -> String {
        match self {
            OrderRequest::Mute { name, minutes, reason, .. } => {
                format!("/mute {name}{}", sentence(*minutes, reason.as_deref()))
            }
            OrderRequest::Unmute { name, .. } => format!("/unmute {name}"),
            OrderRequest::Ignore { name } => format!("/ignore {name}"),
            OrderRequest::Unignore { name } => format!("/unignore {name}"),
            OrderRequest::Report { which, reason, .. } => {
                format!("/report {}{}", which.typed(), sentence(None, reason.as_deref()))
            }
            OrderRequest::Delete { with, which, .. } => {
                let with = with.as_ref().map_or(String::new(), |with| format!("@{with} "));
                format!("/delete {with}{}", which.typed())
            }
            OrderRequest::Ban { whom, minutes, reason } => {
                format!("/ban {whom}{}", sentence(*minutes, reason.as_deref()))
            }
            OrderRequest::Unban { whom } => format!("/unban {whom}"),
            OrderRequest::Bans => "/bans".to_owned(),
            OrderRequest::Deletions { .. } => String::new(),
        }
    }

    /// The request that an object of this type is, if it is one about order.
    pub fn of_object(object: &Value) -> Option<OrderRequest> {
        let field = |name: &str| object[name].as_str().map(str::to_owned);
        let (room, name, reason) = (field("room"), field("name"), field("reason"));
        let (minutes, whom) = (object["minutes"].as_u64(), field("address").or(field("name")));
        let which = || Which::Id(object["id"].as_u64().expect("an id"));
        Some(match object["type"].as_str()? {
            "mute" => OrderRequest::Mute { room, name: name?, minutes, reason },
            "unmute" => OrderRequest::Unmute { room, name: name? },
            "ignore" => OrderRequest::Ignore { name: name? },
            "unignore" => OrderRequest::Unignore { name: name? },
            "report" => OrderRequest::Report { room, which: which(), reason },
            "delete" => OrderRequest::Delete { room, with: field("to"), which: which() },
            "ban" => OrderRequest::Ban { whom: whom?, minutes, reason },
            "unban" => OrderRequest::Unban { whom: whom? },
            "bans" => OrderRequest::Bans,
            "deletions" => {
                let number = |name: &str| object[name].as_u64().expect("an id");
                let place = field("to").map(|name| format!("@{name}")).or(room)?;
                let (after, before) = (number("after"), number("before"));
                OrderRequest::Deletions { place, after, before }
            }
            _ => return None,
        })
    }

    /// The same of a command with its words.
    pub fn of_words(words: &[String]) -> Option<OrderRequest> {
        let word = |at: usize| words.get(at).cloned();
        let name = || word(1).expect("a name");
        let number = |at: usize| word(at).and_then(|word| word.parse().ok());
        Some(match words[0].as_str() {
            "mute" => {
                let (minutes, reason) = (number(2), word(2 + usize::from(number(2).is_some())));
                OrderRequest::Mute { room: None, name: name(), minutes, reason }
            }
            "unmute" => OrderRequest::Unmute { room: None, name: name() },
            "ignore" => OrderRequest::Ignore { name: name() },
            "unignore" => OrderRequest::Unignore { name: name() },
            "report" => {
                OrderRequest::Report { room: None, which: Which::read(word(1)), reason: word(2) }
            }
            "delete" => {
                let with = word(1).and_then(|word| word.strip_prefix('@').map(str::to_owned));
                let which =
                    Which::read(words[1..].iter().find(|word| !word.starts_with('@')).cloned());
                OrderRequest::Delete { room: None, with, which }
            }
            "ban" => {
                let (minutes, reason) = (number(2), word(2 + usize::from(number(2).is_some())));
                OrderRequest::Ban { whom: name(), minutes, reason }
            }
            "unban" => OrderRequest::Unban { whom: name() },
            "bans" => OrderRequest::Bans,
            _ => return None,
        })
    }
}

fn field_of(whom: &str) -> &'static str {
    if whom.parse::<IpAddr>().is_ok() { "address" } else { "name" }
}

fn sentence(minutes: Option<u64>, reason: Option<&str>) -> String {
    let minutes = minutes.map_or(String::new(), |minutes| format!(" {minutes}"));
    minutes + &reason.map_or(String::new(), |reason| format!(" {reason}"))
}
