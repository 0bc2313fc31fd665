//! Hooks, through the real program: what is posted is answered as Slack answers, and said once.

mod common;

use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{Client, Directory, Server, program};

fn start(directory: &Directory, flags: &[&str]) -> Server {
    let mut command = program();
    command.args(["127.0.0.1:0", "--mode", "chat", "--registration", "open"]).args(flags);
    command.arg("--data").arg(directory.0.join("data"));
    Server::launch(command)
}

/// mia, in her room #dev, and the path of a hook of it.
fn mia(server: &Server) -> (Client, String) {
    let mut mia = server.join();
    mia.ask("/register mia", "A password for");
    mia.ask("password of mia", "You are logged in as mia");
    mia.ask("/join #dev", "You are in #dev now");
    let told = mia.ask("/hook deploy", "hook/");
    let (_, token) = told.split_once("hook/").expect("a token");
    let path = format!("/hook/{token}");
    (mia, path)
}

fn head(path: &str, fields: &str, bytes: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {bytes}\r\n\r\n")
}

/// The whole answer to what is sent in these pieces.
fn answer(server: &Server, pieces: &[&[u8]]) -> String {
    let mut client = server.connect();
    for piece in pieces {
        client.send(piece);
    }
    String::from_utf8(client.rest_until_end()).expect("UTF-8")
}

#[track_caller]
fn post(server: &Server, path: &str, fields: &str, body: &str, status: u16, text: &str) {
    let request = head(path, fields, body.len()) + body;
    let answer = answer(server, &[request.as_bytes()]);
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.200}: {answer}");
    assert!(answer.ends_with(text), "{request:.200}: {answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

#[test]
fn what_is_posted_is_said_to_the_room() {
    let directory = Directory::new("hooks");
    let server = start(&directory, &[]);
    let (mut mia, path) = mia(&server);
    post(&server, &path, "", "deploy done", 200, "\r\n\r\nok");
    mia.until("[#dev] deploy (hook): deploy done");
    let json = "Content-Type: application/json\r\n";
    let body = r#"{"text":"a &lt; b <https://c.d|e>","username":"CI server"}"#;
    post(&server, &path, json, body, 200, "\r\n\r\nok");
    mia.until("[#dev] CI-server (hook): a < b e (https://c.d)");
    // A cookie counts for nothing, and a page of another site is told nothing that it could read.
    let foreign = "Origin: https://evil.example\r\nCookie: chat-session=x\r\n";
    post(&server, &path, foreign, "from a page", 200, "ok");
    mia.until("from a page");
    let key = "Idempotency-Key: \"1\"\r\n";
    post(&server, &path, key, "only once", 200, "ok");
    post(&server, &path, key, "only once", 200, "ok");
    post(&server, &path, "", "the last", 200, "ok");
    mia.until("deploy (hook): only once");
    assert!(mia.until("(hook)").ends_with("the last"));
    // All of it, and the hook, is there after the server was started anew.
    drop(server);
    let server = start(&directory, &[]);
    post(&server, &path, "", "again", 200, "ok");
    let mut mia = server.join();
    mia.ask("/login mia", "Password of mia");
    mia.ask("password of mia", "You are logged in as mia");
    mia.ask("/join #dev", "#dev");
    let told = mia.ask("/history 2", "(5)");
    assert!(told.ends_with("(5) deploy (hook): the last"), "{told}");
    assert!(mia.until("(6)").ends_with("deploy (hook): again"));
    mia.ask("/hooks end deploy", "has ended");
    post(&server, &path, "", "too late", 403, "\r\n\r\ninvalid_token");
    let log = server.log().join("\n");
    assert!(!log.contains(&path[6..]), "a token is in the log");
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let directory = Directory::new("hooks-refused");
    let server = start(&directory, &["--rate-limit", "5:1"]);
    let (_mia, path) = mia(&server);
    let json = "Content-Type: application/json\r\n";
    let deep = format!("{{\"text\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let long = "x".repeat(64 * 1024 + 1);
    post(&server, "/hook/cst_nothing", "", "hello", 403, "\r\n\r\ninvalid_token");
    post(&server, "/hook/", "", "hello", 403, "\r\n\r\ninvalid_token");
    post(&server, &path, "", "", 400, "\r\n\r\nno_text");
    for keys in ["Idempotency-Key: é\r\n", "Idempotency-Key: 1\r\nIdempotency-Key: 2\r\n"] {
        post(&server, &path, keys, "hello", 400, "");
    }
    post(&server, &path, json, "{\"text\":", 400, "\r\n\r\ninvalid_payload");
    post(&server, &path, json, &deep, 400, "\r\n\r\ninvalid_payload");
    post(&server, &path, "", &long, 413, "at most 65536 bytes.\n");
    post(&server, "/nothing", "", "hello", 405, "allowed here.\n");
    let other = |method: &str, fields: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        answer(&server, &[request.as_bytes()])
    };
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let answer = other(method, "");
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("\r\nAllow: POST\r\n"), "{method}: {answer}");
    }
    let coded = "Transfer-Encoding: chunked\r\n";
    assert!(other("POST", coded).starts_with("HTTP/1.1 411 "));
    let claimed = "Content-Length: 99999999999999999999999\r\n";
    assert!(other("POST", claimed).starts_with("HTTP/1.1 413 "));
    let twice = "Content-Length: 3\r\nContent-Length: 4\r\n";
    assert!(other("POST", twice).starts_with("HTTP/1.1 400 "));
    // Half a body is none.
    let mut half = server.connect();
    half.send((head(&path, "", 10) + "12345").as_bytes());
    half.end_input();
    assert_eq!(half.rest_until_end(), b"");
    for _ in 0..5 {
        post(&server, &path, "", "x", 200, "ok");
    }
    let request = head(&path, "", 1) + "x";
    let answer = answer(&server, &[request.as_bytes()]);
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
}

/// The sample of a metric.
fn sample(server: &Server, name: &str) -> String {
    let page = answer(server, &[b"GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n"]);
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).trim().to_owned()
}

#[test]
fn what_is_posted_is_counted_by_what_is_answered() {
    let directory = Directory::new("hooks-metrics");
    let flags = ["--metrics-from", "127.0.0.1", "--rate-limit", "off"];
    let server = start(&directory, &flags);
    let (_mia, path) = mia(&server);
    let posts = |answer: &str| {
        sample(&server, &format!("chat_server_hook_posts_total{{answer=\"{answer}\"}}"))
    };
    assert_eq!((posts("ok").as_str(), posts("rate_limited").as_str()), ("0", "0"));
    post(&server, &path, "", "one", 200, "ok");
    post(&server, &path, "", "two", 200, "ok");
    post(&server, &path, "", " ", 400, "no_text");
    post(&server, "/hook/cst_nothing", "", "one", 403, "invalid_token");
    let counted = ["ok", "no_text", "invalid_token", "too_long"].map(posts);
    assert_eq!(counted, ["2", "1", "1", "0"]);
}

/// At every byte, and with a client that waits to be told to go on.
#[test]
fn a_request_may_come_in_any_pieces() {
    let directory = Directory::new("hooks-pieces");
    let server = start(&directory, &["--rate-limit", "off"]);
    let (mut mia, path) = mia(&server);
    let request = head(&path, "", 7) + "content";
    for at in 1..request.len() {
        let (first, second) = request.as_bytes().split_at(at);
        let mut client = server.connect();
        client.send(first);
        // Both pieces are read at once, or they are not.
        if at % 2 == 0 {
            thread::yield_now();
        }
        client.send(second);
        let answer = String::from_utf8(client.rest_until_end()).expect("UTF-8");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
        mia.until("deploy (hook): content");
    }
    let mut client = server.connect();
    client.send(head(&path, "Expect: 100-continue\r\n", 5).as_bytes());
    client.expect(b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"12345");
    assert!(client.rest_until_end().ends_with(b"ok"));
    mia.until("deploy (hook): 12345");
    // What comes behind it is not served, nor said.
    let request = head(&path, "", 5) + "12345" + &head(&path, "", 5) + "67890";
    let answer = answer(&server, &[request.as_bytes()]);
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

/// The commands of docs/bots.md, with the real curl.
#[test]
#[ignore = "needs curl"]
fn curl_posts_as_the_page_says() {
    let directory = Directory::new("hooks-curl");
    let server = start(&directory, &[]);
    let (mut mia, path) = mia(&server);
    let url = format!("http://{}{path}", server.address);
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl").arg("-s").args(arguments).arg(&url).output();
        String::from_utf8(output.expect("curl").stdout).expect("UTF-8")
    };
    assert_eq!(curl(&["-d", "deploy done"]), "ok");
    mia.until("[#dev] deploy (hook): deploy done");
    let payload = r#"payload={"text":"by form & <!here>"}"#;
    assert_eq!(curl(&["--data-urlencode", payload]), "ok");
    mia.until("[#dev] deploy (hook): by form & @here");
    let long = "y".repeat(60_000);
    assert_eq!(curl(&["-H", "Expect: 100-continue", "-d", &long]), "ok");
    mia.until("yyy");
}

#[test]
fn what_a_hook_said_is_found_by_its_name() {
    let directory = Directory::new("hooks-search");
    let server = start(&directory, &["--rate-limit", "off"]);
    let (mut mia, path) = mia(&server);
    post(&server, &path, "", "it is done", 200, "ok");
    mia.until("deploy (hook): it is done");
    mia.send(b"it is said\r\n");
    // It may not be in the index yet.
    for _ in 0..200 {
        mia.send(b"/search is from:Deploy\r\n/search said\r\n");
        let found = mia.until("ound");
        let other = mia.until("ound");
        if other.contains("Found 1 message") {
            assert!(found.contains("Found 1 message"), "{found}");
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("nothing is found");
}

/// Nobody tries tokens for long from one address.
#[test]
fn addresses_of_hooks_are_not_guessed_for_long() {
    let directory = Directory::new("hooks-guesses");
    let server = start(&directory, &["--connect-rate", "off", "--rate-limit", "off"]);
    let (_mia, path) = mia(&server);
    for guess in 0..20 {
        post(&server, &format!("/hook/cst_guess{guess}"), "", "x", 403, "\r\n\r\ninvalid_token");
    }
    let request = head("/hook/cst_guess", "", 1) + "x";
    // Time goes on meanwhile.
    let told = (0..20).map(|_| answer(&server, &[request.as_bytes()]));
    let told = told.into_iter().find(|told| told.starts_with("HTTP/1.1 429 ")).expect("an end");
    assert!(told.contains("\r\nRetry-After: 2\r\n") && told.ends_with("too_many_attempts"));
    post(&server, &path, "", "x", 200, "ok");
}

#[test]
fn an_address_is_told_under_the_path_of_the_server() {
    let directory = Directory::new("hooks-base");
    let server = start(&directory, &["--base-path", "/chat/"]);
    let (mut mia, _) = mia(&server);
    let told = mia.ask("/hook build", "hook/");
    let path = told.rsplit_once(' ').expect("an address").1;
    assert!(path.starts_with("/chat/hook/cst_"), "{told}");
    post(&server, path, "", "it is built", 200, "ok");
    mia.until("build (hook): it is built");
}
