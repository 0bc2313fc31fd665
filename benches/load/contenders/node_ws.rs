//! Node's `ws`: see benches/peers/ws.js.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{Contender, Identity, Start, Step, Verdict, Wire, apt, npm_dir, peer_file, websocket_path};
use crate::payload::Payload;
use crate::scenario::{Scenario, Work};
use crate::websocket;

pub struct NodeWs;

impl Contender for NodeWs {
    fn name(&self) -> &'static str {
        "ws"
    }

    fn wire(&self) -> Wire {
        Wire::WebSocket
    }

    fn plays(&self, _: &Scenario) -> bool {
        true
    }

    /// A round of a million deliveries takes it ten seconds.
    fn needs_patience(&self, scenario: &Scenario) -> bool {
        matches!(scenario.work, Work::Fanout { .. }) && scenario.clients == 1000 && scenario.rooms == 1
    }

    fn find(&self) -> Result<PathBuf, String> {
        let dir = npm_dir();
        if !dir.join("node_modules/ws").is_dir() {
            return Err(format!("ws is not installed: npm install --prefix {} ws", dir.display()));
        }
        apt("node", "nodejs")
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        let mut command = Command::new(start.program);
        command.arg(peer_file("ws.js")).env("PORT", start.port.to_string());
        command.env("NODE_PATH", npm_dir().join("node_modules"));
        Ok(command)
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
