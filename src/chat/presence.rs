//! Comings, goings and other names: told one by one, and summed up where they come thick and fast.

use std::collections::{BTreeMap, VecDeque};

use crate::chat::ids::RoomId;
use crate::clock::Millis;
use crate::throttle::{Rate, TokenBucket};

/// What somebody does that the others in a room are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Joined,
    Left,
    Renamed,
}

/// From when on changes are summed up, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceLimits {
    /// `--announce-rate`: changes that one room is told of, one by one.
    pub rate: Rate,
    /// Those over it are summed up for so long.
    pub sum_ms: Millis,
}

/// How many changes of each kind there were. Somebody who came and left counts in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub joined: u32,
    pub left: u32,
    pub renamed: u32,
}

impl Sum {
    fn add(&mut self, change: Change) {
        let count = match change {
            Change::Joined => &mut self.joined,
            Change::Left => &mut self.left,
            Change::Renamed => &mut self.renamed,
        };
        *count = count.saturating_add(1);
    }
}

/// A room that was told of a change lately.
#[derive(Debug, Default)]
struct BusyRoom {
    bucket: TokenBucket,
    /// What it has not been told yet.
    sum: Option<Sum>,
    last_change: Millis,
}

/// The rooms where somebody came or went lately: none for a room where nobody does.
///
/// Invariant: every room with a sum is in `due` once; `due` ascends, and may name rooms that have
/// closed meanwhile. `forget_at` is there exactly if a room is.
#[derive(Debug, Default)]
pub struct PresenceSums {
    rooms: BTreeMap<RoomId, BusyRoom>,
    due: VecDeque<(Millis, RoomId)>,
    /// When rooms are forgotten whose bucket is full again.
    forget_at: Option<Millis>,
}

impl PresenceSums {
    /// Whether a room is told of a change at once; if not, it counts in the room's sum.
    pub fn is_told_at_once(
        &mut self,
        id: RoomId,
        change: Change,
        now_ms: Millis,
        limits: &PresenceLimits,
    ) -> bool {
        if limits.rate == Rate::Off {
            return true;
        }
        self.forget_at.get_or_insert(now_ms + limits.rate.fill_ms());
        let room = self.rooms.entry(id).or_default();
        room.last_change = now_ms;
        // What comes after something that is not told yet is not told before it.
        if room.sum.is_none() && room.bucket.try_take(now_ms, &limits.rate).is_ok() {
            return true;
        }
        if room.sum.is_none() {
            self.due.push_back((now_ms + limits.sum_ms, id));
        }
        room.sum.get_or_insert_default().add(change);
        false
    }

    /// A room has closed: there is nobody to tell.
    pub fn room_closed(&mut self, id: RoomId) {
        self.rooms.remove(&id);
    }

    /// When a room is to be told its sum, or rooms can be forgotten.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.due.front().map(|&(at, _)| at).into_iter().chain(self.forget_at).min()
    }

    /// Has all that is summed up told now.
    pub fn make_due(&mut self, now_ms: Millis) {
        self.due.iter_mut().for_each(|(at, _)| *at = (*at).min(now_ms));
    }

    /// Takes out a sum that is due. It takes all that is in the room's bucket, so that sums follow
    /// one another for as long as the rate is exceeded.
    pub fn take_due(&mut self, now_ms: Millis, limits: &PresenceLimits) -> Option<(RoomId, Sum)> {
        while let Some(&(_, id)) = self.due.front().filter(|(at, _)| *at <= now_ms) {
            self.due.pop_front();
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            let Some(sum) = room.sum.take() else { continue };
            room.bucket.drain(now_ms, &limits.rate);
            room.last_change = now_ms;
            return Some((id, sum));
        }
        None
    }

    /// Forgets rooms where nothing has happened for so long that their buckets are full again.
    pub fn forget_idle(&mut self, now_ms: Millis, limits: &PresenceLimits) {
        if self.forget_at.is_none_or(|at| at > now_ms) {
            return;
        }
        let fill_ms = limits.rate.fill_ms();
        self.rooms.retain(|_, room| room.sum.is_some() || room.last_change + fill_ms > now_ms);
        self.forget_at = (!self.rooms.is_empty()).then_some(now_ms + fill_ms);
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.due.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::FIRST;

    fn limits() -> PresenceLimits {
        PresenceLimits { rate: "3:2".parse().expect("a rate"), sum_ms: 1000 }
    }

    /// How many of these changes are told at once.
    fn told(sums: &mut PresenceSums, now_ms: Millis, changes: &[Change]) -> usize {
        let is_told = |&&change: &&Change| sums.is_told_at_once(ROOM, change, now_ms, &limits());
        changes.iter().filter(is_told).count()
    }

    #[test]
    fn past_the_rate_changes_are_summed_up_for_a_second() {
        use Change::{Joined, Left, Renamed};
        let mut sums = PresenceSums::default();
        assert_eq!(told(&mut sums, 0, &[Joined; 3]), 3);
        assert_eq!(told(&mut sums, 10, &[Joined, Left, Joined, Renamed]), 0);
        // A token is there again, and would be told before what came first.
        assert_eq!(told(&mut sums, 900, &[Left]), 0);
        assert_eq!(sums.take_due(1009, &limits()), None);
        assert_eq!(sums.next_deadline(), Some(1010));
        let sum = Sum { joined: 2, left: 2, renamed: 1 };
        assert_eq!(sums.take_due(1010, &limits()), Some((ROOM, sum)));
        assert_eq!(sums.take_due(1010, &limits()), None);
        assert_eq!(told(&mut sums, 1020, &[Joined]), 0, "sums follow one another");
        let sum = Sum { joined: 1, ..Sum::default() };
        assert_eq!(sums.take_due(2020, &limits()), Some((ROOM, sum)));
        assert_eq!(told(&mut sums, 2600, &[Joined, Joined]), 1, "one by one again");
    }

    #[test]
    fn a_room_where_nobody_comes_and_goes_costs_nothing() {
        let mut sums = PresenceSums::default();
        told(&mut sums, 0, &[Change::Left; 5]);
        assert_eq!(sums.take_due(1000, &limits()).expect("a sum").1.left, 2);
        // The bucket of three is full after 1.5 s.
        assert_eq!(sums.next_deadline(), Some(1500));
        sums.forget_idle(1500, &limits());
        assert_eq!((sums.rooms.len(), sums.next_deadline()), (1, Some(3000)));
        sums.forget_idle(3000, &limits());
        assert_eq!((sums.rooms.len(), sums.next_deadline()), (0, None));
        // One that closes is not told any more.
        told(&mut sums, 4000, &[Change::Left; 5]);
        sums.room_closed(ROOM);
        assert_eq!(sums.take_due(5000, &limits()), None);
        sums.forget_idle(5500, &limits());
        assert_eq!(sums.next_deadline(), None);
    }

    #[test]
    fn without_a_rate_everything_is_told_at_once() {
        let limits = PresenceLimits { rate: Rate::Off, sum_ms: 1000 };
        let mut sums = PresenceSums::default();
        for now_ms in 0..1000 {
            assert!(sums.is_told_at_once(ROOM, Change::Joined, now_ms, &limits));
        }
        assert_eq!(sums.next_deadline(), None);
    }
}
