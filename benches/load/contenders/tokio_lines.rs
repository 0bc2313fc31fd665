//! Lines the usual way on tokio: see benches/peers/tokio_lines.rs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{
    Contender, Identity, Start, Step, Verdict, Wire, hidden_peer, this_program,
};
use crate::scenario::{Scenario, Work};

pub struct TokioLines {
    /// Writes all that is queued for a client at once, as not many do.
    pub at_once: bool,
}

impl Contender for TokioLines {
    fn name(&self) -> &'static str {
        if self.at_once { "tokio, batching" } else { "tokio" }
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn plays(&self, scenario: &Scenario) -> bool {
        let is_echo = matches!(scenario.work, Work::Echo { .. } | Work::Flood { .. });
        scenario.work.is_chat() || !self.at_once && is_echo
    }

    /// A round of a million deliveries is a million writes.
    fn needs_patience(&self, scenario: &Scenario) -> bool {
        !self.at_once && matches!(scenario.work, Work::Fanout { .. }) && scenario.clients == 1000
    }

    fn find(&self) -> Result<PathBuf, String> {
        this_program()
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        Ok(match start.scenario.work {
            work if work.is_echo() => hidden_peer(start, "tokio-echo"),
            _ if self.at_once => hidden_peer(start, "tokio-lines-at-once"),
            _ => hidden_peer(start, "tokio-lines"),
        })
    }

    fn greeting(&self, who: &Identity, scenario: &Scenario) -> Vec<Step> {
        match scenario.work {
            work if work.is_echo() => Vec::new(),
            _ => vec![
                Step::Send(format!("{}\n", who.room).into_bytes()),
                Step::Await { starting: b"* ", until: b"\n".to_vec() },
            ],
        }
    }

    fn say(&self, _: &Identity, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(payload);
        out.push(b'\n');
    }

    fn head(&self, _: &Identity, _: &Scenario) -> Vec<u8> {
        Vec::new()
    }

    fn end(&self) -> &'static [u8] {
        b"\n"
    }

    fn judge(&self, unit: &[u8]) -> Verdict {
        Verdict::Wrong(String::from_utf8_lossy(unit).into_owned())
    }
}
