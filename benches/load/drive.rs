//! The work of each scenario, and what is measured while it goes on.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use crate::contender::Contender;
use crate::fleet::Fleet;
use crate::flood;
use crate::machine;
use crate::requests;
use crate::resume;
use crate::scenario::{Scenario, Work};
use crate::server::Server;

/// Members that join before memory is first read, so that what a server allocates once is not
/// divided among clients.
const EARLY_MEMBERS: usize = 100;
/// In bursts, reading the clock for every delivery would cost more than counting it.
const BURST_SAMPLE_EVERY: u32 = 61;

#[derive(Clone, Copy)]
pub struct Budget {
    pub warm_up: Duration,
    pub measure: Duration,
}

/// One run of one server.
#[derive(Clone)]
pub struct Sample {
    pub wall_s: f64,
    pub messages: u64,
    pub deliveries: u64,
    /// What the CPU time is divided by: deliveries, clients or visits.
    pub units: u64,
    pub server_cpu_s: f64,
    /// Part of it.
    pub indexing_cpu_s: f64,
    pub load_cpu_s: f64,
    pub resident_bytes: u64,
    pub bytes_per_client: Option<f64>,
    pub latency_ns: Histogram<u64>,
}

impl Sample {
    fn empty() -> Result<Sample> {
        Ok(Sample {
            wall_s: 0.0,
            messages: 0,
            deliveries: 0,
            units: 0,
            server_cpu_s: 0.0,
            indexing_cpu_s: 0.0,
            load_cpu_s: 0.0,
            resident_bytes: 0,
            bytes_per_client: None,
            latency_ns: Histogram::new(3)?,
        })
    }

    pub fn server_us_per_unit(&self) -> f64 {
        self.server_cpu_s * 1e6 / self.units as f64
    }

    pub fn indexing_us_per_unit(&self) -> f64 {
        self.indexing_cpu_s * 1e6 / self.units as f64
    }

    pub fn units_per_s(&self) -> f64 {
        self.units as f64 / self.wall_s
    }

    /// What the load could have counted, had it never waited.
    pub fn load_limit_per_s(&self) -> f64 {
        self.deliveries as f64 / self.load_cpu_s
    }
}

/// Clocks and counts at the start of what is measured.
struct Meter {
    wall: Instant,
    server_cpu: Duration,
    indexing_cpu: Duration,
    load_cpu: Duration,
    messages: u64,
    deliveries: u64,
}

impl Meter {
    fn start(fleet: &mut Fleet, server: &Server) -> Result<Meter> {
        fleet.latency_ns.reset();
        Ok(Meter {
            wall: Instant::now(),
            server_cpu: server.cpu()?,
            indexing_cpu: server.indexing_cpu()?,
            load_cpu: machine::own_cpu()?,
            messages: fleet.messages,
            deliveries: fleet.deliveries,
        })
    }

    fn stop(self, fleet: &Fleet, server: &Server) -> Result<Sample> {
        let deliveries = fleet.deliveries - self.deliveries;
        Ok(Sample {
            wall_s: self.wall.elapsed().as_secs_f64(),
            server_cpu_s: (server.cpu()? - self.server_cpu).as_secs_f64(),
            indexing_cpu_s: (server.indexing_cpu()? - self.indexing_cpu).as_secs_f64(),
            load_cpu_s: (machine::own_cpu()? - self.load_cpu).as_secs_f64(),
            messages: fleet.messages - self.messages,
            deliveries,
            units: deliveries,
            resident_bytes: server.resident_bytes()?,
            bytes_per_client: None,
            latency_ns: fleet.latency_ns.clone(),
        })
    }
}

/// Starts the server, does the work, checks the books.
pub fn run(
    contender: &dyn Contender,
    scenario: &Scenario,
    budget: Budget,
    run: u16,
) -> Result<Sample> {
    let mut server = Server::start(contender, scenario)?;
    if let Work::Requests { is_kept } = scenario.work {
        let result = requests::run(&server, scenario, is_kept, budget, Sample::empty()?);
        return result.map_err(|error| server.explain(error));
    }
    if let Work::Resume { are_accounts } = scenario.work {
        let result = resume::run(&server, scenario, are_accounts, Sample::empty()?);
        return result.map_err(|error| server.explain(error));
    }
    if let Work::Flood { .. } = scenario.work {
        let result = flood::run(contender, &server, scenario, budget, Sample::empty()?);
        return result.map_err(|error| server.explain(error));
    }
    let result = Fleet::new(contender, scenario, server.address, run)
        .and_then(|mut fleet| work(&mut fleet, &server, scenario, budget));
    result.map_err(|error| server.explain(error))
}

fn work(fleet: &mut Fleet, server: &Server, scenario: &Scenario, budget: Budget) -> Result<Sample> {
    if scenario.work == Work::Idle {
        return idle(fleet, server, scenario.clients);
    }
    if scenario.work == Work::Join {
        return join(fleet, server, scenario.clients);
    }
    fleet.connect_members(scenario.clients)?;
    fleet.settle()?;
    let sample = match scenario.work {
        Work::Echo { window } => echo(fleet, server, scenario.clients, window, budget),
        Work::EchoBySize { .. } => echo(fleet, server, scenario.clients, 1, budget),
        Work::Fanout { window } => {
            fleet.sample_every(BURST_SAMPLE_EVERY);
            rounds(fleet, server, budget, |fleet, _| {
                let now = fleet.now_ns();
                (0..scenario.clients).try_for_each(|client| fleet.say(client, window, now))
            })
        }
        Work::Single { at_once } => rounds(fleet, server, budget, |fleet, round| {
            let now = fleet.now_ns();
            let first = round * at_once;
            (first..first + at_once)
                .try_for_each(|speaker| fleet.say(speaker % scenario.clients, 1, now))
        }),
        Work::Rate { deliveries_per_s } => {
            rate(fleet, server, scenario.clients, deliveries_per_s, budget)
        }
        Work::Churn { at_once } => churn(fleet, server, scenario.clients, at_once, budget),
        Work::Idle
        | Work::Join
        | Work::Flood { .. }
        | Work::Resume { .. }
        | Work::Requests { .. } => unreachable!("done above"),
    }?;
    fleet.finish()?;
    Ok(sample)
}

/// Rounds: something is said, all of it arrives everywhere, the books are compared.
fn rounds<F>(fleet: &mut Fleet, server: &Server, budget: Budget, say: F) -> Result<Sample>
where
    F: Fn(&mut Fleet, usize) -> Result<()>,
{
    let mut meter = Meter::start(fleet, server)?;
    let mut warm = false;
    for round in 0.. {
        say(fleet, round)?;
        fleet.drain()?;
        fleet.verify()?;
        let elapsed = meter.wall.elapsed();
        // A server whose first round took all the time there is has been measured by it.
        if elapsed >= budget.measure {
            break;
        }
        if !warm && elapsed >= budget.warm_up {
            warm = true;
            meter = Meter::start(fleet, server)?;
        }
    }
    meter.stop(fleet, server)
}

fn echo(
    fleet: &mut Fleet,
    server: &Server,
    clients: usize,
    window: u32,
    budget: Budget,
) -> Result<Sample> {
    fleet.sample_every(window.min(16));
    let now = fleet.now_ns();
    for client in 0..clients {
        fleet.say(client, window, now)?;
    }
    let mut meter = Meter::start(fleet, server)?;
    let mut warm = false;
    let mut silent_since = Instant::now();
    while !warm || meter.wall.elapsed() < budget.measure {
        fleet.turn(Some(Duration::from_millis(100)))?;
        let received = std::mem::take(&mut fleet.received_now);
        let now = fleet.now_ns();
        for &(client, count) in &received {
            fleet.say(client, count, now)?;
        }
        if !received.is_empty() {
            silent_since = Instant::now();
        }
        ensure!(silent_since.elapsed() < Duration::from_secs(10), "no echo for 10 s");
        fleet.received_now = received;
        if !warm && meter.wall.elapsed() >= budget.warm_up {
            warm = true;
            meter = Meter::start(fleet, server)?;
        }
    }
    meter.stop(fleet, server)
}

/// Latency counts from when a message should have been said, so that a stall is not hidden by its
/// own length.
fn rate(
    fleet: &mut Fleet,
    server: &Server,
    clients: usize,
    per_s: u64,
    budget: Budget,
) -> Result<Sample> {
    let pause_ns = 1_000_000_000 * clients as u64 / per_s;
    let first_ns = fleet.now_ns() + pause_ns;
    let mut meter = Meter::start(fleet, server)?;
    let mut warm = false;
    let mut round = 0;
    while !warm || meter.wall.elapsed() < budget.measure {
        let due_ns = first_ns + round as u64 * pause_ns;
        let now_ns = fleet.now_ns();
        if now_ns >= due_ns {
            fleet.say(round % clients, 1, due_ns)?;
            round += 1;
        }
        fleet.turn(Some(Duration::ZERO))?;
        if !warm && meter.wall.elapsed() >= budget.warm_up {
            warm = true;
            meter = Meter::start(fleet, server)?;
        }
    }
    fleet.drain()?;
    meter.stop(fleet, server)
}

fn idle(fleet: &mut Fleet, server: &Server, clients: usize) -> Result<Sample> {
    fleet.connect_members(EARLY_MEMBERS.min(clients))?;
    fleet.settle()?;
    std::thread::sleep(Duration::from_millis(200));
    let before = server.resident_bytes()?;
    let meter = Meter::start(fleet, server)?;
    fleet.connect_members(clients)?;
    fleet.settle()?;
    let mut sample = meter.stop(fleet, server)?;
    // What was needed for a moment only may be given back, and comings that a server sums up may be
    // told.
    std::thread::sleep(Duration::from_millis(1500));
    sample.resident_bytes = server.resident_bytes()?;
    sample.units = (clients - EARLY_MEMBERS.min(clients)) as u64;
    sample.bytes_per_client =
        Some((sample.resident_bytes as f64 - before as f64) / sample.units as f64);
    Ok(sample)
}

/// A client of each room is there before; what it takes to know that all are in is part of it.
fn join(fleet: &mut Fleet, server: &Server, clients: usize) -> Result<Sample> {
    let early = EARLY_MEMBERS.min(clients);
    fleet.connect_members(early)?;
    fleet.settle()?;
    let meter = Meter::start(fleet, server)?;
    fleet.connect_members(clients)?;
    fleet.settle()?;
    let mut sample = meter.stop(fleet, server)?;
    sample.units = (clients - early) as u64;
    Ok(sample)
}

fn churn(
    fleet: &mut Fleet,
    server: &Server,
    members: usize,
    at_once: usize,
    budget: Budget,
) -> Result<Sample> {
    let mut meter = Meter::start(fleet, server)?;
    let mut warm = false;
    let (mut here, mut visits, mut next) = (0, 0, members);
    let mut silent_since = Instant::now();
    while here > 0 || !warm || meter.wall.elapsed() < budget.measure {
        let open = !warm || meter.wall.elapsed() < budget.measure;
        while open && here < at_once {
            fleet.visit(next)?;
            (next, here) = (next + 1, here + 1);
        }
        fleet.turn(Some(Duration::from_millis(100)))?;
        let gone = fleet.gone_now.len();
        here -= gone;
        visits += gone as u64;
        if gone > 0 {
            silent_since = Instant::now();
        }
        ensure!(
            silent_since.elapsed() < Duration::from_secs(10),
            "no guest has left for 10 s, {here} are here"
        );
        if !warm && meter.wall.elapsed() >= budget.warm_up {
            (warm, visits) = (true, 0);
            meter = Meter::start(fleet, server)?;
        }
    }
    fleet.drain()?;
    let mut sample = meter.stop(fleet, server)?;
    sample.units = visits;
    Ok(sample)
}
