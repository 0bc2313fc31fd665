//! Lines that come in floods are thinned out: from each place in the code, many at once and a few a
//! second after that, with one line that tells how many were left out.

use std::collections::HashMap;

use log::{Level, Record};

use crate::clock::Millis;
use crate::throttle::{Rate, TokenBucket};

/// Lines from one place in the code, at once and a second: enough to tell an incident from its
/// beginning.
const LINES: (u32, u32) = (1000, 1);
/// The same for warnings and errors.
const WARNINGS: (u32, u32) = (1000, 10);

/// A place in the code that logs: a module and a line.
type Place = (&'static str, u32);

#[derive(Default)]
pub struct Thinning {
    places: HashMap<Place, Flow>,
}

/// The lines of one place.
#[derive(Default)]
struct Flow {
    bucket: TokenBucket,
    left_out: Option<LeftOut>,
}

/// Lines that were not logged, until their number is reported.
pub struct LeftOut {
    pub count: u64,
    /// When there is room for a line that reports them.
    pub due: Millis,
    pub level: Level,
    pub target: String,
    /// The first of them.
    pub example: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    Yes,
    FirstLeftOut,
    LeftOut,
}

fn rate_of(level: Level) -> Rate {
    let (burst, per_second) = if level <= Level::Warn { WARNINGS } else { LINES };
    Rate::limited(burst, per_second).expect("both are in range")
}

impl Thinning {
    pub fn admits(&mut self, record: &Record<'_>, now: Millis) -> Admitted {
        let (Some(module), Some(line)) = (record.module_path_static(), record.line()) else {
            return Admitted::Yes;
        };
        let flow = self.places.entry((module, line)).or_default();
        if let Some(left_out) = &mut flow.left_out {
            left_out.count += 1;
            return Admitted::LeftOut;
        }
        let Err(due) = flow.bucket.try_take(now, &rate_of(record.level())) else {
            return Admitted::Yes;
        };
        flow.left_out = Some(LeftOut {
            count: 1,
            due,
            level: record.level(),
            target: record.target().to_owned(),
            example: record.args().to_string(),
        });
        Admitted::FirstLeftOut
    }

    pub fn has_left_out(&self) -> bool {
        self.places.values().any(|flow| flow.left_out.is_some())
    }

    /// When lines that were left out are to be reported next.
    pub fn due(&self) -> Option<Millis> {
        self.places.values().filter_map(|flow| Some(flow.left_out.as_ref()?.due)).min()
    }

    /// What is to be reported by now; at the end, all that there is.
    pub fn take_due(&mut self, now: Millis, is_ending: bool) -> Vec<LeftOut> {
        let mut taken = Vec::new();
        for flow in self.places.values_mut() {
            if let Some(left_out) =
                flow.left_out.take_if(|left_out| is_ending || left_out.due <= now)
            {
                // The line that reports them is one as well.
                let _ = flow.bucket.try_take(now, &rate_of(left_out.level));
                taken.push(left_out);
            }
        }
        taken
    }
}
