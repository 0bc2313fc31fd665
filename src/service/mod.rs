//! What the server does with a message.

pub mod chat;
