//! What people at terminals are told of accounts.

use std::borrow::Cow;

use super::{line, page_number, qr};
use crate::chat::dialect::clock::Clock;
use crate::chat::dialect::reply::{
    AccountLine, AwayLine, BotLine, InvitationLine, Person, Reply, SessionLine,
};
use crate::chat::dialect::utc::Utc;
use crate::chat::request::SessionRef;
use crate::chat::text::Row;
use crate::delivery::encoding::{Encoder, Framing};

/// A terminal has so many columns at least.
const TERMINAL_COLUMNS: usize = 80;

/// Who one is now.
pub fn account(to: &mut Encoder, name: &str, role: Option<&str>, rooms: &[&str]) {
    let Some(role) = role else {
        return line(to, format_args!("* You are {name}, a guest. /login NAME or /register."));
    };
    let role = match role {
        "member" => String::new(),
        role => format!(", {role} of this server"),
    };
    let rooms = if rooms.is_empty() { "no room".to_owned() } else { rooms.join(", ") };
    line(to, format_args!("* You are logged in as {name}{role}, in {rooms}."));
}

/// Members that are bots, or are not here now, are told apart. `carol (away)`.
fn marked<'a>(name: &'a str, bots: &[&str], offline: &[&str], away: &[&str]) -> Cow<'a, str> {
    let here = match (offline.contains(&name), away.contains(&name)) {
        (true, _) => Some("offline"),
        (false, true) => Some("away"),
        (false, false) => None,
    };
    match (here, bots.contains(&name)) {
        (None, false) => Cow::Borrowed(name),
        (None, true) => Cow::Owned(format!("{name} (bot)")),
        (Some(here), false) => Cow::Owned(format!("{name} ({here})")),
        (Some(here), true) => Cow::Owned(format!("{name} ({here} bot)")),
    }
}

/// Who is in a room.
pub fn members(to: &mut Encoder, reply: &Reply) {
    let Reply::Members {
        room,
        ref members,
        ref bots,
        ref offline,
        ref away,
        total,
        after,
        next,
        ..
    } = *reply
    else {
        return;
    };
    let marked = members.iter().map(|name| marked(name, bots, offline, away));
    let members: Vec<Cow<'_, str>> = marked.collect();
    if total == 0 {
        return line(to, format_args!("* Nobody is in {room}."));
    }
    if members.is_empty() {
        return line(to, format_args!("* {total} in {room}: there is no such page."));
    }
    let (first, last, names) = (after + 1, after + members.len() as u64, members.join(", "));
    if after == 0 && next.is_none() {
        line(to, format_args!("* {total} in {room}: {names}"));
    } else {
        line(to, format_args!("* {total} in {room}, {first} to {last}: {names}"));
    }
    if let Some(next) = next {
        line(to, format_args!("* More with /who {room} {}", page_number(next)));
    }
}

/// That somebody is away, or here again. What is for a whole room people see where they look.
pub fn away(to: &mut Encoder, told: &AwayLine) {
    let AwayLine { room, name, away, text, you, .. } = *told;
    let row = Row(text);
    match (room, you, away) {
        (Some(_), ..) => {}
        (None, true, true) if text.is_empty() => {
            line(to, format_args!("* You are away now. /back ends that."));
        }
        (None, true, true) => {
            line(to, format_args!("* You are away now, until you say /back: {row}"));
        }
        (None, true, false) => line(to, format_args!("* You are here again.")),
        (None, false, true) if text.is_empty() => line(to, format_args!("* {name} is away.")),
        (None, false, true) => line(to, format_args!("* {name} is away: {row}")),
        (None, false, false) => line(to, format_args!("* {name} is here again.")),
    }
}

/// Who somebody is, in as many lines as there is something to say of them.
pub fn whois(to: &mut Encoder, person: &Person) {
    let clock = Clock::of(to.encoding().dialect);
    let Person {
        name, account, bot, online, since, away, away_since, offset, ref rooms, time, ..
    } = *person;
    let what = match (bot, account) {
        (true, _) => "is a bot",
        (false, true) => "has an account",
        (false, false) => "is a guest",
    };
    match (since, online) {
        (Some(since), _) => {
            let since = clock.show(since);
            line(to, format_args!("* {name} {what}, and is here since {since} ({clock})."));
        }
        (None, Some(_)) => line(to, format_args!("* {name} {what}, and is not connected now.")),
        (None, None) => line(to, format_args!("* {name} {what}.")),
    }
    if !rooms.is_empty() {
        line(to, format_args!("* {name} is in {}.", rooms.join(", ")));
    }
    if let (Some(text), Some(since)) = (away, away_since) {
        let since = clock.show(since);
        match text {
            "" => line(to, format_args!("* {name} is away since {since} ({clock}).")),
            text => {
                line(to, format_args!("* {name} is away since {since} ({clock}): {}", Row(text)));
            }
        }
    }
    if let Some(minutes) = offset {
        let theirs = Clock::default().offset(minutes);
        line(to, format_args!("* It is {} where {name} is ({theirs}).", theirs.time(time)));
    }
}

/// A page of all accounts. `next`: how many have been seen then, if there are more.
pub fn accounts(
    to: &mut Encoder,
    accounts: &[AccountLine],
    total: usize,
    after: u64,
    next: Option<u64>,
) {
    let plural = if total == 1 { "" } else { "s" };
    match accounts.len() as u64 {
        0 => return line(to, format_args!("* {total} account{plural}: there is no such page.")),
        _ if after == 0 => line(to, format_args!("* {total} account{plural}:")),
        count => {
            let (first, last) = (after + 1, after + count);
            line(to, format_args!("* {total} account{plural}, {first} to {last}:"));
        }
    }
    for AccountLine { name, role, created, connected, banned, owner } in accounts {
        let (created, banned) = (Utc(*created), if *banned { ", banned" } else { "" });
        let what = owner.map_or((*role).to_owned(), |owner| format!("bot of {owner}"));
        line(
            to,
            format_args!("*   {name}: {what}, since {created}, {connected} connected{banned}"),
        );
    }
    if let Some(next) = next.map(page_number) {
        line(to, format_args!("* More with /accounts {next}"));
    }
}

/// A bot, with its token.
pub fn bot(to: &mut Encoder, name: &str, token: &str) {
    line(to, format_args!("* {name} is a bot of yours. Its token, shown only once: {token}"));
}

/// One's bots.
pub fn bots(to: &mut Encoder, bots: &[BotLine]) {
    match bots.len() {
        0 => line(to, format_args!("* You have no bots. Make one with /bot NAME.")),
        _ => line(to, format_args!("* Your bots; /bots end NAME ends one:")),
    }
    for BotLine { name, created, connected } in bots {
        let created = Utc(*created);
        line(to, format_args!("*   {name}, since {created}, {connected} connected"));
    }
}

/// A token, which is shown once.
pub fn token(to: &mut Encoder, token: &str, id: u32) {
    line(to, format_args!("* Token {id}, shown only once: {token}"));
}

/// An invitation, with its code and the ways to use it.
pub fn invitation(to: &mut Encoder, code: &str, invitation: &InvitationLine, link: Option<&str>) {
    line(to, format_args!("* Invitation {}: {code}", Described(invitation)));
    match link {
        Some(link) => {
            line(to, format_args!("*   {link}"));
            scannable(to, link);
        }
        None if !invitation.accounts => {}
        None => {
            let name = invitation.resets.as_deref().unwrap_or("NAME");
            line(to, format_args!("*   At a terminal: /register {code} {name}"));
        }
    }
    for room in &invitation.rooms {
        line(to, format_args!("*   Into the room: /join {room} {code}"));
    }
}

/// The same link for a phone. What reads lines from a WebSocket is a program.
fn scannable(to: &mut Encoder, link: &str) {
    const MARK: &str = "*   ";
    if to.encoding().framing != Framing::Lines {
        return;
    }
    for blocks in qr::lines(link, TERMINAL_COLUMNS - MARK.len()).into_iter().flatten() {
        line(to, format_args!("{MARK}{blocks}"));
    }
}

/// How a terminal is let in that cannot be told a password.
pub fn confirm(to: &mut Encoder, address: &str, done: bool, code: &str) {
    match done {
        true => line(to, format_args!("* The terminal at {address} is logged in as you now.")),
        false => line(
            to,
            format_args!(
                "* A terminal at {address} wants to be logged in as you. If it is yours: /confirm \
                 {code} yes"
            ),
        ),
    }
}

/// Where one is logged in.
pub fn sessions(to: &mut Encoder, sessions: &[SessionLine]) {
    line(to, format_args!("* Where you are logged in; /sessions end N ends one:"));
    for session in sessions {
        let SessionLine { id, connection, kind, label, created, connected, from, you } = session;
        let which = id.map(SessionRef::Key).or(connection.map(SessionRef::Connection));
        let which = which.map_or(String::new(), |which| which.to_string());
        let label = if label.is_empty() { String::new() } else { format!(" {}", Row(label)) };
        let from =
            if from.is_empty() { String::new() } else { format!(" from {}", from.join(", ")) };
        let (created, here) = (Utc(*created), if *you { ", this one" } else { "" });
        line(
            to,
            format_args!(
                "*   {which}: {kind}{label}, since {created}, {connected} connected{from}{here}"
            ),
        );
    }
}

/// One's invitations.
pub fn invitations(to: &mut Encoder, invitations: &[InvitationLine]) {
    match invitations.len() {
        0 => line(to, format_args!("* You have no invitations. Make one with /invite.")),
        _ => line(to, format_args!("* Your invitations; /invitations end N ends one:")),
    }
    for invitation in invitations {
        line(to, format_args!("*   {}", Described(invitation)));
    }
}

/// `3, for 2 more, until 2026-11-01 12:00`
struct Described<'a>(&'a InvitationLine);

impl std::fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let InvitationLine { id, uses, until, resets, rooms, accounts } = self.0;
        write!(f, "{id}")?;
        if let Some(name) = resets {
            write!(f, ", for a new password of {name}")?;
        }
        if !rooms.is_empty() {
            let only = if *accounts { "" } else { "only " };
            write!(f, ", {only}to {}", rooms.join(", "))?;
        }
        match uses {
            _ if resets.is_some() => {}
            Some(1) => write!(f, ", for one")?,
            Some(uses) => write!(f, ", for {uses}")?,
            None => write!(f, ", for any number")?,
        }
        match until {
            Some(until) => write!(f, ", until {} UTC", Utc(*until)),
            None => Ok(()),
        }
    }
}
