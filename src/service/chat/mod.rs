//! Names, rooms, commands, history.

mod emoji;
pub mod history;
pub mod name;
pub mod text;
pub mod throttle;
pub mod utc;
