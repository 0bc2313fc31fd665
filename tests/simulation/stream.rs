//! A connection: two one-way pipes with a network in between, and everything that can go wrong with
//! them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;

use chat_server::server::stream::Stream;
use fastrand::Rng;

/// How often things go wrong, in a thousand calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub interrupted: u32,
    /// A write takes less than there is room for, and is told later that there is more.
    pub short_write: u32,
    /// Bytes arrive between the poll and the read.
    pub early: u32,
    /// A stream holds so many bytes until it is flushed; 0: none does.
    pub buffer_bytes_max: usize,
    /// A stream is asked so often before it is established, at most.
    pub establish_calls_max: u32,
    /// Clients of a thousand that speak TLS.
    pub tls: u32,
}

/// The longest handshake, in bytes.
const HELLO_BYTES_MAX: usize = 200;
/// What is decrypted at once, in bytes.
const RECORD_BYTES_MAX: usize = 300;

/// One connection as the simulation sees it. It keeps the contract of [`Stream`].
#[derive(Debug)]
pub struct Wire {
    rng: Rng,
    pub faults: Faults,
    clock: Rc<Cell<u64>>,
    /// Sent by the client, on its way.
    pub uplink: VecDeque<u8>,
    /// The client has sent its FIN behind that.
    pub fin_sent: bool,
    /// Arrived at the server, and not read.
    pub input: VecDeque<u8>,
    input_ended: bool,
    /// What a proxy has put in front and has not been read of it, and what has not arrived of it.
    pub header_bytes: usize,
    pub header: Vec<u8>,
    /// Something was written before that was read to its end.
    pub written_within_header: bool,
    /// Bytes that the server has ever read, and the first of them, without a proxy's header.
    pub read: usize,
    pub first: Vec<u8>,
    /// The connection is broken for both.
    pub reset: bool,
    /// It breaks when the server writes next, who has not been told of it by then.
    pub breaks_at_write: bool,
    /// Asked so often, it is established.
    establish_calls: u32,
    /// How much of its handshake is still to come.
    pub hello_bytes: usize,
    /// What its stream has taken from the kernel and the server has not read, if it speaks TLS.
    pub inside: Option<VecDeque<u8>>,
    /// The end is behind that.
    inside_ended: bool,
    /// The next step of that is on its way.
    shakes_hands: bool,
    pub established_at: Option<u64>,
    /// Written by the server, and not passed on to its kernel.
    pub buffer: VecDeque<u8>,
    /// Written as the last, and kept until the end goes along.
    pub kept: VecDeque<u8>,
    /// Written by the server and not read by the client.
    pub downlink: VecDeque<u8>,
    /// What both kernels hold on the way down, in bytes.
    pub capacity: usize,
    /// Bytes that the server has ever written.
    pub written: usize,
    /// The last of them, for those who read along.
    pub spied: Vec<u8>,
    /// When the server was told that it can write no more, unless it has written something since.
    pub blocked_since: Option<u64>,
    /// It is to be told when it can.
    pub write_blocked: bool,
    was_short: bool,
    /// The server has shut its writing half.
    pub shut: bool,
    /// The server has closed its socket.
    pub dropped: bool,
    /// Another server has the connection as well: to close it changes nothing.
    pub is_handed_over: bool,
    /// The server closed with input unread, which is a reset and destroys bytes as well.
    pub reset_by_close: bool,
    pub readable: bool,
    pub writable: bool,
    pub ended: bool,
}

impl Wire {
    pub fn new(seed: u64, faults: Faults, capacity: usize, clock: Rc<Cell<u64>>) -> Wire {
        let mut rng = Rng::with_seed(seed);
        // From numbers of its own, so that the others stay what they are.
        let mut own = Rng::with_seed(!seed);
        let speaks_tls = own.u32(0..1000) < faults.tls;
        let hello_bytes = if speaks_tls { own.usize(3..=HELLO_BYTES_MAX) } else { 0 };
        let mut wire = Wire {
            establish_calls: rng.u32(0..=faults.establish_calls_max),
            hello_bytes,
            inside: None,
            inside_ended: false,
            shakes_hands: false,
            established_at: None,
            buffer: VecDeque::new(),
            rng,
            faults,
            clock,
            uplink: VecDeque::new(),
            fin_sent: false,
            input: VecDeque::new(),
            input_ended: false,
            is_handed_over: false,
            header_bytes: 0,
            header: Vec::new(),
            written_within_header: false,
            read: 0,
            first: Vec::new(),
            reset: false,
            breaks_at_write: false,
            kept: VecDeque::new(),
            downlink: VecDeque::new(),
            capacity,
            written: 0,
            spied: Vec::new(),
            blocked_since: None,
            write_blocked: false,
            was_short: false,
            shut: false,
            dropped: false,
            reset_by_close: false,
            readable: false,
            // Every new socket is reported writable once.
            writable: true,
            ended: false,
        };
        if speaks_tls {
            wire.uplink.extend([0x16, 0x03, 0x01]);
            wire.uplink.resize(hello_bytes, 0);
            // It says so at once.
            wire.arrive(own.usize(3..=hello_bytes));
        }
        wire
    }

    fn chance(&mut self, of_thousand: u32) -> bool {
        self.rng.u32(0..1000) < of_thousand
    }

    /// Moves up to so many bytes from the network into the server's kernel; the FIN is behind the
    /// last.
    pub fn arrive(&mut self, bytes: usize) {
        // It can be told of by either readiness.
        if std::mem::take(&mut self.shakes_hands) {
            match self.rng.bool() {
                true => self.readable = true,
                false => self.writable = true,
            }
        }
        if self.dropped {
            if !self.uplink.is_empty() {
                self.reset_by_close();
            }
            return;
        }
        let count = bytes.min(self.uplink.len());
        self.readable |= count + self.header.len() > 0;
        self.input.extend(self.header.drain(..).chain(self.uplink.drain(..count)));
        if self.fin_sent && self.uplink.is_empty() && !self.input_ended {
            self.input_ended = true;
            // TLS can say it by itself, and its connection stays.
            match self.inside.is_some() && self.rng.bool() {
                true => self.readable = true,
                false => self.ended = true,
            }
        }
    }

    /// The client's process takes up to so many bytes.
    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        let count = bytes.min(self.downlink.len());
        let taken = self.downlink.drain(..count).collect();
        self.ease();
        taken
    }

    /// Tells the server that it can write again, if it was told that it could not.
    pub fn ease(&mut self) {
        if self.write_blocked && self.downlink.len() < self.capacity {
            self.write_blocked = false;
            self.writable = true;
        }
    }

    /// The connection breaks. What has arrived can be read; some of what is in flight, either way,
    /// is lost.
    pub fn break_off(&mut self) {
        self.reset = true;
        self.breaks_at_write = false;
        self.uplink.clear();
        self.header.clear();
        if self.rng.bool() && !self.input_ended {
            self.input.clear();
        }
        self.lose();
        self.ended = true;
        self.writable = true;
    }

    fn reset_by_close(&mut self) {
        self.reset_by_close = true;
        self.uplink.clear();
        self.lose();
    }

    /// Loses some of what the client has not read, from some byte on.
    fn lose(&mut self) {
        self.buffer.clear();
        let kept = self.rng.usize(0..=self.downlink.len());
        self.downlink.truncate(kept);
    }

    /// Whether the client can read no more than what is in `downlink`.
    pub fn is_over(&self) -> bool {
        self.shut || self.dropped || self.reset
    }

    pub fn unread_by_server(&self) -> usize {
        let inside = self.inside.as_ref().map_or(0, VecDeque::len);
        self.uplink.len() + self.input.len() + inside
    }

    /// What the server's kernel takes of so many bytes.
    fn take_down(&mut self, offered: usize) -> usize {
        let mut taken = offered.min(self.capacity.saturating_sub(self.downlink.len()));
        let short_write = self.faults.short_write;
        // Not twice in a row, which would hold up a reader for as long as it takes to call it
        // silent.
        let short = taken > 0 && !self.was_short && self.chance(short_write);
        if short {
            taken = self.rng.usize(0..taken);
        }
        self.was_short = short;
        if taken > 0 {
            self.blocked_since = None;
        }
        if taken < offered {
            let now = self.clock.get();
            self.blocked_since.get_or_insert(now);
            self.write_blocked = true;
        }
        taken
    }

    fn check_writable(&mut self) -> io::Result<()> {
        self.interrupt()?;
        if self.breaks_at_write {
            self.break_off();
        }
        if self.reset { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn interrupt(&mut self) -> io::Result<()> {
        if self.chance(self.faults.interrupted) {
            Err(ErrorKind::Interrupted.into())
        } else {
            Ok(())
        }
    }
}

/// The server's end.
#[derive(Debug)]
pub struct Near(pub Rc<RefCell<Wire>>);

impl Read for Near {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        wire.interrupt()?;
        assert!(wire.established_at.is_some(), "read before it was established");
        let early = wire.faults.early;
        if !wire.reset && wire.chance(early) {
            let count = wire.rng.usize(0..200);
            wire.arrive(count);
        }
        let wire = &mut *wire;
        if let Some(inside) = &mut wire.inside {
            // The kernel will not report that again.
            inside.extend(wire.input.drain(..));
            wire.inside_ended = wire.input_ended;
        }
        let most =
            wire.inside.as_ref().map_or(usize::MAX, |_| wire.rng.usize(1..=RECORD_BYTES_MAX));
        let input = wire.inside.as_mut().unwrap_or(&mut wire.input);
        if input.is_empty() {
            return match (wire.reset, wire.input_ended) {
                (true, _) => Err(ErrorKind::ConnectionReset.into()),
                (_, true) => Ok(0),
                _ => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let count = buffer.len().min(input.len()).min(most);
        for (to, from) in buffer.iter_mut().zip(input.drain(..count)) {
            *to = from;
        }
        let own = &buffer[count.min(wire.header_bytes)..count];
        wire.header_bytes -= count - own.len();
        wire.read += own.len();
        if wire.first.len() < 8 {
            wire.first.extend(own.iter().take(8));
        }
        Ok(count)
    }
}

impl Write for Near {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        wire.check_writable()?;
        assert!(!wire.shut, "written to after its writing half was shut");
        assert!(wire.established_at.is_some(), "written to before it was established");
        assert!(wire.kept.is_empty(), "written to behind its last bytes");
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "a write of nothing");
        let holds = wire.faults.buffer_bytes_max > 0;
        let taken = match wire.faults.buffer_bytes_max {
            0 => wire.take_down(offered),
            max => offered.min(max - wire.buffer.len()),
        };
        wire.written += taken;
        wire.written_within_header |= wire.header_bytes > 0;
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).take(taken);
        wire.spied.extend(bytes.clone());
        if holds {
            wire.buffer.extend(bytes);
        } else {
            wire.downlink.extend(bytes);
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        wire.check_writable()?;
        let offered = wire.buffer.len();
        let taken = wire.take_down(offered);
        let bytes: Vec<u8> = wire.buffer.drain(..taken).collect();
        wire.downlink.extend(bytes);
        if taken < offered { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}

impl Stream for Near {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        if wire.reset {
            return Err(ErrorKind::NotConnected.into());
        }
        assert!(!wire.shut, "shut twice");
        assert!(wire.buffer.is_empty(), "shut before it was flushed");
        wire.send_kept();
        wire.shut = true;
        Ok(())
    }

    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.write(bytes)?;
        let mut wire = self.0.borrow_mut();
        if wire.faults.buffer_bytes_max == 0 && taken == bytes.len() {
            let before = wire.downlink.len() - taken;
            wire.kept = wire.downlink.split_off(before);
        }
        Ok(taken)
    }

    fn wants_write(&self) -> bool {
        !self.0.borrow().buffer.is_empty()
    }

    fn holds_input(&self) -> bool {
        let wire = self.0.borrow();
        wire.inside_ended || wire.inside.as_ref().is_some_and(|inside| !inside.is_empty())
    }

    fn is_protected(&self) -> bool {
        self.0.borrow().inside.is_some()
    }

    fn is_established(&mut self) -> io::Result<bool> {
        let mut wire = self.0.borrow_mut();
        wire.interrupt()?;
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if wire.inside.is_some() && wire.hello_bytes > 0 {
            let count = wire.hello_bytes.min(wire.input.len());
            wire.input.drain(..count);
            wire.hello_bytes -= count;
            if wire.hello_bytes > 0 {
                return Ok(false);
            }
        }
        // Before TLS it is at once.
        let is_tcp = wire.hello_bytes > 0;
        if wire.establish_calls > 0 && !is_tcp {
            wire.establish_calls -= 1;
            wire.shakes_hands = true;
            return Ok(false);
        }
        wire.established_at = Some(wire.clock.get());
        Ok(true)
    }
}

impl Wire {
    fn send_kept(&mut self) {
        self.downlink.append(&mut self.kept);
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let mut wire = self.0.borrow_mut();
        if wire.is_handed_over {
            return;
        }
        wire.send_kept();
        wire.dropped = true;
        if !wire.input.is_empty() && !wire.reset {
            wire.reset_by_close();
        }
        wire.readable = false;
        wire.writable = false;
        wire.ended = false;
    }
}
