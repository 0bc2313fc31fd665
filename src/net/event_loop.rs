//! The event loop: one poll, one listener, one server, one thread.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{io, mem, thread};

use log::info;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals;
use thiserror::Error;

use crate::clock::{Millis, Now, earlier};
use crate::delivery::Delivery;
use crate::delivery::coalescing::{self, Coalescer};
use crate::net::alarm::Alarm;
use crate::net::challenges::Webroot;
use crate::net::clock::{Budget, Clock, WorkBudget, millis};
use crate::net::listener::{self, Listener};
use crate::net::listening::{Bound, Inherited, ListenAddress, ListenError, Listening};
use crate::net::machine;
use crate::net::metrics::{LoopCollector, NetMetrics};
use crate::net::rejection::Rejections;
use crate::net::signals::{self, Stop};
use crate::net::supervisor::Supervisor;
use crate::net::tls::MaybeTls;
use crate::net::tls::certificate::Certificate;
use crate::net::trim::{self, Resident, TrimTimer};
use crate::net::upgrade::{self, Upgrading, predecessor};
use crate::net::worker::{self, Worker};
use crate::plural::Count;
use crate::server::Server;
use crate::server::settings::ServerSettings;
use crate::service::{Lane, Service};

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
    /// `--tls-cert` and `--tls-key`.
    pub certificate: Option<Certificate>,
    /// `--acme-webroot`.
    pub acme_webroot: Option<PathBuf>,
    pub server: ServerSettings,
}

/// Drives a [`Server`] with sockets, the clock and signals.
pub struct EventLoop<A> {
    pub(in crate::net) poll: Poll,
    pub(in crate::net) signals: Signals,
    pub(in crate::net) clock: Clock,
    alarm: Alarm,
    pub(in crate::net) listener: Listener,
    pub(in crate::net) server: Server<MaybeTls, A>,
    certificate: Option<Certificate>,
    pub(in crate::net) reading: Worker,
    passwords: Worker,
    pub(in crate::net) supervisor: Supervisor,
    coalescer: Coalescer,
    trim_timer: TrimTimer,
    resident: Resident,
    /// How many writes there had been when that was last looked at.
    writes: u64,
    /// Those who ask for metrics are told these as well.
    metrics: Rc<RefCell<NetMetrics>>,
    /// Whether anybody may ask how long turns take.
    is_monitored: bool,
    pub(in crate::net) drain: Duration,
    /// The server stops, and waits for its clients no longer than this.
    pub(in crate::net) drain_until: Option<Millis>,
    pub(in crate::net) upgrading: Upgrading,
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
    /// Another process goes on.
    HandedOver,
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
        let (certificate, webroot) = (settings.certificate, settings.acme_webroot);
        let mut settings = settings.server;
        let is_monitored = settings.metrics.is_on();
        let clients_max = listener::clients_max(clients_max);
        settings.limits.delivery.clients_expected = clients_max.min(CLIENTS_EXPECTED_MAX);
        let budget = memory_bytes_max.unwrap_or_else(machine::default_budget);
        settings.limits.delivery.memory_bytes_max = budget;
        trim::fix_mmap_threshold();
        let poll = Poll::new()?;
        let registry = poll.registry();
        let sockets = Listening::open_all(inherited, &addresses)?;
        let rejections = Rejections::new(settings.protocols, certificate.is_some());
        let listener = Listener::new(sockets, clients_max, rejections, registry, LISTENER)?;
        info!("memory for all clients together: {} MiB (--memory-mib)", budget >> 20);
        settings.is_loopback = listener.bound().all(Bound::is_here);
        let supervisor = Supervisor::find(predecessor::takes_over());
        let reloads = certificate.is_some() || supervisor.is_there();
        let mut signals = Signals::new(signals::heeded(reloads))?;
        registry.register(&mut signals, SIGNALS, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(registry, WAKER)?);
        let mut server = Server::new(settings, service);
        let of_store = Arc::clone(&waker);
        server.set_wake(Box::new(move || worker::wake(&of_store)));
        if let Some(certificate) = &certificate {
            server.set_tls(Box::new(certificate.acceptor()));
        }
        if let Some(root) = webroot {
            server.set_challenges(Box::new(Webroot::new(root)));
        }
        let metrics: Rc<RefCell<NetMetrics>> = Rc::default();
        server.set_collector(Box::new(LoopCollector::new(&metrics, clients_max)));
        let alarm = Alarm::new(registry, ALARM)?;
        Ok(EventLoop {
            poll,
            signals,
            clock: Clock::start(),
            alarm,
            listener,
            server,
            certificate,
            reading: Worker::new(Arc::clone(&waker), Lane::Reading),
            passwords: Worker::new(waker, Lane::Passwords),
            supervisor,
            coalescer: Coalescer::default(),
            trim_timer: TrimTimer::new(budget),
            resident: Resident::open(),
            writes: 0,
            metrics,
            is_monitored,
            drain,
            drain_until: None,
            upgrading: Upgrading::default(),
        })
    }

    /// Has the readiness of new connections reported.
    pub(in crate::net) fn register_new(&mut self) {
        let (registry, metrics) = (self.poll.registry(), &self.metrics);
        self.listener.register_new(registry, &mut self.server, &mut metrics.borrow_mut());
    }

    /// Where is really listened.
    pub fn bound(&self) -> Vec<Bound> {
        self.listener.bound().cloned().collect()
    }

    /// The service that clients talk to.
    pub fn service(&self) -> &A {
        self.server.service()
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// Only when the kernel refuses to poll.
    pub fn run(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let now = self.clock.now();
        self.supervisor.ready(self.listener.bound(), now);
        self.upgrading.begin();
        loop {
            if let Some(ended) = self.turn(&mut events)? {
                let ended = self.unstored().map_or(ended, Ended::Unstored);
                let seconds = self.clock.elapsed().as_secs();
                let (server, delivery) = (self.server.metrics(), self.server.delivery_metrics());
                info!("served for {seconds} s: {}, {server}, {delivery}", self.metrics.borrow());
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
        // 1. Poll.
        self.wait(events)?;
        let now = self.clock.now();
        let stop = self.dispatch(events, now)?;
        let stop = self.reload(stop, now);
        self.supervisor.turn(self.server.len(), now);
        // Before the server's own deadlines, which would let the last clients go as if they had
        // drained.
        if self.drain_until.is_some_and(|at| at <= now.ms) {
            return Ok(Some(self.upgrading.ended(Ended::Cut(self.server.len()))));
        }
        self.trim_when_idle(events, now);
        // 2. Accept connections, and take what the workers have done. What the store has done is
        // taken at the start of 3.
        let has_accepted = self.take_in(now);
        // 3. Receive, 4. tick, 5. keep.
        let mut reading = WorkBudget::new(match has_accepted {
            true => Budget::new(READING_MAX),
            // Nothing has taken time so far, so the clock need not be looked at again.
            false => self.clock.budget(READING_MAX),
        });
        self.server.receive(now, |work| reading.is_over_after(work));
        // 6. Deliver, 7. reap.
        let waits = self.coalescer.waits(self.server.batch(), || self.clock.elapsed());
        self.server.deliver(!waits);
        self.register_new();
        self.start_jobs(now);
        if self.is_monitored {
            self.metrics.borrow_mut().turn_seconds.observe(self.clock.turn_elapsed());
        }
        let ended = self.stop_or_go_on(stop, now);
        if ended.is_none() && self.drain_until.is_none() {
            self.go_on_upgrading(now);
        }
        Ok(ended)
    }

    /// Accepts connections, and takes what the workers have done. Returns whether that took time.
    fn take_in(&mut self, now: Now) -> bool {
        let mut metrics = self.metrics.borrow_mut();
        metrics.turns += 1;
        let has_accepted = !self.upgrading.is_settling()
            && self.listener.accept(&mut self.server, &mut metrics, now);
        for worker in [&mut self.reading, &mut self.passwords] {
            while let Some((ticket, answer)) = worker.take_done() {
                metrics.jobs.of(worker.lane()).done += 1;
                self.server.completed(ticket, answer, now);
            }
        }
        has_accepted
    }

    /// Sleeps until something is ready or the next deadline passes.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = match self.server.is_busy() {
            true => Some(Duration::ZERO),
            false if self.upgrading.is_settling() => Some(upgrade::SETTLING_STEP),
            false => {
                let renewal = self.certificate.as_ref().map(Certificate::next_deadline);
                let stop_or_renew = earlier(self.drain_until, renewal);
                let ours = earlier(stop_or_renew, self.trim_timer.next_deadline());
                let ours = earlier(ours, self.supervisor.next_deadline());
                let accepting = earlier(self.listener.next_deadline(), ours);
                let deadline = earlier(self.server.next_deadline(), accepting);
                self.alarm.set(deadline, &mut self.clock)
            }
        };
        if self.listener.expects_more() && !self.server.is_busy() {
            thread::sleep(listener::NEWCOMERS_STEP);
        } else if self.coalescer.is_waiting() && !self.server.is_reading() {
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
                SIGNALS => {
                    for signal in self.signals.pending().collect::<Vec<_>>() {
                        match signals::meaning(signal) {
                            None => self.asked_to_upgrade(),
                            asked => stop = stop.max(asked),
                        }
                    }
                }
                // The workers' and the store's answers are taken in every turn.
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

    /// Reads the certificate again when it has changed, or when a hang-up asks for that. That does
    /// not stop a server that has a certificate, or was started by what knows signals better than a
    /// terminal does. Those who are connected go on with what they have.
    fn reload(&mut self, stop: Option<Stop>, now: Now) -> Option<Stop> {
        let can_reload = self.certificate.is_some() || self.supervisor.is_there();
        let reloads = can_reload && self.drain_until.is_none();
        let is_asked = reloads && stop == Some(Stop::HungUp);
        if is_asked {
            self.supervisor.reloading(now);
        }
        if let Some(certificate) = &mut self.certificate
            && (is_asked || certificate.next_deadline() <= now.ms)
            && certificate.renew(is_asked, now)
        {
            self.server.set_tls(Box::new(certificate.acceptor()));
        }
        if is_asked {
            self.supervisor.ready(self.listener.bound(), now);
        }
        stop.filter(|_| !is_asked)
    }

    /// Gives memory back in the first quiet moment after things have happened. If no such moment
    /// comes, it goes back when much is free.
    fn trim_when_idle(&mut self, events: &Events, now: Now) {
        let writes = self.server.delivery_metrics().writes;
        // What deadlines have had written leaves memory behind as well.
        let has_written = writes != mem::replace(&mut self.writes, writes);
        let is_quiet = events.iter().all(|event| event.token() == ALARM);
        if !is_quiet || has_written {
            self.trim_timer.put_off(now);
        } else if !self.server.is_busy() && self.trim_timer.take_due(now) {
            self.server.trim();
            self.trim(now);
        }
        if self.trim_timer.looks(now) && self.trim_timer.is_loose(self.unheld_bytes(), now) {
            self.trim(now);
        }
    }

    fn trim(&mut self, now: Now) {
        let began = self.clock.elapsed();
        trim::trim();
        self.trim_timer.trimmed(self.unheld_bytes(), self.clock.elapsed() - began, now);
    }

    /// What is resident and not held for clients, in bytes: the server's own, and what is free.
    fn unheld_bytes(&self) -> usize {
        self.resident.bytes().saturating_sub(self.server.held_bytes())
    }

    /// Gives the service's slow work to the workers: at the end of a turn, so that all jobs asked
    /// for in it are included.
    fn start_jobs(&mut self, now: Now) {
        for job in self.server.take_jobs() {
            let mut metrics = self.metrics.borrow_mut();
            let counts = metrics.jobs.of(job.lane);
            counts.given += 1;
            let worker = match job.lane {
                Lane::Reading => &mut self.reading,
                Lane::Passwords => &mut self.passwords,
            };
            if let Err(job) = worker.start(job) {
                counts.done += 1;
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
        let is_drained = self.drain_until.is_some() && self.server.is_drained();
        is_drained.then(|| self.upgrading.ended(Ended::Drained))
    }

    /// No new connections; clients are closed as they drain.
    fn begin_drain(&mut self, now: Now) {
        self.stop_upgrading();
        let clients = Count(self.server.len(), "client");
        info!("stopping: {clients} to drain within {} s", self.drain.as_secs());
        self.supervisor.stopping(self.server.len(), self.drain, now);
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
