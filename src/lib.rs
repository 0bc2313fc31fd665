//! A chat server: one thread, one poll loop, one port.

#![deny(unsafe_code)]

pub mod chat;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod ids;
pub mod net;
pub mod server;
pub mod service;
pub mod site;
pub mod throttle;
pub mod wire;
