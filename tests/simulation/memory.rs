//! What a program remembers of its rooms, so that it can come back and resume.
//!
//! It knows nothing of the model: ids that grow by one are all that it goes by. Whatever was lost
//! with a connection, it is to see every message once, or to be told of a gap.

use serde_json::{Value, json};

use crate::ask::{Ask, Sent, written};
use crate::say;

#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The last message id seen of each room.
    pub last_ids: Vec<(String, u64)>,
    /// The references of requests that are to resume, not yet answered.
    resuming: Vec<u64>,
    /// What it comes back with.
    pub token: Option<String>,
}

impl Memory {
    /// A request for each room, to go on where it was.
    pub fn resume(&mut self, counter: &mut u64) -> Vec<Sent> {
        let resume = |(room, since): &(String, u64)| {
            *counter += 1;
            self.resuming.push(*counter);
            let object = json!({ "type": "join", "room": room, "since": since, "epoch": "now" });
            let ask = Ask::Join {
                room: room.clone(),
                since: Some(*since),
                same_epoch: true,
                replay: None,
            };
            Sent {
                bytes: say::refer(object.to_string(), Some(*counter)).into_bytes(),
                ask,
                reference: Some(*counter),
            }
        };
        self.last_ids.iter().map(resume).collect()
    }

    /// Looks at what has come.
    pub fn note(&mut self, object: &Value) {
        if let Some(token) = object["resume"].as_str() {
            self.token = Some(token.to_owned());
        }
        let Some(room) = object["room"].as_str().map(str::to_lowercase) else { return };
        match object["type"].as_str() {
            Some("joined") if object["you"] == true => {
                let resumed = object["ref"].as_str().and_then(|reference| {
                    let at = self
                        .resuming
                        .iter()
                        .position(|&resuming| written(resuming) == reference)?;
                    Some(self.resuming.swap_remove(at))
                });
                let position = object["position"].as_u64().expect("a position");
                let known = self.last_ids.iter_mut().find(|(known, _)| *known == room);
                match (known, resumed) {
                    (Some((_, last)), Some(_)) if object["gap"] == false => {
                        assert!(position >= *last)
                    }
                    (Some((_, last)), _) => *last = position,
                    (None, _) => self.last_ids.push((room, position)),
                }
            }
            Some("said") => self.saw(&room, object["id"].as_u64()),
            Some("history") if object["replay"] == true => {
                for message in object["messages"].as_array().expect("messages") {
                    let id = message["id"].as_u64();
                    if id > self.last(&room).map(|last| *last) {
                        self.saw(&room, id);
                    }
                }
            }
            _ => {}
        }
    }

    fn last(&mut self, room: &str) -> Option<&mut u64> {
        self.last_ids.iter_mut().find(|(known, _)| known == room).map(|(_, last)| last)
    }

    fn saw(&mut self, room: &str, id: Option<u64>) {
        let last = self.last(room).expect("nobody hears a room before it has joined");
        assert_eq!(Some(*last + 1), id, "the message that follows in {room}");
        *last += 1;
    }
}
