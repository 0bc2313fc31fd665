//! Names, rooms, commands, history.

pub mod utc;
