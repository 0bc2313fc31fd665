//! The server goes on in another process: the program, started anew from where it was started,
//! takes over listeners and connections.
//!
//! In reading order: [`channel`] is how the two talk, [`successor`] what the old process does,
//! [`steps`] when it does that, [`predecessor`] what the new one does; [`record`] tells others how it
//! has gone, and [`request`] is one of these.
//!
//! What they say, in this order; any other answer, silence, or an end, ends it:
//!
//! | old | new |
//! |---|---|
//! | [`Terms`] | [`Answer::Ok`]: it could take over |
//! | [`Frozen`], with the listeners | (it opens the history) |
//! | [`Batch`]es, with their sockets, and an empty one; connections that stay | [`Answer::Ok`]: it is ready |
//! | [`Go`] | |

mod channel;
pub mod predecessor;
pub mod record;
pub mod request;
mod steps;
mod successor;

pub use steps::{SETTLING_STEP, Upgrade, Upgrading};
pub use successor::Program;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::net::listening::HandedListener;
use crate::server::succession::ConnectionSnapshot;
use crate::service::succession::Snapshot;

/// Of all that is handed over. To be raised with each change of it: a process takes over only what
/// it would hand over itself.
const STATE_VERSION: u32 = 2;

/// Connections that are handed over at once; the kernel takes 253 descriptors.
const BATCH_MAX: usize = 200;

/// What the two have to have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    state: u32,
    /// The version of the history file: a file that the new process would change could not be taken
    /// back by the old one.
    history: usize,
}

impl Terms {
    pub fn new(history: usize) -> Terms {
        Terms { state: STATE_VERSION, history }
    }

    /// Whether the process that has these can take over from one that has those.
    ///
    /// # Errors
    /// Why not.
    fn accept(&self, old: &Terms) -> Result<(), String> {
        let Terms { state, history } = *self;
        if old.state != state {
            let old = old.state;
            return Err(format!("it hands over state of version {state}, and not {old}; restart"));
        }
        if old.history != history {
            let old = old.history;
            return Err(format!(
                "it makes version {history} of the history, which is of version {old}; restart"
            ));
        }
        Ok(())
    }
}

/// What the new process says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Ok,
    Refused(String),
}

/// The old process has stopped to serve, has closed the history, and has this.
#[derive(Debug, Serialize, Deserialize)]
struct Frozen {
    /// What its clock shows.
    ms: Millis,
    listeners: Vec<HandedListener>,
    /// The number of the connection that came last.
    serial: u32,
    service: Snapshot,
}

/// Connections, each with whether it is of a Unix socket.
type Batch = Vec<(bool, ConnectionSnapshot)>;

/// The new process is the server from now on.
#[derive(Debug, Serialize, Deserialize)]
struct Go;
