//! Search, with a reader that has what it is given.

#[path = "../../../tests/common/nowhere.rs"]
mod nowhere;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use nowhere::{Nowhere, nothing};

use super::stage::{JSON, LINES, Stage, Visit, settings};
use crate::chat::Chat;
use crate::chat::settings::ChatSettings;
use crate::delivery::Wait;
use crate::service::{Outcome, Service};
use crate::store::{
    Found, FoundRoom, Hit, PageRequest, Reader, SearchRequest, StoreError, StoredMessage,
    StoredRoom,
};
use crate::throttle::Rate;

/// Answers with what stands in `answers`, the first one first, and notes what it was asked.
#[derive(Debug, Default)]
struct Answers {
    answers: Mutex<Vec<Result<Found, StoreError>>>,
    asked: Mutex<Vec<SearchRequest>>,
}

impl Reader for Answers {
    fn room(&self, key: &str, _: &[Box<str>], _: usize, _: usize) -> Result<FoundRoom, StoreError> {
        let room = (key == "#old").then(|| StoredRoom {
            room: 7,
            name: "#old".into(),
            topic: "".into(),
            first_id: 1,
            next_id: 2,
            newest: Vec::new(),
        });
        Ok(FoundRoom { room, alike: None })
    }

    fn page(&self, _: &PageRequest) -> Result<Vec<StoredMessage>, StoreError> {
        Ok(Vec::new())
    }

    fn deleted(&self, _: u64, _: Range<u64>) -> Result<Vec<u64>, StoreError> {
        Ok(Vec::new())
    }

    fn search(&self, search: &SearchRequest) -> Result<Found, StoreError> {
        self.asked.lock().expect("no panic").push(search.clone());
        self.answers.lock().expect("no panic").remove(0)
    }
}

struct Search {
    stage: Stage,
    answers: Arc<Answers>,
}

impl Search {
    fn new(settings: ChatSettings) -> Search {
        let answers = Arc::new(Answers::default());
        let store = Box::new(Nowhere::new(answers.clone()));
        let mut stage = Stage::new(settings.clone());
        stage.chat = Chat::with_store(settings, store, nothing());
        Search { stage, answers }
    }

    fn will_find(&self, answer: Result<Found, StoreError>) {
        self.answers.answers.lock().expect("no panic").push(answer);
    }

    fn last_asked(&self) -> SearchRequest {
        self.answers.asked.lock().expect("no panic").pop().expect("it was asked")
    }

    /// Does the slow work that was given away.
    fn work(&mut self) {
        for job in self.stage.chat.take_jobs() {
            let answer = (job.run)();
            self.stage.chat.completed(job.ticket, answer, &mut self.stage.out);
        }
    }

    /// Says something that waits for the store, and is done when that has answered.
    #[track_caller]
    fn search(&mut self, name: &str, text: &str, answer: Result<Found, StoreError>) {
        self.will_find(answer);
        let outcome = self.stage.offer(name, text.as_bytes());
        assert!(matches!(outcome, Outcome::Blocked(Wait::Ticket(_))), "{outcome:?}");
        let again = self.stage.offer(name, text.as_bytes());
        assert_eq!(again, outcome, "it asks once");
        self.work();
        assert_eq!(self.stage.offer(name, text.as_bytes()), Outcome::Done);
        assert_eq!(self.stage.chat.held_bytes(), 0);
    }
}

fn hit(room: &str, id: u64, author: &str, text: &str) -> Hit {
    let (author, text) = (author.into(), text.into());
    let message = StoredMessage {
        id,
        unix_ms: 1_795_352_709_000 + id,
        is_action: id == 2,
        author,
        text,
        account: None,
    };
    Hit { room_id: 7, room: room.into(), message }
}

fn found(next: Option<u64>) -> Found {
    Found { hits: vec![hit("#dev", 3, "bob", "端末"), hit("#lobby", 2, "alice", "waves")], next }
}

#[test]
fn a_terminal_is_shown_the_newest_last_and_goes_on_with_search_alone() {
    let mut search = Search::new(settings());
    search.stage.seat(&["alice"]);
    search.search("alice", "/search 端末 in:#old", Ok(found(Some(41))));
    search.stage.play(
        "@+0
        alice< * The last 2 messages found (UTC); /search shows older ones:
        alice< *   2026-11-22 13:05:09 #lobby (2) * alice waves
        alice< *   2026-11-22 13:05:09 #dev (3) bob: 端末",
    );
    let asked = search.last_asked();
    assert_eq!((&*asked.words, asked.rooms, asked.cursor), ("端末", Some(vec![7]), None));
    search.search("alice", "/search", Ok(found(None)));
    search.stage.play(
        "@+0
        alice< * Found 2 messages (UTC):
        alice< *   2026-11-22 13:05:09 #lobby (2) * alice waves
        alice< *   2026-11-22 13:05:09 #dev (3) bob: 端末",
    );
    let asked = search.last_asked();
    assert_eq!((&*asked.words, asked.rooms, asked.cursor), ("端末", Some(vec![7]), Some(41)));
    search.stage.play(
        "alice> /search
        alice< ! There is nothing more to show. Search with /search WORDS.",
    );
    search.search("alice", "/search nothing", Ok(Found::default()));
    search.stage.play("@+0\nalice< * Nothing was found.");
}

#[test]
fn a_program_gets_the_newest_first_and_where_the_next_page_begins() {
    let mut search = Search::new(settings());
    search.stage.open("web", JSON, Visit { name: Some("web"), room: None });
    search.stage.hear("web");
    let request = r##"{"type":"search","text":"端末 from:bob","room":"#old","before":99,"limit":1000,"ref":1}"##;
    search.search("web", request, Ok(found(Some(41))));
    search.stage.play(
        r##"@+0
        web< {"type":"found","hits":[{"room":"#dev","id":3,"time":1795352709003,"name":"bob","text":"端末"},{"room":"#lobby","id":2,"time":1795352709002,"name":"alice","text":"waves","me":true}],"next":41,"ref":1}"##,
    );
    let asked = search.last_asked();
    assert_eq!((&*asked.words, asked.from.as_deref()), ("端末", Some("bob")));
    assert_eq!((asked.rooms, asked.cursor, asked.hits_max), (Some(vec![7]), Some(99), 50));
}

#[test]
fn with_a_room_there_need_not_be_any_words() {
    let mut search = Search::new(settings());
    search.stage.open("web", JSON, Visit { name: Some("web"), room: None });
    search.stage.hear("web");
    for text in ["", "before:2026-11-01"] {
        let request = format!(r##"{{"type":"search","text":"{text}","room":"#old"}}"##);
        search.search("web", &request, Ok(Found::default()));
        let asked = search.last_asked();
        assert_eq!((&*asked.words, asked.rooms), ("", Some(vec![7])));
        assert_eq!(asked.before_ms.is_some(), !text.is_empty());
    }
}

#[test]
fn what_cannot_be_searched_for_is_refused_at_once() {
    let mut search = Search::new(settings());
    search.stage.open("web", JSON, Visit { name: Some("web"), room: None });
    search.stage.hear("web");
    search.stage.play(
        r##"web> {"type":"search","text":"?!"}
        web< {"type":"error","code":"search_refused","message":"There is no word in that to search for."}
        web> {"type":"search","text":"a in:#b","room":"#b"}
        web< {"type":"error","code":"search_refused","message":"Only one in: can be given."}
        web> {"type":"search","text":"a in:#"}
        web< {"type":"error","code":"no_such_room","message":"_"}
        web> {"type":"search"}
        web< {"type":"error","code":"missing_field","message":"_"}"##,
    );
    assert!(search.stage.chat.take_jobs().is_empty());
}

#[test]
fn a_room_to_search_in_is_one_that_there_is() {
    let mut search = Search::new(settings());
    search.stage.seat(&["alice"]);
    for (typed, told) in [
        ("/search a in:#none", "! There is no room \"#none\". /rooms lists those that there are."),
        ("/search a in:#lobby", "* Nothing was found."),
    ] {
        let waits = search.stage.offer("alice", typed.as_bytes());
        assert!(matches!(waits, Outcome::Blocked(Wait::Ticket(_))), "{waits:?}");
        search.work();
        assert_eq!(search.stage.offer("alice", typed.as_bytes()), Outcome::Done);
        search.stage.play(&format!("@+0\nalice< {told}"));
    }
}

#[test]
fn errors_of_the_store_are_told() {
    let mut search = Search::new(settings());
    search.stage.seat(&["alice"]);
    search.search("alice", "/search a", Err(StoreError::TooSlow));
    search.stage.play("@+0\nalice< ! That takes too long: look for more, or rarer, words.");
    search.search("alice", "/search a", Err(StoreError::Failed("the disk is gone".into())));
    search.stage.play("@+0\nalice< ! The disk is gone.");
}

#[test]
fn where_nothing_is_kept_there_is_nothing_to_search() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice"]);
    stage.play(
        "alice> /search hello
        alice< ! Nothing is kept here (--data none), so there is nothing to search.",
    );
    assert!(stage.chat.take_jobs().is_empty());
}

#[test]
fn a_search_costs_as_much_as_five_messages() {
    let rate = Rate::limited(10, 1).expect("a rate");
    let mut search = Search::new(ChatSettings { rate, ..settings() });
    search.stage.seat(&["alice"]);
    search.search("alice", "/search a", Ok(Found::default()));
    search.search("alice", "/search a", Ok(Found::default()));
    let waits = search.stage.offer("alice", b"/search a");
    assert!(matches!(waits, Outcome::Blocked(Wait::Time(_))), "{waits:?}");
    assert!(search.stage.chat.take_jobs().is_empty(), "it is not looked up before its time");
}

#[test]
fn one_that_goes_leaves_nothing_behind() {
    let mut search = Search::new(settings());
    search.stage.open("alice", LINES, Visit { name: Some("alice"), room: None });
    search.stage.hear("alice");
    search.will_find(Ok(found(None)));
    search.stage.offer("alice", b"/search a");
    search.stage.leave("alice");
    search.work();
    assert_eq!(search.stage.chat.held_bytes(), 0);
    // The next one in its place has asked nothing.
    search.stage.turn();
    search.stage.seat(&["bob"]);
    search.search("bob", "/search b", Ok(Found::default()));
    search.stage.play("@+0\nbob< * Nothing was found.");
}

#[test]
fn what_was_found_and_not_told_is_held() {
    let mut search = Search::new(settings());
    search.stage.seat(&["alice"]);
    search.will_find(Ok(found(None)));
    search.stage.offer("alice", b"/search a");
    assert_eq!(search.stage.chat.held_bytes(), 0);
    search.work();
    let held = search.stage.chat.held_bytes();
    assert!(held > 20, "{held}");
    assert_eq!(search.stage.chat.held_bytes_of(search.stage.id("alice")), held);
}

#[test]
fn memory_is_asked_for_before_it_is_looked_up_and_not_again() {
    let mut search = Search::new(settings());
    search.stage.seat(&["alice"]);
    search.stage.out.set_service_bytes(usize::MAX / 8 * 7);
    assert_eq!(search.stage.offer("alice", b"/search a"), Outcome::Blocked(Wait::Memory));
    search.stage.out.set_service_bytes(0);
    search.will_find(Ok(Found::default()));
    let waits = search.stage.offer("alice", b"/search a");
    assert!(matches!(waits, Outcome::Blocked(Wait::Ticket(_))), "{waits:?}");
    search.stage.out.set_service_bytes(usize::MAX / 8 * 7);
    assert_eq!(search.stage.offer("alice", b"/search a"), waits);
    search.work();
    assert_eq!(search.stage.offer("alice", b"/search a"), Outcome::Done);
}
