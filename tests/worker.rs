//! Slow work: a service gives jobs away, their clients wait, the others do not notice.

mod common;
#[path = "common/event_loop.rs"]
mod event_loop;

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chat_server::delivery::{Delivery, Wait};
use chat_server::ids::{ClientId, Peer, Ticket};
use chat_server::net::event_loop::Ended;
use chat_server::service::{Answer, Hello, Incoming, Job, Lane, Outcome, Service};

use common::Client;
use event_loop::Running;

/// Answers each line with itself, those that begin with `slow` after a job that waits for the gate,
/// and those that begin with `page` after one that another thread does at once.
struct SlowEcho {
    gate: Arc<Mutex<Receiver<()>>>,
    next: u64,
    jobs: Vec<Job>,
    asked: HashMap<ClientId, Ticket>,
    answered: HashMap<Ticket, String>,
}

impl SlowEcho {
    fn new(gate: Receiver<()>) -> SlowEcho {
        SlowEcho {
            gate: Arc::new(Mutex::new(gate)),
            next: 0,
            jobs: Vec::new(),
            asked: HashMap::new(),
            answered: HashMap::new(),
        }
    }

    fn start(&mut self, client: ClientId, line: String) -> Ticket {
        self.next += 1;
        let (ticket, gate) = (Ticket(self.next), Arc::clone(&self.gate));
        let lane = if line.starts_with("page") { Lane::Reading } else { Lane::Passwords };
        let run = move || -> Answer {
            if lane == Lane::Reading {
                let thread = std::thread::current();
                let name = thread.name().unwrap_or_default();
                return Box::new(format!("{} by {name}\n", line.trim_end()));
            }
            let opened = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
            Box::new(format!("{} {line}", if opened.is_ok() { "done" } else { "given up" }))
        };
        self.jobs.push(Job { ticket, lane, run: Box::new(run) });
        self.asked.insert(client, ticket);
        ticket
    }
}

impl Service for SlowEcho {
    fn opened(&mut self, _: ClientId, _: &Hello<'_>, _: &mut Delivery) {}

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let line = String::from_utf8_lossy(message.bytes).into_owned();
        let answer = match line.starts_with("slow") || line.starts_with("page") {
            false => line,
            true => {
                let asked = self.asked.get(&client).copied();
                let ticket = asked.unwrap_or_else(|| self.start(client, line));
                let Some(answer) = self.answered.remove(&ticket) else {
                    return Outcome::Blocked(Wait::Ticket(ticket));
                };
                self.asked.remove(&client);
                answer
            }
        };
        out.send(client, |to| {
            to.message(message.kind, |buffer| buffer.extend_from_slice(answer.as_bytes()))
        });
        Outcome::Done
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        mem::take(&mut self.jobs)
    }

    fn completed(&mut self, ticket: Ticket, answer: Answer, _: &mut Delivery) {
        let answer = answer.downcast().expect("what the job has made");
        self.answered.insert(ticket, *answer);
    }

    fn closed(&mut self, client: ClientId, _: Peer, _: &mut Delivery) {
        self.asked.remove(&client);
    }
}

/// A server whose jobs end as the test lets them.
struct Working {
    server: Running,
    /// Lets one job end for each message.
    gate: Sender<()>,
}

impl Working {
    fn start(drain: Duration) -> Working {
        let (gate, jobs_wait) = channel();
        Working { server: Running::start(drain, || SlowEcho::new(jobs_wait)), gate }
    }

    fn open_gate(&self, jobs: usize) {
        for _ in 0..jobs {
            self.gate.send(()).expect("the service is there");
        }
    }
}

#[test]
fn a_client_waits_for_its_job_and_the_others_do_not() {
    let server = Working::start(Duration::from_secs(5));
    let (mut slow, mut other) = (server.server.connect(), server.server.connect());
    slow.send(b"first\nslow one\nthird\n");
    slow.expect(b"first\n");
    for _ in 0..10 {
        other.send(b"at once\n");
        other.expect(b"at once\n");
    }
    server.open_gate(1);
    slow.expect(b"done slow one\nthird\n");
    slow.send(b"slow two\nslow three\nfourth\n");
    server.open_gate(2);
    slow.expect(b"done slow two\ndone slow three\nfourth\n");
    drop((slow, other));
    assert_eq!(server.server.stop(), Ended::Drained);
}

/// A page of history never waits for the hash of a password, also when many log in.
#[test]
fn what_takes_long_by_nature_holds_up_nothing_else() {
    let server = Working::start(Duration::from_secs(5));
    let mut slow: Vec<Client> = (0..20).map(|_| server.server.connect()).collect();
    for client in &mut slow {
        client.send(b"before\nslow\n");
        client.expect(b"before\n");
    }
    let mut reader = server.server.connect();
    for _ in 0..10 {
        reader.send(b"page\n");
        reader.expect(b"page by worker\n");
    }
    server.open_gate(slow.len());
    for client in &mut slow {
        client.expect(b"done slow\n");
    }
    drop((slow, reader));
    assert_eq!(server.server.stop(), Ended::Drained);
}

#[test]
fn every_one_of_many_jobs_is_answered_to_its_client() {
    const CLIENTS: usize = 100;
    let server = Working::start(Duration::from_secs(5));
    let mut clients: VecDeque<Client> = (0..CLIENTS).map(|_| server.server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("slow {number}\nslow again {number}\nend {number}\n").as_bytes());
    }
    // One leaves while its job waits.
    drop(clients.pop_front());
    server.open_gate(2 * CLIENTS);
    for (number, client) in (1..).zip(&mut clients) {
        let expected =
            format!("done slow {number}\ndone slow again {number}\nend {number}\n").into_bytes();
        client.expect(&expected);
    }
    drop(clients);
    assert_eq!(server.server.stop(), Ended::Drained);
}

#[test]
fn a_server_stops_while_a_job_runs() {
    let server = Working::start(Duration::from_millis(500));
    let mut slow = server.server.connect();
    slow.send(b"before\nslow\n");
    slow.expect(b"before\n");
    let started = Instant::now();
    let gate = server.gate.clone();
    let ended = server.server.stop();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?} to stop", started.elapsed());
    assert!(matches!(ended, Ended::Drained | Ended::Cut(1)), "{ended:?}");
    drop(gate);
}
