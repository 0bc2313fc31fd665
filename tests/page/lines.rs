//! Messages of several lines, what waits to be sent, and a little of Markdown.

use serde_json::{Value, json};

use super::{Driver, Page, chat, eventually, read_until, terminal};

/// Shift and Enter, as WebDriver has them.
const NEW_LINE: &str = "\u{E008}\u{E007}\u{E008}";

impl Page<'_> {
    /// What the last message in the log looks like.
    fn last(&self, script: &str) -> Value {
        self.run(&format!("const last = [...document.querySelectorAll('#log .message .text')].at(-1); return {script}"))
    }

    fn draft(&self) -> Value {
        self.run("return document.querySelector('#composer').value")
    }

    /// What somebody pastes with the keyboard; the browser puts in what the page leaves to it.
    fn paste_event(&self, text: &str) -> bool {
        let script = "const data = new DataTransfer(); data.setData('text/plain', TEXT); \
                      const paste = new Event('paste', { bubbles: true, cancelable: true }); \
                      Object.defineProperty(paste, 'clipboardData', { value: data }); \
                      return document.querySelector('#composer').dispatchEvent(paste)";
        self.run(&script.replace("TEXT", &json!(text).to_string())) == true
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn several_lines_are_one_message() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let bob = driver.page(server.address, "bob", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    alice.type_into("#composer", &format!("one{NEW_LINE}{NEW_LINE}  two\u{E007}"));
    alice.wait_said(&["alice: one\n\n  two"]);
    assert_eq!(read_until(&mut carol, "alice: "), "[#dev] alice: one\r\n");
    assert_eq!(read_until(&mut carol, "|"), "|\r\n");
    assert_eq!(read_until(&mut carol, "|"), "|   two\r\n");
    alice.paste("\n\n\tif x:\n\n\t\t[#dev] carol: hi\n\n");
    bob.wait_said(&["alice: one\n\n  two", "alice: \tif x:\n\n\t\t[#dev] carol: hi"]);
    assert_eq!(bob.last("getComputedStyle(last).whiteSpace"), "pre-wrap");
    assert_eq!(bob.last("last.innerText"), "\tif x:\n\n\t\t[#dev] carol: hi");
    // Only these commands say several lines; a path is no command.
    alice.paste("/me waves\ntwice");
    alice.paste("/usr/bin\n/usr/lib");
    bob.wait_until("the path", "/usr.lib/.test(document.querySelector('#log').textContent)");
    assert!(read_until(&mut carol, "waves").ends_with("* alice waves\r\n"));
    assert_eq!(read_until(&mut carol, "|"), "| twice\r\n");
    // Too many are refused before they are sent.
    alice.paste(&"x\n".repeat(501));
    alice.wait_until(
        "it says so",
        "/501 lines; a message has at most 500/.test(document.querySelector('#notice p').textContent)",
    );
    assert_eq!(alice.draft(), "x\n".repeat(501));
    alice.assert_no_complaints();
    bob.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_paste_of_many_lines_is_asked_about() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    assert!(alice.paste_event(&"x\n".repeat(20)), "twenty are left to the browser");
    assert_eq!(alice.text("#notice p"), "");
    let many = "x\n".repeat(21);
    assert!(!alice.paste_event(&many));
    alice.wait_until("it asks", "/21 lines/.test(document.querySelector('#notice p').textContent)");
    assert_eq!(alice.draft(), "", "not before it is wanted");
    alice.click("#notice > .icon");
    alice.fill("see:");
    assert!(!alice.paste_event(&many));
    alice.wait_until("it asks", "document.querySelectorAll('#notice-actions button').length === 2");
    alice.click("#notice-actions button:last-child");
    assert_eq!(alice.draft(), format!("see:\n```\n{}\n```\n", many.trim_end()));
    assert_eq!(alice.run("return document.activeElement.id"), "composer");
    alice.fill("");
    assert!(!alice.paste_event(&many));
    alice.wait_until("it asks", "document.querySelectorAll('#notice-actions button').length === 2");
    alice.click("#notice-actions button:first-child");
    assert_eq!(alice.draft(), many);
    alice.click("#send");
    alice.wait_until("it is said", "document.querySelectorAll('#log [data-id]').length === 1");
    assert_eq!(alice.count(".unfold"), 1, "of many lines some are shown");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn code_quotes_and_lists_are_drawn_and_stay_text() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    alice.paste(
        "this **is** `**it**` **http://a/b**:\n```html\n<script>alert(1)</script>\n\n\t\"x\" http://no/link\n```\n\
         > said <b>he</b>\n> and she\n- one\n  - `two`\ndone",
    );
    alice.wait_until("the message", "document.querySelectorAll('#log [data-id]').length === 1");
    let all = |selector: &str| {
        alice.last(&format!(
            "[...last.querySelectorAll('{selector}')].map((node) => node.textContent)"
        ))
    };
    assert_eq!(all("b"), json!(["is", "http://a/b"]));
    assert_eq!(all(":not(pre) > code"), json!(["**it**", "two"]));
    assert_eq!(all("a"), json!(["http://a/b"]));
    let code = "<script>alert(1)</script>\n\n\t\"x\" http://no/link";
    assert_eq!(all("pre"), json!([code]));
    assert_eq!(all("blockquote"), json!(["said <b>he</b>\nand she"]));
    assert_eq!(all("li"), json!(["one", "two"]));
    assert_eq!(alice.last("last.querySelectorAll('li')[1].dataset.depth"), "1");
    assert_eq!(
        alice.last("last.innerText.replaceAll('Copy', '').split(/\\n+/).filter(Boolean).at(0)"),
        "this is **it** http://a/b:"
    );
    alice.run(
        "window.copied = []; Object.defineProperty(navigator, 'clipboard', { value: { \
         writeText: async (text) => void window.copied.push(text) } })",
    );
    alice.click(".copy-code");
    alice.wait_until(
        "it is copied",
        "document.querySelector('.copy-code').textContent === 'Copied'",
    );
    assert_eq!(alice.run("return window.copied"), json!([code]));
    // Folded in the middle of code, and shown whole.
    let lines: Vec<String> =
        (0..400).map(|number| format!("line {number} {}", "x".repeat(40))).collect();
    alice.paste(&format!("```\n{}\n```", lines.join("\n")));
    alice.wait_until("the other", "document.querySelectorAll('#log [data-id]').length === 2");
    alice.run("document.querySelector('.unfold').click()");
    let whole = eventually("all of it", || {
        let shown = all("pre code");
        let shown: Vec<&str> = shown.as_array()?.iter().filter_map(Value::as_str).collect();
        (shown.concat().lines().count() == 400).then(|| shown.concat())
    });
    assert_eq!(whole, lines.join("\n"));
    assert_eq!(alice.last("last.querySelectorAll('.copy-code').length"), 1);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_waits_can_be_cancelled() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    alice.say("one");
    alice.wait_said(&["alice: one"]);
    // Nothing is answered: some are in flight, and the others wait for them.
    server.signal("STOP");
    let texts: Vec<String> = (2..=8).map(|number| format!("number {number}")).collect();
    alice.say_all(&texts);
    alice.wait_until("some wait", "document.querySelectorAll('.message.queued').length === 3");
    alice.run("document.querySelectorAll('.message.queued')[1].querySelector('[data-action=discard]').click()");
    alice.wait_until("it is gone", "document.querySelectorAll('.message.queued').length === 2");
    server.signal("CONT");
    let said = ["one", "number 2", "number 3", "number 4", "number 5", "number 6", "number 8"];
    let said = said.map(|text| format!("alice: {text}"));
    alice.wait_said(&said.each_ref().map(String::as_str));
    assert_eq!(read_until(&mut carol, "number 8"), "[#dev] alice: number 8\r\n");
    alice.assert_no_complaints();
}
