//! What the chat hands to its store: the changes of a turn, as one group.

mod guests;
mod order;
mod people;
mod readings;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use readings::ReadLately;

use crate::chat::Chat;
use crate::chat::ids::{Pair, RoomId, UserId};
use crate::chat::name::NameForms;
use crate::chat::record::{Cached, Event, Kept, Presence, Record};
use crate::chat::request::RequestError;
use crate::chat::settings::STORE_PATIENCE_MS;
use crate::chat::state::history::{Message, MessageKind};
use crate::chat::state::rooms::Room;
use crate::clock::Millis;
use crate::delivery::{Delivery, Wait};
use crate::ids::{ClientId, GroupId};
use crate::metrics::Exposition;
use crate::service;
use crate::store::{
    Change, Expired, Progress, Reader, Space, Store, StoreError, StoredMessage, Wake,
};

/// What a change takes beside its texts, in bytes.
const CHANGE_BYTES: usize = 64;

/// A store, and what it is about to be handed.
///
/// Invariant: `newest` is the group of `changes` if there are any, and has been told to delivery.
#[derive(Debug)]
pub struct Keeping {
    store: Box<dyn Store>,
    changes: Vec<Change>,
    newest: GroupId,
    durable: GroupId,
    /// How many numbers guests have been given, as far as it is recorded.
    guests: u64,
    has_new_guests: bool,
    /// Clients that wait for the store, and until when; those that have waited for long enough.
    patience: BTreeMap<ClientId, Millis>,
    impatient: BTreeSet<ClientId>,
    read_lately: ReadLately,
}

impl Keeping {
    pub fn new(store: Box<dyn Store>, guests: u64) -> Keeping {
        Keeping {
            store,
            changes: Vec::new(),
            newest: GroupId::default(),
            durable: GroupId::default(),
            guests,
            has_new_guests: false,
            patience: BTreeMap::new(),
            impatient: BTreeSet::new(),
            read_lately: ReadLately::default(),
        }
    }

    pub fn set_wake(&mut self, wake: Wake) {
        self.store.set_wake(wake);
    }

    pub fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }

    /// The newest group, which all that is in memory follows from.
    pub fn newest(&self) -> GroupId {
        self.newest
    }

    pub fn durable(&self) -> GroupId {
        self.durable
    }

    /// Whether another process could go on with what is kept.
    pub fn check_release(&self) -> Result<(), StoreError> {
        self.store.check_release()
    }

    /// Closes the store: all that was handed over is durable, and another process can open it.
    pub fn release(&mut self) -> Result<(), StoreError> {
        self.store.release()
    }

    /// Opens it again, to go on where it was.
    pub fn take_back(&mut self) -> Result<(), StoreError> {
        self.store.take_back()
    }

    pub fn write_metrics(&self, out: &mut Exposition) {
        self.store.write_metrics(out);
    }

    /// Whether nothing is recorded that can wait.
    pub fn is_full(&self) -> bool {
        self.store.space() != Space::Free
    }

    /// Whether there is something to hand over.
    fn has_changes(&self) -> bool {
        !self.changes.is_empty() || self.has_new_guests
    }

    /// Whether there is something that the store does not have: changes, or what was read lately.
    pub fn has_more_to_write(&self) -> bool {
        self.has_changes() || self.read_lately.next_deadline().is_some()
    }

    /// Changes that were made outside of a turn are handed over at once, and clients that wait for
    /// the store do so for a while.
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.has_changes() {
            return Some(0);
        }
        let patience = self.patience.values().copied();
        patience.chain(self.read_lately.next_deadline()).min()
    }

    /// Clients that have waited for long enough are heard again.
    pub fn tick(&mut self, out: &mut Delivery) {
        let now_ms = out.now().ms;
        let due = self.patience.iter().filter(|(_, at)| **at <= now_ms);
        let due: Vec<ClientId> = due.map(|(&client, _)| client).collect();
        if due.is_empty() {
            return;
        }
        self.patience.retain(|_, at| *at > now_ms);
        self.impatient.extend(due);
        out.wake(Wait::Store);
    }

    /// The client waits no more, or has gone.
    pub fn forget(&mut self, client: ClientId) {
        self.patience.remove(&client);
        self.impatient.remove(&client);
    }

    /// Whether a request of this client may be recorded now, or what it has to wait for.
    /// `keeps_order`: see [`Request::keeps_order`](crate::chat::request::Request::keeps_order).
    ///
    /// # Errors
    /// There is no room, or it has waited for long enough.
    pub fn may_record(
        &mut self,
        client: ClientId,
        keeps_order: bool,
        out: &Delivery,
    ) -> Result<Option<Wait>, RequestError> {
        let has_space = match self.store.space() {
            Space::Free => true,
            Space::Short => keeps_order,
            Space::Full => false,
        };
        if !has_space {
            return Err(disk_full());
        }
        if !out.is_store_behind() {
            return Ok(None);
        }
        if self.impatient.contains(&client) {
            let message = "What is said cannot be stored at the moment. Say it again later.";
            return Err(RequestError::new("not_stored", message.to_owned()));
        }
        self.patience.entry(client).or_insert(out.now().ms + STORE_PATIENCE_MS);
        Ok(Some(Wait::Store))
    }

    /// Adds a change to the group of this turn.
    fn add(&mut self, change: Change, out: &mut Delivery) {
        let bytes = CHANGE_BYTES + texts_of(&change);
        self.begin(bytes, out);
        self.changes.push(change);
    }

    fn begin(&mut self, bytes: usize, out: &mut Delivery) {
        if !self.has_changes() {
            self.newest = self.newest.next();
        }
        out.record(self.newest, bytes);
    }

    /// Only the last number of a turn is kept. With a full disk it is kept with the next one.
    fn note_guests(&mut self, guests: u64, out: &mut Delivery) {
        if guests > self.guests && !self.is_full() {
            self.begin(CHANGE_BYTES, out);
            self.guests = guests;
            self.has_new_guests = true;
        }
    }

    /// Notes what becomes of a guest's token. With a full disk it is not kept: guests come and go.
    fn note_guest(&mut self, changes: Vec<Change>, out: &mut Delivery) {
        if !self.is_full() {
            changes.into_iter().for_each(|change| self.add(change, out));
        }
    }

    /// Hands the changes of this turn over.
    pub fn hand_over(&mut self) {
        if !self.has_changes() {
            return;
        }
        if std::mem::take(&mut self.has_new_guests) {
            self.changes.push(Change::Guests(self.guests));
        }
        self.store.append(self.newest, std::mem::take(&mut self.changes));
    }
}

pub fn disk_full() -> RequestError {
    let message = "The disk is full: nothing can be said until there is room.".to_owned();
    RequestError::new("not_stored", message)
}

fn texts_of(change: &Change) -> usize {
    match change {
        Change::RoomOpened { name, key, skeletons, .. } => {
            name.len() + key.len() + skeletons.iter().map(|skeleton| skeleton.len()).sum::<usize>()
        }
        Change::TopicSet { topic, .. } => topic.len(),
        Change::Said { message, key, .. } => {
            message.author.len() + message.text.len() + key.as_ref().map_or(0, |key| key.len())
        }
        Change::Account(account) => {
            let password = account.password.as_ref().map_or(0, |hash| hash.len());
            account.name.len() + account.key.len() + password
        }
        Change::AccessKey(key) => key.label.len(),
        Change::Reserved(name) => name.name.len() + name.key.len(),
        Change::ReservedGone { key } => key.len(),
        Change::GuestToken(token) => token.name.len(),
        Change::Order(change) => order::texts_of(change),
        Change::RoomClosed { .. }
        | Change::Deleted { .. }
        | Change::Guests(_)
        | Change::AccountGone { .. }
        | Change::AccessKeyGone { .. }
        | Change::Member { .. }
        | Change::MemberGone { .. }
        | Change::Invitation(_)
        | Change::InvitationGone { .. }
        | Change::GuestTokenGone { .. }
        | Change::Rules(_) => 0,
        Change::Reading(change) => readings::bytes_of(change),
    }
}

pub(super) fn opened(room: &Room) -> Change {
    Change::RoomOpened {
        room: room.id.get(),
        name: room.name.as_str().into(),
        key: room.name.key().into(),
        skeletons: match room.between() {
            Some(_) => Vec::new(),
            None => room.name.skeletons().iter().map(Box::from).collect(),
        },
        first_id: room.history.next_id(),
    }
}

fn stored(id: u64, message: &Message) -> StoredMessage {
    StoredMessage {
        id,
        unix_ms: message.unix_ms(),
        is_action: message.kind() == MessageKind::Action,
        author: message.author().into(),
        text: message.text().into(),
        account: message.account().map(UserId::get),
    }
}

impl Chat {
    /// Notes the changes that a record makes to what is kept, before it is told to anybody. A room
    /// is kept from the moment on when there is something in it to keep: a topic, or a word.
    pub(super) fn note_changes(&mut self, record: &Record, out: &mut Delivery) {
        let Some(keeping) = &mut self.keeping else { return };
        let rooms = self.state.rooms();
        match &record.event {
            Event::Kept(Kept::TopicSet { room, topic }) => {
                let change = Change::TopicSet { room: room.get(), topic: topic.clone() };
                self.note_in_room(*room, change, out);
            }
            Event::Kept(Kept::Closed { room }) => {
                if rooms.get(*room).is_some_and(|room| room.kept_from().is_some()) {
                    keeping.add(Change::RoomClosed { room: room.get() }, out);
                }
            }
            Event::Kept(Kept::MessageDeleted { room, id }) => {
                self.note_in_room(*room, Change::Deleted { room: room.get(), id: *id }, out);
            }
            Event::Presence(Presence::Connected { guests, .. }) => {
                keeping.note_guests(*guests, out);
            }
            // What is said is noted by itself.
            Event::Kept(
                Kept::Said { .. }
                | Kept::Opened { .. }
                | Kept::HistoryCut { .. }
                | Kept::Direct { .. },
            )
            | Event::Cached(_) => {}
            Event::Presence(
                Presence::Joined { .. }
                | Presence::Left { .. }
                | Presence::Renamed { .. }
                | Presence::Disconnected,
            )
            | Event::Kept(
                Kept::Room(_)
                | Kept::AccountMade { .. }
                | Kept::BotMade { .. }
                | Kept::AccountEnded
                | Kept::PasswordSet { .. }
                | Kept::RoleSet { .. }
                | Kept::KeyMade(_)
                | Kept::KeyEnded { .. }
                | Kept::Invited { .. }
                | Kept::InvitationEnded { .. }
                | Kept::NameReleased { .. }
                | Kept::Guest(_)
                | Kept::Order(_)
                | Kept::Reading(_),
            ) => self.note_people(record, out),
        }
    }

    /// The same of what is said.
    pub(super) fn note_said(
        &mut self,
        room: RoomId,
        id: u64,
        message: &Message,
        key: Option<&str>,
        out: &mut Delivery,
    ) {
        if self.keeping.is_some() {
            let (message, key) = (stored(id, message), key.map(Box::from));
            self.note_in_room(room, Change::Said { room: room.get(), message, key }, out);
        }
    }

    fn note_in_room(&mut self, room: RoomId, change: Change, out: &mut Delivery) {
        let Some(keeping) = &mut self.keeping else { return };
        let here = self.state.rooms().get(room);
        if let Some(room) = here.filter(|room| room.kept_from().is_none()) {
            keeping.add(opened(room), out);
            for account in room.between().into_iter().flat_map(Pair::accounts) {
                if let Some(begun) = readings::begun(&self.state, account, room.id) {
                    keeping.add(begun, out);
                }
            }
        }
        keeping.add(change, out);
    }

    /// The same of people: of guests, their tokens are kept.
    fn note_people(&mut self, record: &Record, out: &mut Delivery) {
        let Some(keeping) = &mut self.keeping else { return };
        let is_account = self.state.accounts().contains(record.by);
        match &record.event {
            Event::Presence(Presence::Joined { .. } | Presence::Left { .. }) if !is_account => {}
            Event::Presence(_) if !is_account => {
                keeping.note_guest(guests::changes(&self.state, record), out);
            }
            Event::Kept(Kept::Guest(_)) => {
                keeping.note_guest(guests::changes(&self.state, record), out);
            }
            _ => {
                for change in people::changes(&self.state, record) {
                    keeping.add(change, out);
                }
            }
        }
    }

    /// Tells delivery what has become durable, and goes back to what is kept if memory is ahead of
    /// it.
    pub(super) fn follow_store(&mut self, out: &mut Delivery) -> service::Kept {
        let Some(keeping) = &mut self.keeping else { return service::Kept::Whole };
        self.written.set_written(keeping.durable());
        let (group, kept) = match keeping.store.progress() {
            Progress::Durable(group) => {
                keeping.durable = group;
                let expired = keeping.store.take_expired();
                out.durable(group);
                self.expire(expired, out);
                return service::Kept::Whole;
            }
            Progress::Lost(group) => (group, service::Kept::Lost),
            Progress::Broken(group) => (group, service::Kept::Broken),
        };
        out.durable(group);
        match self.reload(group, out) {
            Ok(()) => kept,
            Err(error) => {
                log::error!("what is kept cannot be read: {error}");
                service::Kept::Broken
            }
        }
    }

    /// Forgets what the store has forgotten, and the rooms that it leaves with nobody and nothing in
    /// them. Nobody has done it, and nobody is told.
    fn expire(&mut self, expired: Vec<Expired>, out: &mut Delivery) {
        let (unix_ms, by) = (out.now().unix_ms, UserId::FIRST);
        for Expired { room, first_id } in expired {
            self.questions.expired(room, first_id);
            let Some(room) = RoomId::new(room) else { continue };
            let event = Cached::Expired { room, first_id }.into();
            let record = Record { unix_ms, by, event };
            self.journal.append(&record);
            self.state.apply(record);
            self.replays.remove_room(room);
            if let Some(event @ Event::Kept(Kept::Closed { .. })) = self.state.consequence(room) {
                let record = Record { unix_ms, by, event };
                self.note_changes(&record, out);
                self.journal.append(&record);
                self.close_room(room, record, out);
            }
        }
    }

    /// Nobody hears anything of any room any more.
    pub(super) fn close_channels(&mut self, out: &mut Delivery) {
        for channel in self.channels.clear() {
            let members: Vec<ClientId> = out.members(channel).collect();
            members.into_iter().for_each(|client| out.leave(channel, client));
            out.close_channel(channel);
        }
    }

    /// Throws away what is in memory, and starts anew with what is kept. All clients are about to
    /// be closed, and are in no room any more.
    fn reload(
        &mut self,
        group: GroupId,
        out: &mut Delivery,
    ) -> Result<(), crate::store::StoreError> {
        self.close_channels(out);
        self.forget_all();
        let Some(keeping) = &mut self.keeping else { return Ok(()) };
        keeping.changes.clear();
        (keeping.newest, keeping.durable, keeping.has_new_guests) = (group, group, false);
        keeping.patience.clear();
        keeping.impatient.clear();
        keeping.read_lately = ReadLately::default();
        let loaded = keeping.store.reload()?;
        keeping.guests = loaded.guests;
        self.start_from(loaded);
        Ok(())
    }
}
