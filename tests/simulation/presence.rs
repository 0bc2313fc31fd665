//! Comings, goings and other names that are summed up.

use serde_json::{Value, json};

use super::Model;

/// What one room has been told lately of those who come and go.
#[derive(Debug, Default)]
pub struct Presence {
    /// Thousandths of an announcement that it was over its rate, and when.
    used: u64,
    used_at: u64,
    /// Who came, left and took another name and was not announced, and when the room is told.
    sum: Option<([u64; 3], u64)>,
}

impl Model {
    /// Whether a room is told of something at once; if not, it counts.
    pub(super) fn is_told_at_once(&mut self, key: &str, told: &Value) -> bool {
        let Some((burst, per_second)) = self.presence_rate else { return true };
        let (now, sum_ms) = (told["time"].as_u64().expect("a time"), self.settings.presence.sum_ms);
        let presence = &mut self.rooms.get_mut(key).expect("it is there").presence;
        presence.recover(per_second, now);
        if presence.sum.is_none() && presence.used + 1000 <= u64::from(burst) * 1000 {
            presence.used += 1000;
            return true;
        }
        let kinds = ["joined", "left", "renamed"];
        let kind = kinds.iter().position(|kind| told["type"] == *kind).expect("one of them");
        presence.sum.get_or_insert(([0; 3], now + sum_ms)).0[kind] += 1;
        false
    }

    /// Tells all rooms whose sums are due.
    pub fn tell_sums(&mut self, now: u64) {
        let Some((burst, per_second)) = self.presence_rate else { return };
        for key in self.rooms.keys().cloned().collect::<Vec<String>>() {
            let room = self.rooms.get_mut(&key).expect("it is there");
            let presence = &mut room.presence;
            let Some((counts, _)) = presence.sum.take_if(|(_, due)| *due <= now) else { continue };
            // It takes all that the room may be told.
            presence.recover(per_second, now);
            while presence.used + 1000 <= u64::from(burst) * 1000 {
                presence.used += 1000;
            }
            let (shown, members) = (room.shown.clone(), room.members.clone());
            let renaming = if counts[2] == 1 { "took another name" } else { "took other names" };
            let words = ["came", "left", renaming];
            let parts = counts.iter().zip(words).filter(|(count, _)| **count > 0);
            let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
            let line = format!("* In {shown}: {}.", parts.join(", "));
            let [joined, left, renamed] = counts;
            let object = json!({
                "type": "presence", "room": shown, "joined": joined, "left": left,
                "renamed": renamed, "members": members.len(), "time": now,
            });
            if self.stopping || members.len() > self.settings.announce_below as usize {
                continue;
            }
            for member in members {
                self.line(member, &key, line.clone());
                self.json(member, &key, object.clone(), None);
            }
        }
    }

    /// No sum is late.
    pub fn check_sums(&self, now: u64) {
        for room in self.rooms.values() {
            let due = room.presence.sum.map_or(u64::MAX, |(_, due)| due);
            assert!(due > now, "{} was to be told a sum at {due}, and it is {now}", room.shown);
        }
    }
}

impl Presence {
    fn recover(&mut self, per_second: u32, now: u64) {
        let recovered = (now - self.used_at) * u64::from(per_second);
        self.used = self.used.saturating_sub(recovered);
        self.used_at = now;
    }
}
