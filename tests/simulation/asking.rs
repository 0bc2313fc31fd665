//! What is answered to questions.

use std::collections::BTreeSet;

use chat_server::chat::dialect::utc::Utc;
use serde_json::{Value, json};

use super::{Dialect, Done, Model, Room, Said, lines, local, row, zone};
use crate::ask::written;
use crate::expect::{Item, Page};

impl Said {
    /// As /history shows it to somebody so far from UTC.
    fn dated(&self, zone_minutes: i64) -> String {
        let Said { id, time, name, text, me } = self;
        let said = match (self.is_deleted(), me) {
            (true, _) => format!("{name}: message removed"),
            (false, true) => format!("* {name} {}", lines(text)),
            (false, false) => format!("{name}: {}", lines(text)),
        };
        format!("*   {} ({id}) {said}", Utc(local(*time, zone_minutes)))
    }
}

impl Model {
    pub(super) fn history(
        &mut self,
        number: usize,
        key: &str,
        before: Option<u64>,
        after: Option<u64>,
        limit: Option<u32>,
        reference: Option<u64>,
    ) {
        let limit = match self.clients[&number].dialect {
            Dialect::Json => limit.unwrap_or(50).clamp(1, 100),
            _ => limit.unwrap_or(20),
        } as usize;
        let held: Vec<Said> = self.rooms[key].held.iter().cloned().collect();
        let wanted: Vec<Said> = match after {
            Some(after) => held.into_iter().filter(|said| said.id > after).collect(),
            None => held.into_iter().filter(|said| said.id < before.unwrap_or(u64::MAX)).collect(),
        };
        let candidates: Vec<&Said> = match after {
            Some(_) => wanted.iter().take(limit).collect(),
            None => wanted.iter().rev().take(limit).collect(),
        };
        let count =
            self.fitting(number, key, &candidates, reference, self.settings.answer_bytes_max);
        let page = if after.is_some() { &wanted[..count] } else { &wanted[wanted.len() - count..] };
        let more = wanted.len() > count && (after.is_some() || count > 0);
        self.page(number, key, page, more, false, reference);
        // A large answer counts as more than one message.
        self.client(number).tokens -= (count / 50) as f64;
    }

    /// How many of these, from the first on, one answer holds: all of them, or as many as it takes
    /// to stay within the bound, and one in any case.
    pub(super) fn fitting(
        &self,
        number: usize,
        key: &str,
        candidates: &[&Said],
        reference: Option<u64>,
        bytes_max: usize,
    ) -> usize {
        let shown = &self.rooms[key].shown;
        let is_json = self.clients[&number].dialect == Dialect::Json;
        let around = match is_json {
            true => {
                let reference =
                    reference.map_or(0, |reference| written(reference).len() + r#","ref":"#.len());
                let object = json!({ "type": "history", "room": shown, "messages": [], "more": false, "replay": true });
                object.to_string().len() + reference
            }
            false => format!("* The last {} messages of {shown} (UTC):", candidates.len()).len(),
        };
        let bytes = |said: &&Said| match is_json {
            true => said.json().to_string().len() + 1,
            false => said.dated(0).replace('\n', "\r\n").len() + 10,
        };
        let fits = |count: &usize| {
            let all = candidates[..*count].iter().map(bytes).sum::<usize>();
            around + 10 + all <= bytes_max
        };
        let most = (1..=candidates.len()).rev().find(fits);
        most.unwrap_or(candidates.len().min(1))
    }

    /// No frame with messages is larger than the bound, but with one message.
    pub fn judge_size(&self, text: &str, object: &Value) {
        let messages = object["messages"].as_array().map_or(0, Vec::len);
        let bytes_max = self.settings.answer_bytes_max;
        assert!(
            messages < 2 || text.len() + 10 <= bytes_max,
            "{messages} messages in {} bytes",
            text.len()
        );
    }

    pub(super) fn page(
        &mut self,
        number: usize,
        key: &str,
        page: &[Said],
        more: bool,
        replay: bool,
        reference: Option<u64>,
    ) {
        let shown = self.rooms[key].shown.clone();
        let minutes = self.clients[&number].zone_minutes;
        let zone = zone(minutes);
        self.line(
            number,
            key,
            match page.len() {
                0 => format!("* Nothing was said in {shown} yet."),
                1 => format!("* The last message of {shown} ({zone}):"),
                count => format!("* The last {count} messages of {shown} ({zone}):"),
            },
        );
        page.iter().for_each(|said| self.line(number, key, said.dated(minutes)));
        let messages: Vec<Value> = page.iter().map(Said::json).collect();
        let mut told =
            json!({ "type": "history", "room": shown, "messages": messages, "more": more });
        if replay {
            told["replay"] = true.into();
        }
        self.json(number, key, told, reference);
    }

    pub(super) fn who(
        &mut self,
        number: usize,
        room: Option<&str>,
        after: usize,
        limit: Option<usize>,
        reference: Option<u64>,
    ) -> Done {
        let key = match room {
            None => self.room_of(number, None)?,
            Some(typed) => Some(typed.to_lowercase())
                .filter(|key| self.rooms.contains_key(key))
                .ok_or("no_such_room")?,
        };
        let Room { shown, members, .. } = &self.rooms[&key];
        let (shown, total) = (shown.clone(), members.len());
        let members: BTreeSet<String> = members.iter().map(|&member| self.name(member)).collect();
        let count = total.saturating_sub(after).min(limit.unwrap_or(50).clamp(1, 50));
        let next = Some(after + count).filter(|&next| count > 0 && next < total);
        let heading = match (after, next) {
            (0, None) => format!("* {total} in {shown}"),
            _ => format!("* {total} in {shown}, {} to {}", after + 1, after + count),
        };
        let page = Page { at: (key.clone(), self.changes), members, after, count };
        match (total, count) {
            (0, _) => self.line(number, &key, format!("* Nobody is in {shown}.")),
            (_, 0) => {
                self.line(number, &key, format!("* {total} in {shown}: there is no such page."))
            }
            _ => self.expect(number, &key, Item::Page(Box::new(Item::Line(heading)), page.clone())),
        }
        if let Some(next) = next {
            self.line(number, &key, format!("* More with /who {shown} {}", next / 50 + 1));
        }
        let mut told = json!({ "type": "members", "room": shown, "total": total, "members": null });
        if let Some(next) = next {
            told["next"] = next.into();
        }
        if let Some(reference) = reference {
            told["ref"] = written(reference).into();
        }
        self.expect(number, &key, Item::Page(Box::new(Item::Json(told)), page));
        Ok(())
    }

    pub(super) fn list_rooms(&mut self, number: usize, reference: Option<u64>) {
        let mut rooms: Vec<Value> = Vec::new();
        let mut lines = Vec::new();
        let current = self.clients[&number].current.as_ref();
        for (key, Room { shown, topic, members, .. }) in &self.rooms {
            rooms.push(json!({ "room": shown, "members": members.len(), "topic": topic }));
            let people = if members.len() == 1 { "person" } else { "people" };
            let dash = if topic.is_empty() { "" } else { ": " };
            let here = match members.contains(&number) {
                _ if current == Some(key) => ", you talk here",
                true => ", you too",
                false => "",
            };
            let count = members.len();
            lines.push(format!("*   {shown} ({count} {people}{here}){dash}{}", row(topic)));
        }
        let total = rooms.len();
        let heading = match total {
            0 => "* There are no rooms. Create one with /join #ROOM.".to_owned(),
            1 => "* 1 room, busiest first:".to_owned(),
            _ => format!("* {total} rooms, busiest first:"),
        };
        self.line(number, "", heading);
        if self.clients[&number].dialect != Dialect::Json {
            lines.into_iter().for_each(|line| self.client(number).expected.float(line));
        }
        self.json(
            number,
            "",
            json!({ "type": "rooms", "rooms": rooms, "total": total }),
            reference,
        );
    }
}
