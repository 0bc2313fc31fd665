//! Where a server keeps what is said.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use thiserror::Error;

/// The directory's name where the platform keeps the data of programs.
const NAME: &str = "chat-server";
/// In place of a directory: nothing is kept.
const NONE: &str = "none";

/// Where what is said is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory; a restart forgets all of it.
    Memory,
    Directory(PathBuf),
}

/// Nobody has said where, and the platform does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no home directory to keep history in: give --data DIR, or --data none")]
pub struct NoPlace;

impl Place {
    /// What was asked for, else the directory that a service manager has made for this service
    /// (`$STATE_DIRECTORY`, systemd.exec(5)), else the platform's directory for data.
    ///
    /// # Errors
    /// If nothing was asked for, and there is no home directory.
    pub fn find(wanted: Option<&Path>) -> Result<Place, NoPlace> {
        let state = env::var_os("STATE_DIRECTORY");
        choose(wanted, state, || etcetera::choose_base_strategy().ok().map(|it| it.data_dir()))
    }
}

fn choose(
    wanted: Option<&Path>,
    state: Option<OsString>,
    data: impl FnOnce() -> Option<PathBuf>,
) -> Result<Place, NoPlace> {
    match wanted {
        Some(wanted) if wanted == Path::new(NONE) => return Ok(Place::Memory),
        Some(wanted) => return Ok(Place::Directory(wanted.to_owned())),
        None => {}
    }
    // There may be several; the first is the one that the unit names first.
    let state = state.as_ref().and_then(|list| env::split_paths(list).next());
    match state.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Ok(Place::Directory(path)),
        None => Ok(Place::Directory(data().ok_or(NoPlace)?.join(NAME))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &str) -> Result<Place, NoPlace> {
        Ok(Place::Directory(path.into()))
    }

    #[test]
    fn a_flag_wins_over_the_service_manager_and_that_over_the_platform() {
        let home = || Some(PathBuf::from("/home/a/.local/share"));
        let state = || Some(OsString::from("/var/lib/chat:/var/lib/other"));
        let wanted = Some(Path::new("/srv/chat"));
        assert_eq!(choose(wanted, state(), home), directory("/srv/chat"));
        assert_eq!(choose(Some(Path::new("none")), state(), home), Ok(Place::Memory));
        assert_eq!(choose(Some(Path::new("./none")), None, home), directory("./none"));
        assert_eq!(choose(None, state(), home), directory("/var/lib/chat"));
        assert_eq!(
            choose(None, Some("".into()), home),
            directory("/home/a/.local/share/chat-server")
        );
        assert_eq!(choose(None, None, home), directory("/home/a/.local/share/chat-server"));
        assert_eq!(choose(None, None, || None), Err(NoPlace));
    }
}
