//! Every message to every client, its sender included, byte for byte, in one order for all.

use crate::client::ClientId;
use crate::outgoing::{Outgoing, Until};
use crate::rooms::RoomId;
use crate::service::{Message, Service, Taken};

/// The broadcast service: one room with everybody in it.
#[derive(Debug)]
pub struct Broadcast {
    everybody: RoomId,
}

impl Broadcast {
    pub fn new(out: &mut Outgoing) -> Broadcast {
        Broadcast { everybody: out.open_room() }
    }
}

impl Service for Broadcast {
    fn opened(&mut self, client: ClientId, out: &mut Outgoing) {
        out.join(self.everybody, client);
    }

    fn waits(&self, _: ClientId, out: &Outgoing) -> Option<Until> {
        out.congested(self.everybody).then_some(Until::RoomClear(self.everybody))
    }

    fn message(&mut self, _: ClientId, message: Message<'_>, out: &mut Outgoing) -> Taken {
        out.publish(self.everybody, None, |_, batch| batch.extend_from_slice(message.bytes));
        Taken::Yes
    }

    fn closed(&mut self, client: ClientId, out: &mut Outgoing) {
        out.leave(self.everybody, client);
    }
}
