//! The chat over real connections.

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Client, Server, program, raise_descriptor_limit};

/// What silence is told, and telnet at once.
const GREETING: &str = "* This is a chat. Press Enter to come in, or type what to say in #lobby.";

fn chat(flags: &[&str]) -> Server {
    Server::start(&[&["--mode", "chat", "--greet-after", "60000"], flags].concat())
}

/// The next line, which ends in CR LF.
#[track_caller]
fn told(client: &mut Client) -> String {
    let line = String::from_utf8(client.line()).expect("lines are UTF-8");
    line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?} does not end in CR LF")).to_owned()
}

#[track_caller]
fn expect(client: &mut Client, lines: &[&str]) {
    for line in lines {
        assert_eq!(told(client), *line);
    }
}

/// Reads up to a line, and returns what came before it.
#[track_caller]
fn read_until(client: &mut Client, last: &str) -> Vec<String> {
    let mut before = Vec::new();
    loop {
        match told(client) {
            line if line == last => return before,
            line => before.push(line),
        }
    }
}

/// Somebody who has this name, and has been told so.
fn named(server: &Server, name: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("/nick {name}\r\n").as_bytes());
    read_until(&mut client, &format!("* You are {name} now."));
    client
}

/// alice and bob, in the lobby, who have seen each other come.
fn alice_and_bob(server: &Server) -> (Client, Client) {
    let mut alice = named(server, "alice");
    let bob = named(server, "bob");
    expect(&mut alice, &["* guest-2 joined #lobby.", "* guest-2 is bob now."]);
    (alice, bob)
}

#[test]
fn chat_is_what_it_does_without_being_told() {
    let mut command = program();
    command.env_remove("CHAT_MODE").args(["127.0.0.1:0", "--greet-after", "1"]);
    let server = Server::launch(command);
    let mut client = server.connect();
    // Nobody has typed anything.
    expect(&mut client, &[GREETING]);
    let welcome = client.enter();
    assert!(
        welcome.starts_with("* Welcome! You are guest-1 in #lobby, with nobody else."),
        "{welcome}"
    );
    assert!(welcome.contains("/help"), "{welcome}");
    client.send("/nick アリス\r\n".as_bytes());
    expect(&mut client, &["* You are アリス now."]);
}

#[test]
fn the_greeting_comes_with_the_first_line_if_that_is_earlier() {
    let server = chat(&[]);
    let mut alice = server.connect();
    alice.send(b"/who\n");
    assert!(told(&mut alice).starts_with("* Welcome! You are guest-1 in #lobby"));
    expect(&mut alice, &["* 1 in #lobby: guest-1"]);
    let mut bob = server.connect();
    bob.send("こんにちは\r\0".as_bytes());
    assert!(told(&mut bob).starts_with("* Welcome! You are guest-2 in #lobby, with 1 other."));
    expect(&mut alice, &["* guest-2 joined #lobby.", "[#lobby] guest-2: こんにちは"]);
    bob.send(b"/quit bye\r\n");
    expect(&mut bob, &["* Goodbye."]);
    assert_eq!(bob.rest_until_end(), b"", "its own words are on its terminal already");
    expect(&mut alice, &["* guest-2 left #lobby: bye"]);
}

#[test]
fn ten_lines_are_pasted_at_once_and_a_hundred_in_a_while() {
    let server = chat(&["--rate-limit", "20:200"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut next = 0;
    for count in [10, 100] {
        let lines: Vec<String> = (next..next + count).map(|i| format!("line {i}")).collect();
        next += count;
        alice.send((lines.join("\r\n") + "\r\n").as_bytes());
        for line in &lines {
            expect(&mut bob, &[&format!("[#lobby] alice: {line}")]);
        }
    }
    alice.send(b"/msg alice done\r\n");
    // A server that was held up itself may tell it again.
    expect(&mut alice, &["* That was much at once: the rest follows."]);
    let mut line = told(&mut alice);
    while line == "* That was much at once: the rest follows." {
        line = told(&mut alice);
    }
    assert_eq!(line, "[you -> alice] done");
}

#[test]
fn telnet_negotiation_may_be_cut_at_every_byte() {
    const INPUT: &[u8] = b"\xff\xfd\x01/ni\xff\xfb\x1fck t\xff\xfa\x1f\0\x50\xff\xff\r\n\xff\xf0\xff\xf5\xff\xfd\x06\r\nhe\xff\xf1llo\r\0";
    let flags = ["--rate-limit", "off", "--replay", "0", "--announce-rate", "off"];
    let server = chat(&flags);
    let mut bob = named(&server, "bob");
    let mut guest = 1;
    for at in 0..=INPUT.len() {
        let mut typist = server.connect();
        let (a, b) = INPUT.split_at(at);
        typist.send(a);
        // The server has had a turn, and most probably with these bytes.
        bob.send(b"/msg bob turn\r\n");
        let mut heard = read_until(&mut bob, "[you -> bob] turn");
        typist.send(b);
        typist.send(b"/quit\r\n");
        let all = typist.rest_until_end();
        let (text, replies) = split_telnet(&all);
        let text = text.strip_prefix(&format!("{GREETING}\r\n")).unwrap_or(&text);
        guest += 1;
        let greeting = format!("* Welcome! You are guest-{guest} in #lobby, with 1 other.");
        assert!(text.starts_with(&greeting), "split at {at}: {text:?}");
        assert!(
            text.ends_with("Try /nick NAME or /help.\r\n* You are t now.\r\n* Goodbye.\r\n"),
            "split at {at}: {text:?}"
        );
        // It asks to be echoed, and is; that it sends each key it does not say.
        let expected = [[0xFF, 0xFB, 1], [0xFF, 0xFB, 3], [0xFF, 0xFD, 31], [0xFF, 0xFC, 6]];
        assert_eq!(replies, expected, "split at {at}");
        heard.extend(read_until(&mut bob, "* t left #lobby."));
        assert_eq!(
            heard.last().map(String::as_str),
            Some("[#lobby] t: hello"),
            "split at {at}: {heard:?}"
        );
    }
}

/// What comes of keys is the same wherever the network cuts between them. A terminal in raw mode
/// ends lines with CR alone.
#[test]
fn keys_that_arrive_as_bytes_may_be_cut_everywhere() {
    const TYPED: &[u8] = b"/nick wrong\x15/nick t\r\x1b[Ahe\x1bOCllp\x08o wolrd\x17\xe3\x81\x8f\x7fworld\r\n\x1b]0;title\x07\xff\r\0";
    let flags = ["--rate-limit", "off", "--replay", "0", "--announce-rate", "off"];
    let server = chat(&flags);
    let mut bob = named(&server, "bob");
    for at in 0..=TYPED.len() {
        let mut typist = server.connect();
        typist.send(&TYPED[..at]);
        bob.send(b"/msg bob turn\r\n");
        let mut heard = read_until(&mut bob, "[you -> bob] turn");
        typist.send(&TYPED[at..]);
        typist.send(b"/quit\r");
        typist.rest_until_end();
        heard.extend(read_until(&mut bob, "* t left #lobby."));
        let said: Vec<&String> = heard.iter().filter(|line| line.starts_with("[#lobby]")).collect();
        assert_eq!(said, ["[#lobby] t: hello world"], "split at {at}: {heard:?}");
    }
}

/// Ctrl-C, Ctrl-D and Ctrl-Z are answered as they are pressed; words for leaving are not said.
#[test]
fn who_looks_for_the_way_out_is_told() {
    let server = chat(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let how = "* Type /quit to leave.";
    for keys in ["\u{3}", "\u{4}", "\u{1a}", "half a line\u{3}"] {
        alice.send(keys.as_bytes());
        expect(&mut alice, &[how]);
    }
    // As telnet sends them: IP, EOF and SUSP.
    for command in [b"\xff\xf4", b"\xff\xec", b"\xff\xed"] {
        alice.send(command);
        expect(&mut alice, &[how]);
    }
    for words in ["quit", "EXIT"] {
        alice.send(format!("{words}\r").as_bytes());
        expect(&mut alice, &["* /quit [TEXT]: say goodbye", how]);
    }
    alice.send(b"and I stay\r");
    expect(&mut bob, &["[#lobby] alice: and I stay"]);
}

/// What telnet would show, and the negotiations that it would not.
fn split_telnet(bytes: &[u8]) -> (String, Vec<[u8; 3]>) {
    let (mut text, mut replies, mut at) = (Vec::new(), Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == 0xFF {
            replies.push([bytes[at], bytes[at + 1], bytes[at + 2]]);
            at += 3;
        } else {
            text.push(bytes[at]);
            at += 1;
        }
    }
    (String::from_utf8(text).expect("text"), replies)
}

#[test]
fn a_client_killed_in_mid_line_leaves_and_frees_its_name() {
    let server = chat(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.send(b"/join #dev\r\n");
    expect(&mut bob, &["* You are in #dev now, with nobody else."]);
    bob.send(b"this was never sai");
    bob.reset();
    expect(&mut alice, &["* bob left #lobby."]);
    alice.send(b"/rooms\r\n/nick bob\r\n/history\r\n");
    expect(
        &mut alice,
        &["* 1 room, busiest first:", "*   #lobby (1 person, you talk here)", "* You are bob now."],
    );
    expect(&mut alice, &["* Nothing was said in #lobby yet."]);
    // An orderly end is another matter: what was typed was meant.
    let mut carol = named(&server, "carol");
    carol.send(b"goodbye");
    carol.end_input();
    expect(
        &mut alice,
        &[
            "* guest-3 joined #lobby.",
            "* guest-3 is carol now.",
            "[#lobby] carol: goodbye",
            "* carol left #lobby.",
        ],
    );
    assert_eq!(carol.rest_until_end(), b"");
}

#[test]
fn big_lines_pass_whole_and_too_big_ones_not_at_all() {
    let server = chat(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let exact = "あいう🦀".repeat(65_533 / 13) + "xyz";
    assert_eq!(exact.len(), 65_536);
    alice.send(format!("{exact}\r\n").as_bytes());
    assert_eq!(told(&mut bob), format!("[#lobby] alice: {exact}"));
    alice.send(b"\x07".repeat(65_000).as_slice());
    alice.send(b"\r\n");
    expect(&mut alice, &["! There was nothing to say in that."]);
    alice.send(&b"x".repeat(65_537));
    alice.send(b"\r\n");
    let error = told(&mut alice);
    assert!(error.starts_with("! line too long: at most 65536 bytes"), "{error}");
    assert_eq!(alice.rest(), b"");
    expect(&mut bob, &["* alice left #lobby."]);
}

#[test]
fn who_asks_for_much_at_once_gets_all_of_it() {
    const QUESTIONS: usize = 48;
    let server = chat(&["--rate-limit", "off"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let big = "x".repeat(65_536);
    for _ in 0..15 {
        alice.send(format!("{big}\r\n").as_bytes());
        assert_eq!(told(&mut bob).len(), "[#lobby] alice: ".len() + big.len());
    }
    // As much as one answer holds for each: together they are far over what one client may be owed.
    bob.send("/history\r\n".repeat(QUESTIONS).as_bytes());
    for _ in 0..QUESTIONS {
        expect(&mut bob, &["* The last 3 messages of #lobby (UTC):"]);
        (0..3).for_each(|_| assert!(told(&mut bob).ends_with(&big)));
    }
    bob.send(b"/who\r\n");
    expect(&mut bob, &["* 2 in #lobby: alice, bob"]);
}

#[test]
fn no_replay_is_no_replay() {
    let server = chat(&["--replay", "0"]);
    let mut alice = named(&server, "alice");
    alice.send(b"hello?\r\n");
    expect(&mut alice, &["* Nobody else is in #lobby now. Whoever joins will see what you said."]);
    let mut bob = server.connect();
    bob.send(b"/history\r\n");
    assert!(told(&mut bob).starts_with("* Welcome!"));
    assert_eq!(told(&mut bob), "* The last message of #lobby (UTC):");
    assert!(told(&mut bob).ends_with(" (1) alice: hello?"));
}

#[test]
fn a_rate_that_makes_no_sense_is_refused_in_one_line() {
    for rate in [
        "",
        "20",
        "20:",
        ":5",
        "0:5",
        "20:0",
        "-1:5",
        "+1:5",
        "1.5:5",
        "20:5:1",
        "1000001:1",
        "x",
        "OFF",
    ] {
        // A variable that is empty is not set.
        for by_flag in [true, false].into_iter().take(1 + usize::from(!rate.is_empty())) {
            let mut command = program();
            command.arg("127.0.0.1:0");
            match by_flag {
                true => command.arg(format!("--rate-limit={rate}")),
                false => command.env("CHAT_RATE_LIMIT", rate),
            };
            let output = command.output().expect("the program runs");
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{rate:?}: {stderr}");
            assert_eq!((output.stdout.len(), stderr.lines().count()), (0, 1), "{rate:?}: {stderr}");
            assert!(
                stderr.starts_with("chat-server: ") && stderr.contains("--rate-limit"),
                "{rate:?}: {stderr}"
            );
        }
    }
}

// ---- Joining while others talk ----

/// `one 17`: who says it, and its how manieth words they are.
fn numbered(text: &str) -> (String, u64) {
    let (speaker, number) = text.rsplit_once(' ').expect("a number");
    (speaker.to_owned(), number.parse().expect("a number"))
}

#[test]
fn what_is_replayed_and_what_follows_have_no_gap_and_no_duplicate() {
    let server = chat(&["--rate-limit", "off", "--replay", "50"]);
    let speakers = ["one", "two", "three"].map(|name| (name, named(&server, name)));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for (name, speaker) in speakers {
            let (mut reader, mut writer) = (speaker.writer(), speaker.writer());
            scope.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            let stop = &stop;
            scope.spawn(move || {
                // So many that it never ends first, and ends all the same.
                for number in 0..5_000_000 {
                    if stop.load(Ordering::Relaxed)
                        || writeln!(writer, "{name} {number}\r").is_err()
                    {
                        break;
                    }
                }
                let _ = writer.shutdown(std::net::Shutdown::Both);
                drop(speaker);
            });
        }
        for _ in 0..8 {
            join_while_others_talk(&server);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn join_while_others_talk(server: &Server) {
    let mut client = server.connect();
    client.send(b"\r\n");
    assert!(told(&mut client).starts_with("* Welcome!"));
    let (mut latest, mut last_id, mut live) = (BTreeMap::new(), None, 0);
    while live < 150 {
        let line = told(&mut client);
        let (text, id) = if let Some(text) = line.strip_prefix("[#lobby] ") {
            live += 1;
            (text, None)
        } else if let Some((head, text)) = line.split_once(") ") {
            assert_eq!(live, 0, "what was said before comes before what is said now");
            let (_, id) = head.rsplit_once('(').expect("an id");
            (text, Some(id.parse::<u64>().expect("an id")))
        } else {
            assert!(line.starts_with("* "), "{line}");
            continue;
        };
        if let (Some(id), Some(last)) = (id, last_id) {
            assert_eq!(id, last + 1, "{line}");
        }
        last_id = id.or(last_id);
        let (_, said) = text.split_once(": ").expect("words");
        let (speaker, number) = numbered(said);
        let before = latest.insert(speaker, number);
        assert!(
            before.is_none_or(|before| number == before + 1),
            "{line}: after {before:?}, live: {live}"
        );
    }
}

// ---- A crowd ----

const ROOMS: usize = 20;
const TALKERS: usize = 180;
const STEPS: usize = 16;

/// Xorshift (Marsaglia, 2003): the same crowd every time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// What one talker types: most talk; every third comes, goes and changes its name as well.
fn part(talker: usize, random: &mut Random) -> Vec<String> {
    let (room, mut is_in, mut typed) = (talker % ROOMS, true, Vec::new());
    for step in 0..STEPS {
        let action = if talker.is_multiple_of(3) { random.below(8) } else { 0 };
        typed.push(match action {
            5 | 6 if is_in => "/leave".to_owned(),
            _ if !is_in => format!("/join #r{room}"),
            7 => format!("/nick c{talker}x{step}"),
            4 => format!("/me t{talker} {step}"),
            _ => format!("t{talker} {step}"),
        });
        is_in = match typed.last().expect("just typed") {
            last if last == "/leave" => false,
            last if last.starts_with("/join") => true,
            _ => is_in,
        };
    }
    typed
}

/// Somebody who is in this room and no other.
fn in_room(server: &Server, name: &str, room: usize) -> Client {
    let mut client = server.connect();
    client.send(format!("/leave\r\n/nick {name}\r\n/join #r{room}\r\n").as_bytes());
    read_until(&mut client, &format!("* You are {name} now."));
    client
}

/// Who caused a line of a room: `c7` and `c7x3` are talker 7.
fn owner(line: &str) -> Option<usize> {
    let words = match line.strip_prefix("[#r") {
        Some(rest) => rest.split_once("] ")?.1,
        None => line,
    };
    let name = words.trim_start_matches("* ").strip_prefix('c')?;
    let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    name[..digits].parse().ok()
}

/// What the one who watched the room saw from each time this talker joined until it left, without
/// what it did itself.
fn stays(watched: &[String], talker: usize, room: usize) -> Vec<Vec<String>> {
    let (mut stays, mut stay) = (Vec::new(), None::<Vec<String>>);
    for line in watched {
        let own = owner(line) == Some(talker);
        if own && line.ends_with(&format!(" joined #r{room}.")) {
            stay = Some(Vec::new());
        } else if own && line.ends_with(&format!(" left #r{room}.")) {
            stays.extend(stay.take());
        } else if let (false, Some(stay)) = (own, &mut stay) {
            stay.push(line.clone());
        }
    }
    stays.extend(stay);
    stays
}

/// The same, as the talker heard it. Answers to itself are left out, and so is what was replayed.
fn heard_stays(heard: &[String]) -> Vec<Vec<String>> {
    let (mut stays, mut stay) = (Vec::new(), None::<Vec<String>>);
    for line in heard {
        if line.starts_with("* You are in #r") {
            stay = Some(Vec::new());
        } else if line.starts_with("* You left #r") {
            stays.extend(stay.take());
        } else if let (Some(stay), Some(_)) = (&mut stay, owner(line)) {
            stay.push(line.clone());
        } else {
            let known = ["* You are ", "* The last ", "*   2", "* Nobody else ", "[you -> "];
            assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
        }
    }
    stays.extend(stay);
    stays
}

#[test]
fn a_crowd_hears_every_room_in_its_one_order() {
    raise_descriptor_limit();
    let seed =
        std::env::var("CROWD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("CROWD_SEED={seed}");
    let mut random = Random(seed);
    let flags = ["--rate-limit", "off", "--announce-below", "1000", "--announce-rate", "off"];
    let server = chat(&flags);
    let mut watchers: Vec<Client> =
        (0..ROOMS).map(|room| in_room(&server, &format!("watcher{room}"), room)).collect();
    let mut talkers: Vec<Client> = (0..TALKERS)
        .map(|talker| in_room(&server, &format!("c{talker}"), talker % ROOMS))
        .collect();

    // Three hands type, each for its own share of the talkers, and each line in two pieces.
    let parts: Vec<Vec<String>> = (0..TALKERS).map(|talker| part(talker, &mut random)).collect();
    thread::scope(|scope| {
        for hand in 0..3 {
            let mut writers: Vec<TcpStream> =
                talkers.iter().skip(hand).step_by(3).map(Client::writer).collect();
            let mut lines: Vec<_> =
                parts.iter().skip(hand).step_by(3).map(|part| part.iter()).collect();
            let mut random = Random(seed + 1 + hand as u64);
            scope.spawn(move || {
                let mut left = writers.len() * STEPS;
                while left > 0 {
                    let talker = random.below(writers.len());
                    let Some(line) = lines[talker].next() else { continue };
                    let line = format!("{line}\r\n");
                    let (a, b) = line.as_bytes().split_at(random.below(line.len()));
                    writers[talker].write_all(a).expect("the server takes it");
                    writers[talker].write_all(b).expect("the server takes it");
                    left -= 1;
                }
            });
        }
    });
    // When everybody has had an answer, everything has been said; when everybody has had another,
    // everything was heard.
    let mut transcripts = vec![Vec::new(); ROOMS + TALKERS];
    for round in 0..2 {
        for client in watchers.iter_mut().chain(&mut talkers) {
            client.send(format!("/help q{round}\r\n").as_bytes());
        }
        for (transcript, client) in
            transcripts.iter_mut().zip(watchers.iter_mut().chain(&mut talkers))
        {
            let last = format!("! There is no command \"q{round}\". Type /help for all of them.");
            transcript.extend(read_until(client, &last));
        }
    }
    let (watched, heard) = transcripts.split_at(ROOMS);
    let mut lines = 0;
    for (talker, heard) in heard.iter().enumerate() {
        let room = talker % ROOMS;
        let (expected, heard) = (stays(&watched[room], talker, room), heard_stays(heard));
        assert_eq!(heard, expected, "talker {talker} in #r{room}; CROWD_SEED={seed}");
        lines += heard.iter().map(Vec::len).sum::<usize>();
    }
    let typed =
        parts.iter().flatten().filter(|line| !line.starts_with('/') || line.starts_with("/me"));
    let said = watched.iter().flatten().filter(|line| line.starts_with('['));
    assert_eq!(said.count(), typed.count(), "everything that was said was heard");
    assert!(lines > 10_000, "only {lines} lines were compared");
}

#[test]
fn the_log_tells_who_is_who_and_where_from() {
    let server = chat(&[]);
    let mut client = server.connect();
    client.send(b"\r\n");
    while !told(&mut client).starts_with("* Welcome!") {}
    let address = client.address();
    server.wait_for_log(&format!("{address} is guest-1"));
    client.send("/nick Ａｌｉｃｅ\r\n".as_bytes());
    server.wait_for_log(&format!("guest-1 is Ａｌｉｃｅ now ({address})"));
    drop(client);
    server.wait_for_log(&format!("Ａｌｉｃｅ left ({address})"));
}

#[test]
fn a_script_that_begins_with_a_byte_order_mark_is_commands() {
    let server = chat(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut script = server.connect();
    script.send("\u{FEFF}/msg bob the password is hunter2\r\n/msg bob it is\r\n".as_bytes());
    read_until(&mut bob, "[guest-3 -> you] the password is hunter2");
    expect(&mut bob, &["[guest-3 -> you] it is"]);
    expect(&mut alice, &["* guest-3 joined #lobby."]);
    bob.send(b"that was all\r\n");
    expect(&mut alice, &["[#lobby] bob: that was all"]);
}

/// Before, each of them had a copy of its own.
#[test]
fn newcomers_share_one_copy_of_what_was_said() {
    const NEWCOMERS: usize = 200;
    raise_descriptor_limit();
    let server = chat(&["--rate-limit", "off"]);
    let mut alice = server.connect();
    alice.enter();
    for i in 0..20 {
        alice.send(format!("{i:02}{}\r\n", "x".repeat(50_000)).as_bytes());
    }
    alice.send(b"/who\r\n");
    read_until(&mut alice, "* 1 in #lobby: guest-1");
    let before = server.memory_peak_kib();
    let mut newcomers: Vec<Client> = (0..NEWCOMERS).map(|_| server.connect()).collect();
    newcomers.iter_mut().for_each(|newcomer| newcomer.send(b"\r\n"));
    // The newest message has more than 32 KiB, and is shown all the same.
    for newcomer in &mut newcomers {
        assert!(told(newcomer).starts_with("* Welcome!"));
        expect(newcomer, &["* The last message of #lobby (UTC):"]);
        assert!(told(newcomer).contains("(20) guest-1: 19xxx"));
    }
    // The kernel sums up what each core has counted now and then, so a peak may seem to fall.
    let more = server.memory_peak_kib().saturating_sub(before);
    assert!(more < 4096, "{more} KiB for {NEWCOMERS} newcomers");
}

#[test]
fn a_storm_of_comings_and_goings_is_summed_up() {
    const STORM: u32 = 2000;
    let server = chat(&[]);
    let (mut alice, mut bob) = (server.connect(), server.connect());
    alice.enter();
    bob.enter();
    expect(&mut alice, &["* guest-2 joined #lobby."]);
    for _ in 0..STORM {
        let mut guest = server.connect();
        guest.enter();
        guest.reset();
    }
    bob.send(b"/me counts\r\n");
    let (mut came, mut left, mut lines) = (0, 0, 0);
    while (came, left) != (STORM, STORM) {
        let line = told(&mut alice);
        if line.ends_with(" joined #lobby.") {
            came += 1;
        } else if line.ends_with(" left #lobby.") {
            left += 1;
        } else if let Some(sum) = line.strip_prefix("* In #lobby: ") {
            for part in sum.trim_end_matches('.').split(", ") {
                let (count, what) = part.split_once(' ').expect("a count");
                let count: u32 = count.parse().expect("a number");
                match what {
                    "came" => came += count,
                    "left" => left += count,
                    _ => panic!("{line}"),
                }
            }
        } else {
            assert_eq!(line, "[#lobby] * guest-2 counts");
        }
        assert!(came <= STORM && left <= STORM, "nothing is told twice: {line}");
        lines += 1;
    }
    assert!(lines < 100, "{lines} lines");
}
