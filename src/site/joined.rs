//! The page's modules and style sheets joined into a few files, as they are sent: over a slow line
//! sixty requests take longer than their bytes.
//!
//! An *entry* is a module that is loaded by its name. Its script has all that it imports and no
//! script before it has, in the order in which a browser would run it. That is one scope: so no two
//! modules of it have a top-level name in common, and what is imported keeps its name. Comments and
//! indentation stay here. tests/web/joined.js holds that the outcome is the same program.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use super::compact;

/// Each may import from those before it.
pub(super) const ENTRIES: [&str; 6] =
    ["words/en.js", "words/ja.js", "words/later/en.js", "words/later/ja.js", "main.js", "later.js"];

/// In front of the path of an entry that is loaded later, until it is known from where.
const ENTRY: &str = "'@/";

struct Module<'a> {
    /// Path of another module, and the names that are imported from it.
    imports: Vec<(String, Vec<&'a str>)>,
    exports: Vec<&'a str>,
    code: String,
}

/// The script of each entry. `sources`: of all modules, by path.
pub(super) fn scripts(sources: &BTreeMap<&str, &str>) -> Vec<(&'static str, String)> {
    let modules: BTreeMap<&str, Module<'_>> =
        sources.iter().map(|(&path, source)| (path, parse(path, source))).collect();
    let order = order(&modules);
    let homes: BTreeMap<&str, &str> = order.iter().copied().collect();
    let modules_of = |entry| {
        order.iter().filter(move |(_, home)| *home == entry).map(|(path, _)| &modules[path])
    };
    let mut offers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut heads = Vec::new();
    for entry in ENTRIES {
        let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (path, names) in modules_of(entry).flat_map(|module| &module.imports) {
            let home = homes[path.as_str()];
            if home != entry {
                needs.entry(home).or_default().extend(names);
                offers.entry(home).or_default().extend(names);
            }
        }
        offers.entry(entry).or_default().extend(&modules[entry].exports);
        let up = up(entry);
        let imports = needs
            .into_iter()
            .map(|(home, names)| format!("import {{ {} }} from './{up}{home}';\n", list(&names)));
        heads.push(imports.collect::<String>());
    }
    let script = |(entry, head): (&'static str, String)| {
        let code = modules_of(entry).map(|module| module.code.as_str());
        let exports = format!("export {{ {} }};\n", list(&offers[entry]));
        let script: String =
            iter::once(head.as_str()).chain(code).chain([exports.as_str()]).collect();
        (entry, compact::script(&script).replace(ENTRY, &format!("'./{}", up(entry))))
    };
    iter::zip(ENTRIES, heads).map(script).collect()
}

/// From an entry to where all others are found by their paths.
fn up(entry: &str) -> String {
    "../".repeat(entry.matches('/').count())
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// All modules as they are run, each with the entry that it is joined to.
fn order<'a>(modules: &'a BTreeMap<&'a str, Module<'_>>) -> Vec<(&'a str, &'static str)> {
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for entry in ENTRIES {
        visit(entry, entry, modules, &mut seen, &mut order);
    }
    order
}

/// What a module imports is run before it.
fn visit<'a>(
    path: &'a str,
    entry: &'static str,
    modules: &'a BTreeMap<&'a str, Module<'_>>,
    seen: &mut BTreeSet<&'a str>,
    order: &mut Vec<(&'a str, &'static str)>,
) {
    if !seen.insert(path) {
        return;
    }
    for (import, _) in &modules[path].imports {
        visit(import, entry, modules, seen, order);
    }
    order.push((path, entry));
}

/// An import is a line, and so is the beginning of an export.
fn parse<'a>(path: &str, source: &'a str) -> Module<'a> {
    let mut module = Module { imports: Vec::new(), exports: Vec::new(), code: String::new() };
    for line in code_lines(source) {
        if let Some(import) = line.strip_prefix("import {") {
            let (names, from) = import.split_once("} from '").expect("tests parse every module");
            let from = from.strip_suffix("';").expect("tests parse every module");
            module.imports.push((resolve(path, from), names.split(',').map(str::trim).collect()));
        } else {
            let declaration = line.strip_prefix("export ");
            module.exports.extend(declaration.and_then(name_of));
            let code = declaration.unwrap_or(line);
            let code = without_types(code);
            module.code += &if code.contains("import(") { with_entries(path, &code) } else { code };
            module.code.push('\n');
        }
    }
    module
}

/// A line without the comments in it that tell types.
fn without_types(line: &str) -> String {
    let mut parts = line.split("/** @type ");
    let mut code = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        code += part.split_once("*/").map_or(part, |(_, code)| code.trim_start());
    }
    code
}

/// A line that loads entries, by their paths from the root.
fn with_entries(path: &str, line: &str) -> String {
    let mut parts = line.split('\'');
    let mut code = parts.next().unwrap_or_default().to_owned();
    // Every second part stands between quotes.
    for (at, part) in parts.enumerate() {
        let is_path = at % 2 == 0 && part.starts_with('.');
        code +=
            &if is_path { format!("{ENTRY}{}", resolve(path, part)) } else { format!("'{part}") };
    }
    code
}

/// What a line declares.
fn name_of(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let kinds = ["const ", "let ", "class ", "function "];
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').next()
}

fn resolve(from: &str, path: &str) -> String {
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

/// The lines of a script or a style sheet that do something, without what else stands there.
fn code_lines(source: &str) -> impl Iterator<Item = &str> {
    let mut is_comment = false;
    source.lines().map(str::trim).filter_map(move |line| {
        let ends = line.ends_with("*/");
        if is_comment || (line.starts_with("/*") && (ends || !line.contains("*/"))) {
            is_comment = !ends;
            return None;
        }
        let code = without_remark(line);
        (!code.is_empty() && !code.starts_with("//")).then_some(code)
    })
}

/// A line without the comment at its end. In a string two slashes are none.
fn without_remark(line: &str) -> &str {
    let is_code =
        |before: &str| ['\'', '`'].iter().all(|quote| before.matches(*quote).count() % 2 == 0);
    let mut codes = line.match_indices(" // ").map(|(at, _)| &line[..at]);
    codes.find(|code| is_code(code)).unwrap_or(line).trim_end()
}

/// A script that is no module, as it is sent.
pub(super) fn plain(source: &str) -> String {
    let lines = code_lines(source).map(|line| without_types(line) + "\n");
    compact::script(&lines.collect::<String>())
}

/// A style sheet as it is sent.
pub(super) fn style(sources: &[&str]) -> String {
    let lines = sources.iter().flat_map(|source| code_lines(source));
    compact::style(&lines.flat_map(|line| [line, "\n"]).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::page::{NO_COMMANDS, sources};
    use super::*;

    #[test]
    fn an_entry_has_what_no_entry_before_it_has() {
        let sources = BTreeMap::from([
            (
                "words/index.js",
                "export const t = /** @type {any} */ (1);\n\
                 export const ready = import(t ? './en.js' : './ja.js');\n\
                 export const more = () => import(t ? './later/en.js' : './later/ja.js');\n",
            ),
            ("words/later/en.js", "export const page = { b: 1 };\n"),
            ("words/later/ja.js", "export const page = { b: 2 };\n"),
            ("words/en.js", "// English\n\nexport const page = {\n  a: '//', // why\n};\n"),
            ("words/ja.js", "/**\n * Japanese\n */\nexport const page = {};\n"),
            (
                "main.js",
                "import { b } from './core/b.js';\nimport { t } from './words/index.js';\nb(t);\n",
            ),
            (
                "core/b.js",
                "import { c } from './c.js';\n\n/** B. */\nexport function b() {\n  c();\n}\n",
            ),
            ("core/c.js", "export const c = 3;\nexport const d = 4;\n"),
            (
                "later.js",
                "import { c } from './core/c.js';\nimport { t } from './words/index.js';\n\
                 export class Parts {}\n",
            ),
        ]);
        let expected = [
            ("words/en.js", "const page={a:'//',};export{page};"),
            ("words/ja.js", "const page={};export{page};"),
            ("words/later/en.js", "const page={b:1};export{page};"),
            ("words/later/ja.js", "const page={b:2};export{page};"),
            (
                "main.js",
                "const c=3;const d=4;function b(){c();}const t=(1);\
                 const ready=import(t?'./words/en.js':'./words/ja.js');\
                 const more=()=>import(t?'./words/later/en.js':'./words/later/ja.js');b(t);\
                 export{c,t};",
            ),
            ("later.js", "import{c,t}from'./main.js';class Parts{}export{Parts};"),
        ];
        assert_eq!(scripts(&sources), expected.map(|(path, code)| (path, code.to_owned())));
    }

    /// The rules by which modules are written; tests/web/joined.js sees more.
    #[test]
    fn modules_can_be_joined() {
        let sources = sources().filter(|(path, _)| path.ends_with(".js"));
        let sources: BTreeMap<&str, &str> = sources.chain([NO_COMMANDS]).collect();
        let modules = sources.iter().map(|(&path, source)| (path, parse(path, source))).collect();
        let order = order(&modules);
        assert_eq!(order.len(), sources.len(), "some are imported by none");
        let mut names = BTreeMap::new();
        for (path, entry) in order {
            for line in sources[path].lines() {
                let is_renamed = line.starts_with("import ") && line.contains(" as ");
                assert!(!is_renamed, "{path}: joined, it is called as it is exported: {line}");
                let name = name_of(line.strip_prefix("export ").unwrap_or(line));
                let other = name.and_then(|name| names.insert((entry, name), path));
                assert_eq!(other, None, "{path}: a name of another module: {line}");
            }
        }
    }
}
