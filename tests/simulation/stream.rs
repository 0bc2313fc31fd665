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
}

/// One connection as the simulation sees it. It keeps the contract of [`Stream`].
#[derive(Debug)]
pub struct Wire {
    rng: Rng,
    faults: Faults,
    clock: Rc<Cell<u64>>,
    /// Sent by the client, on its way.
    pub uplink: VecDeque<u8>,
    /// The client has sent its FIN behind that.
    pub fin_sent: bool,
    /// Arrived at the server, and not read.
    input: VecDeque<u8>,
    input_ended: bool,
    /// Bytes that the server has ever read, and the first of them.
    pub read: usize,
    pub first: Vec<u8>,
    /// The connection is broken for both.
    pub reset: bool,
    /// It breaks when the server writes next, who has not been told of it by then.
    pub breaks_at_write: bool,
    /// Written by the server and not read by the client.
    pub downlink: VecDeque<u8>,
    /// What both kernels hold on the way down, in bytes.
    pub capacity: usize,
    /// Bytes that the server has ever written.
    pub written: usize,
    /// When the server was told that it can write no more, unless it has written something since.
    pub blocked_since: Option<u64>,
    /// It is to be told when it can.
    pub write_blocked: bool,
    was_short: bool,
    /// The server has shut its writing half.
    pub shut: bool,
    /// The server has closed its socket.
    pub dropped: bool,
    /// The server closed with input unread, which is a reset and destroys bytes as well.
    pub reset_by_close: bool,
    pub readable: bool,
    pub writable: bool,
    pub ended: bool,
}

impl Wire {
    pub fn new(seed: u64, faults: Faults, capacity: usize, clock: Rc<Cell<u64>>) -> Wire {
        Wire {
            rng: Rng::with_seed(seed),
            faults,
            clock,
            uplink: VecDeque::new(),
            fin_sent: false,
            input: VecDeque::new(),
            input_ended: false,
            read: 0,
            first: Vec::new(),
            reset: false,
            breaks_at_write: false,
            downlink: VecDeque::new(),
            capacity,
            written: 0,
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
        }
    }

    fn chance(&mut self, of_thousand: u32) -> bool {
        self.rng.u32(0..1000) < of_thousand
    }

    /// Moves up to so many bytes from the network into the server's kernel; the FIN is behind the
    /// last.
    pub fn arrive(&mut self, bytes: usize) {
        if self.dropped {
            if !self.uplink.is_empty() {
                self.reset_by_close();
            }
            return;
        }
        let count = bytes.min(self.uplink.len());
        self.input.extend(self.uplink.drain(..count));
        self.readable |= count > 0;
        if self.fin_sent && self.uplink.is_empty() && !self.input_ended {
            self.input_ended = true;
            self.ended = true;
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
        let kept = self.rng.usize(0..=self.downlink.len());
        self.downlink.truncate(kept);
    }

    /// Whether the client can read no more than what is in `downlink`.
    pub fn is_over(&self) -> bool {
        self.shut || self.dropped || self.reset
    }

    pub fn unread_by_server(&self) -> usize {
        self.uplink.len() + self.input.len()
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
        let early = wire.faults.early;
        if !wire.reset && wire.chance(early) {
            let count = wire.rng.usize(0..200);
            wire.arrive(count);
        }
        if wire.input.is_empty() {
            return match (wire.reset, wire.input_ended) {
                (true, _) => Err(ErrorKind::ConnectionReset.into()),
                (_, true) => Ok(0),
                _ => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let count = buffer.len().min(wire.input.len());
        for (to, from) in buffer.iter_mut().zip(wire.input.drain(..count)) {
            *to = from;
        }
        wire.read += count;
        if wire.first.len() < 8 {
            wire.first.extend(buffer[..count.min(8)].iter().copied());
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
        wire.interrupt()?;
        if wire.breaks_at_write {
            wire.break_off();
        }
        if wire.reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        assert!(!wire.shut, "written to after its writing half was shut");
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "a write of nothing");
        let mut taken = offered.min(wire.capacity.saturating_sub(wire.downlink.len()));
        let short_write = wire.faults.short_write;
        // Not twice in a row, which would hold up a reader for as long as it takes to call it
        // silent.
        let short = taken > 0 && !wire.was_short && wire.chance(short_write);
        if short {
            taken = wire.rng.usize(0..taken);
        }
        wire.was_short = short;
        if taken > 0 {
            wire.blocked_since = None;
        }
        if taken < offered {
            let now = wire.clock.get();
            wire.blocked_since.get_or_insert(now);
            wire.write_blocked = true;
        }
        wire.written += taken;
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).take(taken);
        wire.downlink.extend(bytes);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Near {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        if wire.reset {
            return Err(ErrorKind::NotConnected.into());
        }
        assert!(!wire.shut, "shut twice");
        wire.shut = true;
        Ok(())
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let mut wire = self.0.borrow_mut();
        wire.dropped = true;
        if !wire.input.is_empty() && !wire.reset {
            wire.reset_by_close();
        }
        wire.readable = false;
        wire.writable = false;
        wire.ended = false;
    }
}
