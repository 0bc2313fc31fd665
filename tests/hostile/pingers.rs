//! People who share nothing with anybody: they are in no room, and ask now and then whether the
//! server is there.
//!
//! What counts is how long they would have waited on a machine that does nothing else: the time for
//! which the server, or they themselves, could have run and had no core is not the server's.

use std::fs;
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
                let (client, process) = (json(server, "/"), server.pid().to_string());
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    thread::sleep(EVERY * i / PINGERS);
                    ping(client, &process, &stop)
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

fn ping(mut client: Client, server: &str, stop: &AtomicBool) -> Duration {
    let queued = || without_a_core(server) + without_a_core("thread-self");
    let mut worst = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let queued_before = queued();
        let asked = Instant::now();
        client.send(&framed(PING, b"ping"));
        assert_eq!(frame(&mut client), (PONG, b"ping".to_vec()));
        let took = asked.elapsed();
        worst = worst.max(took.saturating_sub(queued() - queued_before));
        thread::sleep(EVERY.saturating_sub(asked.elapsed()));
    }
    worst
}

/// How long a thread has been ready to run and had no core for it, as others had them all; nothing
/// where there is no Linux to ask.
fn without_a_core(task: &str) -> Duration {
    let told = fs::read_to_string(format!("/proc/{task}/schedstat")).unwrap_or_default();
    let ns = told.split_whitespace().nth(1).and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}
