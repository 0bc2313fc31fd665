//! The modules of the page: who may import whom, what may touch the document or the network, and
//! how long files may be. What they do is tested by `node --test` (tests/web) and in a browser
//! (tests/page.rs).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of src/web, the folders that it may import from besides itself, and what it is for.
const FOLDERS: &[(&str, &[&str], &str)] = &[
    ("words", &[], "is every string that people see"),
    ("core", &["words"], "is what the page knows, and what follows from what"),
    ("net", &["core", "words"], "is one WebSocket at a time, and the dialect"),
    ("ui", &["core", "words"], "draws what is known, and turns gestures into actions"),
    ("commands", &["core", "words"], "is what is typed with a slash"),
    ("", &["commands", "ui", "net", "core", "words"], "puts the parts together"),
];

const FILE_LINES_MAX: usize = 300;

/// What belongs to ui and net: core and words run without a browser.
const BROWSER: &[&str] = &[
    "document.",
    "window.",
    "location.",
    "new WebSocket",
    "fetch(",
    "localStorage",
    "sessionStorage",
];

/// Whatever another person wrote reaches the page through textContent and nothing else.
const MARKUP: &[&str] = &[
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "srcdoc",
    "document.write",
    "eval(",
    "Function(",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web")
}

/// Path below src/web, and content.
fn files() -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    let is_text = |path: &PathBuf| path.extension().is_none_or(|ending| ending != "png");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("it is inside").to_str().expect("UTF-8");
        (name.to_owned(), fs::read_to_string(&path).expect("UTF-8"))
    };
    found.into_iter().filter(is_text).map(read).collect()
}

fn scripts() -> impl Iterator<Item = (String, String)> {
    files().into_iter().filter(|(name, _)| name.ends_with(".js"))
}

fn folder_of(name: &str) -> &str {
    name.split_once('/').map_or("", |(folder, _)| folder)
}

/// The code alone: comments stand on lines of their own, or after the code of a line.
fn code(source: &str) -> String {
    let lines = source.lines().filter(|line| {
        let line = line.trim_start();
        !["//", "/**", "* ", "*/"].iter().any(|start| line.starts_with(start)) && line != "*"
    });
    lines.map(|line| line.split(" // ").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The files that a script imports, by their paths below src/web: every string that is a path.
fn imports(name: &str, code: &str) -> BTreeSet<String> {
    assert!(!code.split(" from '").skip(1).any(|rest| !rest.starts_with('.')), "{name}: elsewhere");
    let paths = code.lines().flat_map(|line| line.split('\'').skip(1).step_by(2));
    paths
        .filter(|it| it.starts_with('.') && it.ends_with(".js"))
        .map(|it| resolved(name, it))
        .collect()
}

fn resolved(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn imports_run_down_only() {
    let mut count = 0;
    for (name, source) in scripts() {
        let folder = folder_of(&name);
        let Some((_, uses, what)) = FOLDERS.iter().find(|(one, ..)| *one == folder) else {
            panic!("{name} is in no folder of the table");
        };
        for import in imports(&name, &code(&source)) {
            count += 1;
            let used = folder_of(&import);
            assert!(used == folder || uses.contains(&used), "{name} ({what}) imports {import}");
            let is_made = import == "commands/server.js";
            assert!(is_made || root().join(&import).is_file(), "{name} imports {import}");
        }
    }
    assert!(count > 150, "{count}");
}

#[test]
fn what_has_no_browser_asks_for_none() {
    for (name, source) in scripts() {
        let code = code(&source);
        let is_used = |found: &&&str| {
            let mut before =
                code.match_indices(**found).map(|(at, _)| code[..at].chars().next_back());
            before.any(|before| before.is_none_or(|c| !c.is_alphanumeric() && !"_.#$'".contains(c)))
        };
        if ["core", "words", "commands"].contains(&folder_of(&name)) {
            assert_eq!(BROWSER.iter().find(is_used), None, "{name}");
        }
        assert_eq!(MARKUP.iter().find(|&&found| code.contains(found)), None, "{name}");
    }
}

/// Joined to another module, the path would lead elsewhere.
#[test]
fn only_what_is_loaded_by_its_name_loads_others_so() {
    for (name, source) in scripts() {
        let is_entry = ["words/index.js", "main.js"].contains(&name.as_str());
        assert_eq!(code(&source).contains("import("), is_entry, "{name}");
    }
}

#[test]
fn files_fit_into_a_head() {
    for (name, source) in files() {
        let lines = source.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{name} has {lines} lines: it is asking for a split");
    }
}
