//! A service that keeps what is said, in an event loop with sockets: what follows leaves when it is
//! stored, and how the run ends says whether all was.

mod common;

use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};

use chat_server::delivery::Delivery;
use chat_server::ids::{ClientId, GroupId, Peer};
use chat_server::net::event_loop::{Ended, EventLoop, NetSettings};
use chat_server::net::listening::{Bound, Inherited, ListenAddress};
use chat_server::server::settings::ServerSettings;
use chat_server::service::{Hello, Incoming, Kept, Outcome, Service, Wake};

use common::Client;

/// Signals reach every event loop of the process: one test at a time.
static ONE_LOOP: Mutex<()> = Mutex::new(());

/// What the writer says of the groups that it was given: that all up to one are stored, or that the
/// store is broken.
const BROKEN: u64 = u64::MAX;

/// Echoes lines once they are stored, by a thread that takes groups as the test lets it.
struct StoringEcho {
    newest: GroupId,
    has_group: bool,
    groups: Sender<u64>,
    stored: Arc<AtomicU64>,
    wake: Sender<Wake>,
}

impl Service for StoringEcho {
    fn opened(&mut self, _: ClientId, _: &Hello<'_>, _: &mut Delivery) {}

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        if !mem::replace(&mut self.has_group, true) {
            self.newest = self.newest.next();
        }
        out.record(self.newest, message.bytes.len());
        out.send(client, |to| {
            to.message(message.kind, |buffer| buffer.extend_from_slice(message.bytes))
        });
        Outcome::Done
    }

    fn keep(&mut self, _: &mut Delivery) {
        if mem::take(&mut self.has_group) {
            self.groups.send(self.newest.0).expect("the writer is there");
        }
    }

    fn set_wake(&mut self, wake: Wake) {
        self.wake.send(wake).expect("the writer waits for it");
    }

    fn stored(&mut self, out: &mut Delivery) -> Kept {
        match self.stored.load(SeqCst) {
            BROKEN => Kept::Broken,
            group => {
                out.durable(GroupId(group));
                Kept::Whole
            }
        }
    }

    fn closed(&mut self, _: ClientId, _: Peer, _: &mut Delivery) {}
}

/// Stores what it is given, as the gate says: after so long, or never again.
fn write(
    groups: &Receiver<u64>,
    gate: &Receiver<Option<Duration>>,
    stored: &AtomicU64,
    wake: &Wake,
) {
    while let Ok(group) = groups.recv() {
        match gate.recv() {
            Ok(Some(delay)) => {
                thread::sleep(delay);
                stored.store(group, SeqCst);
            }
            Ok(None) => stored.store(BROKEN, SeqCst),
            Err(_) => return,
        }
        wake();
    }
}

/// An event loop in a thread of its own.
struct Running {
    address: SocketAddr,
    /// What becomes of the next group.
    gate: Sender<Option<Duration>>,
    thread: JoinHandle<Ended>,
    _alone: MutexGuard<'static, ()>,
}

impl Running {
    fn start(drain: Duration) -> Running {
        let alone = ONE_LOOP.lock().unwrap_or_else(PoisonError::into_inner);
        let (gate, opened) = channel();
        let (groups, to_store) = channel();
        let (wake, wakes) = channel::<Wake>();
        let (listens, address) = channel();
        let stored = Arc::new(AtomicU64::new(0));
        let of_writer = Arc::clone(&stored);
        thread::spawn(move || {
            let wake = wakes.recv().expect("the event loop sets it");
            write(&to_store, &opened, &of_writer, &wake);
        });
        let thread = thread::spawn(move || {
            let settings = NetSettings {
                memory_bytes_max: None,
                addresses: vec![ListenAddress::Tcp(vec![([127, 0, 0, 1], 0).into()])],
                clients_max: Some(200),
                drain,
                server: ServerSettings::default(),
            };
            let service =
                StoringEcho { newest: GroupId(0), has_group: false, groups, stored, wake };
            let mut event_loop =
                EventLoop::bind(settings, Inherited::default(), |_| service).expect("a free port");
            listens.send(event_loop.bound()[0].clone()).expect("the test waits for it");
            event_loop.run().expect("the kernel polls")
        });
        let Bound::Tcp(address) = address.recv().expect("the event loop starts") else {
            panic!("it listens elsewhere");
        };
        Running { address, gate, thread, _alone: alone }
    }

    fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address).expect("a connection"))
    }

    fn let_store(&self, delay: Duration) {
        self.gate.send(Some(delay)).expect("the writer is there");
    }

    fn stop(self) -> Ended {
        raise(Signal::SIGTERM).expect("a signal to this process");
        self.thread.join().expect("the event loop ends")
    }
}

#[test]
fn a_commit_wakes_the_loop_and_frees_what_was_held() {
    let server = Running::start(Duration::from_secs(5));
    let mut client = server.connect();
    let delay = Duration::from_millis(100);
    for number in 0..5 {
        let line = format!("line {number}\n");
        let asked = Instant::now();
        server.let_store(delay);
        client.send(line.as_bytes());
        client.expect(line.as_bytes());
        assert!(asked.elapsed() >= delay, "shown before it was stored");
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
    drop(client);
    assert_eq!(server.stop(), Ended::Drained);
}

#[test]
fn a_stopping_server_waits_for_the_last_group() {
    let server = Running::start(Duration::from_secs(10));
    let mut client = server.connect();
    client.send(b"first\n");
    server.let_store(Duration::ZERO);
    client.expect(b"first\n");
    client.send(b"last words\n");
    // It has been heard when it has been given to the writer, which waits for the gate.
    thread::sleep(Duration::from_millis(300));
    let gate = server.gate.clone();
    let opens = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        gate.send(Some(Duration::ZERO)).expect("the writer is there");
    });
    let read = thread::spawn(move || client.expect(b"last words\n"));
    assert_eq!(server.stop(), Ended::Drained);
    opens.join().expect("the gate opens");
    read.join().expect("what was held has been sent");
}

#[test]
fn a_server_that_cannot_wait_longer_says_how_much_is_not_stored() {
    let server = Running::start(Duration::from_millis(300));
    let mut client = server.connect();
    client.send(b"first\n");
    server.let_store(Duration::ZERO);
    client.expect(b"first\n");
    client.send(b"never stored\n");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(server.stop(), Ended::Unstored(1));
}

#[test]
fn a_broken_store_ends_the_run() {
    let server = Running::start(Duration::from_secs(10));
    let mut client = server.connect();
    server.gate.send(None).expect("the writer is there");
    client.send(b"never stored\n");
    assert_eq!(client.rest(), b"", "bytes have no place for words of the server");
    let Running { thread, .. } = server;
    assert_eq!(thread.join().expect("the event loop ends"), Ended::Unstored(1));
}
