//! A store that takes its time, and a look at everything that leaves the server: nothing may be in
//! it that is not durable.
//!
//! It keeps nothing and stands in for the chat's own store: each turn in which the chat is asked to
//! do anything is a group.

use std::collections::{BTreeMap, BTreeSet};

use chat_server::delivery::Delivery;
use chat_server::ids::{ClientId, GroupId};
use chat_server::service::Kept;
use fastrand::Rng;

use crate::screen::{Screen, Seen};
use crate::stage::Links;

/// One commit in so many fails.
const LOST_EVERY: u32 = 150;

#[derive(Debug)]
pub struct LateStore {
    rng: Rng,
    /// `false`: nothing is stored, as in memory mode.
    is_on: bool,
    may_fail: bool,
    newest: GroupId,
    durable: GroupId,
    /// This turn has a group.
    has_group: bool,
    /// What has been handed over.
    appended: GroupId,
    /// The commit that is being made: up to which group, and when it is done.
    writing: Option<(GroupId, u64)>,
    /// What was said, by its number, and not stored.
    pending: BTreeMap<u64, GroupId>,
    /// What was said and lost.
    lost: BTreeSet<u64>,
    /// Whom the chat knew then, who may see nothing of it. A request that was not whole may have
    /// come in afterwards, and is shown what this store has not taken back.
    lost_to: BTreeSet<usize>,
    /// The last that had connected.
    pub lost_upto: usize,
    spies: BTreeMap<usize, Spy>,
}

/// Reads along.
#[derive(Debug)]
enum Spy {
    /// What it speaks is not known yet.
    Waits(Vec<u8>),
    Reads(Screen),
    /// It is told nothing of what is said.
    Sleeps,
}

impl LateStore {
    pub fn new(seed: u64, may_fail: bool) -> LateStore {
        LateStore {
            // Not of the run's draws, which stay what they are.
            rng: Rng::with_seed(!seed),
            is_on: !seed.is_multiple_of(3),
            may_fail: may_fail && seed.is_multiple_of(2),
            newest: GroupId(0),
            durable: GroupId(0),
            has_group: false,
            appended: GroupId(0),
            writing: None,
            pending: BTreeMap::new(),
            lost: BTreeSet::new(),
            lost_upto: 0,
            lost_to: BTreeSet::new(),
            spies: BTreeMap::new(),
        }
    }

    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The chat is about to do something.
    pub fn record(&mut self, out: &mut Delivery) {
        if !self.is_on {
            return;
        }
        if !self.has_group {
            self.has_group = true;
            self.newest = self.newest.next();
        }
        out.record(self.newest, self.rng.usize(0..50));
    }

    /// This was said.
    pub fn said(&mut self, text: &str) {
        if self.is_on {
            self.pending.extend(numbers(text).map(|number| (number, self.newest)));
        }
    }

    /// A turn ends.
    pub fn append(&mut self, now_ms: u64) {
        self.has_group = false;
        self.appended = self.newest;
        self.write(now_ms);
    }

    fn write(&mut self, now_ms: u64) {
        if self.writing.is_none() && self.appended > self.durable {
            let takes_ms = match self.rng.u32(0..20) {
                0 => self.rng.u64(100..2000),
                1..5 => self.rng.u64(20..100),
                _ => self.rng.u64(1..20),
            };
            self.writing = Some((self.appended, now_ms + takes_ms));
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.writing.map(|(_, at)| at)
    }

    /// A turn begins.
    pub fn stored(
        &mut self,
        links: &Links,
        known: &BTreeMap<usize, ClientId>,
        may_fail: bool,
        out: &mut Delivery,
    ) -> Kept {
        self.look(links);
        let now_ms = out.now().ms;
        let Some((group, _)) = self.writing.take_if(|(_, at)| *at <= now_ms) else {
            return Kept::Whole;
        };
        if self.may_fail && may_fail && self.rng.u32(0..LOST_EVERY) == 0 {
            self.lost.extend(std::mem::take(&mut self.pending).into_keys());
            self.lost_to.extend(known.keys());
            self.lost_upto = links.borrow().keys().last().copied().unwrap_or(0);
            (self.newest, self.appended) = (self.durable, self.durable);
            self.has_group = false;
            return Kept::Lost;
        }
        self.durable = group;
        self.pending.retain(|_, of| *of > group);
        out.durable(group);
        self.write(now_ms);
        Kept::Whole
    }

    /// Looks at all that has been written since the last time.
    pub fn look(&mut self, links: &Links) {
        for (&number, link) in links.borrow().iter() {
            let written = std::mem::take(&mut link.wire.borrow_mut().spied);
            if written.is_empty() || !self.is_on {
                continue;
            }
            let spy = self.spies.entry(number).or_insert(Spy::Waits(Vec::new()));
            for line in spy.read(&written) {
                for said in numbers(&line) {
                    let group = self.pending.get(&said);
                    assert_eq!(group, None, "client {number} is shown what is not stored: {line}");
                    let is_lost = self.lost_to.contains(&number) && self.lost.contains(&said);
                    assert!(!is_lost, "client {number} is shown what was lost: {line}");
                }
            }
        }
    }
}

impl Spy {
    fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        if let Spy::Waits(head) = self {
            head.extend_from_slice(bytes);
            let head = std::mem::take(head);
            let text = String::from_utf8_lossy(&head);
            let screen = match text.starts_with("HTTP/") {
                false if !"HTTP/".starts_with(&*text) => Screen::lines(),
                _ if !text.contains("\r\n\r\n") => {
                    drop(text);
                    *self = Spy::Waits(head);
                    return Vec::new();
                }
                _ if !text.starts_with("HTTP/1.1 101") => {
                    *self = Spy::Sleeps;
                    return Vec::new();
                }
                _ => {
                    let has = |field: &str| text.contains(field);
                    Screen::http(has("Sec-WebSocket-Protocol"), has("Sec-WebSocket-Extensions"))
                }
            };
            drop(text);
            *self = Spy::Reads(screen);
            return self.read(&head);
        }
        let Spy::Reads(screen) = self else { return Vec::new() };
        let seen = screen.feed(bytes).into_iter();
        seen.filter_map(|seen| match seen {
            Seen::Line(line) | Seen::Text(line) => Some(line),
            _ => None,
        })
        .collect()
    }
}

/// The numbers that what is said has: behind an `m`, at the beginning of a word.
fn numbers(text: &str) -> impl Iterator<Item = u64> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| {
        let number = word.strip_prefix("GET").or(word.strip_prefix('P')).unwrap_or(word);
        number.strip_prefix('m')?.parse().ok()
    })
}
