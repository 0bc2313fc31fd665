//! A client whose messages are to be written otherwise from now on.

use super::Delivery;
use crate::delivery::channels::ChannelId;
use crate::delivery::encoding::{Dialect, Encoding};
use crate::ids::ClientId;

impl Delivery {
    /// From now on a client's messages are in another dialect. What was published before is not.
    pub fn set_dialect(&mut self, client: ClientId, dialect: Dialect) {
        let encoding = Encoding { dialect, ..self.encoding(client) };
        if encoding == self.encoding(client) {
            return;
        }
        let channels: Vec<ChannelId> = self.channels_of(client).collect();
        for &channel in &channels {
            self.leave(channel, client);
        }
        self.set_encoding(client, encoding);
        for &channel in &channels {
            self.join(channel, client);
        }
    }
}
