//! What the old process does: it starts the new one, and hands it what it has.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use super::channel::Channel;
use super::{Answer, Go, Terms};
use crate::net::upgrade::predecessor::VARIABLE;

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

    /// Waits until the other process agrees to what was sent, or is ready with it.
    ///
    /// # Errors
    /// Why it does not, or is not.
    pub fn await_answer<T>(&mut self, sent: io::Result<T>) -> Result<T, String> {
        let error = match sent {
            Ok(sent) => match self.channel.receive() {
                Ok(Answer::Ok) => return Ok(sent),
                Ok(Answer::Refused(why)) => return Err(why),
                Err(error) => error,
            },
            Err(error) => error,
        };
        // It may have said why before it ended.
        if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
            && let Ok(Answer::Refused(why)) = self.channel.receive()
        {
            return Err(why);
        }
        Err(self.ended(&error))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hands over a part of all that there is, with the sockets that belong to it.
    ///
    /// # Errors
    /// It is not taken: the answer says why.
    pub fn send(
        &mut self,
        part: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.channel.send_with(part, descriptors)
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
