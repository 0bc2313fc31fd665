//! The line that somebody types where the server edits it: written around what others say, to
//! terminals that read as slowly as they like.

use std::num::NonZero;

use super::*;
use crate::chat::Chat;
use crate::config::Config;

/// What PuTTY says at once, and how large it is.
const PUTTY: &[u8] =
    b"\xff\xfb\x1f\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03\xff\xfa\x1f\0\xc8\x01\x90\xff\xf0";
const COLUMNS: u16 = 200;
const ROWS: u16 = 400;

fn chat() -> Sim<Chat> {
    chat_with(limits())
}

fn chat_with(limits: ConnectionLimits) -> Sim<Chat> {
    chat_at_rate("off", limits)
}

fn chat_at_rate(rate: &str, limits: ConnectionLimits) -> Sim<Chat> {
    let flags = ["chat-server", "--rate-limit", rate];
    let config = Config::read(flags.into_iter().map(Into::into)).expect("good flags");
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    Sim::with(settings, |_| Chat::new(config.chat("epoch".to_owned())))
}

/// The rows of a terminal's screen that has been sent this, but for telnet's own bytes.
fn rows(sent: &[u8]) -> Vec<String> {
    let cells = |count| NonZero::new(count).expect("a terminal has a cell");
    let mut screen = vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0);
    let mut rest = sent;
    while let Some(at) = rest.iter().position(|&byte| byte == 0xFF) {
        screen.process(&rest[..at]);
        rest = &rest[at + 3..];
    }
    screen.process(rest);
    let rows = screen.screen().rows(0, COLUMNS);
    rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
}

/// Somebody whose line is edited here, and somebody else.
fn ann_and_zoe(sim: &mut Sim<Chat>) -> (Peer, Peer) {
    let [ann, zoe] = [("ann", PUTTY), ("zoe", b"")].map(|(name, first)| {
        let peer = sim.connect(PLENTY);
        sim.send(&peer, first);
        sim.send(&peer, format!("\r/nick {name}\r"));
        sim.pass(1000);
        peer
    });
    (ann, zoe)
}

#[test]
fn one_write_takes_the_line_off_the_screen_and_brings_it_back() {
    let mut sim = chat();
    let (ann, zoe) = ann_and_zoe(&mut sim);
    sim.send(&ann, "half");
    sim.settle();
    ann.take_output();
    let writes = ann.far.borrow().writes;
    sim.send(&zoe, "one\rtwo\r");
    sim.settle();
    assert_eq!(ann.far.borrow().writes, writes + 1);
    let told = "\r\x1b[J[#lobby] zoe: one\r\n[#lobby] zoe: two\r\n[#lobby] half";
    assert_eq!(ann.take_output(), told);
    // A key is no more than itself.
    sim.send(&ann, "!");
    sim.settle();
    assert_eq!(ann.take_output(), "!");
}

#[test]
fn what_is_typed_and_not_ended_is_never_said() {
    let mut sim = chat();
    let (ann, zoe) = ann_and_zoe(&mut sim);
    zoe.take_output();
    sim.send(&ann, "half a thought");
    sim.end_input(&ann);
    sim.pass(60_000);
    assert!(ann.is_dropped());
    assert_eq!(zoe.output(), "* ann left #lobby.\r\n");
}

#[test]
fn keys_that_look_at_a_long_line_are_served_a_few_in_a_turn() {
    let turns_for = |line: usize| {
        let mut sim = chat_with(ConnectionLimits { read_bytes_max: 4096, ..limits() });
        let (ann, _) = ann_and_zoe(&mut sim);
        sim.send(&ann, "x".repeat(line));
        sim.settle();
        sim.send(&ann, "\u{5}\u{1b}b".repeat(5000));
        sim.turn();
        let mut turns = 1;
        while sim.server.is_busy() {
            sim.turn();
            turns += 1;
        }
        turns
    };
    let (long, short) = (turns_for(4000), turns_for(4));
    assert!(long > 10 * short, "others have their turns meanwhile: {long} and {short}");
}

/// Two messages at once, and then one a second.
fn paced() -> (Sim<Chat>, Peer, Peer) {
    let mut sim = chat_at_rate("2:1", limits());
    let (ann, zoe) = ann_and_zoe(&mut sim);
    sim.pass(60_000);
    ann.take_output();
    zoe.take_output();
    (sim, ann, zoe)
}

/// What others were told that she has said.
fn said_by_ann(zoe: &Peer) -> Vec<String> {
    let told = zoe.output();
    let said = told.lines().filter_map(|line| line.strip_prefix("[#lobby] ann: "));
    said.map(str::to_owned).collect()
}

#[test]
fn what_is_typed_while_flood_control_waits_is_shown_at_once() {
    let (mut sim, ann, zoe) = paced();
    let last = |ann: &Peer| rows(&ann.far.borrow().output).pop().expect("a row");
    sim.send(&ann, "one\rtwo\rthree\rfour\rfive\rha");
    sim.settle();
    assert_eq!(said_by_ann(&zoe), ["one", "two"]);
    assert_eq!(last(&ann), "[#lobby] ha");
    sim.send(&ann, "l\u{1b}[D");
    sim.send(&zoe, "hello\r");
    sim.settle();
    assert_eq!(last(&ann), "[#lobby] hal");
    // A line stands above it when it is said, and not before.
    let shown = rows(&ann.far.borrow().output);
    assert!(shown.iter().any(|row| row == "[#lobby] three"), "{shown:#?}");
    assert!(!shown.iter().any(|row| row == "[#lobby] four"), "{shown:#?}");
    sim.pass(1_000);
    sim.settle();
    let shown = rows(&ann.far.borrow().output);
    assert_eq!(shown[shown.len() - 2..], ["[#lobby] four", "[#lobby] hal"]);
    sim.send(&ann, "\u{5}f\r");
    sim.pass(10_000);
    assert_eq!(said_by_ann(&zoe), ["one", "two", "three", "four", "five", "half"]);
    assert_eq!(last(&ann), "[#lobby]");
}

#[test]
fn what_may_be_a_secret_is_not_shown_ahead() {
    let (mut sim, ann, zoe) = paced();
    sim.send(&ann, "one\rtwo\rthree\r/login ann\rhunter-22");
    sim.settle();
    for _ in 0..20 {
        sim.pass(500);
        assert!(!ann.output().contains("hunter"), "{}", ann.output());
    }
    assert!(ann.output().contains("* Password of ann"), "{}", ann.output());
    assert_eq!(said_by_ann(&zoe), ["one", "two", "three"]);
}

#[test]
fn what_was_typed_ahead_is_bounded_and_all_of_it_is_said() {
    let (mut sim, ann, zoe) = paced();
    let lines: Vec<String> = (0..300).map(|at| format!("line {at} {}", "x".repeat(20))).collect();
    sim.send(&ann, lines.join("\r") + "\r");
    sim.settle();
    let editor = sim.server.connections[ann.key].wire.editor().expect("it is edited");
    assert!((50..200).contains(&editor.ahead().count()), "{}", editor.ahead().count());
    sim.end_input(&ann);
    sim.pass(400_000);
    let said = said_by_ann(&zoe);
    assert!(said.len() > 15 && lines.starts_with(&said), "{said:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Type(&'static str),
    Say(String),
    Read(usize),
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let keys = [
        "a",
        "b ",
        "é",
        "日本",
        "😀",
        "e\u{301}",
        "\u{7f}",
        "\u{1}",
        "\u{5}",
        "\u{b}",
        "\u{17}",
        "\u{1b}[D",
        "\u{1b}[",
        "C",
        "\r",
        "\r\0",
        "word\rnext",
        "\t",
    ];
    prop_oneof![
        6 => prop::sample::select(keys.to_vec()).prop_map(Step::Type),
        3 => "[a-z日]{1,20}".prop_map(Step::Say),
        2 => (0..60usize).prop_map(Step::Read),
        3 => Just(Step::Turn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// However slowly a terminal reads, and wherever its writes are cut: it shows all that was
    /// said, in order and each line whole, and last what was typed. What was on its screen when
    /// Enter was pressed is what others heard.
    #[test]
    fn nothing_is_lost_or_torn(
        is_paced in any::<bool>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut sim = chat_at_rate(if is_paced { "3:5" } else { "off" }, limits());
        let (ann, zoe) = ann_and_zoe(&mut sim);
        ann.far.borrow_mut().room = 0;
        let mut said = Vec::new();
        for step in steps {
            match step {
                Step::Type(keys) => sim.send(&ann, keys),
                Step::Say(text) => {
                    sim.send(&zoe, format!("{text}\r\n"));
                    said.push(format!("[#lobby] zoe: {text}"));
                }
                Step::Read(bytes) => sim.drain(&ann, bytes),
                Step::Turn => sim.turn(),
            }
        }
        sim.drain(&ann, PLENTY);
        sim.pass(60_000);
        sim.settle();
        let rows = rows(&ann.far.borrow().output);
        let heard: Vec<&String> =
            rows.iter().filter(|row| row.starts_with("[#lobby] zoe: ")).collect();
        prop_assert_eq!(heard, said.iter().collect::<Vec<_>>(), "{:#?}", rows);
        let editor = sim.server.connections[ann.key].wire.editor().expect("it is edited");
        let last = format!("[#lobby] {}", editor.line());
        prop_assert_eq!(rows.last().map(String::as_str), Some(last.trim_end()));
        let own = rows[..rows.len() - 1].iter().filter_map(|row| row.strip_prefix("[#lobby] "));
        let own = own.filter(|row| !row.starts_with("zoe: ") && !row.trim().is_empty());
        let own: Vec<&str> = own.map(str::trim).collect();
        let told = zoe.output();
        let told = told.lines().filter_map(|line| line.strip_prefix("[#lobby] ann: "));
        prop_assert_eq!(own, told.map(str::trim).collect::<Vec<_>>(), "{:#?}", rows);
    }
}
