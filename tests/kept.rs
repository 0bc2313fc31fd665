//! What is kept, through the real program: it is killed at any moment while many talk, and nothing
//! that anybody was shown is taken back; it is backed up, restored and searched.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::client::client;
use tungstenite::error::Error;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use common::{Client, DEADLINE, Server, eventually, program};

const ROOMS: [&str; 4] = ["#one", "#two", "#three", "#four"];
const PROGRAMS: usize = 6;
const LINE_CLIENTS: usize = 2;
/// Messages of one program that are under way at once.
const WINDOW: usize = 8;

// ---- Stage ----

/// A directory of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chat-server-kept-{}-{number}", std::process::id());
        let directory = env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a directory");
        Scratch(directory)
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Little of each room stays in memory: resuming asks the disk as well.
    fn server(&self) -> Command {
        let mut command = program();
        command.args(["127.0.0.1:0", "--mode", "chat", "--rate-limit", "off"]);
        command.args(["--history-messages", "40", "--data"]).arg(self.data());
        command
    }

    fn start(&self) -> Server {
        Server::launch(self.server())
    }

    /// Runs a command for the history.
    fn tool(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command.args(arguments).arg("--data").arg(self.data()).output().expect("it starts")
    }

    /// Runs one that has to succeed; returns what it says.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.tool(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        assert_eq!(complaint, "", "{arguments:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Kills it as a power cut would: it can do nothing about it.
fn kill(server: Server) {
    server.signal("KILL");
    let (status, _, log) = server.finish();
    assert_eq!(status.signal(), Some(9), "it had ended before: {log:#?}");
}

fn stop(server: Server) {
    server.signal("TERM");
    let (status, _, log) = server.finish();
    assert_eq!(status.code(), Some(0), "{log:#?}");
}

// ---- A program that resumes ----

/// A client of the JSON dialect, whose connection may end at any moment.
struct Ws(WebSocket<TcpStream>);

impl Ws {
    /// Its welcome as well.
    fn connect(address: SocketAddr, path: &str) -> Result<(Ws, Value), Error> {
        let uri = format!("ws://{address}{path}").parse().expect("a URL");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("chat.v1.json");
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let (socket, _) = client(request, stream).map_err(|_| Error::ConnectionClosed)?;
        let mut ws = Ws(socket);
        let welcome = ws.object()?;
        assert_eq!(welcome["type"], "welcome");
        Ok((ws, welcome))
    }

    fn ask(&mut self, request: &Value) -> Result<(), Error> {
        self.0.send(request.to_string().into())
    }

    fn object(&mut self) -> Result<Value, Error> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Ok(Message::Close(_)) => return Err(Error::ConnectionClosed),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("nothing comes for {DEADLINE:?}");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks, and returns the answer; what comes before it is of no interest.
    #[expect(clippy::needless_pass_by_value, reason = "calls read better with json!")]
    fn answer(&mut self, request: Value, kind: &str) -> Value {
        self.ask(&request).expect("the server takes it");
        loop {
            let object = self.object().expect("an answer");
            assert_ne!(object["type"], "error", "{request}: {object}");
            if object["type"] == kind {
                return object;
            }
        }
    }

    /// All that is kept of a room, the first id first.
    fn history(&mut self, room: &str) -> Vec<(u64, String)> {
        let mut messages = Vec::new();
        let mut after = 0;
        loop {
            let request = json!({ "type": "history", "room": room, "after": after, "limit": 100 });
            let page = self.answer(request, "history");
            for message in page["messages"].as_array().expect("messages") {
                after = message["id"].as_u64().expect("an id");
                messages.push((after, message["text"].as_str().expect("a text").to_owned()));
            }
            if page["more"] == false {
                return messages;
            }
        }
    }
}

/// A message that has been sent, and not been answered yet.
struct Sent {
    room: usize,
    text: String,
}

/// Says numbered messages and writes down what it is shown. When its connection ends, it resumes,
/// and sends again what was not answered.
struct Program {
    number: usize,
    random: fastrand::Rng,
    epoch: Option<String>,
    /// The last id seen in each room, once it has been there.
    last: [Option<u64>; ROOMS.len()],
    shown: BTreeMap<(usize, u64), String>,
    made: u64,
    /// By the number of the message, which its key has as well.
    unanswered: BTreeMap<u64, Sent>,
    answered: BTreeMap<u64, (usize, u64)>,
    /// Repeats in this connection; how many of them had been said the first time.
    repeats: BTreeSet<u64>,
    known: usize,
}

impl Program {
    fn new(number: usize, random: fastrand::Rng) -> Program {
        Program {
            number,
            random,
            epoch: None,
            last: [None; ROOMS.len()],
            shown: BTreeMap::new(),
            made: 0,
            unanswered: BTreeMap::new(),
            answered: BTreeMap::new(),
            repeats: BTreeSet::new(),
            known: 0,
        }
    }

    /// Is connected until the server ends; or, if it is to settle, until all that it has ever sent
    /// is answered and it has seen all that it had missed.
    fn live(&mut self, address: SocketAddr, settles: bool) -> Result<(), Error> {
        let (mut ws, welcome) = Ws::connect(address, &format!("/?name=program-{}", self.number))?;
        let epoch = welcome["epoch"].as_str().expect("an epoch").to_owned();
        if let Some(before) = self.epoch.replace(epoch.clone()) {
            assert_eq!(before, epoch, "ids have started over");
        }
        for (room, last) in ROOMS.iter().zip(self.last) {
            let mut join = json!({ "type": "join", "room": room, "replay": 0 });
            if let Some(last) = last {
                join = json!({ "type": "join", "room": room, "since": last, "epoch": epoch });
            }
            ws.ask(&join)?;
        }
        self.repeats = self.unanswered.keys().copied().collect();
        for (number, sent) in &self.unanswered {
            ws.ask(&self.request(*number, sent))?;
        }
        let mut positions = BTreeMap::new();
        loop {
            while !settles && self.unanswered.len() < WINDOW {
                let number = self.say();
                ws.ask(&self.request(number, &self.unanswered[&number]))?;
            }
            let is_in = positions.len() == ROOMS.len()
                && positions.iter().all(|(&room, &position)| self.last[room] >= Some(position));
            if settles && is_in && self.unanswered.is_empty() {
                return Ok(());
            }
            let object = ws.object()?;
            if object["type"] == "joined" && object["you"] == true {
                positions.insert(room_of(&object), self.join(&object));
            } else {
                self.see(&object);
            }
        }
    }

    /// Makes up a message.
    fn say(&mut self) -> u64 {
        self.made += 1;
        let words = match self.random.u8(..) {
            0..8 => "長い話です。".repeat(self.random.usize(1..300)),
            8..64 => "また明日".to_owned(),
            _ => "and so on ".repeat(self.random.usize(1..6)).trim_end().to_owned(),
        };
        let text = format!("p{}-{} {words}", self.number, self.made);
        self.unanswered.insert(self.made, Sent { room: self.random.usize(..ROOMS.len()), text });
        self.made
    }

    fn request(&self, number: u64, Sent { room, text }: &Sent) -> Value {
        let key = format!("key-of-program-{}-{number}", self.number);
        json!({ "type": "say", "room": ROOMS[*room], "text": text, "key": key, "ref": number })
    }

    /// Returns the position.
    fn join(&mut self, object: &Value) -> u64 {
        assert_eq!(object["gap"], false, "something is missing: {object}");
        let position = object["position"].as_u64().expect("a position");
        let last = self.last[room_of(object)].get_or_insert(position);
        assert!(*last <= position, "it was shown {last}, which is not there: {object}");
        position
    }

    fn see(&mut self, object: &Value) {
        match object["type"].as_str().expect("a type") {
            "said" => {
                let reference = object["ref"].as_u64();
                let (room, id) = (room_of(object), id_of(object));
                let is_repeat = reference.is_some_and(|number| self.repeats.contains(&number));
                self.show(room, object, is_repeat);
                if let Some(number) = reference {
                    let sent = self.unanswered.remove(&number).expect("an answer to each, once");
                    assert_eq!((sent.room, &*sent.text), (room, text_of(object)));
                    self.answered.insert(number, (room, id));
                }
            }
            "history" => {
                assert_eq!(object["replay"], true, "nobody has asked: {object}");
                for message in object["messages"].as_array().expect("messages") {
                    self.show(room_of(object), message, false);
                }
            }
            "joined" | "left" | "presence" => {}
            other => panic!("{other} was not expected: {object}"),
        }
    }

    /// Messages come without a gap and without a double, but for what had been said already when it
    /// was sent again.
    fn show(&mut self, room: usize, message: &Value, is_repeat: bool) {
        let (id, text) = (id_of(message), text_of(message));
        let last = self.last[room].expect("it is in that room");
        if id == last + 1 {
            self.last[room] = Some(id);
        } else {
            assert!(is_repeat && id <= last, "{} after {last}: {message}", ROOMS[room]);
            self.known += 1;
        }
        if let Some(before) = self.shown.insert((room, id), text.to_owned()) {
            assert_eq!(before, text, "{} {id} was something else", ROOMS[room]);
        }
    }
}

fn room_of(object: &Value) -> usize {
    ROOMS.iter().position(|room| object["room"] == *room).expect("one of these rooms")
}

fn id_of(message: &Value) -> u64 {
    message["id"].as_u64().expect("an id")
}

fn text_of(message: &Value) -> &str {
    message["text"].as_str().expect("a text")
}

// ---- A client at a terminal ----

/// Says numbered lines, and writes down what it is shown. It cannot know what has arrived.
#[derive(Default)]
struct Liner {
    number: usize,
    made: u64,
    /// The room, the id where it was shown, and the text as far as it was shown.
    shown: Vec<(String, Option<u64>, String)>,
}

impl Liner {
    /// Is connected until the server ends.
    fn live(&mut self, address: SocketAddr) {
        let Ok(stream) = TcpStream::connect(address) else { return };
        let mut client = Client::over(stream);
        let rooms: Vec<String> = ROOMS.iter().map(|room| format!("/join {room}\r\n")).collect();
        if !client.try_send(rooms.concat().as_bytes()) {
            return;
        }
        let mut writer = client.writer();
        let (number, mut made) = (self.number, self.made);
        let talk = thread::spawn(move || {
            loop {
                made += 1;
                if writer.write_all(format!("l{number}-{made} a line\r\n").as_bytes()).is_err() {
                    return made;
                }
                thread::sleep(Duration::from_millis(3));
            }
        });
        let mut replayed = String::new();
        // The last line may be half of one: nobody can tell what it would have been.
        while let Ok(line) = client.try_line()
            && let Some(line) = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n"))
        {
            self.see(std::str::from_utf8(line).expect("UTF-8"), &mut replayed);
        }
        drop(client);
        self.made = talk.join().expect("it ends with the connection");
    }

    fn see(&mut self, line: &str, replayed: &mut String) {
        if let Some(heading) = line.strip_prefix("* The last ") {
            let (_, of) = heading.split_once(" of ").expect("a room");
            *replayed = of.trim_end_matches(" (UTC):").to_owned();
        } else if let Some(row) = line.strip_prefix("*   ") {
            let (_, row) = row.split_once('(').expect("an id");
            let (id, row) = row.split_once(')').expect("an id");
            let (_, text) = row.split_once(": ").expect("a text");
            let id = id.parse().expect("an id");
            let text = text.trim_end_matches('…').to_owned();
            self.shown.push((replayed.clone(), Some(id), text));
        } else if let Some(row) = line.strip_prefix('[') {
            let (room, row) = row.split_once("] ").expect("a room");
            let (_, text) = row.split_once(": ").expect("a text");
            self.shown.push((room.to_owned(), None, text.to_owned()));
        } else {
            assert!(line.starts_with("* ") || line.is_empty(), "{line}");
        }
    }
}

// ---- All of them ----

type Histories = BTreeMap<String, Vec<(u64, String)>>;

struct Crowd {
    programs: Vec<Program>,
    liners: Vec<Liner>,
}

impl Crowd {
    fn new(random: &mut fastrand::Rng) -> Crowd {
        Crowd {
            programs: (0..PROGRAMS).map(|number| Program::new(number, random.fork())).collect(),
            liners: (0..LINE_CLIENTS).map(|number| Liner { number, ..Liner::default() }).collect(),
        }
    }

    /// All talk until `end` has ended the server.
    fn talk(&mut self, server: Server, end: impl FnOnce(Server)) {
        let address = server.address;
        thread::scope(|scope| {
            for program in &mut self.programs {
                scope.spawn(move || program.live(address, false).expect_err("the server ends"));
            }
            for liner in &mut self.liners {
                scope.spawn(move || liner.live(address));
            }
            end(server);
        });
    }

    /// All programs get the answers that they still wait for, and see what they have missed.
    fn settle(&mut self, address: SocketAddr) {
        thread::scope(|scope| {
            for program in &mut self.programs {
                scope.spawn(move || program.live(address, true).expect("the server is there"));
            }
        });
    }

    /// Compares what everybody was shown with what is kept.
    fn check(&self, histories: &Histories) {
        let mut texts = BTreeSet::new();
        for (room, history) in histories {
            for (at, (id, text)) in history.iter().enumerate() {
                assert_eq!(*id, at as u64 + 1, "{room}: ids are dense");
                assert!(texts.insert(text), "{room} {id} is there twice: {text}");
            }
        }
        let kept = |room: &str, id: u64| {
            let at = usize::try_from(id - 1).expect("an index");
            histories[room].get(at).map(|(_, text)| text.as_str())
        };
        for program in &self.programs {
            for ((room, id), text) in &program.shown {
                let now = kept(ROOMS[*room], *id);
                assert_eq!(now, Some(&**text), "{} {id} was shown", ROOMS[*room]);
            }
            let answered: Vec<u64> = program.answered.keys().copied().collect();
            assert_eq!(answered, (1..=program.made).collect::<Vec<u64>>());
            for (number, (room, id)) in &program.answered {
                let beginning = format!("p{}-{number} ", program.number);
                let now = kept(ROOMS[*room], *id).expect("what was answered is there");
                assert!(now.starts_with(&beginning), "{} {id}: {now}", ROOMS[*room]);
            }
        }
        for (room, id, text) in self.liners.iter().flat_map(|liner| &liner.shown) {
            match id {
                Some(id) => {
                    let now = kept(room, *id);
                    let is_kept = now.is_some_and(|now| now.starts_with(text));
                    assert!(is_kept, "{room} {id}: {text:?} was shown, and is {now:?}");
                }
                None => assert!(texts.contains(text), "{room}: {text:?} was shown"),
            }
        }
        let of_programs = texts.iter().filter(|text| text.starts_with('p')).count();
        let made: u64 = self.programs.iter().map(|program| program.made).sum();
        assert_eq!(of_programs as u64, made, "every message is said, and once");
    }
}

fn histories(address: SocketAddr) -> Histories {
    let (mut ws, _) = Ws::connect(address, "/?name=reader").expect("the server is there");
    let mut histories = Histories::new();
    for room in ROOMS {
        ws.answer(json!({ "type": "join", "room": room, "replay": 0 }), "joined");
        histories.insert(room.to_owned(), ws.history(room));
    }
    histories
}

#[test]
fn nothing_that_anybody_was_shown_is_taken_back_by_kill_9() {
    let scratch = Scratch::new();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut crowd = Crowd::new(&mut random);
    let kills = env::var("KILLS").map_or(3, |kills| kills.parse().expect("a number"));
    for _ in 0..kills {
        let moment = Duration::from_micros(random.u64(0..600_000));
        crowd.talk(scratch.start(), |server| {
            thread::sleep(moment);
            kill(server);
        });
    }
    let server = scratch.start();
    crowd.settle(server.address);
    let kept = histories(server.address);
    crowd.check(&kept);
    stop(server);
    let messages: usize = kept.values().map(Vec::len).sum();
    let known: usize = crowd.programs.iter().map(|program| program.known).sum();
    let shown: usize = crowd.programs.iter().map(|program| program.shown.len()).sum();
    let lines: usize = crowd.liners.iter().map(|liner| liner.shown.len()).sum();
    println!(
        "{kills} kills: {messages} messages, shown {shown} times to programs and {lines} at \
         terminals; {known} sent again had been said"
    );
    let checked = scratch.done(&["check"]);
    let wanted = format!(" is sound: 4 rooms, {messages} messages, ids without holes; ");
    assert!(checked.contains(&wanted), "{checked}");
}

#[test]
fn nothing_is_taken_back_by_a_restart_in_order() {
    let scratch = Scratch::new();
    let mut crowd = Crowd::new(&mut fastrand::Rng::with_seed(2));
    for _ in 0..2 {
        crowd.talk(scratch.start(), |server| {
            thread::sleep(Duration::from_millis(200));
            // A second one on the same directory ends, and the first does not mind.
            let second = scratch.server().output().expect("it starts");
            assert_eq!(second.status.code(), Some(1));
            let complaint = String::from_utf8_lossy(&second.stderr);
            let last = complaint.lines().last().expect("a line");
            assert!(last.contains("another server keeps its history in "), "{complaint}");
            assert!(second.stdout.is_empty());
            stop(server);
        });
    }
    let server = scratch.start();
    crowd.settle(server.address);
    crowd.check(&histories(server.address));
    stop(server);
}

// ---- Looking after it ----

fn say(ws: &mut Ws, room: &str, text: &str) -> u64 {
    ws.answer(json!({ "type": "join", "room": room, "replay": 0 }), "joined");
    ws.ask(&json!({ "type": "say", "room": room, "text": text, "ref": text })).expect("sent");
    loop {
        let object = ws.object().expect("an answer");
        if object["ref"] == text {
            assert_eq!(object["type"], "said", "{object}");
            return id_of(&object);
        }
    }
}

#[test]
fn a_history_is_backed_up_while_they_talk_and_restored() {
    let scratch = Scratch::new();
    let backup = scratch.0.join("backup.db");
    let backup_name = backup.to_str().expect("UTF-8").to_owned();
    let mut crowd = Crowd::new(&mut fastrand::Rng::with_seed(3));
    let (mut before, mut after) = (0, 0);
    crowd.talk(scratch.start(), |server| {
        thread::sleep(Duration::from_millis(200));
        let (mut keeper, _) = Ws::connect(server.address, "/?name=keeper").expect("it is there");
        before = say(&mut keeper, "#one", "before the backup");
        scratch.done(&["backup", &backup_name]);
        after = say(&mut keeper, "#one", "after the backup");
        let checked = scratch.done(&["check"]);
        assert!(checked.contains(" is sound: 4 rooms, "), "{checked}");
        let exported = scratch.done(&["export", "#one"]);
        assert!(exported.contains("<keeper> before the backup\n"));
        drop(keeper);
        stop(server);
    });
    let server = scratch.start();
    crowd.settle(server.address);
    let whole = histories(server.address);
    crowd.check(&whole);
    let (_, welcome) = Ws::connect(server.address, "/").expect("it is there");
    stop(server);

    let refused = scratch.tool(&["restore", &backup_name]);
    assert_eq!(refused.status.code(), Some(1), "there is a history");
    scratch.done(&["restore", &backup_name, "--force"]);
    let checked = scratch.done(&["check"]);
    let server = scratch.start();
    let restored = histories(server.address);
    for (room, history) in &restored {
        assert!(whole[room].starts_with(history), "{room}: another history");
    }
    let has = |id: u64| restored["#one"].iter().any(|(other, _)| *other == id);
    assert!(has(before) && !has(after), "{before} was said before, {after} after it");
    let messages: usize = restored.values().map(Vec::len).sum();
    let wanted = format!(" is sound: 4 rooms, {messages} messages, ids without holes; ");
    assert!(checked.contains(&wanted), "{checked}");
    export_is_history(&scratch, &restored);

    // Programs do not take new messages for those that had their ids.
    let (mut ws, anew) = Ws::connect(server.address, "/").expect("it is there");
    assert_ne!(anew["epoch"], welcome["epoch"]);
    let since = whole["#one"].len();
    let join = json!({
        "type": "join", "room": "#one", "since": since, "epoch": welcome["epoch"],
    });
    let joined = ws.answer(join, "joined");
    assert_eq!(joined["gap"], true, "{joined}");
    assert_eq!(joined["position"], restored["#one"].len());
    stop(server);
}

fn export_is_history(scratch: &Scratch, histories: &Histories) {
    for (room, history) in histories {
        let exported = scratch.done(&["export", room, "--format", "json"]);
        let exported: Vec<(u64, String)> = exported
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|message| (id_of(&message), text_of(&message).to_owned()))
            .collect();
        assert!(exported == *history, "{room}: another history is exported");
    }
}

// ---- Search ----

/// Searches until this message, and no other, is found; within the second that is promised, for
/// which a busy machine has more time here.
fn find(server: &Server, words: &str, (room, id, text): (&str, u64, &str)) {
    let (mut ws, _) = Ws::connect(server.address, "/").expect("it is there");
    eventually(words, || {
        ws.ask(&json!({ "type": "search", "text": words })).expect("sent");
        let found = ws.object().expect("an answer");
        if found["code"] == "search_unavailable" {
            // The index of a new directory, or one that was deleted, is being made.
            return None;
        }
        assert_eq!(found["type"], "found", "{found}");
        let hits = found["hits"].as_array().expect("hits");
        let [hit] = &hits[..] else {
            assert!(hits.is_empty(), "{found}");
            return None;
        };
        assert_eq!(hit["room"], room);
        assert_eq!((id_of(hit), text_of(hit)), (id, text));
        Some(())
    });
    let mut client = server.connect();
    client.enter();
    client.send(format!("/search {words}\r\n").as_bytes());
    let line = |client: &mut Client| String::from_utf8(client.line()).expect("UTF-8");
    // Others may come and go.
    let heading = loop {
        let line = line(&mut client);
        if !line.contains(" joined ") && !line.contains(" left ") {
            break line;
        }
    };
    assert_eq!(heading.trim_end(), "* Found 1 message (UTC):");
    let hit = line(&mut client);
    let end = format!(" {room} ({id}) alice: {text}");
    assert!(hit.starts_with("*   ") && hit.trim_end().ends_with(&end), "{hit}");
}

#[test]
fn what_was_said_a_moment_ago_is_found_also_after_a_restart() {
    let scratch = Scratch::new();
    let server = scratch.start();
    let texts = ["端末がまだ動かない", "the kernel panics again", "Ünïcode ｆｕｌｌ width"];
    let (mut alice, _) = Ws::connect(server.address, "/?name=alice").expect("it is there");
    let mut said = Vec::new();
    for (text, words) in texts.iter().zip(["端末", "kern panics", "unicode FULL"]) {
        let id = say(&mut alice, "#one", text);
        said.push((words, id, *text));
        find(&server, words, ("#one", id, text));
    }
    drop(alice);
    stop(server);

    let find_all = |server: &Server, said: &[(&str, u64, &str)]| {
        for &(words, id, text) in said {
            find(server, words, ("#one", id, text));
        }
    };
    let server = scratch.start();
    find_all(&server, &said);
    // What is said right before the end may not be in the index yet.
    let (mut alice, _) = Ws::connect(server.address, "/?name=alice").expect("it is there");
    let last = "最後の言葉 last words";
    said.push(("最後", say(&mut alice, "#one", last), last));
    kill(server);
    let server = scratch.start();
    find_all(&server, &said);
    stop(server);

    // The index may be deleted at any time.
    for name in ["search.db", "search.db-wal", "search.db-shm"] {
        let _ = fs::remove_file(scratch.data().join(name));
    }
    let server = scratch.start();
    find_all(&server, &said);
    stop(server);
}
