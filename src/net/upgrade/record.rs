//! Who is the server, and how the last upgrade went: in a file, for `chat-server upgrade`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use log::warn;

const FILE_MODE: u32 = 0o600;

/// The file, whose first line is the process id of the server. The second one is the time and the
/// reason for which the last upgrade did not come about.
#[derive(Clone, Debug)]
pub struct Record(PathBuf);

impl Record {
    pub fn in_directory(directory: &Path) -> Record {
        Record(directory.join("process"))
    }

    /// This process is the server.
    pub fn note_server(&self) {
        self.write(&format!("{}\n", std::process::id()));
    }

    /// This process stays the server.
    pub fn note_refused(&self, why: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.write(&format!("{}\n{now} {}\n", std::process::id(), why.replace('\n', " ")));
    }

    fn write(&self, text: &str) {
        // Whole or not at all: somebody may be waiting for it.
        let unfinished = self.0.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let written = options.open(&unfinished).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            std::fs::rename(&unfinished, &self.0)
        });
        if let Err(error) = written {
            warn!("{}: {error}", self.0.display());
        }
    }

    /// The process id, and the rest.
    pub fn read(&self) -> io::Result<(i32, String)> {
        let text = std::fs::read_to_string(&self.0)?;
        let (pid, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let pid = pid.parse().map_err(io::Error::other)?;
        Ok((pid, rest.trim_end().to_owned()))
    }
}
