//! When the old process does what it does: between the turns of its event loop.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Instant;

use log::{info, warn};
use mio::Waker;

use super::record::Record;
use super::successor::{HandedOver, Successor};
use super::{Frozen, Program, Terms};
use crate::clock::{Millis, Now};
use crate::net::event_loop::EventLoop;
use crate::net::listening::HandedListener;
use crate::net::worker;
use crate::plural::Count;
use crate::server::succession::ServerSnapshot;
use crate::service::Service;

/// What is under way when it is asked to stop has to be over within this, or nobody takes over.
const SETTLING_MAX_MS: Millis = 5_000;

/// How this server is upgraded, and how far that is.
#[derive(Debug)]
pub struct Upgrade {
    program: Program,
    terms: Terms,
    record: Record,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// A thread starts the program and asks it.
    Asking(Receiver<Result<Successor, String>>),
    /// Nothing is read any more.
    Settling { successor: Successor, until: Millis, began: Instant },
}

impl Upgrade {
    pub fn new(program: Program, terms: Terms, record: Record) -> Upgrade {
        Upgrade { program, terms, record, stage: Stage::Idle }
    }

    /// This process is the server.
    pub fn begin(&self) {
        self.record.note_server();
    }

    pub fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling { .. })
    }

    pub fn next_deadline(&self) -> Option<Millis> {
        match self.stage {
            Stage::Settling { until, .. } => Some(until),
            Stage::Idle | Stage::Asking(_) => None,
        }
    }

    fn start(&mut self, waker: Arc<Waker>) {
        let (program, terms) = (self.program.clone(), self.terms);
        let (done, asked) = channel();
        let ask = move || {
            // The server may have stopped meanwhile: the new process ends then.
            let _ = done.send(Successor::start(&program, &terms));
            worker::wake(&waker);
        };
        match thread::Builder::new().name("upgrade".to_owned()).spawn(ask) {
            Ok(_) => self.stage = Stage::Asking(asked),
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    fn refuse(&mut self, why: &str) {
        warn!("not upgraded: {why}");
        self.stage = Stage::Idle;
        self.record.note_refused(why);
    }
}

impl<A: Service> EventLoop<A> {
    /// Somebody has asked for an upgrade.
    pub(in crate::net) fn asked_to_upgrade(&mut self) {
        let Some(upgrade) = &mut self.upgrade else {
            return warn!("not upgraded: only a chat that keeps its history can be");
        };
        if !matches!(upgrade.stage, Stage::Idle) {
            return warn!("an upgrade is under way");
        }
        match self.server.check_succession() {
            Ok(()) => upgrade.start(Arc::clone(&self.waker)),
            Err(why) => upgrade.refuse(&why),
        }
    }

    /// Goes on with an upgrade after a turn.
    pub(in crate::net) fn go_on_upgrading(&mut self, now: Now) {
        let Some(upgrade) = &mut self.upgrade else { return };
        match std::mem::replace(&mut upgrade.stage, Stage::Idle) {
            Stage::Idle => {}
            Stage::Asking(asked) => match asked.try_recv() {
                Ok(Ok(successor)) => self.begin_to_settle(successor, now),
                Ok(Err(why)) => upgrade.refuse(&why),
                Err(TryRecvError::Empty) => upgrade.stage = Stage::Asking(asked),
                Err(TryRecvError::Disconnected) => upgrade.refuse("the program was not started"),
            },
            Stage::Settling { successor, until, began } => {
                if self.server.is_quiet() {
                    self.hand_over(successor, began, now);
                } else if now.ms < until {
                    upgrade.stage = Stage::Settling { successor, until, began };
                } else {
                    self.go_on_here("what is under way takes too long");
                }
            }
        }
    }

    fn begin_to_settle(&mut self, successor: Successor, now: Now) {
        let Some(upgrade) = &mut self.upgrade else { return };
        // It may have begun to stop since it was asked.
        if let Err(why) = self.server.check_succession() {
            return upgrade.refuse(&why);
        }
        self.server.settle();
        let (until, began) = (now.ms + SETTLING_MAX_MS, Instant::now());
        upgrade.stage = Stage::Settling { successor, until, began };
    }

    /// Nobody takes over.
    fn go_on_here(&mut self, why: &str) {
        self.server.resume();
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.refuse(why);
        }
    }

    fn hand_over(&mut self, mut successor: Successor, began: Instant, now: Now) {
        let handed_over = self.freeze(&mut successor, now);
        let done = handed_over.and_then(|keys| {
            // What it says from now on comes from the server.
            let pid = successor.pid();
            self.supervisor.hand_over(pid, now);
            successor.go().map(|()| (keys, pid))
        });
        match done {
            Ok((keys, pid)) => {
                let (count, ms) = (Count(keys.len(), "connection"), began.elapsed().as_millis());
                info!("process {pid} goes on with {count}, after {ms} ms");
                self.retire(&keys, now);
            }
            Err(why) => {
                // It has to be gone before the history can be opened again.
                if let Err(error) = self.server.take_back() {
                    log::error!("the history cannot be opened again: {error}");
                }
                self.go_on_here(&why);
            }
        }
    }

    /// Hands over everything. Returns the keys of the connections that the other process has now,
    /// which is ready.
    fn freeze(&mut self, successor: &mut Successor, now: Now) -> Result<Vec<usize>, String> {
        let ServerSnapshot { service, connections, left } = self.server.snapshot()?;
        self.server.release()?;
        let keys: Vec<usize> = connections.iter().map(|(key, _)| *key).collect();
        let sockets = self.listener.sockets().map(|socket| socket.to_hand_over());
        let (listeners, descriptors): (Vec<HandedListener>, Vec<BorrowedFd<'_>>) = sockets.unzip();
        let server = &self.server;
        let connections = connections.into_iter().filter_map(|(key, snapshot)| {
            Some((server.stream_of(key)?.socket(), snapshot))
        });
        let frozen = Frozen { ms: now.ms, listeners, connections: keys.len(), service };
        let connections = connections.collect();
        successor.hand_over(HandedOver { frozen, listeners: descriptors, connections, left })?;
        Ok(keys)
    }

    /// Another process is the server: what is left here is let go.
    fn retire(&mut self, keys: &[usize], now: Now) {
        let registry = self.poll.registry();
        self.listener.hand_over(registry);
        for &key in keys {
            if let Some(stream) = self.server.stream(key) {
                // It is open elsewhere as well, and would go on to be reported here.
                let _ = registry.deregister(stream);
            }
        }
        self.server.retire(keys);
        self.upgrade = None;
        self.has_handed_over = true;
        self.drain_until = Some(now.ms + crate::net::clock::millis(self.drain));
    }
}
