//! Private rooms, what is unread, kept conversations, order and coming back, in the page.

use serde_json::{Value, json};

use super::accounts::owner_code;
use super::{Driver, Page, chat, read_until, terminal};
use crate::common::Server;

const PASSWORD: &str = "correct horse";

impl Page<'_> {
    /// The owner of this server.
    #[track_caller]
    pub fn own(&self, server: &Server, name: &str) {
        let setup = format!("#setup={}", owner_code(server));
        self.make_account(server, &setup, name, PASSWORD);
    }

    #[track_caller]
    pub(super) fn wait_shown(&self, room: &str) {
        let shown = format!("document.querySelector('#title bdi').textContent === {}", json!(room));
        self.wait_until(room, &shown);
        self.wait_online();
    }

    #[track_caller]
    pub(super) fn wait_notice(&self, part: &str) {
        let shown = format!(
            "!document.querySelector('#notice').hidden && \
             document.querySelector('#notice p').textContent.includes({})",
            json!(part)
        );
        self.wait_until(part, &shown);
    }

    #[track_caller]
    fn wait_event(&self, part: &str) {
        let shown = format!(
            "[...document.querySelectorAll('#log .event')]\
             .some((one) => one.textContent.includes({}))",
            json!(part)
        );
        self.wait_until(part, &shown);
    }

    #[track_caller]
    fn wait_room(&self, room: &str, is_there: bool) {
        let there = format!(
            "Boolean(document.querySelector('#rooms [data-room=\"#{room}\"]')) === {is_there}"
        );
        self.wait_until(room, &there);
    }

    /// What stands beside a conversation: how much is unread.
    #[track_caller]
    pub(super) fn wait_unread(&self, conversation: &str, expected: &str) {
        let shown = format!(
            "document.querySelector('.lists [data-{conversation}] .unread')?.textContent === {}",
            json!(expected)
        );
        self.wait_until(&format!("{expected:?} unread in {conversation}"), &shown);
    }

    #[track_caller]
    pub fn new_room(&self, name: &str, entry: &str) {
        self.click("#new-room");
        self.wait_until("the dialog", "document.querySelector('#room').open");
        self.type_into("#room [name=room]", name);
        self.run(&format!("document.querySelector('#room [name=entry]').value = '{entry}'"));
        self.click("#room [type=submit]");
        self.wait_shown(name);
        let entry = match entry {
            "invited" | "ask" => "Boolean(document.querySelector('#title svg'))",
            _ => "true",
        };
        self.wait_until("its lock", entry);
    }

    /// Chooses from a menu that is open in this dialog.
    #[track_caller]
    pub(super) fn pick(&self, dialog: &str, entry: &str) {
        let found = format!(
            "[...document.querySelectorAll('{dialog} .menu button')]\
             .find((one) => one.firstChild.textContent === {})",
            json!(entry)
        );
        self.wait_until(entry, &format!("Boolean({found})"));
        self.run(&format!("{found}.click()"));
    }

    /// The link of a new invitation to the room that is shown, from its `#`.
    #[track_caller]
    fn invite_here(&self, address: &str, people: u32) -> String {
        self.click("#open-room");
        self.pick("#room", "Invite people");
        self.run("document.querySelector('#room [name=uses]').value = ''");
        self.type_into("#room [name=uses]", &people.to_string());
        self.click("#room form:not(.one) [type=submit]");
        self.wait_until("a link", "Boolean(document.querySelector('#room .copy input'))");
        let link = self.run("return document.querySelector('#room .copy input').value");
        let link = link.as_str().expect("a link");
        self.type_into("#room .copy input", "\u{E00C}");
        self.wait_until("the dialog is closed", "!document.querySelector('#room').open");
        link.strip_prefix(&format!("http://{address}/")).expect("of this server").to_owned()
    }

    #[track_caller]
    fn menu_of_member(&self, name: &str) {
        let found = format!("#members .more[data-more=\"{name}\"]");
        self.wait_until(name, &format!("Boolean(document.querySelector({}))", json!(found)));
        self.click(&found);
    }

    fn title(&self) -> Value {
        self.run("return document.title")
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_private_room_is_entered_by_its_link_and_by_nothing_else() {
    let server = chat(&[]);
    let address = server.address.to_string();
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    alice.new_room("plans", "invited");
    alice.say("only for us");

    // For others it is not there, and cannot be made.
    let carol = driver.page(server.address, "carol", "dev");
    carol.say("/join plans");
    carol.wait_notice("#plans: ");
    carol.wait_room("plans", false);
    carol.click("#open-browse");
    carol.wait_until(
        "the rooms",
        "document.querySelectorAll('#browse-list [data-join=\"#dev\"]').length === 1",
    );
    assert_eq!(carol.count("#browse-list [data-join=\"#plans\"]"), 0);
    carol.run("document.querySelector('#browse').close()");

    // The link makes an account, which is in the room, and sees what was said there.
    let link = alice.invite_here(&address, 2);
    let bob = driver.browser("en-US");
    bob.make_account(&server, &link, "bob", "battery staple");
    bob.wait_shown("plans");
    bob.wait_said(&["alice: only for us"]);
    bob.say("here I am");
    alice.wait_said(&["alice: only for us", "bob: here I am"]);

    // So does a guest who would rather stay one.
    carol.open(&format!("http://{address}/?name=carol&room=dev{link}"));
    carol
        .wait_until("the dialog", "document.querySelector('#account').dataset.view === 'register'");
    let come_in = "[...document.querySelectorAll('#account .buttons .quiet')]\
                   .find((one) => one.textContent === 'Come in as a guest')";
    carol.run(&format!("{come_in}.click()"));
    carol.wait_shown("plans");
    carol.wait_said(&["alice: only for us", "bob: here I am"]);
    alice.assert_no_complaints();
    bob.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn who_asks_is_let_in_by_a_moderator() {
    let server = chat(&["--registration", "open"]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    alice.new_room("garden", "ask");
    let bob = driver.page(server.address, "bob", "dev");
    bob.say("/register bob");
    bob.wait_until("the dialog", "document.querySelector('#account').dataset.view === 'register'");
    bob.enter("password", PASSWORD);
    bob.submit();
    bob.wait_role("Account");
    bob.say("/join garden");
    bob.wait_notice("Its moderators are asked");
    bob.wait_room("garden", false);
    alice.wait_notice("bob asks to enter #garden.");
    alice.wait_until("who asks", "document.querySelector('#asking bdi')?.textContent === 'bob'");
    alice.click("#asking .solid");
    bob.wait_notice("alice lets you into #garden.");
    bob.click("#notice-actions button");
    bob.wait_shown("garden");
    alice.wait_until("nobody asks", "document.querySelector('#asking-box').hidden");
    alice.wait_notes("alice: you, owner; bob: ");

    // As in a terminal, a line changes the rules, too.
    alice.say("/room entry all");
    alice.wait_notice("#garden is changed.");
    bob.wait_event("everybody");
    alice.say("/room posting nobody");
    alice.wait_notice("moderators");
    alice.say("/room colour red");
    alice.wait_notice("Write it like this: /room");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn who_is_removed_is_told_and_loses_the_room() {
    let server = chat(&[]);
    let address = server.address.to_string();
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    alice.new_room("plans", "invited");
    let link = alice.invite_here(&address, 1);
    let bob = driver.browser("en-US");
    bob.make_account(&server, &link, "bob", "battery staple");
    bob.wait_shown("plans");
    alice.menu_of_member("bob");
    alice.pick("#person", "Remove from #plans");
    alice.type_into("#person [name=reason]", "spam");
    alice.click("#person [type=submit]");
    bob.wait_notice("alice removed you from #plans: spam");
    bob.wait_room("plans", false);
    alice.wait_event("alice removed bob: spam");
    bob.say("/join plans");
    bob.wait_notice("#plans: ");
    bob.wait_room("plans", false);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_is_unread_is_the_same_on_two_devices() {
    let server = chat(&["--registration", "open", "--rate-limit", "off"]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    let bob = driver.page(server.address, "bob", "dev");
    bob.say("/register bob");
    bob.wait_until("the dialog", "document.querySelector('#account').dataset.view === 'register'");
    bob.enter("password", PASSWORD);
    bob.submit();
    bob.wait_role("Account");
    bob.say("/join garden");
    bob.wait_shown("garden");
    let other = driver.page(server.address, "x", "lobby");
    other.log_in("bob", PASSWORD);
    other.wait_role("Account");
    other.click("#rooms [data-room=\"#garden\"]");
    other.wait_shown("garden");

    alice.say_all(&["one", "two @bob", "three"]);
    for page in [&bob, &other] {
        page.wait_unread("room=\"#dev\"", "3");
    }
    other.command("refresh", &json!({}));
    other.wait_role("Account");
    other.wait_unread("room=\"#dev\"", "3");
    assert_eq!(other.count(".lists [data-room=\"#dev\"] .loud"), 1, "it is for bob");

    // Who looks reads, for both. The line above what is new stays.
    bob.click("#rooms [data-room=\"#dev\"]");
    bob.wait_shown("dev");
    bob.wait_until("the line", "document.querySelectorAll('#log .new').length === 1");
    let next = "document.querySelector('#log .new').nextElementSibling.querySelector('.text')";
    assert_eq!(bob.run(&format!("return {next}.textContent")), "one");
    for page in [&bob, &other] {
        page.wait_unread("room=\"#dev\"", "");
    }
    assert_eq!(bob.title(), "#dev · Chat");

    // More than a page of it is read as far as it was in sight.
    bob.click("#rooms [data-room=\"#garden\"]");
    alice.say_all(&vec!["more"; 40]);
    other.wait_unread("room=\"#dev\"", "40");
    bob.click("#rooms [data-room=\"#dev\"]");
    bob.wait_until(
        "some of it",
        "(() => { \
        const unread = Number(document.querySelector('[data-room=\"#dev\"] .unread').textContent); \
        return unread > 5 && unread < 35; })()",
    );
    let unread = bob.text("[data-room=\"#dev\"] .unread");
    other.wait_unread("room=\"#dev\"", &unread);
    bob.click("#latest");
    other.wait_unread("room=\"#dev\"", "");

    // With the keyboard: the menu of the last message but one.
    bob.type_into("#log", "\u{E007}");
    bob.run("document.activeElement.dataset.here = '1'");
    bob.type_into("#log .more[data-here]", "\u{E013}");
    bob.run("document.activeElement.dataset.up = '1'");
    bob.type_into("#log .more[data-up]", "\u{E007}");
    bob.pick("#person", "Mark as unread from here");
    for page in [&bob, &other] {
        page.wait_unread("room=\"#dev\"", "2");
    }
    other.say("/level none");
    other.wait_notice("#garden: Nothing.");
    bob.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_guest_comes_back_after_a_reload_and_nobody_is_told() {
    let server = chat(&[]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    let guest = driver.browser("en-US");
    guest.open(&format!("http://{}/?room=dev", server.address));
    guest.wait_online();
    guest.stay_nameless();
    guest.say("/join garden");
    guest.wait_shown("garden");
    let name = guest.text("#me b");
    assert!(name.starts_with("guest-"), "{name}");
    for round in ["first", "second"] {
        guest.command("refresh", &json!({}));
        guest.wait_online();
        assert_eq!(guest.text("#me b"), name, "{round}");
        assert_eq!(guest.count("#rooms li"), 2, "{round}");
        guest.click("#rooms [data-room=\"#dev\"]");
        guest.wait_shown("dev");
        guest.say(round);
    }
    read_until(&mut carol, &format!("* {name} joined #dev"));
    let line = read_until(&mut carol, "");
    assert!(line.contains(&format!("{name}: first")), "{line}");
    let line = read_until(&mut carol, "");
    assert!(line.contains(&format!("{name}: second")), "{line}");
    guest.assert_no_complaints_but_the_connection();

    // Until it says that somebody else is there.
    guest.say("/logout");
    guest.wait_until("somebody new", "document.querySelector('#ask')?.open === true");
    guest.run("document.querySelector('#ask').close()");
    assert_ne!(guest.text("#me b"), name);
    assert_eq!(guest.count("#rooms li"), 1);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_is_said_to_somebody_who_is_offline_is_there_when_they_come_back() {
    let server = chat(&["--registration", "open"]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    let bob = driver.page(server.address, "bob", "dev");
    bob.say("/register bob");
    bob.wait_until("the dialog", "document.querySelector('#account').dataset.view === 'register'");
    bob.enter("password", PASSWORD);
    bob.submit();
    bob.wait_role("Account");
    drop(bob);
    server.wait_for_line("bob is away", |line| line.contains("bob left by one device"));
    alice.say("/msg bob are you there?");
    alice.wait_shown("bob");
    alice.wait_said(&["alice: are you there?"]);
    alice.say("call me");
    alice.wait_said(&["alice: are you there?", "alice: call me"]);

    let bob = driver.page(server.address, "x", "lobby");
    bob.log_in("bob", PASSWORD);
    bob.wait_role("Account");
    bob.wait_until("the list", "document.querySelectorAll('#directs button').length === 1");
    bob.click("#directs [data-direct=\"alice\"]");
    bob.wait_said(&["alice: are you there?", "alice: call me"]);
    bob.wait_unread("direct=\"alice\"", "");
    bob.say("now I am");
    let all = ["alice: are you there?", "alice: call me", "bob: now I am"];
    alice.wait_said(&all);

    // It is kept, and on all devices.
    alice.command("refresh", &json!({}));
    alice.wait_role("Owner of this server");
    alice.wait_until("the list", "document.querySelectorAll('#directs button').length === 1");
    alice.click("#directs [data-direct=\"bob\"]");
    alice.wait_said(&all);
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn who_is_ignored_is_a_folded_line() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    let mut troll = terminal(&server, "troll", "dev");
    troll.send(b"look at me\r\n");
    alice.wait_said(&["troll: look at me"]);
    alice.menu_of_member("troll");
    alice.pick("#person", "Ignore");
    alice.wait_notice("You ignore troll now.");
    troll.send(b"look\r\nlook\r\n");
    alice.wait_until("a stub", "/^2 messages/.test(document.querySelector('.stub')?.textContent)");
    alice.menu_of_member("troll");
    alice.pick("#person", "Stop ignoring");
    troll.send(b"and now\r\n");
    alice.wait_until("heard again", "/and now/.test(document.querySelector('#log').textContent)");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn dialogs_of_rooms_and_people_fit_every_page() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("ja");
    alice.own(&server, "alice");
    alice.run("document.querySelector('#composer').focus()");
    alice.say("/join garden");
    alice.wait_shown("garden");
    let fits = "(() => { const box = document.querySelector('dialog[open]'); \
        const at = box.getBoundingClientRect(); \
        return at.left >= 0 && at.right <= innerWidth && at.bottom <= innerHeight \
        && box.scrollWidth <= box.clientWidth \
        && [...box.querySelectorAll('label, bdi, dd')].every((one) => one.offsetWidth > 40); })()";
    alice.resize(320, 480, true);
    let opened = |what: &str| {
        alice.wait_until(what, "Boolean(document.querySelector('dialog[open]'))");
        assert_eq!(alice.run(&format!("return {fits}")), true, "{what}");
        alice.run("document.querySelector('dialog[open]').close()");
    };
    for button in ["#open-settings", "#open-browse", "#open-search", "#open-help"] {
        alice.run(&format!("document.querySelector('{button}').click()"));
        opened(button);
    }
    for line in [
        "/room",
        "/rename",
        "/delete-room",
        "/invite",
        "/kick bob",
        "/mute bob",
        "/ban bob",
        "/bans",
    ] {
        alice.say(line);
        opened(line);
    }
    for entry in ["設定", "フック"] {
        alice.say("/room");
        alice.pick("#room", entry);
        alice.wait_until(entry, "Boolean(document.querySelector('#room form'))");
        opened(entry);
    }
    alice.assert_no_complaints();
}
