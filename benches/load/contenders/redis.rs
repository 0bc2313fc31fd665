//! Redis pub/sub. RESP3 lets a subscriber publish on the same connection; replies that nobody reads
//! are turned off.
//!
//! Keeping, what is published is added to a stream of the same name before, and synced before any
//! subscriber is written to: Redis flushes its file ahead of its replies.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{Contender, Identity, Start, Step, Verdict, Wire, apt, peer_file};
use crate::scenario::Scenario;

pub struct Redis {
    pub is_kept: bool,
}

impl Contender for Redis {
    fn name(&self) -> &'static str {
        if self.is_kept { "redis, kept" } else { "redis" }
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn find(&self) -> Result<PathBuf, String> {
        apt("redis-server", "redis-server")
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        let mut command = Command::new(start.program);
        command.arg(peer_file("redis.conf")).args([
            "--bind",
            "127.0.0.1",
            "--port",
            &start.port.to_string(),
            "--dir",
        ]);
        command.arg(start.scratch);
        if self.is_kept {
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        Ok(command)
    }

    fn greeting(&self, who: &Identity, _: &Scenario) -> Vec<Step> {
        let room = &who.room;
        vec![
            Step::Send(format!("HELLO 3\r\nSUBSCRIBE {room}\r\nCLIENT REPLY OFF\r\n").into_bytes()),
            Step::Await {
                starting: b"%",
                until: format!("$9\r\nsubscribe\r\n${}\r\n{room}\r\n:1\r\n", room.len())
                    .into_bytes(),
            },
        ]
    }

    fn say(&self, who: &Identity, payload: &[u8], out: &mut Vec<u8>) {
        if self.is_kept {
            out.extend_from_slice(b"*5\r\n$4\r\nXADD\r\n$4\r\n");
            out.extend_from_slice(who.room.as_bytes());
            out.extend_from_slice(b"\r\n$1\r\n*\r\n$1\r\nm\r\n$32\r\n");
            out.extend_from_slice(payload);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n$4\r\n");
        out.extend_from_slice(who.room.as_bytes());
        out.extend_from_slice(b"\r\n$32\r\n");
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    fn head(&self, sender: &Identity, _: &Scenario) -> Vec<u8> {
        let room = &sender.room;
        format!(">3\r\n$7\r\nmessage\r\n${}\r\n{room}\r\n$32\r\n", room.len()).into_bytes()
    }

    fn end(&self) -> &'static [u8] {
        b"\r\n"
    }

    fn judge(&self, unit: &[u8]) -> Verdict {
        Verdict::Wrong(String::from_utf8_lossy(unit).into_owned())
    }
}
