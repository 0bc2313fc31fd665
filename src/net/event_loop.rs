//! The event loop: one poll, one listener, one server, one thread.

use std::sync::Arc;
use std::time::Duration;
use std::{io, mem, thread};

use log::info;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals;
use thiserror::Error;

use crate::clock::{Millis, Now};
use crate::delivery::Delivery;
use crate::delivery::coalescing::{self, Coalescer};
use crate::net::alarm::Alarm;
use crate::net::clock::{Budget, Clock, millis};
use crate::net::listener::{self, Listener};
use crate::net::listening::{Bound, Inherited, ListenAddress, ListenError, Listening};
use crate::net::machine;
use crate::net::metrics::NetMetrics;
use crate::net::signals::{self, Stop};
use crate::net::stream::Socket;
use crate::net::trim::{self, TrimTimer};
use crate::net::worker::{self, Worker};
use crate::server::Server;
use crate::server::settings::ServerSettings;
use crate::service::Service;

/// Readiness events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// Reading and serving go on for so long in a turn. Then what there is for others is written.
const READING_MAX: Duration = Duration::from_millis(5);
/// Address space is set aside for so many clients at most.
const CLIENTS_EXPECTED_MAX: usize = 1 << 20;

const LISTENER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);
const ALARM: Token = Token(usize::MAX - 3);

/// Where to listen, and how to treat what connects there.
#[derive(Clone, Debug)]
pub struct NetSettings {
    /// All of them are listened on.
    pub addresses: Vec<ListenAddress>,
    /// `--max-clients`, if given.
    pub clients_max: Option<usize>,
    /// `--memory-mib`, if given, in bytes.
    pub memory_bytes_max: Option<usize>,
    /// `--drain-seconds`.
    pub drain: Duration,
    pub server: ServerSettings,
}

/// Drives a [`Server`] with sockets, the clock and signals.
pub struct EventLoop<A> {
    poll: Poll,
    signals: Signals,
    clock: Clock,
    alarm: Alarm,
    listener: Listener,
    server: Server<Socket, A>,
    worker: Worker,
    coalescer: Coalescer,
    trim_timer: TrimTimer,
    /// How many writes there had been when that was last looked at.
    writes: u64,
    metrics: NetMetrics,
    drain: Duration,
    /// The server stops, and waits for its clients no longer than this.
    drain_until: Option<Millis>,
}

/// Why there is nothing to run.
#[derive(Debug, Error)]
pub enum BindError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("no event loop: {0}")]
    Poll(#[from] io::Error),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All clients that read were sent everything that was waiting for them.
    Drained,
    /// A second signal, or the time to drain ran out: this many clients were cut off.
    Cut(usize),
    /// So many turns' changes have not been stored, and nobody has been shown them: the store is
    /// broken, or time ran out.
    Unstored(u64),
}

impl<A: Service> EventLoop<A> {
    /// Listens on what was inherited, and on all configured addresses.
    ///
    /// # Errors
    /// Which of them cannot be had, or what the kernel says of the poll.
    pub fn bind(
        settings: NetSettings,
        inherited: Inherited,
        service: impl FnOnce(&mut Delivery) -> A,
    ) -> Result<EventLoop<A>, BindError> {
        let NetSettings { addresses, clients_max, memory_bytes_max, drain, .. } = settings;
        let mut settings = settings.server;
        let clients_max = listener::clients_max(clients_max);
        settings.limits.delivery.clients_expected = clients_max.min(CLIENTS_EXPECTED_MAX);
        let budget = memory_bytes_max.unwrap_or_else(machine::default_budget);
        settings.limits.delivery.memory_bytes_max = budget;
        trim::fix_mmap_threshold();
        let poll = Poll::new()?;
        let registry = poll.registry();
        let protocols = settings.protocols;
        let sockets = Listening::open_all(inherited, &addresses)?;
        let listener = Listener::new(sockets, clients_max, protocols, registry, LISTENER)?;
        info!("memory for all clients together: {} MiB (--memory-mib)", budget >> 20);
        settings.is_loopback = listener.bound().all(Bound::is_here);
        let mut signals = Signals::new(signals::that_stop())?;
        registry.register(&mut signals, SIGNALS, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(registry, WAKER)?);
        let mut server = Server::new(settings, service);
        let of_store = Arc::clone(&waker);
        server.set_wake(Box::new(move || worker::wake(&of_store)));
        let alarm = Alarm::new(registry, ALARM)?;
        Ok(EventLoop {
            poll,
            signals,
            clock: Clock::start(),
            alarm,
            listener,
            server,
            worker: Worker::new(waker),
            coalescer: Coalescer::default(),
            trim_timer: TrimTimer::default(),
            writes: 0,
            metrics: NetMetrics::default(),
            drain,
            drain_until: None,
        })
    }

    /// Where is really listened.
    pub fn bound(&self) -> Vec<Bound> {
        self.listener.bound().cloned().collect()
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// Only when the kernel refuses to poll.
    pub fn run(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            if let Some(ended) = self.turn(&mut events)? {
                let ended = self.unstored().map_or(ended, Ended::Unstored);
                let seconds = self.clock.elapsed().as_secs();
                let (server, delivery) = (self.server.metrics(), self.server.delivery_metrics());
                info!("served for {seconds} s: {}, {server}, {delivery}", self.metrics);
                return Ok(ended);
            }
        }
    }

    /// How many turns' changes are not stored, if that matters for how the run has ended.
    fn unstored(&self) -> Option<u64> {
        let late = Some(self.server.unstored_groups()).filter(|groups| *groups > 0);
        self.server.store_broken().or(late)
    }

    /// One turn: poll, accept and complete, receive, tick, keep, deliver, reap.
    fn turn(&mut self, events: &mut Events) -> io::Result<Option<Ended>> {
        self.metrics.turns += 1;
        // 1. Poll.
        self.wait(events)?;
        let now = self.clock.now();
        let stop = self.dispatch(events, now)?;
        // Before the server's own deadlines, which would let the last clients go as if they had
        // drained.
        if self.drain_until.is_some_and(|at| at <= now.ms) {
            return Ok(Some(Ended::Cut(self.server.len())));
        }
        self.trim_when_idle(events, now);
        // 2. Accept connections, and take what the worker has done. What the store has done is
        // taken at the start of 3.
        self.listener.accept(&mut self.server, &mut self.metrics, now);
        while let Some((ticket, answer)) = self.worker.take_done() {
            self.server.completed(ticket, answer, now);
        }
        // 3. Receive, 4. tick, 5. keep.
        let reading = Budget::new(READING_MAX);
        self.server.receive(now, || reading.is_over());
        // 6. Deliver, 7. reap.
        let waits = self.coalescer.waits(self.server.batch(), || self.clock.elapsed());
        self.server.deliver(!waits);
        self.listener.register_new(self.poll.registry(), &mut self.server, &mut self.metrics);
        self.start_jobs(now);
        Ok(self.stop_or_go_on(stop, now))
    }

    /// Sleeps until something is ready or the next deadline passes.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let deadlines = [
            self.server.next_deadline(),
            self.listener.next_deadline(),
            self.drain_until,
            self.trim_timer.next_deadline(),
        ];
        let timeout = match self.server.is_busy() {
            true => Some(Duration::ZERO),
            false => self.alarm.set(deadlines.into_iter().flatten().min(), &mut self.clock),
        };
        if self.coalescer.is_waiting() && !self.server.is_reading() {
            thread::sleep(coalescing::COALESCE_STEP);
        }
        poll(&mut self.poll, events, timeout)
    }

    /// Passes readiness on; returns the signal that asks to stop, if one came.
    fn dispatch(&mut self, events: &mut Events, now: Now) -> io::Result<Option<Stop>> {
        let mut stop = self.pass_on(events);
        // A client is not judged for its silence before all that the kernel knows of it was seen.
        for _ in 0..=self.server.len() / EVENTS_MAX {
            let is_due = self.server.next_deadline().is_some_and(|at| at <= now.ms);
            if !is_due || events.iter().count() < EVENTS_MAX {
                break;
            }
            poll(&mut self.poll, events, Some(Duration::ZERO))?;
            stop = stop.max(self.pass_on(events));
        }
        Ok(stop)
    }

    fn pass_on(&mut self, events: &Events) -> Option<Stop> {
        let mut stop = None;
        for event in events {
            match event.token() {
                LISTENER => self.listener.set_ready(),
                SIGNALS => stop = stop.max(self.signals.pending().map(signals::meaning).max()),
                // The worker's and the store's answers are taken in every turn.
                WAKER => {}
                // So are deadlines.
                ALARM => self.alarm.rang(),
                Token(key) => {
                    // Errors and hang-ups come with one of these; what reading or writing returns
                    // then decides. A read stops short at urgent data as well, with more behind it.
                    if event.is_error() {
                        self.server.broken(key);
                    } else if event.is_read_closed() || event.is_priority() {
                        self.server.input_ended(key);
                    } else if event.is_readable() {
                        self.server.readable(key);
                    }
                    if event.is_writable() {
                        self.server.writable(key);
                    }
                }
            }
        }
        stop
    }

    /// Gives memory back in the first quiet moment after things have happened.
    /// If no such moment comes, it goes back bit by bit.
    fn trim_when_idle(&mut self, events: &Events, now: Now) {
        let held_bytes = self.server.held_bytes();
        let writes = self.server.delivery_metrics().writes;
        // What deadlines have had written leaves memory behind as well.
        let has_written = writes != mem::replace(&mut self.writes, writes);
        let is_quiet = events.iter().all(|event| event.token() == ALARM);
        if !is_quiet || has_written {
            self.trim_timer.put_off(now);
        } else if !self.server.is_busy() && self.trim_timer.take_due(now) {
            self.server.trim();
            self.trim_timer.trimmed(held_bytes, now);
            trim::trim();
        }
        if self.trim_timer.has_moved_much(held_bytes, now) {
            self.trim_timer.trimmed(held_bytes, now);
            trim::trim();
        }
    }

    /// Gives the service's slow work to the worker: at the end of a turn, so that all jobs asked
    /// for in it are included.
    fn start_jobs(&mut self, now: Now) {
        for job in self.server.take_jobs() {
            self.metrics.jobs += 1;
            if let Err(job) = self.worker.start(job) {
                self.server.completed(job.ticket, (job.run)(), now);
            }
        }
    }

    /// Begins to stop when a signal asks for it, or nothing can be stored any more; says when the
    /// server has stopped.
    fn stop_or_go_on(&mut self, stop: Option<Stop>, now: Now) -> Option<Ended> {
        match (stop, self.drain_until) {
            (None, None) if self.server.store_broken().is_some() => self.begin_drain(now),
            (None, _) | (Some(Stop::HungUp), Some(_)) => {}
            (Some(_), None) => self.begin_drain(now),
            (Some(Stop::Asked), Some(_)) => return Some(Ended::Cut(self.server.len())),
        }
        (self.drain_until.is_some() && self.server.is_drained()).then_some(Ended::Drained)
    }

    /// No new connections; clients are closed as they drain.
    fn begin_drain(&mut self, now: Now) {
        info!("stopping: {} clients to drain within {} s", self.server.len(), self.drain.as_secs());
        self.listener.close(now);
        self.server.drain();
        self.drain_until = Some(now.ms + millis(self.drain));
    }
}

/// Waits for readiness. A signal ends the wait with nothing.
fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        polled => polled,
    }
}
