//! What a client can ask for that is about order, and how people type it.

use std::borrow::Cow;
use std::net::IpAddr;

use super::Request;
use super::commands::{CommandSpec, optional, page, split, word};

/// See [`Request::Order`].
#[derive(Clone, Debug, PartialEq)]
pub enum OrderRequest<'a> {
    /// Lets an account, or an address, not be here any more: for so long, or for ever.
    Ban {
        whom: Whom<'a>,
        minutes: Option<u32>,
        reason: Option<Cow<'a, str>>,
    },
    Unban {
        whom: Whom<'a>,
    },
    /// Asks who is banned; `after`: so many have been seen.
    Bans {
        after: u64,
        limit: Option<u32>,
    },
    /// Lets somebody say nothing in a room any more.
    Mute {
        room: Option<Cow<'a, str>>,
        name: Cow<'a, str>,
        minutes: Option<u32>,
        reason: Option<Cow<'a, str>>,
    },
    Unmute {
        room: Option<Cow<'a, str>>,
        name: Cow<'a, str>,
    },
    /// Shows one nothing any more of what somebody says.
    Ignore {
        name: Cow<'a, str>,
    },
    Unignore {
        name: Cow<'a, str>,
    },
    /// Asks whom one ignores.
    Ignored,
    /// Shows the staff a message, of a room or of a conversation: `@bob`.
    Report {
        room: Option<Cow<'a, str>>,
        which: Which,
        reason: Option<Cow<'a, str>>,
    },
    /// Leaves only a tombstone of a message: of the last of one's own, if none is named. `room`: or
    /// whose conversation it is of, as `@bob`.
    DeleteMessage {
        room: Option<Cow<'a, str>>,
        which: Option<Which>,
    },
    /// Asks which messages after `after` and before `before` are tombstones.
    Deletions {
        room: Option<Cow<'a, str>>,
        after: u64,
        before: Option<u64>,
    },
}

/// Who is to be banned, or not any more.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom<'a> {
    Name(Cow<'a, str>),
    Address(IpAddr),
}

impl<'a> Whom<'a> {
    /// As it is typed, where nothing says which of both it is.
    fn typed(typed: &'a str) -> Whom<'a> {
        typed.parse().map_or(Whom::Name(typed.into()), Whom::Address)
    }
}

/// Which message of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Id(u64),
    /// Counted back from the last one, which is 1.
    Back(u64),
}

impl OrderRequest<'_> {
    /// Whether it is done though nobody reads the answer, and changes what is kept.
    pub fn changes(&self) -> bool {
        match self {
            OrderRequest::Ban { .. }
            | OrderRequest::Unban { .. }
            | OrderRequest::Mute { .. }
            | OrderRequest::Unmute { .. }
            | OrderRequest::Ignore { .. }
            | OrderRequest::Unignore { .. }
            | OrderRequest::Report { .. }
            | OrderRequest::DeleteMessage { .. } => true,
            OrderRequest::Bans { .. } | OrderRequest::Ignored | OrderRequest::Deletions { .. } => {
                false
            }
        }
    }

    /// The room that it names, as typed.
    pub fn room(&self) -> Option<&str> {
        match self {
            OrderRequest::Mute { room, .. }
            | OrderRequest::Unmute { room, .. }
            | OrderRequest::Report { room, .. }
            | OrderRequest::DeleteMessage { room, .. }
            | OrderRequest::Deletions { room, .. } => room.as_deref(),
            OrderRequest::Ban { .. }
            | OrderRequest::Unban { .. }
            | OrderRequest::Bans { .. }
            | OrderRequest::Ignore { .. }
            | OrderRequest::Unignore { .. }
            | OrderRequest::Ignored => None,
        }
    }
}

impl<'a> From<OrderRequest<'a>> for Request<'a> {
    fn from(request: OrderRequest<'a>) -> Request<'a> {
        Request::Order(request)
    }
}

pub const MUTE: CommandSpec = CommandSpec {
    name: "mute",
    arguments: "NAME [TIME] [REASON]",
    help: "let somebody say nothing in this room any more",
    details: "They go on hearing what is said. TIME is 90m, 2h or 7d, or minutes; without it, it \
              holds until /unmute.",
    parse: |arguments| {
        let (name, minutes, reason) = sentence(arguments)?;
        Some(OrderRequest::Mute { room: None, name: name.into(), minutes, reason }.into())
    },
};

pub const UNMUTE: CommandSpec = CommandSpec {
    name: "unmute",
    arguments: "NAME",
    help: "let somebody speak again in this room",
    details: "",
    parse: |arguments| Some(OrderRequest::Unmute { room: None, name: word(arguments)? }.into()),
};

pub const IGNORE: CommandSpec = CommandSpec {
    name: "ignore",
    arguments: "[NAME]",
    help: "see nothing any more of what somebody says, or list whom you ignore",
    details: "It holds in all rooms, for private messages and for what was said before. They are \
              not told. An account's list is kept; a guest's is as long as the guest is here.",
    parse: |arguments| match arguments {
        "" => Some(OrderRequest::Ignored.into()),
        name => Some(OrderRequest::Ignore { name: word(name)? }.into()),
    },
};

pub const UNIGNORE: CommandSpec = CommandSpec {
    name: "unignore",
    arguments: "NAME",
    help: "see again what somebody says",
    details: "",
    // What stands for those who have left has spaces.
    parse: |arguments| Some(OrderRequest::Unignore { name: optional(arguments)? }.into()),
};

pub const REPORT: CommandSpec = CommandSpec {
    name: "report",
    arguments: "[@NAME] [N] [REASON]",
    help: "show the staff a message of this room, or of what NAME and you have said",
    details: "N is its number, as /history shows it; -2 is the last but one, and no number the \
              last. The admins and owners of this server see what it says, and that it was you who \
              reported it.",
    parse: |arguments| {
        let (room, arguments) = match arguments.starts_with('@') {
            true => {
                let (name, rest) = arguments.split_at(name_bytes(arguments));
                (optional(name), rest.trim_start())
            }
            false => (None, arguments),
        };
        let (number, rest) = split(arguments);
        let (which, reason) = match which(number) {
            Some(which) => (which, rest),
            None => (Which::Back(1), arguments),
        };
        Some(OrderRequest::Report { room, which, reason: optional(reason) }.into())
    },
};

pub const DELETE: CommandSpec = CommandSpec {
    name: "delete",
    arguments: "[@NAME] [N]",
    help: "remove a message of this room: your own, or as a moderator any",
    details: "N is its number, as /history shows it; -2 is the last but one, and no number the last \
              of your own. With @NAME: of what you have said to somebody. It stays in its place, \
              without its text.",
    parse: |arguments| {
        let (room, number) = match arguments.strip_prefix('@') {
            None => (None, arguments),
            // What stands for those who have left has spaces.
            Some(_) => match arguments.rsplit_once(char::is_whitespace) {
                Some((name, number)) if which(number).is_some() => (Some(name.trim_end()), number),
                _ => (Some(arguments), ""),
            },
        };
        let which = match number {
            "" => None,
            number => Some(which(number)?),
        };
        Some(OrderRequest::DeleteMessage { room: room.map(Cow::from), which }.into())
    },
};

pub const BAN: CommandSpec = CommandSpec {
    name: "ban",
    arguments: "WHOM [TIME] [REASON]",
    help: "let an account, an address or where a guest comes from not be here any more",
    details: "WHOM is a name or an address; a guest's name stands for its address. Their \
              connections end at once. TIME is 90m, 2h or 7d, or minutes; without it, it holds until \
              /unban. Of IPv6 the network of 64 bits is banned. Admins and owners can, for members; \
              owners for all.",
    parse: |arguments| {
        let (whom, minutes, reason) = sentence(arguments)?;
        Some(OrderRequest::Ban { whom: Whom::typed(whom), minutes, reason }.into())
    },
};

pub const UNBAN: CommandSpec = CommandSpec {
    name: "unban",
    arguments: "WHOM",
    help: "let an account or an address come again",
    details: "",
    parse: |arguments| {
        let whom = optional(arguments).filter(|typed| !typed.contains(char::is_whitespace));
        whom.is_some().then(|| OrderRequest::Unban { whom: Whom::typed(arguments) }.into())
    },
};

pub const BANS: CommandSpec = CommandSpec {
    name: "bans",
    arguments: "[PAGE]",
    help: "list who is banned",
    details: "",
    parse: |arguments| Some(OrderRequest::Bans { after: page(arguments)?, limit: None }.into()),
};

/// The length of the name at the start: a word, or what stands for somebody who has left, which has
/// spaces: `@someone who left`, `@someone who left (2)`.
fn name_bytes(arguments: &str) -> usize {
    const LEFT: &str = "@someone who left";
    let is_left = arguments.get(..LEFT.len()).is_some_and(|it| it.eq_ignore_ascii_case(LEFT));
    let rest = arguments.get(LEFT.len()..).filter(|_| is_left);
    let Some(rest) = rest.filter(|rest| !rest.starts_with(|c: char| !c.is_whitespace())) else {
        return split(arguments).0.len();
    };
    let (which, _) = split(rest.trim_start());
    match which.starts_with('(') {
        true => arguments.len() - rest.trim_start().len() + which.len(),
        false => LEFT.len(),
    }
}

/// Whom, for how many minutes, and why.
pub(super) type Sentence<'a> = (&'a str, Option<u32>, Option<Cow<'a, str>>);

/// Reads `mallory 60 spam`. What looks like a time and is none is no reason: whoever wrote it does
/// not mean for ever.
pub(super) fn sentence(arguments: &str) -> Option<Sentence<'_>> {
    let (whom, rest) = split(arguments);
    let (first, reason) = split(rest);
    if whom.is_empty() {
        return None;
    }
    if !first.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) {
        return Some((whom, None, optional(rest)));
    }
    Some((whom, Some(minutes(first)?), optional(reason)))
}

/// `90`, `90m`, `2h` or `7d`.
fn minutes(typed: &str) -> Option<u32> {
    let (number, minutes_each) = match typed.as_bytes().last()? {
        b'm' => (&typed[..typed.len() - 1], 1),
        b'h' => (&typed[..typed.len() - 1], 60),
        b'd' => (&typed[..typed.len() - 1], 24 * 60),
        _ => (typed, 1),
    };
    number.parse::<u32>().ok()?.checked_mul(minutes_each)
}

/// `12`, or `-2`.
fn which(typed: &str) -> Option<Which> {
    match typed.strip_prefix('-') {
        Some(back) => back.parse().ok().map(Which::Back),
        None => typed.parse().ok().map(Which::Id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(spec: &CommandSpec, arguments: &'static str) -> Option<OrderRequest<'static>> {
        (spec.parse)(arguments).map(|request| match request {
            Request::Order(request) => request,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn minutes_and_a_reason_may_be_left_out() {
        let ban = |whom: Whom<'static>, minutes, reason: Option<&'static str>| {
            Some(OrderRequest::Ban { whom, minutes, reason: reason.map(Cow::from) })
        };
        let bob = || Whom::Name("bob".into());
        assert_eq!(parsed(&BAN, "bob"), ban(bob(), None, None));
        assert_eq!(parsed(&BAN, "bob  60"), ban(bob(), Some(60), None));
        assert_eq!(parsed(&BAN, "bob 60 so much spam"), ban(bob(), Some(60), Some("so much spam")));
        assert_eq!(parsed(&BAN, "bob spam of 60"), ban(bob(), None, Some("spam of 60")));
        let address = Whom::Address("2001:db8::7".parse().expect("an address"));
        assert_eq!(parsed(&BAN, "2001:db8::7 spam"), ban(address, None, Some("spam")));
        assert_eq!(parsed(&BAN, ""), None);
        assert_eq!(parsed(&UNBAN, "bob spam"), None);
    }

    #[test]
    fn a_message_is_named_by_its_number_or_counted_back() {
        let report = |which, reason: Option<&'static str>| {
            Some(OrderRequest::Report { room: None, which, reason: reason.map(Cow::from) })
        };
        assert_eq!(parsed(&REPORT, ""), report(Which::Back(1), None));
        assert_eq!(parsed(&REPORT, "12 spam"), report(Which::Id(12), Some("spam")));
        assert_eq!(parsed(&REPORT, "-2"), report(Which::Back(2), None));
        assert_eq!(parsed(&REPORT, "all of it"), report(Which::Back(1), Some("all of it")));
        let with_bob = |which, reason: Option<&'static str>| {
            let (room, reason) = (Some("@bob".into()), reason.map(Cow::from));
            Some(OrderRequest::Report { room, which, reason })
        };
        assert_eq!(parsed(&REPORT, "@bob"), with_bob(Which::Back(1), None));
        assert_eq!(parsed(&REPORT, "@bob  7  my pills"), with_bob(Which::Id(7), Some("my pills")));
        assert_eq!(parsed(&REPORT, "@bob spam"), with_bob(Which::Back(1), Some("spam")));
        let delete = |room: Option<&'static str>, which| {
            Some(OrderRequest::DeleteMessage { room: room.map(Cow::from), which })
        };
        assert_eq!(parsed(&DELETE, ""), delete(None, None));
        assert_eq!(parsed(&DELETE, "12"), delete(None, Some(Which::Id(12))));
        assert_eq!(parsed(&DELETE, "-2"), delete(None, Some(Which::Back(2))));
        assert_eq!(parsed(&DELETE, "@bob"), delete(Some("@bob"), None));
        assert_eq!(parsed(&DELETE, "@bob  -1"), delete(Some("@bob"), Some(Which::Back(1))));
        let of_left = |which, reason: Option<&'static str>| {
            let (room, reason) = (Some("@someone who left".into()), reason.map(Cow::Borrowed));
            Some(OrderRequest::Report { room, which, reason })
        };
        assert_eq!(
            parsed(&REPORT, "@someone who left 3 spam"),
            of_left(Which::Id(3), Some("spam"))
        );
        assert_eq!(parsed(&REPORT, "@someone who left"), of_left(Which::Back(1), None));
        let left = "@someone who left";
        assert_eq!(parsed(&DELETE, left), delete(Some(left), None));
        assert_eq!(parsed(&DELETE, "all of it"), None);
    }

    #[test]
    fn a_time_is_in_minutes_hours_or_days_and_what_looks_like_one_is_no_reason() {
        let read = |typed| sentence(typed).map(|(_, minutes, reason)| (minutes, reason));
        let because = |reason: &'static str| Some(Cow::Borrowed(reason));
        assert_eq!(read("bob"), Some((None, None)));
        assert_eq!(read("bob spam 10"), Some((None, because("spam 10"))));
        assert_eq!(read("bob 90 spam"), Some((Some(90), because("spam"))));
        assert_eq!(read("bob 90m"), Some((Some(90), None)));
        assert_eq!(read("bob 2h spam"), Some((Some(120), because("spam"))));
        assert_eq!(read("bob 7d"), Some((Some(7 * 24 * 60), None)));
        for typed in ["bob -5", "bob 5x", "bob 99999999999", "bob 9999999d", "bob 1.5h spam", ""] {
            assert_eq!(read(typed), None, "{typed}");
        }
    }
}
