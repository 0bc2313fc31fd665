//! What monitors are told: metrics in Prometheus' format, to those who may ask; whether the server
//! serves, and whether it keeps what is said; and the files for Prometheus and Grafana in docs/.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use common::{Client, Directory, Server, eventually, program};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const GET: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";

/// A chat that keeps what is said, with these flags as well.
fn chat(directory: &Directory, flags: &[&str]) -> Server {
    let mut command = program();
    command.env("CHAT_DATA", directory.0.join("data")).env("CHAT_MODE", "chat");
    command.arg("127.0.0.1:0").args(flags);
    Server::launch(command)
}

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("a status line")
    }
}

/// What a request on a connection of its own is answered.
fn ask(server: &Server, head: &str) -> Answer {
    let mut client = server.connect();
    client.send(format!("{head}Connection: close\r\n\r\n").as_bytes());
    let answer = String::from_utf8(client.rest()).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    Answer { head: head.to_owned(), body: body.to_owned() }
}

fn metrics(server: &Server) -> BTreeMap<String, Family> {
    let answer = ask(server, GET);
    assert_eq!(answer.status(), "200", "{}", answer.head);
    parse(&answer.body)
}

// ---- The format ----

#[derive(Debug, PartialEq)]
struct Family {
    kind: String,
    help: String,
    /// By what follows the family's name: the end of a histogram's sample, and labels.
    samples: BTreeMap<String, f64>,
}

impl Family {
    fn value(&self, labels: &str) -> f64 {
        *self.samples.get(labels).unwrap_or_else(|| panic!("no {labels:?} in {self:?}"))
    }

    /// The label, if there is one, and its values in the order of the alphabet.
    fn labels(&self) -> String {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sample in self.samples.keys().filter(|sample| sample.starts_with('{')) {
            let (label, value) = sample[1..].split_once("=\"").expect("a label");
            values.entry(label).or_default().insert(value.trim_end_matches("\"}"));
        }
        let told = values.iter().map(|(label, values)| match *label {
            "version" => label.to_string(),
            _ => format!("{label}: {}", values.iter().copied().collect::<Vec<_>>().join(", ")),
        });
        told.collect()
    }
}

/// Reads the format, and is stricter than it: what is allowed and never written is refused.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    let mut rest = text.strip_suffix('\n').expect("a line end at the end");
    while let Some(line) = rest.strip_prefix("# HELP ") {
        let block = line.find("\n# HELP ").map_or(line, |end| &line[..end]);
        rest = line[block.len()..].trim_start_matches('\n');
        let mut lines = block.split('\n');
        let (name, help) = lines.next().and_then(|it| it.split_once(' ')).expect("a help");
        let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type");
        let kind = kind.strip_prefix(name).expect("its name").trim_start();
        assert!(is_name(name), "{name}");
        assert!(help.ends_with('.') && !help.contains('\\'), "{help}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        let mut samples = BTreeMap::new();
        for line in lines {
            let (sample, value) = line.rsplit_once(' ').expect("a sample");
            let of = sample.strip_prefix(name).unwrap_or_else(|| panic!("{line} of {name}"));
            assert!(kind == "histogram" || is_labels(of), "{line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            assert!(samples.insert(of.to_owned(), value).is_none(), "{line} comes twice");
        }
        let family = Family { kind: kind.to_owned(), help: help.to_owned(), samples };
        if kind == "histogram" {
            check_histogram(block, &family);
        }
        assert!(!family.samples.is_empty(), "{name} has no sample");
        assert!(families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
    }
    assert_eq!(rest, "", "what is no family");
    families
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Nothing, or one label.
fn is_labels(text: &str) -> bool {
    let label = text.strip_prefix('{').and_then(|text| text.strip_suffix("\"}"));
    let Some((name, value)) = label.and_then(|label| label.split_once("=\"")) else {
        return text.is_empty();
    };
    is_name(name) && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
}

fn check_histogram(block: &str, family: &Family) {
    let buckets: Vec<(f64, f64)> = block
        .lines()
        .filter_map(|line| line.split_once("_bucket{le=\"")?.1.split_once("\"} "))
        .map(|(bound, count)| (bound.parse().expect("a bound"), count.parse().expect("a count")))
        .collect();
    assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{block}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, family.value("_count"))), "{block}");
    assert_eq!(buckets.len() + 2, family.samples.len(), "{block}");
    assert!(family.samples.contains_key("_sum"), "{block}");
}

// ---- Who is told ----

#[test]
fn nobody_is_told_unless_somebody_is_named() {
    let server = Server::start(&["--mode", "chat"]);
    let (metrics, nothing) = (ask(&server, GET), ask(&server, &GET.replace("metrics", "nothing")));
    assert_eq!((metrics.status(), &metrics.body), ("404", &nothing.body));
}

#[test]
fn named_addresses_are_told_and_nobody_else() {
    let server = Server::start(&["--metrics-from", "10.0.0.0/8,127.0.0.1"]);
    let answer = ask(&server, GET);
    assert_eq!(answer.status(), "200");
    assert!(
        answer.head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{}",
        answer.head
    );
    let head = ask(&server, &GET.replace("GET", "HEAD"));
    assert_eq!((head.status(), head.body.as_str()), ("200", ""));
    assert_eq!(ask(&server, &GET.replace("GET", "POST")).status(), "405");
    // A proxy that is not named has brought it, so it may be anybody's.
    for mark in ["X-Forwarded-For: 10.1.2.3", "Via: 1.1 proxy", "Forwarded: for=10.1.2.3"] {
        assert_eq!(ask(&server, &format!("{GET}{mark}\r\n")).status(), "404", "{mark}");
    }
    let server = Server::start(&["--metrics-from", "10.0.0.0/8"]);
    assert_eq!(ask(&server, GET).status(), "404");
    server.wait_for_line("refused", |line| line.contains("refused the metrics"));
}

#[test]
fn behind_a_proxy_the_address_of_its_client_counts() {
    let server = Server::start(&["--metrics-from", "10.0.0.0/8,::1", "--proxy-from", "127.0.0.1"]);
    for (client, status) in [("10.1.2.3", "200"), ("::1", "200"), ("192.0.2.7", "404")] {
        let answer = ask(&server, &format!("{GET}X-Forwarded-For: {client}\r\n"));
        assert_eq!(answer.status(), status, "{client}");
    }
    // What the client has written itself stands before what the proxy adds.
    let claimed = ask(&server, &format!("{GET}X-Forwarded-For: 10.1.2.3, 192.0.2.7\r\n"));
    assert_eq!(claimed.status(), "404");
    let untold = ask(&server, &format!("{GET}X-Forwarded-Proto: https\r\n"));
    assert_eq!(untold.status(), "404");
    let mut by_header = server.connect();
    by_header.send(b"PROXY TCP4 10.1.2.3 192.0.2.1 4242 80\r\n");
    by_header.send(format!("{GET}Connection: close\r\n\r\n").as_bytes());
    assert!(by_header.rest().starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn who_shows_the_token_is_told() {
    let directory = Directory::new("monitoring");
    let token = directory.file("token", &format!("{TOKEN}\n"));
    let server = Server::start(&["--metrics-token", &token, "--metrics-from", "10.0.0.0/8"]);
    let shown = ask(&server, &format!("{GET}Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(shown.status(), "200");
    parse(&shown.body);
    for field in ["", "Authorization: Bearer 0123456789abcdef\r\n", "Authorization: Basic eDp5\r\n"]
    {
        let answer = ask(&server, &format!("{GET}{field}"));
        assert_eq!(answer.status(), "401", "{field}");
        assert!(answer.head.contains("\r\nWWW-Authenticate: Bearer\r\n"), "{}", answer.head);
    }
    // Only the file is named on the command line, and never what is in it.
    let short = directory.file("short", "secret");
    for (file, why) in [(short.as_str(), "a token has 16 to 128"), ("/nowhere", "No such file")] {
        let output = program().args(["--metrics-token", file]).output().expect("the program runs");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why) && said.contains(file) && !said.contains("secret"), "{said}");
    }
}

// ---- What they are told ----

#[test]
fn what_happens_is_counted() {
    let directory = Directory::new("monitoring");
    let server = chat(&directory, &["--metrics-from", "127.0.0.1", "--max-clients", "5"]);
    let mut people: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    people.iter_mut().for_each(|client| _ = client.enter());
    people[0].send(b"hello\r\n");
    while !people[1].line().ends_with(b": hello\r\n") {}
    let mut page = server.connect();
    page.send(
        b"GET /?name=carol HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
          Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    page.expect(b"HTTP/1.1 101 Switching Protocols\r\n");
    let foreign = "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\
                   Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(ask(&server, foreign).status(), "403");

    let told = metrics(&server);
    let value = |name: &str, labels: &str| told[name].value(labels);
    let connections =
        |wire: &str| value("chat_server_connections", &format!("{{wire=\"{wire}\"}}"));
    assert_eq!(["lines", "websocket"].map(connections), [2.0, 1.0]);
    assert!(connections("http") >= 1.0, "who asks for the metrics is one");
    assert_eq!(value("chat_server_connections_max", ""), 5.0);
    assert_eq!(value("chat_server_refused_upgrades_total", "{reason=\"origin\"}"), 1.0);
    assert!(value("chat_server_received_messages_total", "") >= 1.0);
    assert!(value("chat_server_deliveries_total", "") >= 1.0);
    assert!(value("chat_server_received_bytes_total", "") > 100.0);
    assert!(value("chat_server_sent_bytes_total", "") > 100.0);
    assert!(value("chat_server_turn_seconds", "_count") >= 5.0);
    assert!(value("chat_server_commit_seconds", "_count") >= 1.0);
    assert!(value("chat_server_commit_seconds", "_sum") > 0.0);
    assert!(value("chat_server_wal_bytes", "") > 0.0);
    assert!(value("process_resident_memory_bytes", "") > 1e6);
    assert!(value("process_max_fds", "") > 5.0);
    assert!(!told["chat_server_rooms"].samples.is_empty());

    // A fifth and a sixth client: one of them is turned away.
    let _more: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    let mut refused = server.connect();
    assert!(refused.rest_until_end().starts_with(b"! "));
    drop(page);
    eventually("the page's going is seen, and there is room to ask", || {
        let answer = ask(&server, GET);
        let told = (answer.status() == "200").then(|| parse(&answer.body))?;
        let full = told["chat_server_rejected_connections_total"].value("{reason=\"full\"}");
        let pages = told["chat_server_connections"].value("{wire=\"websocket\"}");
        (pages == 0.0 && full >= 1.0).then_some(())
    });
}

/// What `chat-server health` says, and its exit code.
fn health(address: &str) -> (String, Option<i32>) {
    let output = program().args(["health", address]).output().expect("the program runs");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told).expect("UTF-8");
    assert_eq!(told.lines().count(), 1, "{told}");
    (told.trim_end().to_owned(), output.status.code())
}

#[test]
fn the_program_asks_whether_a_server_is_well() {
    let server = Server::start(&["--mode", "chat"]);
    let address = server.address.to_string();
    assert_eq!(health(&address), ("ok".to_owned(), Some(0)));
    assert_eq!(health(&format!("http://{address}/")), ("ok".to_owned(), Some(0)));
    // Whom it does not keep well: one that is not there, and one that has no pages.
    drop(server);
    let (told, code) = health(&address);
    assert!(told.contains("cannot connect to") && code == Some(1), "{told}");
    let server = Server::start(&["--mode", "echo", "--wire", "line"]);
    let (told, code) = health(&server.address.to_string());
    assert!(told.contains("what answers there is no web server") && code == Some(1), "{told}");
    let (told, code) = health("a b");
    assert!(told.contains("not an address like") && code == Some(2), "{told}");
}

#[test]
fn the_program_asks_a_server_under_a_path_whether_it_is_well() {
    let server = Server::start(&["--mode", "chat", "--base-path", "/chat/"]);
    let address = server.address.to_string();
    for url in [format!("http://{address}/chat/"), format!("http://{address}/chat#invite=A/B")] {
        assert_eq!(health(&url), ("ok".to_owned(), Some(0)), "{url}");
    }
    let (told, code) = health(&address);
    assert!(told.contains("it answers 404") && code == Some(1), "{told}");
    let (told, code) = health(&format!("http://{address}/a b/"));
    assert!(told.contains("a path begins with /") && code == Some(2), "{told}");
}

/// A server that answers one connection with these bytes, and closes it.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        socket.write_all(bytes).expect("an answer");
        // It reads what was asked to the end: else the answer could be lost with it.
        let _ = std::io::copy(&mut socket, &mut std::io::sink());
    });
    address
}

#[test]
fn a_server_that_is_not_well_is_told_from_one_that_is() {
    for (answer, told, code) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfull\n"[..],
            "full",
            0,
        ),
        (
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\ndraining\n",
            "it answers 503: draining",
            1,
        ),
        // Nobody's terminal is written to by another server.
        (b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\n\x1b[2J\n", "it answers 503: [2J", 1),
        (b"220 mail.example.com ESMTP\r\n", "what answers there is no web server", 1),
        (b"", "no answer within 5 s", 1),
    ] {
        let (said, exit) = health(&answering(answer));
        assert!(said.ends_with(told) && exit == Some(code), "{said}, not {told}");
    }
}

#[test]
fn every_metric_is_documented_as_it_is() {
    let directory = Directory::new("monitoring");
    let server = chat(&directory, &["--metrics-from", "127.0.0.1"]);
    let page = read("docs/monitoring.md");
    let rows = page.lines().skip_while(|line| *line != "## All metrics");
    let documented: BTreeSet<String> =
        rows.filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    let real: BTreeSet<String> = metrics(&server)
        .iter()
        .map(|(name, family)| {
            format!("| `{name}` | {} | {} | {} |", family.kind, family.labels(), family.help)
        })
        .collect();
    let missing: Vec<_> = real.difference(&documented).collect();
    let made_up: Vec<_> = documented.difference(&real).collect();
    assert!(
        missing.is_empty() && made_up.is_empty(),
        "not documented: {missing:#?}; not there: {made_up:#?}"
    );
}

// ---- The log ----

#[test]
fn the_log_is_one_object_a_line_for_programs() {
    let server = Server::start(&["--mode", "chat", "--log-format", "json"]);
    let mut client = server.connect();
    client.enter();
    client.send("/nick 端末\r\n/quit\r\n".as_bytes());
    client.rest_until_end();
    let (address, told) = (client.address(), "\"message\":\"stopped\"");
    server.signal("TERM");
    server.wait_for_line("the last line", |line| line.contains(told));
    let lines: Vec<serde_json::Value> = server
        .log()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        let fields: Vec<&str> =
            line.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(fields, ["level", "message", "target", "time"], "{line}");
        let time = line["time"].as_str().expect("a time");
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line}");
        assert!(line["target"].as_str().is_some_and(|target| target.starts_with("chat_server")));
    }
    let has = |level: &str, message: &str| {
        lines.iter().any(|line| line["level"] == level && line["message"] == message)
    };
    assert!(has("info", &format!("Peer address: {address}")), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line["message"].as_str().is_some_and(|it| it.contains("端末")))
    );
}

// ---- The files for Prometheus and Grafana ----

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metrics that are named somewhere.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_');
    let ours = words.filter(|word| {
        (word.starts_with("chat_server_") || word.starts_with("process_"))
            && *word != "chat_server_"
    });
    ours.map(str::to_owned).collect()
}

#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_there_are() {
    let directory = Directory::new("monitoring");
    let server = chat(&directory, &["--metrics-from", "127.0.0.1"]);
    let real = metrics(&server);
    let alerts = read("docs/monitoring/alerts.yml");
    let dashboard = read("docs/monitoring/grafana.json");
    for text in [&alerts, &dashboard] {
        let named = named(text);
        assert!(named.len() > 5);
        for name in named {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                real.get(name.strip_suffix(end)?).filter(|family| family.kind == "histogram")
            });
            assert!(family.is_some() || real.contains_key(&name), "there is no {name}");
        }
        // So are the values of labels.
        let values = text.split("reason=").skip(1).chain(text.split("worker=").skip(1));
        for values in values {
            let values = values.trim_start_matches(['~', '\\', '"']).split(['"', '\\']).next();
            for value in values.expect("always one").split('|') {
                let label = format!("=\"{value}\"}}");
                let mut samples = real.values().flat_map(|family| family.samples.keys());
                assert!(samples.any(|sample| sample.ends_with(&label)), "no label is {value}");
            }
        }
    }
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 8));
    let flags = program().arg("--help").output().expect("the program runs").stdout;
    let flags = String::from_utf8(flags).expect("UTF-8");
    for word in alerts.split([' ', ',', '.', '"', '\n']).filter(|word| word.starts_with("--")) {
        assert!(flags.contains(word), "there is no {word}");
    }
}

/// Prometheus' own opinion: `cargo test --test monitoring -- --ignored`.
#[test]
#[ignore = "needs promtool"]
fn promtool_takes_the_metrics_and_the_alerts() {
    let directory = Directory::new("monitoring");
    let server = chat(&directory, &["--metrics-from", "127.0.0.1"]);
    let text = ask(&server, GET).body;
    let promtool = env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let mut check = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    check.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = check.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    // It also says what it would have named otherwise.
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring/alerts.yml");
    let output = Command::new(&promtool).args(["check", "rules"]).arg(rules).output();
    let output = output.expect("promtool");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
