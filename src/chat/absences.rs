//! Guests whose connections broke and who may come back: for a moment nobody is told.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::chat::ids::{RoomId, UserId};
use crate::clock::Millis;
use crate::ids::{ClientId, Peer};
use crate::throttle::TokenBucket;

/// So many at most are waited for. One more, and the one that has been away for longest leaves.
pub const ABSENT_MAX: usize = 16_384;

/// What is known of somebody who is away.
#[derive(Clone, Copy, Debug)]
pub struct Absence {
    /// The connection that broke. It is no longer there.
    pub client: ClientId,
    pub peer: Peer,
    /// Who comes back may not talk faster for it.
    pub bucket: TokenBucket,
    /// Where it talked.
    pub current: Option<RoomId>,
    pub until_ms: Millis,
}

/// Everybody who is away.
///
/// Invariant: everybody in `away` is in `due` with the same end; `due` ascends, and may name those
/// who have come back.
#[derive(Debug, Default)]
pub struct Absences {
    away: BTreeMap<UserId, Absence>,
    due: VecDeque<(Millis, UserId)>,
}

impl Absences {
    /// Somebody is away from now on.
    pub fn begin(&mut self, user: UserId, absence: Absence) {
        self.due.push_back((absence.until_ms, user));
        self.away.insert(user, absence);
    }

    /// Who is away, those first who are expected first.
    pub fn all(&self) -> Vec<(UserId, Absence)> {
        let mut all: Vec<_> = self.away.iter().map(|(user, one)| (*user, *one)).collect();
        all.sort_by_key(|(user, one)| (one.until_ms, *user));
        all
    }

    /// Somebody has come back.
    pub fn end(&mut self, user: UserId) -> Option<Absence> {
        self.away.remove(&user)
    }

    /// Those who are away that were at such an address.
    pub fn from(&self, is_meant: impl Fn(IpAddr) -> bool) -> Vec<UserId> {
        let those = self.away.iter().filter(|(_, absence)| is_meant(absence.peer.ip()));
        those.map(|(user, _)| *user).collect()
    }

    /// Somebody who has been away for too long, or for longest if there are too many.
    pub fn take_due(&mut self, now_ms: Millis) -> Option<(UserId, Absence)> {
        while let Some(&(until_ms, user)) = self.due.front() {
            let is_away = self.away.get(&user).is_some_and(|one| one.until_ms == until_ms);
            if is_away && until_ms > now_ms && self.away.len() <= ABSENT_MAX {
                return None;
            }
            self.due.pop_front();
            if is_away && let Some(absence) = self.away.remove(&user) {
                return Some((user, absence));
            }
        }
        None
    }

    #[cfg(test)]
    pub fn is_away(&self, user: UserId) -> bool {
        self.away.contains_key(&user)
    }

    /// When somebody has been away for too long. Who has come back is in the way of nobody.
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.away.len() > ABSENT_MAX {
            return Some(0);
        }
        self.due.front().map(|&(until_ms, _)| until_ms)
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.due.shrink_to_fit();
    }

    /// Nobody is here any more.
    pub fn clear(&mut self) {
        self.away.clear();
        self.due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absence(until_ms: Millis) -> Absence {
        Absence {
            client: ClientId::new(0, 1),
            peer: Peer::default(),
            bucket: TokenBucket::default(),
            current: None,
            until_ms,
        }
    }

    #[test]
    fn who_is_away_again_has_its_whole_time() {
        let (mut absences, user) = (Absences::default(), UserId::FIRST);
        absences.begin(user, absence(30));
        assert!(absences.end(user).is_some() && absences.end(user).is_none());
        absences.begin(user, absence(50));
        assert_eq!(absences.next_deadline(), Some(30));
        assert!(absences.take_due(49).is_none());
        assert_eq!(absences.next_deadline(), Some(50));
        assert_eq!(absences.take_due(50).map(|(user, _)| user), Some(user));
        assert!(absences.take_due(50).is_none() && absences.next_deadline().is_none());
    }

    #[test]
    fn too_many_make_place_for_one_another() {
        let (mut absences, mut user) = (Absences::default(), UserId::FIRST);
        for _ in 0..=ABSENT_MAX {
            absences.begin(user, absence(30));
            user = user.next();
        }
        assert_eq!(absences.next_deadline(), Some(0));
        assert_eq!(absences.take_due(0).map(|(user, _)| user), Some(UserId::FIRST));
        assert!(absences.take_due(0).is_none());
        assert_eq!(absences.next_deadline(), Some(30));
    }
}
