//! TLS as far as a server notices it.

use std::io;

use chat_server::memory::MemoryAccount;
use chat_server::server::protection::BeginTls;

use crate::stream::Near;

/// Has clients of the simulation go on with TLS.
#[derive(Debug)]
pub struct Handshakes;

impl BeginTls<Near> for Handshakes {
    fn begin(
        &mut self,
        stream: &mut Near,
        received: &[u8],
        _account: &MemoryAccount,
    ) -> io::Result<()> {
        let mut wire = stream.0.borrow_mut();
        assert!(wire.hello_bytes > 0 && wire.inside.is_none(), "nobody has begun with TLS");
        assert_eq!(wire.read, received.len(), "what was read is handed over");
        assert_eq!(wire.written, 0, "a client of TLS was sent something before");
        let count = wire.hello_bytes.min(received.len());
        wire.hello_bytes -= count;
        wire.inside = Some(received[count..].iter().copied().collect());
        (wire.read, wire.established_at) = (0, None);
        wire.first.clear();
        Ok(())
    }
}
