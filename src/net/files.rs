//! Files that are read in the event loop.

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file to be read, with these flags of open(2) as well. It does not wait for the writer of
/// a pipe: nobody would be served meanwhile.
pub fn open_at_once(path: &Path, flags: c_int) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | flags).open(path)
}
