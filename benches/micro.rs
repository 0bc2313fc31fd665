//! What the parts cost, so that a regression is found where it happens: `cargo bench --bench
//! micro`, or with a part of a name behind `--`, such as `cargo bench --bench micro -- chat`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// Payloads: a word, a chat message, a paragraph, a document.
const PAYLOADS: [usize; 4] = [5, 60, 1000, 10_000];
/// As much as one read brings.
const READ_BYTES: usize = 64 * 1024;

mod lines {
    use super::*;
    use chat_server::wire::line::{Line, LineMode};

    /// A read full of lines that are passed on as they came.
    #[divan::bench(args = PAYLOADS)]
    fn split_raw(bencher: Bencher, payload_bytes: usize) {
        split(bencher, LineMode::Raw, payload_bytes);
    }

    /// The same from terminals: the telnet protocol is taken out, endings are cut off.
    #[divan::bench(args = PAYLOADS)]
    fn split_telnet(bencher: Bencher, payload_bytes: usize) {
        split(bencher, LineMode::Telnet, payload_bytes);
    }

    fn split(bencher: Bencher, rules: LineMode, payload_bytes: usize) {
        let line = [vec![b'x'; payload_bytes], rules.ending().into()].concat();
        let count = READ_BYTES / line.len();
        let mut input = line.repeat(count);
        let mut decoder = Line::new(rules);
        let mut replies = Vec::new();
        bencher.counter(ItemsCount::new(count)).counter(BytesCount::of_slice(&input)).bench_local(
            || {
                let arrived = decoder.arrive(&mut input, &mut replies);
                let mut start = 0;
                while let Ok(Some(cut)) = decoder.decode(&input[start..arrived], READ_BYTES) {
                    black_box(&input[start..start + cut.content]);
                    start += cut.used;
                }
                assert_eq!(start, input.len());
            },
        );
    }
}

mod websocket {
    use super::*;
    use chat_server::wire::http::HeadParser;
    use chat_server::wire::http::origin::AllowedOrigins;
    use chat_server::wire::websocket::deflate::{Deflater, Inflater};
    use chat_server::wire::websocket::frame::{
        FrameHeader, Opcode, encode_client_frame, encode_frame,
    };
    use chat_server::wire::websocket::handshake::{Policy, evaluate};
    use chat_server::wire::websocket::mask;
    use chat_server::wire::websocket::message::{Decoder, Scratch};

    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    const SAID: &[u8] =
        br##"{"type":"said","room":"#dev","id":12345,"time":1700000000000,"name":"alice","text":"good morning"}"##;

    #[divan::bench(args = PAYLOADS)]
    fn unmask(bencher: Bencher, payload_bytes: usize) {
        let mut payload = vec![7; payload_bytes];
        bencher
            .counter(BytesCount::of_slice(&payload))
            .bench_local(|| mask::unmask(black_box(&mut payload), KEY, 0));
    }

    /// A read full of masked text frames: header, unmasking, UTF-8. The input is copied first,
    /// because it is unmasked in place.
    #[divan::bench(args = PAYLOADS)]
    fn decode(bencher: Bencher, payload_bytes: usize) {
        let header = FrameHeader {
            is_final: true,
            is_compressed: false,
            opcode: Opcode::Text,
            mask_key: Some(KEY),
            payload_bytes,
        };
        let mut frame = Vec::new();
        encode_client_frame(&mut frame, header, &vec![b'x'; payload_bytes]);
        let count = READ_BYTES / frame.len();
        let arrived = frame.repeat(count);
        let mut input = arrived.clone();
        let mut decoder = Decoder::new(None);
        let mut scratch = Scratch::new(READ_BYTES);
        bencher
            .counter(ItemsCount::new(count))
            .counter(BytesCount::of_slice(&arrived))
            .bench_local(|| {
                input.copy_from_slice(&arrived);
                let mut start = 0;
                while let Ok(Some((item, used))) = decoder.decode(&mut input[start..], &mut scratch)
                {
                    black_box(item);
                    start += used;
                }
                assert_eq!(start, arrived.len());
            });
    }

    #[divan::bench(args = PAYLOADS)]
    fn encode(bencher: Bencher, payload_bytes: usize) {
        let payload = vec![b'x'; payload_bytes];
        let mut out = Vec::with_capacity(payload_bytes + 16);
        bencher.counter(BytesCount::of_slice(&payload)).bench_local(|| {
            out.clear();
            encode_frame(&mut out, Opcode::Text, black_box(&payload));
            black_box(&out);
        });
    }

    #[divan::bench]
    fn deflate_a_chat_message(bencher: Bencher) {
        let (mut deflater, mut compressed) = (Deflater::new(), Vec::new());
        bencher.bench_local(|| {
            compressed.clear();
            deflater.deflate(black_box(SAID), &mut compressed);
        });
    }

    #[divan::bench]
    fn inflate_a_chat_message(bencher: Bencher) {
        let (mut compressed, mut inflated) = (Vec::new(), Vec::new());
        Deflater::new().deflate(SAID, &mut compressed);
        let mut inflater = Inflater::new();
        bencher.bench_local(|| {
            inflater
                .inflate(black_box(&compressed), &mut inflated, READ_BYTES)
                .expect("small enough")
        });
    }

    #[divan::bench]
    fn answer_a_handshake(bencher: Bencher) {
        let head = b"GET /?name=alice&room=dev HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Mozilla/5.0\r\n\
                     Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: http://localhost:8080\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
        let none = AllowedOrigins::default();
        let policy = Policy {
            allowed_origins: &none,
            is_loopback: true,
            scheme: None,
            subprotocols: &["chat.v1.json"],
            query_keys: &["name", "room"],
            deflate: true,
        };
        bencher.bench_local(|| {
            let parsed = HeadParser::default().parse(black_box(head)).expect("well-formed");
            let (request, _) = parsed.expect("whole");
            black_box(evaluate(&request, &policy, None)).expect("an upgrade");
        });
    }
}

mod chat {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::io::{self, ErrorKind, IoSlice, Read, Write};
    use std::net::Ipv4Addr;
    use std::ops::Range;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use chat_server::chat::Chat;
    use chat_server::chat::settings::ChatSettings;
    use chat_server::clock::Now;
    use chat_server::config::Config;
    use chat_server::ids::GroupId;
    use chat_server::server::Server;
    use chat_server::server::settings::ServerSettings;
    use chat_server::server::stream::Stream;
    use chat_server::store::order::StoredOrder;
    use chat_server::store::{
        Change, Expired, Found, FoundRoom, Loaded, PageRequest, Progress, Reader, SearchRequest,
        Space, Store, StoreError, StoredMessage, StoredPeople, Wake,
    };

    /// A client whose kernel takes everything and forgets it.
    #[derive(Clone, Default)]
    struct Far(Rc<RefCell<VecDeque<u8>>>);

    impl Read for Far {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.borrow_mut().read(buffer)? {
                0 => Err(ErrorKind::WouldBlock.into()),
                count => Ok(count),
            }
        }
    }

    impl Write for Far {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(slices.iter().map(|slice| slice.len()).sum())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Far {
        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A whole turn without a kernel: a line is read, becomes an event, is encoded, and is handed
    /// to each of the members.
    #[divan::bench(args = [10, 1000])]
    fn one_message_to_members(bencher: Bencher, members: usize) {
        said(bencher, members, 1);
    }

    /// Sixteen in one read, as in the load benchmark's fan-out.
    #[divan::bench(args = [10, 1000])]
    fn sixteen_messages_to_members(bencher: Bencher, members: usize) {
        said(bencher, members, 16);
    }

    /// The same with a store that needs no time: what is said is held until the next turn.
    #[divan::bench(args = [10, 1000])]
    fn one_kept_message_to_members(bencher: Bencher, members: usize) {
        said_in(bencher, kept_chat(), members, NICK, LINE);
    }

    /// A program says the same to a room that it names.
    #[divan::bench]
    fn one_json_message_to_10_members(bencher: Bencher) {
        said_in(bencher, Chat::new(settings()), 10, HELLO, &json_frame());
    }

    #[divan::bench]
    fn one_kept_json_message_to_10_members(bencher: Bencher) {
        said_in(bencher, kept_chat(), 10, HELLO, &json_frame());
    }

    /// Everybody in a room says so many messages in one read, and all of it is handed out at once: as
    /// in the load benchmark, 32 clients with 16 messages each, 100 with 4, and 1,000 in 100 rooms
    /// with 4.
    #[divan::bench(args = [(32, 16, 1), (100, 4, 1), (1000, 4, 100)])]
    fn all_say_over_lines(bencher: Bencher, shape: (usize, usize, usize)) {
        let hello = |number: usize, room: usize| {
            format!("/nick member{number}\n/join #room{room}\n/leave #lobby\n")
        };
        all_say(bencher, Chat::new(settings()), shape, hello, LINE);
    }

    #[divan::bench(args = [(32, 16, 1), (100, 4, 1), (1000, 4, 100)])]
    fn all_say_over_websocket(bencher: Bencher, shape: (usize, usize, usize)) {
        let hello = |number: usize, room: usize| upgrade(number, room, "");
        let frame = [&[0x81, 0x80 | (LINE.len() - 1) as u8, 0, 0, 0, 0], &LINE[..LINE.len() - 1]];
        all_say(bencher, Chat::new(settings()), shape, hello, &frame.concat());
    }

    #[divan::bench(args = [(32, 16, 1)])]
    fn all_programs_say(bencher: Bencher, shape: (usize, usize, usize)) {
        let protocol = "Sec-WebSocket-Protocol: chat.v1.json\r\n";
        let hello = |number: usize, room: usize| upgrade(number, room, protocol);
        let json = br##"{"type":"say","room":"#room0","text":"how are you today, my friends?"}"##;
        let frame = [&[0x81, 0x80 | json.len() as u8, 0, 0, 0, 0], &json[..]].concat();
        all_say(bencher, Chat::new(settings()), shape, hello, &frame);
    }

    #[divan::bench(args = [(32, 16, 1)])]
    fn all_say_over_lines_and_it_is_kept(bencher: Bencher, shape: (usize, usize, usize)) {
        let hello = |number: usize, room: usize| {
            format!("/nick member{number}\n/join #room{room}\n/leave #lobby\n")
        };
        all_say(bencher, kept_chat(), shape, hello, LINE);
    }

    fn upgrade(number: usize, room: usize, protocol: &str) -> String {
        format!(
            "GET /?name=member{number}&room=room{room} HTTP/1.1\r\nHost: localhost\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             {protocol}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    }

    fn all_say(
        bencher: Bencher,
        chat: Chat,
        (clients, messages, rooms): (usize, usize, usize),
        hello: impl Fn(usize, usize) -> String,
        said: &[u8],
    ) {
        let mut server = Server::new(ServerSettings::default(), |_| chat);
        let now = Now { ms: 1000, unix_ms: 1_700_000_000_000 };
        let connect = |server: &mut Server<Far, Chat>, number: usize| {
            let far = Far::default();
            let peer = (Ipv4Addr::LOCALHOST, number as u16).into();
            let key = server.accept(far.clone(), peer, now);
            far.0.borrow_mut().extend(hello(number, number % rooms).as_bytes());
            server.readable(key);
            (key, far)
        };
        let settle = |server: &mut Server<Far, Chat>| {
            while server.is_busy() || server.unstored_groups() > 0 {
                server.turn(now);
                for job in server.take_jobs() {
                    server.completed(job.ticket, (job.run)(), now);
                }
            }
        };
        let mut all = Vec::new();
        for number in 0..clients {
            all.push(connect(&mut server, number));
            settle(&mut server);
        }
        assert_eq!(server.len(), clients);
        let said = said.repeat(messages);
        bencher.counter(ItemsCount::new(clients * messages)).bench_local(|| {
            for (key, far) in &all {
                far.0.borrow_mut().extend(&said);
                server.readable(*key);
            }
            while server.is_busy() || server.unstored_groups() > 0 {
                server.turn(now);
            }
        });
    }

    const LINE: &[u8] = b"how are you today, my dear friends?\n";
    const NICK: &str = "/nick member0\n";
    const HELLO: &str = "GET /?name=member0&room=lobby HTTP/1.1\r\nHost: localhost\r\n\
        Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: chat.v1.json\r\n\r\n";

    /// Masked with zeros.
    fn json_frame() -> Vec<u8> {
        let json = br##"{"type":"say","room":"#lobby","text":"how are you today, my friends?"}"##;
        [&[0x81, 0x80 | json.len() as u8, 0, 0, 0, 0], &json[..]].concat()
    }

    fn said(bencher: Bencher, members: usize, messages: usize) {
        said_in(bencher, Chat::new(settings()), members, NICK, &LINE.repeat(messages));
    }

    fn settings() -> ChatSettings {
        let line = ["chat-server", "--rate-limit=off", "--replay=0"].map(Into::into);
        Config::read(line).expect("these flags make sense").chat("now".into())
    }

    fn kept_chat() -> Chat {
        let nothing = Loaded {
            epoch: "now".into(),
            guests: 0,
            next_room: 1,
            ids_used: 0,
            rooms: Vec::new(),
            keys: Vec::new(),
            people: StoredPeople::default(),
            order: StoredOrder::default(),
        };
        Chat::with_store(settings(), Box::new(QuickStore::default()), nothing)
    }

    /// The first of the members says this, again and again.
    fn said_in(bencher: Bencher, chat: Chat, members: usize, hello: &str, said: &[u8]) {
        let mut server = Server::new(ServerSettings::default(), |_| chat);
        let now = Now { ms: 1000, unix_ms: 1_700_000_000_000 };
        let jobs = |server: &mut Server<Far, Chat>| {
            for job in server.take_jobs() {
                server.completed(job.ticket, (job.run)(), now);
            }
        };
        let clients: Vec<(usize, Far)> = (0..members)
            .map(|number| {
                let far = Far::default();
                let key =
                    server.accept(far.clone(), (Ipv4Addr::LOCALHOST, number as u16).into(), now);
                let name = format!("/nick member{number}\n");
                let hello = if number == 0 { hello } else { &name };
                far.0.borrow_mut().extend(hello.as_bytes());
                server.readable(key);
                (key, far)
            })
            .collect();
        for _ in 0..3 {
            while server.is_busy() {
                server.turn(now);
            }
            jobs(&mut server);
            server.turn(now);
        }
        assert_eq!(server.len(), members);
        let (key, speaker) = &clients[0];
        let before = server.delivery_metrics().deliveries;
        let messages = said.split(|byte| *byte == b'\n').count().max(2) - 1;
        bencher.counter(ItemsCount::new(members * messages)).bench_local(|| {
            speaker.0.borrow_mut().extend(said);
            server.readable(*key);
            while server.is_busy() || server.unstored_groups() > 0 {
                server.turn(now);
            }
        });
        assert!(server.delivery_metrics().deliveries > before, "something was said");
    }

    /// Everything is durable as soon as it is handed over.
    #[derive(Debug, Default)]
    struct QuickStore {
        durable: GroupId,
    }

    impl Store for QuickStore {
        fn append(&mut self, group: GroupId, changes: Vec<Change>) {
            self.durable = group;
            drop(changes);
        }

        fn set_wake(&mut self, _: Wake) {}

        fn progress(&mut self) -> Progress {
            Progress::Durable(self.durable)
        }

        fn space(&self) -> Space {
            Space::Free
        }

        fn reader(&self) -> Arc<dyn Reader> {
            Arc::new(Nothing)
        }

        fn take_expired(&mut self) -> Vec<Expired> {
            Vec::new()
        }

        fn reload(&mut self) -> Result<Loaded, StoreError> {
            Err(StoreError::TooSlow)
        }
    }

    /// There is nothing to read.
    #[derive(Debug)]
    struct Nothing;

    impl Reader for Nothing {
        fn room(
            &self,
            _: &str,
            _: &[Box<str>],
            _: usize,
            _: usize,
        ) -> Result<FoundRoom, StoreError> {
            Ok(FoundRoom::default())
        }

        fn page(&self, _: &PageRequest) -> Result<Vec<StoredMessage>, StoreError> {
            Ok(Vec::new())
        }

        fn deleted(&self, _: u64, _: Range<u64>) -> Result<Vec<u64>, StoreError> {
            Ok(Vec::new())
        }

        fn search(&self, _: &SearchRequest) -> Result<Found, StoreError> {
            Ok(Found::default())
        }
    }
}
