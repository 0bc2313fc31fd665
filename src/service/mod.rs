//! What the server does with a message.

pub mod broadcast;
pub mod echo;
pub mod succession;

use std::any::Any;
use std::net::IpAddr;
use std::sync::LazyLock;

use crate::clock::{Millis, Now};
use crate::delivery::encoding::{Dialect, FrameKind};
use crate::delivery::{Delivery, Wait};
use crate::ids::{ClientId, Peer, Ticket};
use crate::metrics::Exposition;
use crate::service::succession::Succession;
use crate::site::{Health, Site};
use crate::wire::close::CloseReason;
use crate::wire::editor::Completions;
use crate::wire::http::HttpError;
use crate::wire::http::events::Wanted;
use crate::wire::line::LineMode;
use crate::wire::websocket::handshake::Query;

/// One message from a client, as its wire delivered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// Where the client comes from. A service need not keep it: one that does pays for every
    /// client.
    pub peer: Peer,
    /// A line is always `Text`, whatever its bytes are.
    pub kind: FrameKind,
    /// A line of [`LineMode::Raw`] includes its ending, unless it is the last one before a client's
    /// end and has none.
    pub bytes: &'a [u8],
}

/// What is known of a client when it comes.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'a> {
    pub peer: Peer,
    /// The WebSocket subprotocol that was agreed on.
    pub subprotocol: Option<&'static str>,
    /// What it has said of itself in its URL.
    pub query: &'a Query,
    /// What it shows to be known by: the value of our cookie, or the token of an `Authorization:
    /// Bearer` field. It came in the request, and only from a page of ours or from no page.
    pub credential: Option<&'a str>,
    /// Whether a password can be read by nobody on its way to us.
    pub is_private: bool,
    /// What was typed first at a terminal. It is offered next.
    pub first_line: Option<&'a [u8]>,
}

/// The query of a client that has no URL.
pub static NO_QUERY: LazyLock<Query> = LazyLock::new(Query::default);

/// What a program has posted to a hook.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    pub peer: Peer,
    /// Of the hook, as it stands in the path.
    pub token: &'a str,
    pub content_type: Option<&'a str>,
    /// By which its sender knows it, if it sends it again: its `Idempotency-Key`.
    pub key: Option<&'a str>,
    pub body: &'a [u8],
}

/// What became of it. The answer goes out when all is durable that the service knows by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    Done,
    /// It changed nothing, and is offered again then.
    Blocked(Wait),
    Refused(Refusal),
}

/// Why it was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// For programs; the whole body of the answer.
    pub code: &'static str,
    /// When it may be posted again.
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    /// There is no such hook.
    pub const NO_HOOK: Refusal = Refusal::new(403, "invalid_token");

    pub const fn new(status: u16, code: &'static str) -> Refusal {
        Refusal { status, code, retry_after_s: None }
    }
}

/// One that follows what is said, and says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// It is told everything as those are that have agreed on this one.
    pub subprotocol: &'static str,
    /// What it would say first, a line each.
    pub requests: Vec<u8>,
    /// What the service wants to know of it when it is opened.
    pub query: Query,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It changed nothing; the server keeps it and offers it again then, and reads no more from
    /// this client meanwhile.
    Blocked(Wait),
    /// It was the last: this client is to be closed, once it has been sent all that is queued.
    Close(CloseReason),
    /// The next one is a secret: a terminal is not to show it as it is typed.
    AskSecret,
    /// The line that its user types is to be edited here, or by its terminal.
    SetEditing(bool),
}

/// What slow work has found out; the service that gave it away knows its type.
pub type Answer = Box<dyn Any + Send>;

/// Which thread does slow work: each does one job after the other, so that what takes long by
/// nature holds nothing else up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Reads from the store, or takes no longer than that.
    Reading,
    /// Hashes of passwords: tens of milliseconds each, on purpose.
    Passwords,
}

/// Slow work: it would hold everybody up on the event loop, so it is done on a thread of its own.
pub struct Job {
    pub ticket: Ticket,
    pub lane: Lane,
    pub run: Box<dyn FnOnce() -> Answer + Send>,
}

/// Makes the event loop begin a turn; called on any thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What has become of what a service keeps, since it was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What it has in memory is, or will be, what it keeps.
    Whole,
    /// It could not be kept. The service has gone back to what is: all connections have to be
    /// closed, and what is held for them dropped.
    Lost,
    /// As `Lost`, and nothing can be kept any more: the server has to stop. If it is asked again,
    /// as something was changed after that, a service says so again.
    Broken,
}

/// Those whom a service does not want any more.
#[derive(Debug, Default)]
pub struct Ended {
    /// It has told them why, and knows them no more: they are sent what is queued.
    pub clients: Vec<(ClientId, CloseReason)>,
    /// It may admit some addresses no more: who is here from there is looked for.
    pub addresses: bool,
}

/// A service: the server calls it, and it answers through [`Delivery`] alone.
///
/// Between `opened` and `closed` of a client its messages come one by one, in order.
pub trait Service {
    /// How lines are cut for this service.
    fn line_mode(&self) -> LineMode {
        LineMode::Raw
    }

    /// What somebody at a terminal is told who is silent: how to come in. With a greeting, a client
    /// is opened when it has said its first line; without one at once.
    fn greeting(&self) -> Option<&str> {
        None
    }

    /// What it does and how to use it, in one sentence for somebody with a browser, if the chat
    /// page is not made for it.
    fn sentence(&self) -> Option<&'static str> {
        None
    }

    /// What browsers are shown; asked once, at the start.
    fn site(&self) -> Site {
        self.sentence().map_or_else(Site::new, Site::of_sentence)
    }

    /// A page shows a code that it was given a moment ago, to be known by a cookie from now on.
    /// Returns the value of the cookie, once for each code.
    fn take_cookie(&mut self, code: &str, unix_ms: u64) -> Option<Box<str>> {
        let _ = (code, unix_ms);
        None
    }

    /// What was published by now is handed out to all whom it is for: most turns end with that, and
    /// some keep it for the next one.
    fn handed_out(&mut self) {}

    /// A program posts something to a hook. It is no client: it has not been opened.
    fn post(&mut self, client: ClientId, post: &Post<'_>, out: &mut Delivery) -> Posted {
        let _ = (client, post, out);
        Posted::Refused(Refusal::NO_HOOK)
    }

    /// Whether who shows this may follow what is said, and what it asks for first.
    ///
    /// # Errors
    /// It may not, or there is nothing to follow.
    fn follow(
        &mut self,
        peer: Peer,
        wanted: &Wanted,
        credential: Option<&str>,
        now: Now,
    ) -> Result<Following, HttpError> {
        let _ = (peer, wanted, credential, now);
        Err(HttpError::NOT_FOUND)
    }

    /// What monitors and balancers are told while the server serves.
    fn health(&self) -> Health {
        Health::Serving
    }

    /// Writes what monitors are told of it.
    fn write_metrics(&self, out: &mut Exposition) {
        let _ = out;
    }

    /// Somebody at a terminal who has said nothing yet is shown what is said. It has not come in
    /// and counts nowhere. Only called of a service with a greeting.
    fn listens(&mut self, client: ClientId, out: &mut Delivery) {
        let _ = (client, out);
    }

    /// One that has been listening comes in, or goes.
    fn stopped_listening(&mut self, client: ClientId, out: &mut Delivery) {
        let _ = (client, out);
    }

    /// The WebSocket subprotocols that it speaks.
    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }

    /// What a client may say of itself in the query of its URL. These are decoded for every
    /// service, so that a client that writes them badly is told so wherever it connects.
    fn query_keys(&self) -> &'static [&'static str] {
        &["name", "room", "resume"]
    }

    /// The dialect that a client will be told everything in: chosen before anything is said to it.
    fn dialect(&self, hello: &Hello<'_>) -> Dialect {
        let _ = hello;
        Dialect::default()
    }

    /// Whether clients may come from this address, and be here.
    fn admits(&self, ip: IpAddr, unix_ms: u64) -> bool {
        let _ = (ip, unix_ms);
        true
    }

    /// A client is here whose address is admitted no more. It is told so, and is closed then.
    fn dismissed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        let _ = (client, peer, out);
    }

    /// A client is ready to talk.
    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery);

    /// What must come first before anything more is read from this client. Called before each read,
    /// so that input that could not be taken stays in the kernel, where it holds the sender back.
    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        let _ = (client, out);
        None
    }

    /// Whether each message goes back to its sender as it came, and nothing else follows from it.
    /// The sender is its own reader then: it is read from only while it takes its echo. The server
    /// may send a message back itself, out of the buffer that it was read into; one that is not
    /// offered to [`Service::message`] then.
    fn only_echoes(&self) -> bool {
        false
    }

    /// What must come first before a client that has said its last is closed.
    fn waits_to_close(&self, client: ClientId) -> Option<Wait> {
        let _ = client;
        None
    }

    /// What stands in front of the line that somebody types at a terminal, if that is edited here.
    fn prompt(&self, client: ClientId) -> String {
        let _ = client;
        "> ".to_owned()
    }

    /// What the word may become that stands last in `typed`.
    fn completions(&mut self, client: ClientId, typed: &str, now: Now) -> Completions {
        let _ = (client, typed, now);
        Completions::default()
    }

    /// Whether a line holds what nobody may see: it is not to be brought back where it was typed.
    fn has_secret(&self, client: ClientId, line: &str) -> bool {
        let _ = (client, line);
        false
    }

    /// A client says something.
    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome;

    /// What it asked for with [`Delivery::call_when_clear`] has come.
    fn clear(&mut self, what: Wait, out: &mut Delivery) {
        let _ = (what, out);
    }

    /// What it holds for clients besides what is kept for good, in bytes. Asked once a turn.
    fn held_bytes(&self) -> usize {
        0
    }

    /// The part of [`Service::held_bytes`] that would be free if this client were gone.
    fn held_bytes_of(&self, client: ClientId) -> usize {
        let _ = client;
        0
    }

    /// Gives up memory that the next burst can have anew; called in quiet moments.
    fn trim(&mut self) {}

    /// The slow work that it wants to have done, since it was last asked.
    fn take_jobs(&mut self) -> Vec<Job> {
        Vec::new()
    }

    /// Slow work is done. Clients that wait for its ticket are offered their messages again after
    /// this.
    fn completed(&mut self, ticket: Ticket, answer: Answer, out: &mut Delivery) {
        let _ = (ticket, answer, out);
    }

    /// When it wants its next [`Service::tick`].
    fn next_deadline(&self) -> Option<Millis> {
        None
    }

    /// Its deadline has passed.
    fn tick(&mut self, out: &mut Delivery) {
        let _ = out;
    }

    /// A turn has received all that it will, and nothing of what follows from that has been written
    /// yet: what has to be kept is kept now.
    fn keep(&mut self, out: &mut Delivery) {
        let _ = out;
    }

    /// How to begin a turn when what is kept has become durable; called once, at the start.
    fn set_wake(&mut self, wake: Wake) {
        drop(wake);
    }

    /// Tells delivery what has become durable. Called at the start of every turn.
    fn stored(&mut self, out: &mut Delivery) -> Kept {
        let _ = out;
        Kept::Whole
    }

    /// How it goes on in another process; `None`: it cannot.
    fn succession(&mut self) -> Option<&mut dyn Succession> {
        None
    }

    /// A client has closed its connection because it wants to go, and is closed next; one whose
    /// connection breaks has not said so.
    fn said_goodbye(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        let _ = (client, peer, out);
    }

    /// Who is to be closed, since it was last asked. What they say until then is of no interest.
    fn take_ended(&mut self) -> Ended {
        Ended::default()
    }

    /// A client is leaving. It has to be out of every room when this returns; it can still be sent
    /// something.
    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery);
}
