//! What those who are kept take of memory, counted at the allocator: the same in every run.

mod common;
#[path = "common/nowhere.rs"]
mod nowhere;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chat_server::chat::Chat;
use chat_server::chat::state::accounts::SecretHash;
use chat_server::clock::Now;
use chat_server::config::Config;
use chat_server::server::Server;
use chat_server::server::settings::ServerSettings;
use chat_server::server::stream::Stream;
use chat_server::store::{
    Found, FoundRoom, Loaded, PageRequest, Reader, SearchRequest, StoreError, StoredAccessKey,
    StoredAccount, StoredMessage, StoredPeople, StoredReading, StoredRoom,
};
use nowhere::{Nowhere, nothing};

/// Counts what is allocated, as glibc rounds it: 8 bytes more, in steps of 16, 32 at least.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

fn chunk_bytes(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

// SAFETY: what is asked for is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(chunk_bytes(layout), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(chunk_bytes(layout), Ordering::Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All that is allocated counts: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Debug)]
struct Empty;

impl Reader for Empty {
    fn room(&self, _: &str, _: &[Box<str>], _: usize, _: usize) -> Result<FoundRoom, StoreError> {
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

const ROOMS: u64 = 1000;

/// A server with accounts, each with so many tokens and in so many of a thousand rooms.
fn kept(accounts: u64, tokens: u32, rooms_each: u64) -> Loaded {
    let password: Box<str> =
        format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", "s".repeat(22), "h".repeat(43)).into();
    let account = |account| StoredAccount {
        account,
        name: format!("person{account}").into(),
        key: format!("person{account}").into(),
        password: Some(password.clone()),
        role: 0,
        created_ms: 1,
        owner: None,
    };
    let key = |account: u64, key: u32| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&account.to_le_bytes());
        hash[8..12].copy_from_slice(&key.to_le_bytes());
        let label = "laptop".into();
        StoredAccessKey { account, key, hash, is_token: true, label, created_ms: 1 }
    };
    let room = |room| StoredRoom {
        room,
        name: format!("#room{room}").into(),
        topic: "".into(),
        first_id: 1,
        next_id: 2,
        newest: Vec::new(),
    };
    let rooms_of = |account: u64| {
        let mut rooms: Vec<u64> =
            (0..rooms_each).map(|n| 1 + (account + n * (ROOMS / rooms_each)) % ROOMS).collect();
        rooms.sort_unstable();
        rooms
    };
    let mut members = Vec::new();
    let mut readings = Vec::new();
    for n in 0..rooms_each as usize {
        members.extend((1..=accounts).map(|account| (rooms_of(account)[n], account)));
    }
    for account in 1..=accounts {
        let reading = |room| StoredReading { account, room, read: 0, level: None };
        readings.extend(rooms_of(account).into_iter().map(reading));
    }
    let keys = (1..=accounts).flat_map(|account| (1..=tokens).map(move |n| key(account, n)));
    let people = StoredPeople {
        accounts: (1..=accounts).map(account).collect(),
        keys: keys.collect(),
        members,
        readings,
        next_account: accounts + 1,
        next_invitation: 1,
        ..StoredPeople::default()
    };
    Loaded { rooms: (1..=ROOMS).map(room).collect(), next_room: ROOMS + 1, people, ..nothing() }
}

fn held_for(accounts: u64, tokens: u32, rooms_each: u64) -> usize {
    let settings = Config::read(["chat-server"].map(Into::into)).expect("no flags").chat("".into());
    let before = HELD.load(Ordering::Relaxed);
    let loaded = kept(accounts, tokens, rooms_each);
    let store = Box::new(Nowhere::new(Arc::new(Empty)));
    let chat = Chat::with_store(settings, store, loaded);
    let held = HELD.load(Ordering::Relaxed) - before;
    drop(chat);
    held
}

/// What docs/performance.md says of one of these, in bytes.
fn documented(what: &str) -> u64 {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let row = page.lines().find_map(|line| line.strip_prefix(&format!("| {what} | ")));
    row.and_then(|row| row.trim_end_matches(" |").parse().ok()).expect("a row of the table")
}

#[test]
fn accounts_and_memberships_are_small() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // As many as fill the tables, whose free part is nobody's yet.
    const ACCOUNTS: u64 = 14_000;
    let (none, bare) = (held_for(0, 0, 0), held_for(ACCOUNTS, 0, 0));
    let account = (bare - none) as u64 / ACCOUNTS;
    let token = (held_for(ACCOUNTS, 1, 0) - bare) as u64 / ACCOUNTS;
    let membership = (held_for(ACCOUNTS, 0, 20) - bare) as u64 / (20 * ACCOUNTS);
    for (what, bytes) in [
        ("an account, with a password", account),
        ("a token, or a browser that is logged in", token),
        ("a membership, with what has been read", membership),
    ] {
        println!("{what}: {bytes} bytes");
        let most = documented(what);
        assert!(bytes <= most && bytes * 4 >= most * 3, "{what}: {bytes} bytes, not {most}");
    }
}

/// The token of the only account.
const TOKEN: &str = "cst_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A client that has sent this, and takes all that it is sent.
struct Far(Vec<u8>);

impl Read for Far {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = self.0.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = self.0.split_off(count);
        Ok(count)
    }
}

impl Write for Far {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
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

/// What each of many clients takes that have begun with this request and are idle now.
fn held_by_idle(request: &str) -> usize {
    const CLIENTS: usize = 4000;
    let mut loaded = kept(1, 1, 1);
    loaded.people.keys[0].hash = SecretHash::of(TOKEN).0;
    let settings = Config::read(["chat-server"].map(Into::into)).expect("no flags").chat("".into());
    let store = Box::new(Nowhere::new(Arc::new(Empty)));
    let chat = Chat::with_store(settings, store, loaded);
    let mut server = Server::new(ServerSettings::default(), |_| chat);
    let now = Now { ms: 1000, unix_ms: 1_700_000_000_000 };
    let mut before = 0;
    // The first one brings what all share.
    for n in 0..=CLIENTS {
        let key = server.accept(Far(request.into()), ([127, 0, 0, 1], 1).into(), now);
        server.readable(key);
        server.writable(key);
        while server.is_busy() {
            server.receive(now, |_| false);
            server.deliver(true);
            for job in server.take_jobs() {
                server.completed(job.ticket, (job.run)(), now);
            }
        }
        if n == 0 {
            before = HELD.load(Ordering::Relaxed);
        }
    }
    (HELD.load(Ordering::Relaxed) - before) / CLIENTS
}

#[test]
fn an_idle_stream_is_no_larger_than_a_websocket() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let bearer = format!("Host: a\r\nAuthorization: Bearer {TOKEN}\r\n");
    let websocket = held_by_idle(&format!(
        "GET / HTTP/1.1\r\n{bearer}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: chat.v1.json\r\n\r\n"
    ));
    let all = held_by_idle(&format!("GET /stream HTTP/1.1\r\n{bearer}\r\n"));
    let some = held_by_idle(&format!("GET /stream?room=room1 HTTP/1.1\r\n{bearer}\r\n"));
    println!("a WebSocket: {websocket} bytes; a stream: {all}; of one room: {some}");
    assert!(all <= websocket, "{all} and {websocket} bytes");
    // It has the names of its rooms beside that.
    assert!(some <= websocket + 400, "{some} and {websocket} bytes");
}
