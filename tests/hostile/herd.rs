//! Many connections that one thread drives, and that wait for nobody.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::Server;
use crate::wire::dial;

/// Reads nothing at all.
pub const NOTHING: u64 = 0;
/// Reads as fast as it can.
pub const EVERYTHING: u64 = u64::MAX;
/// A slow reader reads so often.
const READS_EVERY: Duration = Duration::from_millis(50);

/// One of them. Whether the server has ended the connection is noticed and is no failure.
pub struct Puppet {
    stream: TcpStream,
    written: usize,
    /// Bytes a second.
    rate: u64,
    pub read: u64,
    pub ended: bool,
}

impl Puppet {
    /// What the kernel takes of it at once.
    fn write(&mut self, bytes: &[u8]) -> usize {
        match self.stream.write(bytes) {
            Ok(count) => count,
            Err(error) => {
                self.ended |= error.kind() != ErrorKind::WouldBlock;
                0
            }
        }
    }

    /// Reads what it may have read by now; whether anything came.
    fn drink(&mut self, allowed: u64, buffer: &mut [u8]) -> bool {
        let most = usize::try_from(allowed - self.read).unwrap_or(usize::MAX).min(buffer.len());
        match self.stream.read(&mut buffer[..most]) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                self.read += count as u64;
                return true;
            }
            Err(error) => self.ended |= error.kind() != ErrorKind::WouldBlock,
        }
        false
    }

    /// How much it may have read after so long; a slow reader takes that in portions.
    fn allowed(&self, elapsed: Duration) -> u64 {
        if self.rate == EVERYTHING {
            return u64::MAX;
        }
        let portions = elapsed.as_millis() / READS_EVERY.as_millis();
        let bytes = portions * u128::from(self.rate) * READS_EVERY.as_millis() / 1000;
        u64::try_from(bytes).expect("less than there are in the world")
    }
}

/// All of them are gone when it is dropped.
#[derive(Default)]
pub struct Herd {
    pub puppets: Vec<Puppet>,
}

impl Herd {
    /// So many connections, each from its address and with its receive buffer. Those that cannot be
    /// had are left out: the server may be full of other attackers.
    pub fn gather(
        server: &Server,
        count: usize,
        address: impl Fn(usize) -> Ipv4Addr,
        window: Option<usize>,
    ) -> Herd {
        let streams = (0..count).filter_map(|i| dial(server, address(i), window).ok());
        let puppets = streams
            .map(|stream| {
                stream.set_nonblocking(true).expect("non-blocking");
                Puppet { stream, written: 0, rate: NOTHING, read: 0, ended: false }
            })
            .collect();
        Herd { puppets }
    }

    /// Each reads so many bytes a second from now on.
    pub fn reads(mut self, rate: impl Fn(usize) -> u64) -> Herd {
        for (i, puppet) in self.puppets.iter_mut().enumerate() {
            puppet.rate = rate(i);
        }
        self
    }

    /// Each says something once: short enough for any kernel to take it at once.
    pub fn say(&mut self, words: impl Fn(usize) -> Vec<u8>) {
        for (i, puppet) in self.puppets.iter_mut().enumerate() {
            puppet.write(&words(i));
        }
    }

    /// Each says the same again and again, from where it stopped last, as fast as the server takes
    /// it, and reads as fast as it does, for so long.
    pub fn drive(&mut self, script: &[u8], how_long: Duration) {
        let began = Instant::now();
        for puppet in &mut self.puppets {
            puppet.read = 0;
        }
        let mut buffer = vec![0; 64 * 1024];
        while began.elapsed() < how_long {
            let mut idle = true;
            for puppet in self.puppets.iter_mut().filter(|puppet| !puppet.ended) {
                if !script.is_empty() {
                    let count = puppet.write(&script[puppet.written % script.len()..]);
                    puppet.written += count;
                    idle &= count == 0;
                }
                let allowed = puppet.allowed(began.elapsed());
                if puppet.read < allowed {
                    idle &= !puppet.drink(allowed, &mut buffer);
                }
            }
            if idle {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Waits for so long, and reads meanwhile.
    pub fn wait(&mut self, how_long: Duration) {
        self.drive(b"", how_long);
    }
}
