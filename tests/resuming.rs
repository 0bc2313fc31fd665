//! Guests who come back, through the real program: after a reload, by another connection while the
//! first one is not known to be dead, and after the server was killed or stopped.

mod common;

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;

use serde_json::{Value, json};
use tungstenite::client::client;
use tungstenite::error::Error;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use common::{Client, DEADLINE, Server, eventually, program};

/// A directory of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let name = format!("chat-server-resuming-{test}-{}", std::process::id());
        let directory = env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a directory");
        Scratch(directory)
    }

    fn start(&self) -> Server {
        let mut command = program();
        command.args(["127.0.0.1:0", "--mode", "chat", "--data"]).arg(self.0.join("data"));
        Server::launch(command)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program, or the page.
struct Program(WebSocket<TcpStream>);

impl Program {
    /// What it says of itself is its URL's query. Returns its welcome, too.
    fn try_new(server: &Server, query: &str) -> Result<(Program, Value), Box<Error>> {
        let stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let uri = format!("ws://{}/?{query}", server.address).parse().expect("an address");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("chat.v1.json");
        let (socket, _) = client(request, stream).map_err(|error| match error {
            tungstenite::HandshakeError::Failure(error) => Box::new(error),
            tungstenite::HandshakeError::Interrupted(_) => panic!("it takes too long"),
        })?;
        let mut program = Program(socket);
        let welcome = program.next();
        assert_eq!(welcome["type"], "welcome");
        Ok((program, welcome))
    }

    fn new(server: &Server, query: &str) -> (Program, Value) {
        Program::try_new(server, query).expect("a WebSocket")
    }

    fn next(&mut self) -> Value {
        let message = self.0.read().expect("an object");
        serde_json::from_slice(&message.into_data()).expect("JSON")
    }

    fn send(&mut self, request: &Value) {
        self.0.send(Message::text(request.to_string())).expect("it is sent");
    }

    /// Closes its connection with this code, as a browser does with 1001.
    fn close(mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        self.0.close(Some(frame)).expect("it is sent");
        while self.0.read().is_ok() {}
    }

    /// The code with which the server closes it.
    fn closed_with(&mut self) -> Option<u16> {
        loop {
            match self.0.read().expect("a Close frame") {
                Message::Close(frame) => return frame.map(|frame| frame.code.into()),
                _ => continue,
            }
        }
    }
}

fn token(welcome: &Value) -> String {
    welcome["resume"].as_str().expect("a token").to_owned()
}

/// The names of a welcome's fields.
fn fields(welcome: &Value) -> Vec<&str> {
    welcome.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The next line of a terminal.
fn line(client: &mut Client) -> String {
    String::from_utf8_lossy(&client.line()).trim_end().to_owned()
}

fn ann(server: &Server) -> Client {
    let mut ann = server.connect();
    ann.send(b"/nick ann\r\n");
    while line(&mut ann) != "* You are ann now." {}
    ann
}

#[test]
fn a_page_that_is_loaded_anew_is_who_and_where_it_was_and_nobody_is_told() {
    let server = Server::start(&["--mode", "chat", "--data", "none"]);
    let mut ann = ann(&server);
    let (mut page, welcome) = Program::new(&server, "name=web&room=lobby&resume=");
    assert_eq!((&welcome["name"], welcome.get("resumed")), (&json!("web"), None));
    assert_eq!(page.next()["type"], "joined");
    assert_eq!(line(&mut ann), "* web joined #lobby.");
    let mut token = self::token(&welcome);
    for round in 0..3 {
        match round {
            // It is loaded anew.
            0 => page.close(1001),
            // Its line is dead and nobody knows.
            1 => {}
            _ => drop(page),
        }
        let (mut back, welcome) = Program::new(&server, &format!("resume={token}"));
        assert_eq!((&welcome["name"], &welcome["resumed"]), (&json!("web"), &json!(true)));
        assert_ne!(self::token(&welcome), token, "another one at each use");
        token = self::token(&welcome);
        let joined = back.next();
        assert_eq!((&joined["room"], &joined["you"]), (&json!("#lobby"), &json!(true)));
        back.send(&json!({ "type": "say", "text": format!("round {round}") }));
        assert_eq!(line(&mut ann), format!("[#lobby] web: round {round}"));
        assert_eq!(back.next()["type"], "said");
        page = back;
    }
    page.close(1000);
    assert_eq!(line(&mut ann), "* web left #lobby.");
}

#[test]
fn the_connection_before_is_ended_with_a_code_of_its_own() {
    let server = Server::start(&["--mode", "chat", "--data", "none"]);
    let (mut first, welcome) = Program::new(&server, "name=web&resume=");
    let (mut second, _) = Program::new(&server, &format!("resume={}", token(&welcome)));
    assert_eq!(first.closed_with(), Some(4000));
    second.send(&json!({ "type": "nick", "name": "robin" }));
    assert_eq!(second.next()["from"], "web");
}

#[test]
fn without_asking_for_it_nothing_is_different() {
    let server = Server::start(&["--mode", "chat", "--data", "none"]);
    let (program, welcome) = Program::new(&server, "name=web");
    let before = ["accounts", "epoch", "limits", "name", "server", "time", "type"];
    assert_eq!(fields(&welcome), before);
    program.close(1001);
    let (_other, welcome) = Program::new(&server, "name=web");
    assert_eq!((fields(&welcome), &welcome["name"]), (before.to_vec(), &json!("web")));
    let refused = Program::try_new(&server, "resume=%ff").map(|_| ()).expect_err("no WebSocket");
    assert!(matches!(*refused, Error::Http(response) if response.status() == 400));
}

#[test]
fn tokens_that_nobody_has_are_looked_up_only_so_often() {
    let server = Server::start(&["--mode", "chat", "--data", "none"]);
    let (mut page, welcome) = Program::new(&server, "name=web&resume=");
    let own = token(&welcome);
    for _ in 0..20 {
        let (_, welcome) = Program::new(&server, "resume=cst_x");
        assert_eq!(welcome.get("resumed"), None);
    }
    let (mut late, welcome) = Program::new(&server, &format!("resume={own}"));
    assert_eq!(welcome["name"].as_str().map(|name| name.starts_with("guest-")), Some(true));
    assert_eq!(late.next()["code"], "too_many_attempts");
    page.send(&json!({ "type": "nick", "name": "robin" }));
    assert_eq!(page.next()["from"], "web", "it is still connected");
    // One is looked up in two seconds.
    let resumed = eventually("it is looked up", || {
        let (_, welcome) = Program::new(&server, &format!("resume={own}"));
        welcome.get("resumed").map(|_| welcome["name"].clone())
    });
    assert_eq!((resumed, page.closed_with()), (json!("robin"), Some(4000)));
}

#[test]
fn after_a_crash_and_a_stop_a_guest_has_its_name_again_and_says_nothing_twice() {
    let scratch = Scratch::new("restart");
    let (mut token, mut epoch) = (String::new(), Value::Null);
    for (round, signal) in ["KILL", "TERM", "KILL"].into_iter().enumerate() {
        let server = scratch.start();
        let (mut page, welcome) = Program::new(&server, &format!("resume={token}"));
        token = self::token(&welcome);
        if round == 0 {
            epoch = welcome["epoch"].clone();
            page.send(&json!({ "type": "nick", "name": "web" }));
            assert_eq!(page.next()["to"], "web");
        } else {
            assert_eq!((&welcome["name"], &welcome["epoch"]), (&json!("web"), &epoch));
        }
        page.send(&json!({ "type": "join", "room": "dev", "since": 0, "epoch": epoch }));
        while page.next()["type"] != if round == 0 { "joined" } else { "history" } {}
        page.send(&json!({ "type": "say", "text": "once", "key": "of this message" }));
        let said = page.next();
        assert_eq!((&said["id"], &said["name"]), (&json!(1), &json!("web")));
        match signal {
            "TERM" => {
                server.signal("TERM");
                assert_eq!(page.closed_with(), Some(1001));
                drop(page);
                assert!(server.finish().0.success());
            }
            // Dropped is killed.
            _ => drop(server),
        }
    }
}
