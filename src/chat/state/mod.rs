//! What the chat knows: users, rooms, and what was said.

pub mod history;
pub mod rooms;
pub mod users;
