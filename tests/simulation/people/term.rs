//! How long something holds, and why.

/// The day on which all of this happens.
const DAY: u64 = 14;
const DAY_FROM_S: u64 = 1_699_920_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub until_ms: Option<u64>,
    pub reason: Option<String>,
}

impl Term {
    pub fn holds(&self, unix_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| unix_ms < until_ms)
    }

    /// As people read it, at the end of a sentence.
    pub fn shown(&self) -> String {
        let until = self.until_ms.map_or(String::new(), |until| format!(" until {}", utc(until)));
        until + &self.reason.as_ref().map_or(".".to_owned(), |reason| format!(": {reason}"))
    }
}

pub fn utc(unix_ms: u64) -> String {
    let s = unix_ms / 1000 - DAY_FROM_S;
    let (day, hour, minute) = (DAY + s / 86_400, s / 3600 % 24, s / 60 % 60);
    format!("2023-11-{day:02} {hour:02}:{minute:02}:{:02} UTC", s % 60)
}
