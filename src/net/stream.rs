//! TCP sockets as the server sees them.

use std::io;
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::server::stream::Stream;

impl Stream for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
