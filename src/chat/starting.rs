//! What a chat starts with: what a store has kept, and nobody.

use std::collections::BTreeSet;

use super::backlog::Backlog;
use super::ids::{Pair, UserId};
use super::presence::PresenceSums;
use super::record::{Cached, Record};
use super::session::Sessions;
use super::state::State;
use super::written::Written;
use super::{Chat, reading};
use crate::store::{Loaded, StoredRoom};

impl Chat {
    /// Goes on with what a store has kept.
    pub(super) fn start_from(&mut self, loaded: Loaded) {
        self.settings.epoch = loaded.epoch.to_string();
        self.state = State::of_store(self.settings.rooms, &loaded);
        // The room that was spoken in last is the last to make room for others. One in which
        // nothing was said is there again when somebody asks for it.
        let people = loaded.people;
        let members = people.members.iter().map(|&(room, _)| room);
        let settled = people.rules.rooms.iter().map(|one| one.room);
        let members: BTreeSet<u64> = members.chain(settled).collect();
        let stays =
            |room: &StoredRoom| members.contains(&room.room) || Pair::parse(&room.name).is_some();
        let is_kept = |room: &StoredRoom| room.first_id < room.next_id || stays(room);
        let rooms = loaded.rooms.into_iter().filter(is_kept);
        let mut others = self.settings.rooms.rooms_max;
        let rooms: Vec<_> = rooms
            .filter(|room| {
                if Pair::parse(&room.name).is_some() {
                    return true;
                }
                let has_place = others > 0;
                others = others.saturating_sub(1);
                has_place || stays(room)
            })
            .collect();
        let by = UserId::FIRST;
        for room in rooms.into_iter().rev().filter_map(reading::loaded) {
            let event = Cached::Loaded(Box::new(room)).into();
            self.state.apply(Record { unix_ms: 0, by, event });
        }
        self.state.load_rules(&people.rules);
        self.state.load_members(&people);
        self.state.load_readings(&people);
        while self.state.rooms().is_over_bytes()
            && let Some(room) = self.state.rooms().quietest()
        {
            self.state.apply(Record { unix_ms: 0, by, event: self.state.without(room) });
        }
    }

    /// Forgets everybody, and all that is known of them.
    pub(super) fn forget_all(&mut self) {
        self.state = State::new(self.settings.rooms);
        self.sessions = Sessions::default();
        self.replays.clear();
        self.presence = PresenceSums::default();
        self.backlog = Backlog::default();
        self.questions.clear();
        self.logins.clear();
        self.written = Written::default();
        self.posts.clear();
        self.arrivals.clear();
        self.arriving.clear();
        self.absences.clear();
        self.outside.clear();
        self.unproven.clear();
    }
}
