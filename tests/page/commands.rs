//! What is typed with a slash.

use serde_json::json;

use super::{Driver, chat};

const UP: &str = "\u{E013}";
const DOWN: &str = "\u{E015}";
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn commands_are_listed_while_one_is_typed() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let draft_is = |text: &str| {
        let draft = "document.querySelector('#composer').value";
        alice.wait_until(text, &format!("{draft} === {}", json!(text)));
    };
    let names = "[...document.querySelectorAll('#commands code')].map((one) => one.textContent)";
    let chosen = "document.getElementById(document.querySelector('#composer')\
                  .getAttribute('aria-activedescendant'))?.firstChild.textContent ?? ''";
    let listed = |condition: &str| {
        alice
            .wait_until(condition, &format!("((names, chosen) => {condition})({names}, {chosen})"));
    };
    alice.wait_until("the dialogs are there", "Boolean(document.querySelector('#help'))");
    alice.run("document.querySelector('#composer').focus()");
    // Until the script of the list is there, a slash is a slash.
    alice.wait_until(
        "the list",
        "(() => { const box = document.querySelector('#composer'); \
        box.value = '/'; box.dispatchEvent(new Event('input', { bubbles: true })); \
        return !document.querySelector('#commands').hidden; })()",
    );
    listed("names.length > 20 && chosen === names[0]");
    alice.press("to");
    listed("names[0] === '/topic [TEXT]' && chosen === names[0]");
    assert_eq!(
        alice.run("return document.querySelector('#commands [aria-selected=true] span').textContent.length > 5"),
        true
    );

    // The arrows go round; the focus stays in the box.
    alice.fill("/room");
    listed("names.includes('/rooms') && chosen === '/room'");
    alice.press(DOWN);
    listed("chosen === names[1]");
    alice.press(UP);
    alice.press(UP);
    listed("chosen === names.at(-1)");
    assert_eq!(alice.run("return document.activeElement.id"), "composer");

    // Tab takes it, and so does Enter; what it takes is told until that is written.
    alice.fill("/to");
    alice.press(TAB);
    draft_is("/topic ");
    listed("names.join() === '/topic [TEXT]' && chosen === ''");
    alice.press("tea");
    listed("names.length === 0");
    alice.press(ENTER);
    alice.wait_until("the topic", "document.querySelector('#topic').textContent === 'tea'");
    draft_is("");
    alice.press("/hel");
    listed("chosen === '/help'");
    alice.press(ENTER);
    draft_is("/help ");
    assert_eq!(alice.run("return document.querySelector('#help').open"), false);
    alice.press(ENTER);
    alice.wait_until("the help", "document.querySelector('#help').open");
    alice.press(ESCAPE);
    alice.wait_until("it is closed", "!document.querySelector('#help').open");

    // A name that is written out is sent at once. Escape closes the list and nothing else.
    alice.press("/help");
    listed("chosen === '/help'");
    alice.press(ENTER);
    alice.wait_until("the help", "document.querySelector('#help').open");
    alice.press(ESCAPE);
    alice.wait_until("it is closed", "!document.querySelector('#help').open");
    alice.press("/he");
    listed("chosen === '/help'");
    alice.press(ESCAPE);
    listed("names.length === 0 || document.querySelector('#commands').hidden");
    alice.press("l");
    assert_eq!(alice.run("return document.querySelector('#commands').hidden"), true);
    draft_is("/hel");

    // By a click.
    alice.fill("");
    alice.press("/ren");
    alice.click("#commands li");
    draft_is("/rename ");
    alice.fill("");

    // A key that an input method takes is no choice, and what is no command lists nothing.
    alice.press("/jo");
    listed("chosen.startsWith('/join')");
    let composing = "const key = new KeyboardEvent('keydown', \
        { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }); \
        document.querySelector('#composer').dispatchEvent(key); return key.defaultPrevented";
    assert_eq!(alice.run(composing), false);
    draft_is("/jo");
    for text in ["//", "/zebra", "a /", "/me\n"] {
        alice.fill(text);
        assert_eq!(alice.run("return document.querySelector('#commands').hidden"), true, "{text}");
    }
    alice.assert_no_complaints();
}
