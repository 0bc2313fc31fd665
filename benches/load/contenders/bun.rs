//! Bun's built-in WebSocket server and its publish: see benches/peers/bun.js.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{Contender, Identity, Start, Step, Verdict, Wire, npm_dir, on_path, peer_file, websocket_path};
use crate::payload::Payload;
use crate::scenario::Scenario;
use crate::websocket;

pub struct Bun;

impl Contender for Bun {
    fn name(&self) -> &'static str {
        "bun"
    }

    fn wire(&self) -> Wire {
        Wire::WebSocket
    }

    fn plays(&self, _: &Scenario) -> bool {
        true
    }

    fn find(&self) -> Result<PathBuf, String> {
        let bun = npm_dir().join("node_modules/.bin/bun");
        if bun.is_file() {
            return Ok(bun);
        }
        on_path("bun").ok_or_else(|| format!("bun is not installed: npm install --prefix {} bun", npm_dir().display()))
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        let mut command = Command::new(start.program);
        command.arg(peer_file("bun.js")).env("PORT", start.port.to_string());
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
