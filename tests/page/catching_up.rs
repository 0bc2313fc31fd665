//! Who comes back to a room reads on where they left it.

use serde_json::json;

use super::{Driver, Page, chat, terminal};
use crate::common::Client;

impl Page<'_> {
    /// The message that stands highest in the log.
    fn on_top(&self) -> String {
        let script = "const top = document.querySelector('#log').getBoundingClientRect().top; \
            const row = [...document.querySelectorAll('#log [data-id]')] \
                .find((one) => one.getBoundingClientRect().bottom > top + 1); \
            return row?.querySelector('.text').textContent ?? ''";
        self.run(script).as_str().expect("a text").to_owned()
    }

    #[track_caller]
    fn wait_first_new(&self, text: &str) {
        let next = "document.querySelector('#log .new')?.nextElementSibling\
                    .querySelector('.text').textContent";
        self.wait_until("the line", &format!("{next} === {}", json!(text)));
        let is_in_sight = "(() => { \
            const log = document.querySelector('#log').getBoundingClientRect(); \
            const line = document.querySelector('#log .new').getBoundingClientRect(); \
            return line.top >= log.top - 1 && line.bottom <= log.bottom })()";
        self.wait_until("it is in sight", is_in_sight);
    }

    #[track_caller]
    fn wait_missed(&self, pattern: &str) {
        let shown = "!document.querySelector('#missed').hidden";
        let text = "document.querySelector('#missed span').textContent";
        self.wait_until(pattern, &format!("{shown} && /{pattern}/.test({text})"));
    }
}

fn say_many(client: &mut Client, what: &str, count: usize) {
    for number in 1..=count {
        client.send(format!("{what} {number}\r\n").as_bytes());
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_room_is_opened_where_what_is_new_begins() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    say_many(&mut carol, "old", 60);
    let old = "document.querySelectorAll('#log [data-id]').length === 60";
    alice.wait_until("what is old", old);
    alice.wait_unread("room=\"#dev\"", "");

    // More than is replayed is said while nobody has the page open.
    alice.open("about:blank");
    say_many(&mut carol, "new", 150);
    alice.open(&format!("http://{}/", server.address));
    alice.wait_online();
    alice.wait_first_new("new 1");
    alice.wait_missed("^150 new since \\d+:\\d\\d");
    alice.wait_until(
        "as much is read as is in sight",
        "(() => { const { textContent } = document.querySelector('[data-room=\"#dev\"] .unread'); \
          return textContent === '99+' || (Number(textContent) > 50 && Number(textContent) < 150) \
        })()",
    );

    // It can be read on from there to its end.
    for _ in 0..40 {
        alice.run("document.querySelector('#log').scrollTop = 1e6");
        if alice.run("return document.querySelector('#latest').hidden") == true {
            break;
        }
        alice.run("return new Promise((done) => setTimeout(done, 100))");
    }
    alice.wait_unread("room=\"#dev\"", "");
    alice.wait_until("nothing is missed", "document.querySelector('#missed').hidden");
    assert!(alice.said().windows(2).any(|pair| pair == ["carol: new 74", "carol: new 75"]));

    // Or be left alone.
    alice.open("about:blank");
    say_many(&mut carol, "more", 100);
    alice.open(&format!("http://{}/", server.address));
    alice.wait_first_new("more 1");
    alice.click("#latest");
    alice.wait_until("the end", "document.querySelector('#latest').hidden");
    alice.wait_unread("room=\"#dev\"", "");

    alice.open("about:blank");
    say_many(&mut carol, "even more", 100);
    alice.open(&format!("http://{}/", server.address));
    alice.wait_first_new("even more 1");
    alice.run("document.querySelector('#log').scrollTop = 0");
    alice.click("#missed-jump");
    alice.wait_first_new("even more 1");
    alice.click("#missed-read");
    alice.wait_unread("room=\"#dev\"", "");
    alice.wait_until("nothing is missed", "document.querySelector('#missed').hidden");
    alice.command("refresh", &json!({}));
    alice.wait_online();
    alice.wait_until("the end", "/even more 100/.test(document.querySelector('#log').textContent)");
    assert_eq!(alice.count("#log .new"), 0, "it stays read");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_window_without_the_focus_reads_nothing() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    say_many(&mut carol, "seen", 3);
    alice.wait_said(&["carol: seen 1", "carol: seen 2", "carol: seen 3"]);
    alice.run("document.hasFocus = () => false");
    say_many(&mut carol, "meanwhile", 40);
    alice.wait_unread("room=\"#dev\"", "40");
    alice.wait_until("the title says so", "document.title.startsWith('(40) ')");
    alice.run("delete document.hasFocus; window.dispatchEvent(new Event('focus'))");
    alice.wait_first_new("meanwhile 1");
    alice.wait_missed("^40 new since");
    alice.click("#latest");
    alice.wait_unread("room=\"#dev\"", "");

    // From a message on, all is unread again, for a guest as well, and after a reload.
    alice.run("document.querySelector('#log [data-id=\"42\"] .more').click()");
    alice.pick("#person", "Mark as unread from here");
    alice.wait_unread("room=\"#dev\"", "2");
    alice.command("refresh", &json!({}));
    alice.wait_until("the line", "document.querySelectorAll('#log .new').length === 1");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn who_reads_back_finds_the_place_again_and_the_beginning_only_where_it_is() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    say_many(&mut carol, "line", 120);
    let alice = driver.page(server.address, "alice", "dev");
    alice.say("/join #ops");
    alice.wait_shown("ops");
    let begins = "/This is where/.test(document.querySelector('#log .top').textContent)";
    alice.wait_until("a room without messages begins", begins);
    alice.click("#rooms [data-room=\"#dev\"]");
    alice.wait_shown("dev");
    alice.wait_until("the newest", "/line 120/.test(document.querySelector('#log').textContent)");
    assert_eq!(alice.run(&format!("return {begins}")), false, "there is more above");

    alice.run("document.querySelector('#log [data-id=\"90\"]').scrollIntoView()");
    alice.wait_until("reading back", "!document.querySelector('#latest').hidden");
    let place = alice.on_top();
    for _ in 0..2 {
        alice.click("#rooms [data-room=\"#ops\"]");
        alice.wait_shown("ops");
        alice.click("#rooms [data-room=\"#dev\"]");
        alice.wait_shown("dev");
        assert_eq!(alice.on_top(), place);
    }

    // The first message is where the room begins.
    alice.run("document.querySelector('#log').scrollTop = 0");
    alice.wait_until("older ones", "document.querySelector('#log [data-id=\"30\"]') !== null");
    alice.run("document.querySelector('#log').scrollTop = 0");
    alice.wait_until("all of them", "document.querySelector('#log [data-id=\"1\"]') !== null");
    alice.wait_until("the beginning", begins);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_a_guest_has_said_last_is_no_news_to_it() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    alice.say("good night");
    alice.wait_said(&["alice: good night"]);
    alice.open(&format!("http://{}/", server.address));
    alice.wait_said(&["alice: good night"]);
    alice.wait_until("all of the page", "Boolean(document.querySelector('#missed'))");
    assert_eq!(alice.count("#log .new, #missed:not([hidden])"), 0);
    assert_eq!(
        alice.run("return document.querySelector('[data-room=\"#dev\"] .unread').textContent"),
        ""
    );
}
