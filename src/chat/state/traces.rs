//! What outlasts the visit of a guest: what was done about it holds when it comes back, for as long
//! as its token is known. A closed tab ends no mute.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::chat::ids::{RoomId, UserId};
use crate::chat::record::GuestChange;
use crate::chat::state::State;
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::order::{Mute, OrderChange};
use crate::chat::state::rooms::rules::MemberRecord;

/// What is remembered of a guest who has left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trace {
    /// The rooms that it was removed from, and until when it is not let in.
    removed: Vec<(RoomId, Option<u64>)>,
    mutes: Vec<(RoomId, Mute)>,
    ignored_by: Vec<UserId>,
    ignores: Vec<UserId>,
}

/// See the module's documentation.
///
/// Invariant: `gone` has tokens whose guests have left, and no empty trace; `came_by` has guests who
/// are here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Traces {
    gone: BTreeMap<SecretHash, Trace>,
    /// The invitations by which guests have come into rooms.
    came_by: BTreeSet<(UserId, u64)>,
}

impl Traces {
    /// What is remembered of guests who have left, by their tokens.
    pub(super) fn gone(&self) -> impl Iterator<Item = (SecretHash, &Trace)> {
        self.gone.iter().map(|(token, trace)| (*token, trace))
    }

    /// The guests who are here, and the invitations by which they have come into rooms.
    pub(super) fn came_by(&self) -> impl Iterator<Item = (UserId, u64)> {
        self.came_by.iter().copied()
    }

    /// Adds what another process has known.
    pub(super) fn restore(&mut self, gone: Vec<(SecretHash, Trace)>, came_by: Vec<(UserId, u64)>) {
        self.gone.extend(gone);
        self.came_by.extend(came_by);
    }

    /// A guest has an account from now on, or is no more.
    pub(super) fn forget(&mut self, guest: UserId) {
        while let Some(&one) = self.came_by.range((guest, 0)..(guest.next(), 0)).next() {
            self.came_by.remove(&one);
        }
    }
}

impl State {
    /// The invitations by which a guest has come into rooms on this visit.
    pub fn came_by(&self, guest: UserId) -> impl Iterator<Item = u64> {
        let own = self.traces.came_by.range((guest, 0)..(guest.next(), 0));
        own.map(|&(_, invitation)| invitation)
    }

    // ---- Changes ----

    pub(super) fn use_invitation(&mut self, by: UserId, invitation: u64) {
        self.accounts.use_invitation(invitation);
        if !self.accounts.contains(by) {
            self.traces.came_by.insert((by, invitation));
        }
    }

    /// A guest leaves.
    pub(super) fn end_guest(&mut self, guest: UserId, unix_ms: u64) {
        let trace = self.guest_tokens.of(guest).map(|token| (token, self.trace_of(guest)));
        self.order.forget_guest(guest);
        self.forget_guest(guest);
        self.traces.forget(guest);
        if let Some(user) = self.users.get(guest) {
            self.guest_tokens.leave(guest, &user.name, unix_ms);
        }
        if let Some((token, trace)) = trace.filter(|(_, trace)| *trace != Trace::default()) {
            self.traces.gone.insert(token, trace);
        }
    }

    pub(super) fn apply_of_guest(&mut self, by: UserId, change: GuestChange, unix_ms: u64) {
        match change {
            GuestChange::TokenGiven { hash, shown } => {
                let known = shown.and_then(|shown| self.guest_tokens.find(shown));
                let known = known.map(|(known, _)| known);
                self.guest_tokens.give(by, hash, shown, unix_ms);
                if let Some(trace) = known.and_then(|known| self.traces.gone.remove(&known)) {
                    self.resume_trace(by, trace);
                }
            }
            GuestChange::TokenProven => self.guest_tokens.prove(by),
            GuestChange::TokenEnded { hash } => {
                self.guest_tokens.end(hash);
                self.traces.gone.remove(&hash);
            }
        }
    }

    fn trace_of(&self, guest: UserId) -> Trace {
        let own = self.guest_records.range((guest, RoomId::FIRST)..(guest.next(), RoomId::FIRST));
        let records = own.map(|&(_, room)| (room, self.member_record(guest, room).removed_until));
        let mutes = self.order.mutes_of(guest).map(|(room, mute)| (room, mute.clone()));
        Trace {
            removed: records.filter(|(_, until)| until.is_some()).collect(),
            mutes: mutes.collect(),
            ignored_by: self.order.ignoring(guest).collect(),
            ignores: self.order.ignored_by(guest).collect(),
        }
    }

    /// A guest who has left is here again, as another user.
    fn resume_trace(&mut self, guest: UserId, trace: Trace) {
        let Trace { removed, mutes, ignored_by, ignores } = trace;
        for (room, removed_until) in removed {
            let record = MemberRecord { removed_until, ..self.member_record(guest, room) };
            self.set_record(guest, room, record);
        }
        for (room, mute) in mutes.into_iter().filter(|(room, _)| self.rooms.get(*room).is_some()) {
            self.order.apply(guest, OrderChange::Muted { room, user: guest, mute });
        }
        for by in ignored_by.into_iter().filter(|by| self.users.get(*by).is_some()) {
            self.order.apply(by, OrderChange::Ignored { user: guest });
        }
        for user in ignores.into_iter().filter(|user| self.users.get(*user).is_some()) {
            self.order.apply(guest, OrderChange::Ignored { user });
        }
    }
}
