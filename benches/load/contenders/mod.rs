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
use crate::contenders::chat_server::{ChatServer, Mode};

/// Everybody, ours first.
pub fn all() -> Vec<Box<dyn Contender>> {
    let mut everybody: Vec<Box<dyn Contender>> = Vec::new();
    for wire in [Wire::Lines, Wire::WebSocket] {
        let chat = || ChatServer::new(wire, Mode::Chat);
        for mode in [Mode::Chat, Mode::Broadcast, Mode::Echo] {
            everybody.push(Box::new(ChatServer::new(wire, mode)));
        }
        everybody.push(Box::new(ChatServer { is_kept: true, ..chat() }));
        if wire == Wire::WebSocket {
            for is_kept in [false, true] {
                everybody.push(Box::new(ChatServer { is_kept, is_json: true, ..chat() }));
            }
        }
        if let Some(program) = std::env::var_os("CHAT_BENCH_OTHER") {
            for is_kept in [false, true] {
                let other = Some(program.clone().into());
                everybody.push(Box::new(ChatServer { is_kept, other, ..chat() }));
            }
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
