//! What the service keeps has become durable, or is lost.
//!
//! Delivery holds what follows from changes until they are durable, and closing in order waits for
//! that. If they are lost, what is held is dropped and everybody is closed: the service has gone
//! back to what is kept, and what clients know of it would be wrong.

use log::{error, warn};

use super::Server;
use super::stream::Stream;
use crate::plural::Count;
use crate::service::{Kept, Service};
use crate::wire::close::CloseReason;

impl<S: Stream, A: Service> Server<S, A> {
    /// Asks the service what has become of what it keeps.
    pub(super) fn take_stored(&mut self) {
        if self.store_broken.is_some() && self.unstored_groups() == 0 {
            return;
        }
        match self.service.stored(&mut self.out) {
            Kept::Whole => {}
            Kept::Lost => {
                let groups = Count(self.unstored_groups(), "group");
                warn!("{groups} could not be stored: closing all");
                self.lose_unstored();
            }
            Kept::Broken => {
                if self.store_broken.is_none() {
                    error!("nothing can be stored any more: closing all, and stopping");
                    self.store_broken = Some(self.unstored_groups());
                }
                self.lose_unstored();
            }
        }
    }

    /// Has the service keep what it has to.
    pub(super) fn keep(&mut self) {
        self.service.keep(&mut self.out);
        (self.kept, _) = self.out.groups();
    }

    /// The same, if clients have left since it did, and something was changed by that.
    pub(super) fn keep_rest(&mut self) {
        if self.out.groups().0 > self.kept {
            self.keep();
        }
    }

    /// Whether something was changed when nothing could be stored any more: what is held for it is
    /// to be dropped as well, or those who leave would wait for it.
    pub(super) fn has_lost_changes(&self) -> bool {
        self.store_broken.is_some() && self.unstored_groups() > 0
    }

    /// How many groups were lost when the service became unable to keep anything, if it has: the
    /// server has to stop.
    pub fn store_broken(&self) -> Option<u64> {
        self.store_broken
    }

    /// How many groups are not durable yet.
    pub fn unstored_groups(&self) -> u64 {
        let (newest, durable) = self.out.groups();
        newest.0.saturating_sub(durable.0)
    }

    #[cold]
    fn lose_unstored(&mut self) {
        let lost = self.out.lose_held();
        (self.kept, _) = self.out.groups();
        // Those that are closing already lose their last bytes with what was before these.
        for id in lost {
            if self.connection(id).is_some_and(|connection| connection.is_closing()) {
                self.write_last(id, CloseReason::NotStored);
                self.shut_if_settled(id);
            }
        }
        // Everybody leaves at once: nobody is to be told of the others.
        self.out.set_draining(true);
        self.close_all(CloseReason::NotStored);
        self.out.set_draining(self.draining);
    }
}
