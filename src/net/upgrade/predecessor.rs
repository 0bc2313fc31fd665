//! What the new process does: it takes over from the one that has started it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::channel::Channel;
use super::{Answer, Batch, Frozen, Go, Terms};
use crate::clock::Millis;
use crate::net::listening::Inherited;
use crate::net::signals;
use crate::net::stream::Socket;
use crate::server::succession::ConnectionSnapshot;
use crate::service::succession::Snapshot;

/// Set for a process that is to take over: its standard input is a socket to the other one. It does
/// not begin as the variables do that are flags.
pub const VARIABLE: &str = "TAKE_OVER_CHAT";

/// Whether this process was started to take over.
pub fn takes_over() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The process that this one takes over from.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
}

/// What that one has handed over first, beside the sockets that are listened on: connections follow.
#[derive(Debug)]
pub struct Estate {
    pub predecessor: Predecessor,
    pub(in crate::net) ms: Millis,
    pub(in crate::net) serial: u32,
    pub(in crate::net) service: Snapshot,
}

impl Estate {
    /// Says that nothing can be made of it.
    pub fn refuse(self, why: &str) {
        self.predecessor.refuse(why);
    }
}

impl Predecessor {
    /// The one that has started this process, if this was to take over.
    ///
    /// # Errors
    /// Standard input is no such socket.
    pub fn find() -> io::Result<Option<Predecessor>> {
        if !takes_over() {
            return Ok(None);
        }
        signals::outlive_upgrade_requests()?;
        let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
        let channel = Channel::of(UnixStream::from(socket));
        channel.set_patience(None)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Some(Predecessor { channel }))
    }

    /// Says that this process cannot take over.
    pub fn refuse(mut self, why: &str) {
        // The other one may have given up.
        let _ = self.channel.send(&Answer::Refused(why.to_owned()));
    }

    /// Says that this process could take over, and waits for what it is handed.
    ///
    /// # Errors
    /// It could not, or the other one has given up.
    pub fn agree(mut self, terms: &Terms) -> io::Result<(Inherited, Estate)> {
        let old: Terms = self.channel.receive()?;
        if let Err(why) = terms.accept(&old) {
            self.refuse(&why);
            return Err(io::Error::other(why));
        }
        self.channel.send(&Answer::Ok)?;
        self.receive()
    }

    fn receive(mut self) -> io::Result<(Inherited, Estate)> {
        let (frozen, sockets) = self.channel.receive_with::<Frozen>()?;
        let Frozen { ms, listeners, serial, service } = frozen;
        let listeners = Inherited::of_process(listeners.into_iter().zip(sockets).collect())?;
        Ok((listeners, Estate { predecessor: self, ms, serial, service }))
    }

    /// The next connections; none if those were all.
    ///
    /// # Errors
    /// The other one has given up, or this one can have no more descriptors.
    pub(in crate::net) fn next_connections(
        &mut self,
    ) -> io::Result<Vec<(Socket, ConnectionSnapshot)>> {
        let (batch, sockets) = self.channel.receive_with::<Batch>()?;
        if batch.len() != sockets.len() {
            return Err(io::Error::other("descriptors are missing"));
        }
        let all = batch.into_iter().zip(sockets);
        all.map(|((is_unix, snapshot), socket)| {
            Ok((Socket::handed_over(socket, is_unix)?, snapshot))
        })
        .collect()
    }

    /// Those that stay where they are, after all others.
    ///
    /// # Errors
    /// The other one has given up.
    pub(in crate::net) fn left_connections(&mut self) -> io::Result<Vec<ConnectionSnapshot>> {
        self.channel.receive()
    }

    /// Says that this process is ready, and waits until it is to be the server.
    ///
    /// # Errors
    /// The other one goes on itself: nothing may be read or written.
    pub fn await_go(mut self) -> io::Result<()> {
        self.channel.send(&Answer::Ok)?;
        self.channel.receive::<Go>().map(drop)
    }
}
