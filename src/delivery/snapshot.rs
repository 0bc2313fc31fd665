//! What a client has queued, as it is written down for another process.

use serde::{Deserialize, Serialize};

use super::Delivery;
use super::encoding::Encoding;
use super::outbox::Outbox;
use super::recipients::Priority;
use crate::ids::ClientId;
use crate::wire::snapshot::base64_bytes;

/// A client's sending side. Which channels it is in is its service's business.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientSnapshot {
    encoding: Encoding,
    is_withheld: bool,
    /// What is unsent begins in the middle of a message.
    is_cut: bool,
    #[serde(with = "base64_bytes")]
    unsent: Vec<u8>,
}

impl Delivery {
    /// Whether all that was said has been handed out, and nothing waits for the store.
    pub(crate) fn is_at_rest(&self) -> bool {
        let (newest, durable) = self.groups();
        newest == durable && !self.channels.have_batches()
    }

    /// What this client has queued. Nothing may be held for it, nor be in a batch.
    pub(crate) fn snapshot(&self, client: ClientId) -> RecipientSnapshot {
        let recipient = self.recipients.get(client);
        debug_assert_eq!(recipient.held_pieces(), 0);
        let (unsent, is_cut) = recipient.outbox().map(Outbox::snapshot).unwrap_or_default();
        RecipientSnapshot {
            encoding: recipient.encoding,
            is_withheld: recipient.is_withheld,
            is_cut,
            unsent,
        }
    }

    /// Makes a place for a client that another process has had.
    pub(crate) fn add_restored(&mut self, client: ClientId, snapshot: &RecipientSnapshot) {
        self.add(client, snapshot.encoding);
        if snapshot.is_withheld {
            self.withhold(client);
        }
    }

    /// Queues what it had queued there: once its service has put it into its channels, as it may be
    /// so much that these have to wait for it.
    pub(crate) fn queue_restored(&mut self, client: ClientId, snapshot: &RecipientSnapshot) {
        if snapshot.unsent.is_empty() {
            return;
        }
        let outbox = Outbox::restored(&snapshot.unsent, snapshot.is_cut);
        let Delivery { recipients, flow, .. } = self;
        recipients.change_queue(client, |queue, _, _| queue.outbox = outbox);
        recipients.queue_write(client, Priority::Prompt);
        flow.freed(client, recipients.get_mut(client));
    }
}
