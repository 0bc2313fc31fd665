//! Which server does which work when, and what is made of the samples.

use std::time::Duration;

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::Options;
use crate::contender::{Contender, Wire};
use crate::contenders;
use crate::drive::{self, Budget, Sample};
use crate::scenario::{self, Scenario, Work};

/// One server in one scenario.
pub struct Row {
    pub server: &'static str,
    pub is_ours: bool,
    pub samples: Vec<Sample>,
    /// Its CPU time per unit, divided by ours in the run next to it.
    pub ratios: Vec<f64>,
}

/// One scenario over one wire.
pub struct Group {
    pub scenario: Scenario,
    pub wire: Wire,
    pub rows: Vec<Row>,
}

pub struct Results {
    pub groups: Vec<Group>,
    /// Peers that are not here, with how to get them.
    pub left_out: Vec<String>,
    pub failures: Vec<String>,
}

impl Row {
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of).collect())
    }

    pub fn ratio(&self) -> Option<f64> {
        (!self.ratios.is_empty()).then(|| median(self.ratios.clone()))
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

pub fn list() {
    println!("scenarios:");
    for scenario in scenario::all() {
        println!("  {:<14} {}", scenario.name, scenario.says);
    }
    println!("servers:");
    for contender in contenders::all() {
        let missing = contender.find().err().map(|how| format!("  ({how})")).unwrap_or_default();
        println!("  {:<14} {}{missing}", contender.name(), contender.wire().name());
    }
}

pub fn measure(options: &Options) -> Result<Results> {
    let (contenders, left_out) = available(options);
    let groups = wanted(options, &contenders);
    ensure!(!groups.is_empty(), "nothing to measure; --list shows what there is");
    let pairs = options.pairs.unwrap_or(if options.full { 5 } else { 1 });
    let orders: Vec<Vec<usize>> = groups
        .iter()
        .map(|(scenario, players)| order(&contenders, scenario, players, pairs))
        .collect();
    let mut bench = Bench::new(options, orders.iter().map(Vec::len).sum());
    let mut results = Results { groups: Vec::new(), left_out, failures: Vec::new() };
    for ((scenario, players), order) in groups.into_iter().zip(orders) {
        let group = bench.group(scenario, &contenders, &players, &order, &mut results.failures);
        results.groups.push(group);
    }
    bench.progress.finish_and_clear();
    Ok(results)
}

/// How many clients of a peer are enough to tell its memory per client, in a quick run.
const IDLE_PEER_CLIENTS: usize = 2000;

struct Bench {
    full: bool,
    budget: Budget,
    progress: ProgressBar,
    run: u16,
}

impl Bench {
    fn new(options: &Options, runs: usize) -> Bench {
        let seconds = options.seconds.unwrap_or(if options.full { 0.8 } else { 0.3 });
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
        let progress = ProgressBar::new(runs as u64);
        progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Bench {
            full: options.full,
            budget: Budget {
                warm_up: Duration::from_secs_f64((seconds / 4.0).min(0.25)),
                measure: Duration::from_secs_f64(seconds),
            },
            progress,
            run: 0,
        }
    }

    fn clients(&self, contender: &dyn Contender, scenario: &Scenario) -> usize {
        let quick = scenario.work == Work::Idle && !self.full && !contender.is_ours();
        let enough = if quick { IDLE_PEER_CLIENTS } else { usize::MAX };
        scenario.clients.min(contender.clients_max()).min(enough)
    }

    /// Runs the servers in order. A peer's ratio is to the run of ours before it.
    fn group(
        &mut self,
        scenario: Scenario,
        contenders: &[Box<dyn Contender>],
        players: &[usize],
        order: &[usize],
        failures: &mut Vec<String>,
    ) -> Group {
        let row = |&player: &usize| {
            let contender = &contenders[player];
            Row {
                server: contender.name(),
                is_ours: contender.is_ours(),
                samples: Vec::new(),
                ratios: Vec::new(),
            }
        };
        let wire = contenders[players[0]].wire();
        let mut rows: Vec<Row> = players.iter().map(row).collect();
        let mut ours = None;
        let mut failed = Vec::new();
        for &player in order {
            let contender = &*contenders[player];
            self.progress.set_message(format!(
                "{} {} {}",
                scenario.name,
                wire.name(),
                contender.name()
            ));
            if failed.contains(&player) {
                self.progress.inc(1);
                continue;
            }
            self.run = self.run.wrapping_add(1);
            let clients = self.clients(contender, &scenario);
            let scaled = Scenario { clients, ..scenario.clone() };
            match drive::run(contender, &scaled, self.budget, self.run) {
                Ok(sample) => {
                    let place = players
                        .iter()
                        .position(|&p| p == player)
                        .expect("in order, so among the players");
                    let cost = sample.server_us_per_unit();
                    if player == players[0] && contender.is_ours() {
                        ours = Some(cost);
                    } else if let Some(ours) = ours {
                        rows[place].ratios.push(cost / ours);
                    }
                    rows[place].samples.push(sample);
                }
                Err(error) => {
                    failed.push(player);
                    let failure = format!(
                        "{} {} {}: {error:#}",
                        scenario.name,
                        wire.name(),
                        contender.name()
                    );
                    self.progress.suspend(|| eprintln!("failed: {failure}"));
                    failures.push(failure);
                }
            }
            self.progress.inc(1);
        }
        rows.retain(|row| !row.samples.is_empty());
        Group { scenario, wire, rows }
    }
}

/// Ours (the first player) and a peer, alternating. With one pair, and in idle, which takes its
/// time and whose figure is memory: ours once and then every peer.
fn order(
    contenders: &[Box<dyn Contender>],
    scenario: &Scenario,
    players: &[usize],
    pairs: usize,
) -> Vec<usize> {
    let first = players[0];
    if pairs <= 1 || scenario.work == Work::Idle || !contenders[first].is_ours() {
        return players.repeat(pairs.max(1));
    }
    let pair = players[1..].iter().flat_map(|&peer| [first, peer]);
    let once: Vec<usize> = if players.len() == 1 { vec![first] } else { pair.collect() };
    once.repeat(pairs)
}

fn available(options: &Options) -> (Vec<Box<dyn Contender>>, Vec<String>) {
    let mut left_out = Vec::new();
    let wanted = |contender: &dyn Contender| {
        let wire = options.wire.as_ref().is_none_or(|wire| wire == contender.wire().name());
        let name = |wanted: &String| contender.name().contains(wanted.as_str());
        wire && (contender.is_ours() || options.peer.is_empty() || options.peer.iter().any(name))
    };
    let mut contenders = contenders::all();
    contenders.retain(|contender| wanted(&**contender));
    contenders.retain(|contender| match contender.find() {
        Ok(_) => true,
        Err(how) => {
            if !left_out.contains(&how) {
                left_out.push(how);
            }
            false
        }
    });
    (contenders, left_out)
}

/// Scenarios with who plays in them, one wire at a time.
fn wanted(options: &Options, contenders: &[Box<dyn Contender>]) -> Vec<(Scenario, Vec<usize>)> {
    let mut groups = Vec::new();
    for scenario in scenario::all() {
        if !options.only.is_empty()
            && !options.only.iter().any(|only| scenario.name.contains(only.as_str()))
        {
            continue;
        }
        for wire in [Wire::Lines, Wire::WebSocket] {
            let plays = |&player: &usize| {
                let contender: &dyn Contender = &*contenders[player];
                contender.wire() == wire
                    && contender.plays(&scenario)
                    && (options.full || !contender.needs_patience(&scenario))
            };
            let players: Vec<usize> = (0..contenders.len()).filter(plays).collect();
            if !players.is_empty() {
                groups.push((scenario.clone(), players));
            }
        }
    }
    groups
}
