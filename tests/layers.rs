//! The layers of the source: who may use whom, who may touch the system, and how long files and
//! functions may be.
//!
//! Reads the code as text, formatted by rustfmt. Tests, comments and strings do not count.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

struct Layer {
    name: &'static str,
    /// The layers that it may use; all of them stand below it.
    uses: &'static [&'static str],
    what: &'static str,
}

/// From the top down. Arrows run down only, so that there is no circle.
const LAYERS: &[Layer] = &[
    Layer {
        name: "main",
        uses: &[
            "config", "net", "chat", "store", "service", "delivery", "wire", "secrets", "plural",
        ],
        what: "chooses a service and starts the event loop with what config says",
    },
    Layer {
        name: "config",
        uses: &["net", "server", "chat", "store", "delivery", "wire", "throttle", "clock"],
        what: "reads flags and environment, and makes each layer's own limits of them",
    },
    Layer {
        name: "net",
        uses: &[
            "server", "service", "delivery", "wire", "throttle", "secrets", "memory", "plural",
            "ids", "metrics", "clock",
        ],
        what: "touches the system: sockets, clocks, signals, threads",
    },
    Layer {
        name: "server",
        uses: &[
            "service", "site", "delivery", "wire", "throttle", "memory", "plural", "ids",
            "metrics", "clock",
        ],
        what: "turns over any streams and any service",
    },
    Layer {
        name: "chat",
        uses: &[
            "store", "service", "site", "delivery", "wire", "throttle", "secrets", "memory",
            "plural", "ids", "metrics", "clock",
        ],
        what: "is a service: users, rooms, history, and the dialects that tell of them",
    },
    Layer {
        name: "service",
        uses: &["site", "delivery", "wire", "ids", "metrics", "clock"],
        what: "says what a server asks of a service; has the small ones",
    },
    Layer {
        name: "site",
        uses: &["wire", "clock"],
        what: "answers HTTP requests with the files of a service",
    },
    Layer {
        name: "delivery",
        uses: &["wire", "memory", "ids", "metrics", "clock"],
        what: "knows who gets which bytes and when, and who waits for whom",
    },
    Layer {
        name: "wire",
        uses: &["memory", "ids", "clock"],
        what: "turns bytes into messages and back",
    },
    Layer {
        name: "store",
        uses: &["plural", "ids", "metrics", "clock"],
        what: "keeps what was said: files, and threads that write and read them",
    },
    Layer { name: "throttle", uses: &[], what: "counts how often something is done" },
    Layer { name: "secrets", uses: &[], what: "says what is random, or slow on purpose" },
    Layer { name: "memory", uses: &[], what: "counts what is held for clients" },
    Layer { name: "metrics", uses: &[], what: "writes down what is counted, for monitors" },
    Layer { name: "plural", uses: &[], what: "tells how many there are of something" },
    Layer { name: "ids", uses: &[], what: "names what lives" },
    Layer { name: "clock", uses: &[], what: "is time as a turn sees it" },
];

/// What touches the system, and so belongs to `net`: paths that begin like this.
const SYSTEM: &[&str] = &[
    "mio",
    "socket2",
    "signal_hook",
    "signal_hook_mio",
    "rlimit",
    "libc",
    "std::fs",
    "std::thread",
    "std::os",
    "std::sync::mpsc",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::*",
];

/// The same by their last names, however they were brought in.
const SYSTEM_TYPES: &[&str] = &["Instant", "SystemTime", "TcpListener", "TcpStream"];

/// A file that is longer is asking for a split; tests do not count.
const FILE_LINES_MAX: usize = 500;
/// A function that is longer does more than one thing.
const FUNCTION_LINES_MAX: usize = 60;

/// Everything that is wrong with one file.
fn faults(file: &str, source: &str) -> Vec<String> {
    let code = without_tests(source);
    let module = module_of(file);
    let paths = paths(&without_comments_and_strings(&code), &module);
    let mut faults = layer_faults(&module[0], &paths);
    faults.extend(size_faults(&code));
    faults.into_iter().map(|fault| format!("{file}: {fault}")).collect()
}

fn layer_faults(name: &str, paths: &BTreeSet<Vec<String>>) -> Vec<String> {
    if name == "lib" {
        return Vec::new();
    }
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
        return vec![format!("`{name}` is in no layer: give it a place in tests/layers.rs")];
    };
    let mut faults = Vec::new();
    for path in paths {
        if path[0] == "crate" {
            let used = path.get(1).map_or("", String::as_str);
            let is_macro_or_self = used.is_empty() || used == name;
            if !is_macro_or_self && !layer.uses.contains(&used) {
                faults.push(format!("{name} ({}) uses {used}: {}", layer.what, path.join("::")));
            }
        } else if name != "net" && name != "store" {
            let whole = path.join("::");
            let is_system = SYSTEM.iter().any(|prefix| {
                whole
                    .strip_prefix(prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            });
            let has_type = path.iter().any(|part| SYSTEM_TYPES.contains(&part.as_str()));
            if is_system || has_type {
                faults.push(format!("only net and store touch the system: {whole}"));
            }
        }
    }
    faults
}

fn size_faults(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().collect();
    let mut faults = Vec::new();
    if lines.len() > FILE_LINES_MAX {
        faults.push(format!("{} lines, more than {FILE_LINES_MAX}", lines.len()));
    }
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let count = item_lines(&lines[start..]);
        if count > FUNCTION_LINES_MAX {
            faults.push(format!("fn {name}: {count} lines, more than {FUNCTION_LINES_MAX}"));
        }
    }
    faults
}

/// The name of the function whose signature begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        rest = public
            .strip_prefix('(')
            .map_or(public, |scope| scope.split_once(')').map_or("", |(_, after)| after));
        rest = rest.trim_start();
    }
    for modifier in ["const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(modifier).unwrap_or(rest);
    }
    let name = rest.strip_prefix("fn ")?;
    Some(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// How many of these lines belong to the item that begins on the first: rustfmt ends it with a
/// brace under its beginning.
fn item_lines(lines: &[&str]) -> usize {
    let indent = indent_of(lines[0]);
    let mut has_body = false;
    for (index, line) in lines.iter().enumerate() {
        let is_end = indent_of(line) == indent && line.trim_start().starts_with('}');
        let is_one_line = index == 0 && line.contains('{') && line.ends_with('}');
        has_body |= line.ends_with('{');
        if is_end || is_one_line || !has_body && line.ends_with(';') {
            return index + 1;
        }
    }
    lines.len()
}

/// The code without the items that are compiled for tests only.
fn without_tests(source: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let mut code = String::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim() == "#[cfg(test)]" && at + 1 < lines.len() {
            at += 1 + item_lines(&lines[at + 1..]);
            continue;
        }
        code.push_str(lines[at]);
        code.push('\n');
        at += 1;
    }
    code
}

/// Code with blanks for what is not code. Strings with `#` do not occur.
fn without_comments_and_strings(code: &str) -> String {
    let mut out = String::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                out.push(' ');
            }
            // A character is closed by a quote; a lifetime is not.
            '\'' => {
                let mut ahead = chars.clone();
                let first = ahead.next();
                if first == Some('\\') || ahead.next() == Some('\'') {
                    if chars.next() == Some('\\') {
                        chars.next();
                    }
                    while chars.next().is_some_and(|c| c != '\'') {}
                }
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out
}

/// The module that a file of `src` is: its layer first.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// Every path in the code, those of `use` written out, and all that lead to this crate beginning
/// with `crate`.
fn paths(code: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        let is_start = !rest[..at].ends_with("::") && !rest[..at].ends_with('.');
        rest = &rest[at..];
        let end = rest.find(|c: char| !is_path_char(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        if word == "use" {
            let end = rest.find(';').unwrap_or(rest.len());
            let tree: String = rest[3..end].split_whitespace().collect::<Vec<_>>().join(" ");
            expand("", &tree, &mut found);
            rest = &rest[end..];
            continue;
        }
        if is_start && word.contains("::") || SYSTEM_TYPES.contains(&word) {
            found.push(word.trim_end_matches(':').to_owned());
        }
        rest = &rest[end..];
    }
    found.into_iter().map(|path| absolute(&path, module)).collect()
}

fn is_path_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

/// Writes the tree of a `use` out: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        let path = format!("{prefix}{path}");
        found.push(path.trim_end_matches("::self").to_owned());
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    let group = group.trim_end().trim_end_matches(',').strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &group[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        expand(&prefix, &group[start..], found);
    }
}

/// A path with `super` and `self` resolved. The program's path to the library is `crate`, too.
fn absolute(path: &str, module: &[String]) -> Vec<String> {
    let mut parts: Vec<String> = path.split("::").map(str::to_owned).collect();
    match parts[0].as_str() {
        "chat_server" => parts[0] = "crate".to_owned(),
        "self" | "super" => {
            let mut base = module.to_vec();
            while parts.first().is_some_and(|part| part == "super" || part == "self") {
                if parts.remove(0) == "super" {
                    base.pop();
                }
            }
            let base = ["crate".to_owned()].into_iter().chain(base);
            parts = base.chain(parts).collect();
        }
        _ => {}
    }
    parts
}

/// The files of `src` that are not tests.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).expect("a file of this crate").display().to_string()
}

// ---- The source ----

#[test]
fn the_source_keeps_to_its_layers_and_sizes() {
    let files = files();
    assert!(files.len() > 50, "only {} files", files.len());
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a file of src");
    let faults: Vec<String> =
        files.iter().flat_map(|path| faults(&name_of(path), &read(path))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn arrows_of_the_table_run_down() {
    for (index, layer) in LAYERS.iter().enumerate() {
        let below: Vec<&str> = LAYERS[index + 1..].iter().map(|layer| layer.name).collect();
        for used in layer.uses {
            assert!(below.contains(used), "{used} does not stand below {}", layer.name);
        }
    }
}

/// `x.rs` stands alone, and `x/mod.rs` beside submodules or tests.
#[test]
fn modules_have_one_style() {
    for path in files() {
        let name = name_of(&path);
        if name.ends_with("/mod.rs") {
            let folder = path.parent().expect("a folder");
            let count = fs::read_dir(folder).expect("a folder").count();
            assert!(count > 1, "{name} is alone in its folder");
        } else {
            assert!(!path.with_extension("").is_dir(), "{name} stands beside its folder");
        }
    }
}

#[test]
fn the_places_that_the_contents_name_exist() {
    let contents = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let rows: Vec<&str> = contents.lines().filter(|line| line.starts_with("//! | ")).collect();
    let mut named = 0;
    for place in rows.iter().flat_map(|row| row.split('`')) {
        let is_path =
            ["src/", "tests/", "docs/", ".ci/"].iter().any(|folder| place.starts_with(folder));
        if is_path {
            assert!(root().join(place).exists(), "{place} does not exist");
            named += 1;
        }
    }
    assert!(named >= 12, "only {named} places are named");
}

// ---- The checker ----

fn assert_fault(file: &str, source: &str, what: &str) {
    let faults = faults(file, source);
    assert!(faults.iter().any(|fault| fault.contains(what)), "{source}\nfaults: {faults:#?}");
}

#[test]
fn arrows_that_run_up_are_found_in_any_form() {
    for source in [
        "use crate::server::Server;",
        "use crate::{ids::ClientId, server::{self, inbox}};",
        "use {crate::server::Server, std::io};",
        "pub(crate) use crate::server as s;",
        "fn f() { let _ = crate::server::next(); }",
        "fn f(server: &super::super::server::Server) {}",
        "#[cfg(test)]\nmod tests;\n\nuse crate::server::Server;",
    ] {
        assert_fault("src/delivery/flow.rs", source, "uses server");
    }
    assert_fault("src/delivery/mod.rs", "use super::server::Server;", "uses server");
    assert_fault("src/server/mod.rs", "use crate::chat::Chat;", "uses chat");
    assert_fault("src/net/mod.rs", "use crate::config::Config;", "uses config");
    assert_fault("src/news/mod.rs", "", "in no layer");
}

#[test]
fn the_system_is_found_in_any_form() {
    for source in [
        "use mio::net::TcpStream;",
        "use std::{io, thread};",
        "use std::time::{Duration, Instant};",
        "use std::time::*;",
        "use std::time;\nfn f() { time::Instant::now(); }",
        "fn f() { std::fs::read(\"x\"); }",
        "fn f() -> std::time::SystemTime { panic!() }",
        "use signal_hook_mio::v1_0::Signals;",
        "use std::net::TcpListener;",
    ] {
        assert_fault("src/chat/mod.rs", source, "only net and store touch the system");
        let in_net = faults("src/net/mod.rs", source);
        assert!(in_net.is_empty(), "{in_net:#?}");
    }
}

#[test]
fn what_is_no_code_does_not_count() {
    for source in [
        "//! See [`crate::server::Server`] and std::fs.",
        "fn f() -> &'static str { \"crate::server::Server, mio::Poll\" }",
        "fn f<'a>(x: &'a str) -> (char, &'a str) { ('\"', x) }\n// crate::server",
        "#[cfg(test)]\nmod tests {\n    use crate::server::Server;\n}",
        "#[cfg(test)]\nuse std::thread;",
        "use std::time::Duration;\nuse crate::delivery::outbox::Outbox;\nuse crate::wire::Wire;",
        "use super::outbox::Outbox;",
    ] {
        let faults = faults("src/delivery/flow.rs", source);
        assert!(faults.is_empty(), "{source}\n{faults:#?}");
    }
}

#[test]
fn long_functions_and_files_are_found() {
    let function = |lines: usize| {
        format!("    pub(crate) fn long(\n        x: u8,\n    ) {{\n{}    }}\n", {
            "        if x {\n        }\n".repeat((lines - 4) / 2)
        })
    };
    let within = format!("impl X {{\n{}}}\n", function(FUNCTION_LINES_MAX));
    assert!(faults("src/chat/mod.rs", &within.repeat(3)).is_empty());
    let over = format!("impl X {{\n{}}}\n", function(FUNCTION_LINES_MAX + 2));
    assert_fault("src/chat/mod.rs", &over, "fn long: 62 lines");
    let declared = format!("trait X {{\n    fn short();\n{}}}\n", "    type A;\n".repeat(70));
    assert!(faults("src/chat/mod.rs", &declared).is_empty());
    let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // a line\n".repeat(2000));
    assert!(faults("src/chat/mod.rs", &test).is_empty());
    assert_fault("src/chat/mod.rs", &"use std::io;\n".repeat(FILE_LINES_MAX + 1), "lines, more");
}
