//! What somebody who has the page open all day runs into.

use serde_json::json;

use super::{Driver, chat, read_until, terminal};

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
    assert_eq!(read_until(&mut carol, "alice: "), "[#dev] alice: onetwo three\r\n");
    alice.wait_said(&["alice: onetwo three"]);
    let time = "return document.querySelector('#log [data-id] time').dateTime";
    let shown = alice.run(time);
    let late = format!("return Date.parse({shown}) - Date.now() > 3000e3");
    assert_eq!(alice.run(&late), true, "the time is the server's");
    alice.command("refresh", &json!({}));
    alice.wait_said(&["alice: onetwo three"]);
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
