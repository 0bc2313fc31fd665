//! What waits for a room, or for one user, that is behind.
//!
//! A request that would have to wait is parked here, read and bound to its room or its addressee
//! already, and its client goes on meanwhile. Nothing is kept of clients of which nothing waits,
//! and nothing of this decides what the state becomes: a request is executed when it leaves.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::chat::dialect::json::RequestRef;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::settings::{PARKED_BYTES_MAX, PARKED_MAX};
use crate::chat::state::history::MessageKind;
use crate::clock::Millis;
use crate::delivery::Wait;
use crate::ids::{ClientId, Peer};

/// What a parked request does, bound to what it meant when it came.
#[derive(Debug)]
pub enum Action {
    Say { room: RoomId, text: Box<str>, kind: MessageKind, key: Option<Box<str>> },
    Topic { room: RoomId, text: Box<str> },
    Direct { to: UserId, name: Box<str>, text: Box<str>, key: Option<Box<str>> },
}

impl Action {
    pub fn text(&self) -> &str {
        match self {
            Action::Say { text, .. } | Action::Topic { text, .. } | Action::Direct { text, .. } => {
                text
            }
        }
    }
}

/// A request that waits.
#[derive(Debug)]
pub struct Parked {
    pub client: ClientId,
    pub peer: Peer,
    pub reference: Option<RequestRef>,
    pub action: Action,
}

/// Where a request stands: what it waits for, and its place among those that wait for the same.
#[derive(Clone, Copy, Debug)]
struct Place {
    what: Wait,
    /// Lower ranks go first. Of one client they never fall, so that its requests stay in order.
    rank: u64,
    /// Requests are numbered as they come; of one rank, the older goes first.
    number: u64,
    bytes: usize,
}

/// All that waits.
///
/// Invariant: `places` has the place of every request in `queues`, by its client and in the order
/// in which they came; `deadlines` has those that have one, by number. Neither a queue nor a
/// client's list is empty.
#[derive(Debug, Default)]
pub struct Backlog {
    queues: HashMap<Wait, BTreeMap<(u64, u64), Parked>>,
    places: HashMap<ClientId, Vec<Place>>,
    /// All have the same patience, so the lowest number has the earliest deadline.
    deadlines: BTreeMap<u64, (Millis, Place)>,
    next_number: u64,
    held_bytes: usize,
}

impl Backlog {
    /// Whether anything waits for this.
    pub fn waits_for(&self, what: Wait) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&what)
    }

    /// Whether anything of this client waits.
    pub fn has_any_of(&self, client: ClientId) -> bool {
        !self.places.is_empty() && self.places.contains_key(&client)
    }

    /// Whether one more request of so many bytes may wait for a room: one of any size, or several
    /// small ones.
    pub fn has_room_for(&self, client: ClientId, bytes: usize) -> bool {
        let (count, parked) = self.for_rooms(client);
        count == 0 || count < PARKED_MAX && parked + bytes <= PARKED_BYTES_MAX
    }

    /// How many requests of a client wait for rooms, and their bytes.
    fn for_rooms(&self, client: ClientId) -> (usize, usize) {
        let places = self.places.get(&client).map_or(&[][..], Vec::as_slice);
        let of_rooms = places.iter().filter(|place| matches!(place.what, Wait::ChannelClear(_)));
        of_rooms.fold((0, 0), |(count, bytes), place| (count + 1, bytes + place.bytes))
    }

    /// How many private messages of a client wait.
    pub fn directs_of(&self, client: ClientId) -> usize {
        let places = self.places.get(&client).map_or(&[][..], Vec::as_slice);
        places.iter().filter(|place| matches!(place.what, Wait::ClientClear(_))).count()
    }

    /// Keeps a request until what it waits for is clear. `due`: when it has waited long enough;
    /// never earlier than that of the request before.
    pub fn park(&mut self, what: Wait, rank: u64, due: Option<Millis>, parked: Parked) {
        let (client, bytes) = (parked.client, parked.action.text().len());
        let places = self.places.entry(client).or_default();
        let before = places.iter().rev().find(|place| place.what == what);
        let rank = before.map_or(rank, |before| before.rank.max(rank));
        let place = Place { what, rank, number: self.next_number, bytes };
        self.next_number += 1;
        self.held_bytes += bytes + size_of::<Parked>();
        places.push(place);
        if let Some(due) = due {
            self.deadlines.insert(place.number, (due, place));
        }
        self.queues.entry(what).or_default().insert((rank, place.number), parked);
    }

    /// Takes out the next request that waits for this.
    pub fn pop(&mut self, what: Wait) -> Option<Parked> {
        let (&(_, number), parked) = self.queues.get(&what)?.first_key_value()?;
        let places = self.places.get(&parked.client)?;
        let place = *places.iter().find(|place| place.number == number)?;
        self.remove(place)
    }

    /// What the oldest request waits for.
    pub fn first_wait(&self) -> Option<Wait> {
        let all = self.places.values().flatten();
        all.min_by_key(|place| place.number).map(|place| place.what)
    }

    /// Takes out a request that has waited long enough.
    pub fn pop_due(&mut self, now_ms: Millis) -> Option<Parked> {
        let (_, &(due, place)) = self.deadlines.first_key_value()?;
        if due <= now_ms { self.remove(place) } else { None }
    }

    /// When the next request will have waited long enough.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first_key_value().map(|(_, &(due, _))| due)
    }

    /// Takes out all that waits of a client, or all that waits for one thing, as it came.
    pub fn withdraw(&mut self, client: ClientId, what: Option<Wait>) -> Vec<Parked> {
        if !self.has_any_of(client) {
            return Vec::new();
        }
        let places = self.places.get(&client).cloned().unwrap_or_default();
        let chosen = places.into_iter().filter(|place| what.is_none_or(|what| place.what == what));
        chosen.filter_map(|place| self.remove(place)).collect()
    }

    fn remove(&mut self, place: Place) -> Option<Parked> {
        let queue = self.queues.get_mut(&place.what)?;
        let parked = queue.remove(&(place.rank, place.number))?;
        if queue.is_empty() {
            self.queues.remove(&place.what);
        }
        if let Some(places) = self.places.get_mut(&parked.client) {
            places.retain(|other| other.number != place.number);
            if places.is_empty() {
                self.places.remove(&parked.client);
            }
        }
        self.deadlines.remove(&place.number);
        self.held_bytes -= place.bytes + size_of::<Parked>();
        Some(parked)
    }

    /// What all of it takes, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// What a client's part of it takes, in bytes.
    pub fn held_bytes_of(&self, client: ClientId) -> usize {
        let places = self.places.get(&client).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| place.bytes + size_of::<Parked>()).sum()
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.queues.shrink_to_fit();
        self.places.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::channels::ChannelId;

    fn client(key: usize) -> ClientId {
        ClientId::new(key, 1)
    }

    fn room(key: usize) -> Wait {
        Wait::ChannelClear(ChannelId::new(key))
    }

    fn said(client: ClientId, text: &str) -> Parked {
        let (room, kind) = (RoomId::FIRST, MessageKind::Said);
        let action = Action::Say { room, text: text.into(), kind, key: None };
        Parked { client, peer: Peer::default(), reference: None, action }
    }

    fn texts(backlog: &mut Backlog, what: Wait) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop(what)).map(|it| it.action.text().to_owned()).collect()
    }

    #[test]
    fn lower_ranks_go_first_and_those_of_one_client_in_order() {
        let mut backlog = Backlog::default();
        backlog.park(room(0), 9, None, said(client(1), "one"));
        backlog.park(room(0), 2, None, said(client(1), "two"));
        backlog.park(room(0), 3, None, said(client(2), "word"));
        backlog.park(room(0), 3, None, said(client(3), "later word"));
        backlog.park(room(1), 1, None, said(client(1), "elsewhere"));
        assert_eq!(texts(&mut backlog, room(0)), ["word", "later word", "one", "two"]);
        assert!(!backlog.waits_for(room(0)) && backlog.waits_for(room(1)));
        assert!(!backlog.has_any_of(client(2)) && backlog.has_any_of(client(1)));
        assert_eq!(texts(&mut backlog, room(1)), ["elsewhere"]);
        assert_eq!((backlog.held_bytes(), backlog.places.len()), (0, 0));
    }

    #[test]
    fn one_request_of_any_size_may_wait_or_several_small_ones() {
        let mut backlog = Backlog::default();
        assert!(backlog.has_room_for(client(1), 1 << 20));
        backlog.park(room(0), 0, None, said(client(1), &"x".repeat(PARKED_BYTES_MAX)));
        assert!(!backlog.has_room_for(client(1), 1));
        for _ in 0..PARKED_MAX {
            assert!(backlog.has_room_for(client(2), 100));
            backlog.park(room(0), 0, None, said(client(2), "x"));
        }
        assert!(!backlog.has_room_for(client(2), 100), "there are too many");
        let direct = || Parked {
            action: Action::Direct {
                to: UserId::FIRST,
                name: "bob".into(),
                text: "hi".into(),
                key: None,
            },
            ..said(client(3), "")
        };
        backlog.park(Wait::ClientClear(client(1)), 0, Some(7), direct());
        assert!(backlog.has_room_for(client(3), 1 << 20), "private messages are counted apart");
        assert_eq!((backlog.directs_of(client(3)), backlog.next_deadline()), (1, Some(7)));
        assert!(backlog.pop_due(6).is_none() && backlog.pop_due(7).is_some());
        assert_eq!((backlog.directs_of(client(3)), backlog.next_deadline()), (0, None));
    }

    #[test]
    fn what_is_withdrawn_comes_back_in_order_and_is_forgotten() {
        let mut backlog = Backlog::default();
        for (at, text) in [(0, "a"), (1, "b"), (0, "c")] {
            backlog.park(room(at), 5, None, said(client(1), text));
        }
        backlog.park(room(0), 5, None, said(client(2), "d"));
        let text = |parked: Parked| parked.action.text().to_owned();
        let back = backlog.withdraw(client(1), Some(room(0)));
        assert_eq!(back.into_iter().map(text).collect::<Vec<_>>(), ["a", "c"]);
        let back = backlog.withdraw(client(1), None);
        assert_eq!(back.into_iter().map(text).collect::<Vec<_>>(), ["b"]);
        assert!(backlog.withdraw(client(1), None).is_empty());
        assert_eq!(texts(&mut backlog, room(0)), ["d"]);
        assert_eq!(backlog.held_bytes(), 0);
    }
}
