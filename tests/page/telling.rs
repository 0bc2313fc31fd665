//! Who looks elsewhere is told of what is for them.

use serde_json::json;

use super::{Driver, chat, terminal};

/// A browser that asks nobody: notifications are listed, and tones counted.
const BROWSER: &str = "window.shown = []; window.tones = 0; \
    window.Notification = class { \
        static permission = sessionStorage.getItem('permission') ?? 'default'; \
        static async requestPermission() { \
            sessionStorage.setItem('permission', 'granted'); \
            return (Notification.permission = 'granted'); \
        } \
        constructor(title, { body }) { this.text = `${title}: ${body}`; shown.push(this); } \
        close() {} \
    }; \
    const { createOscillator } = AudioContext.prototype; \
    AudioContext.prototype.createOscillator = function () { \
        window.tones++; \
        return createOscillator.call(this); \
    }";

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn who_looks_elsewhere_is_told_of_what_is_for_them() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.run_before_each_page(BROWSER);
    alice.open(&format!("http://{}/?name=alice&room=dev", server.address));
    alice.wait_online();
    let mut carol = terminal(&server, "carol", "dev");
    let mut say = |line: &str| carol.send(format!("{line}\r\n").as_bytes());
    let wait_shown = |texts: &[&str]| {
        let shown = "JSON.stringify(shown.map(({ text }) => text))";
        alice.wait_until("notifications", &format!("{shown} === JSON.stringify({})", json!(texts)));
    };
    let icon_is = |file: &str| {
        let icon = "document.querySelector('link[rel=icon]').href";
        alice.wait_until(file, &format!("{icon}.endsWith('/{file}')"));
    };

    // Who is there needs no notification, and is not asked about any.
    say("alice: are you there?");
    alice.wait_said(&["carol: alice: are you there?"]);
    alice.run("document.hasFocus = () => false");
    say("something that is for nobody");
    icon_is("favicon-news.svg");
    alice.wait_until("the title", "document.title.startsWith('(1) ')");
    assert_eq!(alice.run("return document.querySelector('#notice').hidden"), true);

    // The page asks first, and the browser only who says yes.
    say("alice: where have you gone?");
    alice.wait_notice("Something was said to you");
    assert_eq!(alice.run("return Notification.permission"), "default");
    alice.run("document.querySelector('#notice-actions button').click()");
    alice.wait_until("the browser is asked", "Notification.permission === 'granted'");
    say("alice: so you are told");
    wait_shown(&["carol · #dev: alice: so you are told"]);
    say("not for you");
    say("/msg alice psst");
    wait_shown(&["carol · #dev: alice: so you are told", "carol: psst"]);
    assert_eq!(alice.run("return tones"), 0, "without a sound");

    // It leads to what it is about.
    alice.run("delete document.hasFocus; shown[1].onclick()");
    let title = "document.querySelector('#title').textContent";
    alice.wait_until("the conversation", &format!("{title} === 'carol'"));
    alice.click("#rooms [data-room=\"#dev\"]");
    alice.wait_unread("room=\"#dev\"", "");
    icon_is("favicon.svg");

    // What is chosen stays chosen.
    alice.click("#open-settings");
    alice.wait_until("the dialog", "document.querySelector('#settings').open");
    assert_eq!(alice.run("return document.querySelector('#settings [name=shows]').checked"), true);
    alice.run("for (const one of document.querySelectorAll('#settings input')) one.click()");
    alice.click("#settings [type=submit]");
    alice.wait_until("it is closed", "!document.querySelector('#settings').open");
    assert_eq!(alice.run("return tones"), 1, "what it sounds like");
    alice.command("refresh", &json!({}));
    alice.wait_online();
    alice.click("#composer");
    alice.run("document.hasFocus = () => false");
    say("alice: hear, hear");
    alice.wait_until("a sound", "tones === 1");
    wait_shown(&[]);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn phones_show_notifications_of_a_service_worker_that_serves_nothing() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    // As on Android.
    alice.run_before_each_page(
        "window.Notification = class { static permission = 'granted'; \
             static async requestPermission() { return 'granted'; } \
             constructor() { throw new TypeError('Illegal constructor.'); } }; \
         window.shown = []; \
         ServiceWorkerRegistration.prototype.showNotification = function (title, { body, data }) { \
             shown.push(`${this.active.scriptURL} ${title}: ${body} ${data.query}`); };",
    );
    let url = format!("http://{}/", server.address);
    alice.open(&format!("{url}?name=alice&room=dev"));
    alice.wait_online();
    alice.run("document.querySelector('#open-settings').click()");
    alice.wait_until("settings", "document.querySelector('#settings').open");
    alice.run("document.querySelector('#settings [name=shows]').click()");
    alice.click("#settings [type=submit]");
    alice.wait_until("it is closed", "!document.querySelector('#settings').open");
    alice.run("document.hasFocus = () => false");
    let mut carol = terminal(&server, "carol", "dev");
    carol.send(b"alice: on the phone?\r\n");
    let told = format!("{url}sw.js carol · #dev: alice: on the phone? ?room=dev");
    alice.wait_until("it is shown", &format!("shown.join() === {}", json!(told)));
    // It has no page to serve: that comes from the server.
    alice.command("refresh", &json!({}));
    alice.wait_online();
    let controlled = "return navigator.serviceWorker.controller?.scriptURL ?? ''";
    assert_eq!(alice.run(controlled), format!("{url}sw.js"));
    let source = alice.run("return fetch('sw.js').then((answer) => answer.text())");
    assert!(!source.as_str().expect("a script").contains("'fetch'"), "{source}");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn the_page_can_be_installed() {
    if Driver::is_firefox() {
        return; // it installs no pages
    }
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let answer =
        alice.command("goog/cdp/execute", &json!({ "cmd": "Page.getAppManifest", "params": {} }));
    assert_eq!(answer["errors"], json!([]), "{answer}");
    let base = format!("http://{}/", server.address);
    assert_eq!(answer["manifest"]["startUrl"], json!(base), "{answer}");
    assert_eq!(answer["manifest"]["scope"], json!(base), "{answer}");
    let errors = alice.command(
        "goog/cdp/execute",
        &json!({ "cmd": "Page.getInstallabilityErrors", "params": {} }),
    );
    assert_eq!(errors["installabilityErrors"], json!([]), "{errors}");
    alice.assert_no_complaints();
}
