//! What devices ask for that is about order: who may say nothing, and whom one does not want to
//! hear.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub enum OrderRequest {
    Mute { room: Option<String>, name: String },
    Unmute { room: Option<String>, name: String },
    Ignore { name: String },
    Unignore { name: String },
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
        }
    }

    pub fn line(&self) -> String {
        match self {
            OrderRequest::Mute { name, .. } => format!("/mute {name}"),
            OrderRequest::Unmute { name, .. } => format!("/unmute {name}"),
            OrderRequest::Ignore { name } => format!("/ignore {name}"),
            OrderRequest::Unignore { name } => format!("/unignore {name}"),
        }
    }

    /// The request that an object of this type is, if it is one about order.
    pub fn of_object(object: &Value) -> Option<OrderRequest> {
        let field = |name: &str| object[name].as_str().map(str::to_owned);
        OrderRequest::of(object["type"].as_str()?, field("room"), field("name"))
    }

    /// The same of a command with its words.
    pub fn of_words(words: &[String]) -> Option<OrderRequest> {
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
