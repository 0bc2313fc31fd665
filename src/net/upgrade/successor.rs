//! What the old process does: it starts the new one, and hands it what it has.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::channel::Channel;
use super::{Answer, BATCH_MAX, Batch, Frozen, Go, Terms};
use crate::net::stream::Socket;
use crate::net::upgrade::predecessor::VARIABLE;
use crate::server::succession::ConnectionSnapshot;

/// How long the new process may do nothing.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How this program was started, to be started so again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// This one. What is at its path by then is started: a path that was looked up for it, or a link
    /// that is in it, leads to the new program.
    pub fn of_this_process() -> io::Result<Program> {
        let mut arguments = env::args_os();
        let typed = arguments.next().map(PathBuf::from);
        let path = match typed.filter(|typed| typed.components().count() > 1) {
            Some(typed) => std::path::absolute(typed)?,
            None => env::current_exe()?,
        };
        Ok(Program { path, arguments: arguments.collect() })
    }
}

/// The process that is to take over. It ends with this, unless it was told to go.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    channel: Channel,
    goes: bool,
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.goes {
            // It may have ended by itself. What it has opened is free once it has.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What has been frozen, with the sockets that belong to it.
pub struct HandedOver<'a> {
    pub frozen: Frozen,
    pub listeners: Vec<BorrowedFd<'a>>,
    pub connections: Vec<(&'a Socket, ConnectionSnapshot)>,
    pub left: Vec<ConnectionSnapshot>,
}

impl Successor {
    /// Starts the program and asks whether it could take over. Slow.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn start(program: &Program, terms: &Terms) -> Result<Successor, String> {
        let path = program.path.display();
        let failed = |error: io::Error| format!("{path}: {error}");
        let (channel, theirs) = Channel::pair().map_err(failed)?;
        let child = Command::new(&program.path)
            .args(&program.arguments)
            .env(VARIABLE, "1")
            .stdin(Stdio::from(theirs))
            .spawn()
            .map_err(failed)?;
        let mut successor = Successor { child, channel, goes: false };
        successor.ask(terms)?;
        Ok(successor)
    }

    fn ask(&mut self, terms: &Terms) -> Result<(), String> {
        let sent = self.channel.set_patience(Some(PATIENCE));
        let sent = sent.and_then(|()| self.channel.send(terms));
        self.await_answer(sent)
    }

    fn await_answer(&mut self, sent: io::Result<()>) -> Result<(), String> {
        let answered = match sent {
            // It may have said why before it ended.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            Ok(()) | Err(_) => self.channel.receive(),
        };
        self.judge(answered)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hands over all that there is, and waits until the other process is ready.
    ///
    /// # Errors
    /// Why it is not.
    pub fn hand_over(&mut self, all: HandedOver<'_>) -> Result<(), String> {
        let sent = self.send(all);
        self.await_answer(sent)
    }

    fn send(&mut self, all: HandedOver<'_>) -> io::Result<()> {
        let HandedOver { frozen, listeners, connections, left } = all;
        self.channel.send_with(&frozen, &listeners)?;
        let mut connections = connections.into_iter().peekable();
        while connections.peek().is_some() {
            let (mut batch, mut descriptors) = (Batch::new(), Vec::new());
            for (socket, snapshot) in connections.by_ref().take(BATCH_MAX) {
                batch.push((socket.is_unix(), snapshot));
                descriptors.push(socket.as_fd());
            }
            self.channel.send_with(&batch, &descriptors)?;
        }
        self.channel.send(&left)
    }

    /// The other process is the server from now on.
    ///
    /// # Errors
    /// It cannot be told so: it has ended.
    pub fn go(mut self) -> Result<(), String> {
        self.channel.send(&Go).map_err(|error| self.ended(&error))?;
        self.goes = true;
        Ok(())
    }

    fn judge(&mut self, answered: io::Result<Answer>) -> Result<(), String> {
        match answered {
            Ok(Answer::Ok) => Ok(()),
            Ok(Answer::Refused(why)) => Err(why),
            Err(error) => Err(self.ended(&error)),
        }
    }

    /// Why nothing comes from it.
    fn ended(&mut self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("the new process has said nothing for {} s", PATIENCE.as_secs())
            }
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => {
                // It has closed its end: so it has ended, or does nothing of use.
                let _ = self.child.kill();
                match self.child.wait() {
                    Ok(status) => format!("the new process has ended ({status})"),
                    Err(error) => format!("the new process has ended ({error})"),
                }
            }
            _ => format!("the new process cannot be talked to: {error}"),
        }
    }
}
