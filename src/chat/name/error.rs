//! Why a name was refused, in one sentence.

use std::fmt;

use thiserror::Error;

use crate::chat::text::quote;

/// What has such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOwner {
    User,
    Room,
}

/// A refused name. Its sentence takes words from both fields, so it is written below and not
/// derived.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct NameError {
    pub owner: NameOwner,
    pub kind: NameErrorKind,
}

/// What is wrong with it. `found` is the character as it was typed (in NFC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameErrorKind {
    /// Nothing, or nothing but white space.
    Empty,
    /// No letter, digit or symbol in it: `...`, `_`.
    OnlyPunctuation,
    TooLong {
        clusters: usize,
        clusters_max: usize,
    },
    TooManyBytes {
        bytes: usize,
        bytes_max: usize,
    },
    WhiteSpace {
        found: char,
    },
    /// It begins with what a command, a room or a notice begins with.
    ForbiddenStart {
        found: char,
    },
    /// It has what a line has around a name.
    Punctuation {
        found: char,
    },
    /// Controls, bidi controls, zero-width and blank characters, and parts of emoji outside of an
    /// emoji.
    Invisible {
        found: char,
    },
    /// Unassigned and private use.
    Unassigned {
        found: char,
    },
    /// Old Hangul, stretched letters, halves of flags, enclosing marks, spacing accents, an iota
    /// subscript under no Greek letter, U+FFFD.
    Disallowed {
        found: char,
    },
    LoneMark {
        found: char,
    },
    TooManyMarks {
        found: char,
    },
    /// It breaks the Bidi rule.
    MixedDirection,
    /// It has letters of several scripts and looks as if it had those of one.
    MixedScripts,
    /// No stable form to compare.
    Unstable,
    Reserved {
        name: &'static str,
    },
    /// It could be taken for a reserved name.
    ConfusableWithReserved {
        name: &'static str,
    },
    /// It ends in what looks like `(hook)`, as the headings of hooks do.
    LikeHook,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use NameErrorKind as Kind;
        let (subject, example) = match self.owner {
            NameOwner::User => ("a name", "alice"),
            NameOwner::Room => ("a room's name", "#dev"),
        };
        // A reserved name is the subject of its own sentence.
        if !matches!(self.kind, Kind::Reserved { .. }) {
            write!(f, "{subject} ")?;
        }
        match self.kind {
            Kind::Empty => write!(f, "cannot be empty; give one, such as {example}"),
            Kind::OnlyPunctuation => f.write_str("needs a letter, a digit or an emoji; add one"),
            Kind::TooLong { clusters, clusters_max } => {
                write!(f, "can have {clusters_max} characters and that has {clusters}; shorten it")
            }
            Kind::TooManyBytes { bytes, bytes_max } => {
                write!(f, "can have {bytes_max} bytes of UTF-8 and that has {bytes}; shorten it")
            }
            Kind::WhiteSpace { found } => {
                let found = CodePoint(found);
                write!(f, "cannot have white space in it, here {found}; use - or _ in its place")
            }
            Kind::ForbiddenStart { found } => {
                write!(f, "cannot begin with {}; leave it out", ShownChar(found))
            }
            Kind::LoneMark { found } => {
                let found = CodePoint(found);
                write!(f, "cannot begin with the accent or mark {found}; put a letter before it")
            }
            Kind::TooManyMarks { found } => {
                let found = CodePoint(found);
                write!(f, "cannot pile up accents and marks, here {found}; leave some out")
            }
            Kind::Punctuation { found } => write_forbidden(f, ShownChar(found), ""),
            Kind::Invisible { found } => {
                write_forbidden(f, CodePoint(found), ", which is invisible here")
            }
            Kind::Unassigned { found } => {
                write_forbidden(f, CodePoint(found), ", which Unicode gives no meaning")
            }
            Kind::Disallowed { found } => {
                write_forbidden(f, CodePoint(found), ", which looks too much like others")
            }
            Kind::MixedDirection => f.write_str(MIXED_DIRECTION),
            Kind::MixedScripts => f.write_str(MIXED_SCRIPTS),
            Kind::Unstable => f.write_str(UNSTABLE),
            Kind::LikeHook => f.write_str("cannot end in (hook), as hooks do; leave that out"),
            Kind::Reserved { name } => {
                write!(f, "{} is reserved; choose another name", quote(name, 40))
            }
            Kind::ConfusableWithReserved { name } => {
                let name = quote(name, 40);
                write!(f, "cannot look like {name}, which is reserved; choose another name")
            }
        }
    }
}

const MIXED_DIRECTION: &str = "written from right to left has to begin with a letter, end with a \
    letter or a digit and have no letters of other scripts; change that";
const MIXED_SCRIPTS: &str =
    "cannot hide letters of one script among those of another; use one script";
const UNSTABLE: &str = "has to have one clear lower-case form and that has none; choose another";

fn write_forbidden(f: &mut fmt::Formatter, found: impl fmt::Display, why: &str) -> fmt::Result {
    write!(f, "cannot have {found} in it{why}; leave it out")
}

/// `U+0078`.
struct CodePoint(char);

impl fmt::Display for CodePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

/// `x (U+0078)`, or the number alone if the character cannot be shown.
struct ShownChar(char);

impl fmt::Display for ShownChar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShownChar(c) = *self;
        match c.escape_debug().count() {
            1 => write!(f, "{c} ({})", CodePoint(c)),
            _ => write!(f, "{}", CodePoint(c)),
        }
    }
}
