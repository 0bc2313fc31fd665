//! Sockets as the server sees them.

use std::io;
use std::net::Shutdown;

use crate::net::tcp::Tcp;
use crate::server::stream::Stream;

impl Stream for Tcp {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
