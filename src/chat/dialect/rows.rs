//! What stands in replies about rooms, accounts, conversations, and about what was read.

use std::borrow::Cow;

use serde::Serialize;

use super::json::RequestRef;
use super::reply::{Line, Where, is_false, is_true};
use crate::chat::away::Away;
use crate::chat::state::Unread;
use crate::chat::state::rooms::rules::RoomSettings;

/// What only the client that joins is told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct JoinedSelf<'a> {
    pub you: bool,
    /// The id of the room's last message; 0 before the first.
    pub position: u64,
    /// Whether some of the missed messages are gone.
    pub gap: bool,
    pub members: u32,
    pub topic: &'a str,
    /// Who may enter, if not everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<&'a str>,
    /// What the client may do there, if more than a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingLine>,
}

/// Whether somebody is away. `room`: all members are told, but not why; without one, a client is
/// told alone.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AwayLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<&'a str>,
    pub name: &'a str,
    pub away: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub text: &'a str,
    /// Since when.
    pub time: u64,
    #[serde(skip_serializing_if = "is_false")]
    pub you: bool,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a RequestRef>,
}

impl<'a> AwayLine<'a> {
    /// `time`: since when somebody is here who is not away.
    pub fn of(away: Option<&'a Away>, name: &'a str, time: u64) -> AwayLine<'a> {
        let text = away.map_or("", |away| &away.text);
        let (is_away, time) = (away.is_some(), away.map_or(time, |away| away.since_ms));
        AwayLine { room: None, name, away: is_away, text, time, you: false, reference: None }
    }
}

/// Who somebody is. Of those who are not to be seen by the reader, only that.
#[derive(Clone, Debug, Serialize)]
pub struct Person<'a> {
    pub name: &'a str,
    pub account: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub bot: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Why they are away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub away: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub away_since: Option<u64>,
    /// How far they are from UTC, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i32>,
    /// Those that the reader may see, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<&'a str>,
    pub time: u64,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a RequestRef>,
}

/// What holds in a room, as its owner has decided.
#[derive(Clone, Debug, Serialize)]
pub struct RoomState<'a> {
    pub room: &'a str,
    /// The name that it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'a str>,
    pub entry: &'a str,
    pub listed: bool,
    pub newcomers_see: &'a str,
    pub posting: &'a str,
    pub invites: &'a str,
    pub archived: bool,
    pub kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<&'a str>,
    /// What the client may do there, if it has asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'a str>,
    /// Those who wait to be let in, for those who can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asking: Vec<&'a str>,
    /// Who has just changed something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// What they have changed, for people.
    #[serde(skip)]
    pub changes: Vec<SettingChange<'a>>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a RequestRef>,
}

/// What is told to people in a sentence of its own.
#[derive(Clone, Copy, Debug)]
pub enum SettingChange<'a> {
    /// It is kept from now on.
    Kept,
    Entry(&'a str),
    Listed(bool),
    NewcomersSee(&'a str),
    Posting(&'a str),
    Invites(&'a str),
    Archived(bool),
}

impl SettingChange<'static> {
    /// What is another one now.
    pub fn between(before: &RoomSettings, after: &RoomSettings) -> Vec<SettingChange<'static>> {
        let changes = [
            (before.entry != after.entry, SettingChange::Entry(after.entry.as_str())),
            (before.is_listed != after.is_listed, SettingChange::Listed(after.is_listed)),
            (
                before.newcomers_see != after.newcomers_see,
                SettingChange::NewcomersSee(after.newcomers_see.as_str()),
            ),
            (before.posting != after.posting, SettingChange::Posting(after.posting.as_str())),
            (before.invites != after.invites, SettingChange::Invites(after.invites.as_str())),
            (before.is_archived != after.is_archived, SettingChange::Archived(after.is_archived)),
        ];
        let changed = changes.into_iter().filter(|(is_changed, _)| *is_changed);
        changed.map(|(_, change)| change).collect()
    }
}

/// What an account has read of a room, and what it has not.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReadingLine {
    pub read: u64,
    pub unread: u64,
    pub mentions: usize,
    pub level: &'static str,
}

impl ReadingLine {
    pub fn of(unread: &Unread) -> ReadingLine {
        let Unread { read, unread, mentions, level, .. } = *unread;
        ReadingLine { read, unread, mentions, level: level.as_str() }
    }
}

/// The same, in a list of rooms and conversations.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadRoom<'a> {
    #[serde(flatten)]
    pub place: Where<'a>,
    pub read: u64,
    pub last: u64,
    pub unread: u64,
    pub mentions: usize,
    pub level: &'static str,
}

impl<'a> UnreadRoom<'a> {
    pub fn new(place: Where<'a>, unread: &Unread) -> UnreadRoom<'a> {
        let Unread { read, last, unread, mentions, level } = *unread;
        UnreadRoom { place, read, last, unread, mentions, level: level.as_str() }
    }
}

/// A room in the list of rooms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoomSummary<'a> {
    pub room: &'a str,
    pub members: u32,
    pub topic: &'a str,
    /// Who may enter, if not everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<&'a str>,
    /// Programs know where they are.
    #[serde(skip)]
    pub here: Here,
}

/// Whether the one who asks is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    No,
    Member,
    /// It talks there.
    Talks,
}

/// A conversation in the list of them, and what was said there last.
#[derive(Clone, Debug, Serialize)]
pub struct ConversationLine<'a> {
    pub with: Cow<'a, str>,
    /// The id of the last message.
    pub last: u64,
    pub time: u64,
    /// Its text, or the beginning of a long one.
    pub text: Cow<'a, str>,
    /// Whether it was deleted, and has no text.
    #[serde(skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// Whether the reader said it.
    #[serde(skip_serializing_if = "is_false")]
    pub me: bool,
    /// Whether the other one's account has ended.
    #[serde(skip_serializing_if = "is_false")]
    pub gone: bool,
    /// Whether the other one is not connected.
    #[serde(skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// The limits that a program may want to know.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerLimits {
    pub message_bytes: usize,
    pub message_lines: usize,
    pub name_chars: usize,
    pub room_chars: usize,
    pub rooms: usize,
}

/// An account, as admins are shown it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AccountLine<'a> {
    pub name: &'a str,
    pub role: &'a str,
    pub created: u64,
    /// How many devices are connected.
    pub connected: usize,
    /// Whether it is banned at the moment.
    #[serde(skip_serializing_if = "is_false")]
    pub banned: bool,
    /// The account whose bot it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<&'a str>,
}

/// A bot of one's own.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BotLine<'a> {
    pub name: &'a str,
    pub created: u64,
    /// How many connections it has.
    pub connected: usize,
}

/// A hook that was made, or has another token.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewHook<'a> {
    pub room: &'a str,
    pub name: &'a str,
    pub token: &'a str,
    /// Where programs post what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<&'a str>,
    /// The same without the host, which is not known.
    #[serde(skip)]
    pub path: &'a str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a RequestRef>,
}

/// A hook of a room.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HookLine<'a> {
    pub name: &'a str,
    /// Who has made it.
    pub by: &'a str,
    pub created: u64,
    /// It may say nothing, as who has made it may not make hooks there any more.
    #[serde(skip_serializing_if = "is_false")]
    pub stopped: bool,
}

/// An account or an address that is banned.
#[derive(Clone, Debug, Serialize)]
pub struct BanLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub by: &'a str,
    pub since: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'a str,
}

/// Where an account is logged in: by what a browser or a program is known by, or on a connection that
/// has come by a password.
#[derive(Clone, Debug, Serialize)]
pub struct SessionLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// `token` or `browser`; of a connection, `terminal` or `program`.
    pub kind: &'a str,
    pub label: &'a str,
    pub created: u64,
    /// How many connections have come by it, and from which addresses.
    pub connected: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub you: bool,
}

/// An invitation of one's own.
#[derive(Clone, Debug, Serialize)]
pub struct InvitationLine {
    pub id: u64,
    /// How often it can still be used, if not any number of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// When it ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Whose password it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets: Option<String>,
    /// The rooms that it lets into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<String>,
    /// Whether it makes an account.
    #[serde(skip_serializing_if = "is_true")]
    pub accounts: bool,
}

/// A message that was found; of a long text, what is around the first word.
#[derive(Clone, Debug, Serialize)]
pub struct HitLine<'a> {
    #[serde(flatten)]
    pub place: Where<'a>,
    #[serde(flatten)]
    pub line: Line<'a>,
}
