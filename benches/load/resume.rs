//! Devices that come back all at once, each with a token: as after a network was away. How long it
//! takes until each of them is in its room again.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::contender::{Identity, Step};
use crate::drive::Sample;
use crate::machine;
use crate::scenario::Scenario;
use crate::server::Server;
use crate::websocket;

/// An account has so many devices, each with a token of its own. A password takes 30 ms to hash: to
/// make an account for each device would take longer than all else.
const DEVICES: usize = 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// All lose their connections; after a moment all connect, and have come back when they are told of
/// their rooms.
pub fn run(
    server: &Server,
    scenario: &Scenario,
    are_accounts: bool,
    sample: Sample,
) -> Result<Sample> {
    let mut sample = sample;
    let mut tokens = Vec::new();
    let mut here = Vec::new();
    for number in 0..scenario.clients {
        if are_accounts && number.is_multiple_of(DEVICES) {
            tokens.extend(make_account(server.address, number / DEVICES)?);
        }
        let path = format!("/?name=device{number}&resume=");
        let (mut talk, welcome) = Talk::begin(server.address, [127, 0, 0, 1], &path)?;
        match tokens.get(number) {
            Some(token) => drop(talk.ask(&json!({ "type": "login", "token": token }), "account")?),
            None => tokens.push(text(&welcome, "resume")?),
        }
        let room = format!("#r{}", number % scenario.rooms);
        talk.ask(&json!({ "type": "join", "room": room }), "joined")?;
        here.push(talk);
    }
    drop(here);
    std::thread::sleep(Duration::from_millis(300));
    let (began, cpu, load) = (Instant::now(), server.cpu()?, machine::own_cpu()?);
    come_back(server.address, &tokens, are_accounts, &mut sample)?;
    sample.wall_s = began.elapsed().as_secs_f64();
    sample.server_cpu_s = (server.cpu()? - cpu).as_secs_f64();
    sample.load_cpu_s = (machine::own_cpu()? - load).as_secs_f64();
    sample.messages = tokens.len() as u64;
    (sample.deliveries, sample.units) = (sample.messages, sample.messages);
    sample.resident_bytes = server.resident_bytes()?;
    Ok(sample)
}

/// One that comes back: all of them from one address.
struct Device {
    stream: TcpStream,
    heard: Vec<u8>,
    stage: Stage,
}

#[derive(PartialEq)]
enum Stage {
    Connecting,
    /// It has said hello.
    Greeted,
    /// It has shown the token of its account.
    Shown,
    Back,
}

fn come_back(
    address: SocketAddr,
    tokens: &[String],
    are_accounts: bool,
    sample: &mut Sample,
) -> Result<()> {
    let began = Instant::now();
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut devices = Vec::new();
    for place in 0..tokens.len() {
        let mut stream = TcpStream::connect(address).context("connecting")?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(place), interest)?;
        devices.push(Device { stream, heard: Vec::new(), stage: Stage::Connecting });
    }
    let mut away = devices.len();
    while away > 0 {
        ensure!(began.elapsed() < PATIENCE, "{away} devices have not come back");
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let (device, token) = (&mut devices[event.token().0], &tokens[event.token().0]);
            if event.is_writable() && device.stage == Stage::Connecting {
                let resume = if are_accounts { "" } else { token };
                say(device, &hello(&format!("/?resume={resume}")), Stage::Greeted)?;
            }
            hear(device)?;
            if are_accounts && device.stage == Stage::Greeted && is_told(device, br#""welcome""#) {
                let mut login = Vec::new();
                let request = json!({ "type": "login", "token": token }).to_string();
                websocket::push_text(request.as_bytes(), &mut login);
                say(device, &login, Stage::Shown)?;
            }
            if device.stage != Stage::Back && is_told(device, br#""you":true"#) {
                device.stage = Stage::Back;
                sample.latency_ns.record(u64::try_from(began.elapsed().as_nanos())?)?;
                away -= 1;
            }
        }
    }
    Ok(())
}

fn say(device: &mut Device, bytes: &[u8], stage: Stage) -> Result<()> {
    let count = device.stream.write(bytes).context("coming back")?;
    ensure!(count == bytes.len(), "a request is shorter than any buffer");
    device.stage = stage;
    Ok(())
}

/// Reads what there is.
fn hear(device: &mut Device) -> Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match device.stream.read(&mut buffer) {
            Ok(0) => bail!("a device was let go: {}", String::from_utf8_lossy(&device.heard)),
            Ok(count) => device.heard.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("coming back"),
        }
    }
}

fn is_told(device: &Device, what: &[u8]) -> bool {
    memmem::find(&device.heard, what).is_some()
}

/// Makes an account. Returns the tokens of its devices.
fn make_account(address: SocketAddr, number: usize) -> Result<Vec<String>> {
    // Only so many come to have one from one address.
    let (mut talk, _) = Talk::begin(address, Identity::new(number, 0).source, "/")?;
    let (name, password) = (format!("account{number}"), "correct horse");
    talk.ask(&json!({ "type": "register", "name": name, "password": password }), "account")?;
    let token = json!({ "type": "token", "label": "device" });
    (0..DEVICES).map(|_| text(&talk.ask(&token, "token")?, "token")).collect()
}

/// A client that asks one thing after the other.
struct Talk {
    stream: std::net::TcpStream,
    heard: Vec<u8>,
}

impl Talk {
    /// Comes in. Returns its welcome, too.
    fn begin(address: SocketAddr, source: [u8; 4], path: &str) -> Result<(Talk, Value)> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&address.into()).context("connecting")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut talk = Talk { stream: socket.into(), heard: Vec::new() };
        talk.stream.write_all(&hello(path))?;
        while memmem::find(&talk.heard, b"\r\n\r\n").is_none() {
            talk.hear()?;
        }
        let head = memmem::find(&talk.heard, b"\r\n\r\n").context("a head")?;
        talk.heard.drain(..head + 4);
        let welcome = talk.answer("welcome")?;
        Ok((talk, welcome))
    }

    fn ask(&mut self, request: &Value, answer: &str) -> Result<Value> {
        let mut frame = Vec::new();
        websocket::push_text(request.to_string().as_bytes(), &mut frame);
        self.stream.write_all(&frame)?;
        self.answer(answer)
    }

    /// The next event of this type.
    fn answer(&mut self, kind: &str) -> Result<Value> {
        loop {
            let Some(count) = websocket::unit_bytes(&self.heard) else {
                self.hear()?;
                continue;
            };
            let frame: Vec<u8> = self.heard.drain(..count).collect();
            let event: Value = serde_json::from_slice(websocket::content(&frame))?;
            ensure!(event["type"] != "error", "{event}");
            if event["type"] == kind {
                return Ok(event);
            }
        }
    }

    fn hear(&mut self) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer).context("awaiting an answer")?;
        ensure!(count > 0, "the connection has ended");
        self.heard.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}

fn text(event: &Value, field: &str) -> Result<String> {
    Ok(event[field].as_str().with_context(|| format!("no {field} in {event}"))?.to_owned())
}

/// The request that opens a WebSocket of a program.
fn hello(path: &str) -> Vec<u8> {
    websocket::greeting_with(path, websocket::JSON_FIELD)
        .into_iter()
        .find_map(|step| if let Step::Send(bytes) = step { Some(bytes) } else { None })
        .unwrap_or_default()
}
