//! When the old process does what it does: between the turns of its event loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};
use mio::Waker;
use rustix::process::Signal;

use super::predecessor::{Estate, Predecessor};
use super::record::Record;
use super::successor::Successor;
use super::{BATCH_MAX, Batch, Frozen, Program, Terms};
use crate::clock::{Millis, Now};
use crate::net::event_loop::{Ended, EventLoop};
use crate::net::listening::HandedListener;
use crate::net::signals::{self, Stop};
use crate::net::stream::Socket;
use crate::net::tls::MaybeTls;
use crate::net::worker;
use crate::plural::Count;
use crate::server::succession::{Leaving, ServerSnapshot};
use crate::service::Service;
use crate::service::succession::Refused;

/// What is under way when it is asked to stop has to be over within this, or nobody takes over.
const SETTLING_MAX_MS: Millis = 5_000;

/// Between two looks whether it is over: everybody waits for that.
pub const SETTLING_STEP: Duration = Duration::from_millis(1);

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
    Settling {
        successor: Successor,
        until: Millis,
        began: Instant,
    },
}

/// Whether another process can take over from this one.
#[derive(Debug, Default)]
pub enum Upgrading {
    #[default]
    Never,
    Possible(Upgrade),
    /// It has: what is left here is let go.
    Done,
}

impl Upgrading {
    /// This process is the server.
    pub fn begin(&self) {
        if let Upgrading::Possible(upgrade) = self {
            upgrade.record.note_server();
        }
    }

    /// Until when what is under way has to be over, if nothing is read any more.
    pub fn next_deadline(&self) -> Option<Millis> {
        match self {
            Upgrading::Possible(Upgrade { stage: Stage::Settling { until, .. }, .. }) => {
                Some(*until)
            }
            _ => None,
        }
    }

    pub fn is_settling(&self) -> bool {
        self.next_deadline().is_some()
    }

    /// How a run has ended that has ended so.
    pub fn ended(&self, ended: Ended) -> Ended {
        match self {
            Upgrading::Done => Ended::HandedOver,
            Upgrading::Never | Upgrading::Possible(_) => ended,
        }
    }
}

impl Upgrade {
    pub fn new(program: Program, terms: Terms, record: Record) -> Upgrade {
        Upgrade { program, terms, record, stage: Stage::Idle }
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
    /// Lets another process take over when that is asked for.
    pub fn set_upgrade(&mut self, upgrade: Upgrade) {
        self.upgrading = Upgrading::Possible(upgrade);
    }

    /// Takes over from another process, and returns once this one is the server.
    ///
    /// # Errors
    /// Why it cannot, or that the other one goes on itself.
    pub fn take_over(&mut self, estate: Estate) -> io::Result<()> {
        let Estate { mut predecessor, ms, serial, service } = estate;
        self.clock.continue_from(ms);
        let now = self.clock.now();
        let restored = self
            .server
            .restore(serial, &service, now)
            .and_then(|()| self.restore_all(&mut predecessor, now));
        if let Err(why) = restored {
            predecessor.refuse(&why);
            return Err(io::Error::other(why.into_string()));
        }
        self.register_new();
        predecessor.await_go()
    }

    /// Takes connections in as they come.
    fn restore_all(&mut self, predecessor: &mut Predecessor, now: Now) -> Result<(), Refused> {
        let told = |error: io::Error| Refused::from(error.to_string());
        loop {
            let next = predecessor.next_connections().map_err(told)?;
            if next.is_empty() {
                break;
            }
            for (socket, snapshot) in next {
                let key = self.server.restore_connection(Some(socket.into()), snapshot, now)?;
                self.listener.adopt(key);
            }
        }
        for snapshot in predecessor.left_connections().map_err(told)? {
            self.server.restore_connection(None, snapshot, now)?;
        }
        Ok(())
    }

    /// The server stops: nobody takes over.
    pub(in crate::net) fn stop_upgrading(&mut self) {
        if let Upgrading::Possible(upgrade) = &self.upgrading
            && !matches!(upgrade.stage, Stage::Idle)
        {
            self.go_on_here("the server is stopping");
        }
    }

    /// Somebody has asked for an upgrade.
    pub(in crate::net) fn asked_to_upgrade(&mut self) {
        let upgrade = match &mut self.upgrading {
            Upgrading::Possible(upgrade) => upgrade,
            Upgrading::Never => {
                return warn!("not upgraded: only a chat that keeps its history can be");
            }
            // The one that goes on is asked as well.
            Upgrading::Done => return,
        };
        if !matches!(upgrade.stage, Stage::Idle) {
            return warn!("an upgrade is under way");
        }
        let may_end = self.supervisor.check_end_of_this_process().map_err(Refused::from);
        match may_end.and_then(|()| self.server.check_succession()) {
            Ok(()) => upgrade.start(self.reading.waker()),
            Err(why) => upgrade.refuse(&why),
        }
    }

    /// Goes on with an upgrade after a turn.
    pub(in crate::net) fn go_on_upgrading(&mut self, now: Now) {
        let Upgrading::Possible(upgrade) = &mut self.upgrading else { return };
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
        let Upgrading::Possible(upgrade) = &mut self.upgrading else { return };
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
        if let Upgrading::Possible(upgrade) = &mut self.upgrading {
            upgrade.refuse(why);
        }
    }

    fn hand_over(&mut self, mut successor: Successor, began: Instant, now: Now) {
        self.supervisor.pausing(self.server.len(), now);
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
                // Whoever asked this process to stop meanwhile knew of no other. What is asked of it
                // from now on is its own.
                let mut signals = self.signals.pending();
                if signals.any(|signal| signals::meaning(signal) == Some(Stop::Asked)) {
                    pass_stop_on(pid);
                }
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
        let ServerSnapshot { serial, service } = self.server.snapshot()?;
        // The other process opens the history while connections are written down.
        self.server.release()?;
        let sockets = self.listener.sockets().map(|socket| socket.to_hand_over());
        let (listeners, descriptors): (Vec<HandedListener>, Vec<BorrowedFd<'_>>) = sockets.unzip();
        let frozen = Frozen { ms: now.ms, listeners, serial, service };
        let sent = successor.send(&frozen, &descriptors);
        let sent = sent.and_then(|()| self.send_connections(successor));
        successor.await_answer(sent)
    }

    /// Writes connections down, a batch at a time: they are there twice by then, here and in the
    /// other process.
    fn send_connections(&mut self, successor: &mut Successor) -> io::Result<Vec<usize>> {
        let (mut handed_over, mut left) = (Vec::new(), Vec::new());
        for keys in self.server.keys().chunks(BATCH_MAX) {
            let (mut goes, mut batch) = (Vec::new(), Batch::new());
            for &key in keys {
                match self.server.snapshot_of(key) {
                    Some(Leaving::Goes(snapshot)) => {
                        let socket = self.server.stream_of(key).map(MaybeTls::socket);
                        batch.push((socket.is_some_and(Socket::is_unix), snapshot));
                        goes.push(key);
                    }
                    Some(Leaving::Stays(snapshot)) => left.push(snapshot),
                    None => {}
                }
            }
            let sockets = goes.iter().filter_map(|key| self.server.stream_of(*key));
            let sockets: Vec<BorrowedFd<'_>> = sockets.map(|it| it.socket().as_fd()).collect();
            if !sockets.is_empty() {
                successor.send(&batch, &sockets)?;
            }
            handed_over.extend(goes);
        }
        successor.send(&Batch::new(), &[])?;
        successor.send(&left, &[])?;
        Ok(handed_over)
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
        self.upgrading = Upgrading::Done;
        self.drain_until = Some(now.ms + crate::net::clock::millis(self.drain));
    }
}

/// Asks the process that has taken over to stop, a child of this one: nobody else has its id.
fn pass_stop_on(successor: u32) {
    let pid = i32::try_from(successor).ok().and_then(rustix::process::Pid::from_raw);
    match pid.map(|pid| rustix::process::kill_process(pid, Signal::TERM)) {
        Some(Err(error)) => warn!("process {successor} cannot be asked to stop: {error}"),
        _ => info!("asked to stop, as process {successor} is now"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_process_that_has_taken_over_is_asked_to_stop() {
        let mut successor = Command::new("sleep").arg("100").spawn().expect("it starts");
        pass_stop_on(successor.id());
        assert_eq!(successor.wait().expect("it ends").signal(), Some(Signal::TERM.as_raw()));
    }
}
