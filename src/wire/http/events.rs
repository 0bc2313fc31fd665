//! A response that goes on for as long as its client reads it: what is said, when it is said.

use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{HttpError, Method, Request, Response};
use crate::clock::Millis;
use crate::wire::http::response::{Body, Persistence};
use crate::wire::{Elapsed, Observed, Step, Timeouts};

/// Where it is asked for.
pub const PATH: &str = "/stream";

/// So many rooms can be asked for at once, with names of so many bytes, percent-encoded: an id has
/// all of them, and is to fit into the head of a request.
const ROOMS_MAX: usize = 50;
const NAMES_BYTES_MAX: usize = 4096;
/// Rooms may have longer names by now. A place that does not fit is left out: there the stream goes
/// on as its URL says.
const ID_BYTES_MAX: usize = 8192;

/// How one event is told from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Server-sent events (HTML, section 9.2).
    Events,
    /// One a line.
    Lines,
}

/// What somebody wants to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub format: Format,
    /// Rooms, as written, and the last message that was seen of each, if one was. None: all that its
    /// account is in.
    pub rooms: Vec<(String, Option<Seen>)>,
    /// By what the last event was known that it was told, which a browser shows when it connects
    /// anew: rooms, as they were called, and the last message of each.
    pub last: Vec<(String, Seen)>,
}

/// A message that was seen, and under which epoch, if that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: u64,
    pub epoch: Option<String>,
}

/// Reads what is wanted: `?room=dev&since=12&room=ops`, where a `since` is of the room before it.
///
/// # Errors
/// It cannot be read.
pub fn wanted(request: &Request<'_>) -> Result<Wanted, HttpError> {
    if request.method != Method::Get {
        return Err(HttpError::STREAM_METHOD);
    }
    let is_events = |one: &[u8]| {
        let kind = one.split(|&byte| byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    };
    let format = if request.list("accept").any(is_events) { Format::Events } else { Format::Lines };
    let last = request.single("last-event-id").ok().flatten().and_then(read_id).unwrap_or_default();
    let mut wanted = Wanted { format, rooms: Vec::new(), last };
    let mut said = None;
    for (key, value) in request.query_pairs() {
        let value = || value.ok_or(HttpError::STREAM_QUERY);
        match key {
            "room" => wanted.rooms.push((value()?, None)),
            "epoch" => said = Some(value()?),
            "since" => {
                let id = value()?.parse().map_err(|_| HttpError::STREAM_QUERY)?;
                let seen = Seen { id, epoch: None };
                wanted.rooms.last_mut().ok_or(HttpError::STREAM_QUERY)?.1 = Some(seen);
            }
            _ => {}
        }
    }
    for (_, seen) in &mut wanted.rooms {
        seen.iter_mut().for_each(|seen| seen.epoch.clone_from(&said));
    }
    let names: usize = wanted.rooms.iter().flat_map(|(room, _)| shown(room)).map(str::len).sum();
    if wanted.rooms.len() > ROOMS_MAX || names > NAMES_BYTES_MAX {
        return Err(HttpError::STREAM_QUERY);
    }
    Ok(wanted)
}

/// What an event is known by: the epoch, and how far its reader has come by then in each room, as
/// the name of the room and the id of its last message.
pub fn event_id<'a>(epoch: &str, places: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let mut written: String = utf8_percent_encode(epoch, NON_ALPHANUMERIC).collect();
    for (room, id) in places {
        let before = written.len();
        written.push(':');
        written.extend(shown(room));
        written.push(':');
        written.push_str(&id.to_string());
        if written.len() > ID_BYTES_MAX {
            written.truncate(before);
        }
    }
    written
}

/// The name of a room, as it stands in an id.
fn shown(room: &str) -> PercentEncode<'_> {
    utf8_percent_encode(room.strip_prefix('#').unwrap_or(room), NON_ALPHANUMERIC)
}

fn read_id(written: &str) -> Option<Vec<(String, Seen)>> {
    let mut parts = written.split(':');
    let text = |part| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned());
    let epoch = text(parts.next()?)?;
    let mut rooms = Vec::new();
    while let Some(room) = parts.next() {
        let (room, id) = (text(room)?, parts.next()?.parse().ok()?);
        rooms.push((room, Seen { id, epoch: Some(epoch.clone()) }));
    }
    (rooms.len() <= ROOMS_MAX).then_some(rooms)
}

/// A connection on which such a response is under way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Events {
    format: Format,
    /// What the client would say now if it could: lines that are served as its own.
    requests: Box<[u8]>,
    /// So many bytes of the input are these.
    own_bytes: u32,
    /// When it began, in seconds.
    since_s: u32,
}

impl Events {
    pub fn new(format: Format, requests: Vec<u8>, now: Millis) -> Events {
        let mut events = Events { format, requests: requests.into(), own_bytes: 0, since_s: 0 };
        events.restored(now);
        events
    }

    /// It begins now, as far as heartbeats go.
    pub(in crate::wire) fn restored(&mut self, now: Millis) {
        self.since_s = u32::try_from(now / 1000).unwrap_or(u32::MAX);
    }

    /// Takes its requests out, which are all that will come.
    pub fn take_requests(&mut self) -> Option<Box<[u8]>> {
        let requests = std::mem::take(&mut self.requests);
        self.own_bytes += u32::try_from(requests.len()).ok()?;
        (!requests.is_empty()).then_some(requests)
    }

    /// What comes from the client itself is dropped: it only reads.
    pub(in crate::wire) fn step<'i: 's, 's>(
        &mut self,
        input: &'i mut [u8],
    ) -> (Step<'i, 's>, usize) {
        let own = &input[..input.len().min(self.own_bytes as usize)];
        if let Some(end) = memchr::memchr(b'\n', own) {
            self.own_bytes -= end as u32 + 1;
            return (Step::Text(&input[..end]), end + 1);
        }
        match input.len() {
            0 => (Step::NeedMore, 0),
            bytes => (Step::Control(Vec::new()), bytes),
        }
    }

    pub(in crate::wire) fn next_timeout(&self, timeouts: &Timeouts) -> Millis {
        Millis::from(self.since_s) * 1000 + timeouts.ping_after_ms
    }

    /// What is in between has to see that the connection is in use.
    pub(in crate::wire) fn on_timeout(
        &self,
        observed: &Observed<'_>,
        timeouts: &Timeouts,
    ) -> Elapsed {
        let beat: &[u8] = match self.format {
            Format::Events => b":\n\n",
            Format::Lines => b"\n",
        };
        Elapsed::Send(beat.to_vec(), observed.now + timeouts.ping_after_ms)
    }
}

/// The head of such a response. It ends when the connection does.
pub fn head(format: Format, date: &str) -> Vec<u8> {
    let content_type = match format {
        Format::Events => "text/event-stream; charset=utf-8",
        Format::Lines => "application/x-ndjson",
    };
    let fields = [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        // Of nginx: it is not to wait for more.
        ("X-Accel-Buffering", "no"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    Response::new(200, &fields, Body::Absent, Persistence::Close, Some(date)).head
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn of(target: &str, fields: &str) -> Result<Wanted, HttpError> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (request, _) = parse(head.as_bytes()).expect("a request").expect("a whole one");
        wanted(&request)
    }

    #[test]
    fn what_is_wanted_is_read() {
        let epoch = || Some("e1".to_owned());
        let room = |name: &str, id: Option<u64>| {
            (name.to_owned(), id.map(|id| Seen { id, epoch: epoch() }))
        };
        let lines = Wanted { format: Format::Lines, rooms: Vec::new(), last: Vec::new() };
        assert_eq!(of("/stream", ""), Ok(lines.clone()));
        let rooms = vec![room("#dev", Some(12)), room("ops", None)];
        let expected = Wanted { rooms, ..lines.clone() };
        assert_eq!(of("/stream?room=%23dev&since=12&room=ops&epoch=e1&x=y", ""), Ok(expected));
        for target in ["/stream?since=12", "/stream?room=a&since=x", "/stream?room=%ff"] {
            assert_eq!(of(target, ""), Err(HttpError::STREAM_QUERY), "{target}");
        }
        let many = format!("/stream?{}", "room=a&".repeat(ROOMS_MAX + 1));
        assert_eq!(of(&many, ""), Err(HttpError::STREAM_QUERY));
        let long = |name: &str| format!("/stream?room={}&room={name}", "%E3%81%8A".repeat(400));
        assert!(of(&long(&"a".repeat(496)), "").is_ok());
        assert_eq!(of(&long(&"a".repeat(497)), ""), Err(HttpError::STREAM_QUERY));
    }

    #[test]
    fn a_browser_goes_on_where_it_was() {
        let id = event_id("e1:x", [("#お茶", 12), ("#o:ps", 7)]);
        let fields = format!("Accept: a/b, text/event-stream;q=1\r\nLast-Event-ID: {id}\r\n");
        let found = of("/stream?room=%E3%81%8A%E8%8C%B6&since=3&room=ops", &fields);
        let found = found.expect("it can be read");
        let seen = |id, epoch: Option<&str>| Seen { id, epoch: epoch.map(str::to_owned) };
        assert_eq!(found.format, Format::Events);
        assert_eq!(found.rooms[0].1, Some(seen(3, None)));
        let last = [("お茶", 12), ("o:ps", 7)];
        assert_eq!(found.last, last.map(|(room, id)| (room.to_owned(), seen(id, Some("e1:x")))));
        assert_eq!(read_id("e1"), Some(Vec::new()));
        for written in ["dev:1", "e1:dev:", "e1:dev:x", "e1:dev:1:2", "e1:%ff:1", "%ff:dev:1"] {
            assert_eq!(read_id(written), None, "{written}");
        }
        assert_eq!(read_id(&format!("e1{}", ":a:1".repeat(ROOMS_MAX + 1))), None);
    }

    #[test]
    fn what_the_client_sends_itself_is_dropped() {
        let mut events = Events::new(Format::Lines, b"one\ntwo\n".to_vec(), 7000);
        let mut input = events.take_requests().expect("some").to_vec();
        assert_eq!(events.take_requests(), None);
        input.extend(b"three\n");
        let mut at = 0;
        for line in ["one", "two"] {
            let (step, used) = events.step(&mut input[at..]);
            assert!(matches!(step, Step::Text(text) if text == line.as_bytes()));
            at += used;
        }
        let (step, used) = events.step(&mut input[at..]);
        assert!(matches!(step, Step::Control(answer) if answer.is_empty()));
        assert_eq!(used, 6);
        assert!(matches!(events.step(&mut []), (Step::NeedMore, 0)));
    }
}
