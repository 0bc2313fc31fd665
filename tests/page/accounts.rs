//! Accounts in the page.

use std::net::{IpAddr, TcpStream, UdpSocket};

use serde_json::{Value, json};

use super::{Driver, Page, Wire, chat, chat_at, read_until, terminal};
use crate::common::{Client, Server};

const DIALOG: &str = "document.querySelector('#account')";

/// The code that makes an owner, as the log of the server has it.
pub fn owner_code(server: &Server) -> String {
    let line = server.wait_for_line("the link of an owner", |line| line.contains("#setup="));
    let (_, code) = line.split_once("#setup=").expect("a code");
    code.split_whitespace().next().expect("a code").to_owned()
}

impl Page<'_> {
    #[track_caller]
    pub fn wait_view(&self, view: &str) {
        self.wait_until(view, &format!("{DIALOG}.dataset.view === '{view}'"));
    }

    #[track_caller]
    pub fn wait_closed(&self) {
        self.wait_until("the dialog is closed", &format!("!{DIALOG}.open"));
    }

    /// Replaces what a field of the dialog holds.
    #[track_caller]
    pub fn enter(&self, field: &str, text: &str) {
        let field = format!("#account [name={field}]");
        self.run(&format!("document.querySelector('{field}').value = ''"));
        self.type_into(&field, text);
    }

    #[track_caller]
    pub fn submit(&self) {
        self.click("#account [type=submit]");
    }

    #[track_caller]
    pub fn wait_role(&self, role: &str) {
        let shown = format!(
            "document.querySelector('#me small').textContent === {} && \
             document.body.dataset.state === 'online'",
            json!(role)
        );
        self.wait_until(role, &shown);
    }

    /// Opens the menu of an account, and this entry of it.
    #[track_caller]
    pub fn choose(&self, entry: &str) {
        self.click("#me");
        self.wait_view("menu");
        let script = format!(
            "[...document.querySelectorAll('#account .menu button')]\
             .find((one) => one.firstChild.textContent === {}).click()",
            json!(entry)
        );
        self.run(&script);
    }

    /// Makes an account, with a code in the page's address.
    #[track_caller]
    pub fn make_account(&self, server: &Server, link: &str, name: &str, password: &str) {
        self.open(&format!("http://{}/?room=dev{link}", server.address));
        self.wait_view("register");
        assert_eq!(self.run("return location.hash"), "", "the code leaves the address at once");
        self.enter("name", name);
        self.enter("password", password);
        self.submit();
        self.wait_closed();
        self.wait_until(
            "the name",
            &format!("document.querySelector('#me b').textContent === '{name}'"),
        );
        self.wait_cookie();
        self.wait_online();
    }

    /// The link of a new invitation, from its `#`.
    #[track_caller]
    pub fn invite(&self, address: &str) -> String {
        self.choose("Invite people");
        self.wait_view("invite");
        self.submit();
        self.wait_until("a link", "Boolean(document.querySelector('#account .copy input'))");
        let link = self.run("return document.querySelector('#account .copy input').value");
        let link = link.as_str().expect("a link");
        self.type_into("#account .copy input", "\u{E00C}");
        self.wait_closed();
        link.strip_prefix(&format!("http://{address}/")).expect("of this server").to_owned()
    }

    #[track_caller]
    pub fn log_in(&self, name: &str, password: &str) {
        self.click("#log-in");
        self.wait_view("login");
        self.enter("name", name);
        self.enter("password", password);
        self.submit();
    }

    /// Waits until a reload would be logged in.
    #[track_caller]
    pub fn wait_cookie(&self) {
        let has = "performance.getEntriesByType('resource').some((one) => \
                   one.name.endsWith('/session') && one.responseStatus === 204)";
        self.wait_until("the cookie", has);
    }

    /// The handle of the tab that commands go to.
    pub fn window(&self) -> Value {
        self.get("window")
    }

    fn notes_of_members(&self) -> String {
        self.run(
            "return [...document.querySelectorAll('#members [data-name]')].map((one) => \
             `${one.dataset.name}: ${one.querySelector('small').textContent}`).join('; ')",
        )
        .as_str()
        .expect("a text")
        .to_owned()
    }

    #[track_caller]
    pub fn wait_notes(&self, expected: &str) {
        crate::common::eventually(expected, || (self.notes_of_members() == expected).then_some(()));
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn the_owner_invites_somebody_who_has_two_devices() {
    let server = chat(&[]);
    let address = server.address.to_string();
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    let setup = format!("#setup={}", owner_code(&server));
    alice.make_account(&server, &setup, "alice", "correct horse");
    alice.wait_role("Owner of this server");
    let invite = alice.invite(&address);
    assert!(invite.starts_with("#invite="), "{invite}");

    // What a guest has said and where it is stays as it gets an account.
    let bob = driver.page(server.address, "guy", "dev");
    bob.say("as a guest");
    bob.wait_said(&["guy: as a guest"]);
    bob.make_account(&server, &invite, "bob", "battery staple");
    bob.wait_role("Account");
    bob.say("as bob");
    bob.wait_said(&["guy: as a guest", "bob: as bob"]);

    // The second device comes from another room, and unites them.
    let other = driver.page(server.address, "somebody", "garden");
    other.log_in("bob", "battery staple");
    other.wait_closed();
    other.wait_role("Account");
    for page in [&bob, &other] {
        page.wait_until("both rooms", "document.querySelectorAll('#rooms li').length === 2");
    }
    other.click("#rooms [data-room=\"#dev\"]");
    other.wait_said(&["guy: as a guest", "bob: as bob"]);
    other.say("from the other");
    alice.say("both of you");
    // Who made an account is a guest no more, for those who were there before.
    alice.wait_notes("alice: you; bob: ");
    let all = ["guy: as a guest", "bob: as bob", "bob: from the other", "alice: both of you"];
    for page in [&alice, &bob, &other] {
        page.wait_said(&all);
    }

    // A reload stays logged in, and follows what the other device leaves meanwhile.
    bob.command("refresh", &json!({}));
    bob.wait_role("Account");
    bob.wait_said(&all);
    other.say("/leave garden");
    bob.wait_until("one room", "document.querySelectorAll('#rooms li').length === 1");

    // Guests are marked as guests, who is not here is greyed.
    let mut carol = terminal(&server, "carol", "dev");
    alice.wait_notes("alice: you; bob: ; carol: guest");
    drop(bob);
    drop(other);
    server.wait_for_line("bob is away", |line| line.contains("bob left by one device"));
    carol.send(b"/msg bob psst\r\n");
    read_until(&mut carol, "not connected");
    alice.command("refresh", &json!({}));
    alice.wait_role("Owner of this server");
    alice.wait_notes("alice: you; carol: guest; bob: offline");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_wrong_password_stays_in_the_dialog() {
    let server = chat(&["--registration", "open"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    alice.click("#log-in");
    alice.wait_view("login");
    alice.click("#account .buttons .quiet");
    alice.wait_view("register");
    alice.enter("password", "short");
    alice.submit();
    let invalid = "document.querySelector('[name=password]').getAttribute('aria-invalid') === 'true' \
                   && document.activeElement.name === 'password'";
    alice.wait_until("it is refused", invalid);
    alice.enter("password", "correct horse");
    alice.submit();
    alice.wait_closed();
    alice.wait_role("Account");
    alice.say("/logout");
    alice.wait_until("a guest", "!document.querySelector('#log-in').hidden");
    alice.wait_online();
    let is_lobby = "document.querySelector('#title').textContent === '#lobby'";
    alice.wait_until("what an account had is out of sight", is_lobby);
    assert_eq!(alice.count("#rooms li"), 1);

    alice.log_in("alice", "wrong password");
    alice.wait_until("it is wrong", invalid);
    let typed = alice.run(
        "return [...document.querySelectorAll('#account input')].map((one) => \
         `${one.autocomplete} ${one.value}`)",
    );
    assert_eq!(typed, json!(["username alice", "current-password wrong password"]));
    let fault = "document.getElementById(document.activeElement.getAttribute('aria-describedby')\
                 .split(' ')[0]).textContent";
    assert_eq!(alice.run(&format!("return {fault}")), "The name or the password is wrong.");
    alice.enter("password", "correct horse");
    alice.submit();
    alice.wait_closed();
    alice.wait_until("its room", "/dev/.test(document.querySelector('#rooms').textContent)");

    // Escape closes, and the focus is where it was.
    alice.click("#me");
    alice.wait_view("menu");
    alice.type_into("#account .menu button", "\u{E00C}");
    alice.wait_closed();
    assert_eq!(alice.run("return document.activeElement.id"), "me");
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_session_that_ends_elsewhere_is_told_and_goes_on_after_a_login() {
    let server = chat(&["--registration", "open"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    alice.say("/register alice");
    alice.wait_view("register");
    alice.enter("password", "correct horse");
    alice.submit();
    alice.wait_role("Account");
    alice.say("here");
    alice.wait_said(&["alice: here"]);

    // Another tab that is open already is logged in as well, and out.
    let lost = driver.page(server.address, "x", "dev");
    lost.log_in("alice", "correct horse");
    lost.wait_closed();
    lost.wait_role("Account");
    lost.wait_said(&["alice: here"]);
    alice.say("/sessions");
    alice.wait_until("both", "document.querySelectorAll('#account .keys li').length === 2");
    alice.click("#account .keys button");
    lost.wait_view("login");
    assert_eq!(lost.text("#account-title"), "You are logged out");
    let visibility = "getComputedStyle(document.querySelector('#log')).visibility";
    lost.wait_until("nothing is in sight", &format!("{visibility} === 'hidden'"));
    alice.type_into("#account [name=label]", "\u{E00C}");
    alice.say("meanwhile");
    lost.enter("password", "correct horse");
    lost.submit();
    lost.wait_closed();
    lost.wait_said(&["alice: here", "alice: meanwhile"]);
    lost.say("back");
    alice.wait_said(&["alice: here", "alice: meanwhile", "alice: back"]);
    lost.assert_no_complaints();
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_dialog_of_accounts_fits_every_page() {
    let server = chat(&["--registration", "open"]);
    let driver = Driver::start();
    let alice = driver.page(server.address, "alice", "dev");
    let fits = "(() => { const box = document.querySelector('#account'), at = box.getBoundingClientRect(); \
        return at.left >= 0 && at.right <= innerWidth && at.bottom <= innerHeight \
        && box.scrollWidth <= box.clientWidth; })()";
    alice.resize(320, 480, true);
    for line in ["/login", "/register"] {
        alice.say(line);
        alice.wait_until(line, fits);
        alice.run("document.querySelector('#account').close()");
        alice.wait_until("it is empty", "!document.querySelector('#account').firstChild");
    }
    alice.say("/register alice");
    alice.wait_view("register");
    alice.enter("password", "correct horse");
    alice.submit();
    alice.wait_role("Account");
    for line in
        ["/account", "/invite", "/sessions", "/confirm", "/password", "/role", "/delete-account"]
    {
        alice.say(line);
        alice.wait_until(line, fits);
        // In a room, /invite is about the room, and has a dialog of its own.
        alice.run("document.querySelectorAll('dialog[open]').forEach((one) => one.close())");
        alice.wait_until("it is empty", "!document.querySelector('#account').firstChild");
    }
    alice.assert_no_complaints();
}

/// An address of this machine that is not loopback, if it has one.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn what_is_on_its_way_is_said_once_though_its_author_logs_in_meanwhile() {
    let server = chat(&["--registration", "open"]);
    let wire = Wire::to(server.address);
    let driver = Driver::start();
    let mut carol = terminal(&server, "carol", "dev");
    let alice = driver.page(wire.address, "alice", "dev");
    let lines: Vec<String> = (0..40).map(|number| format!("line {number}")).collect();
    // Flood control takes 20 at once and the rest slowly: some wait while the account is made.
    alice.say_all(&lines);
    alice.say("/register alice");
    alice.wait_view("register");
    alice.enter("password", "correct horse");
    alice.submit();
    alice.wait_role("Account");

    // Then the line breaks, with more that waits.
    alice.wait_cookie();
    wire.cut();
    alice.wait_offline();
    alice.say("the last");
    wire.mend();
    // It may have come back by itself in the meantime.
    alice.run("document.querySelector('#retry').click()");
    alice.wait_role("Account");
    let mut expected: Vec<String> = lines.iter().map(|line| format!("alice: {line}")).collect();
    expected.push("alice: the last".to_owned());
    alice.wait_said(&expected.iter().map(String::as_str).collect::<Vec<_>>());
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        let line = read_until(&mut carol, "[#dev] alice: ");
        heard.push(line.trim_end().trim_start_matches("[#dev] ").to_owned());
    }
    assert_eq!(heard, expected);
    alice.assert_no_complaints_but_the_connection();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn a_plain_terminal_from_elsewhere_is_let_in_by_the_page() {
    let Some(elsewhere) = own_address() else {
        return eprintln!("this machine has no address but loopback");
    };
    let server = chat_at(([0, 0, 0, 0], 0).into(), &["--registration", "open"]);
    let port = server.address.port();
    let driver = Driver::start();
    let alice = driver.page(([127, 0, 0, 1], port).into(), "alice", "dev");
    alice.say("/register alice");
    alice.wait_view("register");
    alice.enter("password", "correct horse");
    alice.submit();
    alice.wait_role("Account");

    let mut plain = Client::over(TcpStream::connect((elsewhere, port)).expect("a connection"));
    plain.send(b"/login alice\r\n");
    let told = read_until(&mut plain, "/confirm ");
    let (_, code) = told.trim_end().split_once("/confirm ").expect("a code");
    alice.say("/confirm AAAA-AAAA-AAAA");
    alice.wait_view("terminal");
    alice.submit();
    let invalid = "document.querySelector('[name=code]').getAttribute('aria-invalid') === 'true'";
    alice.wait_until("it is not known", invalid);
    alice.enter("code", code);
    alice.submit();
    let asked =
        format!("{DIALOG}.textContent.includes('A terminal at {elsewhere} wants to be you')");
    alice.wait_until("where it is", &asked);
    alice.submit();
    alice.wait_closed();
    read_until(&mut plain, "You are logged in as alice");

    // A page that others could read has no field for a password, and says why.
    let page = driver.browser("en-US");
    page.open(&format!("http://{elsewhere}:{port}/"));
    page.wait_online();
    page.stay_nameless();
    page.click("#log-in");
    page.wait_view("login");
    assert_eq!(page.count("#account input"), 0);
    assert!(page.text("#account .note").contains("Open this page with https"));
    page.assert_no_complaints();
    alice.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn another_tab_is_logged_in_as_well_and_out() {
    let server = chat(&["--registration", "open"]);
    let driver = Driver::start();
    let page = driver.page(server.address, "alice", "dev");
    let first = page.window();
    let opened = page.command("window/new", &json!({ "type": "tab" }));
    page.command("window", &json!({ "handle": opened["handle"] }));
    page.open(&format!("http://{}/?name=other&room=garden", server.address));
    page.wait_online();
    page.say("/register alicia");
    page.wait_view("register");
    page.enter("password", "correct horse");
    page.submit();
    page.wait_role("Account");
    page.wait_cookie();

    page.command("window", &json!({ "handle": first }));
    page.wait_role("Account");
    page.wait_until("both rooms", "document.querySelectorAll('#rooms li').length === 2");
    let is_alicia = "document.querySelector('#me b').textContent === 'alicia'";
    page.wait_until("the other name", is_alicia);
    page.say("/logout");
    page.wait_until("a guest", "!document.querySelector('#log-in').hidden");
    page.command("window", &json!({ "handle": opened["handle"] }));
    page.wait_view("login");
    assert_eq!(page.text("#account-title"), "You are logged out");
    page.click("#account .buttons .quiet");
    page.wait_closed();
    page.wait_online();
    page.wait_until("a guest's room", "document.querySelector('#title').textContent === '#lobby'");
    page.assert_no_complaints();
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run installs them and runs it"]
fn where_there_are_no_guests_the_page_asks_to_log_in() {
    let server = chat(&["--guests", "no"]);
    let driver = Driver::start();
    let alice = driver.browser("en-US");
    alice.open(&format!("http://{}/?room=dev", server.address));
    alice.wait_view("login");
    assert_eq!(alice.text("#account .note"), "#dev is for people with an account.");

    // A link that is opened in this very tab, while something is drawn.
    alice.run("location.hash = '#invite=AAAA-AAAA-AAAA'; document.body.dataset.drawer = ''");
    alice.wait_view("register");
    alice.enter("name", "alice");
    alice.enter("password", "correct horse");
    alice.submit();
    let refused = "/not known/.test(document.querySelector('#account form > .fault').textContent)";
    alice.wait_until("it is refused", refused);
    alice.run(&format!("location.hash = '#setup={}'", owner_code(&server)));
    alice.wait_until(
        "the other dialog",
        "document.querySelector('#account-title').textContent === 'You own this server'",
    );
    alice.enter("name", "alice");
    alice.enter("password", "correct horse");
    alice.submit();
    alice.wait_role("Owner of this server");
    alice.wait_online();
    alice.say("hello");
    alice.wait_said(&["alice: hello"]);
    alice.assert_no_complaints();
}
