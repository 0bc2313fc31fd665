//! Accounts, through the real program: how people come to have one, what of it outlives the server,
//! and what those who guess, flood and listen get of it.

mod common;

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::client;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use common::{Client, DEADLINE, HIDES, Server, program};

/// What somebody at a terminal is sent behind a secret: IAC WONT ECHO.
const SHOWS: &[u8] = &[255, 252, 1];

// ---- Stage ----

/// A directory of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chat-server-accounts-{}-{number}", std::process::id());
        let directory = env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a directory");
        Scratch(directory)
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = program();
        command.args(["127.0.0.1:0", "--mode", "chat"]).args(flags);
        command.arg("--data").arg(self.0.join("data"));
        command
    }

    fn start(&self, flags: &[&str]) -> Server {
        Server::launch(self.command(flags))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn owner_code(server: &Server) -> String {
    let line = server.wait_for_line("the owner's link", |line| line.contains("#setup="));
    let (_, code) = line.split_once("#setup=").expect("a code");
    code[..14].to_owned()
}

fn register(client: &mut Client, code: &str, name: &str, password: &str) {
    client.ask(&format!("/register {code} {name}"), "A password for");
    client.ask(password, &format!("You are logged in as {name}"));
}

/// A program.
struct Program(WebSocket<TcpStream>);

impl Program {
    fn try_new(server: &Server, fields: &[(&str, &str)]) -> Result<Program, String> {
        let stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let uri = format!("ws://{}/", server.address).parse().expect("an address");
        let mut request = ClientRequestBuilder::new(uri).with_sub_protocol("chat.v1.json");
        for (name, value) in fields {
            request = request.with_header(*name, *value);
        }
        let (socket, _) = client(request, stream).map_err(|error| error.to_string())?;
        Ok(Program(socket))
    }

    fn new(server: &Server, fields: &[(&str, &str)]) -> Program {
        Program::try_new(server, fields).expect("a WebSocket")
    }

    fn send(&mut self, request: &Value) {
        self.0.send(Message::text(request.to_string())).expect("it is sent");
    }

    /// The next object of this type.
    #[track_caller]
    fn next(&mut self, kind: &str) -> Value {
        for _ in 0..50 {
            let message = self.0.read().expect("an object");
            let object: Value = serde_json::from_slice(&message.into_data()).expect("JSON");
            if object["type"] == kind {
                return object;
            }
        }
        panic!("no {kind} is told");
    }

    fn ask(&mut self, request: &Value, kind: &str) -> Value {
        self.send(request);
        self.next(kind)
    }
}

/// Asks for something by HTTP; the status and the head of the response.
fn http(server: &Server, method: &str, path: &str, fields: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let host = server.address;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: 0\r\nConnection: \
         close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a response");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {answer}")), answer)
}

// ---- Coming to have one ----

#[test]
fn the_first_owner_comes_by_the_link_in_the_log_and_the_next_by_the_command() {
    let scratch = Scratch::new();
    let server = scratch.start(&[]);
    let code = owner_code(&server);
    let mut alice = server.connect();
    register(&mut alice, &code, "alice", "correct horse");
    let mut bob = server.connect();
    bob.ask(&format!("/register {code} bob"), "A password for");
    bob.ask("battery staple", "! This code is not known");
    let mut command = program();
    let made = command.args(["owner", "--data"]).arg(scratch.0.join("data")).output();
    let made = String::from_utf8(made.expect("it runs").stdout).expect("UTF-8");
    let (page, code) = made.trim_end().split_once("#setup=").expect("a link");
    assert_eq!(page, format!("http://{}/", server.address));
    register(&mut bob, code, "bob", "battery staple");
    assert!(bob.ask("/account", "logged in as").contains("owner of this server"));
    drop(server);
    // Somebody owns it: no link any more.
    let server = scratch.start(&[]);
    server.connect().enter();
    assert!(!server.log().iter().any(|line| line.contains("#setup=")), "{:?}", server.log());
}

#[test]
fn a_secret_is_hidden_as_it_is_typed() {
    let scratch = Scratch::new();
    let server = scratch.start(&["--registration", "open"]);
    let mut alice = server.connect();
    alice.send(b"/register alice\r\n");
    let mut told = Vec::new();
    while !told.ends_with(b"stops):\r\n") {
        told.extend(alice.line());
    }
    alice.send(b"\xff\xfd\x01correct horse\r\n");
    alice.send(b"/who\r\n");
    while !told.ends_with(b"* 1 in #lobby: alice\r\n") {
        told.extend(alice.line());
    }
    let has = |bytes: &[u8]| told.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(HIDES), "{told:?}");
    assert!(has(b"You are logged in as alice") && has(SHOWS), "{told:?}");
    assert!(!has(b"horse"), "{told:?}");
}

/// Also where the line comes key by key.
#[test]
fn who_logs_in_with_the_first_line_is_no_guest_before() {
    let scratch = Scratch::new();
    let server = scratch.start(&[]);
    let mut alice = server.connect();
    register(&mut alice, &owner_code(&server), "alice", "correct horse");
    alice.ask("/join #dev", "You are in #dev");
    alice.ask("/leave #lobby", "You left #lobby");
    let mut bob = server.connect();
    bob.enter();
    let mut again = server.connect();
    for key in b"/login alice\r\n" {
        again.send(&[*key]);
    }
    again.until("Password of alice");
    let told = again.ask("correct horse", "You are logged in as alice");
    assert!(told.ends_with(" in #dev, #staff-log."), "{told}");
    let listed = again.ask("/sessions", "this one");
    assert!(listed.starts_with("*   c"), "{listed}");
    // Nobody was told of anybody.
    bob.send(b"/who\r\n");
    assert_eq!(bob.told(), "* 1 in #lobby: guest-2");
}

// ---- What stays ----

#[test]
fn what_was_told_of_accounts_outlives_a_kill() {
    let scratch = Scratch::new();
    let server = scratch.start(&[]);
    let code = owner_code(&server);
    let mut alice = server.connect();
    register(&mut alice, &code, "alice", "correct horse");
    alice.ask("/join #dev", "You are in #dev");
    alice.ask("hello from here", "Nobody else is in #dev");
    let token = alice.ask("/token a bot", "shown only once");
    let token = token.rsplit(' ').next().expect("a token").to_owned();
    let ended = alice.ask("/token gone", "shown only once");
    let ended = ended.rsplit(' ').next().expect("a token").to_owned();
    alice.ask("/sessions end 2", "Session 2 has ended");
    let code = alice.ask("/invite 2", "Invitation 1");
    let code = code.rsplit(' ').next().expect("a code").to_owned();
    let mut bob = server.connect();
    register(&mut bob, &code, "bob", "battery staple");
    bob.ask("/password", "Your password");
    bob.ask("battery staple", "The new password");
    bob.ask("staple battery", "another one now");
    bob.ask("/nick robert", "You are robert now");
    let mut carol = server.connect();
    register(&mut carol, &code, "carol", "correct staple");
    carol.ask("/delete-account", "Your password");
    carol.ask("correct staple", "Your account is gone");
    server.signal("KILL");
    drop(server);

    let server = scratch.start(&[]);
    let bearer = format!("Bearer {token}");
    let mut program = Program::new(&server, &[("Authorization", &bearer)]);
    let welcome = program.next("welcome");
    assert_eq!((&welcome["name"], &welcome["role"]), (&json!("alice"), &json!("owner")));
    // The staff's room, too: she owns the server.
    let rooms = [(); 3].map(|()| program.next("joined")["room"].clone());
    for room in ["#lobby", "#dev", "#staff-log"] {
        assert!(rooms.contains(&json!(room)), "{room}: {rooms:?}");
    }
    let history = program.ask(&json!({ "type": "history", "room": "#dev" }), "history");
    assert_eq!(history["messages"][0]["text"], "hello from here");
    let bearer = format!("Bearer {ended}");
    let mut program = Program::new(&server, &[("Authorization", &bearer)]);
    assert_eq!(program.next("error")["code"], "session_ended");
    let mut guest = server.connect();
    guest.ask("/login robert", "Password of robert");
    guest.ask("battery staple", "! The name or the password is wrong");
    guest.ask("/nick bob", "! The name bob was somebody's");
    guest.ask("/nick carol", "! The name carol was somebody's");
    guest.ask(&format!("/register {code} dave"), "A password for");
    guest.ask("a long password", "! This code is not known");
    guest.ask("/login robert", "Password of robert");
    guest.ask("staple battery", "You are logged in as robert");
}

/// Who has a phone takes it off the screen; what reads lines from a WebSocket is a program.
#[test]
fn an_invitation_with_a_link_can_be_scanned_off_a_terminal() {
    let scratch = Scratch::new();
    let server = scratch.start(&["--public-url", "https://chat.example.com/"]);
    let mut alice = server.connect();
    register(&mut alice, &owner_code(&server), "alice", "correct horse");
    let code = alice.ask("/invite", "Invitation 1");
    let code = code.rsplit(' ').next().expect("a code").to_owned();
    let link = alice.ask("", "*   https://");
    assert_eq!(link, format!("*   https://chat.example.com/#invite={code}"));
    let mut rows = (0..19).map(|_| String::from_utf8(alice.line()).expect("UTF-8"));
    assert!(rows.all(|row| {
        let blocks = row.trim_end().strip_prefix("*   ");
        blocks.is_some_and(|row| row.chars().count() == 37 && row.starts_with("████"))
    }));
    alice.ask("/account", "You are logged in as alice");
}

/// What a kill may take is what was read in the last two seconds, and what an orderly end may is
/// nothing.
#[test]
fn what_is_unread_is_exact_after_every_end() {
    let scratch = Scratch::new();
    let flags = ["--registration", "open"];
    let mut server = scratch.start(&flags);
    let mut alice = server.connect();
    alice.ask("/register alice", "A password for");
    alice.ask("correct horse", "You are logged in as alice");
    let token = alice.ask("/token a bot", "shown only once");
    let bearer = format!("Bearer {}", token.rsplit(' ').next().expect("a token"));
    drop(alice);
    let read = |id: u64| json!({ "type": "read", "room": "#lobby", "id": id });
    for (at, end) in ["KILL", "TERM", "KILL"].into_iter().enumerate() {
        let last = 3 * at as u64;
        let mut program = Program::new(&server, &[("Authorization", &bearer)]);
        program.next("joined");
        let mut bob = server.connect();
        bob.enter();
        for text in ["@alice one", "two", "@all three"] {
            bob.send(format!("{text}\r\n").as_bytes());
            program.next("said");
        }
        assert_eq!(program.ask(&read(last + 1), "read")["unread"], 2);
        thread::sleep(Duration::from_millis(2500));
        assert_eq!(program.ask(&read(last + 2), "read")["mentions"], 1);
        if end == "KILL" {
            server.signal("KILL");
            drop(server);
        } else {
            server.signal("TERM");
            server.finish();
        }
        server = scratch.start(&flags);
        let mut program = Program::new(&server, &[("Authorization", &bearer)]);
        let joined = program.next("joined");
        let now = joined["read"].as_u64().expect("a number");
        assert!((last + 1..=last + 2).contains(&now), "{joined}");
        assert!(end == "KILL" || now == last + 2, "{joined}");
        assert_eq!((&joined["position"], &joined["mentions"]), (&json!(last + 3), &json!(1)));
        assert_eq!(joined["unread"], last + 3 - now);
        program.ask(&read(last + 3), "read");
    }
}

// ---- The page's cookie ----

#[test]
fn a_page_is_known_by_its_cookie_and_no_other_page_can_use_it() {
    let scratch = Scratch::new();
    let server = scratch.start(&["--registration", "open"]);
    let own = format!("http://{}", server.address);
    let mut page = Program::new(&server, &[("Origin", &own)]);
    let register = json!({ "type": "register", "name": "alice", "password": "correct horse" });
    assert_eq!(page.ask(&register, "account")["role"], "member");
    let code = page.ask(&json!({ "type": "cookie" }), "cookie")["code"].clone();
    let code = code.as_str().expect("a code");
    let field = |origin: &str| format!("Authorization: Bearer {code}\r\nOrigin: {origin}\r\n");
    let (foreign, _) = http(&server, "POST", "/session", &field("http://evil.example"));
    assert_eq!(foreign, 403);
    let without = format!("Authorization: Bearer {code}\r\n");
    assert_eq!(http(&server, "POST", "/session", &without).0, 403);
    let (status, head) = http(&server, "POST", "/session", &field(&own));
    assert_eq!(status, 204, "{head}");
    assert!(head.contains("HttpOnly") && head.contains("SameSite=Strict"), "{head}");
    let (_, cookie) = head.split_once("Set-Cookie: ").expect("a cookie");
    let cookie = cookie.split(';').next().expect("its value").to_owned();
    assert_eq!(http(&server, "POST", "/session", &field(&own)).0, 403, "once");

    let mut other_tab = Program::new(&server, &[("Origin", &own), ("Cookie", &cookie)]);
    assert_eq!(other_tab.next("welcome")["name"], "alice");
    for origin in [&[("Cookie", cookie.as_str())][..], &[("Cookie", &cookie), ("Origin", "null")]] {
        let error = Program::try_new(&server, origin).err().expect("it is refused");
        assert!(error.contains("403"), "{error}");
    }
    page.send(&json!({ "type": "logout" }));
    assert_eq!(other_tab.next("error")["code"], "session_ended", "it was one browser");
    let mut late = Program::new(&server, &[("Origin", &own), ("Cookie", &cookie)]);
    assert_eq!(late.next("error")["code"], "session_ended");
}

/// The cookie that a page is given which is logged in, as its browser shows it from then on. `shown`:
/// the one that it shows so far.
fn cookie_of(server: &Server, page: &mut Program, shown: &str) -> String {
    let code = page.ask(&json!({ "type": "cookie" }), "cookie")["code"].clone();
    let code = code.as_str().expect("a code");
    let fields = format!(
        "Authorization: Bearer {code}\r\nOrigin: http://{}\r\nCookie: {shown}\r\n",
        server.address
    );
    let (status, head) = http(server, "POST", "/session", &fields);
    assert_eq!(status, 204, "{head}");
    let (_, cookie) = head.split_once("Set-Cookie: ").expect("a cookie");
    cookie.split(';').next().expect("its value").to_owned()
}

/// Who has put a cookie into somebody's browser would be that person once it has logged in.
#[test]
fn a_cookie_from_before_a_login_is_not_the_session_after_it() {
    let scratch = Scratch::new();
    let server = scratch.start(&["--registration", "open"]);
    let own = format!("http://{}", server.address);
    let register =
        |name: &str| json!({ "type": "register", "name": name, "password": name.repeat(3) });
    let login = json!({ "type": "login", "name": "alice", "password": "alice".repeat(3) });
    let mut mallory = Program::new(&server, &[("Origin", &own)]);
    mallory.ask(&register("mallory"), "account");
    let of_mallory = cookie_of(&server, &mut mallory, "a=b");
    let made_up = "chat-session=bWFkZSB1cCBieSBtYWxsb3J5IGFuZCBwbGFudGVkISE".to_owned();
    let mut enter = register("alice");
    for planted in [made_up, of_mallory] {
        let mut page = Program::new(&server, &[("Origin", &own), ("Cookie", &planted)]);
        if page.next("welcome")["name"] == "mallory" {
            page.ask(&json!({ "type": "logout" }), "account");
        }
        assert_eq!(page.ask(&enter, "account")["name"], "alice");
        enter = login.clone();
        let given = cookie_of(&server, &mut page, &planted);
        assert_ne!(given, planted);
        let name_by = |cookie: &str| {
            let mut page = Program::new(&server, &[("Origin", &own), ("Cookie", cookie)]);
            page.next("welcome")["name"].as_str().expect("a name").to_owned()
        };
        assert_ne!(name_by(&planted), "alice");
        assert_eq!(name_by(&given), "alice");
    }
}

// ---- Those who mean no good ----

/// The answers do not tell codes that were good once from such as never were, and who guesses is soon
/// told nothing more.
#[test]
fn who_guesses_invitations_learns_nothing_and_not_often() {
    let scratch = Scratch::new();
    let server = scratch.start(&[]);
    let mut alice = server.connect();
    register(&mut alice, &owner_code(&server), "alice", "correct horse");
    let mut invite = || {
        let line = alice.ask("/invite", "* Invitation ");
        line.rsplit(' ').next().expect("a code").to_owned()
    };
    let [used, revoked, over] = [(); 3].map(|()| invite());
    alice.ask("/invitations end 2", "* Invitation 2 has ended.");
    register(&mut server.connect(), &used, "bob", "battery staple");
    drop(alice);
    server.signal("TERM");
    server.finish();
    // A week goes by.
    let history = rusqlite::Connection::open(scratch.0.join("data/history.db")).expect("a file");
    let ends = "UPDATE invitations SET until_ms = 1 WHERE invitation = 3";
    assert_eq!(history.execute(ends, []), Ok(1));
    drop(history);

    let server = scratch.start(&["--rate-limit", "off"]);
    let guesser = &mut Program::new(&server, &[]);
    let began = Instant::now();
    let mut asked = 0;
    let mut tries = |request: Value| {
        asked += 1;
        let told = guesser.ask(&request, "error");
        (told["code"].as_str().expect("a code").to_owned(), told["message"].clone())
    };
    let carol = |code: &str| json!({ "type": "register", "name": "carol", "password": "a password", "code": code });
    let join = |code: &str| json!({ "type": "join", "room": "#secret", "code": code });
    let wrong = "2345-6789-ABCD";
    for request in [&carol as &dyn Fn(&str) -> Value, &join] {
        let told = tries(request(wrong));
        assert_eq!(told.0, "code_refused");
        for code in [&used, &revoked, &over] {
            assert_eq!(tries(request(code)), told, "{code}");
        }
    }
    // Twenty at once, and one in two seconds after that; to guess one of 32^12 takes longer.
    let refused = (0..100).filter(|_| tries(carol(wrong)).0 == "code_refused").count() as u64;
    let most = 20 + began.elapsed().as_secs() / 2 + 1;
    assert!(refused + 8 <= most, "{refused} of {asked} were tried in {:?}", began.elapsed());
}

#[test]
fn secrets_are_in_no_log_and_nowhere_on_the_disk() {
    let scratch = Scratch::new();
    let mut command = scratch.command(&[]);
    command.env("RUST_LOG", "trace");
    let server = Server::launch(command);
    let setup = owner_code(&server);
    let mut alice = server.connect();
    register(&mut alice, &setup, "alice", "correct horse");
    let token = alice.ask("/token a bot", "shown only once");
    let token = token.rsplit(' ').next().expect("a token").to_owned();
    let code = alice.ask("/invite", "Invitation 1");
    let code = code.rsplit(' ').next().expect("a code").to_owned();
    alice.ask(&format!("look: {token}"), "! There is a token in that");
    alice.ask("login alice correct-horse-2", "! That looks like a command");
    let mut bob = server.connect();
    bob.ask("/login alice", "Password of alice");
    bob.ask("wrong horse", "is wrong");
    // Where a name is asked for, people type passwords.
    bob.ask("/login horse-for-a-name", "Password of horse-for-a-name");
    bob.ask("alice", "is wrong");
    let bearer = format!("Bearer {token}");
    Program::new(&server, &[("Authorization", &bearer)]).next("welcome");
    let found = bob.ask("/history", "*");
    assert!(!found.contains("horse"), "{found}");
    drop((alice, bob));
    server.signal("TERM");
    let (_, out, log) = server.finish();
    let typed = ["correct horse", "wrong horse", "correct-horse-2", "horse-for-a-name"];
    let secrets: Vec<&str> = typed.into_iter().chain([token.as_str(), &code]).collect();
    for &secret in &secrets {
        assert!(!out.contains(secret), "{secret} is printed");
        assert!(!log.iter().any(|line| line.contains(secret)), "{secret} is in the log");
    }
    let bare = [code.replace('-', ""), setup.replace('-', "")];
    let files = fs::read_dir(scratch.0.join("data")).expect("the directory");
    for file in files {
        let bytes = fs::read(file.expect("a file").path()).expect("its bytes");
        for secret in secrets.iter().copied().chain(bare.iter().map(String::as_str)) {
            let has = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!has, "{secret} is on the disk");
        }
    }
}

/// A terminal that is silent beside others listens to the lobby, but not where it takes an account.
#[test]
fn where_there_are_no_guests_nobody_listens_in_silence() {
    let scratch = Scratch::new();
    // How often something is said until the silent one hears it, if that is no more than `most`.
    let rounds_until_heard = |flags: &[&str], most: u32| {
        let server = scratch.start(&[&["--rate-limit", "off"], flags].concat());
        let mut alice = server.connect();
        alice.ask("/login alice", "Password of alice");
        alice.ask("correct horse", "You are logged in as");
        let mut silent = server.join().writer();
        silent.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        (1..most).find(|_| {
            alice.send(b"among us\r\n");
            matches!(silent.read(&mut [0; 64]), Ok(read) if read > 0)
        })
    };
    let server = scratch.start(&["--registration", "open"]);
    let mut alice = server.connect();
    alice.ask("/register alice", "A password for");
    alice.ask("correct horse", "You are logged in as");
    drop((alice, server));
    let rounds = rounds_until_heard(&[], 300).expect("it hears the lobby after a while");
    assert_eq!(rounds_until_heard(&["--guests", "no"], rounds + 10), None);
}

/// A hash of a password takes tens of milliseconds: on a thread of its own, for a bounded number at
/// a time.
#[test]
fn a_flood_of_logins_holds_nobody_up() {
    let scratch = Scratch::new();
    let server = scratch.start(&["--registration", "open", "--rate-limit", "off"]);
    let mut talkers: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for talker in &mut talkers {
        talker.enter();
    }
    let login = json!({ "type": "login", "name": "alice", "password": "a guess" }).to_string();
    let mut flood: Vec<Program> = (0..60).map(|_| Program::new(&server, &[])).collect();
    for program in &mut flood {
        program.0.send(Message::text(login.clone())).expect("it is sent");
    }
    let mut worst = Duration::ZERO;
    for round in 0..20 {
        let began = Instant::now();
        talkers[0].send(format!("word {round}\r\n").as_bytes());
        for talker in &mut talkers[1..] {
            talker.until(&format!("word {round}"));
        }
        worst = worst.max(began.elapsed());
    }
    let codes: Vec<String> = flood
        .iter_mut()
        .map(|program| program.next("error")["code"].as_str().expect("a code").to_owned())
        .collect();
    let count = |code: &str| codes.iter().filter(|one| *one == code).count();
    let known = ["busy", "login_failed", "too_many_attempts"];
    assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{codes:?}");
    assert!(count("login_failed") <= 20, "so many are tried of one address: {codes:?}");
    assert!(count("login_failed") > 0 && count("too_many_attempts") + count("busy") > 0);
    // The hashes of the flood take longer than that by themselves.
    assert!(worst < Duration::from_secs(2), "a word took {worst:?}");
}

/// The program that the page of accounts shows, as it stands there.
fn bot_of_the_page(server: &Server) -> String {
    let page = include_str!("../docs/accounts.md");
    let (_, block) = page.split_once("\n```python\n").expect("a program");
    let (program, _) = block.split_once("\n```\n").expect("its end");
    assert!(program.contains("8080"), "it names a port");
    program.replace("8080", &server.address.port().to_string())
}

#[test]
fn the_bot_of_the_page_answers_whoever_calls_it() {
    let scratch = Scratch::new();
    let server = scratch.start(&[]);
    let mut mia = server.connect();
    mia.enter();
    register(&mut mia, &owner_code(&server), "mia", "password of mia");
    let made = mia.ask("/bot build", "shown only once");
    let (_, token) = made.rsplit_once(' ').expect("a token");
    let program = bot_of_the_page(&server);
    let python = Command::new("python3").args(["-c", &program]).env("CHAT_TOKEN", token).spawn();
    let Ok(mut bot) = python else {
        eprintln!("not tried: there is no python3");
        return;
    };
    mia.until("build joined #lobby");
    mia.ask("is anybody there, @build?", "[#lobby] build: mia: here I am");
    mia.ask("/bots end build", "The bot build has ended");
    bot.kill().expect("it runs");
    bot.wait().expect("it has ended");
}
