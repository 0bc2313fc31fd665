//! What monitors are told of the chat: numbers, and no names.

use super::Chat;
use crate::metrics::Exposition;

impl Chat {
    pub(super) fn write_own_metrics(&self, out: &mut Exposition) {
        out.gauge("chat_server_rooms", "Rooms in memory.", self.state.rooms().count());
        if let Some(keeping) = &self.keeping {
            keeping.write_metrics(out);
        }
    }
}
