//! Clients that flood an echo and read late: what a server holds for them meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use socket2::SockRef;

use crate::contender::{Contender, Identity, Step};
use crate::drive::{Budget, Sample};
use crate::machine;
use crate::payload::{Kind, Stamp, padding};
use crate::scenario::Scenario;
use crate::server::Server;

/// A client sends no more than this. A server that takes it all holds it all.
const SENT_BYTES_MAX: usize = 512 * 1024;
/// What its kernel takes for it without being read, about.
const KERNEL_BYTES: usize = 16 * 1024;
/// Nothing has been taken of anybody for so long: nothing more will be.
const QUIET: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(30);

struct Client {
    stream: TcpStream,
    sent: usize,
    read: usize,
}

/// The most memory that was seen, and when to look again.
struct Gauge {
    peak_bytes: u64,
    look_at: Instant,
}

impl Gauge {
    fn look(&mut self, server: &Server) -> Result<()> {
        if Instant::now() >= self.look_at {
            self.peak_bytes = self.peak_bytes.max(server.resident_bytes()?);
            self.look_at = Instant::now() + LOOK_EVERY;
        }
        Ok(())
    }
}

/// All send until nothing is taken any more, then all read until their echo is whole.
pub fn run(
    contender: &dyn Contender,
    server: &Server,
    scenario: &Scenario,
    budget: Budget,
    sample: Sample,
) -> Result<Sample> {
    let mut sample = sample;
    let who = Identity::new(0, 0);
    let payload = Stamp::new(0).payload(Kind::Measured, 0, 0);
    let content = [&payload[..], &padding(scenario.message_bytes())].concat();
    let mut message = Vec::new();
    contender.say(&who, &content, &mut message);
    let echo = [contender.head(&who, scenario), content, contender.end().to_vec()].concat();
    let echo_bytes = echo.len();
    let mut clients = (0..scenario.clients)
        .map(|number| connect(contender, server, scenario, number))
        .collect::<Result<Vec<Client>>>()?;
    let (began, cpu, load) = (Instant::now(), server.cpu()?, machine::own_cpu()?);
    let mut gauge = Gauge { peak_bytes: 0, look_at: Instant::now() };
    send(&mut clients, &message, budget, || gauge.look(server))?;
    receive(&mut clients, &message, echo_bytes, || gauge.look(server))?;
    for client in &clients {
        let messages = client.sent / message.len();
        ensure!(client.read == messages * echo_bytes, "more comes back than was sent");
        sample.messages += messages as u64;
    }
    sample.wall_s = began.elapsed().as_secs_f64();
    sample.server_cpu_s = (server.cpu()? - cpu).as_secs_f64();
    sample.load_cpu_s = (machine::own_cpu()? - load).as_secs_f64();
    (sample.deliveries, sample.units) = (sample.messages, sample.messages);
    sample.resident_bytes = gauge.peak_bytes;
    Ok(sample)
}

fn connect(
    contender: &dyn Contender,
    server: &Server,
    scenario: &Scenario,
    number: usize,
) -> Result<Client> {
    let stream = TcpStream::connect(server.address).context("connecting")?;
    // What the client's kernel takes is no burden of the server's.
    SockRef::from(&stream).set_recv_buffer_size(KERNEL_BYTES)?;
    SockRef::from(&stream).set_send_buffer_size(KERNEL_BYTES)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut client = Client { stream, sent: 0, read: 0 };
    for step in contender.greeting(&Identity::new(number, number), scenario) {
        match step {
            Step::Send(bytes) => client.stream.write_all(&bytes).context("saying hello")?,
            Step::Await { starting, until } => {
                let mut heard = Vec::new();
                while !heard.ends_with(&until) {
                    let mut byte = [0];
                    client.stream.read_exact(&mut byte).context("awaiting an answer")?;
                    heard.extend(byte);
                }
                ensure!(heard.starts_with(starting), "another answer to its hello");
            }
        }
    }
    client.stream.set_nonblocking(true)?;
    Ok(client)
}

/// Sends as much for each as is taken, and reads nothing.
fn send(
    clients: &mut [Client],
    message: &[u8],
    budget: Budget,
    mut look: impl FnMut() -> Result<()>,
) -> Result<()> {
    let until = Instant::now() + budget.measure.max(QUIET) * 4;
    let script = message.repeat(SENT_BYTES_MAX.div_ceil(message.len()));
    let mut taken_at = Instant::now();
    while taken_at.elapsed() < QUIET && Instant::now() < until {
        for client in clients.iter_mut() {
            if write(client, &script[client.sent..])? > 0 {
                taken_at = Instant::now();
            }
            look()?;
        }
    }
    Ok(())
}

/// Reads all that is to come, and sends the rest of the messages that were begun.
fn receive(
    clients: &mut [Client],
    message: &[u8],
    echo_bytes: usize,
    mut look: impl FnMut() -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let until = Instant::now() + PATIENCE;
    loop {
        let mut is_done = true;
        for client in clients.iter_mut() {
            let begun = client.sent % message.len();
            if begun > 0 {
                write(client, &message[begun..])?;
            }
            client.read += read(client, &mut buffer)?;
            let is_whole = client.sent.is_multiple_of(message.len());
            is_done &= is_whole && client.read >= client.sent / message.len() * echo_bytes;
            look()?;
        }
        if is_done {
            return Ok(());
        }
        ensure!(Instant::now() < until, "an echo does not come");
    }
}

/// Writes once. Returns how much was taken.
fn write(client: &mut Client, bytes: &[u8]) -> Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match client.stream.write(bytes) {
        Ok(count) => {
            client.sent += count;
            Ok(count)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error).context("flooding"),
    }
}

/// Reads once.
fn read(client: &mut Client, buffer: &mut [u8]) -> Result<usize> {
    match client.stream.read(buffer) {
        Ok(0) => bail!("a client was let go"),
        Ok(count) => Ok(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error).context("reading an echo"),
    }
}
