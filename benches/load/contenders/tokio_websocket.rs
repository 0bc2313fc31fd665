//! tokio-tungstenite the usual way: see benches/peers/tokio_websocket.rs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{Contender, Identity, Start, Step, Verdict, Wire, hidden_peer, this_program, websocket_path};
use crate::payload::Payload;
use crate::scenario::Scenario;
use crate::websocket;

pub struct TokioWebSocket;

impl Contender for TokioWebSocket {
    fn name(&self) -> &'static str {
        "tungstenite"
    }

    fn wire(&self) -> Wire {
        Wire::WebSocket
    }

    fn plays(&self, _: &Scenario) -> bool {
        true
    }

    fn find(&self) -> Result<PathBuf, String> {
        this_program()
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        Ok(hidden_peer(start, "tokio-websocket"))
    }

    fn greeting(&self, who: &Identity, scenario: &Scenario) -> Vec<Step> {
        websocket::greeting(&websocket_path(who, scenario))
    }

    fn say(&self, _: &Identity, payload: &Payload, out: &mut Vec<u8>) {
        websocket::push_text(payload, out);
    }

    fn farewell(&self) -> Vec<u8> {
        websocket::close()
    }

    fn head(&self, _: &Identity, _: &Scenario) -> Vec<u8> {
        websocket::head(b"")
    }

    fn end(&self) -> &'static [u8] {
        b""
    }

    fn unit_bytes(&self, bytes: &[u8]) -> Option<usize> {
        websocket::unit_bytes(bytes)
    }

    fn judge(&self, unit: &[u8]) -> Verdict {
        websocket::judge(unit, websocket::nothing_else)
    }
}
