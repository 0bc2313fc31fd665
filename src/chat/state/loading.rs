//! What a store has kept, as state.

use log::warn;

use super::State;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{Name, RoomName};
use crate::chat::state::accounts::{AccessKey, Account, Invitation, Reserved, Role, SecretHash};
use crate::chat::state::guests::{GuestToken, Holder};
use crate::chat::state::hooks::Hook;
use crate::chat::state::keys::{First, Keys, Scope};
use crate::chat::state::readings::{Level, Mentioned};
use crate::chat::state::rooms::former::FormerName;
use crate::chat::state::rooms::rules::{MemberRecord, RoomSettings};
use crate::chat::state::rooms::{RoomLimits, Rooms};
use crate::store::{Loaded, StoredKey, StoredPeople, StoredReading, StoredRules};

impl State {
    /// What a chat with a store starts with, before any room is loaded.
    pub fn of_store(limits: RoomLimits, loaded: &Loaded) -> State {
        let mut keys = Keys::default();
        for &StoredKey { room, ref key, id, unix_ms, account } in &loaded.keys {
            if let Some(room) = RoomId::new(room) {
                let (by, first) = (account.and_then(UserId::new), First { id, unix_ms });
                keys.insert(Scope::Room(room), by, key, first);
            }
        }
        let next_room = RoomId::new(loaded.next_room).unwrap_or(RoomId::FIRST);
        let rooms = Rooms::of_store(limits, next_room, loaded.ids_used);
        let mut state = State { rooms, keys, guests: loaded.guests, ..State::new(limits) };
        state.load_accounts(&loaded.people);
        state.order.load(&loaded.order);
        state
    }

    /// The accounts that a store has kept, without their rooms, and the tokens of guests.
    fn load_accounts(&mut self, people: &StoredPeople) {
        let account_of = |id: u64| UserId::new(id);
        for stored in &people.accounts {
            let (Some(user), Ok(name)) = (account_of(stored.account), Name::kept(&stored.name))
            else {
                warn!("the account {} is kept, and nobody can have its name", stored.name);
                continue;
            };
            // They are in the order of their accounts.
            let first = people.keys.partition_point(|key| key.account < stored.account);
            let keys = people.keys[first..].iter().take_while(|key| key.account == stored.account);
            let keys = keys.map(|key| AccessKey {
                id: key.key,
                hash: SecretHash(key.hash),
                is_token: key.is_token,
                label: key.label.clone(),
                created_ms: key.created_ms,
            });
            self.users.add(user, name);
            let (password, role) = (stored.password.clone(), Role::of_number(stored.role));
            let mut account = Account::new(password, role, stored.created_ms, keys.collect());
            account.owner = stored.owner.and_then(account_of);
            self.accounts.make(user, account);
        }
        for stored in &people.invitations {
            let Some(by) = account_of(stored.by) else { continue };
            let (hash, uses, until_ms) = (SecretHash(stored.hash), stored.uses, stored.until_ms);
            let resets = stored.resets.and_then(account_of);
            let rooms = stored.rooms.iter().filter_map(|&room| RoomId::new(room)).collect();
            let makes_account = stored.makes_account;
            let invitation = Invitation { hash, by, resets, uses, until_ms, rooms, makes_account };
            self.accounts.invite(stored.invitation, invitation);
        }
        for stored in &people.reserved {
            let (Some(account), Ok(name)) = (account_of(stored.account), Name::kept(&stored.name))
            else {
                continue;
            };
            self.accounts.reserve(Reserved { name, account, until_ms: stored.until_ms });
        }
        for stored in &people.guests {
            let Ok(name) = Name::kept(&stored.name) else { continue };
            let (before, until_ms) = (stored.before.map(SecretHash), stored.until_ms);
            let token = GuestToken { before, until_ms, holder: Holder::Gone(name) };
            self.guest_tokens.insert(SecretHash(stored.hash), token);
        }
        self.users.continue_from(people.next_account);
        self.accounts.continue_invitations(people.next_invitation);
    }

    /// The memberships that a store has kept, of rooms that are here.
    pub fn load_members(&mut self, people: &StoredPeople) {
        for &(room, account) in &people.members {
            if let (Some(room), Some(user)) = (RoomId::new(room), UserId::new(account)) {
                self.join(user, room);
            }
        }
    }

    /// What holds in the rooms that a store has kept, of those that are here.
    pub fn load_rules(&mut self, rules: &StoredRules) {
        for stored in &rules.rooms {
            if let Some(room) = RoomId::new(stored.room) {
                self.rooms.set_settings(room, RoomSettings::of_store(stored));
            }
        }
        for stored in &rules.records {
            if let (Some(room), Some(user)) =
                (RoomId::new(stored.room), UserId::new(stored.account))
            {
                self.set_record(user, room, MemberRecord::of_store(stored));
            }
        }
        for stored in &rules.names {
            if let (Some(room), Ok(name)) = (RoomId::new(stored.room), RoomName::kept(&stored.name))
            {
                self.rooms.lead_on(FormerName { name, room, until_ms: stored.until_ms });
            }
        }
        for stored in &rules.hooks {
            if let (Some(room), Some(by), Ok(name)) =
                (RoomId::new(stored.room), UserId::new(stored.account), Name::kept(&stored.name))
            {
                let (hash, created_ms) = (SecretHash(stored.hash), stored.created_ms);
                self.hooks.make(Hook { room, name, hash, by, created_ms });
            }
        }
    }

    /// What accounts have read, as a store has kept it, of rooms that are here.
    pub fn load_readings(&mut self, people: &StoredPeople) {
        let conversations = self.rooms.iter().filter(|room| room.between().is_some());
        for room in conversations.map(|room| room.id).collect::<Vec<_>>() {
            self.begin_conversation(room);
        }
        for &StoredReading { account, room, read, level } in &people.readings {
            let (Some(user), Some(room)) = (UserId::new(account), RoomId::new(room)) else {
                continue;
            };
            self.readings.go_back(user, room, read, &[]);
            self.readings.set_level(user, room, level.and_then(Level::of_number));
        }
        for &(room, account, id) in &people.mentions {
            let (Some(room), Some(user)) = (RoomId::new(room), UserId::new(account)) else {
                continue;
            };
            self.readings.note(room, id, None, &Mentioned::Users([user].into()));
        }
        for &(room, id, by) in &people.calls {
            let here = RoomId::new(room).filter(|room| self.rooms.get(*room).is_some());
            if let Some(room) = here {
                self.readings.note(room, id, by.and_then(UserId::new), &Mentioned::All);
            }
        }
    }
}
