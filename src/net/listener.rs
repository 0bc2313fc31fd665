//! Accepting connections on all sockets that are listened on, and what to do when that fails.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use log::{info, warn};
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

use crate::clock::{Millis, Now, earlier};
use crate::ids::Peer;
use crate::net::clock::Budget;
use crate::net::listening::{Bound, Listening};
use crate::net::metrics::NetMetrics;
use crate::net::rejection::Rejections;
use crate::net::stream::Socket;
use crate::net::tls::MaybeTls;
use crate::server::Server;
use crate::server::admission::Rejection;
use crate::service::Service;

/// So long connections are taken in one turn, so that a storm of them does not keep the others
/// waiting.
const ACCEPTING_MAX: Duration = Duration::from_millis(5);
/// When the kernel is out of memory for connections, how long to leave it alone.
const ACCEPT_PAUSE_MS: Millis = 100;
/// Descriptors for everything but clients: standard streams, listener, poll, signals, waker,
/// reserve; connections that wait to be rejected; and some to spare.
const DESCRIPTORS_RESERVED: u64 = 32;
/// Room for fewer clients than this is hardly meant.
const CLIENTS_FEW: usize = 100;
/// A peer that vanished without a word is noticed after this long and three probes: 21 seconds in
/// all for the first [`PROBED_TOGETHER`] clients, and a second more for each as many after them.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(12);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;
/// So long may what was sent go unacknowledged (RFC 5482): Linux would try for a quarter of an
/// hour. What is sent just before the probes give up puts them off, so both together are the
/// longest that a ghost stays: under 45 seconds, or so much more.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(21);
/// So many clients are probed at one moment, the next ones a second later.
///
/// The kernel's timers are coarse: all who have been silent since the same message would be probed
/// in one burst. A loopback interface, as between a proxy and the server, takes a thousand packets
/// of a burst for each core and drops the rest, three times in a row: of 9,000 silent clients,
/// 3,000 were taken for gone.
const PROBED_TOGETHER: usize = 500;
/// Unsent bytes that the kernel may hold for a client before it takes no more. Left to itself it
/// takes megabytes and asks for more only when a third of them has gone: a slow reader would look,
/// for seconds, like one that does not read.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32 * 1024;

/// One nap while connections come in numbers. The kernel makes about 150 us of it.
///
/// A connection comes a little before its first bytes. Who sleeps between them wakes twice for each
/// request, which costs as much as the request. Those of fifty clients that have a connection for
/// each are answered with two thirds of the CPU time for these naps, and no slower.
pub const NEWCOMERS_STEP: Duration = Duration::from_micros(100);

/// What the poll reports of a connection.
#[cfg(any(target_os = "linux", target_os = "android"))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Accepts connections, and rejects those for which there is no room.
#[derive(Debug)]
pub struct Listener {
    /// None once the server stops.
    sockets: Vec<Listening>,
    /// Kept open so that it can be closed when descriptors run out: then one more connection can be
    /// accepted and rejected.
    reserve: Option<File>,
    rejections: Rejections<Socket>,
    /// The keys of those that were accepted in this turn.
    new: Vec<usize>,
    newcomers: Newcomers,
    clients_max: usize,
    /// No connection is accepted before this time.
    accept_at: Millis,
}

impl Listener {
    /// Registers sockets with the poll. One token is theirs: when it is ready, each is asked.
    ///
    /// # Errors
    /// The poll does not take them.
    pub fn new(
        mut sockets: Vec<Listening>,
        clients_max: usize,
        rejections: Rejections<Socket>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Listener> {
        for socket in &mut sockets {
            socket.register(registry, token)?;
        }
        Ok(Listener {
            sockets,
            reserve: open_reserve(),
            rejections,
            new: Vec::new(),
            newcomers: Newcomers::default(),
            clients_max,
            accept_at: 0,
        })
    }

    /// Where is really listened.
    /// The sockets, for another process.
    pub fn sockets(&self) -> impl Iterator<Item = &Listening> {
        self.sockets.iter()
    }

    /// Another process listens.
    pub fn hand_over(&mut self, registry: &Registry) {
        for mut socket in self.sockets.drain(..) {
            // What it reports is for nobody here.
            let _ = socket.deregister(registry);
            socket.hand_over();
        }
    }

    /// Registers a connection that another process has had.
    pub fn adopt(&mut self, key: usize) {
        self.new.push(key);
    }

    pub fn bound(&self) -> impl Iterator<Item = &Bound> {
        self.sockets.iter().map(|socket| &socket.bound)
    }

    /// The poll says that there are connections.
    pub fn set_ready(&mut self) {
        self.sockets.iter_mut().for_each(|socket| socket.is_ready = true);
    }

    fn is_ready(&self) -> bool {
        self.sockets.iter().any(|socket| socket.is_ready)
    }

    /// When to call [`Listener::accept`] next, whatever the poll says.
    pub fn next_deadline(&self) -> Option<Millis> {
        earlier(self.is_ready().then_some(self.accept_at), self.rejections.next_deadline())
    }

    /// Accepts the connections that are ready, and answers rejected ones that have waited long
    /// enough. One connection's failure is its own: the listener goes on. Returns whether there
    /// were any to accept.
    pub fn accept<A: Service>(
        &mut self,
        server: &mut Server<MaybeTls, A>,
        metrics: &mut NetMetrics,
        now: Now,
    ) -> bool {
        let accepts = self.is_ready() && now.ms >= self.accept_at;
        if accepts {
            let accepting = Budget::new(ACCEPTING_MAX);
            let mut next = 0;
            // One of each in turn: a storm on one of them keeps nobody waiting at another.
            while let Some(at) = self.next_ready(next) {
                next = at + 1;
                match self.sockets[at].accept() {
                    Ok((stream, peer)) => self.admit(stream, peer, server, metrics, now),
                    Err(error) => {
                        if self.accept_failed(at, &error, metrics, now).is_break() {
                            break;
                        }
                    }
                }
                if accepting.is_over() {
                    break;
                }
            }
        }
        self.rejections.answer_due(now);
        accepts
    }

    /// The first socket that is ready, from this one on.
    fn next_ready(&self, from: usize) -> Option<usize> {
        let count = self.sockets.len();
        (from..from + count).map(|at| at % count).find(|at| self.sockets[*at].is_ready)
    }

    /// Has the poll tell of the connections that were accepted in this turn, now that it is over. One
    /// that sends a request and closes behind it is mostly gone by now, and never costs the poll
    /// anything. What has come since it was read is reported: the poll looks when it is told.
    pub fn register_new<A: Service>(
        &mut self,
        registry: &Registry,
        server: &mut Server<MaybeTls, A>,
        metrics: &mut NetMetrics,
    ) {
        let mut count = 0;
        for key in self.new.drain(..) {
            let Some(stream) = server.stream(key) else { continue };
            count += 1;
            let taken = registry.register(stream, Token(key), INTEREST);
            if let Err(error) = taken.and_then(|()| probe_apart(stream.socket(), key)) {
                metrics.accept_errors += 1;
                warn!("a connection is given up: {error}");
                server.broken(key);
            }
        }
        self.newcomers.end_turn(count);
    }

    /// Whether connections come one close upon the other, so that a nap of [`NEWCOMERS_STEP`] is
    /// worth its time.
    pub fn expects_more(&self) -> bool {
        !self.is_ready() && self.newcomers.are_many()
    }

    /// Accepts no more, and answers those who wait to be rejected.
    pub fn close(&mut self, now: Now) {
        self.sockets.clear();
        self.rejections.answer_all(now);
    }

    /// Makes a client of a connection, or rejects it.
    fn admit<A: Service>(
        &mut self,
        stream: Socket,
        peer: SocketAddr,
        server: &mut Server<MaybeTls, A>,
        metrics: &mut NetMetrics,
        now: Now,
    ) {
        let admitted = match server.len() < self.clients_max {
            true => server.admit(peer, now),
            false => Err(Rejection::Full),
        };
        if let Err(rejection) = admitted {
            return self.reject(stream, peer, rejection, metrics, now);
        }
        #[cfg(not(target_os = "linux"))]
        if let Socket::Tcp(stream) = &stream
            && let Err(error) = configure(SockRef::from(stream))
        {
            metrics.accept_errors += 1;
            return warn!("{}: not accepted: {error}", Peer::from(peer));
        }
        metrics.accepted += 1;
        info!("Peer address: {}", Peer::from(peer));
        let key = server.accept(stream.into(), peer, now);
        // Its first bytes have mostly come along.
        server.readable(key);
        self.new.push(key);
    }

    fn reject(
        &mut self,
        stream: Socket,
        peer: SocketAddr,
        rejection: Rejection,
        metrics: &mut NetMetrics,
        now: Now,
    ) {
        metrics.rejected.count(rejection);
        self.rejections.reject(stream, peer, rejection, now);
    }

    /// Says whether to go on accepting in this turn.
    fn accept_failed(
        &mut self,
        at: usize,
        error: &io::Error,
        metrics: &mut NetMetrics,
        now: Now,
    ) -> ControlFlow<()> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.sockets[at].is_ready = false;
                ControlFlow::Continue(())
            }
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {
                ControlFlow::Continue(())
            }
            _ if is_out_of_descriptors(error) && self.reserve.is_some() => {
                self.reject_with_reserve(at, metrics, now)
            }
            _ => {
                metrics.accept_errors += 1;
                warn!("no connections for {ACCEPT_PAUSE_MS} ms: {error}");
                self.accept_at = now.ms + ACCEPT_PAUSE_MS;
                self.reserve = self.reserve.take().or_else(open_reserve);
                ControlFlow::Break(())
            }
        }
    }

    /// Accepts one connection with the reserve descriptor, to tell it that there are no others.
    fn reject_with_reserve(
        &mut self,
        at: usize,
        metrics: &mut NetMetrics,
        now: Now,
    ) -> ControlFlow<()> {
        self.reserve = None;
        match self.sockets[at].accept() {
            Ok((stream, peer)) => {
                self.reject(stream, peer, Rejection::OutOfDescriptors, metrics, now);
            }
            // The kernel looks for a descriptor first, so that it complains even if nobody is
            // waiting.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.sockets[at].is_ready = false;
            }
            Err(_) => {}
        }
        self.reserve = open_reserve();
        ControlFlow::Continue(())
    }
}

/// How many connections have come lately and stay beyond their first turn: what they want to say is
/// on its way, or others are.
///
/// One client that opens one connection after the other is answered between two of them, and never
/// waited for.
#[derive(Clone, Copy, Debug, Default)]
struct Newcomers {
    /// In this turn.
    now: usize,
    /// In the last one.
    before: usize,
}

impl Newcomers {
    fn end_turn(&mut self, count: usize) {
        self.before = std::mem::replace(&mut self.now, count);
    }

    fn are_many(self) -> bool {
        self.now > 0 && self.now + self.before > 1
    }
}

/// `--max-clients`, or what the limit of open files allows.
pub fn clients_max(wanted: Option<usize>) -> usize {
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
            "the limit of open files ({descriptors}) leaves room for {clients}{of}: raise it \
             (ulimit -n, LimitNOFILE=)"
        );
    }
    wanted.unwrap_or(room)
}

/// The options of every connection. On Linux they are those of the listener, which saves seven
/// calls for each connection.
pub(super) fn configure(socket: SockRef<'_>) -> io::Result<()> {
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

/// Has a client probed apart from most others. It costs three calls, which the first
/// [`PROBED_TOGETHER`] are spared.
fn probe_apart(socket: &Socket, key: usize) -> io::Result<()> {
    let later = Duration::from_secs((key / PROBED_TOGETHER) as u64);
    let Socket::Tcp(socket) = socket else { return Ok(()) };
    if later.is_zero() {
        return Ok(());
    }
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_IDLE + later))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX + later))?;
    Ok(())
}

fn open_reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    // This process, or the whole system; neither has an `ErrorKind`.
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there is a nap behind each turn in which so many connections have come and stay.
    fn naps(turns: &[usize]) -> Vec<bool> {
        let mut newcomers = Newcomers::default();
        turns
            .iter()
            .map(|&count| {
                newcomers.end_turn(count);
                newcomers.are_many()
            })
            .collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn five_hundred_clients_are_probed_together_and_no_more() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        configure(SockRef::from(&listener)).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let socket = Socket::Tcp(mio::net::TcpStream::from_std(stream));
        let after = |key| {
            probe_apart(&socket, key).unwrap();
            let Socket::Tcp(socket) = &socket else { unreachable!("it was made of TCP") };
            let socket = SockRef::from(socket);
            let times =
                [Some(socket.tcp_keepalive_time().unwrap()), socket.tcp_user_timeout().unwrap()];
            times.map(|time| time.unwrap().as_secs())
        };
        assert_eq!(after(0), [12, 21]);
        assert_eq!(after(499), [12, 21]);
        assert_eq!(after(500), [13, 22]);
        assert_eq!(after(999), [13, 22]);
        assert_eq!(after(1_000), [14, 23]);
        assert_eq!(after(19_999), [51, 60]);
        // What it does not set stays.
        let Socket::Tcp(stream) = &socket else { unreachable!("it was made of TCP") };
        assert_eq!(SockRef::from(stream).tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert!(SockRef::from(stream).keepalive().unwrap());
    }

    #[test]
    fn one_connection_after_the_other_is_not_waited_for() {
        assert_eq!(naps(&[1, 0, 1, 0, 0, 1]), [false; 6]);
    }

    #[test]
    fn a_storm_is_waited_for_until_it_is_over() {
        assert_eq!(naps(&[1, 1, 3, 1, 0, 0]), [false, true, true, true, false, false]);
        assert_eq!(naps(&[2, 0, 1]), [true, false, false]);
    }
}
