//! chat-server

pub mod wire;
