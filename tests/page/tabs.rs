//! One person in several tabs of one browser.

use serde_json::{Value, json};

use super::{Driver, Page, chat, read_until, terminal};
use crate::common::Client;

impl Page<'_> {
    /// Opens another tab, and goes to it.
    fn new_tab(&self) -> Value {
        let opened = self.command("window/new", &json!({ "type": "tab" }));
        self.go_to(&opened["handle"]);
        opened["handle"].clone()
    }

    fn go_to(&self, tab: &Value) {
        self.command("window", &json!({ "handle": tab }));
    }
}

/// What is told in a room until this is said there.
#[track_caller]
fn lines_until(client: &mut Client, wanted: &str) -> String {
    let mut all = String::new();
    loop {
        let line = read_until(client, "");
        all.push_str(&line);
        if line.contains(wanted) {
            return all;
        }
    }
}

/// Counts what opens, and what is heard.
const COUNT: &str = "window.sockets = 0; window.tones = 0; window.shown = []; \
    const Real = WebSocket; window.WebSocket = class extends Real { \
        constructor(...all) { super(...all); window.sockets++; } }; \
    window.Notification = class { static permission = 'granted'; \
        static async requestPermission() { return 'granted'; } \
        constructor(title, { body }) { shown.push(`${title}: ${body}`); } close() {} }; \
    const { createOscillator } = AudioContext.prototype; \
    AudioContext.prototype.createOscillator = function () { \
        window.tones++; return createOscillator.call(this); };";

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_guest_with_several_tabs_is_one_person() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    let page = driver.browser("en-US");
    let url = format!("http://{}/?room=dev", server.address);
    page.open(&url);
    page.wait_online();
    page.stay_nameless();
    let name = page.text("#me b");
    assert!(name.starts_with("guest-"), "{name}");
    page.say("from the first");
    let first = page.window();

    // The second tab is the same guest, in the same rooms; nobody is told of it.
    let second = page.new_tab();
    page.open(&url);
    page.wait_online();
    assert_eq!(page.text("#me b"), name);
    page.wait_said(&[&format!("{name}: from the first")]);
    assert_eq!(page.text("#members-total"), "2");
    page.say("from the second");
    page.say("/join garden");
    page.wait_until("it is there", "document.querySelector('#title').textContent === '#garden'");
    page.wait_online();
    page.go_to(&first);
    let said = [format!("{name}: from the first"), format!("{name}: from the second")];
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    page.wait_said(&said);
    page.wait_until("the new room", "document.querySelectorAll('#rooms li').length === 2");
    assert_eq!(page.text("#notice p"), "");
    // Another name is the name of both.
    page.say("/nick zoe");
    page.wait_until("the name", "document.querySelector('#me b').textContent === 'zoe'");
    page.go_to(&second);
    page.wait_until("the name", "document.querySelector('#me b').textContent === 'zoe'");

    // Who leaves a room in one of them need not be told of it in the others.
    page.say("/leave #garden");
    page.wait_until("it is left", "document.querySelectorAll('#rooms li').length === 1");
    page.go_to(&first);
    page.wait_until("there, too", "document.querySelectorAll('#rooms li').length === 1");
    assert_eq!(page.text("#notice p"), "");

    // The one that has the connection goes: the other goes on, and nobody is told.
    page.go_to(&first);
    page.close_tab();
    page.go_to(&second);
    page.wait_until("the line is there", "document.body.dataset.state === 'online'");
    page.click("#rooms [data-room=\"#dev\"]");
    page.wait_online();
    page.say("still here");
    let told = lines_until(&mut carol, "still here");
    assert_eq!(told.matches("joined").count(), 1, "{told}");
    assert!(!told.contains("left") && !told.contains("welcome back"), "{told}");
    assert_eq!(page.text("#me b"), "zoe");

    // Who asks for another name in the address is somebody else.
    page.new_tab();
    page.open(&format!("http://{}/?name=yan&room=dev", server.address));
    page.wait_online();
    assert_eq!(page.text("#me b"), "yan");
    page.wait_members(&["carol", "yan", "zoe"]);
    page.assert_no_complaints_but_the_connection();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn on_a_shared_computer_nothing_is_left_of_a_guest() {
    let server = chat(&[]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    let page = driver.page(server.address, "alice", "dev");
    page.click("#open-settings");
    page.wait_until("the dialog", "document.querySelector('#settings').open");
    page.run("document.querySelector('#settings [name=theme]').value = 'dark'");
    page.click("#settings [type=submit]");
    page.wait_until("it is closed", "!document.querySelector('#settings').open");
    page.say("hello");
    page.wait_said(&["alice: hello"]);
    let first = page.window();
    page.new_tab();
    page.open(&format!("http://{}/", server.address));
    page.wait_until("one person", "document.querySelector('#me b').textContent === 'alice'");
    page.wait_online();

    // It is asked about first.
    page.type_into("#composer", "secret");
    page.click("#me");
    page.wait_until("the dialog", "document.querySelector('#ask').open");
    page.click("#ask-afresh");
    page.wait_view("afresh");
    page.type_into("#account", "\u{E00C}");
    page.wait_closed();
    assert_eq!(page.text("#me b"), "alice");

    page.click("#me");
    page.wait_until("the dialog", "document.querySelector('#ask').open");
    page.click("#ask-afresh");
    page.wait_view("afresh");
    page.submit();
    let is_new = "document.querySelector('#ask')?.open === true && \
        document.querySelector('#ask-title').textContent.startsWith('Welcome')";
    page.wait_until("somebody new is asked for a name", is_new);
    let about = "return [document.querySelector('#composer').value, \
        document.documentElement.dataset.theme, location.search, \
        document.querySelectorAll('#rooms li').length]";
    assert_eq!(page.run(about), json!(["", "", "?room=lobby", 1]));
    assert_ne!(page.text("#me b"), "alice");
    let kept = "return JSON.stringify([localStorage, sessionStorage])";
    assert!(!page.run(kept).as_str().expect("a text").contains("alice"));

    // Other tabs were of the same person, and of the page nothing is left to come back with.
    page.go_to(&first);
    page.wait_until(
        "nor there",
        "document.querySelector('#me b').textContent.startsWith('guest-')",
    );
    page.wait_online();
    assert_eq!(page.run("return document.documentElement.dataset.theme"), "");
    // Her place is kept for 30 s, and a line is waited for no longer.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert!(read_until(&mut carol, " left").contains("alice left #dev"));
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_guest_who_closes_the_only_tab_and_comes_back_is_the_same_at_once() {
    let server = chat(&[]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    let page = driver.page(server.address, "alice", "dev");
    page.say("here");
    let first = page.window();
    let second = page.new_tab();
    page.go_to(&first);
    page.close_tab();
    page.go_to(&second);
    page.run_before_each_page(
        "const { parse } = JSON; window.welcomes = []; JSON.parse = (text) => { \
             const frame = parse(text); \
             if (frame?.type === 'welcome') welcomes.push(`${frame.name} ${frame.resumed}`); \
             return frame; }",
    );
    page.open(&format!("http://{}/?name=alice&room=dev", server.address));
    page.wait_online();
    assert_eq!(page.run("return welcomes.join()"), "alice true");
    page.say("and back");
    let told = lines_until(&mut carol, "and back");
    assert!(!told.contains("now."), "no other name: {told}");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_is_read_in_a_tab_is_read_in_all_and_told_once() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    let page = driver.browser("en-US");
    page.run_before_each_page(COUNT);
    let url = format!("http://{}/?name=alice&room=dev", server.address);
    page.open(&url);
    page.wait_online();
    page.click("#composer");
    let first = page.window();
    let second = page.new_tab();
    page.run_before_each_page(COUNT);
    page.open(&url);
    page.wait_online();
    page.click("#composer");
    assert_eq!(page.run("return sockets"), 0, "the tabs share one");
    page.run("document.querySelector('#open-settings').click()");
    page.wait_until("the dialog", "document.querySelector('#settings').open");
    page.run("for (const one of document.querySelectorAll('#settings input')) if (!one.checked) one.click()");
    page.click("#settings [type=submit]");
    page.wait_until("it is closed", "!document.querySelector('#settings').open");
    page.run("window.tones = 0");

    // Nobody looks: the first of them tells.
    let looks = |tab: &Value, looks: bool| {
        page.go_to(tab);
        page.run(&format!(
            "document.hasFocus = () => {looks}; {}",
            if looks { "dispatchEvent(new Event('focus'))" } else { "" }
        ));
    };
    looks(&first, false);
    looks(&second, false);
    carol.send(b"alice: where are you?\r\n");
    carol.send(b"/msg alice psst\r\n");
    page.go_to(&first);
    page.wait_until("two notifications", "shown.length === 2");
    page.wait_until("the title", "document.title.startsWith('(2) ')");
    assert_eq!(page.run("return tones"), 2);
    page.go_to(&second);
    page.wait_until("the title", "document.title.startsWith('(2) ')");
    assert_eq!(page.run("return [shown.length, tones]"), json!([0, 0]));

    // Read in the one, it is read in the other.
    looks(&second, true);
    page.wait_until("the room is read", "document.title.startsWith('(1) ')");
    page.click("#directs button");
    page.wait_until("all is read", "document.title.startsWith('carol')");
    page.go_to(&first);
    page.wait_until("here, too", "!document.title.startsWith('(')");

    // While somebody looks at the second, the first says nothing.
    page.go_to(&second);
    carol.send(b"/msg alice and now?\r\nalice: now\r\n");
    page.wait_until("it is unread", "document.title.startsWith('(1) ')");
    page.run("return new Promise((done) => setTimeout(done, 1500))");
    assert_eq!(page.run("return [shown.length, tones]"), json!([0, 0]));
    page.go_to(&first);
    page.wait_until("here, too", "document.title.startsWith('(1) ')");
    assert_eq!(page.run("return [shown.length, tones]"), json!([2, 2]));
    page.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_line_that_breaks_is_one_line_again_and_every_tab_sends_what_it_has() {
    let server = chat(&["--rate-limit", "off"]);
    let wire = super::Wire::to(server.address);
    let driver = Driver::start();
    let page = driver.browser("en-US");
    let url = format!("http://{}/?name=alice&room=dev", wire.address);
    page.open(&url);
    page.wait_online();
    let first = page.window();
    let second = page.new_tab();
    page.open(&url);
    page.wait_online();
    wire.cut();
    page.wait_offline();
    page.say("from the second");
    page.go_to(&first);
    page.wait_offline();
    page.say("from the first");
    wire.mend();
    page.wait_online();
    page.wait_until("both", "document.querySelectorAll('#log [data-id]').length === 2");
    page.go_to(&second);
    page.wait_online();
    page.wait_until("both", "document.querySelectorAll('#log [data-id]').length === 2");
    let mut said = page.said();
    said.sort();
    assert_eq!(said, ["alice: from the first", "alice: from the second"]);
    assert_eq!(page.count(".message.pending"), 0);
}

/// Who the first tab is may be another than when it came: a tab that comes later is the same.
#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn an_account_with_several_tabs_is_one_person() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let page = driver.browser("en-US");
    page.own(&server, "alice");
    page.say("from the first");
    let url = format!("http://{}/", server.address);
    let has_star = "document.querySelector('#star').classList.contains('on')";
    let open_beside = |reloads: bool| {
        let first = page.window();
        if reloads {
            page.open(&url);
            page.wait_online();
            page.wait_role("Owner of this server");
        }
        let second = page.new_tab();
        page.open(&url);
        page.wait_online();
        page.wait_role("Owner of this server");
        page.click("#rooms [data-room=\"#dev\"]");
        page.wait_online();
        (first, second)
    };
    // It was a guest when it came.
    let (first, second) = open_beside(false);
    page.wait_said(&["alice: from the first"]);
    page.say("from the second");
    page.wait_said(&["alice: from the first", "alice: from the second"]);
    page.click("#star");
    page.wait_until("the star", has_star);
    page.go_to(&first);
    page.wait_said(&["alice: from the first", "alice: from the second"]);
    page.wait_until("the star", has_star);
    page.say("/join third");
    page.wait_shown("third");
    page.go_to(&second);
    page.wait_until("the star", has_star);
    page.close_tab();
    page.go_to(&first);

    // It was alice.
    let (first, second) = open_beside(true);
    page.wait_said(&["alice: from the first", "alice: from the second"]);
    page.wait_until("the star", has_star);
    page.wait_until("all rooms", "document.querySelectorAll('#rooms li').length === 3");
    page.say("/logout");
    page.wait_until("a guest", "document.querySelector('#me b').textContent.startsWith('guest-')");
    page.go_to(&first);
    page.wait_until("told so", "document.querySelector('#account').open");
    page.close_tab();
    page.go_to(&second);
    page.new_tab();
    page.open(&url);
    page.wait_online();
    assert!(page.text("#me b").starts_with("guest-"));
    assert_eq!(page.run("return document.querySelector('#account')?.open ?? false"), false);
    page.assert_no_complaints_but_the_connection();
}
