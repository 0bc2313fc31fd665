//! What devices ask for that is about order: who may say nothing, and whom one does not want to
//! hear.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub enum OrderRequest {
    Mute {
        room: Option<String>,
        name: String,
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
    /// `with`: of a conversation.
    Delete {
        room: Option<String>,
        with: Option<String>,
        which: Which,
    },
}

/// Which message; programs say its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Which {
    Id(u64),
    Back(u64),
    OwnLast,
}

impl OrderRequest {
    pub fn object(&self) -> Value {
        match self {
            OrderRequest::Mute { room, name } => {
                json!({ "type": "mute", "room": room, "name": name })
            }
            OrderRequest::Unmute { room, name } => {
                json!({ "type": "unmute", "room": room, "name": name })
            }
            OrderRequest::Ignore { name } => json!({ "type": "ignore", "name": name }),
            OrderRequest::Unignore { name } => json!({ "type": "unignore", "name": name }),
            OrderRequest::Delete { room, with, which } => {
                let Which::Id(id) = which else { panic!("a program says the number") };
                json!({ "type": "delete", "room": room, "to": with, "id": id })
            }
        }
    }

    pub fn line(&self) -> String {
        match self {
            OrderRequest::Mute { name, .. } => format!("/mute {name}"),
            OrderRequest::Unmute { name, .. } => format!("/unmute {name}"),
            OrderRequest::Ignore { name } => format!("/ignore {name}"),
            OrderRequest::Unignore { name } => format!("/unignore {name}"),
            OrderRequest::Delete { with, which, .. } => {
                let with = with.as_ref().map_or(String::new(), |with| format!("@{with} "));
                let which = match which {
                    Which::Id(id) => id.to_string(),
                    Which::Back(back) => format!("-{back}"),
                    Which::OwnLast => String::new(),
                };
                format!("/delete {with}{which}")
            }
        }
    }

    /// The request that an object of this type is, if it is one about order.
    pub fn of_object(object: &Value) -> Option<OrderRequest> {
        let field = |name: &str| object[name].as_str().map(str::to_owned);
        if object["type"] == "delete" {
            let which = Which::Id(object["id"].as_u64().expect("a number"));
            return Some(OrderRequest::Delete { room: field("room"), with: field("to"), which });
        }
        OrderRequest::of(object["type"].as_str()?, field("room"), field("name"))
    }

    /// The same of a command with its words.
    pub fn of_words(words: &[String]) -> Option<OrderRequest> {
        if words[0] == "delete" {
            let with = words[1..].first().and_then(|word| word.strip_prefix('@'));
            let number = words[1..].iter().find(|word| !word.starts_with('@'));
            let which = match number.map(|number| (number, number.strip_prefix('-'))) {
                None => Which::OwnLast,
                Some((_, Some(back))) => Which::Back(back.parse().expect("a number")),
                Some((id, None)) => Which::Id(id.parse().expect("a number")),
            };
            return Some(OrderRequest::Delete { room: None, with: with.map(str::to_owned), which });
        }
        OrderRequest::of(&words[0], None, words.get(1).cloned())
    }

    fn of(kind: &str, room: Option<String>, name: Option<String>) -> Option<OrderRequest> {
        Some(match kind {
            "mute" => OrderRequest::Mute { room, name: name? },
            "unmute" => OrderRequest::Unmute { room, name: name? },
            "ignore" => OrderRequest::Ignore { name: name? },
            "unignore" => OrderRequest::Unignore { name: name? },
            _ => return None,
        })
    }
}
