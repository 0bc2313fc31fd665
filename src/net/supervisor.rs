//! Tells the program that started the server how it is: systemd, by datagrams to `NOTIFY_SOCKET`
//! (sd_notify(3)).
//!
//! A crate for that sends each of them from a new socket and waits until it is taken. Nothing that
//! others fail to read may stop the event loop, so this has one socket that never waits, and what
//! is not taken is sent again.

use std::collections::VecDeque;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use log::warn;

use crate::clock::{Millis, Now, earlier};
use crate::net::clock::millis;
use crate::net::listening::Bound;
use crate::plural::Count;

/// What was not taken is sent again after this.
const RETRY_MS: Millis = 100;
/// Nobody takes what is sent: the oldest is forgotten.
const UNSENT_MAX: usize = 16;
/// How long the last things take, after clients have had their time to drain.
const CLOSING: Duration = Duration::from_secs(20);

/// The program that started the server, if it wants to be told.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    name: OsString,
    /// It wants to be told so often that the loop turns, or starts the server anew.
    watchdog_ms: Option<Millis>,
    watchdog_at: Millis,
    unsent: VecDeque<String>,
    retry_at: Option<Millis>,
}

impl Supervisor {
    /// The one that the environment names. `takes_over`: from another process that it has started.
    pub fn find(takes_over: bool) -> Supervisor {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Supervisor::default();
        };
        let socket = match connect(&name) {
            Ok(socket) => socket,
            Err(error) => {
                warn!("NOTIFY_SOCKET={}: {error}; nobody is told", name.display());
                return Supervisor::default();
            }
        };
        let pid = std::process::id();
        // What was said to a process that this one has taken over from holds for this one.
        let watched = env::var_os("WATCHDOG_PID").filter(|_| !takes_over);
        let watchdog_ms = watchdog(env::var_os("WATCHDOG_USEC"), watched, pid);
        Supervisor { socket: Some(socket), name, watchdog_ms, ..Supervisor::default() }
    }

    /// Whether this process may end while another one goes on as the server.
    ///
    /// # Errors
    /// What would end with it.
    pub fn check_end_of_this_process(&self) -> Result<(), &'static str> {
        let started = env::var_os("SYSTEMD_EXEC_PID");
        check_end(std::process::id(), started, self.is_there())
    }

    /// Whether anybody is told.
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// The server serves, at these addresses.
    pub fn ready<'a>(&mut self, bound: impl Iterator<Item = &'a Bound>, now: Now) {
        let places: Vec<String> = bound.map(Bound::to_string).collect();
        self.tell(format!("READY=1\nSTATUS=Listening on {}", places.join(", ")), now);
    }

    /// Another process is the server from now on, and tells what is to be told.
    pub fn hand_over(&mut self, pid: u32, now: Now) {
        self.tell(format!("MAINPID={pid}"), now);
        *self = Supervisor::default();
    }

    /// What can change while it serves is read again; [`Supervisor::ready`] follows.
    pub fn reloading(&mut self, now: Now) {
        self.tell(format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()), now);
    }

    /// The server stops, and clients have so long to drain.
    pub fn stopping(&mut self, clients: usize, drain: Duration, now: Now) {
        let patience = (drain + CLOSING).as_micros();
        let clients = Count(clients, "client");
        let status = format!("STATUS=Stopping: {clients} to drain");
        self.tell(format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={patience}\n{status}"), now);
    }

    /// A turn begins: shows that the loop turns if that is due. Costs a comparison if nobody is
    /// told.
    pub fn turn(&mut self, clients: usize, now: Now) {
        if self.socket.is_none() {
            return;
        }
        if let Some(interval) = self.watchdog_ms
            && self.watchdog_at <= now.ms
        {
            self.watchdog_at = now.ms + interval;
            let clients = Count(clients, "client");
            self.tell(format!("WATCHDOG=1\nSTATUS=Serving {clients}"), now);
        } else if self.retry_at.is_some_and(|at| at <= now.ms) {
            self.send(now);
        }
    }

    /// The loop does not turn for a while: the watchdog's time begins anew.
    pub fn pausing(&mut self, clients: usize, now: Now) {
        self.watchdog_at = now.ms;
        self.turn(clients, now);
    }

    /// When it wants its next [`Supervisor::turn`].
    pub fn next_deadline(&self) -> Option<Millis> {
        self.socket.as_ref()?;
        earlier(self.watchdog_ms.map(|_| self.watchdog_at), self.retry_at)
    }

    fn tell(&mut self, what: String, now: Now) {
        if self.socket.is_none() {
            return;
        }
        if self.unsent.len() == UNSENT_MAX {
            self.unsent.pop_front();
        }
        self.unsent.push_back(what);
        self.send(now);
    }

    fn send(&mut self, now: Now) {
        self.retry_at = None;
        while let (Some(socket), Some(next)) = (&self.socket, self.unsent.front()) {
            match socket.send(next.as_bytes()) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.retry_at = Some(now.ms + RETRY_MS);
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    warn!("what started the server cannot be told: {error}");
                    // It may be there again, under its name, for the next.
                    if let Ok(anew) = connect(&self.name) {
                        self.socket = Some(anew);
                    }
                }
            }
            self.unsent.pop_front();
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.as_encoded_bytes() {
        [b'/', ..] => socket.connect(name)?,
        [b'@', rest @ ..] => connect_abstract(&socket, rest)?,
        _ => return Err(io::Error::other("it begins with neither / nor @")),
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `started`: the process that systemd has started (systemd.exec(5)), which may be another one.
fn check_end(pid: u32, started: Option<OsString>, is_told: bool) -> Result<(), &'static str> {
    if pid == 1 {
        return Err("it is the first process of a container, which ends with it: restart that");
    }
    let is_started = started.is_some_and(|it| it.to_str() == Some(&pid.to_string()));
    if is_started && !is_told {
        return Err(
            "systemd would end the service with it, as that is not of Type=notify: restart",
        );
    }
    Ok(())
}

/// How often to show that the loop turns: twice in the time after which it is given up
/// (sd_watchdog_enabled(3)).
fn watchdog(usec: Option<OsString>, pid: Option<OsString>, own_pid: u32) -> Option<Millis> {
    let number = |value: OsString| value.to_str()?.parse::<u64>().ok();
    let is_ours = pid.is_none_or(|pid| number(pid) == Some(own_pid.into()));
    let usec = usec.and_then(number).filter(|&usec| is_ours && usec > 0)?;
    Some(millis(Duration::from_micros(usec / 2)).max(1))
}

/// The clock by which systemd tells a reload from the one before.
#[cfg(target_os = "linux")]
fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = Duration::try_from(now).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(not(target_os = "linux"))]
fn monotonic_us() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: Millis) -> Now {
        Now { ms, unix_ms: ms }
    }

    fn supervised(watchdog_ms: Option<Millis>) -> (UnixDatagram, Supervisor) {
        let (theirs, ours) = UnixDatagram::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a mode");
        theirs.set_nonblocking(true).expect("a mode");
        (theirs, Supervisor { socket: Some(ours), watchdog_ms, ..Supervisor::default() })
    }

    fn told(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 1024];
        let all = std::iter::from_fn(|| {
            socket.recv(&mut buffer).ok().map(|count| buffer[..count].to_vec())
        });
        all.map(|one| String::from_utf8(one).expect("UTF-8")).collect()
    }

    #[test]
    fn a_watchdog_is_told_twice_in_its_time() {
        let some = |text: &str| Some(OsString::from(text));
        assert_eq!(watchdog(some("30000000"), None, 7), Some(15_000));
        assert_eq!(watchdog(some("30000000"), some("7"), 7), Some(15_000));
        assert_eq!(watchdog(some("30000000"), some("8"), 7), None, "it watches another");
        assert_eq!(watchdog(some("1"), None, 7), Some(1));
        for bad in [None, some("0"), some("soon")] {
            assert_eq!(watchdog(bad, None, 7), None);
        }
        let (theirs, mut supervisor) = supervised(Some(500));
        for ms in (0..2000).step_by(100) {
            supervisor.turn(3, at(ms));
        }
        assert_eq!(told(&theirs), vec!["WATCHDOG=1\nSTATUS=Serving 3 clients"; 4]);
        assert_eq!(supervisor.next_deadline(), Some(2000));
        supervisor.turn(3, at(2000));
        supervisor.pausing(3, at(2100));
        assert_eq!((told(&theirs).len(), supervisor.next_deadline()), (2, Some(2600)));
        let (theirs, mut supervisor) = supervised(None);
        supervisor.turn(3, at(0));
        supervisor.pausing(3, at(0));
        assert_eq!((told(&theirs).len(), supervisor.next_deadline()), (0, None));
    }

    #[test]
    fn what_is_not_taken_is_sent_again_in_order_and_nobody_waits() {
        let (theirs, mut supervisor) = supervised(None);
        let mut sent = 0;
        while supervisor.retry_at.is_none() {
            supervisor.reloading(at(0));
            sent += 1;
        }
        supervisor.stopping(1, Duration::ZERO, at(0));
        assert_eq!(supervisor.next_deadline(), Some(RETRY_MS));
        assert_eq!(told(&theirs).len(), sent - 1);
        supervisor.turn(0, at(RETRY_MS));
        let rest = told(&theirs);
        assert_eq!(rest.len(), 2);
        assert!(rest[0].starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(
            rest[1],
            "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\nSTATUS=Stopping: 1 client to drain"
        );
        assert_eq!(supervisor.next_deadline(), None);
        // Nobody ever takes anything.
        (0..1000).for_each(|_| supervisor.reloading(at(0)));
        assert_eq!(supervisor.unsent.len(), UNSENT_MAX);
    }

    #[test]
    fn what_others_wait_for_does_not_end_unless_they_are_told() {
        let some = |text: &str| Some(OsString::from(text));
        for is_told in [true, false] {
            assert!(check_end(1, None, is_told).is_err(), "a container ends with it");
            assert_eq!(check_end(7, None, is_told), Ok(()));
            assert_eq!(check_end(7, some("8"), is_told), Ok(()), "it was started from there");
            assert_eq!(check_end(7, some("7"), is_told).is_ok(), is_told);
        }
    }

    #[test]
    fn only_sockets_are_connected_to() {
        for name in ["relative", "/nowhere/at/all", "@nobody-listens-here", "vsock:2:1"] {
            assert!(connect(OsStr::new(name)).is_err(), "{name}");
        }
    }
}
