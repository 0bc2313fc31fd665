//! One file for each server.

pub mod bare;
pub mod bun;
pub mod chat_server;
pub mod nats;
pub mod ngircd;
pub mod node_ws;
pub mod redis;
pub mod tokio_lines;
pub mod tokio_websocket;
