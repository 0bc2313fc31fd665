//! Names, rooms, commands, history.

mod emoji;
pub mod text;
pub mod utc;
