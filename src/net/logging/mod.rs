//! The log: lines go through a queue to a thread of its own, which alone writes to standard error.
//!
//! Logging never waits, whatever reads standard error: a pipe that nobody empties, a terminal that
//! was stopped with Ctrl-S. What does not fit into the queue is dropped and counted, and floods of
//! one kind of line are thinned out before they come to it.

mod format;
mod thinning;

pub use format::LogFormat;

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use env_logger::Target;
use log::{Level, LevelFilter, Record};

use crate::clock::Millis;
use thinning::{Admitted, LeftOut, Thinning};

/// What waits to be written: ten thousand lines. As much again may be on its way to a reader that
/// does not read.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Where standard error does not block, its reader is given so long.
const COALESCE_STEP: Duration = Duration::from_millis(10);
/// The end of the program waits so long for the reader of standard error, however often it flushes.
const FLUSH: Duration = Duration::from_secs(1);

/// Lines that nobody took, and lines that were left out because there were too many like them.
static LOST: AtomicU64 = AtomicU64::new(0);
static THINNED: AtomicU64 = AtomicU64::new(0);

/// How many lines the log lacks: lost ones, and those that were thinned out.
pub fn missing_lines() -> (u64, u64) {
    (LOST.load(Ordering::Relaxed), THINNED.load(Ordering::Relaxed))
}

/// Logs to standard error from now on, from `info` up or as `RUST_LOG` says, in this format.
///
/// # Errors
/// One line that says what is wrong with `RUST_LOG`, or why there is no thread.
pub fn start(format: LogFormat) -> Result<(), String> {
    let directives = match std::env::var("RUST_LOG") {
        Ok(directives) => with_module_names(&directives),
        Err(std::env::VarError::NotPresent) => "info".to_owned(),
        Err(error) => return Err(format!("RUST_LOG: {error}")),
    };
    check(&directives).map_err(|error| format!("RUST_LOG: {error}"))?;
    let style = anstream::AutoStream::choice(&io::stderr()).into();
    let log = Log::new(&directives, format, style, io::stderr())
        .map_err(|error| format!("no thread for the log: {error}"))?;
    let level = log.lines.filter();
    log::set_boxed_logger(Box::new(log)).map_err(|error| error.to_string())?;
    log::set_max_level(level);
    // What was logged before a panic is not lost with the process.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log::logger().flush();
        hook(panic);
    }));
    Ok(())
}

/// The same directives, with the program's name as its modules have it: people type it with the
/// hyphen that it has everywhere else, and would get no log at all.
fn with_module_names(directives: &str) -> String {
    let (modules, filter) = match directives.split_once('/') {
        Some((modules, filter)) => (modules, Some(filter)),
        None => (directives, None),
    };
    let rename = |directive: &str| {
        let directive = directive.trim();
        match directive.strip_prefix(env!("CARGO_PKG_NAME")) {
            Some(rest) if rest.is_empty() || rest.starts_with(['=', ':']) => {
                format!("{}{rest}", env!("CARGO_CRATE_NAME"))
            }
            _ => directive.to_owned(),
        }
    };
    let modules = modules.split(',').map(rename).collect::<Vec<_>>().join(",");
    filter.map_or_else(|| modules.clone(), |filter| format!("{modules}/{filter}"))
}

/// As strict as with a flag; env_logger takes what it does not understand for the name of a module,
/// and then logs nothing.
fn check(directives: &str) -> Result<(), String> {
    env_filter::Builder::new().try_parse(directives).map_err(|error| error.to_string())?;
    let modules = directives.split('/').next().unwrap_or_default();
    for word in
        modules.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.contains('='))
    {
        let is_ours = word.starts_with(env!("CARGO_CRATE_NAME"));
        if !is_ours && word.parse::<LevelFilter>().is_err() {
            let module = env!("CARGO_CRATE_NAME");
            return Err(format!(
                "{word:?} is none of off, error, warn, info, debug, trace, and no module of {module}"
            ));
        }
    }
    Ok(())
}

/// Formats lines where they are logged, with the time of then.
struct Log {
    lines: env_logger::Logger,
    shared: Arc<Shared>,
}

impl Log {
    fn new(
        directives: &str,
        format: LogFormat,
        style: env_logger::WriteStyle,
        sink: impl Write + Send + 'static,
    ) -> io::Result<Log> {
        let shared = Arc::new(Shared::default());
        let build = |directives: &str, target| {
            let mut builder = env_logger::Builder::new();
            builder
                .parse_filters(directives)
                .write_style(style)
                .format(move |out, record| format.write(out, record))
                .target(Target::Pipe(target))
                .build()
        };
        let formatted = Formatted::default();
        let writer = Writer {
            shared: Arc::clone(&shared),
            reports: build("trace", Box::new(formatted.clone())),
            formatted,
            sink,
        };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
        Ok(Log { lines: build(directives, Box::new(QueueWriter(Arc::clone(&shared)))), shared })
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.lines.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.lines.matches(record) && self.shared.admits(record) {
            self.lines.log(record);
        }
    }

    /// Waits until all has been written, but not for ever.
    fn flush(&self) {
        self.shared.flush(FLUSH);
    }
}

/// What the two sides share.
struct Shared {
    state: Mutex<State>,
    /// The writer has something to do.
    work: Condvar,
    /// The writer has nothing to do.
    rest: Condvar,
    started: Instant,
}

#[derive(Default)]
struct State {
    queue: Queue,
    thinning: Thinning,
    is_writing: bool,
    /// All that was left out is to be reported now.
    is_ending: bool,
    /// No flush waits longer than this; set by the first.
    flush_until: Option<Instant>,
}

/// What the writer is to write next.
struct Work {
    lines: Vec<u8>,
    left_out: Vec<LeftOut>,
    lost: u64,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            rest: Condvar::new(),
            started: Instant::now(),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    fn admits(&self, record: &Record<'_>) -> bool {
        let now = self.now();
        let admitted = self.lock().thinning.admits(record, now);
        if admitted == Admitted::FirstLeftOut {
            self.work.notify_one();
        }
        if admitted != Admitted::Yes {
            THINNED.fetch_add(1, Ordering::Relaxed);
        }
        admitted == Admitted::Yes
    }

    fn flush(&self, patience: Duration) {
        let mut state = self.lock();
        state.is_ending = true;
        let patience = state
            .flush_until
            .get_or_insert(Instant::now() + patience)
            .saturating_duration_since(Instant::now());
        self.work.notify_one();
        let is_busy = |state: &mut State| {
            state.is_writing || !state.queue.bytes.is_empty() || state.thinning.has_left_out()
        };
        let waited = self.rest.wait_timeout_while(state, patience, is_busy);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_ending = false;
    }

    /// Waits for something to write.
    fn work(&self, spare: Vec<u8>) -> Work {
        let mut state = self.lock();
        loop {
            let is_ending = state.is_ending;
            let left_out = state.thinning.take_due(self.now(), is_ending);
            if !state.queue.bytes.is_empty() || !left_out.is_empty() {
                state.is_writing = true;
                let lines = mem::replace(&mut state.queue.bytes, spare);
                return Work { lines, left_out, lost: mem::take(&mut state.queue.lost) };
            }
            state.is_writing = false;
            self.rest.notify_all();
            let pause = state
                .thinning
                .due()
                .map(|at| Duration::from_millis(at.saturating_sub(self.now()).max(1)));
            state = match pause {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(pause) => {
                    self.work.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Appends formatted lines to the queue.
struct QueueWriter(Arc<Shared>);

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().queue.push(line);
        self.0.work.notify_one();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines that wait for the writer.
///
/// Invariant: no more than [`QUEUE_BYTES_MAX`].
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Lines dropped and not reported yet.
    lost: u64,
}

impl Queue {
    fn push(&mut self, line: &[u8]) {
        // Once something is lost, what comes after it waits until that can be said.
        if self.lost > 0 && !self.bytes.is_empty()
            || self.bytes.len() + line.len() > QUEUE_BYTES_MAX
        {
            self.lost += 1;
            LOST.fetch_add(1, Ordering::Relaxed);
        } else {
            self.bytes.extend_from_slice(line);
        }
    }
}

/// The far side of the queue. It may be stuck in a write for ever.
struct Writer<W> {
    shared: Arc<Shared>,
    sink: W,
    /// Formats the lines about lines that are missing, into `formatted`.
    reports: env_logger::Logger,
    formatted: Formatted,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        let mut spare = Vec::new();
        loop {
            let Work { mut lines, left_out, lost } = self.shared.work(spare);
            for LeftOut { count, level, target, example, .. } in &left_out {
                let were = if *count == 1 { "line like this was" } else { "lines like this were" };
                self.report(
                    *level,
                    target,
                    format_args!("{count} more {were} left out: {example}"),
                );
            }
            lines.append(&mut self.formatted.take());
            let count = memchr::memchr_iter(b'\n', &lines).count() as u64;
            if lost > 0 {
                let were =
                    if lost == 1 { "line of this log was" } else { "lines of this log were" };
                self.report(
                    Level::Warn,
                    module_path!(),
                    format_args!("{lost} {were} lost: nobody took them"),
                );
                lines.append(&mut self.formatted.take());
            }
            if self.write(&lines).is_err() {
                self.shared.lock().queue.lost += lost + count;
                LOST.fetch_add(count, Ordering::Relaxed);
            }
            lines.clear();
            // A burst does not keep its memory.
            lines.shrink_to(QUEUE_BYTES_MAX / 64);
            spare = lines;
        }
    }

    fn report(&self, level: Level, target: &str, what: std::fmt::Arguments<'_>) {
        log::Log::log(
            &self.reports,
            &Record::builder().level(level).target(target).args(what).build(),
        );
    }

    fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            match self.sink.write(lines) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => lines = &lines[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(COALESCE_STEP)
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The writer's own lines.
#[derive(Clone, Default)]
struct Formatted(Arc<Mutex<Vec<u8>>>);

impl Formatted {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Formatted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
