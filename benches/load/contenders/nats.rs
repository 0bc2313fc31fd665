//! NATS core publish and subscribe.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{Contender, Identity, Start, Step, Verdict, Wire, apt, peer_file};
use crate::scenario::Scenario;

pub struct Nats;

impl Contender for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn find(&self) -> Result<PathBuf, String> {
        apt("nats-server", "nats-server")
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        let mut command = Command::new(start.program);
        command.arg("-c").arg(peer_file("nats.conf")).args([
            "-a",
            "127.0.0.1",
            "-p",
            &start.port.to_string(),
        ]);
        Ok(command)
    }

    fn greeting(&self, who: &Identity, _: &Scenario) -> Vec<Step> {
        let hello =
            r#"CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"echo":true}"#;
        vec![
            Step::Await { starting: b"INFO ", until: b"\r\n".to_vec() },
            Step::Send(format!("{hello}\r\nSUB {} 1\r\nPING\r\n", who.room).into_bytes()),
            Step::Await { starting: b"", until: b"PONG\r\n".to_vec() },
        ]
    }

    fn say(&self, who: &Identity, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"PUB ");
        out.extend_from_slice(who.room.as_bytes());
        out.extend_from_slice(b" 32\r\n");
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    fn head(&self, sender: &Identity, _: &Scenario) -> Vec<u8> {
        format!("MSG {} 1 32\r\n", sender.room).into_bytes()
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
