//! The web page in a real browser: Chromium, driven through chromedriver, or Firefox.
//!
//! Not run by a plain `cargo test`. With Debian's `chromium`, `chromium-driver` and
//! `fonts-noto-cjk`: `cargo test --test page -- --ignored`. The same in Debian's `firefox-esr`, with
//! `BROWSER=firefox` in the environment.

#[path = "page/accounts.rs"]
mod accounts;
#[path = "page/addresses.rs"]
mod addresses;
#[path = "page/catching_up.rs"]
mod catching_up;
#[path = "page/commands.rs"]
mod commands;
mod common;
#[path = "page/daily.rs"]
mod daily;
#[path = "page/firefox.rs"]
mod firefox;
#[path = "page/later.rs"]
mod later;
#[path = "page/lines.rs"]
mod lines;
#[path = "page/looks.rs"]
mod looks;
#[path = "common/nowhere.rs"]
mod nowhere;
#[path = "page/numbers.rs"]
mod numbers;
#[path = "page/people.rs"]
mod people;
#[path = "page/tabs.rs"]
mod tabs;
#[path = "page/telling.rs"]
mod telling;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use chat_server::chat::request::commands::COMMANDS;
use chat_server::chat::{Chat, PAGE};
use chat_server::config::Config;
use chat_server::net::event_loop::EventLoop;
use chat_server::net::listening::{Bound, Inherited};
use chat_server::store::{
    Found, FoundRoom, Hit, PageRequest, Reader, SearchRequest, StoreError, StoredMessage,
};
use common::{Client, DEADLINE, Server, eventually, program};
use firefox::Firefox;
use nowhere::{Nowhere, nothing};

// ---- A browser ----

/// One test at a time has browsers: several starting at once on a small machine take longer than
/// one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// What starts browsers. It and its browsers end when dropped.
struct Driver {
    /// Without it, Firefox is what is driven.
    chromedriver: Option<Chromedriver>,
    _turn: MutexGuard<'static, ()>,
}

impl Driver {
    fn start() -> Driver {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let chromedriver = (!Driver::is_firefox()).then(Chromedriver::start);
        Driver { chromedriver, _turn: turn }
    }

    /// For what one browser can do and the other cannot be asked for.
    fn is_firefox() -> bool {
        std::env::var("BROWSER").is_ok_and(|name| name == "firefox")
    }

    /// A new browser, without any past, in this language.
    fn browser(&self, language: &str) -> Page<'_> {
        let browser = match &self.chromedriver {
            Some(driver) => Browser::Chromium { driver, session: driver.session(language) },
            None => Browser::Firefox(Box::new(Firefox::start(language))),
        };
        let page = Page { browser };
        page.resize(1280, 800, false);
        page
    }

    /// The page as this person sees it in this room.
    fn page(&self, address: SocketAddr, name: &str, room: &str) -> Page<'_> {
        let page = self.browser("en-US");
        page.open(&format!("http://{address}/?name={name}&room={room}"));
        page.wait_online();
        page
    }
}

/// chromedriver, on a port of its own.
struct Chromedriver {
    child: Child,
    /// Kept open: a process that writes to a closed pipe ends.
    _stdout: BufReader<ChildStdout>,
    agent: ureq::Agent,
    url: String,
}

impl Chromedriver {
    fn start() -> Chromedriver {
        let (child, stdout, port) =
            (0..10).find_map(|_| Chromedriver::launch()).expect("chromedriver says its port");
        let url = format!("http://127.0.0.1:{port}");
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(2 * DEADLINE));
        Chromedriver { child, _stdout: stdout, agent: config.build().into(), url }
    }

    /// With `--port=0` it ends now and then, because the port that it found free for IPv6 is taken
    /// for IPv4: `None`.
    fn launch() -> Option<(Child, BufReader<ChildStdout>, u16)> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("chromedriver is installed");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut said = String::new();
        while stdout.read_line(&mut said).expect("its output") > 0 {
            let line = said.lines().next_back().unwrap_or_default();
            if let Some(port) = line.strip_prefix("ChromeDriver was started successfully on port ")
            {
                let port = port.trim_end_matches('.').parse().expect("a port");
                return Some((child, stdout, port));
            }
        }
        eprintln!("chromedriver ended ({:?}): {said}", child.wait());
        None
    }

    /// A command of the WebDriver protocol (W3C); its value, or the error that it answered.
    fn command(&self, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self.agent.post(format!("{}/{path}", self.url)).send_json(body);
        let mut answer = answer.map_err(|error| error.to_string())?;
        let mut answer: Value = answer.body_mut().read_json().map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        match value.get("error") {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let answer = self.agent.get(format!("{}/{path}", self.url)).call();
        let mut answer = answer.map_err(|error| error.to_string())?;
        let answer = answer.body_mut().with_config().limit(64 << 20).read_json::<Value>();
        Ok(answer.map_err(|error| error.to_string())?["value"].take())
    }

    fn delete(&self, path: &str) -> Result<Value, String> {
        let answer = self.agent.delete(format!("{}/{path}", self.url)).call();
        answer.map(|_| Value::Null).map_err(|error| error.to_string())
    }

    /// A new browser, by the name that it has here.
    fn session(&self, language: &str) -> String {
        let body = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": {
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                    "--no-first-run", "--disable-background-networking", format!("--lang={language}"),
                    format!("--accept-lang={language}"),
                ],
                "prefs": { "intl.accept_languages": language },
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = self.command("session", &body).expect("a browser");
        session["sessionId"].as_str().expect("a session").to_owned()
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.agent.get(format!("{}/shutdown", self.url)).call();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

enum Browser<'a> {
    Chromium { driver: &'a Chromedriver, session: String },
    Firefox(Box<Firefox>),
}

/// One browser with the page in it.
struct Page<'a> {
    browser: Browser<'a>,
}

impl Page<'_> {
    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        self.try_command(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    fn try_command(&self, path: &str, body: &Value) -> Result<Value, String> {
        match &self.browser {
            Browser::Firefox(firefox) => firefox.command(path, body),
            Browser::Chromium { driver, session } => {
                driver.command(&format!("session/{session}/{path}"), body)
            }
        }
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let answer = match &self.browser {
            Browser::Firefox(firefox) => firefox.get(path),
            Browser::Chromium { driver, session } => {
                driver.get(&format!("session/{session}/{path}"))
            }
        };
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Closes the tab that commands go to.
    #[track_caller]
    fn close_tab(&self) {
        let answer = match &self.browser {
            Browser::Firefox(firefox) => firefox.close_tab(),
            Browser::Chromium { driver, session } => {
                driver.delete(&format!("session/{session}/window"))
            }
        };
        answer.expect("it is closed");
    }

    fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// A script that runs in every page that is opened from now on, before the page's own.
    fn run_before_each_page(&self, script: &str) {
        let params = json!({ "source": script });
        let params = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": params });
        self.command("goog/cdp/execute", &params);
    }

    fn resize(&self, width: u32, height: u32, mobile: bool) {
        let params =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.command(
            "goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": params }),
        );
    }

    /// What the body of a function returns.
    #[track_caller]
    fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    #[track_caller]
    fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).textContent", json!(selector));
        self.run(&script).as_str().expect("a text").to_owned()
    }

    #[track_caller]
    fn count(&self, selector: &str) -> u64 {
        self.run(&format!("return document.querySelectorAll({}).length", json!(selector)))
            .as_u64()
            .expect("a count")
    }

    #[track_caller]
    fn wait_until(&self, what: &str, condition: &str) {
        eventually(&format!("{what} ({condition})"), || {
            // What it is about may not be there yet, or the page may be about to be another one.
            let script = format!("try {{ return {condition} }} catch {{ return false }}");
            let holds = self.try_command("execute/sync", &json!({ "script": script, "args": [] }));
            (holds == Ok(Value::Bool(true))).then_some(())
        });
    }

    #[track_caller]
    fn wait_online(&self) {
        self.wait_until("the page is online", "document.body.dataset.state === 'online'");
        self.wait_until(
            "the room is there",
            "!document.querySelector('#log').classList.contains('waiting')",
        );
        self.wait_until("and all of the page", "Boolean(document.querySelector('#help'))");
    }

    #[track_caller]
    fn wait_offline(&self) {
        self.wait_until("the page is offline", "document.body.dataset.state !== 'online'");
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        let id =
            found.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
        id.expect("an element").to_owned()
    }

    /// A real click: it fails when something else is on top.
    #[track_caller]
    fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Real keys.
    #[track_caller]
    fn type_into(&self, selector: &str, keys: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/value"), &json!({ "text": keys }));
    }

    /// Types into the message box, and presses Enter.
    #[track_caller]
    fn say(&self, text: &str) {
        self.type_into("#composer", &format!("{text}\u{E007}"));
    }

    /// Says one after the other, at once.
    fn say_all(&self, texts: &[impl serde::Serialize]) {
        let script = "const box = document.querySelector('#composer'); for (const text of TEXTS) { \
                      box.value = text; document.querySelector('#compose').requestSubmit(); }";
        self.run(&script.replace("TEXTS", &json!(texts).to_string()));
    }

    /// Has this in the message box at once, and sends it.
    #[track_caller]
    fn paste(&self, text: &str) {
        self.fill(text);
        self.wait_until("it can be sent", "!document.querySelector('#send').disabled");
        self.click("#send");
    }

    fn fill(&self, text: &str) {
        let script = "const box = document.querySelector('#composer'); box.value = TEXT; \
                      box.dispatchEvent(new Event('input', { bubbles: true }));";
        self.run(&script.replace("TEXT", &json!(text).to_string()));
    }

    /// Everything said in the room that is shown, as `author: text`, without what waits to be sent.
    fn said(&self) -> Vec<String> {
        let said = self.run(
            "return [...document.querySelectorAll('#log [data-id]')].map((message) => \
             `${message.querySelector('.author').textContent}: ${message.querySelector('.text').textContent}`)",
        );
        said.as_array()
            .expect("messages")
            .iter()
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect()
    }

    /// As [`Page::said`], of all that there is: rows far from what is in sight are not in the page,
    /// and what is older is loaded. Each is there once, in order.
    fn said_in_all(&self) -> Vec<String> {
        let script = "return (async () => { \
            const log = document.querySelector('#log'), found = new Map(); \
            for (let same = 0, before = 0; same < 15; same += Number(found.size === before)) { \
                before = found.size; \
                let last = 0; \
                for (const message of log.querySelectorAll('[data-id]')) { \
                    const id = Number(message.dataset.id); \
                    if (id <= last) return [`${id} comes after ${last}`]; \
                    last = id; \
                    found.set(id, `${message.querySelector('.author').textContent}: ${message.querySelector('.text').textContent}`); \
                } \
                log.scrollTop = 0; \
                await new Promise((done) => setTimeout(done, 50)); \
            } \
            log.scrollTop = log.scrollHeight; \
            return [...found].sort(([a], [b]) => a - b).map(([, text]) => text) })()";
        let said = self.run(script);
        let said = said.as_array().expect("messages").iter();
        said.map(|text| text.as_str().expect("a text").to_owned()).collect()
    }

    /// A first visit is asked for a name, and offered the link.
    fn stay_nameless(&self) {
        self.wait_until("the question", "document.querySelector('#ask')?.open === true");
        self.run("document.querySelector('#ask').close()");
        self.wait_notice("Others come in by this link");
        self.click("#notice > .icon");
    }

    /// Waits until exactly this was said, in this order, and nothing waits to be sent.
    #[track_caller]
    fn wait_said(&self, expected: &[&str]) {
        let mut said = Vec::new();
        let deadline = std::time::Instant::now() + DEADLINE;
        while std::time::Instant::now() < deadline {
            said = self.said();
            if said == expected && self.count(".message.pending") == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{} pending; said {said:#?}, and not {expected:#?}", self.count(".message.pending"));
    }

    fn members(&self) -> Value {
        self.run("return [...document.querySelectorAll('#members [data-name]')].map((one) => one.dataset.name).sort()")
    }

    #[track_caller]
    fn wait_members(&self, expected: &[&str]) {
        eventually(&format!("the members {expected:?}"), || {
            (self.members() == json!(expected)).then_some(())
        });
    }

    /// What the browser has complained about since the last call: errors of scripts, refused loads,
    /// violated policies.
    fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "browser" }));
        let log = log
            .as_array()
            .expect("a log")
            .iter()
            .map(|entry| format!("{} {}", entry["level"], entry["message"]));
        log.collect()
    }

    #[track_caller]
    fn assert_no_complaints(&self) {
        assert_eq!(self.complaints(), Vec::<String>::new());
    }

    /// As [`Page::assert_no_complaints`], of a page whose connection was meant to break.
    #[track_caller]
    fn assert_no_complaints_but_the_connection(&self) {
        let mut complaints = self.complaints();
        complaints.retain(|line| {
            !line.contains("WebSocket connection to") && !line.contains("/admission?")
        });
        assert_eq!(complaints, Vec::<String>::new());
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        if let Browser::Chromium { driver, session } = &self.browser {
            let _ = driver.delete(&format!("session/{session}"));
        }
    }
}

// ---- The other side ----

fn chat(flags: &[&str]) -> Server {
    Server::start(&[&["--mode", "chat"], flags].concat())
}

/// The server again, on the address that it had.
fn chat_at(address: SocketAddr, flags: &[&str]) -> Server {
    let mut command = program();
    command.arg(address.to_string()).args(["--mode", "chat"]).args(flags);
    Server::launch(command)
}

/// Somebody at a terminal, in this room.
fn terminal(server: &Server, name: &str, room: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("/nick {name}\r\n/join {room}\r\n").as_bytes());
    read_until(&mut client, &format!("You are in #{room} now"));
    client
}

/// Reads lines until one holds this; returns that one.
#[track_caller]
fn read_until(client: &mut Client, wanted: &str) -> String {
    loop {
        let line = String::from_utf8(client.line()).expect("UTF-8");
        assert!(!line.is_empty(), "the end, before {wanted:?}");
        if line.contains(wanted) {
            return line;
        }
    }
}

/// A wire to the server that can be cut: both ends then see their connections end, and new ones are
/// refused an answer, or get the one that was set.
struct Wire {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    answer: Arc<Mutex<Option<String>>>,
    live: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(server: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let is_cut = Arc::new(AtomicBool::new(false));
        let live = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(None));
        let wire = Wire {
            address,
            is_cut: Arc::clone(&is_cut),
            answer: Arc::clone(&answer),
            live: Arc::clone(&live),
        };
        // Ends with the test's process.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if is_cut.load(Ordering::SeqCst) {
                    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    if let Some(answer) = answer {
                        thread::spawn(move || answer_once(near, &answer));
                    }
                    continue;
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                let mut ends = live.lock().unwrap_or_else(PoisonError::into_inner);
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) =
                        (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    ends.push(from.try_clone().expect("a handle"));
                    thread::spawn(move || carry(from, to));
                }
            }
        });
        wire
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for end in self.live.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// While it is cut, this is what every request gets.
    fn answer(&self, answer: &str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.to_owned());
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

/// Reads a request's head, and answers.
fn answer_once(mut stream: TcpStream, answer: &str) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
        }
    }
    let _ = stream.write_all(answer.as_bytes());
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(count) => {
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

// ---- Tests ----

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn two_pages_and_a_terminal_talk() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let bob = driver.page(server.address, "bob", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    assert_eq!(alice.text("#me b"), "alice");
    alice.wait_members(&["alice", "bob", "carol"]);
    bob.wait_members(&["alice", "bob", "carol"]);

    alice.type_into("#composer", "hel");
    bob.wait_until(
        "bob sees that alice types",
        "/alice/.test(document.querySelector('#typing').textContent)",
    );
    alice.say("lo");
    assert_eq!(read_until(&mut carol, "hello"), "[#dev] alice: hello\r\n");
    carol.send(b"hi from a terminal\r\n");
    bob.wait_until("bob sees carol", "document.querySelectorAll('#log [data-id]').length === 2");
    bob.say("/me waves");
    assert_eq!(read_until(&mut carol, "waves"), "[#dev] * bob waves\r\n");
    for page in [&alice, &bob] {
        page.wait_said(&["alice: hello", "carol: hi from a terminal", "bob: waves"]);
        assert_eq!(page.text("#typing"), "", "what was said ends the typing");
    }

    carol.send(b"/topic all things Rust\r\n");
    alice.wait_until(
        "the topic",
        "document.querySelector('#topic').textContent === 'all things Rust'",
    );
    bob.say("/nick robert");
    alice.wait_members(&["alice", "carol", "robert"]);
    bob.wait_until("the own name", "document.querySelector('#me b').textContent === 'robert'");
    carol.send(b"/msg robert only for you\r\n");
    bob.wait_until(
        "a direct message",
        "/carol/.test(document.querySelector('#directs').textContent)",
    );
    assert!(!alice.said().iter().any(|text| text.contains("only for you")));
    carol.send(b"/quit\r\n");
    alice.wait_members(&["alice", "robert"]);
    alice.assert_no_complaints();
    bob.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn both_pages_recover_from_a_restart_and_deliver_what_they_queued_once() {
    let server = chat(&[]);
    let address = server.address;
    let driver = Driver::start();
    let alice = driver.page(address, "alice", "dev");
    let bob = driver.page(address, "bob", "dev");
    alice.say("before");
    alice.wait_said(&["alice: before"]);
    bob.wait_said(&["alice: before"]);

    drop(server);
    alice.wait_offline();
    bob.wait_offline();
    alice.say("queued 1");
    alice.say("queued 2");
    assert_eq!(alice.count(".message.pending"), 2);
    assert_eq!(alice.said(), ["alice: before"], "the screen keeps what was there");
    let server = chat_at(address, &[]);
    alice.wait_online();
    bob.wait_online();
    alice.wait_until(
        "all of it is sent",
        "document.querySelectorAll('.message.pending').length === 0",
    );
    bob.say("after");

    let all = ["alice: before", "alice: queued 1", "alice: queued 2", "bob: after"];
    alice.wait_said(&all);
    bob.wait_said(&all);
    for page in [&alice, &bob] {
        page.wait_members(&["alice", "bob"]);
        assert_eq!(page.count("#log .restart"), 1, "it says that the server was restarted");
    }
    // What the new server knows, as one who comes later sees it: each once.
    let carol = driver.page(address, "carol", "dev");
    carol.wait_said(&all[1..]);
    carol.assert_no_complaints();
    alice.assert_no_complaints_but_the_connection();
    bob.assert_no_complaints_but_the_connection();
    drop(server);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_server_that_dies_in_the_middle_of_a_burst_loses_none_of_it() {
    let server = chat(&[]);
    let address = server.address;
    let driver = Driver::start();
    let alice = driver.page(address, "alice", "dev");
    let lines: Vec<String> = (0..40).map(|number| format!("line {number}")).collect();
    alice.say_all(&lines);
    // Flood control takes 20 at once and the rest slowly, so now some are said, some are in flight
    // and some wait.
    alice.wait_until(
        "some of it is said",
        "document.querySelectorAll('#log [data-id]').length >= 20",
    );
    drop(server);
    alice.wait_offline();
    let server = chat_at(address, &["--rate-limit", "off"]);
    let all: Vec<String> = lines.iter().map(|line| format!("alice: {line}")).collect();
    alice.wait_said(&all.iter().map(String::as_str).collect::<Vec<_>>());
    drop(server);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_cut_line_loses_nothing_and_repeats_nothing() {
    let server = chat(&["--rate-limit", "off"]);
    let wire = Wire::to(server.address);
    let driver = Driver::start();
    let alice = driver.page(wire.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    carol.send(b"one\r\n");
    alice.wait_said(&["carol: one"]);

    let mut expected = vec!["carol: one".to_owned()];
    for round in 0..3 {
        // What is in flight when the line breaks may have arrived or not: either way it is said
        // once.
        let burst: Vec<String> =
            (0..30).map(|number| format!("{round} in flight {number}")).collect();
        alice.say_all(&burst);
        wire.cut();
        alice.wait_offline();
        for number in 0..120 {
            carol.send(format!("{round} missed {number}\r\n").as_bytes());
        }
        alice.say(&format!("{round} queued"));
        wire.mend();
        alice.wait_online();
        // The server's own order is the truth: a second terminal reads it back in full below.
        alice.wait_until(
            "all of it is sent",
            "document.querySelectorAll('.message.pending').length === 0",
        );
        expected.extend(burst.iter().map(|text| format!("alice: {text}")));
        expected.extend((0..120).map(|number| format!("carol: {round} missed {number}")));
        expected.push(format!("alice: {round} queued"));
    }
    expected.sort();
    let mut said = Vec::new();
    eventually("all that was said", || {
        said = alice.said_in_all();
        (said.len() >= expected.len()).then_some(())
    });
    let bob = driver.page(server.address, "bob", "dev");
    // Fifty are sent at once, and more as the reader scrolls up.
    let whole = bob.said_in_all();
    assert_eq!(said, whole, "the order is the server's");
    said.sort();
    assert_eq!(said, expected, "each once");
    bob.assert_no_complaints();
    alice.assert_no_complaints_but_the_connection();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_message_full_of_html_stays_text() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    let evil = "<img src=x onerror=\"owned=1\"><script>owned=1</script><b>bold</b> &amp; ${owned=1} javascript:owned=1";
    carol.send(format!("/topic {evil}\r\n").as_bytes());
    carol.send(format!("{evil}\r\n").as_bytes());
    carol.send(b"see https://example.com/a?b=<b>c (http://example.org/x).\r\n");
    alice.wait_said(&[
        &format!("carol: {evil}"),
        "carol: see https://example.com/a?b=<b>c (http://example.org/x).",
    ]);
    alice.wait_until(
        "the topic",
        &format!("document.querySelector('#topic').textContent === {}", json!(evil)),
    );
    alice.say(evil);
    alice.wait_until("the own message", "document.querySelectorAll('#log [data-id]').length === 3");
    assert_eq!(alice.count("#log :is(img, script, b), #main .bar :is(img, script, b)"), 0);
    let links =
        alice.run("return [...document.querySelectorAll('#log a')].map((a) => `${a.href} ${a.rel} ${a.target}`)");
    let links: Vec<&str> =
        links.as_array().expect("links").iter().filter_map(Value::as_str).collect();
    let rest = "noopener noreferrer _blank";
    assert_eq!(
        links,
        [format!("https://example.com/a?b= {rest}"), format!("http://example.org/x {rest}")]
    );
    assert_eq!(alice.run("return typeof owned"), "undefined");
    alice.assert_no_complaints();

    // The second wall: no text becomes markup or a script (Trusted Types), the policy would stop a
    // script that got into the page, and the browser would say so.
    let markup = "try { document.body.innerHTML = '<i></i>'; } catch ({ name }) { return name; }";
    assert_eq!(alice.run(markup), "TypeError");
    alice.run(
        "const script = document.createElement('script'); \
         try { script.textContent = 'owned = 1'; } catch { /* in some browsers here already */ } \
         document.body.append(script)",
    );
    assert_eq!(alice.run("return typeof owned"), "undefined");
    let complaints = alice.complaints().concat().replace('-', " ");
    let mut told = ["Content Security Policy", "TrustedScript"].iter();
    assert!(told.any(|words| complaints.contains(words)), "{complaints}");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn rooms_that_are_not_looked_at_count_what_is_unread() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    alice.type_into("#join-room input", "ops\u{E007}");
    alice.wait_until("the other room", "/ops/.test(document.querySelector('#title').textContent)");
    alice.wait_online();
    let mut carol = terminal(&server, "carol", "dev");
    carol.send(b"one\r\ntwo\r\nalice: three\r\n");
    let unread = "document.querySelector('#rooms [data-room=\"#dev\"] .unread')";
    alice.wait_until("three are unread", &format!("/3/.test({unread}?.textContent)"));
    assert!(alice.run("return document.title").as_str().is_some_and(|title| title.contains("(3)")));
    assert_eq!(alice.said(), Vec::<String>::new(), "they belong to the other room");

    alice.click("#rooms [data-room=\"#dev\"]");
    alice.wait_said(&["carol: one", "carol: two", "carol: alice: three"]);
    alice.wait_until("none is unread", &format!("!({unread}?.checkVisibility())"));
    alice.wait_until("the title says so", "!document.title.includes('(')");
    assert_eq!(alice.count("#log .new"), 1, "a line above the first of them");
    assert_eq!(alice.count("#log .mention"), 1);

    // They are not counted again after a reload.
    alice.command("refresh", &json!({}));
    alice.wait_online();
    alice.wait_said(&["carol: one", "carol: two", "carol: alice: three"]);
    assert_eq!(alice.count("#log .new"), 0);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_phone_shows_all_of_it_without_scrolling_sideways() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.resize(390, 844, true);
    alice.open(&format!("http://{}/?name=alice&room=dev", server.address));
    alice.wait_online();
    let mut carol = terminal(&server, "carol", "dev");
    let long = "w".repeat(300);
    carol.send(format!("/topic {long}\r\n{long}\r\nhttps://example.com/{long}\r\n").as_bytes());
    alice.wait_until("two messages", "document.querySelectorAll('#log [data-id]').length === 2");
    let fits = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth) === 390 && \
                document.querySelector('#log').scrollWidth <= 390";
    alice.wait_until("nothing is wider than the window", fits);
    let inside = |selector: &str| {
        let rect = "const { left, right, top, bottom } = document.querySelector(SELECTOR).getBoundingClientRect(); \
                    return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight";
        alice.run(&rect.replace("SELECTOR", &json!(selector).to_string())) == true
    };
    assert!(inside("#composer") && inside("#send") && inside("#open-sidebar"));
    assert!(!inside("#sidebar"));

    alice.click("#open-sidebar");
    alice.wait_until("the drawer", "document.body.dataset.drawer === 'rooms'");
    eventually("the drawer is in the window", || inside("#sidebar").then_some(()));
    alice.type_into("#join-room input", "ops\u{E007}");
    alice.wait_until("the drawer closes", "document.body.dataset.drawer === ''");
    alice.wait_until("the other room", "/ops/.test(document.querySelector('#title').textContent)");
    eventually("the drawer is gone", || (!inside("#sidebar")).then_some(()));
    alice.click("#open-members");
    alice.wait_until("the members", "document.body.dataset.drawer === 'members'");
    alice.type_into("body", "\u{E00C}");
    alice.wait_until("Escape closes it", "document.body.dataset.drawer === ''");
    alice.click("#composer");
    alice.say("from a phone");
    alice.wait_said(&["alice: from a phone"]);
    alice.wait_until("nothing is wider than the window", fits);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn the_page_speaks_japanese() {
    let server = chat(&[]);
    let driver = Driver::start();
    let taro = driver.browser("ja");
    taro.open(&format!("http://{}/?name=太郎&room=開発", server.address));
    taro.wait_online();
    assert_eq!(taro.run("return document.documentElement.lang"), "ja");
    assert_eq!(taro.text("#me b"), "太郎");
    assert_eq!(
        taro.run("return document.querySelector('#composer').placeholder"),
        "#開発 へのメッセージ"
    );
    let words = taro.text("#sidebar");
    assert!(
        words.contains("チャット") && words.contains("ルーム") && !words.contains("Rooms"),
        "{words}"
    );
    // Every element that has words has Japanese ones.
    let left = taro.run(
        "return [...document.querySelectorAll('[data-t]')].map((one) => one.textContent.trim()) \
         .filter((words) => !/[\\u3040-\\u30ff\\u4e00-\\u9fff]/.test(words))",
    );
    assert_eq!(left, json!([]));
    let mut carol = terminal(&server, "花子", "開発");
    taro.say("こんにちは、皆さん");
    assert_eq!(read_until(&mut carol, "こんにちは"), "[#開発] 太郎: こんにちは、皆さん\r\n");
    taro.wait_until(
        "who came",
        "/花子 さんが参加/.test(document.querySelector('#log').textContent)",
    );
    taro.say("/msg 誰も いますか");
    taro.wait_until(
        "errors as well",
        "/送信できませんでした：その名前の人はいません。/.test(document.querySelector('#log').textContent)",
    );
    taro.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn many_who_come_and_go_are_one_line_and_the_list_of_members_is_right_after_it() {
    let server = chat(&["--announce-rate", "2:1"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let _bob = terminal(&server, "bob", "dev");
    alice.wait_members(&["alice", "bob"]);
    let names: Vec<String> = (1..=6).map(|i| format!("crowd{i}")).collect();
    let mut crowd: Vec<Client> = names.iter().map(|name| terminal(&server, name, "dev")).collect();
    // Of them one goes, too; what was summed up is not told by name.
    crowd.pop();
    let sum = "/and \\d more joined/.test(document.querySelector('#log .comings').textContent)";
    alice.wait_until("a sum", sum);
    alice.wait_members(&["alice", "bob", "crowd1", "crowd2", "crowd3", "crowd4", "crowd5"]);
    assert_eq!(alice.text("#members-total"), "7");
    alice.assert_no_complaints();
}

/// The longest time, in milliseconds, that the page was busy with one thing since it was opened or
/// last asked.
fn longest_task(page: &Page<'_>) -> u64 {
    let longest =
        page.run("const longest = window.longest ?? 0; window.longest = 0; return longest");
    longest.as_f64().expect("a time") as u64
}

const WATCH_TASKS: &str = "new PerformanceObserver((list) => { for (const task of list.getEntries()) \
    window.longest = Math.max(window.longest ?? 0, task.duration) }).observe({ type: 'longtask', buffered: true })";

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn no_message_freezes_the_page() {
    /// What a person would still call an answer at once; busy machines are slow.
    const BUSY_MS_MAX: u64 = 900;
    let letters = |letter: &str| letter.repeat(60_000 / letter.len());
    let long = [
        format!("http://a/{}", ")".repeat(60_000)),
        format!("http://a/{}x", ".".repeat(60_000)),
        format!("http://a/{}", "([{)]}".repeat(10_000)),
        letters("a"),
        format!("e{}", letters("\u{301}\u{323}")),
        format!("e{}{}", "\u{345}\u{301}".repeat(7_500), "\u{323}".repeat(15_000)),
        letters("நி"),
        letters("กำ"),
        letters("ب"),
        letters("क्षि"),
        letters("👨\u{200D}👩\u{200D}👧\u{200D}👦"),
        letters("http://a "),
        letters("aب"),
        format!("words {} more", " ".repeat(60_000)),
        letters("مرحبا بالعالم "),
    ];
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.run_before_each_page(WATCH_TASKS);
    alice.open(&format!("http://{}/?name=alice&room=dev", server.address));
    alice.wait_online();
    let mut carol = terminal(&server, "carol", "dev");
    // The fonts of all these scripts are loaded when they are first needed, which takes its time.
    carol.send("e\u{301} நி กำ ب क्षि 👨 words\r\n".as_bytes());
    alice.wait_until("the fonts", "document.querySelectorAll('#log [data-id]').length === 1");
    longest_task(&alice);
    for (number, text) in long.iter().enumerate() {
        carol.send(format!("{text}\r\n").as_bytes());
        alice.wait_until(
            "it is shown",
            &format!("document.querySelectorAll('#log [data-id]').length === {}", number + 2),
        );
        let busy = longest_task(&alice);
        let kind: String = text.chars().take(12).collect();
        println!("{kind}: {busy} ms");
        assert!(busy < BUSY_MS_MAX, "{kind}: busy for {busy} ms");
    }
    // All of them at once, in a page that is opened later; then the whole of each.
    alice.command("refresh", &json!({}));
    alice.wait_online();
    // So much is no single answer: the page asks for what is older as one scrolls up.
    eventually("the history", || {
        alice.run("document.querySelector('#log').scrollTop = 0");
        let count = alice.run("return document.querySelectorAll('#log [data-id]').length");
        (count.as_u64() >= Some(15)).then_some(())
    });
    let busy = longest_task(&alice);
    println!("all: {busy} ms");
    assert!(busy < BUSY_MS_MAX, "the history: busy for {busy} ms");
    let shown: Vec<String> = alice.said();
    assert!(shown.iter().all(|text| text.len() < 6000), "each is shown shortened");
    alice.run("for (const button of document.querySelectorAll('.unfold')) button.click()");
    let whole: Vec<String> = long.iter().map(|text| format!("carol: {}", text.trim())).collect();
    eventually("every message in full", || alice.said().ends_with(&whole[1..]).then_some(()));
    let busy = longest_task(&alice);
    println!("unfolded: {busy} ms");
    assert!(busy < BUSY_MS_MAX, "unfolding: busy for {busy} ms");
    // One below another; selected and copied, a line is still one line.
    carol.send(format!("{}\r\n", "b".repeat(900)).as_bytes());
    alice.wait_until(
        "the last",
        "document.querySelector('#log .message:last-child .text').textContent.startsWith('bbb')",
    );
    let copied = alice.run(
        "getSelection().selectAllChildren(document.querySelector('#log .message:last-child .text')); \
         return getSelection().toString()",
    );
    assert_eq!(copied, "b".repeat(900));
    assert_eq!(alice.count("#log .message:last-child .piece"), 4, "it is laid out in pieces");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn links_end_where_the_sentence_goes_on() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    let long = format!("https://example.com/{}", "x".repeat(600));
    carol.send(
        format!("(http://a/b) http://a/(b) [http://a/(b)], http://a/b).: http://a/x?! {long}.\r\n")
            .as_bytes(),
    );
    alice.wait_until("the message", "document.querySelectorAll('#log [data-id]').length === 1");
    let links = alice
        .run("return [...new Set([...document.querySelectorAll('#log a')].map((a) => a.href))]");
    assert_eq!(links, json!(["http://a/b", "http://a/(b)", "http://a/x", long]));
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_line_that_is_too_long_is_refused_before_it_is_sent() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    // Under the limit as text, over it as a JSON frame.
    let quotes = "\"path\",".repeat(8000);
    for (text, command) in
        [(quotes.clone(), ""), (quotes.clone(), "/me "), (quotes.clone(), "/topic ")]
    {
        alice.paste(&format!("{command}{text}"));
        alice.wait_until(
            "it says so",
            "/bytes too long/.test(document.querySelector('#notice p').textContent)",
        );
        assert!(alice.text("#count").contains("bytes too long"));
        assert_eq!(
            alice.run("return document.querySelector('#composer').value"),
            format!("{command}{text}")
        );
    }
    // The longest that fits, to the byte.
    let frame = r##"{"type":"say","room":"#dev","text":"","key":"AAAAAAAAAAAAAAAAAAAA","ref":"tabtab0000000"}"##;
    let room = 64 * 1024 - frame.len();
    alice.paste(&"x".repeat(room + 1));
    alice.wait_until(
        "one byte",
        "/ 1 bytes too long/.test(document.querySelector('#notice p').textContent)",
    );
    alice.paste(&"y".repeat(room));
    assert!(read_until(&mut carol, "yyy").ends_with("y\r\n"));
    alice.say("still here");
    assert_eq!(read_until(&mut carol, "alice"), "[#dev] alice: still here\r\n", "she never left");
    alice.assert_no_complaints();

    // A limit that the page does not know of: what the server refuses is not sent again.
    let bob = driver.browser("en-US");
    bob.run_before_each_page(
        "const parse = JSON.parse; JSON.parse = (text) => { const frame = parse(text); \
         if (frame?.type === 'welcome') frame.limits.message_bytes = 1e9; return frame; }; \
         const Real = WebSocket; window.sockets = 0; \
         window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets++; } };",
    );
    bob.open(&format!("http://{}/?name=bob&room=dev", server.address));
    bob.wait_online();
    bob.say_all(&["before".to_owned(), quotes, "after".to_owned()]);
    bob.wait_until(
        "it is refused",
        "/too long for the server/.test(document.querySelector('.failed .fate')?.textContent)",
    );
    bob.wait_until(
        "the others are sent",
        "document.querySelectorAll('.message.pending').length === 1",
    );
    assert_eq!(read_until(&mut carol, "bob: "), "[#dev] bob: before\r\n");
    assert_eq!(read_until(&mut carol, "bob: "), "[#dev] bob: after\r\n");
    assert_eq!(bob.run("return window.sockets"), 2);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_page_that_is_left_leaves_the_rooms_and_misses_nothing_when_it_comes_back() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    carol.send(b"one\r\n");
    alice.wait_said(&["carol: one"]);
    let burst: Vec<String> = (0..30).map(|number| format!("in flight {number}")).collect();
    alice.say_all(&burst);
    alice.run("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))");
    read_until(&mut carol, "alice left");
    carol.send(b"missed\r\n");
    alice.run("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))");
    alice.wait_online();
    alice.wait_until(
        "all of it is sent",
        "document.querySelectorAll('.message.pending').length === 0",
    );
    let missed = "/carol.*missed/.test(document.querySelector('#log').textContent)";
    alice.wait_until("what was said meanwhile", missed);
    let mut said = alice.said();
    said.sort();
    let mut expected: Vec<String> = burst.iter().map(|text| format!("alice: {text}")).collect();
    expected.extend(["carol: one".to_owned(), "carol: missed".to_owned()]);
    expected.sort();
    assert_eq!(said, expected, "each once");
    assert_eq!(alice.text("#me b"), "alice");

    // Really: another page, and back.
    alice.open("about:blank");
    read_until(&mut carol, "alice left");
    carol.send(b"missed as well\r\n");
    alice.command("back", &json!({}));
    alice.wait_online();
    alice.wait_until(
        "what was missed",
        "/missed as well/.test(document.querySelector('#log').textContent)",
    );
    assert_eq!(alice.text("#me b"), "alice");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_clock_that_is_set_back_hides_no_dead_line() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    // Time goes thirty times as fast in this page.
    alice.run_before_each_page(
        "const [date, now] = [Date.now, performance.now].map((real, which) => real.bind([Date, performance][which])); \
         const start = date(); window.setBack = 0; \
         Date.now = () => start + (date() - start) * 30 - window.setBack; performance.now = () => now() * 30; \
         for (const timer of ['setTimeout', 'setInterval']) { const real = window[timer]; \
         window[timer] = (call, ms) => real(call, (ms ?? 0) / 30); } \
         const Real = WebSocket; window.sockets = 0; \
         window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets++; } };",
    );
    alice.open(&format!("http://{}/?name=alice&room=dev", server.address));
    alice.wait_online();
    alice.run("window.setBack = 3600e3");
    server.signal("STOP");
    let began = std::time::Instant::now();
    alice.wait_offline();
    let took = began.elapsed();
    server.signal("CONT");
    assert!(took < Duration::from_secs(8), "{took:?}");
    alice.wait_online();
    // A jump forward is a sleep, perhaps, and no reason to give a living line up.
    alice.run("window.sockets = 0; window.setBack = -86400e3");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(alice.run("return document.body.dataset.state"), "online");
    assert_eq!(alice.run("return window.sockets"), 0);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn any_language_setting_will_do() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    for (language, languages, expected) in [
        ("'C'", "['C']", "en"),
        ("'en_US.UTF-8'", "['en_US.UTF-8']", "en"),
        ("'ja_JP.UTF-8'", "['ja_JP.UTF-8']", "ja"),
        ("'C'", "['C', 'ja']", "ja"),
        ("'POSIX'", "['POSIX']", "en"),
        ("'de-DE@euro'", "['de-DE@euro']", "en"),
        ("'i-dont-know-this-one-at-all'", "[]", "en"),
        ("''", "['', null]", "en"),
        ("undefined", "undefined", "en"),
        ("null", "42", "en"),
    ] {
        alice.run_before_each_page(&format!(
            "for (const [name, value] of Object.entries({{ language: {language}, languages: {languages} }})) \
             Object.defineProperty(Navigator.prototype, name, {{ get: () => value, configurable: true }})"
        ));
        alice.open(&format!("http://{}/?name=alice&room=dev", server.address));
        alice.wait_online();
        assert_eq!(
            alice.run("return document.documentElement.lang"),
            expected,
            "{language} {languages}"
        );
        alice.say("hello");
        alice.wait_until(
            "it is said, with a time",
            "/\\d/.test([...document.querySelectorAll('#log time')].at(-1)?.textContent)",
        );
        alice.assert_no_complaints();
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn the_message_box_has_the_focus() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let focus = |page: &Page<'_>| page.run("return document.activeElement.id");
    assert_eq!(focus(&alice), "composer", "after loading");
    alice.fill("by a click");
    alice.click("#send");
    alice.wait_said(&["alice: by a click"]);
    assert_eq!(focus(&alice), "composer", "after Send");
    alice.fill("by the keyboard");
    alice.type_into("#send", "\u{E007}");
    alice.wait_said(&["alice: by a click", "alice: by the keyboard"]);
    assert_eq!(focus(&alice), "composer", "after Enter on Send");

    // Where a finger points, it would bring the keyboard up.
    let bob = driver.browser("en-US");
    bob.run_before_each_page(
        "const real = matchMedia; window.matchMedia = (query) => query === '(pointer: coarse)' ? { matches: true } : real(query)",
    );
    bob.open(&format!("http://{}/?name=bob&room=dev", server.address));
    bob.wait_online();
    assert_eq!(bob.run("return document.activeElement.tagName"), "BODY");
    bob.click("#composer");
    bob.fill("with a finger");
    bob.click("#send");
    bob.wait_until("it is sent", "document.querySelectorAll('#log [data-id]').length === 3");
    assert_eq!(focus(&bob), "composer", "and there it stays while one writes");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn enter_in_the_list_of_rooms_enters_and_makes_none() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "DevTools");
    for room in ["dev", "under", "ops"] {
        carol.send(format!("/join {room}\r\n").as_bytes());
        read_until(&mut carol, &format!("You are in #{room} now"));
    }
    // So many busier rooms that #last-of-all is on the second page of the list.
    let mut crowd: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for (number, client) in crowd.iter_mut().enumerate() {
        client.send(format!("/nick crowd{number}\r\n").as_bytes());
        for room in 0..45 {
            client.send(format!("/join busy-{number}-{room}\r\n").as_bytes());
        }
        read_until(client, &format!("You are in #busy-{number}-44 now"));
    }
    carol.send(b"/join last-of-all\r\n");
    read_until(&mut carol, "You are in #last-of-all now");

    let alice = driver.page(server.address, "alice", "lobby");
    let titled =
        |room: &str| format!("document.querySelector('#title').textContent === {}", json!(room));
    let find = |typed: &str| {
        alice.type_into("body", "\u{E009}k\u{E000}");
        alice.wait_until("the list", "document.querySelectorAll('#browse-list li').length >= 5");
        alice.type_into("#browse-filter", typed);
    };
    for (typed, room) in [
        ("de\u{E007}", "#dev"),
        ("DEV\u{E007}", "#dev"),
        ("devt\u{E007}", "#DevTools"),
        ("nde\u{E007}", "#under"),
        ("lobb\u{E007}", "#lobby"),
        ("Last-of-All\u{E007}", "#last-of-all"),
        ("ast-of\u{E007}", "#last-of-all"),
    ] {
        find(typed);
        alice.wait_until("the room", &titled(room));
    }
    // None fits: nothing is made, until that is chosen.
    find("zebra\u{E007}");
    alice.wait_until(
        "it says so",
        "/No room fits/.test(document.querySelector('#browse-state').textContent)",
    );
    carol.send(b"/who #zebra\r\n");
    read_until(&mut carol, "There is no room \"#zebra\"");
    assert_eq!(alice.run(&format!("return {}", titled("#last-of-all"))), true);
    assert_eq!(alice.text("#browse-list li:last-child bdi"), "Create #zebra");
    assert_eq!(alice.count("#browse-list [aria-selected=true]"), 0);
    alice.type_into("#browse-filter", "\u{E015}\u{E007}");
    alice.wait_until("the new room", &titled("#zebra"));
    alice.wait_online();
    let rooms = alice.run(
        "return [...document.querySelectorAll('#rooms button')].map((one) => one.dataset.room)",
    );
    assert!(!rooms.as_array().expect("rooms").contains(&json!("#de")), "{rooms}");

    // Where one was before comes first, and Enter goes back there. People are found as rooms are.
    find("\u{E007}");
    alice.wait_until("the one before", &titled("#last-of-all"));
    find("@caro");
    alice.wait_until("carol", "document.querySelector('#browse-list li').dataset.key === '@carol'");
    alice.type_into("#browse-filter", "\u{E007}");
    alice.wait_until("a conversation", &titled("carol"));
    // Somebody who is in none of these rooms is asked for; nobody is not, and is no room.
    find("@crowd1\u{E007}");
    alice.wait_until("a conversation", &titled("crowd1"));
    find("@nobody\u{E007}");
    alice.wait_until(
        "it says so",
        "document.querySelector('#browse-state').textContent === 'Nobody here is called nobody.'",
    );
    alice.type_into("#browse-filter", "\u{E00C}");
    carol.send(b"/who #@nobody\r\n");
    read_until(&mut carol, "There is no room");
    find("de");
    assert_eq!(alice.text("#browse-list .best bdi"), "DevTools", "it is the more recent one");
    alice.type_into("#browse-filter", "\u{E015}\u{E007}");
    alice.wait_until("the next one", &titled("#dev"));
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn the_page_folds_names_as_the_server_does() {
    use chat_server::chat::name::comparison;
    use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
    let key = |text: &str| {
        comparison::key(text, comparison::PASSES_MAX)
            .unwrap_or_else(|| panic!("{text:?} has a key"))
    };
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");

    // Every character that both know: the browser's Unicode can be older or newer than ours.
    let is_known = |c: char| c.general_category() != GeneralCategory::Unassigned;
    let folded: Vec<Value> = ('\0'..=char::MAX)
        .filter(|&c| is_known(c) && key(&c.to_string()) != c.to_string())
        .map(|c| json!([u32::from(c), key(&c.to_string())]))
        .collect();
    assert!(folded.len() > 5000, "{}", folded.len());
    let script = "const { fold } = await import('FILE'); const expected = new Map(FOLDED), wrong = []; \
        for (let code = 0; code <= 0x10ffff; code++) { \
            if (code >= 0xd800 && code <= 0xdfff) continue; \
            const text = String.fromCodePoint(code); \
            if (!/\\p{Cn}/u.test(text) && fold(text) !== (expected.get(code) ?? text)) wrong.push([code, fold(text)]); \
        } \
        return wrong";
    let wrong = alice.run(&format!(
        "return (async () => {{ {} }})()",
        script
            .replace("FILE", PAGE.path_of("main.js"))
            .replace("FOLDED", &json!(folded).to_string())
    ));
    let wrong: Vec<&Value> = wrong
        .as_array()
        .expect("a list")
        .iter()
        .filter(|pair| {
            pair[0].as_u64().and_then(|code| char::from_u32(code as u32)).is_some_and(is_known)
        })
        .collect();
    assert_eq!(wrong, Vec::<&Value>::new());

    let sequences = [
        "Straße",
        "STRASSE",
        "straẞe",
        "ΟΔΥΣΣΕΥΣ",
        "Ὀδυσσεύς",
        "ς",
        "aς",
        "Σ",
        "ΑΣ.",
        "İstanbul",
        "ISTANBUL",
        "ıi",
        "Ａｌｉｃｅ",
        "ﬁnﬂ",
        "ﬀ",
        "ŉ",
        "ǰ",
        "가각",
        "\u{1100}\u{1161}\u{11A8}",
        "ᏣᎳᎩ",
        "ꮳꮃꭹ",
        "ᲐᲑ",
        "აბ",
        "ǅǆ",
        "ﷺ",
        "㍿",
        "①Ⅳ",
        "ᾳᾼΑΙ",
        "ΐΰ",
        "և",
        "𝐀𝚺𝛓",
        "x\u{323}\u{307}",
        "x\u{307}\u{323}",
        "👩\u{200D}🚀",
        "❤\u{FE0F}",
        "क्\u{200D}ष",
        "می\u{200C}خواهم",
        "ｶﾞ",
        "ガ",
        "Å",
        "Ω",
        "K",
        "ſ",
        "ͅ",
        "É",
        "e\u{301}",
    ];
    let keys: Vec<String> = sequences.iter().map(|text| key(text)).collect();
    let script = "return import('FILE').then(({ fold }) => TEXTS.map((text) => fold(text)))";
    let folded = alice.run(
        &script
            .replace("FILE", PAGE.path_of("main.js"))
            .replace("TEXTS", &json!(&sequences[..]).to_string()),
    );
    for ((text, key), folded) in sequences.iter().zip(&keys).zip(folded.as_array().expect("a list"))
    {
        assert_eq!(folded, key, "{text}");
    }

    // What it is for: one person and one room, however they are spelt.
    let mut carol = terminal(&server, "Straße", "dev");
    carol.send(b"/msg alice psst\r\n");
    alice.wait_until(
        "a direct message",
        "/Straße/.test(document.querySelector('#directs').textContent)",
    );
    alice.say("/msg STRASSE hello");
    read_until(&mut carol, "hello");
    assert_eq!(alice.count("#directs li"), 1, "the same conversation");
    alice.wait_until(
        "as the server spells it",
        "document.querySelector('#title').textContent === 'Straße'",
    );
    alice.say("/join ﹟ＤＥＶ");
    alice.wait_until("the room", "document.querySelector('#title').textContent === '#dev'");
    assert_eq!(alice.count("#rooms li"), 1, "the same room");
    alice.assert_no_complaints();
}

/// What is of no use in a page, which has other means for it.
const TERMINALS_ONLY: &[&str] = &[
    "history", "quit", "accounts", "bot", "bots", "times", "zone", "bell", "reply", "clear",
    "where", "say", "edit", "hook", "hooks",
];

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn commands_are_explained_as_the_server_has_them() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    for (line, notice) in [
        ("/msg bob", "Write it like this: /msg NAME TEXT"),
        ("/nick", "Write it like this: /nick NAME"),
        ("/history 3", "/history works in a terminal only."),
        ("/dance", "There is no command /dance."),
    ] {
        alice.fill("");
        alice.say(line);
        let shown = format!("document.querySelector('#notice p').textContent.includes('{notice}')");
        alice.wait_until(notice, &shown);
    }
    alice.fill("");
    alice.say("/help");
    alice.wait_until("the help", "document.querySelector('#help').open");
    let help = alice.text("#help-list");
    for spec in &COMMANDS {
        let is_here = !TERMINALS_ONLY.contains(&spec.name);
        assert_eq!(help.contains(spec.help), is_here, "{}: {help}", spec.name);
    }
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_refusal_is_told_from_being_offline() {
    let server = chat(&[]);
    let wire = Wire::to(server.address);
    let driver = Driver::start();
    let alice = driver.page(wire.address, "alice", "dev");
    let json = "application/json";
    let plain = "text/plain; charset=utf-8";
    wire.cut();
    alice.wait_until(
        "it is offline",
        "/You are offline/.test(document.querySelector('#link-text').textContent)",
    );
    for (status, media_type, body, words) in [
        (
            "503 Service Unavailable",
            plain,
            "This server has as many clients as it can take; try again later.\n",
            "server is full",
        ),
        (
            "429 Too Many Requests",
            plain,
            "Too many connections come from your address; try again later.\n",
            "your address",
        ),
        (
            "503 Service Unavailable",
            plain,
            "The server is stopping; connect again in a while.\n",
            "is stopping",
        ),
        ("502 Bad Gateway", "text/html", "<h1>nginx</h1>", "You are offline"),
        (
            "503 Service Unavailable",
            json,
            r#"{"admitted":false,"reason":"stopping","message":"."}"#,
            "is stopping",
        ),
        (
            "503 Service Unavailable",
            "text/html",
            "<h1>No server is available</h1>",
            "You are offline",
        ),
        ("200 OK", json, r#"{"admitted":true}"#, "no WebSocket gets through"),
        (
            "403 Forbidden",
            json,
            r#"{"admitted":false,"reason":"origin","message":"."}"#,
            "--allow-origin http://127.0.0.1",
        ),
        (
            "409 Conflict",
            json,
            r#"{"admitted":false,"reason":"mode","message":"."}"#,
            "echo or broadcast",
        ),
    ] {
        wire.answer(&format!(
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
        eventually(&format!("{status} is explained by {words:?}"), || {
            alice.run("document.querySelector('#retry').click()");
            thread::sleep(Duration::from_millis(100));
            alice.text("#link-text").contains(words).then_some(())
        });
    }
    // The other mode stays what it is for a while.
    alice.wait_until(
        "the next try is far off",
        "/Next try in (6|7|8|9|1\\d)\\d s/.test(document.querySelector('#link-wait').textContent)",
    );
    alice.say("queued");
    wire.mend();
    alice.click("#retry");
    alice.wait_online();
    alice.wait_said(&["alice: queued"]);
    assert_eq!(alice.text("#link-text"), "");
}

// ---- Search ----

/// Finds message 20 of #dev, whatever is searched for, and after it message 10.
#[derive(Debug)]
struct Needles;

impl Reader for Needles {
    fn room(&self, _: &str, _: &[Box<str>], _: usize, _: usize) -> Result<FoundRoom, StoreError> {
        Ok(FoundRoom::default())
    }

    fn page(&self, _: &PageRequest) -> Result<Vec<StoredMessage>, StoreError> {
        Ok(Vec::new())
    }

    fn deleted(&self, _: u64, _: Range<u64>) -> Result<Vec<u64>, StoreError> {
        Ok(Vec::new())
    }

    fn search(&self, search: &SearchRequest) -> Result<Found, StoreError> {
        let (id, next) = if search.cursor.is_none() { (20, Some(7)) } else { (10, None) };
        let text = format!("<b>needle</b> {}", search.words).into();
        let author = "carol".into();
        let message =
            StoredMessage { id, unix_ms: 0, is_action: false, author, text, account: None };
        Ok(Found { hits: vec![Hit { room_id: 1, room: "#dev".into(), message }], next })
    }
}

/// A server in this process, whose chat searches with this reader. It ends with the process.
fn chat_that_searches(reader: Arc<dyn Reader>) -> SocketAddr {
    let flags = ["chat-server", "127.0.0.1:0", "--rate-limit", "off"];
    let config = Config::read(flags.map(Into::into)).expect("flags");
    let (address, told) = mpsc::channel();
    thread::spawn(move || {
        let store = Box::new(Nowhere::new(reader));
        let chat = Chat::with_store(config.chat("e1".to_owned()), store, nothing());
        let mut event_loop = EventLoop::bind(
            config.net(true).expect("no certificate"),
            Inherited::default(),
            |_| chat,
        )
        .expect("a port");
        address.send(event_loop.bound()[0].clone()).expect("it is waited for");
        event_loop.run()
    });
    match told.recv_timeout(DEADLINE).expect("an address") {
        Bound::Tcp(address) => address,
        Bound::Unix(path) => panic!("it listens at {}", path.display()),
    }
}

/// Such a server, and carol, who has said 300 messages in #dev.
fn haystack() -> (SocketAddr, Client) {
    let address = chat_that_searches(Arc::new(Needles));
    let mut carol = Client::over(TcpStream::connect(address).expect("a connection"));
    carol.send(b"/nick carol\r\n/join dev\r\n");
    read_until(&mut carol, "You are in #dev now");
    for number in 1..=300 {
        carol.send(format!("message {number}\r\n").as_bytes());
    }
    carol.send(b"/topic\r\n");
    read_until(&mut carol, "has no topic");
    (address, carol)
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_is_found_leads_to_the_message_in_its_room() {
    let (address, _carol) = haystack();
    let driver = Driver::start();
    let alice = driver.page(address, "alice", "lobby");
    alice.click("#open-search");
    alice.type_into("#search-text", "端末 from:carol\u{E007}");
    alice.wait_until("a hit", "document.querySelectorAll('#search-list li').length === 1");
    assert_eq!(alice.text("#search-list .text"), "<b>needle</b> 端末", "it stays text");
    assert_eq!(alice.text("#search-list .where"), "#dev · carol");
    alice.click("#search-more");
    alice.wait_until("another", "document.querySelectorAll('#search-list li').length === 2");
    alice.wait_until("that is all", "document.querySelector('#search-more').hidden");

    // It is far above what the page has of the room, which it is not even in.
    alice.click("#search-list li:first-child button");
    alice.wait_until("the room", "/dev/.test(document.querySelector('#title').textContent)");
    alice.wait_until("the mark", "document.querySelector('.found')?.dataset.id === '20'");
    let in_sight = "(() => { const log = document.querySelector('#log').getBoundingClientRect(), \
        found = document.querySelector('.found').getBoundingClientRect(); \
        return found.top >= log.top && found.bottom <= log.bottom; })()";
    alice.wait_until("the message is in sight", in_sight);
    assert_eq!(alice.said()[0], "carol: message 1");
    assert!(!alice.said().contains(&"carol: message 300".to_owned()));

    // What comes after it is loaded as it is scrolled to, until the newest is there; nothing is
    // there twice, and nothing is missing.
    let scrolled = "(() => { const log = document.querySelector('#log'); \
        log.scrollTop = log.scrollHeight; return document.querySelector('[data-id=\"300\"]') !== null; })()";
    alice.wait_until("the newest", scrolled);
    let expected: Vec<String> =
        (1..=300).map(|number| format!("carol: message {number}")).collect();
    assert_eq!(alice.said_in_all(), expected);

    // To another hit, and straight back to the newest.
    alice.say("/search 端末");
    alice.wait_until("a hit", "document.querySelectorAll('#search-list li').length === 1");
    alice.click("#search-list li:first-child button");
    alice.wait_until("the message is in sight", in_sight);
    alice.click("#latest");
    alice.wait_until("the end", "document.querySelector('#latest').hidden");
    alice.say("seen");
    alice.wait_until(
        "it is said",
        "/seen/.test(document.querySelector('#messages').lastChild.textContent)",
    );
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_passage_is_left_by_its_button_and_by_saying_something() {
    let (address, _carol) = haystack();
    let driver = Driver::start();
    let alice = driver.page(address, "alice", "dev");
    let newest = "document.querySelector('[data-id=\"300\"]') !== null";
    for leave in ["button", "words"] {
        alice.wait_until("the newest", newest);
        alice.say("/search x");
        alice.wait_until("a hit", "document.querySelectorAll('#search-list li').length === 1");
        alice.click("#search-list li:first-child button");
        alice.wait_until("the mark", "document.querySelector('.found')?.dataset.id === '20'");
        assert!(!alice.said().contains(&"carol: message 300".to_owned()));
        match leave {
            "button" => alice.click("#latest"),
            _ => alice.say("seen"),
        }
        alice.wait_until("the newest", newest);
        assert_eq!(alice.count(".found"), 0);
    }
    alice.assert_no_complaints();
}
