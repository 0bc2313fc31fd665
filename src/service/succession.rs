//! A service in one process after the other: the state that is handed over.

use serde_json::value::RawValue;

use crate::delivery::Delivery;
use crate::ids::{ClientId, Peer};

/// What is written down for another process, as JSON.
pub type Snapshot = Box<RawValue>;

/// Why a state cannot be handed over, or taken.
pub type Refused = Box<str>;

/// What a service does that goes on in another process.
///
/// In the process that has it: `settle`, turns until it `is_settled`, then `snapshot` and
/// `snapshot_of` each client that it knows, and `release`. If the other one fails, `take_back`, and
/// it goes on; else `retire`. In the other process: `restore` before anything else, and then
/// `restore_client` for each client.
pub trait Succession {
    /// Why it cannot be handed over, if that can be told beforehand.
    ///
    /// # Errors
    /// Why not.
    fn check(&self) -> Result<(), Refused>;

    /// Does at once what waits for a moment, or for those who are behind. From now on nothing new
    /// comes from clients.
    fn settle(&mut self, out: &mut Delivery);

    /// Whether nothing is under way: nobody is coming in, no slow work is being done, and all that
    /// is kept has been handed to what keeps it. What could not be yet is tried again.
    fn is_settled(&mut self, out: &mut Delivery) -> bool;

    fn snapshot(&self) -> Snapshot;

    /// `None`: this client is nobody to it.
    fn snapshot_of(&self, client: ClientId, out: &Delivery) -> Option<Snapshot>;

    /// Closes what it keeps its state in, for the other process to open.
    ///
    /// # Errors
    /// Why that cannot be done.
    fn release(&mut self) -> Result<(), Refused>;

    /// Opens it again.
    ///
    /// # Errors
    /// Why that cannot be done: the service cannot go on.
    fn take_back(&mut self) -> Result<(), Refused>;

    /// It goes on elsewhere: nobody is here any more, and nothing is to be told or kept.
    fn retire(&mut self, out: &mut Delivery);

    /// Takes what [`Succession::snapshot`] has written.
    ///
    /// # Errors
    /// It makes no sense, or not with what is kept.
    fn restore(&mut self, snapshot: &RawValue, out: &mut Delivery) -> Result<(), Refused>;

    /// Knows a client again, which is there with its encoding.
    ///
    /// # Errors
    /// As [`Succession::restore`].
    fn restore_client(
        &mut self,
        client: ClientId,
        peer: Peer,
        snapshot: &RawValue,
        out: &mut Delivery,
    ) -> Result<(), Refused>;
}
