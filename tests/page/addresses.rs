//! Addresses of rooms, conversations and messages; and the way back.

use serde_json::json;

use super::{Driver, Page, chat, read_until, terminal};

const SHOWN: &str = "document.querySelector('#title').textContent";

impl Page<'_> {
    #[track_caller]
    fn wait_title(&self, title: &str) {
        self.wait_until(title, &format!("{SHOWN} === {}", json!(title)));
    }

    fn back(&self) {
        self.command("back", &json!({}));
    }

    fn address(&self) -> String {
        self.run("return location.search").as_str().expect("a text").to_owned()
    }

    fn tabs(&self) -> usize {
        self.get("window/handles").as_array().expect("handles").len()
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn back_closes_what_is_open_and_goes_to_where_one_was() {
    let server = chat(&[]);
    let driver = Driver::start();
    let _carol = terminal(&server, "carol", "dev");
    let alice = driver.page(server.address, "alice", "dev");
    alice.say("/join garden");
    alice.wait_title("#garden");
    alice.wait_until("its address", "location.search === '?room=garden'");
    alice.say("/msg carol hello");
    alice.wait_title("carol");
    alice.wait_until("its address", "location.search === '?with=carol'");
    alice.back();
    alice.wait_title("#garden");
    alice.back();
    alice.wait_title("#dev");
    assert_eq!(alice.address(), "?room=dev");
    alice.command("forward", &json!({}));
    alice.wait_title("#garden");

    // A dialog is closed first, whoever closes it.
    alice.click("#open-help");
    alice.wait_until("the help", "document.querySelector('#help').open");
    alice.wait_until("an entry of its own", "history.state.isOver");
    alice.back();
    alice.wait_until("it is closed", "!document.querySelector('#help').open");
    alice.wait_title("#garden");
    alice.click("#open-help");
    alice.wait_until("an entry of its own", "history.state.isOver");
    alice.click("#help [data-close]");
    alice.wait_until("that is gone", "!history.state.isOver");
    alice.back();
    alice.wait_title("#dev");

    // On a phone, what slides over the conversation. What is chosen there is the next entry.
    alice.resize(390, 800, true);
    alice.click("#open-sidebar");
    alice.wait_until("an entry of its own", "history.state.isOver");
    alice.back();
    alice.wait_until("it is closed", "document.body.dataset.drawer === ''");
    alice.wait_title("#dev");
    alice.click("#open-sidebar");
    alice.wait_until("an entry of its own", "history.state.isOver");
    alice.wait_until(
        "it is there",
        "document.querySelector('#sidebar').getBoundingClientRect().left === 0",
    );
    alice.click("#rooms [data-room=\"#garden\"]");
    alice.wait_title("#garden");
    alice.wait_until("no entry too many", "!history.state.isOver");
    alice.back();
    alice.wait_title("#dev");

    // A room that was left is nowhere to go back to.
    alice.command("forward", &json!({}));
    alice.wait_title("#garden");
    alice.say("/leave");
    alice.wait_title("#dev");
    alice.wait_until("its address", "location.search === '?room=dev'");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn links_to_rooms_and_messages_open_in_place() {
    let server = chat(&["--rate-limit", "off"]);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    for number in 1..=300 {
        carol.send(format!("message {number}\r\n").as_bytes());
    }
    carol.send(b"/topic\r\n");
    read_until(&mut carol, "has no topic");
    let alice = driver.page(server.address, "alice", "garden");
    carol.send(b"/join garden\r\n");
    let base = format!("http://{}/", server.address);
    let links = format!("{base}?room=dev&message=20 {base}?room=dev {base}?with=carol");
    carol.send(format!("{links}\r\n").as_bytes());
    let is_marked = "document.querySelector('.found')?.dataset.id === '20'";
    let follow = |number: usize| {
        let link = format!("#log a:nth-of-type({number})");
        alice.wait_until("the links", "document.querySelectorAll('#log a').length === 3");
        alice.click(&link);
    };
    follow(1);
    alice.wait_title("#dev");
    alice.wait_until("the message is marked", is_marked);
    let in_sight = "(() => { const log = document.querySelector('#log').getBoundingClientRect(), \
        found = document.querySelector('.found').getBoundingClientRect(); \
        return found.top >= log.top && found.bottom <= log.bottom; })()";
    alice.wait_until("it is in sight", in_sight);
    assert!(!alice.said().contains(&"carol: message 300".to_owned()));
    alice.back();
    alice.wait_title("#garden");
    follow(3);
    alice.wait_title("carol");
    alice.back();
    alice.wait_title("#garden");
    assert_eq!(alice.tabs(), 1);

    // A message has an address that can be copied, and leads there in another browser, too.
    alice.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }");
    alice.click("#log .more");
    alice.pick("#person", "Copy link");
    alice.wait_notice("The link is copied.");
    assert_eq!(alice.run("return copied"), format!("{base}?room=garden&message=1"));
    let bob = driver.browser("en-US");
    bob.open(&format!("{base}?room=dev&message=20"));
    bob.wait_until("the message is marked", is_marked);
    bob.wait_until("it is in sight", in_sight);
    bob.open(&format!("{base}?room=dev&message=4000"));
    bob.wait_notice("That message is no longer kept.");
    alice.assert_no_complaints();
    bob.assert_no_complaints_but_the_connection();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_link_to_a_room_that_one_may_not_enter_says_so() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    alice.new_room("secret", "invited");
    alice.wait_title("#secret");
    let mut carol = terminal(&server, "carol", "dev");
    let bob = driver.page(server.address, "bob", "dev");
    carol.send(format!("http://{}/?room=secret&message=1\r\n", server.address).as_bytes());
    bob.wait_until("the link", "document.querySelector('#log a') !== null");
    bob.click("#log a");
    bob.wait_until(
        "it says so",
        "/^#secret: /.test(document.querySelector('#notice p').textContent)",
    );
    bob.wait_title("#dev");
    bob.wait_until("its address", "location.search === '?room=dev'");
    bob.open(&format!("http://{}/?room=secret&message=1", server.address));
    bob.wait_until(
        "it says so",
        "/^#secret: /.test(document.querySelector('#notice p').textContent)",
    );
    bob.wait_title("#dev");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_link_to_a_room_for_accounts_says_so_and_leads_there_after_a_login() {
    let server = chat(&[]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.own(&server, "alice");
    alice.new_room("staff", "accounts");
    alice.wait_title("#staff");
    let mut carol = terminal(&server, "carol", "dev");
    let bob = driver.page(server.address, "bob", "dev");
    carol.send(format!("http://{}/?room=staff\r\n", server.address).as_bytes());
    bob.wait_until("the link", "document.querySelector('#log a') !== null");
    bob.click("#log a");
    bob.wait_view("login");
    assert_eq!(bob.text("#account .note"), "#staff is for people with an account.");
    // Who stays a guest is where they were.
    bob.click("#account .heading .icon");
    bob.wait_title("#dev");
    assert_eq!(bob.count("#rooms li"), 1);
    // Or where guests may be.
    bob.open("about:blank");
    let bob = driver.browser("en-US");
    bob.open(&format!("http://{}/?room=staff", server.address));
    bob.wait_view("login");
    bob.click("#account .heading .icon");
    bob.wait_title("#lobby");
    bob.wait_until("the question", "document.querySelector('#ask').open");
    bob.run("document.querySelector('#ask').close()");
    assert_eq!(bob.count("#rooms li"), 1);
    bob.open(&format!("http://{}/?room=staff", server.address));
    bob.wait_view("login");
    bob.enter("name", "alice");
    bob.enter("password", "correct horse");
    bob.submit();
    bob.wait_role("Owner of this server");
    bob.wait_title("#staff");
    bob.wait_online();
    bob.say("here");
    alice.wait_said(&["alice: here"]);
    bob.assert_no_complaints();
}
