//! A server that goes on as another process, by the real program: nobody on a plain connection
//! notices, and whatever the new process does instead, the old one goes on.
//!
//! `UPGRADES=20` has it go on so many times in the conversation.

#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use common::{Client, DEADLINE, Directory, Server, eventually, program_at};

/// A server in a directory of its own, with a program of its own that can be replaced.
struct Place {
    directory: Directory,
    server: Server,
}

impl Drop for Place {
    /// The process that has taken over is no child of ours.
    fn drop(&mut self) {
        let Some(pid) = self.pid().filter(|pid| *pid != self.server.pid()) else { return };
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
}

impl Place {
    fn new(name: &str, flags: &[&str]) -> Place {
        let directory = Directory::new(name);
        let program = directory.0.join("chat-server");
        let original = env!("CARGO_BIN_EXE_chat-server");
        fs::hard_link(original, &program)
            .or_else(|_| fs::copy(original, &program).map(drop))
            .expect("the program");
        let mut command = program_at(&program);
        command.env("CHAT_MODE", "chat").env("CHAT_DATA", directory.0.join("data"));
        command.args(["127.0.0.1:0", "--connect-rate", "off"]).args(flags);
        Place { server: Server::launch(command), directory }
    }

    fn program(&self) -> PathBuf {
        self.directory.0.join("chat-server")
    }

    /// Puts a script in the place of the program.
    fn replace(&self, script: &str, mode: u32) {
        let new = self.directory.0.join("new");
        fs::write(&new, script).expect("a script");
        fs::set_permissions(&new, Permissions::from_mode(mode)).expect("its mode");
        fs::rename(&new, self.program()).expect("it takes its place");
    }

    fn upgrade(&self) -> Output {
        let mut command = program_at(env!("CARGO_BIN_EXE_chat-server").as_ref());
        command.args(["upgrade", "--data"]).arg(self.directory.0.join("data"));
        command.stdin(Stdio::null()).output().expect("the command runs")
    }

    #[track_caller]
    fn upgrade_well(&self) {
        let Output { status, stdout, stderr } = self.upgrade();
        let log = || self.server.log().join("\n");
        assert!(status.success(), "{}\n{}", String::from_utf8_lossy(&stderr), log());
        let said = String::from_utf8(stdout).expect("UTF-8");
        assert!(said.starts_with("process ") && said.contains(" goes on as process "), "{said}");
    }

    #[track_caller]
    fn upgrade_badly(&self, why: &str) {
        let Output { status, stdout, stderr } = self.upgrade();
        let said = String::from_utf8(stderr).expect("UTF-8");
        assert!(!status.success() && stdout.is_empty(), "{said}");
        assert!(said.contains(" goes on as it was: ") && said.contains(why), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    /// The process that is the server now, as it has noted it.
    fn pid(&self) -> Option<u32> {
        let noted = fs::read_to_string(self.directory.0.join("data/process")).ok()?;
        noted.lines().next()?.parse().ok()
    }

    fn named(&self, name: &str) -> Client {
        let mut client = self.server.connect();
        client.enter();
        client.send(format!("/nick {name}\r\n").as_bytes());
        wait_for(&mut client, &format!("* You are {name} now.\r\n"));
        client
    }
}

/// Reads up to this line.
#[track_caller]
fn wait_for(client: &mut Client, line: &str) {
    loop {
        let read = String::from_utf8(client.line()).expect("UTF-8");
        assert!(!read.is_empty(), "an end, and not {line:?}");
        if read == line {
            return;
        }
    }
}

/// Reads up to a line that has this in it.
#[track_caller]
fn wait_for_part(client: &mut Client, part: &str) -> String {
    loop {
        let read = String::from_utf8_lossy(&client.line()).into_owned();
        assert!(!read.is_empty(), "an end, and nothing with {part:?}");
        if read.contains(part) {
            return read;
        }
    }
}

#[test]
fn lines_go_on_where_they_were() {
    let place = Place::new("upgrade-lines", &[]);
    let (mut alice, mut bob) = (place.named("alice"), place.named("bob"));
    bob.send(b"/join #dev\r\n/topic what is new\r\n/ignore alice\r\n/unignore alice\r\n");
    alice.send("half a word of t\u{e9}l".as_bytes());
    // The second byte of a character, a command of telnet, and an ending are cut as well.
    alice.send(b"\xC3");
    // It has been read: nothing that the kernel holds is in question.
    alice.send(b"");
    place.upgrade_well();
    place.upgrade_well();
    alice.send(b"\xA9graph\xFF");
    place.upgrade_well();
    alice.send(b"\xF1y\r");
    bob.send(b"/join #lobby\r\n");
    wait_for(&mut bob, "[#lobby] alice: half a word of t\u{e9}l\u{e9}graphy\r\n");
    place.upgrade_well();
    alice.send(b"\n/who #dev\r\n");
    wait_for(&mut alice, "* 1 in #dev: bob\r\n");
    bob.send(b"/nick alice\r\n");
    wait_for(&mut bob, "! The name alice is taken. Choose another one.\r\n");
    let mut carol = place.server.connect();
    assert!(carol.enter().starts_with("* Welcome! You are guest-3 in #lobby, with 2 others."));
    // Nobody has come or gone.
    carol.send(b"hello\r\n");
    for client in [&mut alice, &mut bob] {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line| line != "[#lobby] guest-3: hello\r\n") {
            seen.push(String::from_utf8(client.line()).expect("UTF-8"));
        }
        let others = seen.iter().filter(|line| line.starts_with("* "));
        let others: Vec<_> = others.filter(|line| !line.contains("guest-3 joined")).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

#[test]
fn a_line_that_is_edited_here_goes_on() {
    let place = Place::new("upgrade-edited", &[]);
    let mut bob = place.named("bob");
    let mut alice = place.server.connect();
    // PuTTY asks for all of it at once.
    alice.send(b"\xFF\xFB\x1F\xFF\xFD\x01\xFF\xFB\x03\xFF\xFD\x03\r");
    wait_for(&mut bob, "* guest-2 joined #lobby.\r\n");
    alice.send(b"earlier\r");
    wait_for(&mut bob, "[#lobby] guest-2: earlier\r\n");
    alice.send(b"to b\x1b[D\x1b");
    thread::sleep(Duration::from_millis(50));
    place.upgrade_well();
    // The rest of a key, one step to the left, and what is typed there.
    alice.send(b"[Dnot \x1b[F");
    place.upgrade_well();
    alice.send(b"e\r");
    wait_for(&mut bob, "[#lobby] guest-2: tonot  be\r\n");
    alice.send(b"\x1b[A\x1b[A\r");
    wait_for(&mut bob, "[#lobby] guest-2: earlier\r\n");
}

#[test]
fn a_stream_of_what_is_said_goes_on() {
    let place = Place::new("upgrade-stream", &["--registration", "open"]);
    let mut mia = place.named("mia");
    mia.send(b"/register mia\r\n");
    mia.send(b"password of mia\r\n");
    wait_for_part(&mut mia, "You are logged in as mia");
    mia.send(b"/join #ops\r\n/join #dev\r\n/bot build\r\n");
    let told = wait_for_part(&mut mia, "cst_");
    let token = told.trim_end().rsplit_once(' ').expect("a token").1.to_owned();
    let mut stream = place.server.connect();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    stream.send(format!("GET /stream?room=dev HTTP/1.1\r\nHost: a\r\n{bearer}\r\n").as_bytes());
    wait_for_part(&mut stream, "\"joined\"");
    for text in ["one", "two", "three"] {
        place.upgrade_well();
        // It hears one of the two rooms that its account is in.
        mia.send(format!("/msg #ops not {text}\r\n/msg #dev {text}\r\n").as_bytes());
        let heard = wait_for_part(&mut stream, "\"said\"");
        assert!(heard.contains(&format!("\"text\":\"{text}\"")), "{heard}");
    }
}

// ---- A conversation ----

const CLIENTS: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Lines,
    Text,
    Json,
    PackedJson,
}

/// Somebody in the conversation: what it reads is noted by a thread.
struct Talker {
    speaks: Speaks,
    stream: TcpStream,
    heard: Arc<Mutex<Vec<u8>>>,
}

fn masked(payload: &[u8]) -> Vec<u8> {
    let key = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![0x81, 0x80 | u8::try_from(payload.len()).expect("a short one")];
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

impl Talker {
    fn new(place: &Place, number: usize) -> Talker {
        let speaks = [Speaks::Lines, Speaks::Text, Speaks::Json, Speaks::PackedJson][number % 4];
        let mut stream = TcpStream::connect(place.server.address).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        if speaks == Speaks::Lines {
            stream.write_all(format!("/nick c{number}\r\n").as_bytes()).expect("sent");
        } else {
            let protocol = match speaks {
                Speaks::Text => "",
                _ => "Sec-WebSocket-Protocol: chat.v1.json\r\n",
            };
            let extension = match speaks {
                Speaks::PackedJson => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
                _ => "",
            };
            let request = format!(
                "GET /ws?name=c{number}&room=lobby HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}{extension}\r\n",
                place.server.address
            );
            stream.write_all(request.as_bytes()).expect("sent");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a response");
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).expect("text");
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            assert_eq!(head.contains("permessage-deflate"), speaks == Speaks::PackedJson, "{head}");
        }
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (mut reading, noted) = (stream.try_clone().expect("a handle"), Arc::clone(&heard));
        thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            loop {
                match reading.read(&mut buffer) {
                    Ok(0) => return noted.lock().expect("whole").extend(b"THE END"),
                    Ok(count) => noted.lock().expect("whole").extend(&buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        });
        Talker { speaks, stream, heard }
    }

    /// What it sends to say this.
    fn saying(&self, text: &str) -> Vec<u8> {
        match self.speaks {
            Speaks::Lines => format!("{text}\r\n").into_bytes(),
            Speaks::Text => masked(text.as_bytes()),
            Speaks::Json | Speaks::PackedJson => {
                let say = format!(r##"{{"type":"say","room":"#lobby","text":"{text}"}}"##);
                masked(say.as_bytes())
            }
        }
    }

    /// The messages that it was shown, with their ids if it sees them.
    fn messages(&self) -> Vec<(Option<u64>, String)> {
        let heard = self.heard.lock().expect("whole").clone();
        assert!(!heard.ends_with(b"THE END"), "it was closed");
        let lines = match self.speaks {
            Speaks::Lines => String::from_utf8_lossy(&heard).into_owned(),
            _ => frames(&heard).join("\n"),
        };
        let said = |line: &str| match self.speaks {
            Speaks::Lines | Speaks::Text => {
                let (author, text) = line.strip_prefix("[#lobby] ")?.split_once(": ")?;
                Some((None, format!("{author} {}", text.trim_end())))
            }
            Speaks::Json | Speaks::PackedJson => {
                let object: serde_json::Value = serde_json::from_str(line).expect("an object");
                let (author, text) = (object["name"].as_str()?, object["text"].as_str()?);
                (object["type"] == "said")
                    .then(|| (object["id"].as_u64(), format!("{author} {text}")))
            }
        };
        lines.lines().filter_map(said).collect()
    }
}

/// What the whole frames hold, unpacked; pings are left out.
fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while bytes.len() >= 2 {
        let (length, header) = match bytes[1] {
            126 if bytes.len() >= 4 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            126 => break,
            127 => panic!("nothing is so long"),
            short => (usize::from(short), 2),
        };
        let Some(payload) = bytes.get(header..header + length) else { break };
        match bytes[0] {
            0x81 => texts.push(String::from_utf8(payload.to_vec()).expect("UTF-8")),
            0xC1 => {
                let (mut inflater, mut text) = (Decompress::new(false), Vec::with_capacity(65_536));
                let packed = [payload, &[0, 0, 0xFF, 0xFF]].concat();
                inflater
                    .decompress_vec(&packed, &mut text, FlushDecompress::Sync)
                    .expect("it can be unpacked");
                texts.push(String::from_utf8(text).expect("UTF-8"));
            }
            0x89 => {}
            other => panic!("a frame that begins with {other:x}"),
        }
        bytes = &bytes[header + length..];
    }
    texts
}

#[test]
fn in_a_conversation_nothing_is_lost_and_nothing_comes_twice() {
    let rounds = std::env::var("UPGRADES").map_or(3, |given| given.parse().expect("a number"));
    common::raise_descriptor_limit();
    let flags = ["--rate-limit", "off", "--announce-below", "0", "--compress", "--replay", "0"];
    let place = Place::new("upgrade-conversation", &flags);
    let talkers: Vec<Talker> = (0..CLIENTS).map(|number| Talker::new(&place, number)).collect();
    for (number, talker) in talkers.iter().enumerate() {
        let mut stream = &talker.stream;
        stream.write_all(&talker.saying(&format!("here {number}"))).expect("sent");
    }
    for round in 0..rounds {
        thread::scope(|scope| {
            let upgrade = scope.spawn(|| place.upgrade_well());
            let mut at = 0;
            // Everybody says something all the time, cut somewhere.
            while !upgrade.is_finished() || at % CLIENTS != 0 {
                let talker = &talkers[at % CLIENTS];
                let bytes = talker.saying(&format!("round {round} {at}"));
                let (first, rest) = bytes.split_at(1 + at % (bytes.len() - 1));
                let mut stream = &talker.stream;
                stream.write_all(first).expect("sent");
                let other = &talkers[(at * 7 + 3) % CLIENTS];
                if other.speaks == Speaks::Lines && at % CLIENTS != (at * 7 + 3) % CLIENTS {
                    let mut stream = &other.stream;
                    stream.write_all(format!("between {round} {at}\r\n").as_bytes()).expect("sent");
                }
                thread::sleep(Duration::from_millis(1));
                stream.write_all(rest).expect("sent");
                at += 1;
            }
        });
    }
    let mut last = &talkers[0].stream;
    last.write_all(b"the last\r\n").expect("sent");
    let has_it = |talker: &&Talker| talker.messages().iter().any(|(_, text)| text == "c0 the last");
    // To look is slow: those who have it are not asked again.
    let mut waiting: Vec<&Talker> = talkers[1..].iter().collect();
    eventually("all hear the last", || {
        while waiting.last().is_some_and(has_it) {
            waiting.pop();
        }
        waiting.is_empty().then_some(())
    });
    let all = talkers[2].messages();
    let first = all.iter().position(|(_, text)| text.ends_with("here 2")).expect("its own");
    let ids: Vec<u64> = all.iter().map(|(id, _)| id.expect("an id")).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "ids have holes");
    let all: Vec<&String> = all[first..].iter().map(|(_, text)| text).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    all.iter().for_each(|text| *counts.entry(text).or_default() += 1);
    assert!(counts.values().all(|&count| count == 1), "something was said twice");
    for (number, talker) in talkers.iter().enumerate().skip(1) {
        let own = format!("c{number} ");
        let heard: Vec<String> = talker.messages().into_iter().map(|(_, text)| text).collect();
        let own_too = talker.speaks != Speaks::Lines;
        let expected = all.iter().filter(|text| own_too || !text.starts_with(&own));
        let expected: Vec<&String> = expected.copied().collect();
        let from = heard.iter().position(|text| text == expected[0]);
        let heard: Vec<&String> = heard[from.unwrap_or(0)..].iter().collect();
        let tail = expected.len().min(heard.len());
        assert!(tail > 200 * rounds, "{number}: {tail}");
        assert_eq!(heard[heard.len() - tail..], expected[expected.len() - tail..], "{number}");
    }
    talkers.iter().for_each(|talker| drop(talker.stream.shutdown(Shutdown::Both)));
}

// ---- What goes wrong ----

#[track_caller]
fn goes_on(place: &Place, alice: &mut Client, bob: &mut Client, word: &str) {
    alice.send(format!("{word}\r\n").as_bytes());
    wait_for(bob, &format!("[#lobby] alice: {word}\r\n"));
    assert_eq!(place.pid(), Some(place.server.pid()));
}

#[test]
fn a_new_process_that_does_not_take_over_changes_nothing() {
    let place = Place::new("upgrade-refused", &[]);
    let (mut alice, mut bob) = (place.named("alice"), place.named("bob"));
    // It says how long its messages are before each.
    let message = |text: &str| {
        let length: String =
            (text.len() as u32).to_be_bytes().map(|byte| format!("\\{byte:03o}")).concat();
        format!("printf '{length}'; printf '%s' '{text}'")
    };
    let ok = message("\"Ok\"");
    let cases = [
        ("the program is no program", "nonsense\n".to_owned(), 0o755, "chat-server: "),
        ("it cannot be started", "#!/bin/sh\n".to_owned(), 0o644, "chat-server: "),
        ("it ends at once", "#!/bin/sh\nexit 3\n".to_owned(), 0o755, "has ended (exit status: 3)"),
        (
            "it refuses",
            format!("#!/bin/sh\nexec >&0\n{}\n", message(r#"{"Refused":"it is too new"}"#)),
            0o755,
            "it is too new",
        ),
        (
            "it ends when it is handed everything",
            format!("#!/bin/sh\nexec >&0\n{ok}\nhead -c 600 >/dev/null\nexit 4\n"),
            0o755,
            "has ended (exit status: 4)",
        ),
        (
            "it talks nonsense then",
            format!(
                "#!/bin/sh\nexec >&0\n{ok}\nhead -c 600 >/dev/null\nprintf '\\000\\000\\000\\001?'\n"
            ),
            0o755,
            "cannot be talked to",
        ),
        (
            "it refuses then",
            format!(
                "#!/bin/sh\nexec >&0\n{ok}\nhead -c 600 >/dev/null\n{}\nsleep 60\n",
                message(r#"{"Refused":"no room"}"#)
            ),
            0o755,
            "no room",
        ),
    ];
    for (at, (what, script, mode, why)) in cases.into_iter().enumerate() {
        println!("{what}");
        place.replace(&script, mode);
        alice.send(format!("cut {at} ").as_bytes());
        place.upgrade_badly(why);
        alice.send(b"here\r\n");
        wait_for(&mut bob, &format!("[#lobby] alice: cut {at} here\r\n"));
        goes_on(&place, &mut alice, &mut bob, &format!("and on {at}"));
    }
    // What was said is on the disk, and the right program can still take over.
    fs::remove_file(place.program()).expect("a file");
    fs::copy(env!("CARGO_BIN_EXE_chat-server"), place.program()).expect("the program");
    place.upgrade_well();
    alice.send(b"/history\r\n");
    wait_for(&mut alice, "* The last 14 messages of #lobby (UTC):\r\n");
}

/// What would be opened there is another history, and this one could not be opened again.
#[test]
fn a_directory_that_was_moved_is_not_handed_over() {
    let place = Place::new("upgrade-moved", &[]);
    let (mut alice, mut bob) = (place.named("alice"), place.named("bob"));
    let (data, moved) = (place.directory.0.join("data"), place.directory.0.join("moved"));
    fs::rename(&data, &moved).expect("another name");
    place.server.signal("USR2");
    place.server.wait_for_line("why", |line| {
        line.contains("not upgraded: ")
            && line.contains("is not the history that this process keeps")
    });
    alice.send(b"meanwhile\r\n");
    wait_for(&mut bob, "[#lobby] alice: meanwhile\r\n");
    assert!(!data.exists(), "nothing is made there");
    fs::rename(&moved, &data).expect("its name again");
    goes_on(&place, &mut alice, &mut bob, "here again");
    place.upgrade_well();
    alice.send(b"/history\r\n");
    wait_for(&mut alice, "* The last 2 messages of #lobby (UTC):\r\n");
}

#[test]
fn a_directory_in_the_place_of_the_program_is_none() {
    let place = Place::new("upgrade-directory", &[]);
    let (mut alice, mut bob) = (place.named("alice"), place.named("bob"));
    fs::remove_file(place.program()).expect("a file");
    place.upgrade_badly("No such file");
    fs::create_dir(place.program()).expect("a directory");
    place.upgrade_badly("Permission denied");
    goes_on(&place, &mut alice, &mut bob, "and on");
}

#[test]
fn a_new_process_that_hangs_is_given_up() {
    let place = Place::new("upgrade-hangs", &[]);
    let (mut alice, mut bob) = (place.named("alice"), place.named("bob"));
    place.replace("#!/bin/sh\nexec sleep 600\n", 0o755);
    let began = Instant::now();
    thread::scope(|scope| {
        let upgrade = scope.spawn(|| place.upgrade_badly("has said nothing for 10 s"));
        // Nobody waits for it before it has said that it could.
        while !upgrade.is_finished() {
            goes_on(&place, &mut alice, &mut bob, "meanwhile");
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(began.elapsed() >= Duration::from_secs(10));
    goes_on(&place, &mut alice, &mut bob, "afterwards");
}

#[test]
fn who_asks_twice_is_told_so_and_a_server_that_stops_stops() {
    let place = Place::new("upgrade-twice", &["--drain-seconds", "20"]);
    let (mut alice, mut bob) = (place.named("alice"), place.named("bob"));
    place.replace("#!/bin/sh\nexec sleep 600\n", 0o755);
    place.server.signal("USR2");
    thread::sleep(Duration::from_millis(300));
    place.server.signal("USR2");
    place.server.wait_for_log("an upgrade is under way");
    goes_on(&place, &mut alice, &mut bob, "meanwhile");
    place.server.signal("TERM");
    assert!(alice.rest_until_end().ends_with(b"the server is stopping.\r\n"));
}

/// It reads what clients send, so that it is not later than their last words.
#[test]
fn a_server_that_stops_while_it_waits_to_be_handed_over_stops() {
    let place = Place::new("upgrade-stops", &["--drain-seconds", "100"]);
    let (mut alice, mut bob) = (place.named("alice"), place.named("bob"));
    let file = place.directory.0.join("data/history.db");
    let other = rusqlite::Connection::open(file).expect("the history");
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    // It is not durable before the other program lets go.
    alice.send(b"held\r\n");
    thread::sleep(Duration::from_millis(200));
    let upgrade = thread::scope(|scope| {
        let upgrade = scope.spawn(|| place.upgrade());
        // By then nothing is read.
        thread::sleep(Duration::from_millis(700));
        place.server.signal("TERM");
        let upgrade = upgrade.join().expect("it ends");
        other.execute_batch("ROLLBACK").expect("it lets go");
        upgrade
    });
    let said = String::from_utf8_lossy(&upgrade.stderr).into_owned();
    assert!(said.contains("goes on as it was: the server is stopping"), "{said}");
    wait_for(&mut bob, "[#lobby] alice: held\r\n");
    for mut client in [alice, bob] {
        assert!(client.rest_until_end().ends_with(b"the server is stopping.\r\n"));
    }
    place.server.wait_for_line("its end", |line| line.ends_with(" stopped"));
}

/// A service manager may ask all processes of a service again, before the new one is the server.
#[cfg(target_os = "linux")]
#[test]
fn a_new_process_does_not_end_when_it_is_asked_as_well() {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut command = program_at(env!("CARGO_BIN_EXE_chat-server").as_ref());
    command.env("CHAT_MODE", "chat").env("TAKE_OVER_CHAT", "1").arg("127.0.0.1:0");
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    drop(command);
    let status = format!("/proc/{}/status", child.id());
    eventually("it has the signal caught", || {
        let status = fs::read_to_string(&status).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?;
        let caught = u64::from_str_radix(caught, 16).expect("a mask");
        (caught & 1 << (Signal::SIGUSR2 as u32 - 1) != 0).then_some(())
    });
    kill(Pid::from_raw(child.id() as i32), Signal::SIGUSR2).expect("it is there");
    drop(ours);
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "as nobody hands it anything");
}

#[test]
fn what_keeps_nothing_cannot_be_upgraded() {
    let directory = Directory::new("upgrade-nothing");
    for mode in ["chat", "echo", "broadcast"] {
        let server = Server::start(&["--mode", mode]);
        let mut client = server.join();
        server.signal("USR2");
        server.wait_for_line("why", |line| line.contains("not upgraded: "));
        client.send(b"still here\r\n");
        if mode == "echo" {
            client.expect(b"still here\r\n");
        }
    }
    let mut command = program_at(env!("CARGO_BIN_EXE_chat-server").as_ref());
    let asked = command.arg("upgrade").arg("--data").arg(&directory.0).output();
    let Output { status, stderr, .. } = asked.expect("the command runs");
    let said = String::from_utf8(stderr).expect("UTF-8");
    assert!(!status.success() && said.contains("no server keeps its history in"), "{said}");
}

#[test]
fn the_file_of_a_unix_socket_stays_and_goes_with_the_last_process() {
    let directory = Directory::new("upgrade-unix");
    let socket = directory.0.join("socket");
    let place = Place::new("upgrade-unix-data", &[&format!("unix:{}", socket.display())]);
    let mut alice = UnixStream::connect(&socket).expect("a connection");
    alice.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    alice.write_all(b"\r\n/nick al").expect("sent");
    place.upgrade_well();
    place.upgrade_well();
    alice.write_all(b"ice\r\n").expect("sent");
    let mut told = Vec::new();
    while !told.ends_with(b"* You are alice now.\r\n") {
        let mut byte = [0];
        alice.read_exact(&mut byte).expect("more");
        told.push(byte[0]);
    }
    UnixStream::connect(&socket).expect("it is listened there");
    let pid = place.pid().expect("it is noted").to_string();
    assert!(Command::new("kill").arg(pid).status().expect("kill(1)").success());
    eventually("the file goes", || (!socket.exists()).then_some(()));
}
