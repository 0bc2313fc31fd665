//! What a store keeps of order, as [`super::KeptPeople`] has people.

use std::collections::{BTreeMap, BTreeSet};

use chat_server::store::order::{
    OrderChange, StoredBan, StoredIgnore, StoredMute, StoredOrder, StoredTarget,
};

#[derive(Clone, Debug, Default)]
pub struct KeptOrder {
    bans: BTreeMap<StoredTarget, StoredBan>,
    mutes: BTreeMap<(u64, u64), StoredMute>,
    ignores: BTreeSet<StoredIgnore>,
}

impl KeptOrder {
    pub fn apply(&mut self, change: OrderChange, is_account: impl Fn(u64) -> bool) {
        match change {
            OrderChange::Ban(ban) => {
                if let StoredTarget::Account(account) = ban.target {
                    assert!(is_account(account), "{ban:?} is nobody's");
                }
                self.bans.insert(ban.target.clone(), ban);
            }
            OrderChange::BanGone { target } => {
                self.bans.remove(&target).expect("a ban that is gone was there");
            }
            OrderChange::Mute(mute) => {
                assert!(is_account(mute.account), "{mute:?} is nobody's");
                self.mutes.insert((mute.room, mute.account), mute);
            }
            OrderChange::MuteGone { room, account } => {
                self.mutes.remove(&(room, account)).expect("a mute that is gone was there");
            }
            OrderChange::Ignored(ignore) => {
                assert!(is_account(ignore.account), "{ignore:?} is nobody's");
                assert!(self.ignores.insert(ignore), "{ignore:?} was there");
            }
            OrderChange::IgnoredGone(ignore) => {
                assert!(self.ignores.remove(&ignore), "what is gone was there");
            }
        }
    }

    pub fn end_account(&mut self, account: u64) {
        self.bans.remove(&StoredTarget::Account(account));
        self.mutes.retain(|(_, of), _| *of != account);
        self.ignores.retain(|one| one.account != account);
    }

    pub fn close_room(&mut self, room: u64) {
        self.mutes.retain(|(of, _), _| *of != room);
    }

    /// As a chat is told.
    pub fn stored(&self) -> StoredOrder {
        StoredOrder {
            bans: self.bans.values().cloned().collect(),
            mutes: self.mutes.values().cloned().collect(),
            ignores: self.ignores.iter().copied().collect(),
        }
    }
}
