//! A wire as it is written down for another process, which goes on where this one was: all of its
//! state, but for what can be had anew from the bytes that are not decoded yet.

use super::Wire;
use crate::clock::Millis;
use crate::memory::MemoryAccount;

impl Wire {
    /// It has been read from a snapshot: what it holds counts in this account, and its peer has as
    /// much time for what comes next as if something had just come.
    pub fn restored(&mut self, account: &MemoryAccount, now: Millis) {
        match self {
            Wire::Undecided(_) => {}
            Wire::Line(line) => {
                if let Some(editor) = line.editor_mut() {
                    editor.count(account);
                }
            }
            Wire::Http(http) => http.restored(now),
            Wire::WebSocket(websocket) => websocket.restored(account, now),
        }
    }
}

/// Bytes in JSON: as text, in a third more room.
pub mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// # Errors
    /// It is no text in base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}
