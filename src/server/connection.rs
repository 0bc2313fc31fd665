//! One connection, and where it is in its life.

use std::mem;

use serde::{Deserialize, Serialize};

use super::inbox::Inbox;
use super::stream::Stream;
use crate::clock::Millis;
use crate::ids::{ClientId, Peer};
use crate::wire::Wire;
use crate::wire::line::LineMode;

/// Where a connection is in its life. It only ever goes down this list, and skips what it does not
/// need; but for one that is open and turns out to speak TLS, which is established anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its stream is not ready to carry anything, either way.
    Establishing,
    /// It is read from and served.
    Open(Standing),
    /// The end of its input has been read; what had arrived is still being served.
    Ending(Standing),
    /// It is sent what is queued for it, then its writing half is shut. `takes`: its socket has
    /// taken more of that since it was last checked.
    Closing { input_ended: bool, takes: bool },
    /// Its last input is read and dropped until it closes its side as well: closing with unread
    /// input would reset the connection, and the reset could overtake what we sent (RFC 1122,
    /// 4.2.2.13).
    Lingering,
    /// It leaves the slab at the end of this turn.
    Gone,
}

/// What the service knows of a connection that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Standing {
    /// Nothing.
    Unknown,
    /// It has said nothing yet, and is shown what others say.
    Listening,
    /// It has been opened.
    Known,
}

/// See [`Connection::known`].
#[derive(Clone, Copy, Debug)]
pub(super) struct RestoredConnection {
    pub peer: Peer,
    pub standing: Standing,
    pub came_by_tls: bool,
    pub has_asked: bool,
}

/// What a connection's next read waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    /// The stream's readiness.
    Idle,
    /// Its place on the ready list.
    Ready,
    /// A channel or a client that is behind, a ticket, or a moment.
    Waiting,
}

/// What the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// Anything.
    Open,
    /// Nothing. Its end may have been reported together with its last bytes, so it is read on until
    /// the end comes, and no further readiness is waited for.
    Ended,
    /// Nothing: its end was known, and then its connection broke. What has come is served, its last
    /// words included.
    EndedAndBroken,
    /// Nothing, and nothing reaches it either. What has come whole is served.
    Broken,
}

/// One connection's receiving side; its sending side is in [`crate::delivery::Delivery`] under the
/// same key.
///
/// Invariant: the service knows it only while it is `Open` or `Ending`; from `Closing` on nothing
/// waits in its inbox. It is on the ready list exactly if its schedule is `Ready`. A message that
/// waits will be offered again: the schedule is not `Idle` then, or it is paced.
#[derive(Debug)]
pub struct Connection<S> {
    pub(super) stream: S,
    pub(super) wire: Wire,
    pub(super) inbox: Inbox,
    serial: u32,
    peer: Peer,
    state: State,
    schedule: Schedule,
    input: Input,
    /// Its bucket of requests has been empty, or it has sent more than one visit serves; and its
    /// bucket has not been full since.
    is_greedy: bool,
    /// A trusted proxy has taken the TLS away by which its client has come.
    came_by_tls: bool,
    /// It has asked for something before, so that it is no new connection.
    has_asked: bool,
    /// What it says has to wait for a moment, and it is read from: somebody types at a terminal.
    is_paced: bool,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, serial: u32, peer: Peer, wire: Wire) -> Connection<S> {
        Connection {
            stream,
            wire,
            inbox: Inbox::default(),
            serial,
            peer,
            state: State::Establishing,
            schedule: Schedule::Idle,
            input: Input::Open,
            is_greedy: false,
            came_by_tls: false,
            has_asked: false,
            is_paced: false,
        }
    }

    /// One that another process has had, which was open there.
    pub(super) fn restored(
        stream: S,
        serial: u32,
        wire: Wire,
        known: RestoredConnection,
    ) -> Connection<S> {
        let RestoredConnection { peer, standing, came_by_tls, has_asked } = known;
        Connection {
            state: State::Open(standing),
            came_by_tls,
            has_asked,
            ..Connection::new(stream, serial, peer, wire)
        }
    }

    /// What another process has to know of one that is served, beside its wire and its input.
    pub(super) fn known(&self) -> Option<RestoredConnection> {
        let (State::Open(standing) | State::Ending(standing)) = self.state else { return None };
        let Connection { peer, came_by_tls, has_asked, .. } = *self;
        Some(RestoredConnection { peer, standing, came_by_tls, has_asked })
    }

    pub(super) fn id(&self, key: usize) -> ClientId {
        ClientId::new(key, self.serial)
    }

    pub(super) fn is(&self, id: ClientId) -> bool {
        self.serial == id.serial
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn set_peer(&mut self, peer: Peer) {
        self.peer = peer;
    }

    /// Its client has come to its proxy by TLS.
    pub(super) fn note_tls(&mut self) {
        self.came_by_tls = true;
    }

    /// A request has come. Returns whether it is the first.
    pub(super) fn note_request(&mut self) -> bool {
        !mem::replace(&mut self.has_asked, true)
    }

    // ---- Its life ----

    pub(super) fn is_establishing(&self) -> bool {
        self.state == State::Establishing
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending(_))
    }

    /// Whether what has come from it is served.
    pub(super) fn is_served(&self) -> bool {
        matches!(self.state, State::Open(_) | State::Ending(_))
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    pub(super) fn is_lingering(&self) -> bool {
        self.state == State::Lingering
    }

    pub(super) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Its stream can carry bytes from now on.
    pub(super) fn establish(&mut self, mode: LineMode, now: Millis) {
        debug_assert!(self.is_establishing());
        self.state = State::Open(Standing::Unknown);
        self.wire = Wire::new(mode, now);
    }

    /// Its stream has to be established once more, with TLS; nothing that came before counts.
    pub(super) fn establish_anew(&mut self, mode: LineMode, now: Millis) {
        self.state = State::Establishing;
        self.wire = Wire::new(mode, now);
    }

    /// The end of its input has been read, or it has said that nothing more will come.
    pub(super) fn end_input(&mut self) {
        if let State::Open(standing) = self.state {
            self.state = State::Ending(standing);
            if self.input == Input::Open {
                self.input = Input::Ended;
            }
        }
    }

    /// Begins to close it; input that has not been served is dropped. Returns what the service knew
    /// of it; `None` if it is closing already.
    pub(super) fn begin_closing(&mut self) -> Option<Standing> {
        let (standing, input_ended) = match self.state {
            State::Establishing => (Standing::Unknown, true),
            State::Open(standing) => (standing, false),
            State::Ending(standing) => (standing, true),
            State::Closing { .. } | State::Lingering | State::Gone => return None,
        };
        self.state = State::Closing { input_ended, takes: false };
        self.inbox.clear();
        Some(standing)
    }

    /// Whether its end has been read, so that it need not linger.
    pub(super) fn has_closed_too(&self) -> bool {
        matches!(self.state, State::Closing { input_ended: true, .. })
    }

    /// Its socket takes more.
    pub(super) fn note_writable(&mut self) {
        if let State::Closing { takes, .. } = &mut self.state {
            *takes = true;
        }
    }

    /// Whether it is closing, and its socket has taken nothing since this was last asked.
    pub(super) fn is_stuck(&mut self) -> bool {
        match &mut self.state {
            State::Closing { takes, .. } => !mem::take(takes),
            _ => false,
        }
    }

    /// Its writing half is shut. Returns whether it has to be put on the ready list: its last read
    /// may have left something.
    pub(super) fn begin_lingering(&mut self) -> bool {
        self.state = State::Lingering;
        let was_ready = self.schedule == Schedule::Ready;
        self.schedule = Schedule::Ready;
        !was_ready
    }

    /// It is over. Returns whether that is new.
    pub(super) fn end(&mut self) -> bool {
        let is_new = self.is_closing() || self.is_lingering();
        if is_new {
            self.state = State::Gone;
        }
        is_new
    }

    // ---- What the service knows ----

    pub(super) fn is_known_to_service(&self) -> bool {
        matches!(self.state, State::Open(Standing::Known) | State::Ending(Standing::Known))
    }

    /// Whether it has said nothing yet, as far as is known, and may be at a terminal; or shakes
    /// hands, which takes long. Who comes is told much, and many may come: what is said by those who
    /// are here comes first.
    pub(super) fn is_newcomer(&self) -> bool {
        let is_silent = self.wire.is_terminal() && !self.is_known_to_service();
        self.is_establishing() || self.is_open() && (self.wire.is_undecided() || is_silent)
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.state, State::Open(Standing::Listening) | State::Ending(Standing::Listening))
    }

    /// Replaces what the service knows of it; returns what it knew.
    pub(super) fn set_standing(&mut self, standing: Standing) -> Standing {
        match &mut self.state {
            State::Open(current) | State::Ending(current) => mem::replace(current, standing),
            _ => Standing::Unknown,
        }
    }

    // ---- When it is read ----

    pub(super) fn is_idle(&self) -> bool {
        self.schedule == Schedule::Idle
    }

    pub(super) fn is_ready(&self) -> bool {
        self.schedule == Schedule::Ready
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.schedule == Schedule::Waiting
    }

    /// It may have something to read. Returns whether it has to be put on the ready list for that.
    pub(super) fn make_ready(&mut self) -> bool {
        let is_new = self.schedule == Schedule::Idle;
        if is_new {
            self.schedule = Schedule::Ready;
        }
        is_new
    }

    /// What it waited for has come. Returns whether it has to be put on the ready list for that.
    pub(super) fn resume(&mut self) -> bool {
        let is_new = self.schedule == Schedule::Waiting;
        if is_new {
            self.schedule = Schedule::Ready;
        }
        is_new
    }

    /// It has been taken from the ready list.
    pub(super) fn begin_turn(&mut self) {
        self.schedule = Schedule::Idle;
    }

    /// Whether it goes after the others, until its bucket is full again.
    pub(super) fn is_greedy(&self) -> bool {
        self.is_greedy
    }

    pub(super) fn set_greedy(&mut self, is_greedy: bool) {
        self.is_greedy = is_greedy;
    }

    /// It is not read from until it is resumed.
    pub(super) fn wait(&mut self) {
        self.schedule = Schedule::Waiting;
    }

    /// What it says waits for a moment, while it is read from.
    pub(super) fn pace(&mut self) {
        self.is_paced = true;
    }

    pub(super) fn is_paced(&self) -> bool {
        self.is_paced
    }

    /// A moment has come that it waited for. Returns whether it has to be put on the ready list for
    /// that.
    pub(super) fn time_has_come(&mut self) -> bool {
        let was_paced = mem::take(&mut self.is_paced);
        self.resume() || was_paced && self.make_ready()
    }

    // ---- What is known of its input ----

    /// The end has been reported.
    pub(super) fn note_input_ended(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Ended;
        }
    }

    /// Nothing that is written reaches it any more. Returns whether that is new.
    pub(super) fn note_broken(&mut self) -> bool {
        let (input, is_new) = match self.input {
            Input::Open => (Input::Broken, true),
            Input::Ended => (Input::EndedAndBroken, true),
            broken => (broken, false),
        };
        self.input = input;
        is_new
    }

    /// Whether no readiness will be reported of what it has sent: it is read to its end.
    pub(super) fn has_reported_end(&self) -> bool {
        self.input != Input::Open
    }

    /// Whether an error on reading is the end that was known of.
    pub(super) fn error_is_end(&self) -> bool {
        self.input == Input::EndedAndBroken
    }

    /// Whether its last words are whole: what breaks off is not, what ends is.
    pub(super) fn has_whole_end(&self) -> bool {
        self.input != Input::Broken
    }
}

impl<S: Stream> Connection<S> {
    /// Whether nobody between its client and us can read or change what it carries, but for a proxy
    /// that is trusted.
    pub(super) fn is_protected(&self) -> bool {
        self.came_by_tls || self.stream.is_protected()
    }
}
