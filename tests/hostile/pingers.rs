//! People who share nothing with anybody: they are in no room, and ask now and then whether the
//! server is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::common::{Client, Server};
use crate::wire::{PING, PONG, frame, framed, json};

/// Several, so that there is a ping often while each of them pings seldom enough for any limit.
const PINGERS: u32 = 6;
const EVERY: Duration = Duration::from_millis(300);

pub struct Pingers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Duration>>,
}

impl Pingers {
    pub fn begin(server: &Server) -> Pingers {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..PINGERS)
            .map(|i| {
                let client = json(server, "/");
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    thread::sleep(EVERY * i / PINGERS);
                    ping(client, &stop)
                })
            })
            .collect();
        Pingers { stop, threads }
    }

    /// How long the slowest answer took.
    pub fn end(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let worst = self.threads.into_iter().map(|pinger| pinger.join().expect("it was answered"));
        worst.max().unwrap_or_default()
    }
}

fn ping(mut client: Client, stop: &AtomicBool) -> Duration {
    let mut worst = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        client.send(&framed(PING, b"ping"));
        assert_eq!(frame(&mut client), (PONG, b"ping".to_vec()));
        worst = worst.max(asked.elapsed());
        thread::sleep(EVERY.saturating_sub(asked.elapsed()));
    }
    worst
}
