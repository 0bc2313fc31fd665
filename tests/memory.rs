//! What those who are kept take of memory, counted at the allocator: the same in every run.

mod common;
#[path = "common/nowhere.rs"]
mod nowhere;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chat_server::chat::Chat;
use chat_server::config::Config;
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
