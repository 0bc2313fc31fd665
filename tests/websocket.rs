//! WebSocket, as a client that we did not write sees it, and lines beside it.

mod common;

use std::net::{SocketAddr, TcpStream};
use std::thread;

use serde_json::{Value, json};
use tungstenite::client::client;
use tungstenite::error::Error;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use common::{Client, DEADLINE, Server, program, raise_descriptor_limit, small_window_client};

/// A WebSocket client. Every call blocks, and fails the test after [`DEADLINE`].
struct Ws {
    socket: WebSocket<TcpStream>,
}

impl Ws {
    fn connect(address: SocketAddr, path: &str) -> Ws {
        Ws::request(address, path, None)
    }

    /// A client of the JSON dialect, and its welcome.
    fn json(address: SocketAddr, path: &str) -> (Ws, Value) {
        let mut ws = Ws::request(address, path, Some("chat.v1.json"));
        let welcome = ws.object();
        assert_eq!(welcome["type"], "welcome");
        (ws, welcome)
    }

    fn request(address: SocketAddr, path: &str, subprotocol: Option<&str>) -> Ws {
        let uri = format!("ws://{address}{path}").parse().expect("a URL");
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(subprotocol) = subprotocol {
            request = request.with_sub_protocol(subprotocol);
        }
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let (socket, _) = client(request, stream).expect("a handshake");
        Ws { socket }
    }

    fn send(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).expect("the server takes it");
    }

    fn send_frame(&mut self, opcode: OpCode, is_final: bool, payload: &[u8]) {
        self.send(Message::Frame(Frame::message(payload.to_vec(), opcode, is_final)));
    }

    fn next(&mut self) -> Message {
        self.socket.read().expect("a message")
    }

    #[track_caller]
    fn expect(&mut self, message: impl Into<Message>) {
        assert_eq!(self.next(), message.into());
    }

    fn text(&mut self) -> String {
        match self.next() {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("{other:?} instead of a text"),
        }
    }

    fn object(&mut self) -> Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    #[expect(clippy::needless_pass_by_value, reason = "calls read better with json!")]
    fn ask(&mut self, request: Value) {
        self.send(request.to_string());
    }

    /// Asks, and returns the next object, without what differs from run to run.
    fn answer(&mut self, request: Value) -> Value {
        self.ask(request);
        timeless(self.object())
    }

    fn join(&mut self, room: &str) -> Value {
        self.ask(json!({ "type": "join", "room": room }));
        self.until("joined")
    }

    /// The next object of this type; what comes before it is of no interest.
    fn until(&mut self, kind: &str) -> Value {
        loop {
            let object = self.object();
            if object["type"] == kind {
                return object;
            }
        }
    }

    /// The code that the server closes with; then the end, and nothing more.
    #[track_caller]
    fn close_code(&mut self) -> u16 {
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(1005, |frame| frame.code.into());
                    let end = self.socket.read();
                    assert!(matches!(end, Err(Error::ConnectionClosed)), "{end:?} after a Close");
                    return code;
                }
                Ok(_) => {}
                Err(error) => panic!("{error} before a Close"),
            }
        }
    }
}

/// Without the fields that differ from run to run.
fn timeless(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("time");
        if let Some(messages) = fields.get_mut("messages").and_then(Value::as_array_mut) {
            for message in messages {
                message.as_object_mut().expect("an object").remove("time");
            }
        }
    }
    object
}

fn chat(flags: &[&str]) -> Server {
    Server::start(&[&["--mode", "chat"], flags].concat())
}

/// Somebody at a terminal, in this room.
fn terminal(server: &Server, name: &str, room: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("/nick {name}\r\n/join {room}\r\n").as_bytes());
    while !String::from_utf8_lossy(&client.line()).contains(&format!("You are in #{room} now")) {}
    client
}

// ---- Echo and broadcast ----

#[test]
fn echo_brings_back_opcode_and_bytes_on_any_path() {
    let server = Server::start(&[]);
    for path in ["/", "/any/path?name=alice&room=dev", "/%E6%97%A5%E6%9C%AC"] {
        let mut ws = Ws::connect(server.address, path);
        for text in ["", "hello", "two\r\nlines\n", "日本語 🎈", "/help", "\u{0}\u{7f}\u{1b}[2J"]
        {
            ws.send(text);
            ws.expect(text);
        }
        for bytes in [0, 1, 125, 126, 65_535, 65_536] {
            let binary: Vec<u8> = (0..bytes).map(|i| (i * 7 % 256) as u8).collect();
            ws.send(binary.clone());
            ws.expect(binary);
        }
        ws.send(Message::Ping("are you there".into()));
        ws.expect(Message::Pong("are you there".into()));
        ws.socket
            .close(Some(CloseFrame { code: CloseCode::Library(3999), reason: "enough".into() }))
            .expect("a Close");
        assert_eq!(ws.close_code(), 3999);
    }
}

#[test]
fn fragments_become_one_message_and_control_frames_go_between() {
    let server = Server::start(&[]);
    let mut ws = Ws::connect(server.address, "/");
    let text = "ひらがな and 🎈".as_bytes();
    for split in 0..=text.len() {
        // In the middle of a character too.
        ws.send_frame(OpCode::Data(Data::Text), false, &text[..split]);
        ws.send(Message::Ping("between".into()));
        ws.expect(Message::Pong("between".into()));
        ws.send_frame(OpCode::Data(Data::Continue), false, b"");
        ws.send_frame(OpCode::Data(Data::Continue), true, &text[split..]);
        ws.expect("ひらがな and 🎈");
    }
    ws.send_frame(OpCode::Data(Data::Binary), false, &[0xFF]);
    ws.send_frame(OpCode::Data(Data::Continue), true, &[0xFE]);
    ws.expect(vec![0xFF, 0xFE]);
}

#[test]
fn broadcasts_cross_between_lines_and_frames() {
    let server = Server::start(&["--mode", "broadcast"]);
    let mut line = server.connect();
    line.expect_echo(b"the first line\n");
    let mut one = Ws::connect(server.address, "/somewhere");
    let mut two = Ws::connect(server.address, "/elsewhere");

    line.expect_echo(b"from a terminal\r\n");
    one.send("from a frame");
    line.expect(b"from a frame\n");
    line.expect_echo(b"not UTF-8: \xFE\xFD\n");
    two.send(vec![0, 159, 146]);
    line.expect(b"\0\x9F\x92\n");
    two.send("");
    line.expect(b"\n");
    for ws in [&mut one, &mut two] {
        ws.expect("from a terminal");
        ws.expect("from a frame");
        ws.expect(b"not UTF-8: \xFE\xFD".to_vec());
        ws.expect(vec![0, 159, 146]);
        ws.expect("");
    }
}

// ---- Chat in plain text ----

#[test]
fn plain_text_has_one_greeting_and_a_name_and_a_room_from_its_url() {
    let server = chat(&[]);
    let mut hanako = terminal(&server, "花子", "開発");
    let mut taro = Ws::connect(server.address, "/?name=%E5%A4%AA%E9%83%8E&room=%E9%96%8B%E7%99%BA");
    let greeting = taro.text();
    assert!(greeting.starts_with("* Welcome! You are 太郎 in #開発, with 1 other."), "{greeting}");
    hanako.expect("* 太郎 joined #開発.\r\n".as_bytes());
    taro.send("こんにちは");
    taro.expect("[#開発] 太郎: こんにちは");
    hanako.expect("[#開発] 太郎: こんにちは\r\n".as_bytes());
    hanako.send("はい\r\n".as_bytes());
    taro.expect("[#開発] 花子: はい");
    taro.send("/nick 次郎");
    taro.expect("* You are 次郎 now.");
    hanako.expect("* 太郎 is 次郎 now.\r\n".as_bytes());

    // A frame is a line, whatever is in it: this is no second command.
    taro.send("one\n/nick mallory");
    let said = taro.text();
    assert!(said.starts_with("[#開発] 次郎: one"), "{said}");
    assert!(!said.contains('\n'), "{said:?}");

    let mut second = Ws::connect(server.address, "/?name=%E6%AC%A1%E9%83%8E");
    let greeting = second.text();
    assert!(greeting.starts_with("* Welcome! You are guest"), "{greeting}");
    let complaint = second.text();
    assert!(complaint.starts_with("! The name 次郎 is taken."), "{complaint}");
}

// ---- Chat in JSON ----

#[test]
fn a_conversation_in_json() {
    let server = chat(&[]);
    let (mut alice, welcome) = Ws::json(server.address, "/?name=alice");
    assert_eq!(welcome["name"], "alice");
    assert_eq!(welcome["limits"]["message_bytes"], 65_536);
    assert!(welcome["epoch"].is_string() && welcome["time"].is_u64());
    assert_eq!(
        alice.answer(json!({ "type": "join", "room": "#dev", "ref": 1 })),
        json!({ "type": "joined", "room": "#dev", "name": "alice", "you": true, "position": 0, "gap": false, "members": 1,
                "topic": "", "ref": 1 }),
    );
    let (mut bob, _) = Ws::json(server.address, "/?name=bob");
    assert_eq!(bob.join("dev")["members"], 2);
    assert_eq!(
        timeless(alice.object()),
        json!({ "type": "joined", "room": "#dev", "name": "bob" })
    );

    let said = json!({ "type": "said", "room": "#dev", "id": 1, "name": "alice", "text": "<b>hi</b> \"all\"" });
    let mut own = said.clone();
    own["ref"] = json!("a");
    assert_eq!(
        alice.answer(json!({ "type": "say", "text": "<b>hi</b> \"all\"", "ref": "a" })),
        own
    );
    assert_eq!(timeless(bob.object()), said);
    let waves = json!({ "type": "said", "room": "#dev", "id": 2, "name": "bob", "text": "waves", "me": true, "ref": 7 });
    assert_eq!(
        bob.answer(json!({ "type": "me", "room": "#DEV", "text": "waves", "ref": 7 })),
        waves
    );
    assert_eq!(alice.until("said")["id"], 2);

    alice.ask(json!({ "type": "typing" }));
    assert_eq!(bob.object(), json!({ "type": "typing", "room": "#dev", "name": "alice" }));
    assert_eq!(
        bob.answer(json!({ "type": "topic", "text": "Rust", "ref": 8 })),
        json!({ "type": "topic", "room": "#dev", "topic": "Rust", "name": "bob", "ref": 8 }),
    );
    assert_eq!(alice.until("topic")["topic"], "Rust");
    assert_eq!(
        bob.answer(json!({ "type": "topic", "ref": 9 })),
        json!({ "type": "topic", "room": "#dev", "topic": "Rust", "ref": 9 }),
    );
    let direct = json!({
        "type": "direct", "from": "bob", "to": "alice", "text": "psst", "guest": true, "ref": 10
    });
    assert_eq!(
        bob.answer(json!({ "type": "msg", "to": "ALICE", "text": "psst", "ref": 10 })),
        direct
    );
    assert_eq!(alice.until("direct")["text"], "psst");

    assert_eq!(
        bob.answer(json!({ "type": "history", "before": 2, "ref": 11 })),
        json!({ "type": "history", "room": "#dev", "more": false, "ref": 11,
                "messages": [{ "id": 1, "name": "alice", "text": "<b>hi</b> \"all\"" }] }),
    );
    let newer = bob.answer(json!({ "type": "history", "after": 0, "limit": 1, "ref": 12 }));
    assert_eq!((&newer["more"], &newer["messages"][0]["id"]), (&json!(true), &json!(1)));
    let members = bob.answer(json!({ "type": "who", "ref": 13 }));
    assert_eq!(
        (&members["total"], members["members"].as_array().map(Vec::len)),
        (&json!(2), Some(2))
    );
    let rooms = bob.answer(json!({ "type": "rooms", "ref": 14 }));
    assert_eq!(rooms["rooms"], json!([{ "room": "#dev", "members": 2, "topic": "Rust" }]));
    assert_eq!(
        bob.answer(json!({ "type": "nick", "name": "robert", "ref": 15 })),
        json!({ "type": "renamed", "from": "bob", "to": "robert", "you": true, "ref": 15 }),
    );
    assert_eq!(alice.until("renamed")["to"], "robert");
    assert_eq!(
        bob.answer(json!({ "type": "leave", "ref": 16 })),
        json!({ "type": "left", "room": "#dev", "name": "robert", "you": true, "ref": 16 }),
    );
    assert_eq!(alice.until("left")["name"], "robert");
}

#[test]
fn errors_in_json_name_their_code_and_carry_the_reference() {
    let server = chat(&[]);
    let (mut alice, _) = Ws::json(server.address, "/?name=alice&room=dev");
    alice.until("joined");
    let (_bob, _) = Ws::json(server.address, "/?name=bob");
    for (request, code) in [
        (json!({ "type": "sing", "ref": 1 }), "unknown_type"),
        (json!({ "type": "say", "ref": 1 }), "missing_field"),
        (json!({ "type": "say", "text": "", "ref": 1 }), "text_empty"),
        (json!({ "type": "say", "room": "#ops", "text": "x", "ref": 1 }), "no_such_room"),
        (json!({ "type": "nick", "name": "BOB", "ref": 1 }), "name_taken"),
        (json!({ "type": "nick", "name": "a b\u{202e}", "ref": 1 }), "name_refused"),
        (json!({ "type": "join", "room": "# #", "ref": 1 }), "room_refused"),
        (json!({ "type": "msg", "to": "nobody", "text": "x", "ref": 1 }), "no_such_name"),
    ] {
        let error = alice.answer(request.clone());
        assert_eq!(error["type"], "error", "{request}: {error}");
        assert_eq!(
            (&error["code"], &error["ref"]),
            (&json!(code), &json!(1)),
            "{request}: {error}"
        );
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    }
    for (text, code) in
        [("{", "bad_json"), ("[]", "bad_json"), ("{\"type\":\"say\",\"text\":7}", "bad_field")]
    {
        alice.send(text);
        assert_eq!(alice.object()["code"], code, "{text}");
    }
    // None of it has hurt.
    assert_eq!(alice.answer(json!({ "type": "say", "text": "fine" }))["text"], "fine");
}

#[test]
fn who_resumes_misses_nothing_and_sees_nothing_twice_while_others_talk() {
    const MESSAGES: u64 = 3000;
    let server = chat(&["--rate-limit", "off", "--history-messages", "5000"]);
    let address = server.address;
    let (mut reader, welcome) = Ws::json(address, "/?name=reader");
    assert_eq!(reader.join("dev")["position"], 0);
    let epoch = welcome["epoch"].clone();
    let mut carol = terminal(&server, "carol", "dev");
    let talker = thread::spawn(move || {
        for number in 1..=MESSAGES {
            carol.send(format!("number {number}\r\n").as_bytes());
        }
        carol
    });
    let mut seen = 0;
    let mut cuts = 0;
    while seen < MESSAGES {
        // A different number each time, so that the cut comes at different places.
        let until = seen + 50 + 37 * (cuts % 5);
        while seen < until.min(MESSAGES) {
            let object = reader.object();
            let messages = match object["type"].as_str() {
                Some("said") => vec![object],
                Some("history") => object["messages"].as_array().expect("messages").clone(),
                _ => continue,
            };
            for message in messages {
                assert_eq!(message["id"], seen + 1, "in connection {cuts}");
                assert_eq!(message["text"], format!("number {}", seen + 1));
                seen += 1;
            }
        }
        drop(reader);
        (reader, _) = Ws::json(address, "/?name=reader");
        reader.ask(json!({ "type": "join", "room": "dev", "since": seen, "epoch": epoch }));
        let joined = reader.until("joined");
        assert_eq!(joined["gap"], false);
        assert!(joined["position"].as_u64() >= Some(seen), "{joined}");
        cuts += 1;
    }
    assert!(cuts >= 10, "{cuts} cuts");
    talker.join().expect("the talker");
}

#[test]
fn who_comes_back_to_many_rooms_at_once_gets_all_of_them() {
    const ROOMS: usize = 12;
    const MESSAGES: usize = 30;
    let server = chat(&["--rate-limit", "off"]);
    let (mut alice, welcome) = Ws::json(server.address, "/?name=alice");
    let long = "x".repeat(30_000);
    for room in 0..ROOMS {
        alice.join(&format!("r{room}"));
        for _ in 0..MESSAGES {
            assert_eq!(alice.answer(json!({ "type": "say", "text": long }))["type"], "said");
        }
    }
    // All of it together is more than a client may be owed at once.
    let (mut bob, _) = Ws::json(server.address, "/?name=bob");
    for room in 0..ROOMS {
        bob.ask(json!({ "type": "join", "room": format!("r{room}"), "since": 0, "epoch": welcome["epoch"] }));
    }
    for room in 0..ROOMS {
        assert_eq!(bob.until("joined")["room"], format!("#r{room}"));
        let mut messages = 0;
        while messages < MESSAGES {
            messages += bob.until("history")["messages"].as_array().map_or(0, Vec::len);
        }
        assert_eq!(messages, MESSAGES);
    }
}

#[test]
fn a_gap_is_told() {
    let server = chat(&["--rate-limit", "off", "--history-messages", "10"]);
    let address = server.address;
    let (mut alice, welcome) = Ws::json(address, "/?name=alice&room=dev");
    alice.until("joined");
    for number in 1..=20 {
        assert_eq!(
            alice.answer(json!({ "type": "say", "text": format!("number {number}") }))["id"],
            number
        );
    }
    let resume = |address: SocketAddr, since: u64, epoch: &Value| {
        let (mut ws, _) = Ws::json(address, "/");
        ws.ask(json!({ "type": "join", "room": "dev", "since": since, "epoch": epoch }));
        let joined = ws.until("joined");
        let position = joined["position"].as_u64().expect("a position");
        let replayed = match position > since || joined["gap"] == true {
            true if position > 0 => ws.until("history")["messages"][0]["id"].clone(),
            _ => Value::Null,
        };
        (joined["gap"].clone(), replayed)
    };
    // Kept are 11 to 20.
    let epoch = &welcome["epoch"];
    assert_eq!(resume(address, 5, epoch), (json!(true), json!(11)));
    assert_eq!(resume(address, 9, epoch), (json!(true), json!(11)));
    assert_eq!(resume(address, 10, epoch), (json!(false), json!(11)));
    assert_eq!(resume(address, 15, epoch), (json!(false), json!(16)));
    assert_eq!(resume(address, 20, epoch), (json!(false), Value::Null));
    assert_eq!(resume(address, 15, &json!("another")), (json!(true), json!(11)));
    assert_eq!(resume(address, 99, epoch).0, json!(true), "a place that never was");

    drop(server);
    let mut command = program();
    command.arg(address.to_string()).args(["--mode", "chat"]);
    let _server = Server::launch(command);
    let (mut alice, again) = Ws::json(address, "/?name=alice&room=dev");
    alice.until("joined");
    assert_ne!(&again["epoch"], epoch);
    assert_eq!(alice.answer(json!({ "type": "say", "text": "anew" }))["id"], 1);
    assert_eq!(resume(address, 20, epoch), (json!(true), json!(1)));
    assert_eq!(resume(address, 0, epoch).0, json!(true), "zero of another run");
}

#[test]
fn telnet_text_and_json_share_a_room() {
    let server = chat(&[]);
    let mut carol = terminal(&server, "carol", "mixed");
    let mut plain = Ws::connect(server.address, "/?name=paul&room=mixed");
    plain.text();
    let (mut alice, _) = Ws::json(server.address, "/?name=alice");
    alice.join("mixed");
    carol.expect(b"* paul joined #mixed.\r\n* alice joined #mixed.\r\n");
    plain.expect("* alice joined #mixed.");

    carol.send(b"from telnet\r\n");
    plain.expect("[#mixed] carol: from telnet");
    assert_eq!(alice.object()["text"], "from telnet");
    plain.send("/me waves");
    plain.expect("[#mixed] * paul waves");
    carol.expect(b"[#mixed] * paul waves\r\n");
    assert_eq!(alice.object()["me"], true);
    // Nobody is able to break another one's line, or to say what passes for another one's.
    alice.ask(json!({ "type": "say", "text": "two\r\n[#mixed] paul: lines \u{1b}[2J" }));
    carol.expect(b"[#mixed] alice: two\r\n| [#mixed] paul: lines [2J\r\n");
    plain.expect("[#mixed] alice: two\n| [#mixed] paul: lines [2J");
    plain.send("one\r\nline");
    carol.expect(b"[#mixed] paul: one line\r\n");
    plain.expect("[#mixed] paul: one line");
    carol.send(b"/quit bye\r\n");
    plain.expect("* carol left #mixed: bye");
    assert_eq!(alice.until("left")["reason"], "bye");
}

#[test]
fn two_thousand_clients_all_hear_it() {
    raise_descriptor_limit();
    let server = chat(&["--rate-limit", "off"]);
    let mut carol = terminal(&server, "carol", "big");
    let mut crowd: Vec<Ws> = (0..2000)
        .map(|number| match number % 2 {
            0 => Ws::json(server.address, &format!("/?name=j{number}&room=big")).0,
            _ => Ws::connect(server.address, &format!("/?name=p{number}&room=big")),
        })
        .collect();
    carol.send(b"to all of you\r\n");
    for (number, ws) in crowd.iter_mut().enumerate() {
        while !ws.text().contains("to all of you") {}
        assert!(ws.socket.can_read(), "client {number}");
    }
    // Each is heard by all as well: every hundredth says something, in whichever order.
    for number in (1..2000).step_by(100) {
        crowd[number].send(format!("I am {number}"));
    }
    for ws in &mut crowd {
        for number in (1..2000).step_by(100) {
            let text = ws.text();
            assert!(text.contains("I am "), "{number}: {text}");
        }
    }
}

// ---- Ends ----

#[test]
fn close_codes_say_why() {
    let server = chat(&[]);
    let connect = || {
        let mut ws = Ws::connect(server.address, "/");
        ws.text();
        ws
    };
    let mut quits = connect();
    quits.send("/quit");
    assert_eq!(quits.close_code(), 1000);
    let mut leaves = connect();
    leaves.socket.close(None).expect("a Close");
    assert_eq!(leaves.close_code(), 1005, "no code for no code");
    let mut continues = connect();
    continues.send_frame(OpCode::Data(Data::Continue), true, b"of nothing");
    assert_eq!(continues.close_code(), 1002);
    let mut binary = connect();
    binary.send(vec![1, 2, 3]);
    assert_eq!(binary.close_code(), 1003);
    let mut latin = connect();
    latin.send_frame(OpCode::Data(Data::Text), true, b"caf\xE9");
    assert_eq!(latin.close_code(), 1007);
    let mut long = connect();
    long.send("x".repeat(65_536));
    long.send("x".repeat(65_537));
    assert_eq!(long.close_code(), 1009);
    let mut fragments = connect();
    fragments.send_frame(OpCode::Data(Data::Text), false, &[b'x'; 65_000]);
    fragments.send_frame(OpCode::Data(Data::Continue), true, &[b'x'; 1000]);
    assert_eq!(fragments.close_code(), 1009);

    let mut stays = connect();
    let (mut json, _) = Ws::json(server.address, "/");
    server.signal("TERM");
    assert_eq!(stays.close_code(), 1001);
    assert_eq!(json.close_code(), 1001);
    assert!(server.finish().0.success());
}

#[test]
fn a_client_that_does_not_read_is_told_that_it_is_too_slow() {
    let server = Server::start(&["--mode", "broadcast"]);
    let mut slow = small_window_client(&server);
    upgrade(&mut slow, "");
    let mut talker = Ws::connect(server.address, "/");
    let mut listener = Ws::connect(server.address, "/");
    let message = vec![7; 60_000];
    let talking = thread::spawn(move || {
        // More than its outbox and the kernel take, and others go on talking after it is gone.
        for _ in 0..60 {
            talker.send(message.clone());
            talker.expect(message.clone());
        }
    });
    for _ in 0..60 {
        listener.expect(vec![7; 60_000]);
    }
    talking.join().expect("the talker");
    server.wait_for_line("too slow", |line| line.contains("too slow") || line.contains("not read"));
    // What it got are whole frames, and then the reason.
    loop {
        let (first, payload) = frame(&mut slow);
        if first == 0x88 {
            assert_eq!(payload[..2], 1013u16.to_be_bytes());
            break;
        }
        assert_eq!((first, payload.len()), (0x82, 60_000));
    }
    assert_eq!(slow.rest(), b"");
}

// ---- Compression, which tungstenite does not speak ----

/// Asks for an upgrade with more fields; returns the head of the answer.
fn upgrade(client: &mut Client, fields: &str) -> String {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    );
    client.send(request.as_bytes());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let line = client.line();
        assert!(!line.is_empty(), "the end after {head:?}");
        head.push_str(&String::from_utf8_lossy(&line));
    }
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    head
}

/// The first byte and the payload of the next frame.
fn frame(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.bytes(2);
    let length = match head[1] {
        126 => u16::from_be_bytes(client.bytes(2).try_into().expect("two")).into(),
        127 => u64::from_be_bytes(client.bytes(8).try_into().expect("eight")) as usize,
        length => length.into(),
    };
    (head[0], client.bytes(length))
}

/// A masked frame, with a mask that is not zero.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend((u16::try_from(long).expect("not longer")).to_be_bytes());
        }
    }
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn deflated(text: &str, window_bits: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * text.len() + 100);
    let mut stream =
        flate2::Compress::new_with_window_bits(flate2::Compression::best(), false, window_bits);
    stream.compress_vec(text.as_bytes(), &mut out, flate2::FlushCompress::Sync).expect("a stream");
    assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]));
    out.truncate(out.len() - 4);
    out
}

fn inflated(payload: &[u8]) -> String {
    let mut out = Vec::with_capacity(100_000);
    let input = [payload, &[0, 0, 0xFF, 0xFF]].concat();
    flate2::Decompress::new(false)
        .decompress_vec(&input, &mut out, flate2::FlushDecompress::None)
        .expect("a stream");
    String::from_utf8(out).expect("UTF-8")
}

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const COMPRESSED_TEXT: u8 = 0xC1;
const TEXT: u8 = 0x81;

#[test]
fn compression_is_used_where_both_want_it() {
    let server = Server::start(&["--compress", "--mode", "broadcast"]);
    let mut packed = server.connect();
    let head = upgrade(&mut packed, OFFER);
    assert!(head.contains("Sec-WebSocket-Extensions: permessage-deflate"), "{head}");
    assert!(
        head.contains("server_no_context_takeover") && head.contains("client_no_context_takeover"),
        "{head}"
    );
    let mut small = server.connect();
    let head = upgrade(
        &mut small,
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n",
    );
    assert!(head.contains("server_max_window_bits=9"), "{head}");
    let mut plain = Ws::connect(server.address, "/");

    let long = "all work and no play ".repeat(500);
    for window_bits in [9, 15] {
        packed.send(&masked(COMPRESSED_TEXT, &deflated(&long, window_bits)));
        let (first, payload) = frame(&mut packed);
        assert_eq!(first, COMPRESSED_TEXT);
        assert!(payload.len() < long.len() / 10, "{} bytes", payload.len());
        assert_eq!(inflated(&payload), long);
        plain.expect(long.as_str());
        // It could not look back far enough, so it gets the message as it is.
        assert_eq!(frame(&mut small), (TEXT, long.clone().into_bytes()));
    }
    small.send(&masked(COMPRESSED_TEXT, &deflated("short", 9)));
    for client in [&mut packed, &mut small] {
        assert_eq!(frame(client), (TEXT, b"short".to_vec()), "too short to pay");
    }
    plain.expect("short");

    // In fragments, the first of which alone says that it is compressed.
    let bytes = deflated(&long, 15);
    let (start, rest) = bytes.split_at(bytes.len() / 2);
    packed.send(&masked(0x41, start));
    packed.send(&masked(0x80, rest));
    assert_eq!(inflated(&frame(&mut packed).1), long);
    packed.send(&masked(COMPRESSED_TEXT, b"\xFF\xFF\xFF"));
    while frame(&mut packed)
        != (
            0x88,
            [&1007u16.to_be_bytes()[..], b"compressed message that can not be inflated"].concat(),
        )
    {}
}

#[test]
fn a_message_that_inflates_past_the_limit_is_refused() {
    let server = Server::start(&["--compress"]);
    let mut bomb = server.connect();
    upgrade(&mut bomb, OFFER);
    bomb.send(&masked(COMPRESSED_TEXT, &deflated(&"x".repeat(65_536), 15)));
    assert_eq!(inflated(&frame(&mut bomb).1).len(), 65_536);
    bomb.send(&masked(COMPRESSED_TEXT, &deflated(&"x".repeat(65_537), 15)));
    assert_eq!(frame(&mut bomb).1[..2], 1009u16.to_be_bytes());
}

#[test]
fn compression_is_off_by_default() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let head = upgrade(&mut client, OFFER);
    assert!(!head.contains("Sec-WebSocket-Extensions"), "{head}");
    client.send(&masked(COMPRESSED_TEXT, &deflated("text", 15)));
    assert_eq!(frame(&mut client).1[..2], 1002u16.to_be_bytes());
}

#[test]
fn a_program_gets_all_that_it_missed_in_frames_of_a_quarter_mib() {
    let server = Server::start(&["--mode", "chat", "--rate-limit", "off"]);
    let (mut talker, _) = Ws::json(server.address, "/?name=talker&room=logs");
    let line =
        r#"{"level":"info","msg":"request served","path":"/api","status":200,"ids":["a","b"]},"#
            .repeat(800);
    for i in 0..16 {
        let text = format!("{i} {}", &line[..45_000]);
        talker.send(json!({"type": "say", "text": text, "ref": i}).to_string());
        while talker.object()["ref"] != i {}
    }
    let (mut program, welcome) = Ws::json(server.address, "/");
    program.send(
        json!({"type": "join", "room": "logs", "since": 0, "epoch": welcome["epoch"]}).to_string(),
    );
    assert_eq!(program.object()["position"], 16);
    let mut ids = Vec::new();
    while ids.last() != Some(&16) {
        let frame = program.next().into_text().expect("text");
        assert!(frame.len() <= 256 * 1024, "{} bytes", frame.len());
        let page: Value = serde_json::from_str(&frame).expect("an object");
        let messages = page["messages"].as_array().expect("messages");
        ids.extend(messages.iter().map(|message| message["id"].as_u64().expect("an id")));
    }
    assert_eq!(ids, (1..=16).collect::<Vec<_>>());
}
