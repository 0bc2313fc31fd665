//! Servers that do one thing: what comes in by a WebSocket goes out, as it came, to all of the same
//! path.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{
    Contender, Identity, Start, Step, Verdict, Wire, apt, hidden_peer, npm_dir, on_path, peer_file,
    this_program,
};
use crate::scenario::{Scenario, Work};
use crate::websocket;

pub struct WebSocketPeer {
    name: &'static str,
    find: fn() -> Result<PathBuf, String>,
    launch: fn(&Start) -> Command,
    /// A round of a million deliveries takes it ten seconds.
    is_slow: bool,
    /// Its echo by size and its HTTP are measured, too.
    is_close: bool,
}

/// Bun's built-in WebSocket server and its publish: see benches/peers/bun.js.
pub const BUN: WebSocketPeer = WebSocketPeer {
    name: "bun",
    find: || {
        let bun = npm_dir().join("node_modules/.bin/bun");
        if bun.is_file() {
            return Ok(bun);
        }
        on_path("bun").ok_or_else(|| {
            format!("bun is not installed: npm install --prefix {} bun", npm_dir().display())
        })
    },
    launch: |start| script(start, "bun.js"),
    is_slow: false,
    is_close: true,
};

/// Node's `ws`: see benches/peers/ws.js.
pub const NODE_WS: WebSocketPeer = WebSocketPeer {
    name: "ws",
    find: || {
        let dir = npm_dir();
        if !dir.join("node_modules/ws").is_dir() {
            return Err(format!("ws is not installed: npm install --prefix {} ws", dir.display()));
        }
        apt("node", "nodejs")
    },
    launch: |start| {
        let mut command = script(start, "ws.js");
        command.env("NODE_PATH", npm_dir().join("node_modules"));
        command
    },
    is_slow: true,
    is_close: false,
};

/// tokio-tungstenite the usual way: see benches/peers/tokio_websocket.rs.
pub const TUNGSTENITE: WebSocketPeer = WebSocketPeer {
    name: "tungstenite",
    find: this_program,
    launch: |start| hidden_peer(start, "tokio-websocket"),
    is_slow: false,
    is_close: false,
};

fn script(start: &Start, name: &str) -> Command {
    let mut command = Command::new(start.program);
    command.arg(peer_file(name)).env("PORT", start.port.to_string());
    command
}

impl Contender for WebSocketPeer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn wire(&self) -> Wire {
        Wire::WebSocket
    }

    fn plays(&self, scenario: &Scenario) -> bool {
        let is_detail = matches!(
            scenario.work,
            Work::EchoBySize { .. } | Work::Flood { .. } | Work::Requests { .. }
        );
        !matches!(scenario.work, Work::Resume { .. }) && (self.is_close || !is_detail)
    }

    fn needs_patience(&self, scenario: &Scenario) -> bool {
        let is_fanout = matches!(scenario.work, Work::Fanout { .. }) && scenario.clients == 1000;
        let is_crowd = matches!(scenario.work, Work::Single { .. }) && scenario.clients > 1000;
        self.is_slow && scenario.rooms == 1 && (is_fanout || is_crowd)
    }

    fn find(&self) -> Result<PathBuf, String> {
        (self.find)()
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        Ok((self.launch)(start))
    }

    fn greeting(&self, who: &Identity, scenario: &Scenario) -> Vec<Step> {
        websocket::greeting(&websocket_path(who, scenario))
    }

    fn say(&self, _: &Identity, payload: &[u8], out: &mut Vec<u8>) {
        websocket::push_text(payload, out);
    }

    fn closing_bytes(&self) -> Vec<u8> {
        websocket::close()
    }

    fn head(&self, _: &Identity, scenario: &Scenario) -> Vec<u8> {
        websocket::head(b"", scenario.message_bytes())
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

/// The path a client asks for.
fn websocket_path(who: &Identity, scenario: &Scenario) -> String {
    if scenario.work.is_chat() { format!("/{}", who.room) } else { "/echo".into() }
}
