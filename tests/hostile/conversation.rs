//! Honest people who talk all through an attack: one with lines, one with WebSocket text, one with
//! JSON.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::client;
use tungstenite::protocol::Role;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use crate::common::{Client, DEADLINE};

/// Where they talk. An attacker that is to disturb them more closely can join.
pub const ROOM: &str = "#talk";
/// In the order in which they take turns.
pub const NAMES: [&str; 3] = ["ann", "ben", "cat"];
/// The one who speaks lines: her terminal shows what she types, so it does not come back to her.
const ANN: usize = 0;
/// Between two messages: each of the three stays under the five a second that flood control allows.
const PAUSE: Duration = Duration::from_millis(70);

/// What became of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Each of them reached everybody, once and in order.
    pub messages: u64,
    /// From saying it until the last of them had it.
    pub worst: Duration,
    /// When that one was said.
    pub worst_at: Instant,
}

/// Three people who talk until they are stopped. Each message is said when the one before has
/// reached everybody.
pub struct Conversation {
    stop: Arc<AtomicBool>,
    talk: JoinHandle<Report>,
}

/// Somebody has heard a message; or could not, for this reason.
type Heard = Result<(usize, u64, Instant), String>;

impl Conversation {
    pub fn begin(address: SocketAddr) -> Conversation {
        let (tell, heard) = channel();
        let mouths = [ann(address, tell.clone()), ben(address, tell.clone()), cat(address, tell)];
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let talk = thread::spawn(move || talk(mouths, &heard, &stopped));
        Conversation { stop, talk }
    }

    /// Whether something was lost, doubled, out of order or hopelessly late; [`Conversation::end`]
    /// says what.
    pub fn is_broken(&self) -> bool {
        self.talk.is_finished()
    }

    /// Lets them finish the message that is under way.
    ///
    /// # Panics
    /// If anything was lost, doubled or out of order.
    pub fn end(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.talk.join().unwrap_or_else(|_| panic!("the conversation broke"))
    }
}

fn talk(mut mouths: [Mouth; 3], heard: &Receiver<Heard>, stop: &AtomicBool) -> Report {
    let mut report = Report { messages: 0, worst: Duration::ZERO, worst_at: Instant::now() };
    while !stop.load(Ordering::Relaxed) {
        let number = report.messages;
        let speaker = speaker_of(number);
        let said = Instant::now();
        mouths[speaker].say(number);
        let hearers = (0..NAMES.len()).filter(|&who| hears(who, number)).count();
        for _ in 0..hearers {
            let told = heard
                .recv_timeout(DEADLINE)
                .map_err(|error| format!("{error} for message {number}"));
            let (who, which, at) =
                told.and_then(|told| told).unwrap_or_else(|trouble| panic!("{trouble}"));
            assert_eq!(which, number, "{} is ahead of the others", NAMES[who]);
            let took = at.saturating_duration_since(said);
            if took > report.worst {
                (report.worst, report.worst_at) = (took, said);
            }
        }
        report.messages += 1;
        thread::sleep(PAUSE);
    }
    for mouth in &mouths {
        mouth.close();
    }
    assert!(heard.iter().all(|told| told.is_err()), "something came twice");
    report
}

fn speaker_of(number: u64) -> usize {
    (number % NAMES.len() as u64) as usize
}

fn hears(who: usize, number: u64) -> bool {
    who != ANN || speaker_of(number) != ANN
}

/// What one of them speaks with.
enum Mouth {
    Lines(Client),
    Text(WebSocket<TcpStream>),
    Json(WebSocket<TcpStream>),
}

impl Mouth {
    fn say(&mut self, number: u64) {
        let text = format!("talk {number}");
        match self {
            Mouth::Lines(client) => client.send(format!("{text}\r\n").as_bytes()),
            Mouth::Text(socket) => socket.send(Message::text(text)).expect("the server takes it"),
            Mouth::Json(socket) => {
                let say = json!({ "type": "say", "room": ROOM, "text": text, "ref": number });
                socket.send(Message::text(say.to_string())).expect("the server takes it");
            }
        }
    }

    fn close(&self) {
        let _ = match self {
            Mouth::Lines(client) => client.writer().shutdown(Shutdown::Both),
            Mouth::Text(socket) | Mouth::Json(socket) => socket.get_ref().shutdown(Shutdown::Both),
        };
    }
}

/// Holds what one of them hears to what it has to hear.
struct Ear {
    who: usize,
    next: u64,
    tell: Sender<Heard>,
}

impl Ear {
    /// Takes a message of the room; what attackers say there is no matter.
    fn hear(&mut self, name: &str, text: &str) {
        let Some(speaker) = NAMES.iter().position(|known| *known == name) else { return };
        while !hears(self.who, self.next) {
            self.next += 1;
        }
        let heard = match text.strip_prefix("talk ").and_then(|number| number.parse().ok()) {
            Some(number) if number == self.next && speaker == speaker_of(number) => {
                Ok((self.who, number, Instant::now()))
            }
            _ => Err(format!(
                "{} heard {name} say {text:?} instead of message {}",
                NAMES[self.who], self.next
            )),
        };
        self.next += 1;
        let _ = self.tell.send(heard);
    }

    /// Takes a line for people.
    fn hear_line(&mut self, line: &str) {
        assert_harmless(line);
        let said = line
            .strip_prefix('[')
            .and_then(|line| line.strip_prefix(ROOM)?.strip_prefix("] ")?.split_once(": "));
        if let Some((name, text)) = said {
            self.hear(name, text);
        }
    }

    fn end(self, why: &str) {
        let _ = self.tell.send(Err(format!("{} was cut off: {why}", NAMES[self.who])));
    }
}

/// Nothing in a line for people acts on a terminal or reaches beyond the line.
pub fn assert_harmless(line: &str) {
    let harm =
        |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    assert!(!line.contains(harm), "{line:?} would act on a terminal");
}

fn ann(address: SocketAddr, tell: Sender<Heard>) -> Mouth {
    let mut client = Client::over(TcpStream::connect(address).expect("a connection"));
    client.send(format!("/nick {}\r\n/join {ROOM}\r\n", NAMES[ANN]).as_bytes());
    let mouth = Client::over(client.writer());
    let mut line = || {
        client
            .try_line()
            .map(|line| String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned())
    };
    while line().expect("an answer") != format!("* You are in {ROOM} now, with nobody else.") {}
    let mut ear = Ear { who: ANN, next: 0, tell };
    thread::spawn(move || {
        loop {
            match client.try_line() {
                Ok(line) if line.ends_with(b"\r\n") => {
                    ear.hear_line(
                        str::from_utf8(&line[..line.len() - 2]).expect("lines are UTF-8"),
                    );
                }
                Ok(line) => return ear.end(&format!("after {line:?}")),
                Err(error) => return ear.end(&error.to_string()),
            }
        }
    });
    Mouth::Lines(mouth)
}

fn ben(address: SocketAddr, tell: Sender<Heard>) -> Mouth {
    let mut socket = connect(address, &format!("/?name={}&room=talk", NAMES[1]), None);
    let mouth = WebSocket::from_raw_socket(second_handle(&socket), Role::Client, None);
    while !text(&mut socket).expect("a greeting").starts_with("* Welcome!") {}
    let mut ear = Ear { who: 1, next: 0, tell };
    thread::spawn(move || {
        loop {
            match text(&mut socket) {
                Ok(line) => ear.hear_line(&line),
                Err(error) => return ear.end(&error.to_string()),
            }
        }
    });
    Mouth::Text(mouth)
}

fn cat(address: SocketAddr, tell: Sender<Heard>) -> Mouth {
    let mut socket =
        connect(address, &format!("/?name={}&room=talk", NAMES[2]), Some("chat.v1.json"));
    let mouth = WebSocket::from_raw_socket(second_handle(&socket), Role::Client, None);
    let object = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    while object(text(&mut socket).expect("a welcome"))["type"] != "joined" {}
    let mut ear = Ear { who: 2, next: 0, tell };
    thread::spawn(move || {
        loop {
            match text(&mut socket).map(object) {
                Ok(said) if said["type"] == "said" && said["room"] == ROOM => {
                    let field = |name: &str| said[name].as_str().expect("a string");
                    assert_harmless(field("text"));
                    ear.hear(field("name"), field("text"));
                }
                Ok(_) => {}
                Err(error) => return ear.end(&error.to_string()),
            }
        }
    });
    Mouth::Json(mouth)
}

fn second_handle(socket: &WebSocket<TcpStream>) -> TcpStream {
    socket.get_ref().try_clone().expect("a second handle")
}

/// A WebSocket client that blocks, with a deadline.
pub fn connect(address: SocketAddr, path: &str, subprotocol: Option<&str>) -> WebSocket<TcpStream> {
    let mut request =
        ClientRequestBuilder::new(format!("ws://{address}{path}").parse().expect("a URL"));
    if let Some(subprotocol) = subprotocol {
        request = request.with_sub_protocol(subprotocol);
    }
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
    client(request, stream).expect("a handshake").0
}

/// The next text of a WebSocket client.
///
/// # Errors
/// Whatever ends the connection, an orderly Close included.
pub fn text(socket: &mut WebSocket<TcpStream>) -> Result<String, tungstenite::Error> {
    loop {
        if let Message::Text(text) = socket.read()? {
            return Ok(text.as_str().to_owned());
        }
    }
}
