//! What a store keeps of people, without any cleverness: the simulated disk has it, and the real
//! store is held to it.

#[path = "kept_order.rs"]
mod kept_order;

use std::collections::{BTreeMap, BTreeSet};

use chat_server::store::{
    CALLS_MAX, Change, ReadingChange, RulesChange, StoredAccessKey, StoredAccount,
    StoredGuestToken, StoredHook, StoredInvitation, StoredName, StoredPeople, StoredReading,
    StoredRecord, StoredRoomName, StoredRules, StoredSettings,
};

use kept_order::KeptOrder;

#[derive(Clone, Debug, Default)]
pub struct KeptPeople {
    pub accounts: BTreeMap<u64, StoredAccount>,
    pub keys: BTreeMap<(u64, u32), StoredAccessKey>,
    /// Rooms and accounts.
    pub members: Vec<(u64, u64)>,
    pub invitations: BTreeMap<u64, StoredInvitation>,
    pub reserved: BTreeMap<Box<str>, StoredName>,
    /// The settings of rooms, and what is known there of accounts.
    pub settings: BTreeMap<u64, StoredSettings>,
    pub records: BTreeMap<(u64, u64), StoredRecord>,
    /// Names that rooms have had.
    pub names: BTreeMap<Box<str>, StoredRoomName>,
    /// By rooms, and the keys of their names.
    pub hooks: BTreeMap<(u64, Box<str>), StoredHook>,
    pub guests: BTreeMap<[u8; 32], StoredGuestToken>,
    /// By accounts and rooms.
    pub readings: BTreeMap<(u64, u64), StoredReading>,
    /// Rooms, accounts and ids.
    mentions: BTreeSet<(u64, u64, u64)>,
    calls: BTreeMap<(u64, u64), Option<u64>>,
    /// The ids of all accounts that there ever were.
    used: BTreeSet<u64>,
    last_invitation: u64,
    pub order: KeptOrder,
}

impl KeptPeople {
    /// Makes a change to people, and holds whose it is to what it promises.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Account(account) => self.put_account(account),
            Change::AccountGone { account } => {
                let has_bots = self.accounts.values().any(|one| one.owner == Some(account));
                assert!(!has_bots, "the bots of {account} end before it");
                self.accounts.remove(&account).expect("an account that is gone was there");
                self.keys.retain(|(of, _), _| *of != account);
                self.members.retain(|(_, of)| *of != account);
                self.records.retain(|(_, of), _| *of != account);
                self.hooks.retain(|_, hook| hook.account != account);
                self.readings.retain(|(of, _), _| *of != account);
                self.mentions.retain(|(_, of, _)| *of != account);
                self.invitations.retain(|_, it| it.by != account && it.resets != Some(account));
                self.order.end_account(account);
            }
            Change::AccessKey(key) => {
                assert!(self.accounts.contains_key(&key.account), "{key:?} is nobody's");
                let before = self.keys.insert((key.account, key.key), key);
                assert_eq!(before, None, "two keys have the same number");
            }
            Change::AccessKeyGone { account, key } => {
                self.keys.remove(&(account, key)).expect("a key that is gone was there");
            }
            Change::Member { room, account } => {
                assert!(self.accounts.contains_key(&account), "{account} is no account");
                assert!(!self.members.contains(&(room, account)), "it is a member already");
                self.members.push((room, account));
            }
            Change::MemberGone { room, account } => {
                let at = self.members.iter().position(|member| *member == (room, account));
                self.members.remove(at.expect("a member that is gone was there"));
            }
            Change::Invitation(invitation) => self.put_invitation(invitation),
            Change::InvitationGone { invitation } => {
                self.invitations.remove(&invitation).expect("what is gone was there");
            }
            Change::Reserved(name) => {
                self.reserved.insert(name.key.clone(), name);
            }
            Change::ReservedGone { key } => {
                self.reserved.remove(&key).expect("a name that is free was reserved");
            }
            Change::Order(change) => {
                let is_account = |account| self.accounts.contains_key(&account);
                self.order.apply(change, is_account);
            }
            Change::Rules(change) => self.apply_rules(change),
            Change::GuestToken(token) => drop(self.guests.insert(token.hash, token)),
            Change::GuestTokenGone { hash } => drop(self.guests.remove(&hash)),
            Change::Reading(change) => self.apply_reading(change),
            Change::Deleted { room, id } => {
                self.mentions.retain(|one| (one.0, one.2) != (room, id));
                self.calls.remove(&(room, id));
            }
            other => panic!("{other:?} is not about people"),
        }
    }

    fn apply_rules(&mut self, change: RulesChange) {
        match change {
            RulesChange::Set(settings) => drop(self.settings.insert(settings.room, settings)),
            RulesChange::Record(record) => {
                assert!(self.settings.contains_key(&record.room), "{record:?}: no such settings");
                assert!(self.accounts.contains_key(&record.account), "{record:?}: of nobody");
                self.records.insert((record.room, record.account), record);
            }
            RulesChange::RecordGone { room, account } => {
                self.records.remove(&(room, account)).expect("a record that is gone was there");
            }
            RulesChange::FormerName(name) => drop(self.names.insert(name.key.clone(), name)),
            RulesChange::NameGone { key } => {
                self.names.remove(&key).expect("a name that leads nowhere led somewhere");
            }
            RulesChange::Hook(hook) => {
                assert!(self.settings.contains_key(&hook.room), "{hook:?}: no such settings");
                assert!(self.accounts.contains_key(&hook.account), "{hook:?}: of nobody");
                self.hooks.insert((hook.room, hook.key.clone()), hook);
            }
            RulesChange::HookGone { room, key } => {
                self.hooks.remove(&(room, key)).expect("a hook that is gone was there");
            }
            RulesChange::Renamed { .. } | RulesChange::Emptied { .. } => {}
        }
    }

    fn put_account(&mut self, account: StoredAccount) {
        let others = self.accounts.values().filter(|other| other.account != account.account);
        let namesakes = others.filter(|other| other.key == account.key).count();
        assert_eq!(namesakes, 0, "two accounts are called {}", account.name);
        let has_owner = account.owner.is_none_or(|owner| self.accounts.contains_key(&owner));
        assert!(has_owner, "{account:?} is the bot of nobody");
        if !self.accounts.contains_key(&account.account) {
            assert!(self.used.insert(account.account), "{account:?} has a used id");
        }
        self.accounts.insert(account.account, account);
    }

    fn put_invitation(&mut self, invitation: StoredInvitation) {
        for account in [invitation.by].into_iter().chain(invitation.resets) {
            assert!(self.accounts.contains_key(&account), "{invitation:?} is nobody's");
        }
        if !self.invitations.contains_key(&invitation.invitation) {
            assert!(invitation.invitation > self.last_invitation, "{invitation:?} has a used id");
            self.last_invitation = invitation.invitation;
        }
        self.invitations.insert(invitation.invitation, invitation);
    }

    fn apply_reading(&mut self, change: ReadingChange) {
        match change {
            ReadingChange::Set(reading) => {
                let StoredReading { account, room, read, .. } = reading;
                assert!(self.accounts.contains_key(&account), "{reading:?} is nobody's");
                self.readings.insert((account, room), reading);
                let is_read =
                    |one: &(u64, u64, u64)| (one.0, one.1) == (room, account) && one.2 <= read;
                self.mentions.retain(|one| !is_read(one));
            }
            ReadingChange::Gone { account, room } => {
                self.readings.remove(&(account, room)).expect("it read there");
                self.mentions.retain(|one| (one.0, one.1) != (room, account));
            }
            ReadingChange::Mentioned { room, id, accounts } => {
                for account in accounts {
                    assert!(self.accounts.contains_key(&account), "{account} is no account");
                    assert!(self.mentions.insert((room, account, id)), "it is for it already");
                }
            }
            ReadingChange::Called { room, id, by } => {
                assert_eq!(self.calls.insert((room, id), by), None, "it is for all already");
                let of_room = self.calls.range((room, 0)..=(room, u64::MAX));
                let oldest = of_room.clone().next().map(|(call, _)| *call);
                if of_room.count() > CALLS_MAX {
                    self.calls.remove(&oldest.expect("there is one"));
                }
            }
        }
    }

    /// The room is no more.
    pub fn close_room(&mut self, room: u64) {
        self.members.retain(|(of, _)| *of != room);
        self.order.close_room(room);
        self.settings.remove(&room);
        self.records.retain(|(of, _), _| *of != room);
        self.names.retain(|_, name| name.room != room);
        self.hooks.retain(|(of, _), _| *of != room);
        self.invitations.values_mut().for_each(|it| it.rooms.retain(|of| *of != room));
        self.readings.retain(|(_, of), _| *of != room);
        self.mentions.retain(|(of, ..)| *of != room);
        self.calls.retain(|(of, _), _| *of != room);
    }

    /// As a chat is told.
    pub fn stored(&self) -> StoredPeople {
        let mut reserved: Vec<StoredName> = self.reserved.values().cloned().collect();
        reserved.sort_by_key(|name| name.until_ms);
        let mut guests: Vec<StoredGuestToken> = self.guests.values().cloned().collect();
        guests.sort_by_key(|token| token.until_ms);
        StoredPeople {
            accounts: self.accounts.values().cloned().collect(),
            keys: self.keys.values().cloned().collect(),
            members: self.members.clone(),
            invitations: self.invitations.values().cloned().collect(),
            reserved,
            guests,
            readings: self.readings.values().copied().collect(),
            mentions: self.mentions.iter().copied().collect(),
            calls: self.calls.iter().map(|(&(room, id), &by)| (room, id, by)).collect(),
            next_account: self.used.last().map_or(1, |last| last + 1),
            next_invitation: self.last_invitation + 1,
            rules: StoredRules {
                rooms: self.settings.values().cloned().collect(),
                records: self.records.values().cloned().collect(),
                names: self.names.values().cloned().collect(),
                hooks: self.hooks.values().cloned().collect(),
            },
        }
    }
}
