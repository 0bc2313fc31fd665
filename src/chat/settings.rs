//! How the chat behaves: every limit with its unit.

use clap::ValueEnum;
use ipnet::IpNet;

use crate::chat::presence::PresenceLimits;
use crate::chat::state::rooms::RoomLimits;
use crate::clock::Millis;
use crate::throttle::Rate;

/// Most bytes of an answer that lists messages. Most clients take messages of at least 1 MiB; a
/// quarter of that leaves room for those that take less.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Most bytes of what a client is shown on joining a room, unless it asks for more.
pub const REPLAY_BYTES_MAX: usize = 32 * 1024;

/// One room's history is bounded so that it can be sent to somebody who joins without passing the
/// limit of an outbox.
pub const ROOM_HISTORY_BYTES_MAX: usize = 1024 * 1024;

/// Comings, goings and other names over `--announce-rate` are summed up for so long.
pub const PRESENCE_SUM_MS: Millis = 1000;

/// A topic has at most so many bytes.
pub const TOPIC_BYTES_MAX: usize = 400;

/// Bytes of a message that take one token more out of its sender's bucket, as it is read.
pub const MESSAGE_BYTES_PER_TOKEN: usize = 4 * 1024;

/// Lines of a message that do the same: so many bytes fill as many on a terminal of 80 columns.
pub const MESSAGE_LINES_PER_TOKEN: usize = 50;

/// A message has at most so many lines.
pub const MESSAGE_LINES_MAX: usize = 500;

/// What a search costs its sender in flood control, in messages.
pub const SEARCH_TOKENS: usize = 5;

/// What a report costs, in the same way: the staff reads all of them.
pub const REPORT_TOKENS: usize = 5;

/// Requests of one client that may wait for rooms that are behind: one of any size, or so many of
/// so many bytes together. More is not read from it until one of them has gone.
pub const PARKED_MAX: usize = 8;
pub const PARKED_BYTES_MAX: usize = 8 * 1024;

/// Private messages of one client that may wait for those who are behind; one more is answered at
/// once.
pub const DIRECTS_PARKED_MAX: usize = 3;

/// Conversations that somebody with an account can begin: each of them stays in memory, but for its
/// texts.
pub const CONVERSATIONS_MAX: usize = 10_000;

/// How long a private message waits before its sender is told that it was not delivered.
pub const DIRECT_PATIENCE_MS: Millis = 2_000;

/// How long a request waits for a store that is behind, before it is refused.
pub const STORE_PATIENCE_MS: Millis = 5_000;

/// A guest that may come back stays for so long after its connection broke.
pub const GRACE_MS: Millis = 30_000;

/// As many accounts and reserved names there can be: all of them are in memory, with some 300 bytes
/// each.
pub const ACCOUNTS_MAX: usize = 100_000;

/// An account has so many bots at most.
pub const BOTS_MAX: usize = 10;

/// A room has so many hooks at most.
pub const HOOKS_MAX: usize = 20;

/// The key by which a program knows what it posts has so many bytes at most.
pub const HOOK_KEY_BYTES_MAX: usize = 255;

/// Why somebody is banned or muted is said in so many bytes at most.
pub const REASON_BYTES_MAX: usize = 200;

/// There are so many bans at most, and somebody is muted for so many people in a room at most: all
/// of them are in memory.
pub const BANS_MAX: usize = 10_000;
pub const MUTES_MAX: usize = 1_000;

/// The last message of one's own is looked for among so many of a room.
pub const OWN_LAST_MAX: u32 = 100;

/// Of so many messages at most one answer says which are tombstones.
pub const DELETIONS_MAX: u64 = 4_096;

/// Why somebody is away has at most so many bytes.
pub const AWAY_BYTES_MAX: usize = 200;

/// Somebody ignores so many others at most.
pub const IGNORED_MAX: usize = 100;

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Those who are invited.
    #[default]
    Invited,
    /// Everybody.
    Open,
}

/// How the chat behaves.
#[derive(Clone, Debug)]
pub struct ChatSettings {
    /// `--max-rooms`, `--history-messages`, `--history-mib`.
    pub rooms: RoomLimits,
    /// `--max-rooms-per-client`.
    pub rooms_per_client_max: usize,
    /// `--replay`: messages shown to a client that joins a room.
    pub replay: u32,
    /// They have at most so many bytes, but for one message that has more by itself.
    pub replay_bytes_max: usize,
    /// `--rate-limit`.
    pub rate: Rate,
    /// `--announce-below`: joins, departures, renamings and typing are announced in rooms of at most
    /// so many members.
    pub announce_below: u32,
    /// How fast joins, departures and renamings are announced.
    pub presence: PresenceLimits,
    /// `--max-message-bytes`.
    pub message_bytes_max: usize,
    /// An answer that lists messages has at most so many bytes, but for one message that has more
    /// by itself.
    pub answer_bytes_max: usize,
    /// [`DIRECT_PATIENCE_MS`].
    pub direct_patience_ms: Millis,
    /// [`GRACE_MS`].
    pub grace_ms: Millis,
    /// `--guests`: whether people who have no account may take part.
    pub guests: bool,
    /// `--registration`.
    pub registration: Registration,
    /// `--proxy-from`: they bring everybody's clients, and are not banned.
    pub proxies: Vec<IpNet>,
    /// `--public-url`.
    pub public_url: Option<String>,
    /// `--base-path`: under which the server's own pages are, with a slash at both ends.
    pub base_path: String,
    /// `--times`: people are shown the time before what is said, if they do not say otherwise.
    pub times: bool,
    /// Tells one run of the server from another: message ids start over with it. With a store, that
    /// of what is kept takes its place.
    pub epoch: String,
}

impl ChatSettings {
    /// What somebody at a terminal is told who is silent.
    pub fn greeting(&self) -> String {
        let page = self.public_url.as_deref();
        let page = page.map(|url| format!(" In a browser: {url}")).unwrap_or_default();
        let line = match self.guests {
            true => "* This is a chat. Press Enter to come in, or type what to say in #lobby.",
            false => "* This is a chat for people with an account. Press Enter to come in.",
        };
        format!("{line}{page}\r\n")
    }
}
