//! Why connections are closed.

use std::fmt;

use super::detect::Foreign;
use super::line::LineTooLong;
use super::proxy::HeaderError;
use super::websocket::{ProtocolError, close_code};

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It asked to go, or its input ended; all that it is to get is queued.
    Done,
    /// It has sent a Close frame with this code, which is to be returned.
    Answer(Option<u16>),
    /// Its line is over the limit.
    TooLong(LineTooLong),
    /// It has sent a request after it had been taken for a person at a terminal.
    Late,
    /// It speaks another protocol.
    Foreign(Foreign),
    /// A trusted proxy's header is malformed.
    Header(HeaderError),
    /// It has broken the WebSocket protocol.
    Broken(ProtocolError),
    /// It speaks without TLS, which is not taken from it.
    Plain,
    /// Its service has no use for what it sends.
    Unsupported(&'static str),
    /// It does not read what it is sent.
    TooSlow,
    /// All connections together hold too much, and this one much of it.
    OutOfMemory,
    /// It has not answered a ping.
    Silent,
    /// Its service does not want it here any more, and has said why.
    Banned,
    /// The server stops.
    GoingAway,
    /// The server goes on in another process, without this connection.
    Restarting,
    /// Its guest has come back by another connection.
    Superseded,
    /// What was said last could not be stored: the server has gone back to what is.
    NotStored,
}

impl CloseReason {
    /// Whether what is queued is dropped, and not sent first.
    pub fn drops_queue(self) -> bool {
        matches!(self, CloseReason::TooSlow | CloseReason::OutOfMemory | CloseReason::Superseded)
    }

    /// Whether its client wants to go. A browser that closes a page or loads it anew says that it
    /// goes away (1001): it may be back in a moment.
    pub fn is_goodbye(self) -> bool {
        match self {
            CloseReason::Answer(code) => code != Some(close_code::GOING_AWAY),
            _ => false,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Done | CloseReason::Answer(_) => f.write_str("goodbye"),
            CloseReason::TooLong(error) => error.fmt(f),
            CloseReason::Late => f.write_str(
                "an HTTP request has to come at once; this connection speaks lines by now",
            ),
            CloseReason::Foreign(foreign) => {
                write!(f, "this is {}", foreign.name())?;
                foreign.way_out().map_or(Ok(()), |way_out| write!(f, "; {way_out}"))
            }
            CloseReason::Header(error) => write!(f, "malformed PROXY header: {error}"),
            CloseReason::Broken(error) => error.fmt(f),
            CloseReason::Plain => f.write_str(
                "this server takes TLS only: chat-server connect HOST:PORT, openssl s_client \
                 -quiet -connect HOST:PORT, or ncat --ssl HOST PORT",
            ),
            CloseReason::Unsupported(why) => f.write_str(why),
            CloseReason::TooSlow => {
                f.write_str("too slow: messages came in faster than this connection read them")
            }
            CloseReason::OutOfMemory => {
                f.write_str("out of memory: this connection held more than others; come back later")
            }
            CloseReason::Silent => f.write_str("no answer to a ping"),
            CloseReason::Banned => f.write_str("banned"),
            CloseReason::GoingAway => f.write_str("the server is stopping"),
            CloseReason::Restarting => f.write_str("the server restarts; connect again"),
            CloseReason::Superseded => f.write_str("its guest has come back elsewhere"),
            CloseReason::NotStored => {
                f.write_str("the server could not store what was said last; connect again")
            }
        }
    }
}
