//! What of the page comes after its first part, and what is asked of it before.

use serde_json::json;

use super::{Driver, Page, chat, read_until, terminal};

/// What comes later waits until the test lets it come.
const HOLD: &str = "const { send } = XMLHttpRequest.prototype; \
    XMLHttpRequest.prototype.send = function () { window.arrive = () => send.call(this); }";

impl Page<'_> {
    /// The page, without what comes later of it.
    fn open_first_part(&self, url: &str) {
        self.open(url);
        self.wait_until("a line", "document.body.dataset.state === 'online'");
        self.wait_until("the room", "!document.querySelector('#log').matches('.waiting')");
        self.wait_until("the rest is asked for", "Boolean(window.arrive)");
        assert_eq!(self.count("dialog"), 0);
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_is_asked_for_before_all_of_the_page_is_there_is_done_when_it_is() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.run_before_each_page(HOLD);
    let url = format!("http://{}/?name=alice&room=dev", server.address);
    let mut carol = terminal(&server, "carol", "dev");

    // One reads and writes without it.
    alice.open_first_part(&url);
    carol.send(b"**read** this: https://example.org/\r\n");
    alice.wait_said(&["carol: read this: https://example.org/"]);
    alice.say("and write");
    assert_eq!(read_until(&mut carol, "alice: "), "[#dev] alice: and write\r\n");
    // Clicks, and keys.
    alice.click("#open-settings");
    alice.run("arrive()");
    alice.wait_until("settings", "document.querySelector('#settings').open");

    // Who goes on writing does not wait for it.
    alice.open_first_part(&url);
    alice.click("#open-settings");
    alice.type_into("#composer", "well");
    alice.run("arrive()");
    alice.wait_until("the rest", "Boolean(document.querySelector('dialog'))");
    alice.press(",");
    assert_eq!(alice.count("dialog[open]"), 0);
    alice.run("document.querySelector('#composer').value = ''");

    alice.open_first_part(&url);
    alice.type_into("#composer", "\u{E009}k\u{E000}");
    alice.run("arrive()");
    alice.wait_until("the switcher", "document.querySelector('#browse').open");

    // Commands, and what Tab completes.
    alice.open_first_part(&url);
    alice.say("/topic ships");
    let text = "document.querySelector('#composer').value";
    assert_eq!(alice.run(&format!("return {text}")), "/topic ships");
    alice.run("arrive()");
    assert_eq!(read_until(&mut carol, "topic"), "* alice set the topic of #dev: ships\r\n");
    alice.wait_until("the box is empty", &format!("{text} === ''"));

    alice.open_first_part(&url);
    alice.press("ca\u{E004}");
    assert_eq!(alice.run(&format!("return {text}")), "ca");
    assert_eq!(alice.run("return document.activeElement.id"), "composer");
    alice.run("arrive()");
    alice.wait_until("it is completed", &format!("{text} === {}", json!("carol: ")));
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn nothing_is_read_before_it_can_be_gone_to() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    alice.open("about:blank");
    for number in 1..=150 {
        carol.send(format!("new {number}\r\n").as_bytes());
    }
    // The newest come with the room; the first of what is new does not.
    alice.run_before_each_page(HOLD);
    alice.open_first_part(&format!("http://{}/", server.address));
    let newest = "/new 150/.test(document.querySelector('#messages').lastChild.textContent)";
    alice.wait_until("the newest", newest);
    let unread = "document.querySelector('[data-room=\"#dev\"] .unread').textContent";
    alice.wait_until("all is unread", &format!("{unread} === '99+'"));
    alice.run("arrive()");
    let missed = "/^150 new since/.test(document.querySelector('#missed span').textContent)";
    alice.wait_until("it is gone to", missed);
    let first = "document.querySelector('#log .new').nextElementSibling.textContent";
    alice.wait_until("the first", &format!("/new 1$/.test({first})"));
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_could_not_be_loaded_is_tried_again_when_it_is_needed() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    // The first time what comes is a page that says that there is none.
    alice.run_before_each_page(
        "const { open } = XMLHttpRequest.prototype; window.tries = 0; \
         XMLHttpRequest.prototype.open = function (method, url) { \
             open.call(this, method, window.tries++ ? url : `${url}x`); }",
    );
    alice.open(&format!("http://{}/?name=alice&room=dev", server.address));
    alice.wait_until("it was tried", "tries > 0");
    // Who only writes hears nothing of it.
    alice.say("hello");
    alice.wait_said(&["alice: hello"]);
    assert_eq!(alice.count("#notice:not([hidden])"), 0);
    alice.click("#open-help");
    alice.wait_until("the help", "document.querySelector('#help').open");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn who_is_writing_already_is_not_asked_for_a_name_in_mid_word() {
    let server = chat(&[]);
    let driver = Driver::start();
    let guest = driver.browser("en-US");
    guest.run_before_each_page(HOLD);
    guest.open_first_part(&format!("http://{}/", server.address));
    guest.press("half a sen");
    guest.run("arrive()");
    guest.wait_until("the offer", "!document.querySelector('#notice').hidden");
    guest.press("tence");
    assert_eq!(guest.count("dialog[open]"), 0);
    assert_eq!(guest.run("return document.querySelector('#composer').value"), "half a sentence");
    guest.click("#notice-actions button");
    guest.wait_until("the question", "document.querySelector('#ask').open");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn an_error_before_the_words_for_it_is_told_by_the_server() {
    if Driver::is_firefox() {
        return; // nobody keeps it from fetching something
    }
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    alice.new_room("news", "all");
    alice.say("/room posting moderators");
    let silent = "/only moderators/.test(document.querySelector('#log').textContent)";
    alice.wait_until("only she talks", silent);
    let bob = driver.browser("ja");
    let block = |urls: &[&str]| {
        for (cmd, params) in
            [("Network.enable", json!({})), ("Network.setBlockedURLs", json!({ "urls": urls }))]
        {
            bob.command("goog/cdp/execute", &json!({ "cmd": cmd, "params": params }));
        }
    };
    block(&["*/words/later/*"]);
    bob.open(&format!("http://{}/?name=bob&room=news", server.address));
    bob.wait_until("a line", "document.body.dataset.state === 'online'");
    bob.wait_until("the room", "!document.querySelector('#log').matches('.waiting')");
    bob.say("hello");
    bob.wait_until("why", "Boolean(document.querySelector('.failed .fate'))");
    let said = bob.text(".fate");
    assert!(said.contains("Only the owner and moderators talk in #news."), "{said}");
    block(&[]);
    let words = "送信できませんでした：モデレーターだけが書き込めます。";
    let fate = format!("document.querySelector('.fate').firstChild.textContent === '{words}'");
    bob.wait_until("in other words", &fate);
}
