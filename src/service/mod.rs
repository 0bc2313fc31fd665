//! What the server does with a message.

pub mod broadcast;
pub mod echo;

use crate::client::ClientId;
use crate::outgoing::{Outgoing, Until};

/// One message from a client, as its wire delivered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// A line, its ending included. Only the last line before a client's end may come without.
    pub bytes: &'a [u8],
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Yes,
    /// It changed nothing; the server keeps it and offers it again then, and reads no more from this client meanwhile.
    NotYet(Until),
}

/// A service: the server calls it, and it answers through [`Outgoing`] alone.
///
/// Between `opened` and `closed` of a client its messages come one by one, in order.
pub trait Service {
    /// A client is ready to talk.
    fn opened(&mut self, client: ClientId, out: &mut Outgoing);

    /// What must come first before anything more is read from this client. Called before each read, so that input that
    /// could not be taken stays in the kernel, where it holds the sender back.
    fn waits(&self, client: ClientId, out: &Outgoing) -> Option<Until>;

    /// A client says something.
    fn message(&mut self, client: ClientId, message: Message<'_>, out: &mut Outgoing) -> Taken;

    /// A client is leaving. It has to be out of every room when this returns; it can still be sent something.
    fn closed(&mut self, client: ClientId, out: &mut Outgoing);
}
