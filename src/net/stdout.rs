//! What programs that start the server read of its standard output.

use std::io::{self, Write};
use std::thread;

use log::warn;

use crate::net::listening::Bound;

/// Scripts read these lines to learn the ports. If nobody reads standard output, that is no reason not
/// to serve: a full pipe holds up nothing but this thread. (On the worker it would hold up the slow
/// work behind it, on the log's thread the log.)
pub fn announce(bound: &[Bound]) {
    let lines = bound.iter().map(|address| format!("Listening on: {address}\n"));
    let announcement: String = lines.collect();
    let write = move || {
        if let Err(error) = io::stdout().write_all(announcement.as_bytes()) {
            warn!("standard output: {error}");
        }
    };
    if let Err(error) = thread::Builder::new().name("stdout".to_owned()).spawn(write) {
        warn!("standard output: no thread for it: {error}");
    }
}
