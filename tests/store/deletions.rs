//! Messages that are deleted: what is left of them, and that the disk has nothing else of them.

use super::*;
use std::ops::Range;

use chat_server::store::RulesChange;

/// A word that others have no part of, so that the index has it in one piece.
const WORD: &str = "xylophonist";
const OTHER: &str = "quetzalcoatl";

fn at_once() -> StoreSettings {
    StoreSettings { scrub_every: Duration::ZERO, ..StoreSettings::default() }
}

fn deleted(room: u64, id: u64) -> Change {
    Change::Deleted { room, id }
}

/// The files that have a word, journals as well. Some come and go.
fn files_with(scratch: &Scratch, word: &str) -> Vec<String> {
    let entries = fs::read_dir(&scratch.0).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8"));
    let has = |bytes: &[u8]| memchr::memmem::find(bytes, word.as_bytes()).is_some();
    names.filter(|name| fs::read(scratch.0.join(name)).is_ok_and(|bytes| has(&bytes))).collect()
}

/// Search finds all that there is to find.
#[track_caller]
fn wait_until_found(scratch: &Scratch) {
    let began = Instant::now();
    while !tools::check(&scratch.0).expect("it is sound").ends_with("finds all of them") {
        assert!(began.elapsed() < DEADLINE, "{:?}", tools::check(&scratch.0));
        thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn wait_until(scratch: &Scratch, word: &str, is_over: impl Fn(&[String]) -> bool) {
    let began = Instant::now();
    while !is_over(&files_with(scratch, word)) {
        assert!(began.elapsed() < DEADLINE, "{:?}", files_with(scratch, word));
        thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn wait_until_gone(scratch: &Scratch, word: &str) {
    wait_until(scratch, word, <[String]>::is_empty);
}

/// Everywhere where it is before it is deleted.
#[track_caller]
fn wait_until_indexed(scratch: &Scratch, word: &str) {
    let is_indexed = |files: &[String]| files.iter().any(|name| name.starts_with("search.db"));
    wait_until(scratch, word, is_indexed);
    assert!(files_with(scratch, word).iter().any(|name| name.starts_with("history.db")));
}

/// So many messages, one of which has the word.
fn filled_with(store: &mut SqliteStore, count: u64, at: u64, word: &str) {
    let text = |id| match id == at {
        true => format!("the {word} plays"),
        false => format!("message {id} of many, some of which are longer than others"),
    };
    let mut changes = vec![opened(1, "#a", 1)];
    changes.extend((1..=count).map(|id| said(1, id, &text(id))));
    append(store, 1, changes);
}

#[test]
fn what_was_deleted_is_on_the_disk_nowhere() {
    let scratch = Scratch::new();
    let (mut store, _) = open_with(&scratch, at_once());
    filled_with(&mut store, 3000, 1500, WORD);
    wait_until_indexed(&scratch, WORD);
    append(&mut store, 2, vec![deleted(1, 1500), said(1, 3001, "more")]);
    wait_until_gone(&scratch, WORD);

    let tombstone = StoredMessage { text: "".into(), is_action: false, ..message(1500, "") };
    let found = store.reader().page(&page(1, 1499, 1502)).expect("a page");
    assert_eq!(ids(&found), [1499, 1500, 1501]);
    assert_eq!(found[1], tombstone);
    let deleted = |ids: Range<u64>| store.reader().deleted(1, ids).expect("they can be read");
    assert_eq!((deleted(0..u64::MAX), deleted(1500..1501)), (vec![1500], vec![1500]));
    assert_eq!((deleted(1..1500), deleted(1501..3002)), (Vec::new(), Vec::new()));
    let backup = Scratch::new();
    fs::create_dir(&backup.0).expect("a directory");
    tools::backup(&scratch.0, &backup.0.join("copy.db")).expect("a backup");
    assert_eq!(files_with(&backup, WORD), Vec::<String>::new());
    wait_until_found(&scratch);
    close(store);
    let (store, loaded) = open_with(&scratch, at_once());
    assert_eq!((loaded.rooms[0].first_id, loaded.rooms[0].next_id), (1, 3002));
    close(store);
}

/// Of the server that crashes, the journals have it still.
#[test]
fn what_was_deleted_before_a_crash_is_gone_soon_after_it() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    filled_with(&mut store, 300, 7, WORD);
    append(&mut store, 2, vec![said(1, 301, OTHER)]);
    wait_until_indexed(&scratch, OTHER);
    append(&mut store, 3, vec![deleted(1, 7)]);
    // The first one is looked at at once, and the next an hour later.
    wait_until_gone(&scratch, WORD);
    append(&mut store, 4, vec![deleted(1, 301)]);
    let copy = Scratch::new();
    fs::create_dir(&copy.0).expect("a directory");
    for (name, bytes) in contents(&scratch) {
        fs::write(copy.0.join(name), bytes).expect("a copy");
    }
    assert!(!files_with(&copy, OTHER).is_empty(), "it is in a journal");
    close(store);
    let (store, loaded) = open_with(&copy, at_once());
    assert_eq!(&*loaded.rooms[0].newest.last().expect("a message").text, "");
    wait_until_gone(&copy, OTHER);
    close(store);
}

#[test]
fn an_index_that_is_made_anew_has_nothing_of_it() {
    let scratch = Scratch::new();
    let (mut store, _) = open_with(&scratch, at_once());
    filled_with(&mut store, 100, 50, WORD);
    append(&mut store, 2, vec![deleted(1, 50)]);
    wait_until_found(&scratch);
    close(store);
    fs::remove_file(scratch.0.join("search.db")).expect("an index");
    let (store, _) = open_with(&scratch, at_once());
    wait_until_found(&scratch);
    assert_eq!(files_with(&scratch, WORD), Vec::<String>::new());
    close(store);
}

#[test]
fn what_has_expired_meanwhile_is_deleted_by_nobody() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, vec![opened(1, "#a", 5), said(1, 5, "x")]);
    append(&mut store, 2, vec![deleted(1, 4), deleted(1, 5), deleted(1, 5)]);
    close(store);
    let (store, loaded) = open(&scratch);
    assert_eq!(loaded.rooms[0].newest.len(), 1);
    close(store);
}

#[test]
fn a_tombstone_is_exported() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, vec![opened(1, "#a", 3), said(1, 3, "waves"), deleted(1, 3)]);
    let export = |format| {
        let mut out = Vec::new();
        tools::export(&scratch.0, ("#a", "#a"), format, &mut out).expect("a room");
        String::from_utf8(out).expect("UTF-8")
    };
    assert_eq!(export(Format::Text), "2026-11-22T13:05:09Z <álice> [message removed]\n");
    assert_eq!(
        export(Format::Json),
        "{\"id\":3,\"time\":1795352709003,\"name\":\"álice\",\"deleted\":true}\n"
    );
    assert!(export(Format::Html).contains("<b>álice</b> <i>message removed</i></p>"));
    close(store);
}

#[test]
fn of_a_room_that_was_deleted_the_disk_has_no_words() {
    let scratch = Scratch::new();
    let (mut store, _) = open_with(&scratch, at_once());
    append(&mut store, 1, vec![opened(2, "#b", 1), said(2, 1, "that stays")]);
    let text = |id| if id == 7 { format!("the {WORD} plays") } else { format!("message {id}") };
    let mut changes = vec![opened(1, "#a", 1)];
    changes.extend((1..=100).map(|id| said(1, id, &text(id))));
    append(&mut store, 2, changes);
    wait_until_indexed(&scratch, WORD);
    let emptied = Change::Rules(RulesChange::Emptied { room: 1 });
    append(&mut store, 3, vec![deleted(1, 8), emptied, Change::RoomClosed { room: 1 }]);
    wait_until_gone(&scratch, WORD);
    wait_until_found(&scratch);
    close(store);
    let (store, loaded) = open_with(&scratch, at_once());
    assert_eq!(loaded.rooms.len(), 1);
    close(store);
}

#[test]
fn of_what_has_expired_the_disk_has_no_words() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    filled_with(&mut store, 300, 7, WORD);
    wait_until_indexed(&scratch, WORD);
    wait_until_found(&scratch);
    close(store);
    // What was said in these tests was said days ago.
    let (store, _) = open_with(&scratch, StoreSettings { keep_days: Some(1), ..at_once() });
    wait_until_gone(&scratch, WORD);
    close(store);
}
