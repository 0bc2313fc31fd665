//! Who a client is, for as long as anyone may still speak of it.

use std::fmt;

/// A slab key together with the serial number of the connection that holds it.
///
/// A slab reuses keys at once; the serial number, given out once per connection, makes sure that an id kept
/// in a list or a timer never reaches the slot's next owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    pub(crate) key: u32,
    pub(crate) serial: u32,
}

impl ClientId {
    pub(crate) fn new(key: usize, serial: u32) -> ClientId {
        let key = u32::try_from(key).expect("descriptors, and so clients, are fewer than 2^32");
        ClientId { key, serial }
    }

    pub(crate) fn index(self) -> usize {
        self.key as usize
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.serial)
    }
}
