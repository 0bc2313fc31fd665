//! Connections: which user each is, and what is known of it for no longer than it lasts.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::chat::away::Aways;
use crate::chat::followers::Followers;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::state::order::Network;
use crate::chat::state::users::UserSlot;
use crate::clock::Millis;
use crate::delivery::channels::ChannelId;
use crate::ids::{ClientId, Peer};
use crate::throttle::{Rate, TokenBucket};

/// One connection. There is one for every idle client: it should stay small.
#[derive(Debug)]
pub struct Session {
    pub user: UserId,
    pub bucket: TokenBucket,
    /// Where it comes from, as [`Network::packed`] has it.
    network: u64,
    serial: u32,
    /// The channel of the room that it talks in.
    pub current: Option<ChannelId>,
}

/// What is known of a connection, for another process.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionSnapshot {
    pub user: UserId,
    bucket: TokenBucket,
    since_ms: u64,
    is_private: bool,
    key: Option<u32>,
    /// Its place among several devices.
    rank: Option<usize>,
    is_alone: bool,
    held_up: Option<Millis>,
    line: Option<(u64, Option<RoomId>)>,
    follows: Option<BTreeSet<Box<str>>>,
}

/// All connections, by client and by user.
///
/// Invariant: `by_user` holds, in the slot of every guest that is connected, the key of its client;
/// `devices` has the clients of every account that is connected, and never an empty list of them.
#[derive(Debug, Default)]
pub struct Sessions {
    sessions: Vec<Option<Session>>,
    devices: BTreeMap<UserId, Vec<ClientId>>,
    /// Which device of its account each was in another process: few, and only if one was.
    ranks: BTreeMap<ClientId, usize>,
    /// The access keys that clients have come by: of the account that they are.
    keys: BTreeMap<ClientId, u32>,
    /// Whether a password may be read from a client: a bit each.
    private: Vec<u64>,
    /// Those that have been told that nobody hears them where they talk: few at any time.
    alone: BTreeSet<ClientId>,
    /// When flood control has last held up those that were told so.
    held_up: BTreeMap<ClientId, Millis>,
    /// How much had been said when those who are in several rooms at a terminal typed their last
    /// line, and the room that they have been told of in which somebody talks while they talk
    /// elsewhere.
    lines: BTreeMap<ClientId, (u64, Option<RoomId>)>,
    by_user: Vec<u32>,
    pub followers: Followers,
    pub aways: Aways,
    /// Since when each client is here, in seconds since 1970.
    since_s: Vec<u32>,
}

impl Sessions {
    /// Sets address space aside, so that growing does not copy everybody in the middle of a turn.
    pub fn reserve(&mut self, expected: usize) {
        self.sessions.reserve_exact(expected.saturating_sub(self.sessions.len()));
        self.by_user.reserve_exact(expected.saturating_sub(self.by_user.len()));
        self.since_s.reserve_exact(expected.saturating_sub(self.since_s.len()));
    }

    pub fn get(&self, client: ClientId) -> Option<&Session> {
        let session = self.sessions.get(client.index())?.as_ref();
        session.filter(|session| session.serial == client.serial)
    }

    pub fn get_mut(&mut self, client: ClientId) -> Option<&mut Session> {
        let session = self.sessions.get_mut(client.index())?.as_mut();
        session.filter(|session| session.serial == client.serial)
    }

    /// The connections of a user, who is kept in this slot.
    pub fn clients_of(&self, user: UserId, slot: UserSlot) -> impl Iterator<Item = ClientId> {
        let devices = match self.devices.is_empty() {
            true => None,
            false => self.devices.get(&user),
        };
        let guest = if devices.is_none() { self.client_of(user, slot) } else { None };
        devices.into_iter().flatten().copied().chain(guest)
    }

    fn client_of(&self, user: UserId, slot: UserSlot) -> Option<ClientId> {
        let &key = self.by_user.get(slot.index())?;
        let session = self.sessions.get(key as usize)?.as_ref();
        let session = session.filter(|session| session.user == user)?;
        Some(ClientId { key, serial: session.serial })
    }

    /// A client is a device of this account from now on.
    pub fn attach(&mut self, client: ClientId, account: UserId) {
        self.detach(client);
        if let Some(session) = self.get_mut(client) {
            session.user = account;
            self.devices.entry(account).or_default().push(client);
        }
    }

    /// A client is no device of its account any more; it is going to be this user.
    pub fn become_guest(&mut self, client: ClientId, user: UserId) {
        self.detach(client);
        if let Some(session) = self.get_mut(client) {
            session.user = user;
        }
    }

    fn detach(&mut self, client: ClientId) {
        if self.devices.is_empty() {
            return;
        }
        self.keys.remove(&client);
        self.ranks.remove(&client);
        let Some(account) = self.get(client).map(|session| session.user) else { return };
        let Some(devices) = self.devices.get_mut(&account) else { return };
        devices.retain(|device| *device != client);
        if devices.is_empty() {
            self.devices.remove(&account);
        }
    }

    /// A client has come by this key of its account.
    pub fn set_key(&mut self, client: ClientId, key: u32) {
        self.keys.insert(client, key);
    }

    pub fn key_of(&self, client: ClientId) -> Option<u32> {
        self.keys.get(&client).copied()
    }

    /// The clients that have come by a key of this account.
    pub fn with_key(&self, account: UserId, key: u32) -> impl Iterator<Item = ClientId> {
        let devices = self.devices.get(&account).into_iter().flatten().copied();
        devices.filter(move |client| self.key_of(*client) == Some(key))
    }

    pub fn set_private(&mut self, client: ClientId, is_private: bool) {
        let (word, bit) = (client.index() / 64, 1 << (client.index() % 64));
        if self.private.len() <= word {
            self.private.resize(word + 1, 0);
        }
        match is_private {
            true => self.private[word] |= bit,
            false => self.private[word] &= !bit,
        }
    }

    /// Whether a password may be read from this client.
    pub fn is_private(&self, client: ClientId) -> bool {
        let (word, bit) = (client.index() / 64, 1 << (client.index() % 64));
        self.private.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Connections that are somebody.
    pub fn count(&self) -> usize {
        self.sessions.iter().flatten().count()
    }

    /// A client that has come now is going to be this user.
    pub fn add(&mut self, client: ClientId, user: UserId, peer: Peer, unix_ms: u64) {
        if self.sessions.len() <= client.index() {
            self.sessions.resize_with(client.index() + 1, || None);
            self.since_s.resize(client.index() + 1, 0);
        }
        self.since_s[client.index()] = u32::try_from(unix_ms / 1000).unwrap_or(u32::MAX);
        self.sessions[client.index()] = Some(Session {
            user,
            bucket: TokenBucket::default(),
            network: Network::of(peer.ip()).packed(),
            serial: client.serial,
            current: None,
        });
    }

    /// Since when a client is here, to the second.
    pub fn since_ms(&self, client: ClientId) -> Option<u64> {
        self.get(client)?;
        self.since_s.get(client.index()).map(|&since_s| u64::from(since_s) * 1000)
    }

    /// The user of a client is kept in this slot now.
    pub fn connected(&mut self, client: ClientId, slot: UserSlot) {
        if self.by_user.len() <= slot.index() {
            self.by_user.resize(slot.index() + 1, 0);
        }
        self.by_user[slot.index()] = client.key;
    }

    pub fn remove(&mut self, client: ClientId) {
        if self.get(client).is_some() {
            self.detach(client);
            self.sessions[client.index()] = None;
            self.alone.remove(&client);
            self.held_up.remove(&client);
            self.lines.remove(&client);
            self.followers.end(client);
            self.aways.forget(client);
        }
    }

    /// The address, or the network, that a client comes from.
    pub fn network_of(&self, client: ClientId) -> Option<Network> {
        self.get(client).map(|session| Network::unpacked(session.network))
    }

    /// Makes a channel the one that a client talks in.
    pub fn talk_in(&mut self, client: ClientId, channel: Option<ChannelId>) {
        if let Some(session) = self.get_mut(client) {
            session.current = channel;
            self.alone.remove(&client);
            self.lines.remove(&client);
        }
    }

    pub fn set_last_line(&mut self, client: ClientId, said: u64) {
        self.lines.entry(client).or_default().0 = said;
    }

    /// Of a client that is in one room it is of no use.
    pub fn forget_last_line(&mut self, client: ClientId) {
        if !self.lines.is_empty() {
            self.lines.remove(&client);
        }
    }

    /// How much had been said when a client that is in several rooms typed its last line.
    #[inline]
    pub fn last_line(&self, client: ClientId) -> Option<u64> {
        self.lines.get(&client).map(|&(at, _)| at)
    }

    /// Whether a client should be told that what it heard last was said in another room.
    pub fn needs_elsewhere_notice(&mut self, client: ClientId, room: RoomId) -> bool {
        let told = self.lines.get_mut(&client).map(|(_, told)| told.replace(room));
        told.is_some_and(|told| told != Some(room))
    }

    /// Flood control holds a client up; whether it should be told so now: once, until it has not been
    /// held up for so long that its bucket may be full.
    pub fn needs_pace_notice(&mut self, client: ClientId, now_ms: Millis, rate: &Rate) -> bool {
        let last = self.held_up.insert(client, now_ms);
        last.is_none_or(|last| last + rate.fill_ms() <= now_ms)
    }

    /// What else is known of a client, for another process to go on with.
    pub fn snapshot(&self, client: ClientId) -> Option<SessionSnapshot> {
        let Session { user, bucket, .. } = *self.get(client)?;
        Some(SessionSnapshot {
            user,
            bucket,
            since_ms: self.since_ms(client)?,
            is_private: self.is_private(client),
            key: self.key_of(client),
            rank: self.rank_of(client, user),
            is_alone: self.alone.contains(&client),
            held_up: self.held_up.get(&client).copied(),
            line: self.lines.get(&client).copied(),
            follows: self.followers.rooms_of(client),
        })
    }

    /// A client is here that another process has had. `slot`: its user's, if that is a guest.
    /// `shows_ids`: see [`Followers::begin`].
    pub fn restore(
        &mut self,
        client: ClientId,
        peer: Peer,
        snapshot: SessionSnapshot,
        slot: Option<UserSlot>,
        shows_ids: bool,
    ) {
        let SessionSnapshot { user, bucket, since_ms, is_private, key, rank, .. } = snapshot;
        let SessionSnapshot { is_alone, held_up, line, follows, .. } = snapshot;
        self.add(client, user, peer, since_ms);
        match slot {
            Some(slot) => self.connected(client, slot),
            None => self.attach(client, user),
        }
        if let Some(session) = self.get_mut(client) {
            session.bucket = bucket;
        }
        self.set_private(client, is_private);
        self.keys.extend(key.map(|key| (client, key)));
        if let (Some(rank), Some(devices)) = (rank, self.devices.get_mut(&user)) {
            self.ranks.insert(client, rank);
            devices.sort_by_key(|one| self.ranks.get(one).copied());
        }
        if is_alone {
            self.alone.insert(client);
        }
        self.held_up.extend(held_up.map(|at| (client, at)));
        self.lines.extend(line.map(|line| (client, line)));
        if let Some(rooms) = follows {
            let places = rooms.into_iter().map(|room| (room, None)).collect();
            self.followers.begin(client, places, shows_ids);
        }
    }

    fn rank_of(&self, client: ClientId, user: UserId) -> Option<usize> {
        let devices = self.devices.get(&user).filter(|devices| devices.len() > 1)?;
        devices.iter().position(|device| *device == client)
    }

    /// A client talks in this channel, as it did in another process.
    pub fn restore_current(&mut self, client: ClientId, channel: Option<ChannelId>) {
        if let Some(session) = self.get_mut(client) {
            session.current = channel;
        }
    }

    /// A client talks where others are, or where nobody else is; whether it should be told so now.
    pub fn needs_alone_notice(&mut self, client: ClientId, is_alone: bool) -> bool {
        if is_alone {
            return self.alone.insert(client);
        }
        if !self.alone.is_empty() {
            self.alone.remove(&client);
        }
        false
    }
}

/// The channel of each room, and those who listen to the lobby without being in it.
#[derive(Debug, Default)]
pub struct RoomChannels {
    by_room: HashMap<RoomId, ChannelId>,
    /// The channel that was found last: one message looks for that of its room several times.
    found: Cell<Option<ChannelId>>,
    /// By channel.
    rooms: Vec<Option<RoomId>>,
    /// By channel: which message of all that were said the last one there was, and the one before.
    /// The last comes last.
    said_in: Vec<[u64; 2]>,
    /// How many messages were said.
    said: u64,
    pub listeners: Option<ChannelId>,
}

impl RoomChannels {
    #[inline]
    pub fn of(&self, room: RoomId) -> Option<ChannelId> {
        let found = self.found.get();
        let is_found = found.is_some_and(|channel| self.room(channel) == Some(room));
        if is_found { found } else { self.look_up(room) }
    }

    fn look_up(&self, room: RoomId) -> Option<ChannelId> {
        let channel = self.by_room.get(&room).copied()?;
        self.found.set(Some(channel));
        Some(channel)
    }

    pub fn room(&self, channel: ChannelId) -> Option<RoomId> {
        self.rooms.get(channel.index()).copied().flatten()
    }

    pub fn insert(&mut self, room: RoomId, channel: ChannelId) {
        if self.rooms.len() <= channel.index() {
            self.rooms.resize(channel.index() + 1, None);
        }
        self.rooms[channel.index()] = Some(room);
        self.said_in.resize(self.rooms.len(), [0; 2]);
        self.said_in[channel.index()] = [0; 2];
        self.by_room.insert(room, channel);
    }

    /// Something was said in a room.
    pub fn note_said(&mut self, room: RoomId) {
        self.said += 1;
        if let Some(channel) = self.of(room)
            && let Some([before, last]) = self.said_in.get_mut(channel.index())
        {
            (*before, *last) = (*last, self.said);
        }
    }

    /// How many messages were said since the start.
    pub fn said(&self) -> u64 {
        self.said
    }

    /// Which of them the last but one was in this channel, and the last; 0: there is none.
    pub fn said_in(&self, channel: ChannelId) -> [u64; 2] {
        self.said_in.get(channel.index()).copied().unwrap_or_default()
    }

    /// How much was said, and which of it last in the rooms that have a channel, in the order of
    /// these.
    pub fn snapshot(&self) -> (u64, Vec<(RoomId, [u64; 2])>) {
        let rooms = self.rooms.iter().zip(&self.said_in);
        (self.said, rooms.filter_map(|(room, said)| Some(((*room)?, *said))).collect())
    }

    /// Goes on from there. The rooms have channels.
    pub fn restore(&mut self, said: u64, said_in: &[(RoomId, [u64; 2])]) {
        self.said = said;
        for (room, said) in said_in {
            if let Some(channel) = self.of(*room) {
                self.said_in[channel.index()] = *said;
            }
        }
    }

    /// Forgets all rooms. Returns their channels, in an order that is always the same.
    pub fn clear(&mut self) -> Vec<ChannelId> {
        let rooms = std::mem::take(&mut self.rooms);
        let channels = rooms.into_iter().flatten().filter_map(|room| self.by_room.remove(&room));
        channels.collect()
    }

    pub fn remove(&mut self, room: RoomId) -> Option<ChannelId> {
        let channel = self.by_room.remove(&room)?;
        self.rooms[channel.index()] = None;
        Some(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_stays_small() {
        assert_eq!(size_of::<Option<Session>>(), 32);
    }

    #[test]
    fn a_session_is_of_one_connection() {
        let mut sessions = Sessions::default();
        let (first, second) = (UserId::FIRST, UserId::FIRST.next());
        let (old, new) = (ClientId::new(4, 1), ClientId::new(4, 2));
        let slot = UserSlot::new(0);
        sessions.add(old, first, Peer::default(), 7_999);
        sessions.connected(old, slot);
        assert_eq!(sessions.since_ms(old), Some(7_000));
        assert_eq!(sessions.clients_of(first, slot).next(), Some(old));
        assert!(sessions.get(new).is_none(), "it is not there yet");
        assert!(sessions.needs_alone_notice(old, true) && !sessions.needs_alone_notice(old, true));
        sessions.remove(old);
        assert_eq!(sessions.clients_of(first, slot).next(), None);
        sessions.add(new, second, Peer::default(), 9_000);
        assert_eq!((sessions.since_ms(old), sessions.since_ms(new)), (None, Some(9_000)));
        sessions.connected(new, slot);
        sessions.remove(old);
        assert_eq!(sessions.clients_of(first, slot).next(), None, "the slot is another's now");
        assert_eq!(sessions.clients_of(second, slot).next(), Some(new));
        assert!(sessions.get(old).is_none());
        assert!(sessions.needs_alone_notice(new, true));
        assert!(!sessions.needs_alone_notice(new, false));
        assert!(sessions.needs_alone_notice(new, true), "somebody had been there meanwhile");
        sessions.talk_in(new, None);
        assert!(sessions.needs_alone_notice(new, true), "it talks elsewhere");
    }
}
