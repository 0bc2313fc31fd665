//! What devices ask for that is about rooms: who may come in, and what may be done there.

use serde_json::{Value, json};

use super::Needs;

/// Settings and what they can be; those of yes and no last.
pub const SETTINGS: [(&str, &[&str]); 6] = [
    ("entry", &["all", "accounts", "ask", "invited"]),
    ("newcomers_see", &["all", "now"]),
    ("posting", &["all", "moderators"]),
    ("invites", &["members", "moderators"]),
    ("listed", &["no", "yes"]),
    ("archived", &["no", "yes"]),
];
pub const ROLES: [&str; 3] = ["member", "moderator", "owner"];

#[derive(Clone, Debug, PartialEq)]
pub enum RoomRequest {
    Show {
        room: Option<String>,
    },
    /// The numbers of a setting and of its value.
    Set {
        room: Option<String>,
        setting: usize,
        value: usize,
    },
    Rename {
        room: Option<String>,
        name: String,
    },
    Delete {
        room: String,
    },
    Role {
        room: String,
        name: String,
        role: u8,
    },
    Keep {
        room: Option<String>,
    },
    Admit {
        room: Option<String>,
        name: String,
    },
    Refuse {
        room: Option<String>,
        name: String,
    },
    Hook {
        room: Option<String>,
        name: String,
    },
    EndHook {
        room: Option<String>,
        name: String,
    },
    Kick {
        room: Option<String>,
        name: String,
        minutes: Option<u64>,
        reason: Option<String>,
    },
}

impl RoomRequest {
    pub fn object(&self) -> Value {
        match self {
            RoomRequest::Show { room } => json!({ "type": "room", "room": room }),
            RoomRequest::Set { room, setting, value } => {
                let (field, values) = SETTINGS[*setting];
                let word = json!(values[*value]);
                let value = if *setting < 4 { word } else { json!(*value == 1) };
                json!({ "type": "room", "room": room, field: value })
            }
            RoomRequest::Rename { room, name } => {
                json!({ "type": "room_name", "room": room, "name": name })
            }
            RoomRequest::Delete { room } => {
                json!({ "type": "delete_room", "room": room, "name": room })
            }
            RoomRequest::Role { room, name, role } => {
                let role = ROLES[usize::from(*role)];
                json!({ "type": "role", "room": room, "name": name, "role": role })
            }
            RoomRequest::Keep { room } => json!({ "type": "keep", "room": room }),
            RoomRequest::Admit { room, name } => {
                json!({ "type": "admit", "room": room, "name": name })
            }
            RoomRequest::Refuse { room, name } => {
                json!({ "type": "refuse", "room": room, "name": name })
            }
            RoomRequest::Hook { room, name } => {
                json!({ "type": "hook", "room": room, "name": name })
            }
            RoomRequest::EndHook { room, name } => {
                json!({ "type": "end_hook", "room": room, "name": name })
            }
            RoomRequest::Kick { room, name, minutes, reason } => json!({
                "type": "kick", "room": room, "name": name, "minutes": minutes, "reason": reason
            }),
        }
    }

    pub fn line(&self) -> String {
        let room_of = |room: &Option<String>| room.clone().unwrap_or_default();
        match self {
            RoomRequest::Show { .. } => "/room".to_owned(),
            RoomRequest::Set { setting, value, .. } => {
                let (name, values) = SETTINGS[*setting];
                format!("/room {name} {}", values[*value])
            }
            RoomRequest::Rename { name, .. } => format!("/rename {name}"),
            RoomRequest::Delete { room } => format!("/delete-room {room}"),
            RoomRequest::Role { room, name, role } => {
                format!("/role {name} {} {room}", ROLES[usize::from(*role)])
            }
            RoomRequest::Keep { .. } => "/keep".to_owned(),
            RoomRequest::Admit { room: None, name } => format!("/invite {name}"),
            RoomRequest::Admit { room, name } => format!("/accept {name} {}", room_of(room)),
            RoomRequest::Refuse { room, name } => format!("/refuse {name} {}", room_of(room)),
            RoomRequest::Hook { room, name } => format!("/hook {} {name}", room_of(room)),
            RoomRequest::EndHook { room, name } => {
                format!("/hooks {} end {name}", room_of(room))
            }
            RoomRequest::Kick { name, minutes, reason, .. } => {
                let minutes = minutes.map_or(String::new(), |minutes| format!(" {minutes}"));
                let reason = reason.as_ref().map_or(String::new(), |reason| format!(" {reason}"));
                format!("/kick {name}{minutes}{reason}")
            }
        }
    }

    /// The request that an object of this type is, if it is one about rooms.
    pub fn of_object(object: &Value) -> Option<RoomRequest> {
        let field = |name: &str| object[name].as_str().map(str::to_owned);
        let (room, name) = (field("room"), field("name"));
        let named = || field("name").expect("a name");
        Some(match object["type"].as_str()? {
            "room" => RoomRequest::of_settings(object),
            "room_name" => RoomRequest::Rename { room, name: named() },
            "delete_room" => RoomRequest::Delete { room: room? },
            "role" => {
                let role = role(object["role"].as_str()?)?;
                RoomRequest::Role { room: room?, name: name?, role }
            }
            "keep" => RoomRequest::Keep { room },
            "admit" => RoomRequest::Admit { room, name: named() },
            "refuse" => RoomRequest::Refuse { room, name: named() },
            "hook" => RoomRequest::Hook { room, name: named() },
            "end_hook" => RoomRequest::EndHook { room, name: named() },
            "kick" => RoomRequest::Kick {
                room,
                name: named(),
                minutes: object["minutes"].as_u64(),
                reason: field("reason"),
            },
            _ => return None,
        })
    }

    fn of_settings(object: &Value) -> RoomRequest {
        let room = object["room"].as_str().map(str::to_owned);
        let set = |(setting, (name, values)): (usize, &(&str, &[&str]))| {
            let value = match &object[*name] {
                Value::String(word) => values.iter().position(|value| value == word)?,
                Value::Bool(is_so) => usize::from(*is_so),
                _ => return None,
            };
            Some(RoomRequest::Set { room: room.clone(), setting, value })
        };
        SETTINGS.iter().enumerate().find_map(set).unwrap_or(RoomRequest::Show { room })
    }

    /// The same of a command with its words.
    pub fn of_words(words: &[String]) -> Option<RoomRequest> {
        let word = |at: usize| words.get(at).cloned();
        let named = || word(1).expect("a name");
        Some(match words[0].as_str() {
            "room" => match word(1) {
                None => RoomRequest::Show { room: None },
                Some(name) => {
                    let setting = SETTINGS.iter().position(|(setting, _)| *setting == name)?;
                    let value = word(2)?;
                    let value = SETTINGS[setting].1.iter().position(|one| *one == value)?;
                    RoomRequest::Set { room: None, setting, value }
                }
            },
            "rename" => RoomRequest::Rename { room: None, name: named() },
            "delete-room" => RoomRequest::Delete { room: named() },
            "role" => RoomRequest::Role { room: word(3)?, name: named(), role: role(&word(2)?)? },
            "keep" => RoomRequest::Keep { room: None },
            "accept" => RoomRequest::Admit { room: word(2), name: named() },
            "invite" if !is_number(&word(1)?) && !word(1)?.starts_with('#') => {
                RoomRequest::Admit { room: word(2), name: named() }
            }
            "refuse" => RoomRequest::Refuse { room: word(2), name: named() },
            "hook" => match word(2) {
                None => RoomRequest::Hook { room: None, name: named() },
                Some(name) => RoomRequest::Hook { room: word(1), name },
            },
            "hooks" => {
                let room = word(1).filter(|word| word.starts_with('#'));
                RoomRequest::EndHook { room, name: words.last()?.clone() }
            }
            "kick" => {
                let minutes = word(2).and_then(|minutes| minutes.parse().ok());
                let rest = &words[words.len().min(2 + usize::from(minutes.is_some()))..];
                let reason = (!rest.is_empty()).then(|| rest.join(" "));
                RoomRequest::Kick { room: None, name: named(), minutes, reason }
            }
            _ => return None,
        })
    }

    pub fn needs(&self) -> Needs {
        match self {
            RoomRequest::Show { .. } => Needs::Guest,
            _ => Needs::Account,
        }
    }

    pub fn concerns_others(&self) -> bool {
        !matches!(self, RoomRequest::Show { .. })
    }
}

fn role(name: &str) -> Option<u8> {
    ROLES.iter().position(|role| *role == name).map(|role| role as u8)
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}
