//! What somebody who has the page open all day runs into.

use serde_json::{Value, json};

use super::{Driver, Page, Wire, chat, read_until, terminal};

impl Page<'_> {
    /// Real keys, for whatever has the focus.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        // Return, and not the Enter of the number pad, which presses no button everywhere.
        let actions: Vec<Value> = keys
            .replace('\u{E007}', "\u{E006}")
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.command("actions", &json!({ "actions": [keyboard] }));
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn own_messages_are_shown_as_the_server_has_them() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    // A clock that is an hour late.
    alice.run_before_each_page("const now = Date.now; Date.now = () => now() - 3600e3");
    alice.open(&format!("http://{}/?name=alice&room=dev", server.address));
    alice.wait_online();
    let mut carol = terminal(&server, "carol", "dev");
    alice.paste("one\u{7}two\tthree");
    assert_eq!(read_until(&mut carol, "alice: "), "[#dev] alice: onetwo    three\r\n");
    alice.wait_said(&["alice: onetwo\tthree"]);
    let time = "return document.querySelector('#log [data-id] time').dateTime";
    let shown = alice.run(time);
    let late = format!("return Date.parse({shown}) - Date.now() > 3000e3");
    assert_eq!(alice.run(&late), true, "the time is the server's");
    alice.command("refresh", &json!({}));
    alice.wait_said(&["alice: onetwo\tthree"]);
    assert_eq!(alice.run(time), shown);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn dates_are_written_as_where_the_reader_lives() {
    let server = chat(&[]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    carol.send(b"hello\r\n");
    for (language, order) in
        [("en-GB,en", "%d %m"), ("en-US,en", "%m %d"), ("de-DE,en-GB", "%d %m")]
    {
        let page = driver.browser(language);
        page.open(&format!("http://{}/?name=alice&room=dev", server.address));
        page.wait_said(&["carol: hello"]);
        let title = page.run("return document.querySelector('#log [data-id] time').title");
        let title = title.as_str().expect("a text");
        let months = ["January", "February", "March", "April", "May", "June", "July", "August"];
        let months = months.iter().chain(&["September", "October", "November", "December"]);
        let month = months.filter_map(|month| title.find(month)).next().expect("a month");
        let day = title.find(|c: char| c.is_ascii_digit()).expect("a day");
        assert_eq!(order == "%d %m", day < month, "{language}: {title}");
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_line_that_died_is_noticed_by_who_comes_back() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    server.signal("STOP");
    alice.run("document.dispatchEvent(new Event('visibilitychange'))");
    alice.wait_offline();
    alice.say("while it was away");
    server.signal("CONT");
    alice.wait_online();
    alice.wait_said(&["alice: while it was away"]);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_dialog_keeps_what_was_typed_until_it_is_done() {
    let server = chat(&[]);
    let wire = Wire::to(server.address);
    let driver = Driver::start();
    let alice = driver.page(wire.address, "alice", "dev");
    let field = "document.querySelector('#ask-input')";
    for (opener, typed, done) in [
        ("#topic", "tea", "document.querySelector('#topic').textContent === 'tea'"),
        ("#me", "zoe", "document.querySelector('#me b').textContent === 'zoe'"),
    ] {
        wire.cut();
        alice.wait_offline();
        alice.click(opener);
        alice.wait_until("the dialog", "document.querySelector('#ask').open");
        alice.run(&format!("{field}.value = ''"));
        alice.type_into("#ask-input", &format!("{typed}\u{E007}"));
        alice.wait_until(
            "it says why",
            "document.querySelector('#ask-error').textContent.startsWith('You are offline.')",
        );
        let state =
            format!("return [{field}.value, {field}.ariaInvalid, document.activeElement.id]");
        assert_eq!(alice.run(&state), json!([typed, "true", "ask-input"]));
        alice.type_into("#ask-input", "!");
        assert_eq!(alice.run(&format!("return {field}.ariaInvalid")), Value::Null);
        assert_eq!(alice.text("#ask-error"), "");
        alice.type_into("#ask-input", "\u{E003}");
        wire.mend();
        alice.wait_online();
        alice.type_into("#ask-input", "\u{E007}");
        alice.wait_until(typed, done);
        alice.wait_until("it is closed", "!document.querySelector('#ask').open");
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn the_keyboard_does_it_all() {
    let [up, down, tab, page_up, page_down, end] =
        ["\u{E013}", "\u{E015}", "\u{E004}", "\u{E00E}", "\u{E00F}", "\u{E010}"];
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let box_is = |text: &str| {
        alice.wait_until(
            text,
            &format!("document.querySelector('#composer').value === {}", json!(text)),
        );
    };
    let mut carol = terminal(&server, "carol", "dev");
    for number in 0..80 {
        carol.send(format!("line {number}\r\n").as_bytes());
    }
    let there = "document.querySelectorAll('#log [data-id]').length === 80";
    alice.wait_until("all of it", there);

    // What is written goes into the message box, wherever the focus is.
    alice.run("document.querySelector('#log').focus()");
    alice.press("hello");
    box_is("hello");
    alice.press("\u{E007}");
    alice.wait_until("it is said", "/hello/.test(document.querySelector('#log').textContent)");
    alice.press("/nothing\u{E007}");
    box_is("/nothing");
    alice.fill("");

    // The box is as high as what is in it.
    let height = "return document.querySelector('#composer').clientHeight";
    let low = alice.run(height).as_f64();
    alice.fill("1\n2\n3\n4\n5");
    assert!(alice.run(height).as_f64() > low.map(|low| 2.0 * low));
    alice.fill("");
    assert_eq!(alice.run(height).as_f64(), low);

    // Recalled; a draft stays.
    alice.press(up);
    box_is("hello");
    alice.press(down);
    box_is("");

    // Completed.
    alice.press(&format!("c{tab}"));
    box_is("carol: ");
    alice.press(&format!("and #{tab}"));
    box_is("carol: and #dev ");
    alice.wait_until("it can be sent", "!document.querySelector('#send').disabled");
    alice.press(&format!(":til{tab}:tad{tab}"));
    box_is("carol: and #dev :til:tad");
    assert_eq!(alice.run("return document.activeElement.id"), "send", "Tab goes on");
    alice.click("#composer");
    alice.fill(":tad");
    alice.press(&format!("{end}{tab}"));
    box_is("🎉 ");
    alice.fill("");

    // The log is scrolled from the message box.
    let top = "return document.querySelector('#log').scrollTop";
    let bottom = alice.run(top).as_f64();
    alice.press(page_up);
    alice.wait_until("it is scrolled", "!document.querySelector('#latest').hidden");
    assert!(alice.run(top).as_f64() < bottom);
    assert_eq!(alice.run("return document.activeElement.id"), "composer");
    alice.press(&page_down.repeat(2));
    alice.wait_until("and back", "document.querySelector('#latest').hidden");

    // A list is one stop of the Tab key.
    alice.say("/join #ops");
    alice.wait_until("the room", "document.querySelector('#title').textContent === '#ops'");
    let stops = "document.querySelectorAll('#rooms button:not([tabindex=\"-1\"])').length === 1";
    alice.wait_until("one stop", stops);
    alice.run("document.querySelector('#rooms [aria-current]').focus()");
    alice.press(up);
    assert_eq!(alice.run("return document.activeElement.dataset.room"), "#dev");
    assert_eq!(alice.run(&format!("return {stops}")), true);
    alice.press("\u{E007}");
    alice.wait_until("the other", "document.querySelector('#title').textContent === '#dev'");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_an_input_method_composes_is_sent_when_it_is_done() {
    if Driver::is_firefox() {
        return; // it lets nobody compose from outside
    }
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    let input = |command: &str, params: Value| {
        let body = json!({ "cmd": format!("Input.{command}"), "params": params });
        alice.command("goog/cdp/execute", &body);
    };
    let enter = || {
        let key = json!({ "type": "rawKeyDown", "key": "Enter", "windowsVirtualKeyCode": 13 });
        input("dispatchKeyEvent", key);
    };
    alice.click("#composer");
    alice.run(
        "window.composing = []; document.querySelector('#composer').addEventListener('keydown', \
               (event) => composing.push(event.isComposing), true)",
    );
    input("imeSetComposition", json!({ "text": "にほん", "selectionStart": 3, "selectionEnd": 3 }));
    enter();
    assert_eq!(alice.run("return composing"), json!([true]), "Enter is the input method's");
    let text = "return document.querySelector('#composer').value";
    assert_eq!(alice.run(text), "にほん");
    assert_eq!(alice.count("#log .own"), 0);
    input("insertText", json!({ "text": "日本" }));
    assert_eq!(alice.run(text), "日本");
    enter();
    assert_eq!(read_until(&mut carol, "alice: "), "[#dev] alice: 日本\r\n");
    alice.wait_said(&["alice: 日本"]);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_was_deleted_is_a_tombstone_on_every_page() {
    let server = chat(&[]);
    let driver = Driver::start();
    let (alice, bob) = (driver.browser("en-US"), driver.browser("ja"));
    for (page, name) in [(&alice, "alice"), (&bob, "bob")] {
        page.open(&format!("http://{}/?name={name}&room=dev", server.address));
        page.wait_online();
    }
    let mut carol = terminal(&server, "carol", "dev");
    alice.say("oops");
    alice.say("hello");
    read_until(&mut carol, "alice: hello\r\n");
    bob.wait_said(&["alice: oops", "alice: hello"]);
    assert_eq!(bob.count("#log .more"), 2, "others can be reported");
    alice.wait_said(&["alice: oops", "alice: hello"]);
    alice.click("#log .more");
    alice.pick("#person", "Remove message");
    alice.click("#person [type=submit]");
    assert_eq!(read_until(&mut carol, "\r\n"), "* alice removed their message 1 in #dev.\r\n");
    alice.wait_said(&["alice: message removed", "alice: hello"]);
    bob.wait_said(&["alice: メッセージは削除されました", "alice: hello"]);
    bob.command("refresh", &json!({}));
    bob.wait_said(&["alice: メッセージは削除されました", "alice: hello"]);
    for page in [&alice, &bob] {
        page.assert_no_complaints();
    }
}
