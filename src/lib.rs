//! chat-server

pub mod service;
