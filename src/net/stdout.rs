//! What programs that start the server read of its standard output.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread;

use log::warn;

/// Scripts read this line to learn the port. If nobody reads standard output, that is no reason not
/// to serve: a full pipe holds up nothing but this thread. (On the worker it would hold up the slow
/// work behind it, on the log's thread the log.)
pub fn announce(address: SocketAddr) {
    let announcement = format!("Listening on: {address}\n");
    let write = move || {
        if let Err(error) = io::stdout().write_all(announcement.as_bytes()) {
            warn!("standard output: {error}");
        }
    };
    if let Err(error) = thread::Builder::new().name("stdout".to_owned()).spawn(write) {
        warn!("standard output: no thread for it: {error}");
    }
}
