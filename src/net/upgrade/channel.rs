//! Messages between two processes on one machine, with descriptors.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Before each message stands how long it is; the descriptors come with that.
const LENGTH_BYTES: usize = 4;
const DESCRIPTORS_MAX: usize = 253;

#[cfg(any(target_os = "linux", target_os = "android"))]
const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RECEIVE: RecvFlags = RecvFlags::empty();

/// One end of it. Blocks, within its patience.
#[derive(Debug)]
pub struct Channel(UnixStream);

impl Channel {
    /// One end, and a socket for the other process.
    pub fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Channel(ours), theirs.into()))
    }

    pub fn of(socket: UnixStream) -> Channel {
        Channel(socket)
    }

    /// How long the other process may do nothing; `None` is for ever.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(patience)?;
        self.0.set_write_timeout(patience)
    }

    pub fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        self.send_with(message, &[])
    }

    pub fn send_with(
        &mut self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?.to_be_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many descriptors"));
        }
        let sent = loop {
            match sendmsg(&self.0, &[IoSlice::new(&length)], &mut control, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                sent => break sent?,
            }
        };
        self.0.write_all(&length[sent..])?;
        self.0.write_all(&bytes)
    }

    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        self.receive_with().map(|(message, _)| message)
    }

    pub fn receive_with<T: DeserializeOwned>(&mut self) -> io::Result<(T, Vec<OwnedFd>)> {
        let mut length = [0; LENGTH_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut into = [IoSliceMut::new(&mut length)];
            match recvmsg(&self.0, &mut into, &mut control, RECEIVE) {
                Err(rustix::io::Errno::INTR) => {}
                received => break received?.bytes,
            }
        };
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        self.0.read_exact(&mut length[received..])?;
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut bytes)?;
        Ok((serde_json::from_slice(&bytes)?, descriptors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn descriptors_come_with_their_message() {
        let (mut ours, theirs) = Channel::pair().expect("a pair");
        let mut theirs = Channel::of(theirs.into());
        let file = File::open("/dev/null").expect("a file");
        let many = vec![file.as_fd(); DESCRIPTORS_MAX];
        let text = "x".repeat(100_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ours.send(&"first").expect("sent");
                ours.send_with(&text, &many).expect("sent");
                ours.send_with(&"last", &many[..1]).expect("sent");
            });
            assert_eq!(theirs.receive::<String>().expect("a message"), "first");
            let (message, fds) = theirs.receive_with::<String>().expect("a message");
            assert!(message == text && fds.len() == DESCRIPTORS_MAX);
            let (message, fds) = theirs.receive_with::<String>().expect("a message");
            assert_eq!((message.as_str(), fds.len()), ("last", 1));
        });
        drop(ours);
        let end = theirs.receive::<String>().expect_err("an end").kind();
        assert_eq!(end, io::ErrorKind::UnexpectedEof);
    }
}
