//! The languages that clients speak.

pub mod json;
pub mod reply;
pub mod utc;

use crate::delivery::encoding::Dialect;

/// Text for people.
pub const TEXT: Dialect = Dialect(0);
/// One object a message, for programs: [`super::json`].
pub const JSON: Dialect = Dialect(1);
