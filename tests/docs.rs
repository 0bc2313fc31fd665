//! The documents tell what the program does: flags, commands, the JSON protocol, and links that
//! lead somewhere.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use chat_server::chat::request::commands::ALIASES;
use common::{Server, program};

/// A README is read in one go.
const README_LINES_MAX: usize = 200;

/// Defaults that depend on something are told in words; `--help` has no default for these.
const DEFAULTS_IN_WORDS: [&str; 14] = [
    "--host",
    "--port",
    "--data",
    "--keep-days",
    "--data-max-gib",
    "--greet-after",
    "--allow-origin",
    "--compress",
    "--insecure-logins",
    "--times",
    "--max-clients",
    "--max-clients-per-address",
    "--connect-rate",
    "--memory-mib",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page of documentation.
fn pages() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("docs"))
        .expect("docs/")
        .map(|entry| entry.expect("a file").path());
    let mut pages: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.extend(["README.md", "CHANGELOG.md", "benches/README.md"].map(|name| root().join(name)));
    pages.sort();
    pages
}

/// The lines under a heading, up to the next one.
fn section<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let mut lines = page.lines().skip_while(|line| *line != heading);
    assert_eq!(lines.next(), Some(heading), "no such heading");
    lines.take_while(|line| !line.starts_with('#')).collect()
}

/// The cells of the rows of the table under a heading, without what is above the line of dashes.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let rows = section(page, heading).into_iter().filter(|line| line.starts_with('|'));
    let cells = |row: &str| {
        row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> =
        rows.skip_while(|row| !row.starts_with("|---")).skip(1).map(cells).collect();
    assert!(!rows.is_empty(), "no table under {heading}");
    rows
}

fn without_ticks(cell: &str) -> String {
    cell.replace('`', "")
}

fn set(items: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    items.into_iter().collect()
}

/// What a document lists has to be what there is: a comparison that tells what is missing on which
/// side.
#[track_caller]
fn assert_same(what: &str, documented: &BTreeSet<String>, real: &BTreeSet<String>) {
    let missing: Vec<_> = real.difference(documented).collect();
    let made_up: Vec<_> = documented.difference(real).collect();
    assert!(
        missing.is_empty() && made_up.is_empty(),
        "{what}: not documented: {missing:?}; not there: {made_up:?}"
    );
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines < README_LINES_MAX, "{lines} lines");
}

// ---- Flags ----

/// The commands that do something else than to serve.
const TOOLS: [&str; 9] =
    ["connect", "health", "backup", "restore", "check", "export", "owner", "completions", "man"];

#[test]
fn the_dockerfile_names_variables_and_commands_that_there_are() {
    let file = read("docs/container/Dockerfile");
    let output = program().arg("--help").output().expect("the program runs");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let variables = file.split(char::is_whitespace).filter_map(|word| word.split_once('='));
    let variables = variables.filter(|(name, _)| name.starts_with("CHAT_")).collect::<Vec<_>>();
    assert_eq!(variables.len(), 2, "{variables:?}");
    for (name, _) in variables {
        assert!(help.contains(&format!("[env: {name}]")), "{name}");
    }
    let asked =
        file.split_once("CMD [\"/chat-server\", \"").and_then(|(_, rest)| rest.split_once('"'));
    assert!(TOOLS.contains(&asked.expect("a health check").0));
    // What is copied before the program is built has all that it is made of.
    let copied = read(".dockerignore");
    for part in ["Cargo.toml", "Cargo.lock", "src", "benches"] {
        assert!(copied.lines().any(|line| line == format!("!{part}")), "{part}");
    }
}

/// The flags of `--help` and their defaults.
fn flags_of_help() -> BTreeMap<String, Option<String>> {
    flags_of(&["--help"])
}

fn flags_of(arguments: &[&str]) -> BTreeMap<String, Option<String>> {
    let output = program().args(arguments).output().expect("the program runs");
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    let mut flags = BTreeMap::new();
    let mut current = None;
    for line in page.lines().map(str::trim) {
        if let Some(flag) = line
            .split([' ', ','])
            .find(|word| word.starts_with("--"))
            .filter(|_| line.starts_with('-'))
        {
            flags.insert(flag.to_owned(), None);
            current = Some(flag.to_owned());
        } else if let Some(default) =
            line.strip_prefix("[default: ").and_then(|rest| rest.strip_suffix(']'))
            && let Some(flag) = &current
        {
            flags.insert(flag.clone(), Some(default.to_owned()));
        }
    }
    flags
}

#[test]
fn every_flag_is_documented_with_its_default() {
    let documented: BTreeMap<String, String> = table(&read("docs/flags.md"), "## Flags")
        .iter()
        .map(|row| (without_ticks(&row[0]), without_ticks(&row[1])))
        .collect();
    let real = flags_of_help();
    assert_same("flags", &set(documented.keys().cloned()), &set(real.keys().cloned()));
    for (flag, default) in &real {
        match default {
            Some(default) => assert_eq!(&documented[flag], default, "{flag}"),
            None if DEFAULTS_IN_WORDS.contains(&flag.as_str()) => {}
            None => assert_eq!(documented[flag], "", "{flag}"),
        }
    }
}

/// A flag that a document names is one that there is; those of other programs stand in code blocks
/// of theirs.
#[test]
fn no_page_names_a_flag_that_there_is_not() {
    let mut real = flags_of_help();
    real.extend(TOOLS.iter().flat_map(|tool| flags_of(&[tool, "--help"])));
    for page in pages().iter().filter(|page| !page.ends_with("benches/README.md")) {
        for word in read(page).split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let is_flag = word.starts_with("--") && word.len() > 2 && !word.starts_with("---");
            let is_cargos = [
                "--release",
                "--test",
                "--bench",
                "--ignored",
                "--nocapture",
                "--open",
                "--full",
                "--only",
                "--pairs",
                "--peer",
                "--wire",
                // certbot's, lego's and ncat's.
                "--accept-tos",
                "--deploy-hook",
                "--domains",
                "--email",
                "--http",
                "--key-type",
                "--path",
                "--ssl",
                "--webroot",
                // Docker's.
                "--format",
                "--name",
            ]
            .contains(&word);
            assert!(!is_flag || is_cargos || real.contains_key(word), "{}: {word}", page.display());
        }
    }
}

// ---- Commands ----

#[test]
fn every_command_is_documented_as_help_explains_it() {
    let server = Server::start(&["--mode", "chat"]);
    let mut client = server.connect();
    client.enter();
    client.send(b"/help all\r\n/nick two words\r\n");
    let mut real = BTreeMap::new();
    loop {
        let line = String::from_utf8(client.line()).expect("UTF-8");
        let Some((command, does)) = line.strip_prefix("* /").and_then(|line| line.split_once(": "))
        else {
            // What follows the list is our error.
            if line.starts_with('!') {
                break;
            }
            continue;
        };
        real.insert(format!("/{command}"), does.trim_end().to_owned());
    }
    let documented: BTreeMap<String, String> = table(&read("docs/commands.md"), "## Commands")
        .iter()
        .map(|row| (without_ticks(&row[0]), without_ticks(&row[1])))
        .collect();
    assert_same("commands", &set(documented.keys().cloned()), &set(real.keys().cloned()));
    for (command, does) in &real {
        assert!(
            documented[command].starts_with(does),
            "{command}: {:?} for {does:?}",
            documented[command]
        );
    }
}

/// The first cell names one or more, the second what they stand for.
#[test]
fn other_names_of_commands_are_documented() {
    let page = read("docs/commands.md");
    let rows = page.lines().skip_while(|line| *line != "| typed | is |").skip(2);
    let rows =
        rows.map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let pairs = rows.flat_map(|(names, command)| {
        names.split(", ").map(move |name| without_ticks(&format!("{name} {command}")))
    });
    let real = ALIASES.iter().map(|(alias, name)| format!("/{alias} /{name}"));
    assert_same("other names", &set(pairs), &set(real));
}

#[test]
fn the_greeting_is_documented_as_it_comes() {
    let server = Server::start(&["--mode", "chat", "--greet-after", "1"]);
    let greeting = String::from_utf8(server.connect().line()).expect("UTF-8");
    assert!(read("docs/commands.md").contains(greeting.trim_end()), "{greeting}");
}

#[test]
fn the_transcripts_begin_as_a_conversation_does() {
    let server = Server::start(&["--mode", "chat"]);
    let welcome = server.connect().enter();
    for (page, before) in
        [("README.md", "> /nick alice\n"), ("docs/commands.md", "Escape character is '^]'.\n\n")]
    {
        let beginning = format!("{before}{}", welcome.trim_end());
        assert!(read(page).contains(&beginning), "{page}: {welcome}");
    }
}

/// Who types what in the conversation that the page shows.
const CONVERSATION: [(usize, &str); 20] = [
    (ALICE, ""),
    (BOB, ""),
    (SAKURA, ""),
    (ALICE, "/nick alice"),
    (BOB, "/nick bob"),
    (SAKURA, "/nick さくら"),
    (ALICE, "hello everybody"),
    (BOB, "hi alice! /join #dev if you want to see the new release"),
    (ALICE, "/join #dev"),
    (BOB, "/join #dev"),
    (BOB, "/topic release 0.1"),
    (SAKURA, "where did you all go?"),
    (ALICE, "we are in #dev"),
    (SAKURA, "/join #dev"),
    (SAKURA, "見つけた"),
    (BOB, "/me waves"),
    (SAKURA, "/msg alice ありがとう"),
    (ALICE, "/who"),
    (SAKURA, "/quit また明日"),
    (BOB, "/quit"),
];
const ALICE: usize = 0;
const BOB: usize = 1;
const SAKURA: usize = 2;

/// What the server writes in a transcript: what a person typed is left out, and so are telnet's own
/// lines and the date.
fn written(transcript: &str, person: usize) -> Vec<String> {
    let mut typed =
        CONVERSATION.iter().filter(|(who, _)| *who == person).map(|(_, line)| *line).peekable();
    let mut lines = Vec::new();
    for line in transcript.lines().skip(3).filter(|line| !line.starts_with("Connection closed")) {
        match typed.next_if(|next| *next == line) {
            Some(_) => {}
            None => lines.push(without_date(line)),
        }
    }
    lines
}

fn without_date(line: &str) -> String {
    match line.strip_prefix("*   20").and_then(|dated| dated.split_once(" (")) {
        Some((_, rest)) => format!("*   DATE ({rest}"),
        None => line.to_owned(),
    }
}

#[test]
fn the_conversation_is_as_the_page_has_it() {
    let server = Server::start(&["--mode", "chat"]);
    let mut people = [(); 3].map(|()| server.connect());
    let mut heard = [(); 3].map(|()| Vec::new());
    for (who, line) in CONVERSATION {
        people[who].send(format!("{line}\r\n").as_bytes());
        if line.starts_with("/quit") {
            let rest = String::from_utf8(people[who].rest_until_end()).expect("UTF-8");
            heard[who].extend(rest.lines().map(without_date));
            continue;
        }
        // Only who typed it is told, so that everybody's lines come in the order of the
        // conversation.
        people[who].send(b"/dance\r\n");
        loop {
            let line = String::from_utf8(people[who].line()).expect("UTF-8");
            if line.starts_with("! There is no command") {
                break;
            }
            heard[who].push(without_date(line.trim_end()));
        }
    }
    let page = read("docs/commands.md");
    let blocks: Vec<&str> = page
        .split("\n```")
        .filter_map(|block| block.strip_prefix('\n'))
        .filter(|block| block.starts_with("Trying"))
        .collect();
    // The page ends alice's before bob leaves.
    people[ALICE].send(b"/quit\r\n");
    let rest = String::from_utf8(people[ALICE].rest_until_end()).expect("UTF-8");
    heard[ALICE].extend(
        rest.lines()
            .filter(|line| !line.contains("bob left") && *line != "* Goodbye.")
            .map(str::to_owned),
    );
    assert_eq!(written(blocks[0], ALICE), heard[ALICE], "alice");
    assert_eq!(written(blocks[1], SAKURA), heard[SAKURA], "さくら");
}

// ---- JSON ----

/// The Rust source of the chat, without its tests.
fn source_of_the_chat() -> String {
    let mut source = String::new();
    let mut folders = vec![root().join("src/chat")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("the chat's files");
        for path in entries.map(|entry| entry.expect("a file").path()) {
            if path.file_stem().is_some_and(|it| it == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = read(&path);
                source
                    .push_str(text.split("#[cfg(test)]\nmod tests {").next().expect("always one"));
            }
        }
    }
    source
}

/// The strings that follow each of these openings.
fn strings_after(source: &str, opening: &str) -> BTreeSet<String> {
    let rests =
        source.split(opening).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    set(rests.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())))
}

fn names_of(rows: &[Vec<String>]) -> BTreeSet<String> {
    set(rows.iter().map(|row| without_ticks(&row[0])))
}

#[test]
fn every_error_code_is_documented() {
    let source = source_of_the_chat();
    let mut real = strings_after(&source, "RequestError::new(");
    real.append(&mut strings_after(&source, "RequestError::of("));
    assert_same("codes", &names_of(&table(&read("docs/protocol.md"), "## Errors")), &real);
}

#[test]
fn every_request_is_documented() {
    let source = read("src/chat/dialect/json/mod.rs");
    let people = read("src/chat/dialect/json/people.rs");
    let types = people.lines().map(str::trim).filter(|line| line.ends_with("\","));
    let types_of = |page: &str| -> Vec<String> {
        let (_, types) = page.split_once("const TYPES").expect("their types");
        let (types, _) = types.split_once("];").expect("the end of them");
        types.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let of_rooms = types_of(&read("src/chat/dialect/json/rooms.rs"));
    let of_order = types_of(&read("src/chat/dialect/json/order.rs"));
    let rows = source.lines().map(str::trim).filter(|line| line.contains("\" =>")).chain(types);
    let rows = rows.filter_map(|line| Some(line.strip_prefix('"')?.split_once('"')?.0.to_owned()));
    let real = set(rows.chain(of_rooms).chain(of_order));
    assert_same("requests", &names_of(&table(&read("docs/protocol.md"), "## Requests")), &real);
}

/// The requests that a row of the table of rights has in its first cell.
fn requests_of(cell: &str) -> BTreeSet<String> {
    set(without_ticks(cell).split(", ").map(|name| name.trim_start_matches('/').to_owned()))
}

#[test]
fn who_may_do_what_is_documented() {
    let source = read("src/chat/access.rs");
    let (_, arms) = source.split_once("match request {").expect("the table");
    let mut real: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // What stands before each `Access::` are the requests that take it.
    let mut arms = arms.split(" Access::");
    let mut requests = arms.next().expect("the first of them");
    for arm in arms {
        let (access, next) = arm.split_at(arm.find(|c: char| !c.is_alphabetic()).unwrap_or(0));
        let names = requests.split("Request::").skip(1).filter_map(|name| {
            let name: String = name.chars().take_while(|c| c.is_alphabetic()).collect();
            Some(match name.as_str() {
                // What one may do in a room is told on its own page.
                "Nothing" | "Account" | "Order" | "Reading" | "Room" => return None,
                "Print" => vec!["unread".to_owned()],
                "Direct" => vec!["msg".to_owned()],
                "Conversation" => vec!["conversations".to_owned()],
                "Say" => vec!["say".to_owned(), "me".to_owned()],
                "EndSession" => vec!["end_session".to_owned()],
                "Uninvite" => vec!["end_invitation".to_owned()],
                "Delete" => vec!["delete_account".to_owned()],
                "EndBot" => vec!["end_bot".to_owned()],
                "DeleteMessage" => vec!["delete".to_owned()],
                "Show" => vec!["account".to_owned()],
                "People" => ["whois", "away", "back"].map(str::to_owned).into(),
                "Preference" => ["times", "zone", "bell", "clear"].map(str::to_owned).into(),
                name => vec![name.to_lowercase()],
            })
        });
        real.entry(access.to_owned()).or_default().extend(names.flatten());
        requests = next;
    }
    let rows = table(&read("docs/accounts.md"), "## Who may do what");
    let documented = rows.iter().map(|row| {
        let cells = [&row[1], &row[2], &row[3], &row[4], &row[5]].map(String::as_str);
        let access = match cells {
            ["yes", "yes", "yes", "yes", "yes"] => "Anybody",
            ["unless --guests no" | "unless `--guests no`", "yes", "yes", "yes", "yes"] => "Guest",
            ["no", "yes", "yes", "yes", "yes"] => "Account",
            ["no", "no", "yes", "yes", "yes"] => "Person",
            ["no", "no", "no", "yes", "yes"] => "Admin",
            ["no", "no", "no", "no", "yes"] => "Owner",
            other => panic!("{other:?}"),
        };
        (access.to_owned(), requests_of(&row[0]))
    });
    assert_eq!(documented.collect::<BTreeMap<_, _>>(), real);
}

#[test]
fn every_event_is_documented() {
    let source = read("src/chat/dialect/reply.rs");
    let (_, output) =
        source.split_once("pub enum Reply<'a> {\n").expect("the type of what is sent");
    let variants =
        output.lines().take_while(|line| *line != "}").filter_map(|line| line.strip_prefix("    "));
    let real = set(variants.filter_map(|line| {
        let name = line
            .strip_suffix(" {")
            .or_else(|| Some(line.strip_suffix("),")?.split_once('(')?.0))?;
        name.chars().all(char::is_alphabetic).then(|| name.to_lowercase())
    }));
    assert_same("events", &names_of(&table(&read("docs/protocol.md"), "## Events")), &real);
}

// ---- Links ----

/// The targets of a page's links, without those in blocks of code.
fn links(page: &str) -> Vec<String> {
    let blocks = page.split("\n```").step_by(2);
    let targets =
        blocks.flat_map(|text| text.split("](").skip(1)).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings =
        page.split("\n```").step_by(2).flat_map(str::lines).filter(|line| line.starts_with('#'));
    set(headings.map(|heading| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    }))
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for link in links(&text).iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                page.clone()
            } else {
                page.parent().expect("a folder").join(path)
            };
            assert!(target.is_file(), "{}: no {link}", page.display());
            assert!(
                anchor.is_empty() || anchors(&read(&target)).contains(anchor),
                "{}: no {link}",
                page.display()
            );
        }
    }
    assert!(count > 20, "only {count} links were found");
}

/// A page that nothing leads to is not read.
#[test]
fn the_readme_leads_to_every_page() {
    let readme = links(&read("README.md"));
    for page in pages().iter().filter(|page| page.starts_with(root().join("docs"))) {
        let path =
            page.strip_prefix(root()).expect("a page of ours").to_string_lossy().into_owned();
        assert!(readme.contains(&path), "no link to {path}");
    }
}

/// The attacks are in the files where the table says they are.
#[test]
fn the_tests_that_are_named_are_there() {
    for row in table(&read("docs/trust.md"), "## Attacks") {
        for name in without_ticks(&row[3]).split(", ") {
            assert!(root().join("tests").join(name).is_file(), "{name}");
        }
    }
}

#[test]
fn the_tree_in_the_design_is_there() {
    let page = read(root().join("docs/design.md"));
    let tree = page.split("```\n").find(|block| block.starts_with("src/\n")).expect("a tree");
    let mut path = root().to_owned();
    let mut depth = 0;
    for line in tree.lines() {
        let indent = line.len() - line.trim_start().len();
        let name = line.split_whitespace().next().expect("a name");
        for _ in indent / 2..depth {
            path.pop();
        }
        path.push(name);
        depth = indent / 2 + 1;
        assert!(path.exists(), "docs/design.md names {}", path.display());
    }
}

#[test]
fn lines_of_text_are_no_longer_than_code() {
    for page in pages() {
        for (at, line) in read(&page).lines().enumerate().filter(|(_, line)| !line.starts_with('|'))
        {
            let columns = line.chars().count();
            assert!(
                columns <= 100 || page.ends_with("benches/README.md"),
                "{}:{}: {columns}",
                page.display(),
                at + 1
            );
        }
    }
}
