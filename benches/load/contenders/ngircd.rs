//! ngIRCd: the fastest IRC server we know of on this work.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::contender::{Contender, Identity, Start, Step, Verdict, Wire, apt, peer_file};
use crate::scenario::Scenario;

pub struct Ngircd;

impl Contender for Ngircd {
    fn name(&self) -> &'static str {
        "ngircd"
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn receives_own(&self) -> bool {
        false
    }

    /// It listens with a backlog of ten.
    fn joining_at_once(&self) -> usize {
        8
    }

    /// Each one that joins makes it look at all that are there.
    fn clients_max(&self) -> usize {
        2000
    }

    fn needs_quick_acks(&self) -> bool {
        true
    }

    fn find(&self) -> Result<PathBuf, String> {
        apt("ngircd", "ngircd")
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        let template = std::fs::read_to_string(peer_file("ngircd.conf")).context("ngircd.conf")?;
        let config = start.scratch.join("ngircd.conf");
        std::fs::write(&config, template.replace("@PORT@", &start.port.to_string()))?;
        let mut command = Command::new(start.program);
        command.arg("--nodaemon").arg("--config").arg(config);
        Ok(command)
    }

    fn greeting(&self, who: &Identity, _: &Scenario) -> Vec<Step> {
        let Identity { name, room, .. } = who;
        vec![
            Step::Send(
                format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\nJOIN #{room}\r\n").into_bytes(),
            ),
            Step::Await { starting: b"", until: b" 366 ".to_vec() },
        ]
    }

    fn say(&self, who: &Identity, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"PRIVMSG #");
        out.extend_from_slice(who.room.as_bytes());
        out.extend_from_slice(b" :");
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    fn closing_bytes(&self) -> Vec<u8> {
        b"QUIT\r\n".to_vec()
    }

    fn head(&self, sender: &Identity, _: &Scenario) -> Vec<u8> {
        let Identity { name, room, source: [a, b, c, d] } = sender;
        format!(":{name}!~{name}@{a}.{b}.{c}.{d} PRIVMSG #{room} :").into_bytes()
    }

    fn end(&self) -> &'static [u8] {
        b"\r\n"
    }

    fn judge(&self, unit: &[u8]) -> Verdict {
        let text = String::from_utf8_lossy(unit);
        if let Some(token) = text.strip_prefix("PING ") {
            return Verdict::Answer(format!("PONG {token}").into_bytes());
        }
        if text.contains(" PRIVMSG ") || text.starts_with("ERROR") {
            return Verdict::Wrong(text.into_owned());
        }
        Verdict::Skip
    }
}
