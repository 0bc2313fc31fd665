//! How the page looks, and what its reader can choose of that.

use std::fs;

use serde_json::{Value, json};

use super::{Driver, Page, chat, read_until, terminal};

/// Of axe-core, all rules that are on by default, and those of best practice.
const AXE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/node_modules/axe-core/axe.min.js");

impl Page<'_> {
    fn touches(&self) {
        let params = json!({ "enabled": true });
        let params = json!({ "cmd": "Emulation.setTouchEmulationEnabled", "params": params });
        self.command("goog/cdp/execute", &params);
    }

    /// What axe-core finds wrong with what is in sight: its rules, each with elements.
    fn violations(&self) -> Value {
        let axe = fs::read_to_string(AXE).expect("npm install in tests/web");
        // What appears is looked at when it is there.
        let run = "; return Promise.all(document.getAnimations().map((one) => one.finished)) \
             .catch(() => {}).then(() => axe.run()).then(({ violations }) => violations.map( \
                 ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`))";
        self.run(&(axe + run))
    }

    fn in_settings(&self, script: &str) {
        self.click("#open-settings");
        self.wait_until("the dialog", "document.querySelector('#settings').open");
        self.run(script);
        self.click("#settings [type=submit]");
        self.wait_until("it is closed", "!document.querySelector('#settings').open");
    }
}

/// Of everything in sight that is pressed, what is too small for a finger.
const SMALL: &str = "return [...document.querySelectorAll('button, input, select, textarea, a')] \
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest('[inert]') \
        && !one.matches('#measure, .skip, #topic, .text a')) \
    .map((one) => [one.id || one.className || one.textContent, one.getBoundingClientRect()]) \
    .filter(([, { width, height }]) => height < 44 || width < 44) \
    .map(([name, { width, height }]) => `${name} ${Math.round(width)}x${Math.round(height)}`)";

#[test]
#[ignore = "needs chromium, chromedriver and axe-core; .ci/run installs them and runs it"]
fn axe_has_nothing_to_report() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    carol.send(b"alice: `code`, **bold** and https://example.org/\r\n");
    carol.send(b"/msg alice psst\r\n/join ops\r\n");
    alice.wait_until("a mention", "document.querySelector('#log .mention') !== null");
    alice.say("/topic ships");
    for theme in ["light", "dark"] {
        alice.in_settings(&format!("document.querySelector('[name=theme]').value = '{theme}'"));
        assert_eq!(alice.violations(), json!([]), "{theme}");
        for (opens, dialog) in [
            ("#open-settings", "settings"),
            ("#open-help", "help"),
            ("#open-browse", "browse"),
            ("#open-search", "search"),
            ("#open-room", "room"),
            ("#leave", "room"),
            ("#me", "ask"),
            ("#log-in", "account"),
        ] {
            alice.click(opens);
            alice.wait_until(dialog, &format!("document.querySelector('#{dialog}').open"));
            assert_eq!(alice.violations(), json!([]), "{theme}: {dialog}");
            alice.run("document.querySelector('dialog[open]').close()");
        }
    }
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn fingers_find_what_they_press() {
    if Driver::is_firefox() {
        return; // nobody makes it a touch screen
    }
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let _carol = terminal(&server, "carol", "dev");
    alice.wait_members(&["alice", "carol"]);
    alice.resize(390, 844, true);
    alice.touches();
    assert_eq!(alice.run("return matchMedia('(pointer: coarse)').matches"), true);
    assert_eq!(alice.run(SMALL), json!([]), "a room");
    // Above the message box the line of the topic is small; what is around it does the same.
    alice.click(".titles");
    alice.wait_until("the topic", "document.querySelector('#ask').open");
    alice.run("document.querySelector('#ask').close()");
    for (opens, closes) in [("#open-sidebar", "#scrim"), ("#open-members", "#close-members")] {
        alice.click(opens);
        alice.wait_until("it is there", "document.getAnimations().length === 0");
        assert_eq!(alice.run(SMALL), json!([]), "{opens}");
        alice.run(&format!("document.querySelector('{closes}').click()"));
    }
    alice.run("document.querySelector('#open-settings').click()");
    alice.wait_until("settings", "document.querySelector('#settings').open");
    let small = alice.run(SMALL);
    let small = small.as_array().expect("a list").iter().filter(|one| {
        // Of these the label is pressed.
        !one.as_str().is_some_and(|one| one.starts_with("settings-"))
    });
    assert_eq!(small.count(), 0, "settings");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_belongs_together_stands_together() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    alice.say("hello");
    alice.wait_said(&["alice: hello"]);
    for width in [1280, 1920, 2560] {
        alice.resize(width, 900, false);
        let edges = "return ['#title', '.message .avatar', '#compose'].map((one) => \
            Math.round(document.querySelector(one).getBoundingClientRect().left))";
        let edges = alice.run(edges);
        assert!(edges.as_array().expect("a list").iter().all(|edge| *edge == edges[0]), "{edges}");
    }
    // Where the pointer is, one still sees where one is.
    let look =
        "return getComputedStyle(document.querySelector('#rooms [aria-current]')).backgroundColor";
    let before = alice.run(look);
    let element = alice.element("#rooms [aria-current]");
    let origin = json!({ "element-6066-11e4-a52e-4f735466cecf": element });
    let moves = json!({ "type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": origin });
    let pointer = json!({ "type": "pointer", "id": "mouse", "actions": [moves] });
    alice.command("actions", &json!({ "actions": [pointer] }));
    alice.wait_until(
        "the pointer",
        "document.querySelector('#rooms [aria-current]:hover') !== null",
    );
    alice.wait_until("it has settled", "document.getAnimations().length === 0");
    assert_eq!(alice.run(look), before);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_is_chosen_holds_at_once_and_after_a_reload() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let mut carol = terminal(&server, "carol", "dev");
    carol.send(b"good evening\r\n");
    alice.wait_said(&["carol: good evening"]);
    let ground = "getComputedStyle(document.body).backgroundColor";
    let height = "document.querySelector('#members li').offsetHeight";
    let before = alice.run(&format!("return {height}"));
    assert_eq!(alice.run(&format!("return {ground}")), "rgb(239, 241, 234)");
    alice.in_settings(
        "for (const [name, value] of Object.entries({ theme: 'dark', density: 'compact', hours: '24', enter: 'line' })) \
             document.querySelector(`#settings [name=${name}]`).value = value; \
         document.querySelector('#settings [name=comings]').click()",
    );
    for round in ["at once", "after a reload"] {
        alice.wait_until(round, &format!("{ground} === 'rgb(14, 18, 16)'"));
        alice.wait_said(&["carol: good evening"]);
        assert!(alice.run(&format!("return {height}")).as_u64() < before.as_u64(), "{round}");
        let time = alice.text("#log time");
        assert!(!time.contains('M') && time.len() == 5, "{round}: {time}");
        assert_eq!(alice.count("#log .comings"), 0, "{round}");
        alice.command("refresh", &json!({}));
        alice.wait_online();
    }

    alice.wait_said(&["carol: good evening"]);

    // What another tab has set stays, where a dialog was open meanwhile.
    let hours = "document.querySelector('#settings [name=hours]')";
    alice.click("#open-settings");
    alice.wait_until("the dialog", "document.querySelector('#settings').open");
    let choices = alice.run(&format!("return [...{hours}.options].map((one) => one.value).join()"));
    assert_eq!(choices, ",12,24");
    alice.run(
        "const memory = JSON.parse(localStorage.getItem('chat.v1')); \
         memory.settings.density = ''; \
         const newValue = JSON.stringify(memory); \
         dispatchEvent(new StorageEvent('storage', { key: 'chat.v1', newValue }))",
    );
    alice.run(&format!("{hours}.value = '12'"));
    alice.click("#settings [type=submit]");
    alice.wait_until("it is closed", "!document.querySelector('#settings').open");
    let density = "document.documentElement.dataset.density";
    assert_eq!(alice.run(&format!("return {density}")), "");
    assert!(alice.text("#log time").contains('M'));

    // Enter begins a line, and Ctrl + Enter sends.
    alice.click("#composer");
    alice.type_into("#composer", "one\u{E007}two");
    assert_eq!(alice.run("return document.querySelector('#composer').value"), "one\ntwo");
    alice.type_into("#composer", "\u{E009}\u{E007}\u{E000}");
    read_until(&mut carol, "alice: one");

    // Another language begins with the next load, which comes by itself.
    alice.in_settings("document.querySelector('#settings [name=language]').value = 'ja'");
    alice.wait_until("Japanese", "document.documentElement.lang === 'ja'");
    alice.wait_online();
    assert_eq!(alice.text("#sidebar h2 span"), "ルーム");
    alice.assert_no_complaints();
}
