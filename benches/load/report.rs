//! The table, and the same as JSON.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::drive::Sample;
use crate::machine;
use crate::plan::{Group, Results, Row};
use crate::scenario::Work;

const HEAD: [&str; 12] = [
    "server",
    "messages/s",
    "deliveries/s",
    "CPU us",
    "x ours",
    "indexing",
    "busy",
    "p50 us",
    "p99 us",
    "p99.9",
    "MiB",
    "load/s",
];

pub fn print(results: &Results) {
    println!("{}, commit {}, {}", machine::describe(), commit(), command_line());
    println!(
        "CPU us: server CPU time per delivery (per echo, client, visit). x ours: that, divided by ours beside it."
    );
    println!("indexing: the part of it that makes what is kept searchable.");
    println!("busy: of its core. load/s: deliveries/s that the load itself could have counted.");
    for group in &results.groups {
        print_group(group);
    }
    println!();
    for line in &results.left_out {
        println!("left out: {line}");
    }
    for failure in &results.failures {
        println!("failed: {failure}");
    }
}

fn print_group(group: &Group) {
    let Group { scenario, wire, rows } = group;
    println!(
        "\n{} over {}: {}; CPU per {}",
        scenario.name,
        wire.name(),
        scenario.says,
        scenario.work.unit()
    );
    let mut table = vec![head(scenario.work)];
    table.extend(rows.iter().map(|row| cells(scenario.work, row)));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|at| table.iter().map(|line| line[at].chars().count()).max().unwrap_or(0))
        .collect();
    for line in table {
        let (name, numbers) = line.split_first().expect("a name in each line");
        let numbers: String = numbers
            .iter()
            .zip(&widths[1..])
            .map(|(cell, width)| format!("  {cell:>width$}"))
            .collect();
        println!("  {name:<width$}{numbers}", width = widths[0]);
    }
}

fn head(work: Work) -> Vec<String> {
    let mut head: Vec<String> = HEAD.map(String::from).into();
    match work {
        Work::Idle => (head[1], head[2]) = ("clients/s".into(), "bytes/client".into()),
        Work::Flood { .. } => head[10] = "MiB at most".into(),
        Work::Churn { .. } => head[1] = "visits/s".into(),
        Work::Join => head[1] = "clients/s".into(),
        Work::Resume { .. } => (head[1], head[9]) = ("devices/s".into(), "last us".into()),
        _ => {}
    }
    head
}

fn cells(work: Work, row: &Row) -> Vec<String> {
    let latency = |quantile| match row.samples.iter().any(|sample| sample.latency_ns.is_empty()) {
        true => "-".into(),
        false => number(latency_ns(row, quantile) / 1e3),
    };
    let (first, second) = match work {
        Work::Idle => (
            row.median(Sample::units_per_s),
            row.median(|sample| sample.bytes_per_client.unwrap_or(f64::NAN)),
        ),
        Work::Churn { .. } | Work::Join => {
            (row.median(Sample::units_per_s), row.median(deliveries_per_s))
        }
        _ => (
            row.median(|sample| sample.messages as f64 / sample.wall_s),
            row.median(deliveries_per_s),
        ),
    };
    let busy = row.median(|sample| sample.server_cpu_s / sample.wall_s);
    vec![
        row.server.to_owned(),
        number(first),
        number(second),
        number(row.median(Sample::server_us_per_unit)),
        row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        match row.median(Sample::indexing_us_per_unit) {
            0.0 => String::new(),
            indexing => number(indexing),
        },
        format!("{:.0}%", busy * 100.0),
        latency(0.5),
        latency(0.99),
        latency(if matches!(work, Work::Resume { .. }) { 1.0 } else { 0.999 }),
        format!("{:.1}", row.median(|sample| sample.resident_bytes as f64 / 1048576.0)),
        match work {
            Work::Idle | Work::Join | Work::Churn { .. } => String::new(),
            _ => number(row.median(Sample::load_limit_per_s)),
        },
    ]
}

fn deliveries_per_s(sample: &Sample) -> f64 {
    sample.deliveries as f64 / sample.wall_s
}

/// The median of the runs' percentiles: a stall of the machine in one run is not the server's.
fn latency_ns(row: &Row, quantile: f64) -> f64 {
    row.median(|sample| sample.latency_ns.value_at_quantile(quantile) as f64)
}

/// Three digits or all before the point, with thousands apart.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".into();
    }
    if value < 99.95 {
        let digits = if value < 0.995 {
            4
        } else if value < 9.995 {
            2
        } else {
            1
        };
        return format!("{value:.digits$}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub fn write_json(results: &Results, file: &Path) -> Result<()> {
    let groups: Vec<Value> = results.groups.iter().map(group_json).collect();
    let all = json!({
        "machine": machine::describe(),
        "commit": commit(),
        "command": command_line(),
        "groups": groups,
        "left_out": results.left_out,
        "failures": results.failures,
    });
    std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
    Ok(())
}

fn group_json(group: &Group) -> Value {
    let rows: Vec<Value> = group.rows.iter().map(row_json).collect();
    json!({
        "scenario": group.scenario.name,
        "says": group.scenario.says,
        "wire": group.wire.name(),
        "cpu_us_per": group.scenario.work.unit(),
        "rows": rows,
    })
}

fn row_json(row: &Row) -> Value {
    let percentiles = [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| latency_ns(row, quantile));
    let samples: Vec<Value> = row.samples.iter().map(sample_json).collect();
    json!({
        "server": row.server,
        "ours": row.is_ours,
        "cpu_us_per_unit": row.median(Sample::server_us_per_unit),
        "deliveries_per_s": row.median(deliveries_per_s),
        "ratio_to_ours": row.ratio(),
        "ratios": row.ratios,
        "latency_ns": { "p50": percentiles[0], "p90": percentiles[1], "p99": percentiles[2], "p99.9": percentiles[3],
            "max": percentiles[4] },
        "samples": samples,
    })
}

fn sample_json(sample: &Sample) -> Value {
    json!({
        "wall_s": sample.wall_s,
        "messages": sample.messages,
        "deliveries": sample.deliveries,
        "units": sample.units,
        "server_cpu_s": sample.server_cpu_s,
        "indexing_cpu_s": sample.indexing_cpu_s,
        "load_cpu_s": sample.load_cpu_s,
        "resident_bytes": sample.resident_bytes,
        "bytes_per_client": sample.bytes_per_client,
    })
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let output =
            command.args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| !changes.is_empty());
    if changed { commit + " with changes" } else { commit }
}

fn command_line() -> String {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let separator = if arguments.is_empty() { "" } else { " -- " };
    format!("cargo bench --bench load{separator}{}", arguments.join(" "))
}
