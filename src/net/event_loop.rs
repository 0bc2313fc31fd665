//! The only file that knows `mio`, the clock and the signals: sockets in, readiness and time for
//! the [`Server`].

use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::{info, warn};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use signal_hook_mio::v1_0::Signals;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::clock::{Millis, Now, SLEEP_MAX, Stopwatch};
use crate::delivery::Delivery;
use crate::delivery::coalescing::{self, Coalescer};
use crate::net::rejection::{Rejection, Rejections};
use crate::net::signals::{self, Stop};
use crate::net::trim;
use crate::server::Server;
use crate::server::settings::Settings;
use crate::server::stream::Stream;
use crate::service::Service;

/// Connections that the kernel may hold ready for us; Linux cuts it to `net.core.somaxconn`, 4,096
/// by default.
const BACKLOG: i32 = 4096;
/// Connections taken in one turn, so that a storm of them does not keep the others waiting.
const ACCEPTS_MAX: usize = 1024;
/// Readiness events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// Descriptors for everything but clients: standard streams, listener, poll, signals, reserve;
/// those who wait to be refused; and some to spare.
const DESCRIPTORS_RESERVED: u64 = 32;
/// Room for fewer clients than this is hardly meant.
const CLIENTS_FEW: usize = 100;
/// Address space is set aside for so many clients at most.
const CLIENTS_EXPECTED_MAX: usize = 1 << 20;
/// When the kernel is out of memory for connections, how long to leave it alone.
const ACCEPT_PAUSE_MS: Millis = 100;
/// So long without anything happening is a quiet moment.
const QUIET_MS: Millis = 50;
/// Memory is not given back more often than this.
const GIVE_BACK_EVERY_MS: Millis = 200;
/// A peer that vanished without a word is noticed after this long and three probes: 21 seconds in
/// all.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(12);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;
/// So long may what was sent go unacknowledged (RFC 5482): Linux would try for a quarter of an
/// hour. What is sent just before the probes give up puts them off, so both together are the
/// longest that a ghost stays: under 45 seconds.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(21);

/// Unsent bytes that the kernel may hold for a client before it takes no more. Left to itself it
/// takes megabytes and asks for more only when a third of them has gone: a slow reader would look,
/// for seconds, like one that does not read.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32 * 1024;

const LISTENER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);

/// Where to listen, and how to treat what connects there.
#[derive(Clone, Debug)]
pub struct NetSettings {
    /// The first that can be had is listened on.
    pub addresses: Vec<SocketAddr>,
    /// `--max-clients`, if given.
    pub clients_max: Option<usize>,
    /// `--drain-seconds`.
    pub drain: Duration,
    pub server: Settings,
}

/// The loop: one listener, one poll, one server.
pub struct EventLoop<A> {
    poll: Poll,
    signals: Signals,
    listener: Option<TcpListener>,
    address: SocketAddr,
    /// Kept open so that it can be closed when descriptors run out: then one more connection can be
    /// taken and refused.
    reserve: Option<File>,
    server: Server<TcpStream, A>,
    refusals: Rejections<TcpStream>,
    clients_max: usize,
    drain: Duration,
    started: Instant,
    stopwatch: Stopwatch,
    gathering: Coalescer,
    /// The listener may have more connections ready.
    acceptable: bool,
    /// No connection is taken before this time.
    accept_at: Millis,
    /// Memory is given back then, if nothing happens until then.
    give_back_at: Option<Millis>,
    /// When memory was given back last.
    gave_back: Millis,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everybody who reads got all that was owed.
    Drained,
    /// A second signal, or the time to drain ran out: this many clients were cut off.
    Cut(usize),
}

impl Stream for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl<A: Service> EventLoop<A> {
    /// Binds the first of the configured addresses that can be had.
    ///
    /// # Errors
    /// What the kernel says of the last address that was tried, or of the poll.
    pub fn bind(
        settings: NetSettings,
        service: impl FnOnce(&mut Delivery) -> A,
    ) -> io::Result<EventLoop<A>> {
        let NetSettings { addresses, clients_max: wanted, drain, server: mut settings } = settings;
        let clients_max = clients_max(wanted);
        settings.limits.delivery.clients_expected = clients_max.min(CLIENTS_EXPECTED_MAX);
        let mut listener = listen_on_any(&addresses)?;
        let address = listener.local_addr()?;
        settings.is_loopback = address.ip().to_canonical().is_loopback();
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let mut signals = Signals::new(signals::that_stop())?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(EventLoop {
            poll,
            signals,
            listener: Some(listener),
            address,
            reserve: reserve(),
            refusals: Rejections::new(settings.protocols),
            server: Server::new(settings, service),
            clients_max,
            drain,
            started: Instant::now(),
            stopwatch: Stopwatch::default(),
            gathering: Coalescer::default(),
            acceptable: false,
            accept_at: 0,
            give_back_at: None,
            gave_back: 0,
        })
    }

    /// The address really bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// Only when the kernel refuses to poll.
    pub fn run(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut drain_until = None;
        loop {
            self.wait(&mut events, drain_until)?;
            let now = self.now();
            let mut stop = self.dispatch(&events);
            // Whoever is judged for its silence must have been listened to.
            while self.server.next_deadline().is_some_and(|at| at <= now.ms)
                && events.iter().count() == EVENTS_MAX
            {
                poll(&mut self.poll, &mut events, Some(Duration::ZERO))?;
                stop = stop.max(self.dispatch(&events));
            }
            // Before the turn, whose own deadlines would let the last clients go as if they had
            // drained.
            if drain_until.is_some_and(|at| at <= now.ms) {
                return Ok(Ended::Cut(self.server.len()));
            }
            self.rest(&events, now);
            self.accept(now);
            self.refusals.turn(now);
            self.server.receive(now);
            let keep = self.gathering.waits(self.server.batch(), self.started.elapsed());
            self.server.deliver(!keep);
            match (stop, drain_until) {
                (None, _) | (Some(Stop::HungUp), Some(_)) => {}
                (Some(_), None) => {
                    self.stop(now);
                    drain_until = Some(now.ms + millis(self.drain));
                }
                (Some(Stop::Asked), Some(_)) => return Ok(Ended::Cut(self.server.len())),
            }
            if drain_until.is_some() && self.server.is_drained() {
                return Ok(Ended::Drained);
            }
        }
    }

    /// Sleeps until something is ready or the next deadline passes.
    fn wait(&mut self, events: &mut Events, drain_until: Option<Millis>) -> io::Result<()> {
        let accept_at = self.acceptable.then_some(self.accept_at);
        let (next, refusal) = (self.server.next_deadline(), self.refusals.next_deadline());
        let deadline =
            [next, refusal, drain_until, accept_at, self.give_back_at].into_iter().flatten().min();
        let timeout = match self.server.is_busy() {
            true => Some(Duration::ZERO),
            false => deadline.map(|at| {
                // Rounded up: waking a moment early would mean turning in circles until the
                // deadline.
                let at = self.stopwatch.real(Duration::from_millis(at) + Duration::from_millis(1));
                at.saturating_sub(self.started.elapsed()).min(SLEEP_MAX)
            }),
        };
        if timeout.is_none() {
            self.stopwatch.sleep_for_long();
        }
        if self.gathering.is_waiting() && !self.server.is_reading() {
            thread::sleep(coalescing::COALESCE_STEP);
        }
        poll(&mut self.poll, events, timeout)
    }

    /// Gives memory back in the first quiet moment after things have happened.
    fn rest(&mut self, events: &Events, now: Now) {
        if !events.is_empty() {
            self.give_back_at = Some((now.ms + QUIET_MS).max(self.gave_back + GIVE_BACK_EVERY_MS));
        } else if self.give_back_at.is_some_and(|at| at <= now.ms) && !self.server.is_busy() {
            self.server.trim();
            trim::trim();
            self.give_back_at = None;
            self.gave_back = now.ms;
        }
    }

    /// Passes readiness on; tells of a signal that asks us to stop.
    fn dispatch(&mut self, events: &Events) -> Option<Stop> {
        let mut stop = None;
        for event in events {
            match event.token() {
                LISTENER => self.acceptable = true,
                SIGNALS => stop = stop.max(self.signals.pending().map(signals::meaning).max()),
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

    /// Takes the connections that are ready. Whatever goes wrong with one of them, the listener
    /// lives on.
    fn accept(&mut self, now: Now) {
        let Some(listener) = &self.listener else { return };
        if !self.acceptable || now.ms < self.accept_at {
            return;
        }
        for _ in 0..ACCEPTS_MAX {
            match listener.accept() {
                Ok((stream, mut peer)) => {
                    // The log shows an IPv4 client on a socket for both families as it does
                    // everywhere else.
                    peer.set_ip(peer.ip().to_canonical());
                    let knocked = match self.server.len() < self.clients_max {
                        true => self.server.admit(peer, now),
                        false => Err(Rejection::Full),
                    };
                    if let Err(refusal) = knocked {
                        self.refusals.refuse(stream, peer, refusal, now);
                    } else if let Err(error) =
                        admit(&self.poll, &mut self.server, stream, peer, now)
                    {
                        warn!("{peer}: not taken in: {error}");
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.acceptable = false;
                        return;
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ if is_out_of_descriptors(&error) && self.reserve.is_some() => {
                        self.reserve = None;
                        match listener.accept() {
                            Ok((stream, peer)) => {
                                self.refusals.refuse(
                                    stream,
                                    peer,
                                    Rejection::OutOfDescriptors,
                                    now,
                                );
                            }
                            // The kernel looks for a descriptor first, so that it complains even if
                            // nobody is waiting.
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                                self.acceptable = false
                            }
                            Err(_) => {}
                        }
                        self.reserve = reserve();
                        if !self.acceptable {
                            return;
                        }
                    }
                    _ => {
                        warn!("no connections for {ACCEPT_PAUSE_MS} ms: {error}");
                        self.accept_at = now.ms + ACCEPT_PAUSE_MS;
                        self.reserve = self.reserve.take().or_else(reserve);
                        return;
                    }
                },
            }
        }
    }

    /// No new connections; those that are there are let go as they drain.
    fn stop(&mut self, now: Now) {
        info!("stopping: {} clients to drain within {} s", self.server.len(), self.drain.as_secs());
        self.listener = None;
        self.acceptable = false;
        self.refusals.finish(now);
        self.server.drain();
    }

    /// The time of this turn.
    fn now(&mut self) -> Now {
        let (elapsed, pause) = self.stopwatch.look(self.started.elapsed());
        if !pause.is_zero() {
            warn!("a pause of {:.1} s: deadlines are put off", pause.as_secs_f32());
        }
        Now {
            ms: millis(elapsed),
            unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
        }
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

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// `--max-clients`, or what the limit of open files allows.
fn clients_max(wanted: Option<usize>) -> usize {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        warn!("the limit of open files stays as it is: {error}");
        1024
    });
    let room = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_RESERVED))
        .unwrap_or(usize::MAX)
        .max(1);
    if room < wanted.unwrap_or(CLIENTS_FEW) {
        let clients =
            if room == 1 { "one client".to_owned() } else { format!("about {room} clients") };
        let of = wanted.map(|wanted| format!(" of --max-clients {wanted}")).unwrap_or_default();
        warn!(
            "the limit of open files ({descriptors}) leaves room for {clients}{of}: raise it (ulimit -n, LimitNOFILE=)"
        );
    }
    wanted.unwrap_or(room)
}

fn listen_on_any(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        result = listen(*address);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    configure(SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// The options of every connection. On Linux they are those of the listener, which saves seven
/// calls for each connection.
fn configure(socket: SockRef<'_>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    // Telnet sends its interrupts as urgent data. They belong where they stand among the rest.
    socket.set_out_of_band_inline(true)
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    // This process, or the whole system; neither has an `ErrorKind`.
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn admit<A: Service>(
    poll: &Poll,
    server: &mut Server<TcpStream, A>,
    mut stream: TcpStream,
    peer: SocketAddr,
    now: Now,
) -> io::Result<()> {
    #[cfg(not(target_os = "linux"))]
    configure(SockRef::from(&stream))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(server.next_key()), interest)?;
    info!("Peer address: {peer}");
    server.accept(stream, peer, now);
    Ok(())
}
