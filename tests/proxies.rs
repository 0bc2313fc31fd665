//! Clients behind real proxies, with the configurations that stand in `docs/proxies.md`.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};

use chat_server::chat::PAGE;
use common::{DEADLINE, Server, eventually};

/// Clients, at addresses that are not the proxies'.
const ALICE: &str = "127.0.0.7";
const BOB: &str = "127.0.0.8";
const CAROL: &str = "127.0.0.9";

/// What `docs/proxies.md` says in a block of this kind that has this in it.
fn documented(kind: &str, part: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxies.md");
    let page = fs::read_to_string(page).expect("the page");
    let start = format!("```{kind}\n");
    let blocks = page.split(&start).skip(1).filter_map(|rest| rest.split("```").next());
    let mut blocks = blocks.filter(|block| block.contains(part));
    blocks.next().unwrap_or_else(|| panic!("no {kind} with {part}")).to_owned()
}

/// Another text in the place of this one, which has to be there.
fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "no {old:?} in {text}");
    text.replace(old, new)
}

/// A proxy, killed when dropped with its files.
struct Proxy {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port")
}

impl Proxy {
    /// Starts a proxy at a free port; `run` is given that port and a directory for its files.
    fn start(run: impl FnOnce(SocketAddr, &Path) -> Command) -> Proxy {
        let address = free_port();
        let name = format!("chat-server-proxies-{}-{}", std::process::id(), address.port());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a directory");
        let mut command = run(address, &directory);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("the proxy is installed");
        let proxy = Proxy { child, address, directory };
        eventually("the proxy listens", || TcpStream::connect(address).ok());
        proxy
    }

    fn nginx(server: SocketAddr) -> Proxy {
        let site = with(&documented("nginx", "server_name"), "127.0.0.1:8080", &server.to_string());
        Proxy::nginx_of(&site)
    }

    /// Without TLS: the clients here do not speak it.
    fn nginx_of(site: &str) -> Proxy {
        Proxy::start(|address, directory| {
            let site = with(site, "443 ssl", &address.to_string());
            let site: String = site
                .lines()
                .filter(|line| !line.contains("ssl_"))
                .map(|l| l.to_owned() + "\n")
                .collect();
            let files: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {}/{kind};\n", directory.display()))
                .concat();
            let config = format!(
                "daemon off; master_process off; pid {}/pid; error_log stderr;\n\
                 events {{}}\nhttp {{\naccess_log off;\n{files}{site}}}\n",
                directory.display()
            );
            let path = directory.join("nginx.conf");
            fs::write(&path, config).expect("written");
            let mut command = Command::new("nginx");
            command.arg("-p").arg(directory).arg("-c").arg(path);
            command
        })
    }

    /// For lines as well: in a `stream` block, whose module is one of its own on Debian.
    fn nginx_stream(server: SocketAddr) -> Proxy {
        Proxy::start(|address, directory| {
            let block =
                with(&documented("nginx", "proxy_protocol"), "443 ssl", &address.to_string());
            let block = with(&block, "127.0.0.1:8080", &server.to_string());
            let lines = block.lines().filter(|line| !line.contains("ssl_"));
            let block: String = lines.map(|line| line.to_owned() + "\n").collect();
            let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
            let load = match module.exists() {
                true => format!("load_module {};\n", module.display()),
                false => String::new(),
            };
            let config = format!(
                "{load}daemon off; master_process off; pid {}/pid; error_log stderr;\n\
                 events {{}}\n{block}",
                directory.display()
            );
            let path = directory.join("nginx.conf");
            fs::write(&path, config).expect("written");
            let mut command = Command::new("nginx");
            command.arg("-p").arg(directory).arg("-c").arg(path);
            command
        })
    }

    fn caddy(server: SocketAddr) -> Proxy {
        Proxy::start(|address, directory| {
            let site = documented("caddyfile", "reverse_proxy");
            let here = format!("http://chat.example.com:{} {{\n\tbind 127.0.0.1\n", address.port());
            let site = with(&site, "chat.example.com {\n", &here);
            let site = with(&site, "127.0.0.1:8080", &server.to_string());
            let path = directory.join("Caddyfile");
            fs::write(&path, format!("{{\n\tadmin off\n}}\n{site}")).expect("written");
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path);
            command.env("HOME", directory).env("XDG_DATA_HOME", directory);
            command.env("XDG_CONFIG_HOME", directory).stderr(Stdio::null());
            command
        })
    }

    fn haproxy(server: SocketAddr, part: &str) -> Proxy {
        Proxy::haproxy_of(&documented("haproxy", part), server, None)
    }

    /// With this certificate and its key, or without TLS.
    fn haproxy_of(config: &str, server: SocketAddr, pem: Option<&str>) -> Proxy {
        Proxy::start(|address, directory| {
            let own = directory.join("chat.pem");
            let bind = match pem {
                Some(pem) => {
                    fs::write(&own, pem).expect("written");
                    format!("{address} ssl crt {}", own.display())
                }
                None => address.to_string(),
            };
            let config = with(config, ":443 ssl crt /etc/ssl/chat.pem", &bind);
            let config = with(&config, "127.0.0.1:8080", &server.to_string());
            let path = directory.join("haproxy.cfg");
            fs::write(&path, config).expect("written");
            let mut command = Command::new("haproxy");
            command.args(["-db", "-f"]).arg(path);
            command
        })
    }

    /// Connects from this address.
    fn connect(&self, from: &str) -> TcpStream {
        let from: IpAddr = from.parse().expect("an address");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(from, 0).into()).expect("an address of this host");
        socket.connect(&self.address.into()).expect("a connection");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream
    }

    /// The whole answer to a request.
    fn get(&self, from: &str, path: &str, fields: &str) -> String {
        let mut stream = self.connect(from);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Opens a WebSocket; returns it with the head of the answer.
    fn open(&self, from: &str, path: &str, fields: &str) -> (TcpStream, String) {
        let mut stream = self.connect(from);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let head = read_until(&mut stream, "\r\n\r\n");
        (stream, head)
    }
}

fn read_until(stream: &mut impl Read, what: &str) -> String {
    let mut read = Vec::new();
    loop {
        let said = String::from_utf8_lossy(&read).into_owned();
        if said.contains(what) {
            return said;
        }
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            end => panic!("{end:?}: no {what:?} in {said:?}"),
        }
    }
}

fn chat(flags: &[&str]) -> Server {
    let ours = ["--mode", "chat", "--proxy-from", "127.0.0.1", "--max-clients-per-address", "2"];
    Server::start(&[&ours, flags].concat())
}

/// A certificate with its key, and a client that knows it.
struct Certified {
    pem: String,
    client: Arc<ClientConfig>,
}

impl Certified {
    fn connect(&self, proxy: &Proxy, from: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let name = "chat.example.com".try_into().expect("a name");
        let client = ClientConnection::new(Arc::clone(&self.client), name).expect("a client");
        StreamOwned::new(client, proxy.connect(from))
    }
}

/// A server to which nobody may come without TLS, and what it is certified by.
fn chat_by_tls_only() -> (Server, Certified) {
    let made = rcgen::generate_simple_self_signed(vec!["chat.example.com".to_owned()]);
    let made = made.expect("a certificate");
    let free = free_port().port();
    let name = format!("chat-server-proxies-tls-{}-{free}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir(&directory).expect("a directory");
    let files = [directory.join("cert.pem"), directory.join("key.pem")];
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    fs::write(&files[0], &certificate).expect("written");
    fs::write(&files[1], &key).expect("written");
    let [certificate_file, key_file] = files.each_ref().map(|file| file.to_str().expect("UTF-8"));
    let flags = ["--tls-cert", certificate_file, "--tls-key", key_file, "--plain", "off"];
    let server = chat(&flags);
    fs::remove_dir_all(directory).expect("it is ours");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (server, Certified { pem: certificate + &key, client: Arc::new(client) })
}

/// What has to hold behind every proxy that speaks HTTP.
fn is_a_proxy_of_http(server: &Server, proxy: &Proxy) {
    let page = proxy.get(ALICE, "/", "");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("main.js\""), "{page}");
    assert!(proxy.get(ALICE, "/healthz", "").ends_with("ok"));

    // The page's own origin may, and no other; what she claims to be does not count.
    let own = "Origin: http://chat.example.com\r\nX-Forwarded-For: 203.0.113.99\r\n";
    let mut alice = eventually("a WebSocket of hers", || {
        let (alice, head) = proxy.open(ALICE, "/?name=alice", own);
        head.starts_with("HTTP/1.1 101 ").then_some(alice)
    });
    read_until(&mut alice, "alice");
    server.wait_for_line("her address", |line| {
        line.contains(&format!("Peer address: {ALICE}")) && line.contains(" (by 127.0.0.1:")
    });
    let (_, refused) = proxy.open(ALICE, "/", "Origin: http://evil.example\r\n");
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");

    // Limits are hers, and not those of all.
    // What she has asked for before may still be on its way out.
    let second = eventually("a second one of hers", || {
        let (second, head) = proxy.open(ALICE, "/", own);
        head.starts_with("HTTP/1.1 101 ").then_some(second)
    });
    let (_, third) = proxy.open(ALICE, "/", own);
    assert!(third.starts_with("HTTP/1.1 429 "), "{third}");
    let (mut bob, head) = proxy.open(BOB, "/?name=bob", own);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    read_until(&mut bob, "bob");
    drop(second);

    // And they talk, with somebody who has come without a proxy.
    let mut carol = server.connect();
    carol.send(b"hello from carol\n");
    read_until(&mut alice, "hello from carol");
    read_until(&mut bob, "hello from carol");
}

#[test]
#[ignore = "needs nginx; .ci/run installs it and runs this"]
fn nginx() {
    let server = chat(&[]);
    is_a_proxy_of_http(&server, &Proxy::nginx(server.address));
}

#[test]
#[ignore = "needs caddy; .ci/run installs it and runs this"]
fn caddy() {
    let server = chat(&[]);
    is_a_proxy_of_http(&server, &Proxy::caddy(server.address));
}

#[test]
#[ignore = "needs haproxy; .ci/run installs it and runs this"]
fn haproxy() {
    let server = chat(&[]);
    is_a_proxy_of_http(&server, &Proxy::haproxy(server.address, "forwardfor"));
}

#[test]
#[ignore = "needs haproxy; .ci/run installs it and runs this"]
fn haproxy_for_everything() {
    // The clients are on this machine, where pages of other names have to be named.
    let server = chat(&["--public-url", "http://chat.example.com"]);
    let proxy = Proxy::haproxy(server.address, "send-proxy");
    is_a_proxy_of_http(&server, &proxy);
    // At a terminal as well.
    let enter = |words: &[u8], what: &str| {
        let mut terminal = proxy.connect(CAROL);
        terminal.write_all(words).expect("sent");
        read_until(&mut terminal, what);
        terminal
    };
    let _first = enter(b"/nick telly\r\n", "telly");
    let _second = enter(b"hello\r\n", "Welcome");
    enter(b"hello\r\n", "! your address has as many clients here as it may have");
}

#[test]
#[ignore = "needs haproxy; .ci/run installs it and runs this"]
fn version_1_of_the_protocol_and_a_proxy_that_is_not_named() {
    let config = with(&documented("haproxy", "send-proxy"), "send-proxy-v2-ssl", "send-proxy");
    let start = |server: SocketAddr| Proxy::haproxy_of(&config, server, None);
    let server = chat(&["--public-url", "http://chat.example.com"]);
    is_a_proxy_of_http(&server, &start(server.address));
    let closed = Server::start(&["--mode", "chat", "--proxy-from", "127.0.0.2"]);
    let proxy = start(closed.address);
    let mut stream = proxy.connect(ALICE);
    stream.write_all(b"hello\r\n").expect("sent");
    read_until(&mut stream, "! This server does not speak the PROXY protocol.");
    closed.wait_for_line("what to do", |line| line.contains("start with --proxy-from"));
}

#[test]
#[ignore = "needs haproxy; .ci/run installs it and runs this"]
fn haproxy_that_passes_tls_on() {
    let (server, certified) = chat_by_tls_only();
    let proxy = Proxy::haproxy(server.address, "send-proxy");
    let connect = |from: &str| certified.connect(&proxy, from);
    let mut alice = connect(ALICE);
    alice.write_all(b"/nick alice\r\n").expect("sent");
    read_until(&mut alice, "alice");
    server.wait_for_line("her address", |line| {
        line.contains(&format!("Peer address: {ALICE}")) && line.contains(" (by 127.0.0.1:")
    });
    let mut page = connect(BOB);
    let head = "GET / HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n\r\n";
    page.write_all(head.as_bytes()).expect("sent");
    assert!(read_until(&mut page, "\r\n\r\n").starts_with("HTTP/1.1 200 "));
    // Without TLS it is led there.
    let redirect = proxy.get(CAROL, "/", "");
    assert!(redirect.contains("\r\nLocation: https://chat.example.com/\r\n"), "{redirect}");
}

#[test]
#[ignore = "needs haproxy; .ci/run installs it and runs this"]
fn haproxy_that_takes_tls_away_and_says_so() {
    let (server, certified) = chat_by_tls_only();
    let config = documented("haproxy", "send-proxy");
    let proxy = Proxy::haproxy_of(&config, server.address, Some(&certified.pem));
    let mut alice = certified.connect(&proxy, ALICE);
    alice.write_all(b"/nick alice\r\n").expect("sent");
    read_until(&mut alice, "alice");
    let mut page = certified.connect(&proxy, BOB);
    let head = "GET / HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n\r\n";
    page.write_all(head.as_bytes()).expect("sent");
    let answer = read_until(&mut page, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\nStrict-Transport-Security: "), "{answer}");
    // If it says nothing of it, it has come without.
    let silent = with(&config, "send-proxy-v2-ssl", "send-proxy-v2");
    let proxy = Proxy::haproxy_of(&silent, server.address, Some(&certified.pem));
    let mut carol = certified.connect(&proxy, CAROL);
    carol.write_all(b"hello\r\n").expect("sent");
    read_until(&mut carol, "this server takes TLS only");
}

#[test]
#[ignore = "needs nginx with its stream module; .ci/run installs it and runs this"]
fn nginx_for_everything() {
    // The clients are on this machine, where pages of other names have to be named.
    let server = chat(&["--public-url", "http://chat.example.com"]);
    let proxy = Proxy::nginx_stream(server.address);
    is_a_proxy_of_http(&server, &proxy);
    let mut terminal = proxy.connect(CAROL);
    terminal.write_all(b"/nick telly\r\n").expect("sent");
    read_until(&mut terminal, "telly");
    server.wait_for_line("his address", |line| {
        line.contains(&format!("Peer address: {CAROL}")) && line.contains(" (by 127.0.0.1:")
    });
}

#[test]
#[ignore = "needs nginx; .ci/run installs it and runs this"]
fn nginx_under_a_path() {
    let site = documented("nginx", "server_name");
    for base in ["/", "/chat/"] {
        let server = chat(&["--base-path", base]);
        let there = server.address.to_string();
        let inner = documented("nginx-path", "location");
        let location = inner.lines().next().expect("a line").trim();
        let site = with(&site, "location / {", location);
        let passed = match base {
            // It takes the path away.
            "/" => "127.0.0.1:8080/;",
            _ => "127.0.0.1:8080;",
        };
        assert!(inner.contains("127.0.0.1:8080/;"));
        let site = with(&site, "127.0.0.1:8080;", &with(passed, "127.0.0.1:8080", &there));
        let proxy = Proxy::nginx_of(&site);
        let page = proxy.get(ALICE, "/chat/", "");
        assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("main.js\""), "{page}");
        assert!(
            proxy
                .get(ALICE, &format!("/chat{}", PAGE.path_of("main.js")), "")
                .starts_with("HTTP/1.1 200 ")
        );
        // Without the slash, nginx or the server leads there.
        let redirect = proxy.get(ALICE, "/chat", "");
        assert!(redirect.starts_with("HTTP/1.1 30") && redirect.contains("/chat/"), "{redirect}");
        let origin = "Origin: http://chat.example.com\r\n";
        let (mut alice, head) = proxy.open(ALICE, "/chat/?name=alice", origin);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        read_until(&mut alice, "alice");
    }
}

#[test]
#[ignore = "needs nginx; .ci/run installs it and runs this"]
fn nginx_by_a_unix_socket() {
    let path =
        std::env::temp_dir().join(format!("chat-server-proxies-{}.sock", std::process::id()));
    let unix = format!("unix:{}", path.display());
    let mut command = common::program();
    command.args(["127.0.0.1:0", &unix, "--mode", "chat", "--proxy-from", "unix"]);
    command.args(["--max-clients-per-address", "2"]);
    let server = Server::launch(command);
    eventually("the socket is there", || path.exists().then_some(()));
    let site = documented("nginx", "server_name");
    let proxy = Proxy::nginx_of(&with(&site, "http://127.0.0.1:8080", &format!("http://{unix}")));
    let (mut alice, head) =
        proxy.open(ALICE, "/?name=alice", "Origin: http://chat.example.com\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    read_until(&mut alice, "alice");
    server.wait_for_log(&format!("Peer address: {ALICE} (by unix)"));
}
