//! Bytes to messages and back, sans-IO: no socket, no clock, no randomness.

pub mod http;
pub mod websocket;
