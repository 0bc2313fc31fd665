//! What TLS costs the server: CPU time a delivery without it, with it, and with nginx doing it in
//! front, where nginx is there (then that of both programs together).
//!
//! `cargo bench --bench tls` takes three rounds of each in turn; `-- 10` takes ten, and
//! `-- together` those of one work only.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rcgen::generate_simple_self_signed;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const CLIENTS: usize = 1000;
/// A WebSocket frame of 120 bytes from a client, with a mask of zeros, and as it comes back.
const TEXT_BYTES: usize = 120;
const FRAME_BYTES: usize = 2 + TEXT_BYTES;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Plain,
    Tls,
    Nginx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    /// One message at a time to all.
    Single,
    /// All say one at once, to all.
    Together,
}

impl Work {
    fn rounds(self) -> usize {
        match self {
            Work::Single => 150,
            Work::Together => 6,
        }
    }

    fn speakers(self) -> usize {
        match self {
            Work::Single => 1,
            Work::Together => CLIENTS,
        }
    }
}

fn main() -> Result<()> {
    rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files")?;
    // Cargo passes `--bench`.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let pairs = words.iter().find_map(|word| word.parse().ok()).unwrap_or(3);
    let place = Place::new()?;
    let has_nginx = Command::new("nginx").arg("-v").output().is_ok();
    let kinds: &[Kind] = match has_nginx {
        true => &[Kind::Plain, Kind::Tls, Kind::Nginx],
        false => &[Kind::Plain, Kind::Tls],
    };
    let is_asked = |work: &Work| words.contains(&format!("{work:?}").to_lowercase());
    let all = [Work::Single, Work::Together];
    let asked: Vec<Work> = all.into_iter().filter(is_asked).collect();
    for work in if asked.is_empty() { all.to_vec() } else { asked } {
        let mut logarithms: HashMap<Kind, f64> = HashMap::new();
        for _ in 0..pairs {
            let mut line = format!("{work:?}:");
            for &kind in kinds {
                let micros = measure(&place, kind, work)?;
                write!(line, " {kind:?} {micros:.3} us")?;
                *logarithms.entry(kind).or_default() += micros.ln() / f64::from(pairs);
            }
            println!("{line} a delivery");
        }
        let ratio = |one: Kind, other: Kind| (logarithms[&one] - logarithms[&other]).exp();
        println!("{work:?}: TLS takes {:.2} times as much", ratio(Kind::Tls, Kind::Plain));
        if has_nginx {
            println!("{work:?}: nginx and ours, {:.2} times TLS", ratio(Kind::Nginx, Kind::Tls));
        }
    }
    Ok(())
}

/// A directory with a certificate, its key and nginx's configuration.
struct Place {
    path: PathBuf,
    client: Arc<ClientConfig>,
}

impl Place {
    fn new() -> Result<Place> {
        let name = format!("tls-bench-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path)?;
        let pair = generate_simple_self_signed(vec!["localhost".to_owned()])?;
        fs::write(path.join("cert.pem"), pair.cert.pem())?;
        fs::write(path.join("key.pem"), pair.signing_key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(pair.cert.der().clone())?;
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Place { path, client: Arc::new(client) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A program that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // So that nginx ends its worker.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn start_server(place: &Place, kind: Kind) -> Result<(Running, SocketAddr)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command.args(["--mode", "broadcast", "127.0.0.1:0"]).env("RUST_LOG", "error");
    if kind == Kind::Tls {
        command.arg("--tls-cert").arg(place.path.join("cert.pem"));
        command.arg("--tls-key").arg(place.path.join("key.pem"));
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take().context("its standard output")?;
    let server = Running(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim_end().strip_prefix("Listening on: ").context("where it listens")?;
    Ok((server, address.parse()?))
}

/// nginx with one worker, as docs/proxies.md has it.
fn start_nginx(place: &Place, server: SocketAddr) -> Result<(Running, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let path = place.path.display();
    let configuration = format!(
        "worker_processes 1; pid {path}/nginx.pid; error_log {path}/error.log; daemon off;
         events {{ worker_connections 8192; }}
         http {{
             access_log off;
             server {{
                 listen {address} ssl;
                 ssl_certificate {path}/cert.pem; ssl_certificate_key {path}/key.pem;
                 location / {{
                     proxy_pass http://{server}; proxy_http_version 1.1;
                     proxy_set_header Host $http_host;
                     proxy_set_header Upgrade $http_upgrade;
                     proxy_set_header Connection upgrade;
                 }}
             }}
         }}"
    );
    let file = place.path.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new("nginx");
    let nginx = Running(command.arg("-c").arg(&file).stderr(Stdio::null()).spawn()?);
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        ensure!(Instant::now() < until, "nginx does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Ok((nginx, address))
}

enum Client {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    fn connect(place: &Place, kind: Kind, address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = match kind {
            Kind::Plain => Client::Plain(stream),
            Kind::Tls | Kind::Nginx => {
                let name = ServerName::try_from("localhost")?;
                let tls = ClientConnection::new(Arc::clone(&place.client), name)?;
                Client::Tls(Box::new(StreamOwned::new(tls, stream)))
            }
        };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        client.write(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read(&mut byte)?;
            head.extend(byte);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Ok(client)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Client::Plain(stream) => stream.write_all(bytes)?,
            Client::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()?;
            }
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        let read = match self {
            Client::Plain(stream) => stream.read_exact(bytes),
            Client::Tls(stream) => stream.read_exact(bytes),
        };
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => bail!("a delivery is missing"),
            read => Ok(read?),
        }
    }
}

/// CPU time of the server, and of nginx if it is there, in microseconds a delivery.
fn measure(place: &Place, kind: Kind, work: Work) -> Result<f64> {
    let (server, mut address) = start_server(place, kind)?;
    let mut programs = vec![server.0.id()];
    let nginx = match kind {
        Kind::Nginx => Some(start_nginx(place, address)?),
        Kind::Plain | Kind::Tls => None,
    };
    if let Some((nginx, front)) = &nginx {
        programs.extend(children(nginx.0.id())?);
        address = *front;
    }
    let connect = |_| Client::connect(place, kind, address);
    let mut clients: Vec<Client> = (0..CLIENTS).map(connect).collect::<Result<_>>()?;
    let frame = [&[0x81, 0x80 | TEXT_BYTES as u8, 0, 0, 0, 0][..], &[b'x'; TEXT_BYTES]].concat();
    let mut received = vec![0; FRAME_BYTES * work.speakers()];
    let mut round = || -> Result<()> {
        for speaker in &mut clients[..work.speakers()] {
            speaker.write(&frame)?;
        }
        clients.iter_mut().try_for_each(|client| client.read(&mut received))
    };
    round()?;
    let before = cpu_nanos(&programs)?;
    for _ in 0..work.rounds() {
        round()?;
    }
    let nanos = cpu_nanos(&programs)? - before;
    Ok(nanos as f64 / 1000.0 / (work.rounds() * work.speakers() * CLIENTS) as f64)
}

fn children(program: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{program}/task/{program}/children");
    let listed = fs::read_to_string(&path).with_context(|| path)?;
    Ok(listed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// What all threads of these programs have used.
fn cpu_nanos(programs: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for program in programs {
        for thread in fs::read_dir(format!("/proc/{program}/task"))? {
            let used = fs::read_to_string(thread?.path().join("schedstat"))?;
            sum += used.split(' ').next().context("a number")?.parse::<u64>()?;
        }
    }
    Ok(sum)
}
