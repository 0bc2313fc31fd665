//! The servers that are compared. Another one is one more implementation of [`Contender`], and a
//! line in [`all`].

pub mod bare;
mod chat_server;
mod nats;
mod ngircd;
mod redis;
mod tokio_lines;
mod websocket_peer;

use crate::contender::{Contender, Wire};

/// Everybody, ours first.
pub fn all() -> Vec<Box<dyn Contender>> {
    let mut everybody: Vec<Box<dyn Contender>> = Vec::new();
    for wire in [Wire::Lines, Wire::WebSocket] {
        for mode in [chat_server::Mode::Chat, chat_server::Mode::Broadcast, chat_server::Mode::Echo]
        {
            let (is_kept, is_json) = (false, false);
            everybody.push(Box::new(chat_server::ChatServer { wire, mode, is_kept, is_json }));
        }
        let (mode, is_kept, is_json) = (chat_server::Mode::Chat, true, false);
        everybody.push(Box::new(chat_server::ChatServer { wire, mode, is_kept, is_json }));
        if wire == Wire::WebSocket {
            let (is_kept, is_json) = (false, true);
            everybody.push(Box::new(chat_server::ChatServer { wire, mode, is_kept, is_json }));
        }
    }
    everybody.push(Box::new(redis::Redis { is_kept: false }));
    everybody.push(Box::new(redis::Redis { is_kept: true }));
    everybody.push(Box::new(nats::Nats { is_kept: false }));
    everybody.push(Box::new(nats::Nats { is_kept: true }));
    everybody.push(Box::new(ngircd::Ngircd));
    everybody.push(Box::new(tokio_lines::TokioLines { at_once: false }));
    everybody.push(Box::new(tokio_lines::TokioLines { at_once: true }));
    for kind in [bare::Kind::Loop, bare::Kind::Rounds, bare::Kind::Echo] {
        everybody.push(Box::new(bare::Bare { fault: "", kind }));
    }
    everybody.push(Box::new(websocket_peer::BUN));
    everybody.push(Box::new(websocket_peer::NODE_WS));
    everybody.push(Box::new(websocket_peer::TUNGSTENITE));
    everybody
}
