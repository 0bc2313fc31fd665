//! An event loop in a thread of its own, with a service that a test has made.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, raise};

use chat_server::net::event_loop::{Ended, EventLoop, NetSettings};
use chat_server::net::listening::{Bound, Inherited, ListenAddress};
use chat_server::server::settings::ServerSettings;
use chat_server::service::Service;

use crate::common::Client;

/// Signals reach every event loop of the process: one test at a time.
static ONE_LOOP: Mutex<()> = Mutex::new(());

pub struct Running {
    address: SocketAddr,
    thread: JoinHandle<Ended>,
    _alone: MutexGuard<'static, ()>,
}

impl Running {
    pub fn start<A: Service>(
        drain: Duration,
        service: impl FnOnce() -> A + Send + 'static,
    ) -> Running {
        let alone = ONE_LOOP.lock().unwrap_or_else(PoisonError::into_inner);
        let (listens, address) = channel();
        let thread = thread::spawn(move || {
            let settings = NetSettings {
                certificate: None,
                acme_webroot: None,
                memory_bytes_max: None,
                addresses: vec![ListenAddress::Tcp(vec![([127, 0, 0, 1], 0).into()])],
                clients_max: Some(200),
                drain,
                server: ServerSettings::default(),
            };
            let mut event_loop = EventLoop::bind(settings, Inherited::default(), |_| service())
                .expect("a free port");
            listens.send(event_loop.bound()[0].clone()).expect("the test waits for it");
            event_loop.run().expect("the kernel polls")
        });
        let Bound::Tcp(address) = address.recv().expect("the event loop starts") else {
            panic!("it listens elsewhere");
        };
        Running { address, thread, _alone: alone }
    }

    pub fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address).expect("a connection"))
    }

    /// Asks it to stop; says how it has ended.
    pub fn stop(self) -> Ended {
        raise(Signal::SIGTERM).expect("a signal to this process");
        self.ended()
    }

    /// How it has ended by itself.
    pub fn ended(self) -> Ended {
        self.thread.join().expect("the event loop ends")
    }
}
