//! The floor: see benches/peers/bare.rs and bare_echo.rs. It is no chat server, but shows what the kernel and the
//! load leave to have.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{
    Contender, Identity, Start, Step, Verdict, Wire, hidden_peer, this_program,
};
use crate::peers::bare::{FAULT_VARIABLE, ROUND_VARIABLE};
use crate::scenario::{Scenario, Work};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What it reads in a turn goes to all of a room.
    Loop,
    /// What a room is said in a round goes to all of it when it is all there.
    Rounds,
    /// It sends back what it reads, and to nobody else.
    Echo,
}

pub struct Bare {
    /// What it does wrong, for the benchmark to check itself: see `benches/peers/bare.rs`.
    pub fault: &'static str,
    pub kind: Kind,
}

impl Contender for Bare {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Loop => "(bare loop)",
            Kind::Rounds => "(bare rounds)",
            Kind::Echo => "(bare echo)",
        }
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn plays(&self, scenario: &Scenario) -> bool {
        match self.kind {
            Kind::Loop => matches!(
                scenario.work,
                Work::Fanout { .. } | Work::Single { .. } | Work::Idle | Work::Join
            ),
            Kind::Rounds => matches!(scenario.work, Work::Fanout { .. } | Work::Single { .. }),
            Kind::Echo => scenario.work.is_echo(),
        }
    }

    fn find(&self) -> Result<PathBuf, String> {
        this_program()
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        if self.kind == Kind::Echo {
            return Ok(hidden_peer(start, "bare-echo"));
        }
        let mut command = hidden_peer(start, "bare");
        command.env(FAULT_VARIABLE, self.fault);
        if self.kind == Kind::Rounds {
            let lines = match start.scenario.work {
                Work::Fanout { window } => {
                    start.scenario.clients / start.scenario.rooms * window as usize
                }
                Work::Single { at_once } => at_once,
                _ => 1,
            };
            command.env(ROUND_VARIABLE, lines.to_string());
        }
        Ok(command)
    }

    fn greeting(&self, who: &Identity, _: &Scenario) -> Vec<Step> {
        match self.kind {
            Kind::Echo => Vec::new(),
            Kind::Loop | Kind::Rounds => vec![Step::Send(format!("{}\n", who.room).into_bytes())],
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
