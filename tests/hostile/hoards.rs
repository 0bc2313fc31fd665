//! Attacks on all the memory that there is: each client holds little, and there are many of them.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::attack::{Attack, SetWhenDropped};
use crate::common::{Client, Server, eventually, raise_descriptor_limit};
use crate::gauge::Gauge;
use crate::herd::{EVERYTHING, Herd};
use crate::siege::{KEPT_MIB, Siege, within};
use crate::wire::{HERE, JSON, NARROW, TEXT, dial, elsewhere, framed, narrow, upgrade_request};

/// What a room keeps.
const HISTORY_MIB: u64 = 1;
/// Filling a room takes no longer, also beside attacks that keep the server busy.
const FILLING_MAX: Duration = Duration::from_secs(12);
/// A client that is in, with the little that it is owed and the list of what it is owed.
const NEWCOMER_KIB: u64 = 4;

/// A place of its own for each round of an attack.
pub fn number() -> usize {
    static ROUNDS: AtomicUsize = AtomicUsize::new(0);
    ROUNDS.fetch_add(1, Ordering::Relaxed)
}

/// Fills what a room keeps with so many lines of this size, of speakers who say what flood control
/// lets anybody say at once.
pub fn fill_with(server: &Server, room: &str, text: &str, lines: usize) {
    // A token a line, and one for each 4 KiB.
    let each = (18 / (text.len() / 4096 + 1)).max(1);
    let until = Instant::now() + FILLING_MAX;
    for _ in 0..lines.div_ceil(each) {
        let Ok(stream) = dial(server, HERE, None) else { return };
        let mut writer = Client::over(stream);
        writer.writer().set_read_timeout(Some(FILLING_MAX / 4)).expect("a timeout");
        let said = format!("{text}\r\n").repeat(each);
        writer.try_send(format!("/join {room}\r\n{said}/quit\r\n").as_bytes());
        // Until it is over, also for one that is let go meanwhile.
        while writer.try_line().is_ok_and(|line| !line.is_empty()) {}
        if Instant::now() > until {
            return;
        }
    }
}

/// Twenty messages that come to nearly a megabyte.
fn fill_with_giants(server: &Server, room: &str) {
    fill_with(server, room, &"g".repeat(48_000), 20);
}

/// A megabyte was said in the lobby. Everybody who comes there is shown it: half of them say
/// nothing at all, and the other half press Enter.
pub const NEWCOMERS: Attack = Attack {
    name: "newcomers of a talkative lobby",
    memory_mib: HISTORY_MIB + 1000 * NEWCOMER_KIB / 1024 + 4,
    round: |server, how_long| newcomers(server, 1000, how_long),
};

fn newcomers(server: &Server, count: usize, how_long: Duration) {
    /// Terminals at one address.
    const TOGETHER: usize = 50;
    fill_with_giants(server, "#lobby");
    let until = Instant::now() + how_long;
    let address = |i| elsewhere(i / TOGETHER);
    // Somebody has come in from each address: now the silent are shown the lobby, too.
    let mut firsts = Herd::gather(server, count / TOGETHER, elsewhere, None);
    firsts.say(|_| b"\r\n".to_vec());
    firsts.wait(Duration::from_millis(300));
    let mut newcomers = Herd::gather(server, count, address, Some(NARROW));
    newcomers.say(|i| if i % 2 == 0 { Vec::new() } else { b"\r\n".to_vec() });
    newcomers.wait(until.saturating_duration_since(Instant::now()));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long; .ci/run runs it in release")]
fn a_replay_is_kept_once_for_all_who_come() {
    Siege::new(NEWCOMERS.name, NEWCOMERS.memory_mib)
        .flags(&["--max-clients-per-address", "80"])
        .pings(within(200))
        .run(|server| NEWCOMERS.round(server, Duration::from_secs(4)));
}

#[test]
#[ignore = "three thousand clients, and as many MiB if something is amiss; .ci/run runs it"]
fn a_replay_is_kept_once_for_thousands_who_come() {
    Siege::new("thousands of newcomers", HISTORY_MIB + 3000 * NEWCOMER_KIB / 1024 + 4)
        .flags(&["--max-clients-per-address", "80"])
        .pings(within(200))
        .run(|server| newcomers(server, 3000, Duration::from_secs(8)));
}

/// What is given to `--memory-mib` where there is little, and the tenth that may be over it.
const BUDGET_MIB: u64 = 64;
pub const OVER_BUDGET_MIB: u64 = BUDGET_MIB * 11 / 10;

/// Quotes are escaped: JSON takes two bytes for each. Who asks for all of it and reads nothing is
/// owed nearly two megabytes.
pub const QUOTES: Attack = Attack {
    name: "joins that ask for everything",
    memory_mib: OVER_BUDGET_MIB + HISTORY_MIB,
    round: |server, how_long| quotes(server, 200, how_long),
};

fn quotes(server: &Server, count: usize, how_long: Duration) {
    fill_with(server, "#quotes", &"\"".repeat(1000), 900);
    let join = framed(TEXT, br#"{"type":"join","room":"quotes","since":0}"#);
    let mut herd = Herd::gather(server, count, elsewhere, Some(NARROW));
    herd.say(|_| [upgrade_request("/", JSON).as_bytes(), &join].concat());
    herd.wait(how_long);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long; .ci/run runs it in release")]
fn all_replays_together_stay_within_the_budget() {
    Siege::new(QUOTES.name, QUOTES.memory_mib)
        .flags(&["--memory-mib", "64"])
        .latency(within(200))
        .pings(within(200))
        .run(|server| QUOTES.round(server, Duration::from_secs(6)));
}

#[test]
#[ignore = "a gigabyte if something is amiss; .ci/run runs it"]
fn a_thousand_replays_together_stay_within_the_budget() {
    Siege::new("a thousand joins that ask for everything", QUOTES.memory_mib)
        .flags(&["--memory-mib", "64"])
        .latency(within(200))
        .pings(within(200))
        .run(|server| quotes(server, 1000, Duration::from_secs(10)));
}

/// Each is alone in a room and reads nothing, so that it is owed its own topics and not its own
/// words: a few bytes of each of its turns, which must not keep all of the turn.
///
/// The line, a read that follows it, and the turn that it is said in, in buffers that double.
const PINS_EACH_KIB: u64 = 256 + 128;

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long; .ci/run runs it in release")]
fn a_few_bytes_that_are_owed_are_a_few_bytes_that_are_held() {
    const ATTACKERS: u64 = 100;
    let siege = Siege::new("slices of large turns", ATTACKERS * PINS_EACH_KIB / 1024);
    // Who takes nothing is let go sooner than this would grow; here it is not.
    let flags = ["--rate-limit", "off", "--history-messages", "0", "--too-slow", "60"];
    siege.flags(&flags).run(|server| {
        let mut herd = Herd::gather(server, ATTACKERS as usize, |_| HERE, Some(NARROW));
        // Enough for a full kernel, and under the mark of 256 KiB above which nobody is heard.
        herd.say(|i| format!("/join #alone-{i}\r\n/leave #lobby\r\n").into_bytes());
        herd.say(|_| b"/help\r\n".repeat(150));
        herd.wait(Duration::from_secs(1));
        for turn in 0..24 {
            let said = format!("{:x<65000}\r\n/topic of turn {turn}\r\n", "");
            herd.say(|_| said.clone().into_bytes());
            herd.wait(Duration::from_millis(250));
        }
    });
}

/// It is owed more than its kernel takes, and leaves half a line behind.
pub fn hoarders_of_half_a_line_are_let_go() {
    const ATTACKERS: u64 = 20;
    // A line that is not whole, in a buffer that doubles, and what is owed, up to the mark.
    let siege = Siege::new("half a line", ATTACKERS * (256 + 256) / 1024).waits();
    siege.flags(&["--rate-limit", "off", "--too-slow", "1"]).run(|server| {
        let attackers: Vec<Client> = (0..ATTACKERS).map(|_| narrow(server)).collect();
        for attacker in &attackers {
            let half = [&b"/help\r\n".repeat(100)[..], &[b'h'; 60_000]].concat();
            attacker.writer().write_all(&half).expect("the server takes it");
        }
        let told = Instant::now();
        for attacker in attackers {
            server.wait_for_line("it is let go", |line| {
                line.contains(&attacker.address().to_string()) && line.ends_with("closing")
            });
        }
        let took = told.elapsed();
        println!("half a line: the last was let go after {} ms", took.as_millis());
        assert!(took < Duration::from_secs(16), "{took:?}");
    });
}

/// Answers that nobody reads.
pub const ANSWERS: Attack = Attack {
    name: "answers that nobody reads",
    memory_mib: 250 * (256 + 2 * 1024) / 1024,
    round: |server, how_long| answers(server, 250, how_long),
};

fn answers(server: &Server, count: usize, how_long: Duration) {
    fill_with(server, "#answers", &"a".repeat(1000), 900);
    let mut herd = Herd::gather(server, count, elsewhere, Some(NARROW));
    herd.say(|_| b"/join #answers\r\n".to_vec());
    herd.wait(how_long / 3);
    // The kernel takes the first, and the mark of 256 KiB is a bound for the rest.
    herd.say(|_| b"/history 1000\r\n".repeat(6));
    herd.wait(how_long * 2 / 3);
}

/// Many are owed much and are gone at once; somebody types all the time, so that there is never a
/// quiet moment in which memory would be given back.
fn comes_back(count: usize) {
    raise_descriptor_limit();
    let server = Server::start(&["--mode", "chat", "--rate-limit", "off"]);
    let before = Gauge::read(&server);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let ended = SetWhenDropped(&done);
        scope.spawn(|| {
            let mut typist = server.connect();
            while !done.load(Ordering::Relaxed) {
                typist.send(b"/join #typist\r\n");
                while !typist.line().contains(&b'#') {}
                thread::sleep(Duration::from_millis(10));
            }
        });
        let mut herd = Herd::gather(&server, count, elsewhere, Some(NARROW));
        // What brings each of them to the mark, and no more: that would be heard when they are gone.
        herd.say(|_| b"/help\r\n".repeat(250));
        herd.wait(Duration::from_secs(2));
        let held_mib = eventually("much is held", || {
            herd.wait(Duration::from_millis(50));
            let held_kib = Gauge::read(&server).resident_kib.saturating_sub(before.resident_kib);
            Some(held_kib / 1024).filter(|&held_mib| held_mib as usize > count / 8)
        });
        drop(herd);
        let left = Instant::now();
        eventually("memory is given back", || {
            let kept_kib = Gauge::read(&server).resident_kib.saturating_sub(before.resident_kib);
            (kept_kib <= KEPT_MIB * 1024).then_some(())
        });
        let took = left.elapsed();
        drop(ended);
        println!("never quiet: {held_mib} MiB came back within {} ms", took.as_millis());
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

pub fn memory_comes_back_also_without_a_quiet_moment() {
    comes_back(250);
}

#[test]
#[ignore = "half a gigabyte; .ci/run runs it"]
fn half_a_gigabyte_comes_back_also_without_a_quiet_moment() {
    comes_back(1000);
}

/// WebSockets of many addresses, each in a room of its own that is never used again.
pub const ROOMS: Attack = Attack {
    name: "rooms for a moment",
    memory_mib: 16,
    round: |server, how_long| {
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            let mut herd = Herd::gather(server, 10, elsewhere, None);
            herd.say(|_| upgrade_request(&format!("/?room=moment-{}", number()), "").into_bytes());
            herd.wait(Duration::from_millis(10));
        }
    },
};

/// In echo mode each is its own reader: what it has not taken stays with it, and not with us.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes long; .ci/run runs it in release")]
fn those_who_flood_an_echo_and_read_late_hold_little() {
    const ATTACKERS: usize = 1000;
    const MEMORY_MIB: u64 = 32;
    raise_descriptor_limit();
    let (line, frame) = (
        |bytes: usize| [&vec![b'x'; bytes - 1][..], b"\n"].concat(),
        |bytes: usize| framed(TEXT, &vec![b'x'; bytes]),
    );
    let hello = upgrade_request("/", "").into_bytes();
    for (wire, hello, message) in [
        ("lines", Vec::new(), line(1000)),
        ("WebSocket", hello.clone(), frame(1000)),
        ("lines of 16,000 bytes", Vec::new(), line(16_000)),
        ("WebSocket, messages of 16,000 bytes", hello, frame(16_000)),
    ] {
        let server = Server::start(&[]);
        let mut herd = Herd::gather(&server, ATTACKERS, |_| HERE, None);
        herd.say(|_| hello.clone());
        herd.wait(Duration::from_millis(500));
        let script = message.repeat(256 * 1024 / message.len());
        herd.drive(&script, Duration::from_secs(4));
        let mut herd = herd.reads(|_| EVERYTHING);
        herd.drive(b"", Duration::from_secs(2));
        let peak = Gauge::read(&server).peak_kib;
        println!("a flooded echo over {wire}: {} MiB at most", peak / 1024);
        assert!(peak <= MEMORY_MIB * 1024, "{wire}: {peak} KiB");
        assert_eq!(herd.puppets.len(), ATTACKERS);
        assert!(
            herd.puppets.iter().all(|one| !one.ended && one.read > 0),
            "{wire}: nobody is let go"
        );
    }
}
