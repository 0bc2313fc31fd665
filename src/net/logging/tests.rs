use std::sync::mpsc::{Receiver, Sender, channel};

use env_logger::WriteStyle;
use log::Log as _;

use super::*;

fn record<'a>(place: u32, level: Level, what: std::fmt::Arguments<'a>) -> Record<'a> {
    let mut builder = Record::builder();
    builder.level(level).target("chat_server::here").module_path_static(Some("chat_server::here"));
    builder.line(Some(place)).args(what).build()
}

/// What becomes of a line that is logged at this time.
fn admit(thinning: &mut Thinning, place: u32, level: Level, now: Millis) -> bool {
    thinning.admits(&record(place, level, format_args!("at {now}")), now) == Admitted::Yes
}

// ---- Thinning ----

#[test]
fn a_flood_of_one_kind_is_logged_at_its_beginning_and_then_once_a_second() {
    let mut thinning = Thinning::default();
    let admitted = (0..50_000).filter(|_| admit(&mut thinning, 1, Level::Info, 7)).count();
    assert_eq!((admitted, thinning.has_left_out(), thinning.due()), (1000, true, Some(1007)));
    assert!(thinning.take_due(1006, false).is_empty());
    let reported = thinning.take_due(1007, false);
    assert_eq!(reported.len(), 1);
    assert_eq!((reported[0].count, reported[0].example.as_str()), (49_000, "at 7"));
    assert!(!thinning.has_left_out());

    // Still flooded: the line that tells of it is the one line a second.
    let mut lines = 0;
    for now in 1008..61_007 {
        lines += usize::from(admit(&mut thinning, 1, Level::Info, now));
        lines += thinning.take_due(now, false).len();
    }
    assert_eq!(lines, 59);
}

#[test]
fn a_flood_of_one_kind_hides_no_other() {
    let mut thinning = Thinning::default();
    assert_eq!((0..5000).filter(|_| admit(&mut thinning, 1, Level::Info, 0)).count(), 1000);
    assert!(admit(&mut thinning, 2, Level::Info, 0));
    let without_place = Record::builder().args(format_args!("from somewhere")).build();
    assert!((0..5000).all(|_| thinning.admits(&without_place, 0) == Admitted::Yes));
    // Ten seconds later warnings have 100 lines again.
    assert_eq!((0..5000).filter(|_| admit(&mut thinning, 3, Level::Warn, 0)).count(), 1000);
    assert_eq!(thinning.take_due(10_000, false).len(), 2);
    assert_eq!((0..5000).filter(|_| admit(&mut thinning, 3, Level::Warn, 10_000)).count(), 99);
}

#[test]
fn what_was_left_out_is_reported_at_the_end() {
    let mut thinning = Thinning::default();
    assert_eq!((0..1001).filter(|_| admit(&mut thinning, 1, Level::Info, 0)).count(), 1000);
    assert_eq!(thinning.take_due(0, true).iter().map(|left_out| left_out.count).sum::<u64>(), 1);
}

// ---- The queue and its writer ----

/// Writes what it is reported to, when it is reported to.
struct Sink {
    written: Sender<Vec<u8>>,
    answers: Receiver<io::Result<()>>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without an answer it is stuck for ever.
        let answer = self.answers.recv().unwrap_or_else(|_| {
            loop {
                thread::park()
            }
        });
        answer.map(|()| {
            let _ = self.written.send(bytes.to_vec());
            bytes.len()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log_to_sink() -> (Log, Sender<io::Result<()>>, Receiver<Vec<u8>>) {
    let ((written, output), (answer, answers)) = (channel(), channel());
    let log = Log::new("info", LogFormat::Text, WriteStyle::Never, Sink { written, answers })
        .expect("a thread");
    (log, answer, output)
}

fn say(log: &Log, place: u32, what: std::fmt::Arguments<'_>) {
    log.log(&record(place, Level::Info, what));
}

/// Waits until the writer has nothing to do.
fn settle(log: &Log) {
    let until = Instant::now() + Duration::from_secs(30);
    let is_busy = |state: &State| state.is_writing || !state.queue.bytes.is_empty();
    while is_busy(&log.shared.lock()) {
        assert!(Instant::now() < until, "the writer is stuck");
        thread::sleep(Duration::from_millis(1));
    }
}

fn text(output: &Receiver<Vec<u8>>) -> String {
    String::from_utf8(output.recv_timeout(Duration::from_secs(30)).expect("it is written"))
        .expect("UTF-8")
}

#[test]
fn lines_come_out_whole_in_order_and_with_their_level() {
    let (log, answer, output) = log_to_sink();
    for number in 0..100 {
        say(&log, 1, format_args!("line {number}"));
    }
    log.log(&record(2, Level::Debug, format_args!("not wanted")));
    (0..200).for_each(|_| drop(answer.send(Ok(()))));
    settle(&log);
    let all: String =
        output.try_iter().map(|bytes| String::from_utf8(bytes).expect("UTF-8")).collect();
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 100);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.ends_with(&format!(" INFO  chat_server::here] line {number}")), "{line}");
    }
}

#[test]
fn logging_does_not_wait_and_what_is_lost_is_counted() {
    let (log, answer, output) = log_to_sink();
    // A kilobyte each from places of their own: twice what the queue holds.
    let long = "x".repeat(1000);
    for place in 0..2 * QUEUE_BYTES_MAX as u32 / 1000 {
        say(&log, place, format_args!("{place} {long}"));
    }
    let began = Instant::now();
    log.flush();
    assert!(
        began.elapsed() >= FLUSH && began.elapsed() < 10 * FLUSH,
        "it gives up: {:?}",
        began.elapsed()
    );
    let began = Instant::now();
    log.flush();
    assert!(began.elapsed() < FLUSH, "it has waited before");
    assert!(log.shared.lock().queue.bytes.len() <= QUEUE_BYTES_MAX);
    let lost = log.shared.lock().queue.lost;
    assert!(lost > 900, "{lost}");

    (0..3).for_each(|_| drop(answer.send(Ok(()))));
    settle(&log);
    let all: String =
        output.try_iter().map(|bytes| String::from_utf8(bytes).expect("UTF-8")).collect();
    let (last, before) = all
        .lines()
        .collect::<Vec<_>>()
        .split_last()
        .map(|(last, rest)| (*last, rest.len()))
        .expect("it");
    assert!(last.ends_with(&format!(
        " WARN  chat_server::net::logging] {lost} lines of this log were lost: nobody took them"
    )));
    assert_eq!(before as u64 + lost, u64::from(2 * QUEUE_BYTES_MAX as u32 / 1000));
    say(&log, 1, format_args!("and on it goes"));
    drop(answer.send(Ok(())));
    assert!(text(&output).ends_with("and on it goes\n"));
}

#[test]
fn a_sink_that_fails_is_tried_again_with_the_next_line() {
    let (log, answer, output) = log_to_sink();
    for _ in 0..3 {
        say(&log, 1, format_args!("into the void"));
        drop(answer.send(Err(io::ErrorKind::BrokenPipe.into())));
        settle(&log);
    }
    say(&log, 1, format_args!("heard"));
    drop(answer.send(Err(io::ErrorKind::Interrupted.into())));
    drop(answer.send(Err(io::ErrorKind::WouldBlock.into())));
    drop(answer.send(Ok(())));
    let all = text(&output);
    assert!(
        all.contains("] heard\n")
            && all.ends_with("] 3 lines of this log were lost: nobody took them\n"),
        "{all}"
    );
}

#[test]
fn what_was_left_out_is_reported_though_no_further_line_comes() {
    let (log, answer, output) = log_to_sink();
    (0..1000).for_each(|_| drop(answer.send(Ok(()))));
    (0..1500).for_each(|number| say(&log, 1, format_args!("line {number}")));
    let mut all = String::new();
    while !all.contains("left out") {
        all.push_str(&text(&output));
    }
    assert_eq!(all.lines().count(), 1001);
    assert!(all.ends_with(
        " INFO  chat_server::here] 500 more lines like this were left out: line 1000\n"
    ));
}

// ---- RUST_LOG ----

#[test]
fn what_would_log_nothing_unnoticed_is_refused() {
    for good in [
        "",
        "info",
        "WARN",
        "off",
        "chat_server",
        "chat_server::server=debug,warn",
        "hyper=off,info",
        "info/text",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in ["a=b=c", "inof", "info,verbose", "chat-server", "chat_server=loud"] {
        assert!(check(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_program_s_name_with_its_hyphen_is_the_name_of_its_modules() {
    for (typed, read) in [
        ("chat-server", "chat_server"),
        ("chat-server=debug", "chat_server=debug"),
        ("warn, chat-server::net=info,hyper-util=off", "warn,chat_server::net=info,hyper-util=off"),
        ("chat-server-x=off", "chat-server-x=off"),
        ("info/chat-server, once", "info/chat-server, once"),
        ("chat_server=debug,info", "chat_server=debug,info"),
        ("", ""),
    ] {
        assert_eq!(with_module_names(typed), read, "{typed}");
        assert_eq!(check(read), Ok(()), "{read}");
    }
}
