//! Names of clients and of rooms.
//!
//! They follow the Nickname profile of PRECIS (RFC 8266): what is shown is what was typed, in NFC
//! and without white space around it; what is compared is a key, folded to one case and normalized
//! with NFKC, so that `Ａｌｉｃｅ`, `ALICE` and `alice` are one name, and `ｱﾘｽ` and `アリス` are another.
//! Beyond RFC 8266:
//!
//! * emoji sequences are let through whole, with the joiners and selectors that PRECIS refuses;
//!   keys leave those out, so that two names never differ by something invisible;
//! * case is folded and not just lowered, so that `STRASSE` and `straße` are one name;
//! * white space is refused inside a name, and so is what would let a name pass for more of a line
//!   than its own part;
//! * names that look like one that is in use, or that speaks for the server, are refused
//!   ([`confusable`], UTS #39), and so are those that end in what heads the messages of hooks;
//! * names written from right to left keep the Bidi rule (RFC 5893), so that the rest of the line
//!   stays in its place;
//! * the tables are those of Unicode 16 to 18 and not of 6.3, and the rules about a dot or a digit
//!   and its neighbours (CONTEXTO) are left out, as they guard host names.

pub mod comparison;
mod confusable;
mod error;
pub mod index;
mod rules;

pub use error::{NameError, NameErrorKind, NameOwner};
pub use index::{Index, NameForms};

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use compact_str::CompactString;
use unicode_normalization::UnicodeNormalization;

use confusable::{ends_like_hook, loose_skeleton};

use crate::chat::ids::Pair;

/// How long a name of a kind may be.
struct NameLimits {
    /// Grapheme clusters, which is what people count.
    clusters_max: usize,
    /// UTF-8 bytes, as a cluster can be of any length.
    bytes_max: usize,
}

/// A name has at most so many grapheme clusters.
pub const CLUSTERS_MAX: usize = 32;
/// A room's name has at most so many grapheme clusters, the `#` not counted.
pub const ROOM_CLUSTERS_MAX: usize = 64;

const NAME_LIMITS: NameLimits = NameLimits { clusters_max: CLUSTERS_MAX, bytes_max: 128 };

/// Without the `#`.
const ROOM_LIMITS: NameLimits = NameLimits { clusters_max: ROOM_CLUSTERS_MAX, bytes_max: 256 };

/// Names that speak for the server, for everyone or for the reader. As keys.
const RESERVED: [&str; 12] = [
    "you",
    "me",
    "server",
    "system",
    "owner",
    "admin",
    "administrator",
    "moderator",
    "staff",
    "root",
    "everyone",
    "nobody",
];

/// What calls all who are in a room, after an `@`. Nobody is called so; what looks like them can be
/// a name, as Ali is one.
pub const FOR_ALL: [&str; 2] = ["all", "here"];

/// The reserved names by their loose skeletons.
static RESERVED_SKELETONS: LazyLock<HashMap<String, &str>> =
    LazyLock::new(|| RESERVED.iter().map(|name| (loose_skeleton(name), *name)).collect());

/// What a client is called. Equal, and looked up, by its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(ShownAndKey);

impl Name {
    /// Reads a name as somebody typed it, or says in one sentence why it cannot be one.
    pub fn parse(typed: &str) -> Result<Name, NameError> {
        let refused = |kind| NameError { owner: NameOwner::User, kind };
        let name = Name(parse(typed.trim(), "", &NAME_LIMITS).map_err(refused)?);
        let mut reserved = RESERVED.iter().chain(&FOR_ALL);
        if let Some(reserved) = reserved.find(|&&reserved| reserved == name.key()) {
            return Err(refused(NameErrorKind::Reserved { name: reserved }));
        }
        if [name.as_str(), name.key()].into_iter().any(ends_like_hook) {
            return Err(refused(NameErrorKind::LikeHook));
        }
        let skeletons = [name.as_str(), name.key()].map(loose_skeleton);
        match skeletons.iter().find_map(|skeleton| RESERVED_SKELETONS.get(skeleton)) {
            Some(reserved) => {
                Err(refused(NameErrorKind::ConfusableWithReserved { name: reserved }))
            }
            None => name.0.check_scripts().map(|()| name).map_err(refused),
        }
    }

    /// Reads a name as it was kept: what is refused today may have been somebody's before.
    ///
    /// # Errors
    /// It has not the form of a name.
    pub fn kept(stored: &str) -> Result<Name, NameError> {
        let name = parse(stored, "", &NAME_LIMITS).map(Name);
        name.map_err(|kind| NameError { owner: NameOwner::User, kind })
    }

    /// `guest-7`, the name of a client that has not chosen one. People may type it as well, so it
    /// can be taken.
    pub fn guest(number: u64) -> Name {
        Name(ShownAndKey::new(format!("guest-{number}"), None))
    }

    /// As it is shown.
    pub fn as_str(&self) -> &str {
        self.0.shown()
    }

    /// As it is compared: two clients whose names have one key have one name.
    pub fn key(&self) -> &str {
        self.0.key()
    }
}

/// What a room is called, `#` included. Equal, and looked up, by its key.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomName(ShownAndKey);

impl RoomName {
    /// Reads a room's name as somebody typed it, `#dev` or `dev` (or `＃dev`, as Japanese keyboards
    /// have it), or says in one sentence why it cannot be one.
    pub fn parse(typed: &str) -> Result<RoomName, NameError> {
        let typed = typed.trim();
        let bare = typed.strip_prefix(['#', '＃', '﹟']).unwrap_or(typed);
        let name = parse(bare, "#", &ROOM_LIMITS)
            .and_then(|name| name.check_scripts().map(|()| RoomName(name)));
        name.map_err(|kind| NameError { owner: NameOwner::Room, kind })
    }

    /// What a conversation has in place of a name. Nobody can type it, and nobody is shown it.
    pub fn of_conversation(between: Pair) -> RoomName {
        RoomName(ShownAndKey::new(between.to_string(), None))
    }

    /// Reads a room's name, or what a conversation has in its place, as it was kept.
    ///
    /// # Errors
    /// No room can have that name any more.
    pub fn kept(stored: &str) -> Result<RoomName, NameError> {
        Pair::parse(stored).map_or_else(
            || RoomName::parse(stored),
            |between| Ok(RoomName::of_conversation(between)),
        )
    }

    /// Whose conversation it is, if it is no room's name.
    pub fn between(&self) -> Option<Pair> {
        // Asked several times for each message that is said: most rooms are no conversations.
        if self.0.0.as_bytes().first() == Some(&b'#') {
            return None;
        }
        Pair::parse(self.as_str())
    }

    /// As it is shown, with its `#`.
    pub fn as_str(&self) -> &str {
        self.0.shown()
    }

    /// As it is compared, with its `#`.
    pub fn key(&self) -> &str {
        self.0.key()
    }
}

/// The key of what may be a name; `None` if it is too long for one, or has none. Whether a name can
/// be so is not looked at.
pub fn key_of(typed: &str) -> Option<String> {
    if typed.len() > 3 * NAME_LIMITS.bytes_max {
        return None;
    }
    if typed.is_ascii() {
        return Some(typed.to_ascii_lowercase());
    }
    comparison::key(&typed.nfc().collect::<String>(), comparison::PASSES_MAX)
}

fn parse(typed: &str, prefix: &str, limits: &NameLimits) -> Result<ShownAndKey, NameErrorKind> {
    if typed.is_empty() {
        return Err(NameErrorKind::Empty);
    }
    // NFC makes text up to three times shorter (Hangul), so what is longer still is not worth the
    // work.
    if typed.len() > 3 * limits.bytes_max {
        return Err(NameErrorKind::TooManyBytes {
            bytes: typed.len(),
            bytes_max: limits.bytes_max,
        });
    }
    if typed.is_ascii() {
        rules::check_ascii(typed, limits)?;
        let shown = [prefix, typed].concat();
        let key =
            typed.bytes().any(|byte| byte.is_ascii_uppercase()).then(|| shown.to_ascii_lowercase());
        return Ok(ShownAndKey::new(shown, key));
    }
    let shown: String = prefix.chars().chain(typed.nfc()).collect();
    rules::check(&shown[prefix.len()..], limits)?;
    let key = comparison::key(&shown, comparison::PASSES_MAX).ok_or(NameErrorKind::Unstable)?;
    Ok(ShownAndKey::new(shown, Some(key)))
}

/// Both forms of a name in one allocation, because every client has one.
///
/// Invariant: the shown form; and unless the key is the same, the key and the length of the shown
/// form in two control characters, five bits each. Neither form is empty or has a control character
/// in it.
#[derive(Clone)]
struct ShownAndKey(CompactString);

impl ShownAndKey {
    fn new(shown: String, key: Option<String>) -> ShownAndKey {
        let Some(key) = key.filter(|key| *key != shown) else { return ShownAndKey(shown.into()) };
        let length = [shown.len() >> 5, shown.len() & 31]
            .map(|bits| u8::try_from(bits).ok().filter(|bits| *bits < 32));
        let length = length.map(|bits| {
            char::from(bits.expect("a name has far fewer bytes, as its limits were checked"))
        });
        ShownAndKey([shown, key, length.iter().collect()].concat().into())
    }

    fn shown(&self) -> &str {
        self.split().0
    }

    fn key(&self) -> &str {
        let (shown, key) = self.split();
        key.unwrap_or(shown)
    }

    fn check_scripts(&self) -> Result<(), NameErrorKind> {
        let (shown, key) = self.split();
        if confusable::mixes_scripts(shown, key.unwrap_or(shown)) {
            Err(NameErrorKind::MixedScripts)
        } else {
            Ok(())
        }
    }

    fn split(&self) -> (&str, Option<&str>) {
        match self.0.as_bytes() {
            [forms @ .., high, low @ ..32] => {
                let shown_bytes = usize::from(*high) << 5 | usize::from(*low);
                (&self.0[..shown_bytes], Some(&self.0[shown_bytes..forms.len()]))
            }
            _ => (&self.0, None),
        }
    }
}

impl PartialEq for ShownAndKey {
    fn eq(&self, other: &ShownAndKey) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ShownAndKey {}

macro_rules! displays_as_shown {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }

        impl NameForms for $name {
            fn as_str(&self) -> &str {
                self.0.shown()
            }

            fn key(&self) -> &str {
                self.0.key()
            }
        }
    )*};
}

displays_as_shown!(Name RoomName);

#[cfg(test)]
mod tests;
