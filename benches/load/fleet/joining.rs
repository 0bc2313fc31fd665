//! How clients join, and how it is known that they have.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Token};

use super::{Conn, Fleet, Room, Stage};
use crate::contender::{Identity, Step};
use crate::payload::{Kind, PAYLOAD_BYTES, Payload};
use crate::shape::Tally;

impl Fleet<'_> {
    /// Connects members until there are `members`, a few at a time, and waits until all have said
    /// hello.
    pub fn connect_members(&mut self, members: usize) -> Result<()> {
        // A client that joins may be shown things that nobody says now.
        self.strict = false;
        let at_once = self.contender.joining_at_once();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.conns.len() < members || self.greeting > 0 {
            if self.conns.len() < members && self.greeting < at_once {
                let index = self.conns.len();
                let room = index % self.rooms.len();
                self.connect(index, room, false)?;
                self.rooms[room].members.push(index);
                if !index.is_multiple_of(16) {
                    continue;
                }
            }
            self.turn(Some(Duration::from_millis(if self.greeting >= at_once { 100 } else { 0 })))?;
            ensure!(
                Instant::now() < deadline,
                "{} of {members} clients have joined after 60 s{}",
                self.conns.len() - self.greeting,
                self.complaint()
            );
        }
        Ok(())
    }

    /// A guest joins room 0, says one message behind its greeting, and leaves.
    pub fn visit(&mut self, guest: usize) -> Result<usize> {
        let slot = self.conns.iter().position(|conn| matches!(conn.stage, Stage::Closed));
        let index = slot.unwrap_or(self.conns.len());
        self.connect_as(index, Identity::new(guest, 0), 0, true)?;
        Ok(index)
    }

    /// Speaks in each room until everybody in it has received it: from then on all are known to be
    /// members.
    pub fn settle(&mut self) -> Result<()> {
        let mut wait = Duration::from_millis(100);
        for _ in 0..7 {
            self.settle_number += 1;
            let attempt = self.settle_number;
            let payload = self.stamp.payload(Kind::Settle, attempt, self.now_ns());
            for room in 0..self.rooms.len() {
                let Some(&speaker) = self.rooms[room].members.last() else { continue };
                self.push(speaker, &payload)?;
            }
            let deadline = Instant::now() + wait;
            while Instant::now() < deadline {
                self.turn(Some(Duration::from_millis(1)))?;
                if self.unsettled(attempt) == 0 {
                    self.strict = true;
                    return Ok(());
                }
            }
            wait *= 2;
        }
        bail!(
            "{} of {} clients hear nothing{}",
            self.unsettled(self.settle_number),
            self.conns.len(),
            self.complaint()
        )
    }

    fn connect(&mut self, index: usize, room: usize, guest: bool) -> Result<()> {
        self.connect_as(index, Identity::new(index, room), room, guest)
    }

    fn connect_as(&mut self, index: usize, who: Identity, room: usize, guest: bool) -> Result<()> {
        let mut stream = open(who.source, self.address)?;
        self.poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let mut steps = self.contender.greeting(&who, self.scenario).into_iter();
        let step = steps.next();
        let conn = Conn {
            stream,
            who,
            room,
            stage: if step.is_some() { Stage::Greeting(steps, step) } else { Stage::Open },
            guest,
            received: Tally::default(),
            said: Tally::default(),
            settled: 0,
            carry: Vec::new(),
            out: Vec::new(),
            out_sent: 0,
        };
        if index == self.conns.len() {
            self.conns.push(conn);
        } else {
            self.conns[index] = conn;
        }
        self.greeting += 1;
        self.advance(index)
    }

    /// Goes on with a greeting as far as it goes with what has been received.
    pub(super) fn advance(&mut self, index: usize) -> Result<()> {
        loop {
            let conn = &mut self.conns[index];
            let Stage::Greeting(steps, step) = &mut conn.stage else { break };
            match step {
                None => {
                    conn.stage = Stage::Open;
                    break;
                }
                Some(Step::Send(bytes)) => {
                    conn.out.append(bytes);
                    *step = steps.next();
                    self.write(index)?;
                }
                Some(Step::Await { starting, until }) => {
                    let Some(at) = memchr::memmem::find(&conn.carry, until) else { return Ok(()) };
                    ensure!(
                        conn.carry.starts_with(starting),
                        "the greeting was answered with {:?}",
                        String::from_utf8_lossy(&conn.carry)
                    );
                    conn.carry.drain(..at + until.len());
                    *step = steps.next();
                }
            }
        }
        self.greeting -= 1;
        if self.conns[index].guest {
            self.speak_and_leave(index)?;
        }
        Ok(())
    }

    fn speak_and_leave(&mut self, index: usize) -> Result<()> {
        self.compose(index, 1, self.now_ns());
        let closing_bytes = self.contender.closing_bytes();
        self.conns[index].out.extend(closing_bytes);
        self.write(index)
    }

    fn push(&mut self, from: usize, payload: &Payload) -> Result<()> {
        self.message[..PAYLOAD_BYTES].copy_from_slice(payload);
        let conn = &mut self.conns[from];
        self.contender.say(&conn.who, &self.message, &mut conn.out);
        self.write(from)
    }

    fn unsettled(&self, attempt: u32) -> usize {
        let waits = |room: &Room| {
            let exempt =
                if self.contender.receives_own() { None } else { room.members.last().copied() };
            let silent =
                |index: &&usize| Some(**index) != exempt && self.conns[**index].settled < attempt;
            room.members.iter().filter(silent).count()
        };
        self.rooms.iter().map(waits).sum()
    }
}

fn open(source: [u8; 4], address: SocketAddr) -> Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let local = SocketAddr::from((Ipv4Addr::from(source), 0));
    socket.bind(&local.into()).with_context(|| format!("binding {local}"))?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
            Err(error).with_context(|| format!("connecting to {address}"))
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
