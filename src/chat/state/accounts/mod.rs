//! Accounts: users who are kept, what they are known by, and how others come to have one.
//!
//! An account is a user ([`super::users`]) that stays while it is not connected; this has the rest
//! of it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{Index, Name};
use crate::chat::state::slots::{Identified, Slots};
use crate::wire::http::credential::COOKIE_SECONDS;

/// The digest of a code, a token or a cookie: these themselves are kept nowhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    pub fn of(secret: &str) -> SecretHash {
        SecretHash(Sha256::digest(secret.as_bytes()).into())
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHash({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// What an account may do on the whole server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    #[default]
    None,
    Admin,
    Owner,
}

impl Role {
    const ALL: [Role; 3] = [Role::None, Role::Admin, Role::Owner];

    pub fn number(self) -> u8 {
        match self {
            Role::None => 0,
            Role::Admin => 1,
            Role::Owner => 2,
        }
    }

    /// One that is not known may do nothing.
    pub fn of_number(number: u8) -> Role {
        Role::ALL.into_iter().find(|role| role.number() == number).unwrap_or_default()
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Role::None => "member",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }

    pub fn parse(typed: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(typed))
    }
}

/// What an account is, besides being a user. It should stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The hash of its password, as a PHC string.
    pub password: Option<Box<str>>,
    pub role: Role,
    pub created_ms: u64,
    /// The account whose bot it is: it has a token, and no password.
    pub owner: Option<UserId>,
    /// In the order in which they were made.
    keys: Box<[AccessKey]>,
}

impl Account {
    pub(in crate::chat) fn new(
        password: Option<Box<str>>,
        role: Role,
        created_ms: u64,
        keys: Vec<AccessKey>,
    ) -> Account {
        Account { password, role, created_ms, owner: None, keys: keys.into() }
    }

    pub(in crate::chat) fn bot(owner: UserId, created_ms: u64) -> Account {
        let owner = Some(owner);
        Account { owner, ..Account::new(None, Role::None, created_ms, Vec::new()) }
    }

    pub fn keys(&self) -> &[AccessKey] {
        &self.keys
    }

    pub fn key(&self, id: u32) -> Option<&AccessKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The id of the key that is made next.
    pub fn next_key(&self) -> u32 {
        self.keys.last().map_or(1, |key| key.id + 1)
    }
}

/// What a browser or a program is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Counts the keys of an account.
    pub id: u32,
    pub hash: SecretHash,
    /// A program's token, or else a browser's cookie.
    pub is_token: bool,
    pub label: Box<str>,
    pub created_ms: u64,
}

impl AccessKey {
    /// A token is until it is ended; a browser forgets its cookie after a year, and so do we.
    pub fn is_good(&self, unix_ms: u64) -> bool {
        let browser_ms = 1000 * u64::from(COOKIE_SECONDS);
        self.is_token || unix_ms < self.created_ms.saturating_add(browser_ms)
    }
}

/// A code that lets somebody have an account, enter rooms, or have a new password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub hash: SecretHash,
    pub by: UserId,
    /// The account whose password it sets, if it makes none.
    pub resets: Option<UserId>,
    /// How often it can still be used; `None`: any number of times.
    pub uses: Option<u32>,
    /// When it ends, if it does.
    pub until_ms: Option<u64>,
    /// The rooms that it lets into, in ascending order.
    pub rooms: Vec<RoomId>,
    /// Whether it lets somebody have an account.
    pub makes_account: bool,
}

impl Invitation {
    pub fn is_good(&self, unix_ms: u64) -> bool {
        self.uses != Some(0) && self.until_ms.is_none_or(|until| unix_ms < until)
    }
}

/// A name that an account has had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    pub name: Name,
    pub account: UserId,
    pub until_ms: u64,
}

/// An account where it is kept.
#[derive(Debug)]
struct Slot {
    user: UserId,
    account: Account,
}

impl Identified for Slot {
    type Id = UserId;

    fn id(&self) -> UserId {
        self.user
    }
}

/// All accounts.
///
/// Invariant: `by_hash` has the hash of every key of every account, and of nothing else; `bots` has
/// every bot, behind its owner; `reserved_by_name` has the number of every reserved name, of which
/// no two look alike.
#[derive(Debug, Default)]
pub struct Accounts {
    accounts: Slots<Slot>,
    by_hash: HashMap<SecretHash, (UserId, u32)>,
    bots: BTreeSet<(UserId, UserId)>,
    invitations: BTreeMap<u64, Invitation>,
    next_invitation: u64,
    /// By numbers that mean nothing else.
    reserved: BTreeMap<u32, Reserved>,
    reserved_by_name: Index,
}

/// Equal if the same is kept; the rest follows from that.
impl PartialEq for Accounts {
    fn eq(&self, other: &Accounts) -> bool {
        let Accounts {
            accounts,
            by_hash: _,
            bots: _,
            invitations,
            next_invitation,
            reserved,
            reserved_by_name: _,
        } = self;
        let is_same = |slot: &Slot| other.get(slot.user) == Some(&slot.account);
        let has = |one: &Reserved| other.named(one.name.key()).is_some_and(|(_, it)| it == one);
        accounts.len() == other.accounts.len()
            && accounts.iter().all(is_same)
            && *invitations == other.invitations
            && (*next_invitation).max(1) == other.next_invitation()
            && reserved.len() == other.reserved.len()
            && reserved.values().all(has)
    }
}

impl Accounts {
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn count(&self) -> usize {
        self.accounts.len()
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, &Account)> {
        let mut slots: Vec<&Slot> = self.accounts.iter().collect();
        slots.sort_unstable_by_key(|slot| slot.user);
        slots.into_iter().map(|slot| (slot.user, &slot.account))
    }

    pub fn get(&self, user: UserId) -> Option<&Account> {
        self.accounts.get(user).map(|slot| &slot.account)
    }

    fn get_mut(&mut self, user: UserId) -> Option<&mut Account> {
        self.accounts.get_mut(user).map(|slot| &mut slot.account)
    }

    /// Whether this user is kept. Asked for each client: most servers have fewer accounts than
    /// guests, and many have none.
    pub fn contains(&self, user: UserId) -> bool {
        !self.is_empty() && self.accounts.slot(user).is_some()
    }

    pub fn role(&self, user: UserId) -> Role {
        self.get(user).map_or(Role::None, |account| account.role)
    }

    /// Whose bot this account is, if it is one.
    pub fn owner_of(&self, user: UserId) -> Option<UserId> {
        self.get(user)?.owner
    }

    /// For whom the names are reserved that this account has had: a bot's are its owner's.
    pub fn name_keeper(&self, user: UserId) -> UserId {
        self.owner_of(user).unwrap_or(user)
    }

    /// The bots of an account, the oldest first.
    pub fn bots_of(&self, owner: UserId) -> impl Iterator<Item = UserId> {
        let all = self.bots.range((owner, UserId::FIRST)..).take_while(move |(of, _)| *of == owner);
        all.map(|(_, bot)| *bot)
    }

    pub fn has_owner(&self) -> bool {
        self.accounts.iter().any(|slot| slot.account.role == Role::Owner)
    }

    /// Whose key this is, and which, if it is good at this time.
    pub fn find_key(&self, hash: SecretHash, unix_ms: u64) -> Option<(UserId, u32)> {
        let &(user, id) = self.by_hash.get(&hash)?;
        let key = self.get(user)?.key(id)?;
        key.is_good(unix_ms).then_some((user, id))
    }

    /// The id of the invitation that is made next.
    pub fn next_invitation(&self) -> u64 {
        self.next_invitation.max(1)
    }

    /// In the order in which they were made.
    pub fn invitations(&self) -> impl Iterator<Item = (u64, &Invitation)> {
        self.invitations.iter().map(|(&id, invitation)| (id, invitation))
    }

    pub fn invitation(&self, id: u64) -> Option<&Invitation> {
        self.invitations.get(&id)
    }

    /// The invitation that has this code, if it can be used at this time.
    pub fn find_invitation(&self, hash: SecretHash, unix_ms: u64) -> Option<u64> {
        let mut all = self.invitations();
        all.find(|(_, one)| one.hash == hash && one.is_good(unix_ms)).map(|(id, _)| id)
    }

    /// The names that accounts have had and nobody else can have now.
    pub fn reserved(&self) -> impl ExactSizeIterator<Item = &Reserved> {
        self.reserved.values()
    }

    /// A reserved name that this one could be taken for, unless it is reserved for this user.
    pub fn find_reserved(
        &self,
        name: &Name,
        user: Option<UserId>,
        unix_ms: u64,
    ) -> Option<&Reserved> {
        let held = self.reserved_alike(name)?;
        let keeper = user.map(|user| self.name_keeper(user));
        (Some(held.account) != keeper && unix_ms < held.until_ms).then_some(held)
    }

    // ---- Changes ----

    pub(super) fn make(&mut self, user: UserId, account: Account) {
        for key in account.keys() {
            self.by_hash.insert(key.hash, (user, key.id));
        }
        self.bots.extend(account.owner.map(|owner| (owner, user)));
        self.accounts.insert(Slot { user, account });
    }

    pub(super) fn end(&mut self, user: UserId) {
        if let Some((_, slot)) = self.accounts.remove(user) {
            for key in slot.account.keys() {
                self.by_hash.remove(&key.hash);
            }
            if let Some(owner) = slot.account.owner {
                self.bots.remove(&(owner, user));
            }
            self.invitations.retain(|_, one| one.by != user && one.resets != Some(user));
        }
    }

    pub(super) fn set_password(&mut self, user: UserId, password: Box<str>) {
        if let Some(account) = self.get_mut(user) {
            account.password = Some(password);
        }
    }

    pub(super) fn set_role(&mut self, user: UserId, role: Role) {
        if let Some(account) = self.get_mut(user) {
            account.role = role;
        }
    }

    pub(super) fn add_key(&mut self, user: UserId, key: AccessKey) {
        let account = self.get_mut(user);
        if let Some(account) = account.filter(|account| account.key(key.id).is_none()) {
            let (hash, id) = (key.hash, key.id);
            let mut keys = std::mem::take(&mut account.keys).into_vec();
            keys.push(key);
            account.keys = keys.into();
            self.by_hash.insert(hash, (user, id));
        }
    }

    pub(super) fn end_key(&mut self, user: UserId, id: u32) {
        let Some(account) = self.get_mut(user) else { return };
        if let Some(hash) = account.key(id).map(|key| key.hash) {
            let keys = std::mem::take(&mut account.keys).into_iter();
            account.keys = keys.filter(|key| key.id != id).collect();
            self.by_hash.remove(&hash);
        }
    }

    pub(super) fn invite(&mut self, id: u64, invitation: Invitation) {
        self.next_invitation = self.next_invitation().max(id + 1);
        self.invitations.insert(id, invitation);
    }

    /// An invitation was used once.
    pub(super) fn use_invitation(&mut self, id: u64) {
        let Some(invitation) = self.invitations.get_mut(&id) else { return };
        if let Some(uses) = &mut invitation.uses {
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.invitations.remove(&id);
            }
        }
    }

    /// A room is no more.
    pub(super) fn forget_room(&mut self, room: RoomId) {
        for invitation in self.invitations.values_mut() {
            invitation.rooms.retain(|&of| of != room);
        }
    }

    pub(super) fn end_invitation(&mut self, id: u64) {
        self.invitations.remove(&id);
    }

    /// The reserved name that this one could be taken for: for anybody, and over or not.
    pub fn reserved_alike(&self, name: &Name) -> Option<&Reserved> {
        let name_of = |number| self.name_of(number);
        self.reserved.get(&self.reserved_by_name.find_alike(name, None, name_of)?)
    }

    /// Whether a name with this key is reserved.
    pub fn is_reserved(&self, key: &str) -> bool {
        self.named(key).is_some()
    }

    fn named(&self, key: &str) -> Option<(u32, &Reserved)> {
        let number = self.reserved_by_name.find(key, |number| self.name_of(number))?;
        Some((number, self.reserved.get(&number)?))
    }

    fn name_of(&self, number: u32) -> Option<&Name> {
        self.reserved.get(&number).map(|reserved| &reserved.name)
    }

    /// What looks like it has been released before.
    pub(super) fn reserve(&mut self, reserved: Reserved) {
        let number = self.reserved.last_key_value().map_or(0, |(number, _)| number + 1);
        self.reserved_by_name.insert(number, &reserved.name);
        self.reserved.insert(number, reserved);
    }

    pub(super) fn release(&mut self, key: &str) {
        if let Some((number, _)) = self.named(key) {
            self.remove_reserved(number);
        }
    }

    fn remove_reserved(&mut self, number: u32) {
        if let Some(reserved) = self.reserved.remove(&number) {
            self.reserved_by_name.remove(number, &reserved.name);
        }
    }

    /// The invitation that is made next has at least this id.
    pub(super) fn continue_invitations(&mut self, next: u64) {
        self.next_invitation = self.next_invitation().max(next);
    }
}
