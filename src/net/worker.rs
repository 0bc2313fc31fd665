//! Threads for slow work, one for each lane.
//!
//! Jobs go out through one channel; answers come back through another and wake the event loop. A
//! thread is started with its first job, and nothing waits for its end: a process that stops leaves
//! a running job behind. The queue has no bound of its own: a client that waits for a ticket is not
//! read from, so there are as many jobs as the services ask for.

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use log::{error, warn};
use mio::Waker;

use crate::ids::Ticket;
use crate::service::{Answer, Job, Lane};

/// The event loop's side of it.
///
/// Invariant: `pending` is the number of jobs that were started and whose answers were not taken;
/// while it is 0, a turn costs one comparison.
#[derive(Debug)]
pub struct Worker {
    /// A poll has one waker: others have it, too.
    waker: Arc<Waker>,
    lane: Lane,
    thread: Option<Thread>,
    pending: usize,
}

/// Ends when this is dropped and the job that is running is done.
#[derive(Debug)]
struct Thread {
    jobs: Sender<Job>,
    done: Receiver<Done>,
}

/// A job that was run: its answer, or its panic.
struct Done {
    ticket: Ticket,
    result: Result<Answer, Box<dyn Any + Send>>,
}

impl Worker {
    /// A worker that wakes the event loop with this when a job is done.
    pub fn new(waker: Arc<Waker>, lane: Lane) -> Worker {
        Worker { waker, lane, thread: None, pending: 0 }
    }

    /// What wakes the event loop.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Has a job done.
    ///
    /// # Errors
    /// The job, if there can be no thread for it.
    pub fn start(&mut self, job: Job) -> Result<(), Job> {
        let spawn = || Thread::spawn(Arc::clone(&self.waker), self.lane);
        let thread = match self.thread.take().map_or_else(spawn, Ok) {
            Ok(thread) => self.thread.insert(thread),
            Err(error) => {
                warn!("no thread for slow work, everybody waits for it: {error}");
                return Err(job);
            }
        };
        thread.jobs.send(job).map_err(|unsent| unsent.0)?;
        self.pending += 1;
        Ok(())
    }

    /// The answer of a job that is done; answers come in the order in which jobs were started.
    ///
    /// # Panics
    /// If the job has: a ticket without an answer would leave its client waiting for ever. Release
    /// builds abort where the panic is.
    pub fn take_done(&mut self) -> Option<(Ticket, Answer)> {
        if self.pending == 0 {
            return None;
        }
        let Done { ticket, result } = self.thread.as_ref()?.done.try_recv().ok()?;
        self.pending -= 1;
        match result {
            Ok(answer) => Some((ticket, answer)),
            Err(panic) => panic::resume_unwind(panic),
        }
    }
}

impl Thread {
    fn spawn(waker: Arc<Waker>, lane: Lane) -> io::Result<Thread> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (answers, done) = mpsc::channel();
        let run = move || {
            if lane == Lane::Passwords {
                give_way();
            }
            for Job { ticket, run, .. } in queue {
                // Nothing of a job that has panicked is used again but the panic itself.
                let result = panic::catch_unwind(AssertUnwindSafe(run));
                if answers.send(Done { ticket, result }).is_err() {
                    return;
                }
                wake(&waker);
            }
        };
        let name = match lane {
            Lane::Reading => "worker",
            Lane::Passwords => "passwords",
        };
        thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Thread { jobs, done })
    }
}

/// This thread comes after the others where there are more of them than processors: those who talk
/// do not wait for those who log in.
#[cfg(target_os = "linux")]
fn give_way() {
    /// nice(1)'s own.
    const NICENESS: i32 = 10;
    // Of this thread alone, which is what a process is to this call (setpriority(2), BUGS).
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        warn!("passwords are checked with the priority of everything else: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// Makes the event loop begin a turn.
pub fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        error!("the event loop cannot be woken: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    const WAKER: Token = Token(7);

    fn worker() -> (Poll, Worker) {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), WAKER).expect("a waker");
        (poll, Worker::new(Arc::new(waker), Lane::Reading))
    }

    fn job(ticket: u64, run: impl FnOnce() -> u64 + Send + 'static) -> Job {
        Job { ticket: Ticket(ticket), lane: Lane::Reading, run: Box::new(move || Box::new(run())) }
    }

    /// Polls until a job is done.
    fn wait(poll: &mut Poll, worker: &mut Worker) -> (u64, u64) {
        let mut events = Events::with_capacity(8);
        loop {
            if let Some((ticket, answer)) = worker.take_done() {
                return (ticket.0, *answer.downcast().expect("a number"));
            }
            poll.poll(&mut events, Some(Duration::from_secs(10))).expect("a poll");
            assert!(events.iter().any(|event| event.token() == WAKER), "the answer wakes the poll");
        }
    }

    #[test]
    fn answers_come_in_order_and_wake_the_poll() {
        let (mut poll, mut worker) = worker();
        assert!(worker.thread.is_none(), "no job, no thread");
        for number in 0..100 {
            let job = job(number, move || number * number);
            assert!(worker.start(job).is_ok());
        }
        for number in 0..100 {
            assert_eq!(wait(&mut poll, &mut worker), (number, number * number));
        }
        assert_eq!(worker.pending, 0);
        assert!(worker.take_done().is_none());
    }

    #[test]
    fn a_job_that_panics_does_not_lose_its_ticket() {
        let (mut poll, mut worker) = worker();
        let broken = job(1, || panic!("a deliberate panic"));
        assert!(worker.start(broken).is_ok());
        assert!(worker.start(job(2, || 4)).is_ok());
        let panic = panic::catch_unwind(AssertUnwindSafe(|| wait(&mut poll, &mut worker)));
        let panic = panic.expect_err("the panic reaches the event loop");
        assert_eq!(panic.downcast_ref(), Some(&"a deliberate panic"));
        assert_eq!(wait(&mut poll, &mut worker), (2, 4), "the thread is still there");
    }

    #[test]
    fn a_worker_can_be_dropped_while_a_job_runs() {
        let (_poll, mut worker) = worker();
        let (go_on, gate) = mpsc::channel();
        let (runs, is_running) = mpsc::channel();
        let slow = job(1, move || {
            runs.send(()).expect("the test waits for it");
            gate.recv().map_or(0, |()| 1)
        });
        assert!(worker.start(slow).is_ok());
        is_running.recv().expect("the job runs");
        drop(worker);
        go_on.send(()).expect("the job still runs");
    }
}
