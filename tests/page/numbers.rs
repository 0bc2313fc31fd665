//! Many people, many rooms, many messages; and the first of them.

use serde_json::json;

use super::{Driver, Page, chat, terminal};
use crate::common::Client;

const DOWN: &str = "\u{E015}";
const ESCAPE: &str = "\u{E00C}";

impl Page<'_> {
    fn rooms(&self) -> String {
        let names = "return [...document.querySelectorAll('#rooms button')] \
                     .map(({ dataset }) => dataset.room).join(' ')";
        self.run(names).as_str().expect("a text").to_owned()
    }

    fn shown_members(&self) -> String {
        let names = "return [...document.querySelectorAll('#members [data-name]')] \
                     .map(({ dataset }) => dataset.name).join(' ')";
        self.run(names).as_str().expect("a text").to_owned()
    }

    #[track_caller]
    fn wait_rooms(&self, expected: &str) {
        let rooms = "[...document.querySelectorAll('#rooms button')] \
                     .map(({ dataset }) => dataset.room).join(' ')";
        self.wait_until(expected, &format!("{rooms} === '{expected}'"));
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn members_stand_by_name_and_are_found() {
    let server = chat(&["--rate-limit", "off", "--max-clients-per-address", "100"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "mallory", "dev");
    let _people: Vec<Client> =
        (1..=20).rev().map(|number| terminal(&server, &format!("user{number}"), "dev")).collect();
    let all = "document.querySelectorAll('#members li').length === 21";
    alice.wait_until("all of them", all);
    let shown = alice.shown_members();
    assert!(shown.starts_with("mallory user1 user2 user3 "), "{shown}");
    assert!(shown.ends_with(" user19 user20"), "{shown}");
    alice.type_into("#members-filter", "R2");
    alice.wait_until("who fits", "document.querySelectorAll('#members li').length === 2");
    assert_eq!(alice.shown_members(), "user2 user20");
    alice.type_into("#members-filter", DOWN);
    assert_eq!(alice.run("return document.activeElement.dataset.name"), "user2");
    alice.type_into("#members-filter", ESCAPE);
    alice.wait_until("all again", all);

    // Who came is one line.
    alice.wait_until(
        "one line",
        "document.querySelectorAll('#log .comings').length === 1 && \
         document.querySelector('#log .comings').textContent \
             === 'user20, user19, user18 and 17 more joined'",
    );
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn who_is_beyond_the_list_of_members_is_found() {
    let flags =
        ["--rate-limit", "off", "--connect-rate", "off", "--max-clients-per-address", "400"];
    let server = chat(&flags);
    let driver = Driver::start();
    let _people: Vec<Client> =
        (1..=310).map(|number| terminal(&server, &format!("user{number}"), "dev")).collect();
    let alice = driver.page(server.address, "alice", "dev");
    alice.wait_until("many", "document.querySelectorAll('#members li').length >= 300");
    assert_eq!(alice.count("#members [data-name=user310]"), 0);
    alice.run("document.querySelector('#people .roll').scrollTop = 1e6");
    let gap = "return document.querySelector('#members-more').getBoundingClientRect().top - \
        document.querySelector('#members li:last-child').getBoundingClientRect().bottom";
    assert_eq!(alice.text("#members-more"), "and 10 more");
    assert_eq!(alice.run(gap).as_f64(), Some(0.0), "they stand after the last one, and cut none");
    alice.type_into("#members-filter", "user310");
    alice.wait_until("who fits", "document.querySelectorAll('#members li').length === 1");
    assert_eq!(alice.shown_members(), "user310");
    assert_eq!(alice.text("#members-total"), "311");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn rooms_stand_by_what_is_new_in_them_and_what_is_below_is_pointed_at() {
    let server = chat(&["--rate-limit", "off", "--max-rooms-per-client", "100"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "a");
    for room in ["b", "c"] {
        alice.say(&format!("/join {room}"));
        alice.wait_shown(room);
        alice.wait_online();
    }
    let mut carol = terminal(&server, "carol", "a");
    carol.send(b"something new\r\n");
    alice.wait_unread("room=\"#a\"", "1");
    alice.wait_rooms("#a #b #c");
    alice.click("#rooms [data-room=\"#b\"]");
    alice.wait_shown("b");
    alice.click("#star");
    alice.wait_rooms("#b #a #c");
    alice.command("refresh", &json!({}));
    alice.wait_online();
    alice.wait_rooms("#b #a #c");
    assert_eq!(alice.run("return document.querySelector('#star').classList.contains('on')"), true);
    alice.run("window.dispatchEvent(new KeyboardEvent('keydown'))");

    // Reading moves nothing; Alt + arrows go by the list.
    alice.run(
        "document.querySelector('#composer').dispatchEvent(new KeyboardEvent('keydown', \
             { key: 'ArrowDown', altKey: true, bubbles: true }))",
    );
    alice.wait_shown("a");
    alice.wait_unread("room=\"#a\"", "");
    assert_eq!(alice.rooms(), "#b #a #c");

    let many: Vec<String> = (0..40).map(|number| format!("/join room{number}")).collect();
    alice.say_all(&many);
    alice.wait_until("many", "document.querySelectorAll('#rooms li').length === 43");
    alice.run("document.querySelector('#sidebar .lists').scrollTop = 0");
    alice.wait_until("nothing below is new", "document.querySelector('#unread-below').hidden");
    carol.send(b"/msg alice psst\r\n");
    let pointed = "!document.querySelector('#unread-below').hidden && \
        document.querySelector('#unread-below').textContent === '1 more unread'";
    alice.wait_until("what is below", pointed);
    // What the hint covers is not in sight, and the last of the list can be.
    let over = "const over = () => document.querySelector('#sidebar .lists').getBoundingClientRect().bottom \
        - document.querySelector('#directs button').getBoundingClientRect().bottom;";
    alice.run(&format!("{over} document.querySelector('#sidebar .lists').scrollTop -= over() - 2"));
    alice.wait_until("it is covered", &format!("(() => {{ {over} return over() > 0; }})()"));
    alice.run("return new Promise((done) => setTimeout(() => requestAnimationFrame(done)))");
    alice.wait_until("it is pointed at", pointed);
    alice.click("#unread-below");
    alice.wait_until("it is in sight", "document.querySelector('#unread-below').hidden");
    let is_clear = format!("(() => {{ {over} return over() >= 40; }})()");
    alice.wait_until("nothing of it is covered", &is_clear);
    // And above.
    alice.run("document.querySelector('#sidebar .lists').scrollTop = 1e6");
    alice.wait_until("nothing above is new", "document.querySelector('#unread-above').hidden");
    carol.send(b"/join c\r\nsomething\r\n");
    alice.wait_until("what is above", "!document.querySelector('#unread-above').hidden");
    alice.click("#unread-above");
    alice.wait_until("it is in sight", "document.querySelector('#unread-above').hidden");
    alice.run("document.querySelector('#directs [data-direct=carol]').click()");
    alice.wait_until("it is open", "document.querySelector('#title').textContent === 'carol'");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn rows_far_away_leave_the_page_and_come_back_without_a_jump() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    for number in 1..=480 {
        carol.send(format!("line {number}\r\n").as_bytes());
    }
    alice.wait_until(
        "the last",
        "document.querySelector('#messages').lastElementChild.dataset.id === '480'",
    );
    assert!(alice.count("#messages > li") <= 200);

    // Up a screen at a time: every message comes by, and what is in sight stays where it is.
    let top = "(() => { const top = document.querySelector('#log').getBoundingClientRect().top; \
        const row = [...document.querySelectorAll('#log [data-id]')] \
            .find((one) => one.getBoundingClientRect().bottom > top); \
        return [Number(row.dataset.id), row.getBoundingClientRect().top]; })()";
    let frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
    let scroll = |by: i32| {
        // So near the end it goes on to the end.
        let script = format!(
            "const log = document.querySelector('#log'); log.scrollTop += {by}; \
             const [id, before] = {top}; return {frames}.then(() => {{ \
                 const row = log.querySelector(`[data-id=\"${{id}}\"]`); \
                 const isEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60; \
                 return [id, before, isEnd ? before : row.getBoundingClientRect().top]; }})"
        );
        let place = alice.run(&script);
        // Browsers scroll by whole pixels.
        let moved = place[1].as_f64().zip(place[2].as_f64()).map(|(from, to)| (to - from).abs());
        assert!(moved.is_some_and(|moved| moved < 1.0), "{place} has jumped");
        assert!(alice.count("#messages > li") <= 200);
        place[0].as_u64().expect("an id")
    };
    let mut last = scroll(-500);
    for _ in 0..40 {
        let id = scroll(-500);
        assert!(id <= last && last - id <= 30, "from {last} to {id}");
        last = id;
    }
    assert_eq!(last, 1, "the first");
    // What is said meanwhile moves nothing.
    carol.send(b"meanwhile\r\n");
    alice.wait_until("it is known", "!document.querySelector('#latest').hidden");
    for _ in 0..40 {
        let id = scroll(500);
        assert!(id >= last && id - last <= 30, "from {last} to {id}");
        last = id;
    }
    alice.wait_until("the end", "document.querySelector('#latest').hidden");
    scroll(-4000);
    alice.wait_until("reading back", "!document.querySelector('#latest').hidden");
    alice.click("#latest");
    alice.wait_until(
        "the end",
        "/meanwhile/.test(document.querySelector('#messages').lastElementChild.textContent)",
    );
    assert!(alice.count("#messages > li") <= 200);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_first_visit_asks_for_a_name_and_leaving_asks_whether() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.open(&format!("http://{}/", server.address));
    alice.wait_until("the question", "document.querySelector('#ask').open");
    alice.type_into("#ask-input", "alice\u{E007}");
    alice.wait_notice("Others come in by this link: http");
    assert!(alice.text("#notice p").ends_with("/?room=lobby"));
    assert_eq!(alice.text("#me b"), "alice");
    alice.click("#notice-actions button");
    alice.wait_notice("The link is copied");
    alice.command("refresh", &json!({}));
    alice.wait_online();
    assert_eq!(alice.text("#me b"), "alice");
    assert_eq!(alice.count("dialog[open]"), 0, "it is asked once");

    alice.click("#leave");
    alice.wait_until("the question", "document.querySelector('#room').open");
    assert_eq!(alice.text("#room-title"), "Leave #lobby?");
    alice.run("document.querySelector('#room').close()");
    assert_eq!(alice.rooms(), "#lobby");
    alice.click("#leave");
    alice.wait_until("the question", "document.querySelector('#room').open");
    alice.click("#room [type=submit]");
    alice.wait_rooms("");
    alice.assert_no_complaints();
}
