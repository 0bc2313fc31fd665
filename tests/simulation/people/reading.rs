//! What was read, as programs are told of it: counts are held to the messages that the same program
//! has been told of.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a program has been told of its rooms.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The id of the last message of each room.
    last: BTreeMap<String, u64>,
    /// What was read there last, for as long as it is in the room as the same account.
    read: BTreeMap<String, u64>,
    /// How often the account has gone back behind what it had read, and this has not been told yet.
    goes_back: usize,
}

impl Watched {
    /// Its account has read nothing after a message from now on.
    pub fn goes_back(&mut self) {
        self.goes_back += 1;
    }

    /// A program hears something. Whether that is about what was read alone, which others of the
    /// same account may have done at any time.
    pub fn hear(&mut self, heard: &str) -> bool {
        let heard: Value = serde_json::from_str(heard).expect("an object");
        let room = heard["room"].as_str().unwrap_or_default().to_owned();
        let is_own = heard["you"] == true;
        match heard["type"].as_str().unwrap_or_default() {
            "said" => {
                self.last.insert(room, heard["id"].as_u64().expect("an id"));
            }
            "joined" if is_own => {
                self.last.insert(room.clone(), heard["position"].as_u64().expect("a position"));
                self.read.remove(&room);
                if heard.get("read").is_some() {
                    self.check(&room, &heard, "read");
                }
            }
            "left" if is_own => {
                self.last.remove(&room);
                self.read.remove(&room);
            }
            "account" => self.read.clear(),
            "room" if heard.get("from").is_some() => {
                let from = heard["from"].as_str().expect("a name");
                for ids in [&mut self.last, &mut self.read] {
                    if let Some(id) = ids.remove(from) {
                        ids.insert(room.clone(), id);
                    }
                }
            }
            // Of conversations only the sums are known here. What is asked for is predicted.
            "read" if heard.get("with").is_some() => return heard.get("ref").is_none(),
            "read" => {
                self.check(&room, &heard, "id");
                return heard.get("ref").is_none();
            }
            "unread" => {
                for row in heard["rooms"].as_array().expect("rooms") {
                    if let Some(room) = row["room"].as_str()
                        && let Some(last) = self.last.get(room)
                    {
                        assert_eq!(Some(*last), row["last"].as_u64(), "{row}");
                        self.check(room, row, "read");
                    }
                }
            }
            _ => {}
        }
        false
    }

    /// What is unread is exactly what comes after what was read, and that only grows unless somebody
    /// goes back.
    fn check(&mut self, room: &str, told: &Value, field: &str) {
        let number = |field: &str| told[field].as_u64().expect("a number");
        let (read, unread, mentions) = (number(field), number("unread"), number("mentions"));
        // A terminal that comes takes its account along into its room, and its other devices are not
        // told of that.
        let Some(last) = self.last.get(room).copied() else { return };
        assert_eq!(read + unread, last, "{told}");
        assert!(mentions <= unread, "{told}");
        let before = self.read.insert(room.to_owned(), read).unwrap_or(0);
        if before > read {
            let goes_back = self.goes_back.checked_sub(1);
            self.goes_back = goes_back.unwrap_or_else(|| panic!("{before} was read: {told}"));
        }
    }
}
