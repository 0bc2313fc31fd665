//! What the system says of itself.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a file system has left for this process, in bytes.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Tells a file from another one that has come to be at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub fn of(path: &Path) -> io::Result<FileIdentity> {
        let found = fs::metadata(path)?;
        Ok(FileIdentity { device: found.dev(), inode: found.ino() })
    }
}

/// What the files of a directory have together, in bytes. One that goes meanwhile has nothing.
pub fn bytes_in(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        bytes += entry?.metadata().map_or(0, |of_file| of_file.len());
    }
    Ok(bytes)
}

/// Another text at each start of the machine (Linux); empty where nothing tells starts apart.
pub fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}

/// Milliseconds since 1970-01-01 UTC.
pub fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// A text that nobody has had before: data under one epoch give each message id once. The time
/// tells two starts apart, and the seed of the hash tells two machines apart.
pub fn new_epoch() -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = RandomState::new().hash_one(std::process::id());
    format!("{:x}-{:x}", since_1970.as_micros(), seed & 0xffff_ffff)
}
