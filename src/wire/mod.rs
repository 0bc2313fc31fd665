//! Bytes to messages and back, without I/O.

pub mod http;
pub mod line;
pub mod websocket;
