//! Who is to be closed, as the service does not want them here any more.

use std::mem;

use super::Delivery;
use crate::ids::ClientId;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Dismissed {
    /// The service has told them why, and knows them no more.
    pub clients: Vec<ClientId>,
    /// It may admit some addresses no more: who is here from there is to be looked for.
    pub addresses: bool,
}

impl Delivery {
    /// Closes a client that the service has told why, and knows no more, once it has been sent all
    /// that is queued.
    pub fn dismiss(&mut self, client: ClientId) {
        self.dismissed.clients.push(client);
    }

    /// The service admits an address no more: who is here from there is closed.
    pub fn dismiss_addresses(&mut self) {
        self.dismissed.addresses = true;
    }

    /// Those whom the service has dismissed since this was last asked.
    pub(crate) fn take_dismissed(&mut self) -> Dismissed {
        mem::take(&mut self.dismissed)
    }
}
