//! Why a name was refused, in one sentence.

use crate::chat::text::quote;
use std::fmt;
use thiserror::Error;

/// What the name was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Name,
    Room,
}

/// A refused name. Its sentence takes words from both fields, so it is written below and not
/// derived.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct NameError {
    pub what: What,
    pub refusal: NameProblem,
}

/// The reason. `found` is the character as it was typed (in NFC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// Nothing, or nothing but white space.
    Empty,
    /// No letter, digit or symbol in it: `...`, `_`.
    SaysNothing,
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
    Start {
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
    /// Old Hangul, stretched letters, halves of flags, enclosing marks, spacing accents, U+FFFD.
    NotForNames {
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
    LooksReserved {
        name: &'static str,
    },
}

/// `'x' (U+0078)`, or the number alone when there is nothing that may be shown.
struct Found(char);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found(c) = *self;
        match c.escape_debug().count() {
            1 => write!(f, "{c} (U+{:04X})", u32::from(c)),
            _ => write!(f, "U+{:04X}", u32::from(c)),
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, example) = match self.what {
            What::Name => ("a name", "alice"),
            What::Room => ("a room's name", "#dev"),
        };
        match self.refusal {
            NameProblem::Empty => write!(f, "{a} cannot be empty; give one, such as {example}"),
            NameProblem::SaysNothing => {
                write!(f, "{a} needs a letter, a digit or an emoji; add one")
            }
            NameProblem::TooLong { clusters, clusters_max } => {
                write!(
                    f,
                    "{a} can have {clusters_max} characters and that has {clusters}; shorten it"
                )
            }
            NameProblem::TooManyBytes { bytes, bytes_max } => {
                write!(
                    f,
                    "{a} can have {bytes_max} bytes of UTF-8 and that has {bytes}; shorten it"
                )
            }
            NameProblem::WhiteSpace { found } => {
                write!(
                    f,
                    "{a} cannot have white space in it, here U+{:04X}; use - or _ in its place",
                    u32::from(found)
                )
            }
            NameProblem::Start { found } => {
                write!(f, "{a} cannot begin with {}; leave it out", Found(found))
            }
            NameProblem::Punctuation { found } => {
                write!(f, "{a} cannot have {} in it; leave it out", Found(found))
            }
            NameProblem::Invisible { found } => {
                write!(
                    f,
                    "{a} cannot have U+{:04X} in it, which is invisible here; leave it out",
                    u32::from(found)
                )
            }
            NameProblem::Unassigned { found } => {
                write!(
                    f,
                    "{a} cannot have U+{:04X} in it, which Unicode gives no meaning; leave it out",
                    u32::from(found)
                )
            }
            NameProblem::NotForNames { found } => {
                write!(
                    f,
                    "{a} cannot have U+{:04X} in it, which looks too much like others; leave it out",
                    u32::from(found)
                )
            }
            NameProblem::LoneMark { found } => {
                write!(
                    f,
                    "{a} cannot begin with the accent or mark U+{:04X}; put a letter before it",
                    u32::from(found)
                )
            }
            NameProblem::TooManyMarks { found } => {
                write!(
                    f,
                    "{a} cannot pile up accents and marks, here U+{:04X}; leave some out",
                    u32::from(found)
                )
            }
            NameProblem::MixedDirection => {
                write!(
                    f,
                    "{a} written from right to left has to begin with a letter, end with a letter or a digit and have no letters of other scripts; change that"
                )
            }
            NameProblem::MixedScripts => {
                write!(
                    f,
                    "{a} cannot hide letters of one script among those of another; use one script"
                )
            }
            NameProblem::Unstable => {
                write!(
                    f,
                    "{a} has to have one clear lower-case form and that has none; choose another"
                )
            }
            NameProblem::Reserved { name } => {
                write!(f, "{} is reserved; choose another name", quote(name, 40))
            }
            NameProblem::LooksReserved { name } => {
                write!(
                    f,
                    "{a} cannot look like {}, which is reserved; choose another name",
                    quote(name, 40)
                )
            }
        }
    }
}
