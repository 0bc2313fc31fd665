//! How a line of the log is written: for people, or for programs.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use env_logger::fmt::Formatter;
use jiff::Timestamp;
use log::Record;
use serde::Serialize;

/// `--log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people: time, level, module, message.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// The last second of the year 9999.
const DATE_MAX_S: u64 = 253_402_300_799;

/// A line of JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// RFC 3339, in UTC.
    time: String,
    level: &'a str,
    target: &'a str,
    message: String,
}

impl LogFormat {
    pub fn write(self, out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
        match self {
            LogFormat::Text => write_text(out, record),
            LogFormat::Json => write_json(out, record, SystemTime::now()),
        }
    }
}

/// A line as env_logger writes it, but for its time: env_logger panics on a clock that is set
/// beyond the year 9999.
fn write_text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = match time_of(SystemTime::now()) {
        Some(seconds) => seconds.to_string(),
        None => out.timestamp().to_string(),
    };
    let (level, target) = (record.level(), record.target());
    let style = out.default_level_style(level);
    let message = Escaped(record.args());
    writeln!(out, "[{time} {style}{level:<5}{style:#} {target}] {message}")
}

fn write_json(out: &mut impl Write, record: &Record<'_>, now: SystemTime) -> io::Result<()> {
    // No calendar of ours goes on beyond that.
    let time = Timestamp::try_from(now).unwrap_or(Timestamp::MAX);
    let line = Line {
        time: format!("{time:.3}"),
        level: &record.level().as_str().to_ascii_lowercase(),
        target: record.target(),
        message: record.args().to_string(),
    };
    // It leaves control characters behind U+007E as they are.
    let mut line = serde_json::to_string(&line)?;
    if line.contains(char::is_control) {
        line = line.chars().fold(String::new(), |mut line, character| {
            match character.is_control() {
                true => line.push_str(&format!("\\u{:04x}", u32::from(character))),
                false => line.push(character),
            }
            line
        });
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// Seconds since 1970 where no calendar of ours has a date.
fn time_of(now: SystemTime) -> Option<u64> {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    (seconds > DATE_MAX_S || now < UNIX_EPOCH).then_some(seconds)
}

/// Control characters as Rust writes them: nothing that is logged begins a line of its own, or does
/// something to the terminal on which it is read. Who logs what others have sent sees to that, too.
struct Escaped<'a>(&'a fmt::Arguments<'a>);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaping(f).write_fmt(*self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            match part.chars().next_back().filter(|last| last.is_control()) {
                None => self.0.write_str(part)?,
                Some(last) => {
                    self.0.write_str(&part[..part.len() - last.len_utf8()])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use log::Level;

    use super::*;

    fn json(message: &str, now: SystemTime) -> String {
        let mut out = Vec::new();
        let arguments = format_args!("{message}");
        let record =
            Record::builder().level(Level::Warn).target("chat::net").args(arguments).build();
        write_json(&mut out, &record, now).expect("a vector takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_line_of_json_is_one_line_whatever_is_said() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_352_709_042);
        assert_eq!(
            json("a \"b\"\n\u{1b}[2J\u{85}端末", at),
            "{\"time\":\"2026-11-22T13:05:09.042Z\",\"level\":\"warn\",\"target\":\"chat::net\",\
             \"message\":\"a \\\"b\\\"\\n\\u001b[2J\\u0085端末\"}\n"
        );
        for far in [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(1 << 40)]
        {
            let line: serde_json::Value = serde_json::from_str(&json("x", far)).expect("JSON");
            let time = line["time"].as_str().expect("a time");
            assert!(time.parse::<Timestamp>().is_ok(), "{time}");
        }
    }

    #[test]
    fn a_line_of_text_holds_no_control_characters() {
        let (said, quiet) = ("a\n\u{1b}[2J\u{85}\t\r", "端末 'a' \\");
        let shown = Escaped(&format_args!("{said}{quiet}{}", 7)).to_string();
        assert_eq!(shown, "a\\n\\u{1b}[2J\\u{85}\\t\\r端末 'a' \\7");
    }

    #[test]
    fn any_clock_makes_a_time() {
        let at = |seconds| time_of(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!((at(0), at(DATE_MAX_S)), (None, None), "as env_logger writes it");
        assert_eq!(at(DATE_MAX_S + 1), Some(DATE_MAX_S + 1));
        assert_eq!(time_of(UNIX_EPOCH - Duration::from_secs(5)), Some(0));
    }
}
