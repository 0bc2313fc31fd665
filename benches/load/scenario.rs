//! What is measured. A new scenario is one more line in [`all`], and a new kind of work one more
//! arm in `drive::run`.

use crate::payload::PAYLOAD_BYTES;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Work {
    /// Every client gets its own messages back and keeps `window` of them in flight.
    Echo { window: u32 },
    /// The same with one message in flight, of this length: closed loops.
    EchoBySize { bytes: usize },
    /// All clients of a room send `window` messages at once; the next round starts when all have
    /// arrived everywhere.
    Fanout { window: u32 },
    /// So many messages to everybody; the next ones when they have arrived everywhere.
    Single { at_once: usize },
    /// Messages at fixed times, whether or not the ones before have arrived.
    Rate { deliveries_per_s: u64 },
    /// Every client sends as much as is taken and reads nothing; then it reads its echo. What counts
    /// is the most memory that the server had meanwhile.
    Flood { bytes: usize },
    /// Everybody joins, and stays silent after a first message.
    Idle,
    /// Everybody joins one of the rooms, until all know that they are in; nobody says anything before.
    Join,
    /// Guests connect, join, speak and leave, so many at a time; the members hear them all.
    Churn { at_once: usize },
    /// Devices with tokens lose their connections and come back all at once: of accounts, or guests.
    Resume { are_accounts: bool },
    /// Every client asks over HTTP and asks again when it is answered: on the same connection, or on
    /// one for each request.
    Requests { is_kept: bool },
}

impl Work {
    /// Whether a message goes to more than its sender.
    pub fn is_chat(self) -> bool {
        !(self.is_echo() || matches!(self, Work::Requests { .. } | Work::Resume { .. }))
    }

    /// Whether every message goes back to its sender, and to nobody else.
    pub fn is_echo(self) -> bool {
        matches!(self, Work::Echo { .. } | Work::EchoBySize { .. } | Work::Flood { .. })
    }

    /// What a server's CPU time is divided by.
    pub fn unit(self) -> &'static str {
        match self {
            Work::Idle | Work::Join => "client",
            Work::Resume { .. } => "device",
            Work::Churn { .. } => "visit",
            Work::Echo { .. } | Work::EchoBySize { .. } | Work::Flood { .. } => "message",
            Work::Requests { .. } => "request",
            _ => "delivery",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub work: Work,
    pub clients: usize,
    pub rooms: usize,
    pub says: &'static str,
}

impl Scenario {
    /// How long a message is, a line's ending not counted.
    pub fn message_bytes(&self) -> usize {
        match self.work {
            Work::EchoBySize { bytes } | Work::Flood { bytes } => bytes,
            _ => PAYLOAD_BYTES,
        }
    }
}

/// Names, clients, and how long their messages are.
const ECHO_BY_SIZE: [(&str, usize, usize, &str); 9] = [
    ("echo-4x32", 4, 32, "4 connections, 1 message of 32 bytes in flight each"),
    ("echo-4x1024", 4, 1024, "4 connections, 1 message of 1,024 bytes in flight each"),
    ("echo-4x16384", 4, 16_384, "4 connections, 1 message of 16,384 bytes in flight each"),
    ("echo-4x65535", 4, 65_535, "4 connections, 1 message of 65,535 bytes in flight each"),
    ("echo-32x32", 32, 32, "32 connections, 1 message of 32 bytes in flight each"),
    ("echo-200x32", 200, 32, "200 connections, 1 message of 32 bytes in flight each"),
    ("echo-200x1024", 200, 1024, "200 connections, 1 message of 1,024 bytes in flight each"),
    ("echo-200x16384", 200, 16_384, "200 connections, 1 message of 16,384 bytes in flight each"),
    ("echo-200x65535", 200, 65_535, "200 connections, 1 message of 65,535 bytes in flight each"),
];

pub fn all() -> Vec<Scenario> {
    let scenario = |name, work, clients, rooms, says| Scenario { name, work, clients, rooms, says };
    let by_size = |&(name, clients, bytes, says)| {
        scenario(name, Work::EchoBySize { bytes }, clients, clients, says)
    };
    let mut all: Vec<Scenario> = ECHO_BY_SIZE.iter().map(by_size).collect();
    all.extend([
        scenario(
            "echo-1",
            Work::Echo { window: 1 },
            100,
            100,
            "100 connections, 1 message in flight each",
        ),
        scenario(
            "echo-64",
            Work::Echo { window: 64 },
            100,
            100,
            "100 connections, 64 messages in flight each",
        ),
        scenario(
            "fanout-32x16",
            Work::Fanout { window: 16 },
            32,
            1,
            "32 clients say 16 messages each at once",
        ),
        scenario(
            "fanout-100x4",
            Work::Fanout { window: 4 },
            100,
            1,
            "100 clients say 4 messages each at once",
        ),
        scenario(
            "fanout-1000x1",
            Work::Fanout { window: 1 },
            1000,
            1,
            "1,000 clients say 1 message each at once",
        ),
        scenario(
            "single",
            Work::Single { at_once: 1 },
            1000,
            1,
            "one message at a time to 1,000 clients",
        ),
        scenario(
            "crowd",
            Work::Single { at_once: 10 },
            15_000,
            1,
            "ten of 15,000 clients in one room say a message each at once",
        ),
        scenario(
            "rate",
            Work::Rate { deliveries_per_s: 100_000 },
            100,
            1,
            "100,000 deliveries/s to 100 clients",
        ),
        scenario(
            "rooms-x4",
            Work::Fanout { window: 4 },
            1000,
            100,
            "1,000 in 100 rooms say 4 messages each at once",
        ),
        scenario(
            "rooms-x16",
            Work::Fanout { window: 16 },
            1000,
            100,
            "1,000 in 100 rooms say 16 messages each at once",
        ),
        scenario(
            "flood-1000",
            Work::Flood { bytes: 1000 },
            1000,
            1000,
            "1,000 clients flood an echo with messages of 1,000 bytes, and read late",
        ),
        scenario(
            "flood-16000",
            Work::Flood { bytes: 16_000 },
            1000,
            1000,
            "1,000 clients flood an echo with messages of 16,000 bytes, and read late",
        ),
        scenario(
            "idle",
            Work::Idle,
            19_000,
            190,
            "19,000 clients in rooms of 100 join and stay silent",
        ),
        scenario("join", Work::Join, 10_000, 100, "10,000 clients join rooms of 100"),
        scenario(
            "churn",
            Work::Churn { at_once: 16 },
            10,
            1,
            "guests join 10 members, speak once and leave, 16 at a time",
        ),
        scenario(
            "resume-guests",
            Work::Resume { are_accounts: false },
            1000,
            100,
            "1,000 guests in 100 rooms come back at once, from one address",
        ),
        scenario(
            "resume-accounts",
            Work::Resume { are_accounts: true },
            1000,
            100,
            "1,000 devices of 100 accounts come back at once, from one address",
        ),
        scenario(
            "http-close",
            Work::Requests { is_kept: false },
            50,
            1,
            "50 clients ask over HTTP, with a connection for each request",
        ),
        scenario(
            "http-kept",
            Work::Requests { is_kept: true },
            50,
            1,
            "50 clients ask over HTTP, each on one connection",
        ),
    ]);
    all
}
