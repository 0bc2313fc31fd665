//! One bar chart for each scenario and wire: what a delivery costs each server.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::drive::Sample;
use crate::plan::{Group, Results};
use crate::scenario::Work;

const WIDTH: i32 = 760;
const LABEL_WIDTH: i32 = 150;
const VALUE_WIDTH: i32 = 120;
const BAR_HEIGHT: i32 = 26;
const TOP: i32 = 64;
/// A bar that is this many times as long as the shortest is cut, or nothing could be seen of the
/// others.
const TIMES_MAX: f64 = 50.0;
const OURS: RGBColor = RGBColor(28, 110, 184);
const PEER: RGBColor = RGBColor(160, 168, 178);
const INK: RGBColor = RGBColor(36, 41, 47);

pub fn draw(results: &Results, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    for group in results.groups.iter().filter(|group| !group.rows.is_empty()) {
        let file = dir.join(format!("{}-{}.svg", group.scenario.name, group.wire.name()));
        chart(group, &file).map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

fn chart(group: &Group, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let height = TOP + BAR_HEIGHT * group.rows.len() as i32 + 12;
    let area = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size| ("sans-serif", size).into_font().color(&INK);
    let title = format!("{} over {}", group.scenario.name, group.wire.name());
    let (quantity, value): (String, fn(&Sample) -> f64) = match group.scenario.work {
        Work::Idle => {
            ("resident bytes per client".into(), |sample| sample.bytes_per_client.unwrap_or(0.0))
        }
        work => (format!("us of server CPU per {}", work.unit()), Sample::server_us_per_unit),
    };
    area.draw_text(&title, &text(22), (12, 10))?;
    area.draw_text(
        &format!("{}; {quantity}, less is better", group.scenario.says),
        &text(16),
        (12, 36),
    )?;
    let values: Vec<f64> = group.rows.iter().map(|row| row.median(value)).collect();
    let shortest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let whole = values.iter().copied().filter(|value| *value < TIMES_MAX * shortest);
    let longest = whole.fold(f64::MIN_POSITIVE, f64::max);
    let right = text(16).pos(Pos::new(HPos::Right, VPos::Center));
    let left = text(16).pos(Pos::new(HPos::Left, VPos::Center));
    for (place, (row, value)) in group.rows.iter().zip(values).enumerate() {
        let top = TOP + BAR_HEIGHT * place as i32;
        let middle = top + BAR_HEIGHT / 2 - 2;
        let length = (f64::from(WIDTH - LABEL_WIDTH - VALUE_WIDTH) * (value / longest).min(1.0))
            .max(1.0) as i32;
        let color = if row.is_ours { OURS } else { PEER };
        let bar = [(LABEL_WIDTH, top), (LABEL_WIDTH + length, top + BAR_HEIGHT - 6)];
        area.draw(&Rectangle::new(bar, color.filled()))?;
        if value > longest {
            let cut = [
                (LABEL_WIDTH + length - 24, top),
                (LABEL_WIDTH + length - 16, top + BAR_HEIGHT - 6),
            ];
            area.draw(&Rectangle::new(cut, WHITE.filled()))?;
        }
        area.draw_text(row.server, &right, (LABEL_WIDTH - 8, middle))?;
        let times = row.ratio().map(|ratio| format!(" ({ratio:.1}x)")).unwrap_or_default();
        let digits = if value < 1.0 {
            3
        } else if value < 100.0 {
            2
        } else {
            0
        };
        area.draw_text(
            &format!("{value:.digits$}{times}"),
            &left,
            (LABEL_WIDTH + length + 8, middle),
        )?;
    }
    area.present()?;
    Ok(())
}
