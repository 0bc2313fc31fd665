//! A wire as it is written down for another process, which goes on where this one was: all of its
//! state, but for what can be had anew from the bytes that are not decoded yet.

use super::Wire;
use crate::clock::Millis;
use crate::memory::MemoryAccount;

impl Wire {
    /// It has been read from a snapshot: what it holds counts in this account, and its peer has as
    /// much time for what comes next as if something had just come.
    pub fn restored(&mut self, account: &MemoryAccount, now: Millis) {
        match self {
            Wire::Undecided(_) => {}
            Wire::Line(line) => {
                if let Some(editor) = line.editor_mut() {
                    editor.count(account);
                }
            }
            Wire::Http(http) => http.restored(now),
            Wire::WebSocket(websocket) => websocket.restored(account, now),
            Wire::Events(events) => events.restored(now),
        }
    }
}

/// Bytes in JSON: as text, in a third more room.
pub mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// # Errors
    /// It is no text in base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::detect::Payload;
    use crate::wire::editor::Event;
    use crate::wire::http::events::{Events, Format};
    use crate::wire::line::LineMode;
    use crate::wire::websocket::WebSocket;
    use crate::wire::websocket::deflate::Deflater;
    use crate::wire::websocket::extension::negotiate_deflate;
    use crate::wire::{Protocols, Shared, Step, Timeouts};

    /// As another process reads it.
    fn carried(wire: &Wire, account: &MemoryAccount) -> Wire {
        let text = serde_json::to_string(wire).expect("it can be written down");
        let mut wire: Wire = serde_json::from_str(&text).expect("and read again");
        wire.restored(account, 0);
        wire
    }

    /// All that comes of these pieces. `carries`: between them it goes on elsewhere.
    fn come_of<'a>(
        mut wire: Wire,
        pieces: impl Iterator<Item = &'a [u8]>,
        carries: bool,
    ) -> Vec<String> {
        let account = MemoryAccount::default();
        let mut shared =
            Shared::new(Protocols::Auto, Payload::Text, 4096, Timeouts::default(), account.clone());
        let (mut inbox, mut seen) = (Vec::new(), Vec::new());
        for piece in pieces {
            let (mut piece, mut replies) = (piece.to_vec(), Vec::new());
            let arrived = wire.arrive(&mut piece, &mut replies);
            inbox.extend_from_slice(&piece[..arrived]);
            if !replies.is_empty() {
                seen.push(format!("replies {replies:?}"));
            }
            loop {
                let (step, used) = wire.decode(&mut inbox, &mut shared, 0);
                let line = match &step {
                    Step::NeedMore => break,
                    Step::Typed(Event::Line { line, .. }) => Some(line.clone()),
                    _ => None,
                };
                let is_over = matches!(step, Step::Close(_) | Step::BadRequest(..));
                seen.push(format!("{step:?}"));
                inbox.drain(..used);
                if let (Some(line), Some(editor)) = (line, wire.editor_mut()) {
                    editor.remember(line);
                }
                if is_over {
                    return seen;
                }
            }
            if let Some(editor) = wire.editor_mut().filter(|editor| editor.is_stale()) {
                let (mut drawn, unsent) = (editor.unsent().to_vec(), editor.unsent().len());
                editor.draw("> ", &mut drawn);
                editor.wrote(unsent, Some(b""));
                seen.push(format!("draws {:?}", String::from_utf8_lossy(&drawn)));
            }
            if carries {
                wire = carried(&wire, &account);
                assert_eq!(account.bytes(), wire.held_bytes(), "what is held counts once");
            }
        }
        seen
    }

    fn lines() -> Wire {
        let mut wire = Wire::new(LineMode::Telnet, 0);
        wire.become_lines();
        wire
    }

    fn http() -> Wire {
        let mut wire = Wire::new(LineMode::Telnet, 0);
        wire.become_http(0);
        wire
    }

    fn websocket() -> Wire {
        let offer: [&[u8]; 1] = [b"permessage-deflate"];
        let deflate = negotiate_deflate(offer.into_iter()).expect("an offer");
        Wire::WebSocket(WebSocket::new(deflate, 0))
    }

    /// Wherever the input is cut, and if it is cut everywhere, nobody can tell that it goes on
    /// elsewhere.
    fn check(wire: fn() -> Wire, input: &[u8]) {
        for at in 0..=input.len() {
            let pieces = || [&input[..at], &input[at..]].into_iter();
            let (here, elsewhere) =
                (come_of(wire(), pieces(), false), come_of(wire(), pieces(), true));
            assert_eq!(here, elsewhere, "cut at {at}");
        }
        let bytes = || input.chunks(1);
        assert_eq!(come_of(wire(), bytes(), false), come_of(wire(), bytes(), true), "each byte");
    }

    fn events() -> Wire {
        let mut events = Events::new(Format::Events, b"one\ntwo\n".to_vec(), 0);
        events.take_requests();
        Wire::Events(events)
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let (key, length) = ([1, 2, 3, 4], u8::try_from(payload.len()).expect("a short one"));
        let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        [first, 0x80 | length].into_iter().chain(key).chain(masked).collect()
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut payload = Vec::new();
        Deflater::new().deflate(text.as_bytes(), &mut payload);
        payload
    }

    /// What terminals send: words, endings, keys, and what PuTTY and GNU telnet negotiate.
    const TYPED: &[&[u8]] = &[
        b"word ",
        "caf\u{e9}\u{304b}".as_bytes(),
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\0",
        b"\x08",
        b"\x15",
        b"\x17",
        b"\x03",
        b"\t",
        b"\x1b[A",
        b"\x1b[B",
        b"\x1b[D",
        b"\x1b[1;5C",
        b"\x1b[200~pasted\t\x1b[201~",
        b"\xFF\xFB\x1F\xFF\xFD\x01\xFF\xFD\x03",
        b"\xFF\xFA\x1F\0\x50\0\x18\xFF\xF0",
        b"\xFF\xFA\x1F\0\x14\0\x05\xFF\xF0",
        b"\xFF\xFD\x06",
        b"\xFF\xFE\x01",
        b"\xFF\xF4",
        b"\xFF\xF6",
        b"\xFF\xFF",
        b"\xFF\xFB\x18",
        b"GET it\r\n",
    ];

    fn framed() -> Vec<Vec<u8>> {
        let long = packed(&"as often as not ".repeat(20));
        vec![
            frame(0x81, b"text"),
            frame(0x82, b"\x01\x02"),
            frame(0x01, "begun \u{e9}".as_bytes()),
            frame(0x01, &"\u{e9}".as_bytes()[..1]),
            frame(0x00, &"\u{e9}".as_bytes()[1..]),
            frame(0x00, b"more"),
            frame(0x80, b"the rest"),
            frame(0x89, b"ping"),
            frame(0x8A, b""),
            frame(0xC1, &packed("packed")),
            frame(0x41, &long[..5]),
            frame(0x80, &long[5..]),
            frame(0x88, b"\x03\xE8bye"),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_typed_goes_on_elsewhere(keys in prop::collection::vec(0..TYPED.len(), 1..9)) {
            let input: Vec<u8> = keys.into_iter().flat_map(|key| TYPED[key].to_vec()).collect();
            check(lines, &input);
            // Edited from the start.
            check(lines, &[TYPED[16], &input].concat());
        }

        #[test]
        fn frames_go_on_elsewhere(which in prop::collection::vec(0..13usize, 1..6)) {
            let frames = framed();
            let input: Vec<u8> = which.into_iter().flat_map(|one| frames[one].clone()).collect();
            check(websocket, &input);
        }
    }

    #[test]
    fn requests_go_on_elsewhere() {
        check(http, b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /x HTTP/1.1\r\nHost: a\r\n\r\nGE");
        check(http, b"GET /\r\n\r\n");
    }

    #[test]
    fn what_a_stream_asks_for_goes_on_elsewhere() {
        check(events, b"one\ntwo\n");
    }

    /// If this fails, what is handed over is another: raise `STATE_VERSION`, and change this.
    #[test]
    fn what_is_handed_over_is_of_this_version() {
        let written = |wire: &Wire| serde_json::to_string(wire).expect("it can be written down");
        let mut typed = lines();
        typed.arrive(&mut TYPED[16].to_vec(), &mut Vec::new());
        let mut begun = websocket();
        let mut shared = Shared::new(
            Protocols::Auto,
            Payload::Text,
            4096,
            Timeouts::default(),
            MemoryAccount::default(),
        );
        begun.decode(&mut frame(0x01, b"begun"), &mut shared, 0);
        let wires = [Wire::new(LineMode::Telnet, 7), typed, http(), begun, events()];
        assert_eq!(wires.each_ref().map(written), WRITTEN);
    }

    const WRITTEN: [&str; 5] = [
        r#"{"Undecided":{"since":7,"mode":"Telnet","was_sent":false,"silence":"Nothing","awaits_header":false}}"#,
        r#"{"Line":{"mode":"Telnet","telnet":{"state":"Data","lacking":0,"subnegotiated":0,"was_interrupted":false,"terminal":{"echo":"On","go_ahead":"On","asks_for_echo":true,"window":"On","editing":"Wanted","hides":false,"editor":{"keys":{"state":"Ground","parameters":[0,0,0,0,0,0,0,0],"parameter_count":0,"utf8":[0,0,0,0],"utf8_count":0,"is_after_cr":false,"is_pasted":false},"buffer":{"text":"","cursor":0},"history":{"lines":[],"bytes":0,"back":0,"draft":""},"drawing":{"size":{"columns":80,"rows":24},"prompt":"","place":null,"change":"All","clears":false,"cleared":false},"unsent":"","left":0,"hides":false,"rings":false,"rang":false,"is_full":false,"ahead":[],"ahead_bytes":0,"takes_ahead":false,"has_ended":false},"size":{"columns":80,"rows":24},"said":[0,0,0,0,0],"said_bytes":0,"refused":{"will":[0,0,0,0],"do":[0,0,0,0]}}},"scanned":0,"first":"Awaited","has_spoken":false,"ended_in_cr":false}}"#,
        r#"{"Http":{"awaited_bytes":0,"since":0,"linger_until":null,"answered":false}}"#,
        r#"{"WebSocket":{"decoder":{"fragments":{"kind":"Text","is_compressed":false,"payload":"YmVndW4=","utf8_bytes":5},"deflate":{"server_max_window_bits":null},"is_over":false},"last_received_s":0,"was_pinged":false,"was_sent":false}}"#,
        r#"{"Events":{"format":"Events","requests":[],"own_bytes":8,"since_s":0}}"#,
    ];
}
