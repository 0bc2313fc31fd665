//! A store that keeps nothing and says that it is durable, for tests of what is read. Those of the
//! chat in `src` have it as well.

use std::sync::Arc;

use chat_server::ids::GroupId;
use chat_server::store::order::StoredOrder;
use chat_server::store::{
    Change, Expired, Loaded, Progress, Reader, Space, Store, StoreError, StoredPeople, Wake,
};

#[derive(Debug)]
pub struct Nowhere {
    reader: Arc<dyn Reader>,
    newest: GroupId,
}

impl Nowhere {
    pub fn new(reader: Arc<dyn Reader>) -> Nowhere {
        Nowhere { reader, newest: GroupId::default() }
    }
}

impl Store for Nowhere {
    fn append(&mut self, group: GroupId, _: Vec<Change>) {
        self.newest = group;
    }

    fn set_wake(&mut self, _: Wake) {}

    fn progress(&mut self) -> Progress {
        Progress::Durable(self.newest)
    }

    fn space(&self) -> Space {
        Space::Free
    }

    fn take_expired(&mut self) -> Vec<Expired> {
        Vec::new()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone()
    }

    fn reload(&mut self) -> Result<Loaded, StoreError> {
        Ok(nothing())
    }
}

/// What a chat starts with where nothing is kept yet.
pub fn nothing() -> Loaded {
    Loaded {
        epoch: "data".into(),
        guests: 0,
        next_room: 1,
        ids_used: 0,
        rooms: Vec::new(),
        keys: Vec::new(),
        people: StoredPeople::default(),
        order: StoredOrder::default(),
    }
}
