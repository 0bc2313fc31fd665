//! The floor: see benches/peers/bare.rs and bare_echo.rs. It is no chat server, but shows what the kernel and the
//! load leave to have.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{
    Contender, Identity, Start, Step, Verdict, Wire, hidden_peer, this_program,
};
use crate::peers::bare::FAULT_VARIABLE;
use crate::scenario::{Scenario, Work};

pub struct Bare {
    /// What it does wrong, for the benchmark to check itself: see `benches/peers/bare.rs`.
    pub fault: &'static str,
    /// It sends back what it reads, and to nobody else.
    pub is_echo: bool,
}

impl Contender for Bare {
    fn name(&self) -> &'static str {
        if self.is_echo { "(bare echo)" } else { "(bare loop)" }
    }

    fn wire(&self) -> Wire {
        Wire::Lines
    }

    fn plays(&self, scenario: &Scenario) -> bool {
        match scenario.work {
            work if self.is_echo => !work.is_chat(),
            Work::Fanout { .. } => scenario.rooms == 1,
            Work::Single | Work::Idle => true,
            _ => false,
        }
    }

    fn has_rooms(&self) -> bool {
        self.is_echo
    }

    fn find(&self) -> Result<PathBuf, String> {
        this_program()
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        if self.is_echo {
            return Ok(hidden_peer(start, "bare-echo"));
        }
        let mut command = hidden_peer(start, "bare");
        command.env(FAULT_VARIABLE, self.fault);
        Ok(command)
    }

    fn greeting(&self, _: &Identity, _: &Scenario) -> Vec<Step> {
        Vec::new()
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
