//! What is said, as a response that does not end, through the real program: `GET /stream`.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use rustix::process::{Pid, Signal, kill_process_group};

use common::{Client, Directory, Server, program, small_window_client};

fn start(directory: &Directory) -> Server {
    start_with(directory, &[])
}

fn start_with(directory: &Directory, flags: &[&str]) -> Server {
    let mut command = program();
    command.args(["127.0.0.1:0", "--mode", "chat", "--registration", "open"]);
    command.args(["--rate-limit", "off"]).args(flags).arg("--data").arg(directory.0.join("data"));
    Server::launch(command)
}

/// mia, in her room #dev, and the token of her bot.
fn mia(server: &Server) -> (Client, String) {
    let mut mia = server.join();
    mia.ask("/register mia", "A password for");
    mia.ask("password of mia", "You are logged in as mia");
    mia.ask("/join #dev", "You are in #dev now");
    let told = mia.ask("/bot build", "cst_");
    let token = told.rsplit_once(' ').expect("a token").1.to_owned();
    (mia, token)
}

/// A stream whose head has come.
struct Stream(Client);

impl Stream {
    #[track_caller]
    fn open(server: &Server, token: &str, query: &str, fields: &str) -> Stream {
        let mut client = server.connect();
        let request = format!(
            "GET /stream{query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{fields}\r\n"
        );
        client.send(request.as_bytes());
        let head = Stream::head(&mut client);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for field in ["Cache-Control: no-store", "X-Accel-Buffering: no", "Connection: close"] {
            assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
        }
        assert!(!head.contains("Content-Length") && !head.contains("Access-Control"), "{head}");
        Stream(client)
    }

    fn head(client: &mut Client) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head += &String::from_utf8(client.line()).expect("UTF-8");
        }
        head
    }

    /// The next object of this type.
    #[track_caller]
    fn next(&mut self, kind: &str) -> Value {
        for _ in 0..50 {
            let line = String::from_utf8(self.0.line()).expect("UTF-8");
            let line = line.strip_prefix("data: ").unwrap_or(&line);
            if let Ok(object) = serde_json::from_str::<Value>(line)
                && object["type"] == kind
            {
                return object;
            }
        }
        panic!("no {kind} is told");
    }

    #[track_caller]
    fn said(&mut self) -> (u64, String) {
        let said = self.next("said");
        (said["id"].as_u64().expect("an id"), said["text"].as_str().expect("a text").to_owned())
    }
}

#[test]
fn a_stream_tells_what_is_said_and_goes_on_where_it_was() {
    let directory = Directory::new("streams");
    let server = start(&directory);
    let (mut mia, token) = mia(&server);
    let mut stream = Stream::open(&server, &token, "?room=dev", "");
    assert_eq!(stream.next("welcome")["name"], "build");
    let joined = stream.next("joined");
    assert_eq!((&joined["room"], &joined["position"]), (&"#dev".into(), &0.into()));
    mia.until("build joined #dev");
    for text in ["one", "two"] {
        mia.send(format!("{text}\r\n").as_bytes());
    }
    assert_eq!(stream.said(), (1, "one".to_owned()));
    assert_eq!(stream.said(), (2, "two".to_owned()));
    // It only reads: what it sends is dropped, be it requests or lines.
    stream.0.send(b"{\"type\":\"say\",\"text\":\"no\"}\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // Another room of the same account is not heard.
    mia.ask("/join #ops", "You are in #ops now");
    let mut all = Stream::open(&server, &token, "", "");
    all.next("welcome");
    let mut ops = Stream::open(&server, &token, "?room=%23ops", "Connection: close\r\n");
    ops.next("joined");
    mia.send(b"in ops\r\n/msg #dev three\r\n");
    assert_eq!(ops.said(), (1, "in ops".to_owned()));
    assert_eq!(stream.said(), (3, "three".to_owned()));
    assert_eq!(stream.0.buffered(), 0);
    // What was missed comes first, once, also over a restart.
    drop(server);
    let server = start(&directory);
    for (since, expected) in [(0, vec![1, 2, 3]), (2, vec![3]), (3, vec![])] {
        let mut stream = Stream::open(&server, &token, &format!("?room=dev&since={since}"), "");
        let joined = stream.next("joined");
        assert_eq!((&joined["position"], &joined["gap"]), (&3.into(), &false.into()));
        if !expected.is_empty() {
            let history = stream.next("history");
            let ids: Vec<u64> = history["messages"]
                .as_array()
                .expect("messages")
                .iter()
                .map(|message| message["id"].as_u64().expect("an id"))
                .collect();
            assert_eq!(ids, expected);
        }
        assert_eq!(stream.0.buffered(), 0);
    }
}

#[test]
fn server_sent_events_have_ids_to_go_on_from() {
    let directory = Directory::new("streams-events");
    let server = start(&directory);
    let (mut mia, token) = mia(&server);
    let events = "Accept: text/event-stream\r\n";
    let mut stream = Stream::open(&server, &token, "?room=dev", events);
    let welcome = stream.next("welcome");
    let epoch = welcome["epoch"].as_str().expect("an epoch").replace('-', "%2D");
    stream.next("joined");
    mia.send("one\r\ntwo\r\n".as_bytes());
    stream.0.expect(b"\n");
    stream.0.expect(format!("id: {epoch}:dev:1\n").as_bytes());
    assert_eq!(stream.said(), (1, "one".to_owned()));
    stream.0.expect(b"\n");
    stream.0.expect(format!("id: {epoch}:dev:2\n").as_bytes());
    // Whatever its page calls the room, and what it has asked for first.
    mia.ask("/rename news", "#news");
    for room in ["dev", "DEV", "news"] {
        let query = format!("?room={room}&since=0");
        let again = format!("{events}Last-Event-ID: {epoch}:dev:1\r\n");
        let mut stream = Stream::open(&server, &token, &query, &again);
        assert_eq!(stream.next("joined")["gap"], false);
        stream.0.expect(b"\n");
        stream.0.expect(format!("id: {epoch}:news:2\n").as_bytes());
        let history = stream.next("history");
        assert_eq!(history["messages"][0]["text"], "two");
        stream.0.expect(b"\n");
    }
    // What was seen under another epoch is no place here.
    let other = format!("{events}Last-Event-ID: 1%2D2:news:1\r\n");
    let mut stream = Stream::open(&server, &token, "?room=news", &other);
    assert_eq!(stream.next("joined")["gap"], true);
}

/// What an event-stream told: by what the last event is known, and what it said, as `#dev 3`.
#[derive(Debug, Default)]
struct Heard {
    id: String,
    said: Vec<String>,
}

impl Heard {
    /// The next event, which may be several messages that were missed.
    fn event(&mut self, stream: &mut Stream) {
        let mut object = Value::Null;
        loop {
            let line = String::from_utf8(stream.0.line()).expect("UTF-8");
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.id),
                Some(("data", data)) => object = serde_json::from_str(data).expect("an object"),
                _ if object.is_null() => {}
                _ => break,
            }
        }
        let room = object["room"].as_str().unwrap_or_default();
        let own = std::slice::from_ref(&object);
        let messages = match object["type"].as_str() {
            Some("said") => own,
            Some("history") => object["messages"].as_array().expect("messages"),
            _ => &[],
        };
        self.said.extend(messages.iter().map(|message| format!("{room} {}", message["id"])));
    }

    fn until(&mut self, stream: &mut Stream, said: usize) {
        while self.said.len() < said {
            self.event(stream);
        }
    }
}

/// Wherever the connection breaks, what comes after that comes once, in each room.
#[test]
fn a_stream_of_several_rooms_goes_on_where_it_was_in_each() {
    let directory = Directory::new("streams-several");
    let server = start(&directory);
    let (mut mia, token) = mia(&server);
    for room in ["#ops", "#tea"] {
        mia.ask(&format!("/join {room}"), &format!("You are in {room} now"));
    }
    let (query, events) = ("?room=dev&room=ops&room=tea", "Accept: text/event-stream\r\n");
    let mut stream = Stream::open(&server, &token, query, events);
    // Also where nothing was said yet.
    let mut heard = Heard::default();
    while !heard.id.contains(":tea:0") {
        heard.event(&mut stream);
    }
    let mut ids = vec![heard.id.clone()];
    let said = ["#dev 1", "#ops 1", "#dev 2", "#ops 2", "#ops 3", "#dev 3"];
    let mut say = |room: &str| mia.send(format!("/msg {room} hello\r\n").as_bytes());
    for (count, line) in said.iter().enumerate() {
        say(&line[..4]);
        heard.until(&mut stream, count + 1);
        ids.push(heard.id.clone());
    }
    assert_eq!(heard.said, said);
    drop(stream);
    let of = |said: &[String], room: &str| -> Vec<String> {
        said.iter().filter(|line| line.starts_with(room)).cloned().collect()
    };
    for (count, id) in ids.iter().enumerate() {
        let again = format!("{events}Last-Event-ID: {id}\r\n");
        let mut stream = Stream::open(&server, &token, query, &again);
        let mut heard = Heard::default();
        heard.until(&mut stream, said.len() - count);
        let missed: Vec<String> = said[count..].iter().map(|line| (*line).to_owned()).collect();
        for room in ["#dev", "#ops"] {
            assert_eq!(of(&heard.said, room), of(&missed, room), "behind {id}");
        }
        // Broken off while it is told what it has missed, it goes on there as well.
        let (mut stream, mut parts) = (Stream::open(&server, &token, query, &again), Vec::new());
        let mut heard = Heard::default();
        for _ in 0..4 {
            heard.event(&mut stream);
        }
        parts.append(&mut heard.said);
        let (id, rest) = (heard.id.clone(), said.len() - count - parts.len());
        let again = format!("{events}Last-Event-ID: {id}\r\n");
        let mut stream = Stream::open(&server, &token, query, &again);
        heard.until(&mut stream, rest);
        parts.append(&mut heard.said);
        for room in ["#dev", "#ops"] {
            assert_eq!(of(&parts, room), of(&missed, room), "behind {id}");
        }
    }
}

/// What a private room is called by now is nothing for those who are not let in, whether they were
/// once or only asked for it.
#[test]
fn an_event_is_known_by_no_room_that_its_account_is_not_in() {
    for is_member in [true, false] {
        let directory = Directory::new("streams-hidden");
        let server = start(&directory);
        let (mut mia, token) = mia(&server);
        mia.ask("/join #ops", "You are in #ops now");
        if !is_member {
            mia.ask("/room entry invited", "#ops");
        }
        let query = if is_member { "?room=dev&room=ops" } else { "?room=dev&room=ops&since=7" };
        let mut stream = Stream::open(&server, &token, query, "Accept: text/event-stream\r\n");
        let mut heard = Heard::default();
        if is_member {
            while !heard.id.contains(":ops:") {
                heard.event(&mut stream);
            }
            mia.ask("/room entry invited", "#ops");
            mia.ask("/kick build", "removed build");
        } else {
            heard.event(&mut stream);
        }
        mia.ask("/rename #merger", "#merger");
        mia.send(b"/msg #dev hello\r\n");
        heard.until(&mut stream, 1);
        assert!(heard.id.ends_with(":dev:1"), "{}", heard.id);
    }
}

/// What a room is called when its account comes back to it.
#[test]
fn a_room_is_followed_under_any_name() {
    let directory = Directory::new("streams-renamed");
    let server = start(&directory);
    let (mut mia, token) = mia(&server);
    let mut stream = Stream::open(&server, &token, "?room=dev", "");
    stream.next("joined");
    mia.until("build joined #dev");
    mia.ask("/rename #news", "#news");
    mia.ask("/kick build", "removed build");
    assert_eq!(stream.next("left")["you"], true);
    mia.ask("/accept build", "build");
    let mut build = server.join();
    build.ask(&format!("/login {token}"), "You are logged in as build");
    build.ask("/join #news", "You are in #news now");
    mia.until("build joined #news");
    mia.send(b"hello\r\n");
    assert_eq!(stream.said().1, "hello");
}

/// From one address; who has one that is good is not kept from it by those who have none.
#[test]
fn tokens_are_not_guessed_for_long() {
    let directory = Directory::new("streams-guesses");
    let server = start_with(&directory, &["--connect-rate", "off"]);
    let (_mia, token) = mia(&server);
    let answer = |token: &str| {
        let mut client = server.connect();
        let request =
            format!("GET /stream HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        client.send(request.as_bytes());
        String::from_utf8(client.line()).expect("UTF-8")
    };
    for guess in 0..20 {
        let told = answer(&format!("cst_guess{guess}"));
        assert!(told.starts_with("HTTP/1.1 401 "), "{guess}: {told}");
    }
    let mut told = answer("cst_guess");
    // Time goes on meanwhile.
    for _ in 0..20 {
        if told.starts_with("HTTP/1.1 429 ") {
            break;
        }
        told = answer("cst_guess");
    }
    assert!(told.starts_with("HTTP/1.1 429 "), "{told}");
    assert!(answer(&token).starts_with("HTTP/1.1 200 "));
}

/// As any client that does not read: it is let go, and the others are told everything.
#[test]
fn who_does_not_read_its_stream_is_let_go() {
    const MESSAGES: usize = 200;
    let directory = Directory::new("streams-slow");
    let server = start_with(&directory, &["--too-slow", "1"]);
    let (mut mia, token) = mia(&server);
    mia.ask("/room entry all", "#dev");
    let mut bob = server.join();
    bob.ask("/join #dev", "You are in #dev now");
    let mut reading = Stream::open(&server, &token, "?room=dev", "");
    reading.next("joined");
    let mut stuck = small_window_client(&server);
    let request = format!(
        "GET /stream?room=dev HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stuck.send(request.as_bytes());
    assert!(stuck.line().starts_with(b"HTTP/1.1 200 "));
    thread::scope(|scope| {
        let mut writer = mia.writer();
        scope.spawn(move || {
            for n in 0..MESSAGES {
                let said = format!("{n} {}\r\n", "x".repeat(60_000));
                writer.write_all(said.as_bytes()).expect("it is taken");
            }
        });
        scope.spawn(move || {
            for n in 0..MESSAGES {
                let (id, text) = reading.said();
                assert_eq!(id, n as u64 + 1);
                assert!(text.starts_with(&format!("{n} ")));
            }
        });
        for n in 0..MESSAGES {
            bob.until(&format!("mia: {n} "));
        }
    });
    let stuck = stuck.address();
    server.wait_for_log(&format!(
        "{stuck}: too slow: messages came in faster than this connection read them; closing"
    ));
    let closed = server.log().iter().filter(|line| line.ends_with("closing")).count();
    assert_eq!(closed, 1, "only the one that does not read");
    bob.ask("/who", "in #dev");
}

#[test]
fn who_may_not_follow_is_refused_and_who_may_no_more_hears_nothing() {
    let directory = Directory::new("streams-refused");
    let server = start(&directory);
    let (mut mia, token) = mia(&server);
    let answer = |request: &str| {
        let mut client = server.connect();
        client.send(request.as_bytes());
        String::from_utf8(client.rest_until_end()).expect("UTF-8")
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (line, fields, status) in [
        ("GET /stream", "", 401),
        ("GET /stream", "Authorization: Bearer cst_nothing\r\n", 401),
        ("GET /stream", "Cookie: chat-session=x\r\nOrigin: http://a\r\n", 401),
        ("POST /stream", bearer.as_str(), 405),
        ("GET /stream?since=3", bearer.as_str(), 400),
        ("OPTIONS /stream", "Origin: https://evil.example\r\n", 405),
    ] {
        let answer = answer(&format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {fields}: {answer}");
        assert!(!answer.contains("Access-Control"), "{answer}");
    }
    let mut stream = Stream::open(&server, &token, "?room=dev", "");
    stream.next("joined");
    mia.until("build joined #dev");
    mia.ask("/kick build", "removed build");
    mia.send(b"a secret\r\n/accept build\r\n");
    assert_eq!(stream.next("left")["you"], true);
    assert_eq!(stream.next("invited")["room"], "#dev");
    // Another token ends the one before, and what goes on by it.
    mia.ask("/bot build", "cst_");
    assert_eq!(stream.next("error")["code"], "session_ended");
    assert_eq!(stream.0.rest_until_end(), b"");
}

#[test]
fn a_request_for_a_stream_may_come_in_any_pieces() {
    let directory = Directory::new("streams-pieces");
    let server = start(&directory);
    let (_mia, token) = mia(&server);
    let request = format!(
        "GET /stream?room=dev&room=ops HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    for at in (1..request.len()).step_by(3) {
        let mut client = server.connect();
        client.send(&request.as_bytes()[..at]);
        client.send(&request.as_bytes()[at..]);
        Stream::head(&mut client);
        let mut stream = Stream(client);
        assert_eq!(stream.next("joined")["room"], "#dev", "{at}");
        assert_eq!(stream.next("joined")["room"], "#ops", "{at}");
    }
}

/// The blocks of code of a kind in docs/bots.md.
fn block(kind: &str, with: &str) -> String {
    let page = include_str!("../docs/bots.md");
    let fence = format!("```{kind}\n");
    let blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.filter(|block| block.contains(with)).collect()
}

/// The bots of docs/bots.md, as they are written there.
#[test]
#[ignore = "needs curl, Python, Node.js and nc"]
fn the_bots_of_the_page_run_as_written() {
    let directory = Directory::new("streams-bots");
    let server = start(&directory);
    let (mut mia, token) = mia(&server);
    let url = format!("http://{}", server.address);
    for (program, arguments, kind) in [
        ("sh", &["-c"][..], "sh"),
        ("python3", &["-c"], "python"),
        ("node", &["--input-type=module", "-e"], "js"),
    ] {
        // It has a hook of its own, so that no answer of the one before is taken for its.
        let told = mia.ask(&format!("/hook {program}"), "hook/");
        let hook = format!("{url}/hook/{}", told.split_once("hook/").expect("a token").1);
        let answer = format!("{program} (hook): hello yourself");
        // A shell has children: all of them are one group.
        let mut bot = Command::new(program)
            .process_group(0)
            .args(arguments)
            .arg(block(kind, "/stream?room=dev\"").clone() + &block(kind, "/stream?room=dev`"))
            .envs([("CHAT_TOKEN", token.as_str()), ("CHAT_URL", &url), ("CHAT_HOOK", &hook)])
            .stdout(Stdio::piped())
            .spawn()
            .expect(program);
        // It may not be there yet.
        let mut answers = 0;
        while answers == 0 {
            mia.send(b"hello\r\n/where\r\n");
            loop {
                let line = mia.until("");
                answers += usize::from(line.contains(&answer));
                if line.contains("You talk in") {
                    break;
                }
            }
        }
        kill_process_group(Pid::from_child(&bot), Signal::KILL).expect("it runs");
        bot.wait().expect("it ends");
    }
    let nc = block("sh", "| nc")
        .replace("127.0.0.1 8080", &format!("-N {}", server.address))
        .replace(':', " ");
    let mut shell = Command::new("sh");
    let said = shell.arg("-c").arg(nc).env("CHAT_TOKEN", &token).stdout(Stdio::piped());
    let output = said.output().expect("nc");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("You are logged in as build"), "{told}");
    mia.until("build: it is built");
    let mut reader = BufReader::new(&output.stdout[..]);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    std::io::stdout().flush().expect("it is shown");
}
