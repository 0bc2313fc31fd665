//! Requests over HTTP, for a few bytes: as fast as they are answered, by so many clients.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::drive::{Budget, Sample};
use crate::machine;
use crate::scenario::Scenario;
use crate::server::Server;

/// What both servers answer this with is the same, but for the order of the fields.
const PATH: &str = "/healthz";
const BODY: &[u8] = b"\r\n\r\nok";

struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
    /// When it asked. Not again while it waits: what comes behind the last request would have its
    /// connection reset.
    asked: Option<Instant>,
}

/// All clients ask; one that has its answer asks again, over a new connection unless they are kept.
pub fn run(
    server: &Server,
    scenario: &Scenario,
    is_kept: bool,
    budget: Budget,
    sample: Sample,
) -> Result<Sample> {
    let mut sample = sample;
    let field = if is_kept { "" } else { "Connection: close\r\n" };
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {}\r\n{field}\r\n", server.address);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut clients = Vec::new();
    for place in 0..scenario.clients {
        clients.push(connect(&poll, server.address, place)?);
    }
    let mut buffer = vec![0; 64 * 1024];
    let (mut began, mut cpu, mut load) = (Instant::now(), server.cpu()?, machine::own_cpu()?);
    let mut warm = false;
    while !warm || began.elapsed() < budget.measure {
        poll.poll(&mut events, Some(Duration::from_secs(10)))?;
        ensure!(!events.is_empty(), "no answer for 10 s");
        for event in &events {
            let place = event.token().0;
            let client = &mut clients[place];
            if event.is_writable() && client.asked.is_none() {
                ask(client, request.as_bytes())?;
            }
            let has_ended = receive(client, &mut buffer)?;
            if client.answer.ends_with(BODY) && (is_kept || has_ended) {
                ensure!(client.answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "another answer");
                let took = client.asked.map_or(0, |asked| asked.elapsed().as_nanos());
                sample.latency_ns.record(u64::try_from(took).unwrap_or(u64::MAX))?;
                sample.messages += 1;
                client.answer.clear();
                match is_kept {
                    true => ask(client, request.as_bytes())?,
                    false => *client = connect(&poll, server.address, place)?,
                }
            } else {
                ensure!(!has_ended, "the end within an answer");
            }
        }
        if !warm && began.elapsed() >= budget.warm_up {
            warm = true;
            sample.messages = 0;
            sample.latency_ns.reset();
            (began, cpu, load) = (Instant::now(), server.cpu()?, machine::own_cpu()?);
        }
    }
    sample.wall_s = began.elapsed().as_secs_f64();
    sample.server_cpu_s = (server.cpu()? - cpu).as_secs_f64();
    sample.load_cpu_s = (machine::own_cpu()? - load).as_secs_f64();
    (sample.deliveries, sample.units) = (sample.messages, sample.messages);
    sample.resident_bytes = server.resident_bytes()?;
    Ok(sample)
}

fn connect(poll: &Poll, address: SocketAddr, place: usize) -> Result<Client> {
    let mut stream = TcpStream::connect(address).context("connecting")?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(place), interest)?;
    Ok(Client { stream, answer: Vec::new(), asked: None })
}

fn ask(client: &mut Client, request: &[u8]) -> Result<()> {
    client.asked = Some(Instant::now());
    let count = client.stream.write(request).context("asking")?;
    ensure!(count == request.len(), "a request is shorter than any buffer");
    Ok(())
}

/// Reads what there is. Returns whether the connection has ended.
fn receive(client: &mut Client, buffer: &mut [u8]) -> Result<bool> {
    loop {
        match client.stream.read(buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => client.answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("reading an answer"),
        }
    }
}
