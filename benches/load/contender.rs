//! What the benchmark has to know of a server: how to start it, what its clients say, what its
//! deliveries look like.
//!
//! Those that we know are in `contenders/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scenario::Scenario;

#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Wire {
    Lines,
    WebSocket,
}

impl Wire {
    pub fn name(self) -> &'static str {
        match self {
            Wire::Lines => "lines",
            Wire::WebSocket => "ws",
        }
    }
}

/// One client, as far as the server can tell. Names and rooms have the same length for all clients.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: String,
    pub room: String,
    /// The loopback address that it connects from; two digits in the last place.
    pub source: [u8; 4],
}

impl Identity {
    pub fn new(number: usize, room: usize) -> Identity {
        Identity {
            name: format!("c{number:06}"),
            room: format!("r{room:03}"),
            source: [127, 0, 0, 10 + (number % 89) as u8],
        }
    }

    /// Two identities that differ wherever identities can differ.
    pub fn examples() -> [Identity; 2] {
        [
            Identity { name: "c000000".into(), room: "r000".into(), source: [127, 0, 0, 10] },
            Identity { name: "c111111".into(), room: "r111".into(), source: [127, 0, 0, 99] },
        ]
    }
}

/// What a new client does until it is in its room.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// Wait until `until` has come; what comes has to begin with `starting`.
    Await {
        starting: &'static [u8],
        until: Vec<u8>,
    },
}

/// What something that is not a delivery means.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing: a notice, a reply.
    Skip,
    /// The server wants to hear this.
    Answer(Vec<u8>),
    /// A message that nobody said, or a complaint of the server's.
    Wrong(String),
}

/// What `Contender::launch` may use.
pub struct Start<'a> {
    pub program: &'a Path,
    pub port: u16,
    /// A directory of this run's own.
    pub scratch: &'a Path,
    pub scenario: &'a Scenario,
}

/// How a started server says that it is ready.
pub enum Ready {
    /// It prints `Listening on: ADDRESS`.
    Says,
    /// Its port takes connections.
    Accepts,
}

pub trait Contender {
    /// Short, unique within its wire.
    fn name(&self) -> &'static str;
    fn wire(&self) -> Wire;
    fn plays(&self, scenario: &Scenario) -> bool {
        scenario.work.is_chat()
    }
    fn is_ours(&self) -> bool {
        false
    }
    /// Without rooms everybody is in one.
    fn has_rooms(&self) -> bool {
        true
    }
    /// Whether a client is sent its own messages.
    fn receives_own(&self) -> bool {
        true
    }
    /// How many clients may be joining at once: no more than wait to be accepted.
    fn joining_at_once(&self) -> usize {
        64
    }
    /// More than this it does not take in reasonable time.
    fn clients_max(&self) -> usize {
        usize::MAX
    }
    /// Whether it is so slow at this work that only `--full` waits for it.
    fn needs_patience(&self, _: &Scenario) -> bool {
        false
    }
    /// A server that leaves Nagle's algorithm on waits for the acknowledgements of clients that
    /// have nothing to say; its clients send them at once, or the kernel's timer would be measured.
    fn needs_quick_acks(&self) -> bool {
        false
    }

    /// The thread that indexes what is kept, whose CPU time is told apart, too.
    fn indexer(&self) -> Option<&'static str> {
        None
    }

    /// The program, or how to get it.
    fn find(&self) -> Result<PathBuf, String>;
    fn launch(&self, start: &Start) -> anyhow::Result<Command>;
    fn ready(&self) -> Ready {
        Ready::Accepts
    }

    fn greeting(&self, who: &Identity, scenario: &Scenario) -> Vec<Step>;
    /// Appends a message as its client sends it: a payload, and what fills it up.
    fn say(&self, who: &Identity, payload: &[u8], out: &mut Vec<u8>);
    /// What a client sends before it closes its side.
    fn closing_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
    /// What stands before the payload of a delivery from `sender`.
    fn head(&self, sender: &Identity, scenario: &Scenario) -> Vec<u8>;
    /// What stands behind it.
    fn end(&self) -> &'static [u8];

    /// Bytes of the first whole unit that is not a delivery, if there is a whole one: a line,
    /// unless overridden.
    fn unit_bytes(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr(b'\n', bytes).map(|end| end + 1)
    }
    fn judge(&self, unit: &[u8]) -> Verdict;
}

/// The program of this name on PATH, or where Debian puts servers.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

pub fn apt(program: &str, package: &str) -> Result<PathBuf, String> {
    on_path(program).ok_or_else(|| format!("{program} is not installed: apt-get install {package}"))
}

/// Where the npm packages of the peers are: `BENCH_NPM`, or `peers` in cargo's target
/// directory.
pub fn npm_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("BENCH_NPM") {
        return dir.into();
    }
    let this = std::env::current_exe().unwrap_or_default();
    this.ancestors().nth(3).unwrap_or(Path::new("target")).join("peers")
}

/// A file of the configuration that the peers run with.
pub fn peer_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)
}

/// A server that is part of this very program, started as a process of its own.
pub fn hidden_peer(start: &Start, kind: &str) -> Command {
    let mut command = Command::new(start.program);
    command.args(["--peer-server", kind, "--peer-port", &start.port.to_string()]);
    command
}

pub fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("the benchmark does not find itself: {error}"))
}
