//! The benchmark's own test: a server that does one thing wrong once has to be caught each time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::contenders::bare::{self, Bare};
use crate::drive::{self, Budget};
use crate::payload::{Kind, Stamp};
use crate::scenario;
use crate::shape::{Sampler, Shape, Tally};

const FAULTS: [&str; 5] = ["lose", "double", "replace", "alter", "invent"];

pub fn run() -> Result<()> {
    println!("counting alone: {:.0} million deliveries/s", counted_per_s() / 1e6);
    let scenario = scenario::all()
        .into_iter()
        .find(|scenario| scenario.name == "fanout-32x16")
        .context("scenario")?;
    let budget = Budget { warm_up: Duration::ZERO, measure: Duration::from_millis(200) };
    drive::run(&Bare { fault: "", kind: bare::Kind::Loop }, &scenario, budget, 0)
        .context("a server without a fault")?;
    println!("no fault: passes");
    for (number, fault) in FAULTS.into_iter().enumerate() {
        match drive::run(
            &Bare { fault, kind: bare::Kind::Loop },
            &scenario,
            budget,
            1 + number as u16,
        ) {
            Ok(_) => bail!("{fault}: not noticed"),
            Err(error) => println!("{fault}: noticed: {error:#}"),
        }
    }
    Ok(())
}

/// How many deliveries in memory, of 32 bytes and a line end, are counted and checked in a second.
fn counted_per_s() -> f64 {
    let stamp = Stamp::new(0);
    let shape = Shape::new(b"", b"", b"\n", stamp);
    let mut bytes = Vec::new();
    for number in 0..4096 {
        bytes.extend_from_slice(&stamp.payload(Kind::Measured, number, 1));
        bytes.push(b'\n');
    }
    let mut tally = Tally::default();
    let mut sampler = Sampler::every(u32::MAX);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(200) {
        shape.count(std::hint::black_box(&bytes), &mut tally, &mut sampler);
    }
    tally.count as f64 / start.elapsed().as_secs_f64()
}
