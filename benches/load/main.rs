//! The load benchmark: `cargo bench --bench load`. See `--help`, and benches/README.md for how to
//! read its table.

mod contender;
mod contenders;
mod drive;
mod fleet;
mod flood;
mod machine;
mod payload;
#[path = "../peers/mod.rs"]
mod peers;
mod plan;
mod plot;
mod report;
mod requests;
mod resume;
mod scenario;
mod self_check;
mod server;
mod shape;
mod websocket;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use clap::Parser;

/// Decided once, before anything is pinned.
static CORES: OnceLock<Option<machine::Cores>> = OnceLock::new();

/// Drives the chat server and its peers with the same work over real sockets, and compares what it
/// costs them.
#[derive(Parser)]
#[command(name = "cargo bench --bench load --")]
pub struct Options {
    /// Five pairs of runs with each peer, and longer ones
    #[arg(long)]
    full: bool,
    /// Only scenarios whose name contains this; may be repeated
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Only these peers beside ours (`none` for ours alone); may be repeated
    #[arg(long, value_name = "NAME")]
    peer: Vec<String>,
    /// Only one wire: lines or ws
    #[arg(long, value_name = "WIRE")]
    wire: Option<String>,
    /// Pairs of runs with each peer [default: 1, with --full 5]
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Seconds measured in each run [default: 0.3, with --full 0.8]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write charts as SVG, one for each scenario and wire
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// List scenarios and servers and stop
    #[arg(long)]
    list: bool,
    /// Check that lost, doubled, replaced, altered and invented deliveries are noticed, and how
    /// fast counting is
    #[arg(long)]
    self_check: bool,
    /// Given by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
    /// Be a peer instead of the load
    #[arg(long, hide = true, requires = "peer_port")]
    peer_server: Option<String>,
    #[arg(long, hide = true)]
    peer_port: Option<u16>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    if let (Some(kind), Some(port)) = (&options.peer_server, options.peer_port) {
        machine::raise_descriptor_limit()?;
        peers::run(kind, port).with_context(|| format!("peer server {kind}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.list {
        plan::list();
        return Ok(ExitCode::SUCCESS);
    }
    if !options.bench {
        println!("load: measures only when asked to, with: cargo bench --bench load");
        return Ok(ExitCode::SUCCESS);
    }
    machine::raise_descriptor_limit()?;
    CORES.get_or_init(machine::cores);
    if options.self_check {
        return self_check::run().map(|()| ExitCode::SUCCESS);
    }
    let results = plan::measure(options)?;
    report::print(&results);
    if let Some(file) = &options.json {
        report::write_json(&results, file)
            .with_context(|| format!("writing {}", file.display()))?;
    }
    if let Some(dir) = &options.plot {
        plot::draw(&results, dir).with_context(|| format!("drawing into {}", dir.display()))?;
    }
    Ok(if results.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
