//! All clients of a run, driven from one thread and one poll, and the books on what they said and
//! received.

mod joining;

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Poll};

use crate::contender::{Contender, Identity, Step, Verdict};
use crate::payload::{Kind, PAYLOAD_BYTES, Stamp, digest, number, padding, renumber};
use crate::scenario::Scenario;
use crate::shape::{Sampler, Shape, Tally};

const READ_BUFFER_BYTES: usize = 1 << 20;
/// More than this of something that is neither a delivery nor a notice is a fault.
const CARRY_BYTES_MAX: usize = 1 << 19;

enum Stage {
    /// Still saying hello; what is left to do.
    Greeting(std::vec::IntoIter<Step>, Option<Step>),
    Open,
    Closed,
}

struct Conn {
    stream: TcpStream,
    who: Identity,
    room: usize,
    stage: Stage,
    /// Guests come and go; what they hear is not counted.
    guest: bool,
    received: Tally,
    said: Tally,
    settled: u32,
    /// Received, and not a whole unit yet.
    carry: Vec<u8>,
    out: Vec<u8>,
    out_sent: usize,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    said: Tally,
}

/// Invariant at the end of each round: every member has received exactly what was said in its room
/// (without its own messages, where the server leaves those out).
pub struct Fleet<'a> {
    contender: &'a dyn Contender,
    scenario: &'a Scenario,
    address: SocketAddr,
    poll: Poll,
    events: Events,
    conns: Vec<Conn>,
    rooms: Vec<Room>,
    shape: Shape,
    stamp: Stamp,
    /// The message that is being said; behind its payload it is always the same.
    message: Vec<u8>,
    buffer: Box<[u8]>,
    sampler: Sampler,
    clock: Instant,
    next_number: u32,
    settle_number: u32,
    greeting: usize,
    complaint: Option<String>,
    /// Set once settled: from then on all that arrives has to be accounted for.
    strict: bool,
    /// Deliveries said and not received yet.
    pub outstanding: i64,
    pub messages: u64,
    pub deliveries: u64,
    pub latency_ns: Histogram<u64>,
    /// What each client received in the last turn.
    pub received_now: Vec<(usize, u32)>,
    /// Guests that have gone in the last turn.
    pub gone_now: Vec<usize>,
}

impl<'a> Fleet<'a> {
    pub fn new(
        contender: &'a dyn Contender,
        scenario: &'a Scenario,
        address: SocketAddr,
        run: u16,
    ) -> Result<Self> {
        let stamp = Stamp::new(run);
        let [one, other] = Identity::examples().map(|who| contender.head(&who, scenario));
        let padding = padding(scenario.message_bytes());
        let end = [&padding, contender.end()].concat();
        let rooms = if contender.has_rooms() { scenario.rooms } else { 1 };
        Ok(Fleet {
            contender,
            scenario,
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            conns: Vec::new(),
            rooms: (0..rooms).map(|_| Room::default()).collect(),
            shape: Shape::new(&one, &other, &end, stamp),
            stamp,
            message: [&[0; PAYLOAD_BYTES][..], &padding].concat(),
            buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            sampler: Sampler::every(1),
            clock: Instant::now(),
            next_number: 0,
            settle_number: 0,
            greeting: 0,
            complaint: None,
            strict: false,
            outstanding: 0,
            messages: 0,
            deliveries: 0,
            // From 1 ns to two minutes.
            latency_ns: Histogram::new_with_bounds(1, 120_000_000_000, 3)?,
            received_now: Vec::new(),
            gone_now: Vec::new(),
        })
    }

    pub fn now_ns(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// The latency of every n-th delivery is taken.
    pub fn sample_every(&mut self, every: u32) {
        self.sampler = Sampler::every(every);
    }

    /// `from` says `count` messages, to be received by all members of its room.
    pub fn say(&mut self, from: usize, count: u32, said_ns: u64) -> Result<()> {
        self.compose(from, count, said_ns);
        self.write(from)
    }

    fn compose(&mut self, from: usize, count: u32, said_ns: u64) {
        let conn = &mut self.conns[from];
        let room = &mut self.rooms[conn.room];
        self.message[..PAYLOAD_BYTES].copy_from_slice(&self.stamp.payload(
            Kind::Measured,
            0,
            said_ns,
        ));
        for _ in 0..count {
            self.next_number += 1;
            renumber(&mut self.message, self.next_number);
            let digest = digest(&self.message);
            conn.said.add(digest);
            room.said.add(digest);
            self.contender.say(&conn.who, &self.message, &mut conn.out);
        }
        let own = u64::from(!conn.guest && !self.contender.receives_own());
        self.outstanding += (u64::from(count) * (room.members.len() as u64 - own)) as i64;
        self.messages += u64::from(count);
    }

    /// Waits for something to happen and deals with it.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.received_now.clear();
        self.gone_now.clear();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let index = event.token().0;
            if event.is_writable() {
                self.write(index)?;
            }
            if event.is_readable() {
                self.read(index, event.is_read_closed() || event.is_error())?;
            }
        }
        self.events = events;
        ensure!(
            self.outstanding >= 0,
            "{} deliveries more than were said to anybody",
            -self.outstanding
        );
        Ok(())
    }

    /// Turns until nothing is outstanding; a server that makes no progress for ten seconds has lost
    /// something.
    pub fn drain(&mut self) -> Result<()> {
        let mut before = self.outstanding;
        let mut deadline = Instant::now() + Duration::from_secs(10);
        while self.outstanding > 0 {
            self.turn(Some(Duration::from_millis(200)))?;
            if self.outstanding != before {
                before = self.outstanding;
                deadline = Instant::now() + Duration::from_secs(10);
            }
            if Instant::now() > deadline {
                self.verify()?;
                bail!("{} deliveries never came", self.outstanding);
            }
        }
        Ok(())
    }

    /// Compares what every member has received with what was said to it.
    pub fn verify(&self) -> Result<()> {
        for (index, conn) in self.conns.iter().enumerate().filter(|(_, conn)| !conn.guest) {
            let said = self.rooms[conn.room].said;
            let expected =
                if self.contender.receives_own() { said } else { said.without(conn.said) };
            ensure!(
                conn.received.count == expected.count,
                "client {index} has received {} of {} messages",
                conn.received.count,
                expected.count
            );
            ensure!(
                conn.received.sum == expected.sum,
                "client {index} has received other messages than were said"
            );
        }
        Ok(())
    }

    /// Listens a while longer: nothing may be received twice.
    pub fn finish(&mut self) -> Result<()> {
        self.drain()?;
        for _ in 0..3 {
            self.turn(Some(Duration::from_millis(5)))?;
        }
        self.verify()
    }

    fn write(&mut self, index: usize) -> Result<()> {
        let conn = &mut self.conns[index];
        while conn.out_sent < conn.out.len() {
            match conn.stream.write(&conn.out[conn.out_sent..]) {
                Ok(sent) => conn.out_sent += sent,
                // A connection that is not there yet; its first writable event comes back here.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) =>
                {
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("client {index} writes")),
            }
        }
        if conn.out_sent > 0 {
            conn.out.clear();
            conn.out_sent = 0;
            if conn.guest && matches!(conn.stage, Stage::Open) && conn.said.count > 0 {
                // All is said: the server reads it to its end, closes, and then the guest has gone.
                let _ = conn.stream.shutdown(std::net::Shutdown::Write);
            }
        }
        Ok(())
    }

    /// Reads until the socket is empty. A short read means that it is, for an edge-triggered poll
    /// too, unless the other side has closed.
    fn read(&mut self, index: usize, closed: bool) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = loop {
            let conn = &mut self.conns[index];
            if matches!(conn.stage, Stage::Closed) {
                break Ok(());
            }
            let carried = conn.carry.len();
            buffer[..carried].copy_from_slice(&conn.carry);
            match conn.stream.read(&mut buffer[carried..]) {
                Ok(0) => break self.closed(index),
                Ok(received) => {
                    if let Err(error) = self.hear(index, &buffer[..carried + received]) {
                        break Err(error);
                    }
                    if self.contender.needs_quick_acks() {
                        socket2::SockRef::from(&self.conns[index].stream).set_tcp_quickack(true)?;
                    }
                    if carried + received < buffer.len() && !closed {
                        break Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if conn.guest => break self.closed(index),
                Err(error) => break Err(error).with_context(|| format!("client {index} reads")),
            }
        };
        self.buffer = buffer;
        result
    }

    fn closed(&mut self, index: usize) -> Result<()> {
        let conn = &mut self.conns[index];
        ensure!(conn.guest, "the server has closed client {index}{}", self.complaint());
        ensure!(
            conn.said.count > 0,
            "the server has closed a guest that had not spoken{}",
            self.complaint()
        );
        conn.stage = Stage::Closed;
        self.poll.registry().deregister(&mut conn.stream)?;
        self.gone_now.push(index);
        Ok(())
    }

    fn hear(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        let conn = &mut self.conns[index];
        if let Stage::Greeting(..) = conn.stage {
            conn.carry = bytes.to_vec();
            ensure!(conn.carry.len() < CARRY_BYTES_MAX, "no end of a greeting");
            self.advance(index)?;
            if matches!(self.conns[index].stage, Stage::Greeting(..)) {
                return Ok(());
            }
            let rest = std::mem::take(&mut self.conns[index].carry);
            return self.hear_open(index, &rest);
        }
        self.hear_open(index, bytes)
    }

    /// Counts deliveries; what is none is looked at by itself.
    fn hear_open(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        if self.conns[index].guest {
            self.conns[index].carry.clear();
            return Ok(());
        }
        let mut tally = Tally::default();
        let mut used = 0;
        loop {
            used += self.shape.count(&bytes[used..], &mut tally, &mut self.sampler);
            let rest = &bytes[used..];
            if rest.is_empty() || self.shape.may_begin(rest) {
                break;
            }
            if let Some(payload) = self.shape.settle(rest) {
                self.conns[index].settled = number(payload);
                used += self.shape.record_bytes;
                continue;
            }
            let Some(unit) = self.contender.unit_bytes(rest) else { break };
            self.judge(index, &rest[..unit])?;
            used += unit;
        }
        let conn = &mut self.conns[index];
        conn.carry.clear();
        conn.carry.extend_from_slice(&bytes[used..]);
        ensure!(
            conn.carry.len() < CARRY_BYTES_MAX,
            "client {index} is sent something without an end"
        );
        if tally.count > 0 {
            conn.received.merge(tally);
            self.outstanding -= tally.count as i64;
            self.deliveries += tally.count;
            self.received_now.push((index, tally.count as u32));
            self.take_latencies();
        }
        Ok(())
    }

    fn take_latencies(&mut self) {
        if !self.sampler.said_ns.is_empty() {
            let now = self.now_ns();
            for said in self.sampler.said_ns.drain(..) {
                self.latency_ns.saturating_record(now.saturating_sub(said));
            }
        }
    }

    fn judge(&mut self, index: usize, unit: &[u8]) -> Result<()> {
        match self.contender.judge(unit) {
            Verdict::Skip => Ok(()),
            Verdict::Answer(answer) => {
                self.conns[index].out.extend(answer);
                self.write(index)
            }
            Verdict::Wrong(text) if self.strict => {
                bail!("client {index} is sent {text:?}, which nobody said")
            }
            Verdict::Wrong(text) => {
                self.complaint.get_or_insert(text);
                Ok(())
            }
        }
    }

    fn complaint(&self) -> String {
        self.complaint
            .as_ref()
            .map(|text| format!("; the server said {text:?}"))
            .unwrap_or_default()
    }
}

impl Drop for Fleet<'_> {
    /// Reset, so that thousands of closed connections do not hold their ports.
    fn drop(&mut self) {
        for conn in &self.conns {
            let _ = socket2::SockRef::from(&conn.stream).set_linger(Some(Duration::ZERO));
        }
    }
}
