//! The files of the page: embedded in the binary, joined and made ready once.
//!
//! `/` names all others by a path that holds a digest of all of them, `/a/DIGEST/...`. So browsers
//! need never ask for them again, and no page ever meets a script of another version.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::{Digest, Sha1};

use super::joined;
use crate::wire::http::Request;

const HTML: &str = "text/html; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Where `index.html` has what is at the digest's path.
const HERE: &str = "@/";
const INDEX: &str = include_str!("../web/index.html");

/// What the style sheets are as one.
const STYLE: &str = "style.css";
/// The one that is fetched with the script of what comes later.
const LATER_STYLE: &str = "css/later.css";

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../web/", $path)))),*]
    };
}

/// Path and content of every other file.
const EMBEDDED: &[(&str, &str)] = embedded![
    "commands/actions.js",
    "commands/table.js",
    "core/address.js",
    "core/blocks.js",
    "core/changes.js",
    "core/complete.js",
    "core/conversation.js",
    "core/draft.js",
    "core/entries.js",
    "core/events.js",
    "core/finder.js",
    "core/keymap.js",
    "core/later.js",
    "core/marks.js",
    "core/members.js",
    "core/mentions.js",
    "core/names.js",
    "core/order.js",
    "core/outbox.js",
    "core/recall.js",
    "core/rights.js",
    "core/rows.js",
    "core/signal.js",
    "core/store.js",
    "core/telling.js",
    "core/text.js",
    "core/time.js",
    "core/tokens.js",
    "core/unread.js",
    "css/base.css",
    "css/conversation.css",
    "css/later.css",
    "css/panels.css",
    "css/windows.css",
    "favicon-news.svg",
    "favicon.svg",
    "later.html",
    "later.js",
    "main.js",
    "manifest.webmanifest",
    "net/account.js",
    "net/admission.js",
    "net/connection.js",
    "net/conversations.js",
    "net/finding.js",
    "net/history.js",
    "net/identity.js",
    "net/incoming.js",
    "net/lists.js",
    "net/marking.js",
    "net/memory.js",
    "net/outgoing.js",
    "net/reading.js",
    "net/resume.js",
    "net/rooms.js",
    "net/session.js",
    "net/tabs.js",
    "ui/address.js",
    "ui/app.js",
    "ui/asking.js",
    "ui/bar.js",
    "ui/code.js",
    "ui/composer.js",
    "ui/dialogs/account-menu.js",
    "ui/dialogs/accounts.js",
    "ui/dialogs/ask.js",
    "ui/dialogs/commands.js",
    "ui/dialogs/completion.js",
    "ui/dialogs/help.js",
    "ui/dialogs/order.js",
    "ui/dialogs/qr.js",
    "ui/dialogs/rooms.js",
    "ui/dialogs/search.js",
    "ui/dialogs/settings.js",
    "ui/dialogs/switcher.js",
    "ui/dialogs/views.js",
    "ui/dom.js",
    "ui/entrance.js",
    "ui/filter.js",
    "ui/hints.js",
    "ui/keys.js",
    "ui/layout.js",
    "ui/link.js",
    "ui/log.js",
    "ui/members.js",
    "ui/missed.js",
    "ui/notice.js",
    "ui/paste.js",
    "ui/router.js",
    "ui/roving.js",
    "ui/rows/acts.js",
    "ui/rows/index.js",
    "ui/rows/message.js",
    "ui/rows/sight.js",
    "ui/rows/text.js",
    "ui/settings.js",
    "ui/sidebar.js",
    "ui/telling.js",
    "words/en.js",
    "words/index.js",
    "words/ja.js",
    "words/language.js",
    "words/later/en.js",
    "words/later/ja.js",
];

/// The module that a service makes, of one that has no commands.
pub(super) const NO_COMMANDS: (&str, &str) =
    ("commands/server.js", "export const COMMANDS = [];\n");

/// What shows notifications on phones. It has the whole page in its scope, being beside it.
const WORKER: (&str, &str) = ("/sw.js", include_str!("../web/sw.js"));

/// The one file that is no text: what phones show of a page that is installed.
const ICON: (&str, &[u8]) = ("icon.png", include_bytes!("../web/icon.png"));

/// All that a browser needs for the page. Made once for a process: its bytes are never freed.
#[derive(Debug)]
pub struct Page {
    pub(super) files: Vec<File>,
}

impl Page {
    /// `made`: path and source of modules that only the service can make.
    pub fn new(made: &[(&'static str, &'static str)]) -> Page {
        let assets = assets(made);
        let mut digest = Sha1::new();
        for part in assets.iter().flat_map(|(path, content)| [path.as_bytes(), content]) {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        let place = format!("a/{}/", &URL_SAFE_NO_PAD.encode(digest.finalize())[..16]);
        let index = index(&place);
        let index = File::new("/".to_owned(), HTML, index.leak().as_bytes(), Caching::Ask);
        let also = File { path: "/index.html".to_owned(), ..index.clone() };
        let others = assets.into_iter().map(|(path, content)| {
            File::new(format!("/{place}{path}"), type_of(path), content.leak(), Caching::Immutable)
        });
        let worker = joined::plain(WORKER.1).leak().as_bytes();
        let worker = File::new(WORKER.0.to_owned(), type_of(WORKER.0), worker, Caching::Ask);
        let files = [index, also, worker].into_iter().chain(others);
        Page { files: files.map(File::compressed).collect() }
    }

    /// Where a file is, by its name here; empty for a name that no file has.
    pub fn path_of(&self, name: &str) -> &str {
        let name = format!("/{name}");
        let mut paths = self.files.iter().map(|file| file.path.as_str());
        paths.find(|path| path.starts_with("/a/") && path.ends_with(&name)).unwrap_or_default()
    }
}

/// Path and content of every file but the first and those that are made.
#[cfg(test)]
pub(super) fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    EMBEDDED.iter().copied()
}

/// What is sent besides the first file: path and content.
fn assets(made: &[(&'static str, &'static str)]) -> Vec<(&'static str, Vec<u8>)> {
    let all = || EMBEDDED.iter().chain(made).copied();
    let of = |ending: &'static str| all().filter(move |(path, _)| path.ends_with(ending));
    let style_of = |is_wanted: fn(&str) -> bool| {
        let sheets = of(".css").filter(|(path, _)| is_wanted(path));
        joined::style(&sheets.map(|(_, source)| source).collect::<Vec<_>>())
    };
    let others = of(".svg").chain(of(".webmanifest"));
    let pages = of(".html").map(|(path, content)| (path, lines_of(content)));
    let mut texts = joined::scripts(&of(".js").collect());
    texts.push((STYLE, style_of(|path| path != LATER_STYLE)));
    texts.push((LATER_STYLE, style_of(|path| path == LATER_STYLE)));
    texts.extend(pages);
    texts.extend(others.map(|(path, content)| (path, content.to_owned())));
    let texts = texts.into_iter().map(|(path, content)| (path, content.into_bytes()));
    texts.chain([(ICON.0, ICON.1.to_vec())]).collect()
}

/// The first file, for the others at this place.
fn index(place: &str) -> String {
    lines_of(INDEX).replace(HERE, place)
}

/// Of HTML: between tags any white space is as good as another.
fn lines_of(html: &str) -> String {
    let lines = html.lines().map(str::trim_start).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// By the end of its name.
fn type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => HTML,
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => TEXT,
    }
}

/// What browsers and proxies may do with a copy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caching {
    /// The name stays when the content changes: they have to ask; mostly the answer is 304.
    Ask,
    /// The name changes with the content.
    Immutable,
}

impl Caching {
    pub(super) fn field(self) -> &'static str {
        match self {
            Caching::Ask => "no-cache",
            Caching::Immutable => "public, max-age=31536000, immutable",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) caching: Caching,
    identity: Representation,
    /// Where it is smaller.
    pub(super) gzip: Option<Representation>,
}

/// The bytes that are sent for a file (RFC 9110 3.2).
#[derive(Clone, Debug)]
pub(super) struct Representation {
    pub(super) encoding: Option<&'static str>,
    pub(super) content: &'static [u8],
    /// Strong (RFC 9110 8.8.3): made from every byte of the content.
    pub(super) etag: String,
}

impl File {
    pub(super) fn new(
        path: String,
        content_type: &'static str,
        content: &'static [u8],
        caching: Caching,
    ) -> File {
        File {
            path,
            content_type,
            caching,
            identity: Representation::new(None, content),
            gzip: None,
        }
    }

    fn compressed(self) -> File {
        let plain = self.identity.content;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let compressed = encoder.write_all(plain).and_then(|()| encoder.finish());
        let compressed = compressed.expect("a Vec takes everything");
        let is_smaller = compressed.len() < plain.len();
        let gzip = is_smaller.then(|| Representation::new(Some("gzip"), compressed.leak()));
        File { gzip, ..self }
    }

    pub(super) fn chosen_for(&self, request: &Request<'_>) -> &Representation {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(request));
        gzip.unwrap_or(&self.identity)
    }
}

impl Representation {
    fn new(encoding: Option<&'static str>, content: &'static [u8]) -> Representation {
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha1::digest(content)));
        Representation { encoding, content, etag }
    }

    /// RFC 9110 13.1.2: a weak comparison with every tag of the list.
    pub(super) fn is_known_to(&self, request: &Request<'_>) -> bool {
        request.list("if-none-match").any(|tag| {
            let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
            tag == b"*" || opaque == self.etag.as_bytes()
        })
    }
}

/// RFC 9110 12.5.3: it is named, with a weight that is not zero.
fn takes_gzip(request: &Request<'_>) -> bool {
    request.list("accept-encoding").any(|member| {
        let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"gzip"));
        let is_refused = parts.any(|part| {
            let weight = part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q="));
            weight.is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
        });
        is_named && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::Read;
    use std::iter;
    use std::path::Path;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::wire::http::parse;

    /// What a visitor waits for, and what comes after that, compressed, in the longer of the page's
    /// languages.
    const BUDGET_BYTES: [usize; 2] = [45 * 1024, 40 * 1024];

    /// What is fetched when it is known that it is needed.
    const ON_DEMAND: [&str; 7] =
        ["words/en.js", "words/ja.js", "words/later/en.js", LATER[0], LATER[1], LATER[2], LATER[3]];
    const LATER: [&str; 4] = ["words/later/ja.js", "later.js", "later.html", LATER_STYLE];

    fn walk(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
                let name = path.strip_prefix(root).expect("it is inside");
                found.insert(name.to_str().expect("UTF-8").replace('\\', "/"));
            }
        }
    }

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let mut found = BTreeSet::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut found);
        for other in [
            "index.html",
            "package.json",
            "screenshot.png",
            "screenshot-phone.png",
            "sw.js",
            ICON.0,
        ] {
            assert!(found.remove(other), "{other}");
        }
        assert_eq!(found, EMBEDDED.iter().map(|(path, _)| (*path).to_owned()).collect());
        assert!(found.iter().all(|path| type_of(path) != TEXT), "{found:?}");
    }

    #[test]
    fn the_first_file_names_the_others_by_a_digest_of_all() {
        let page = Page::new(&[NO_COMMANDS]);
        let index = str::from_utf8(page.files[0].identity.content).expect("UTF-8");
        assert!(!index.contains(HERE), "{index}");
        for path in joined::ENTRIES.into_iter().chain([
            STYLE,
            "favicon.svg",
            "manifest.webmanifest",
            ICON.0,
        ]) {
            let address = page.path_of(path);
            assert!(address.starts_with("/a/"), "{path}: {address}");
            let is_named = index.contains(&format!("=\"{}\"", &address[1..]));
            assert_eq!(is_named, !ON_DEMAND.contains(&path), "{path}");
        }
        assert_eq!(page.path_of("made.js"), "");
        assert_ne!(
            page.path_of("main.js"),
            Page::new(&[("commands/server.js", "export const COMMANDS = [1];\n")])
                .path_of("main.js"),
            "another content is another address"
        );
    }

    #[test]
    fn what_is_smaller_compressed_is_sent_so_to_those_who_take_it() {
        let page = Page::new(&[NO_COMMANDS]);
        for (fields, is_compressed) in [
            ("", false),
            ("Accept-Encoding: gzip\r\n", true),
            ("Accept-Encoding: br, GZIP;q=0.5\r\n", true),
            ("Accept-Encoding: deflate\r\nAccept-Encoding: gzip ; q=1\r\n", true),
            ("Accept-Encoding: gzip;q=0\r\n", false),
            ("Accept-Encoding: gzip; q=0.000\r\n", false),
            ("Accept-Encoding: gzipped, identity\r\n", false),
            ("Accept-Encoding: *\r\n", false),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let (request, _) = parse(head.as_bytes()).expect("a request").expect("a whole one");
            for file in page.files.iter().filter(|file| !file.path.ends_with(ICON.0)) {
                let response = file.respond(&request, None);
                let head = String::from_utf8(response.head).expect("text");
                assert_eq!(head.contains("Content-Encoding: gzip\r\n"), is_compressed, "{head}");
                assert!(head.contains("Vary: Accept-Encoding\r\n"), "{head}");
                let mut body = Vec::new();
                if is_compressed {
                    GzDecoder::new(response.body).read_to_end(&mut body).expect("gzip");
                } else {
                    body.extend_from_slice(response.body);
                }
                assert!(body == file.identity.content, "{}", file.path);
                let is_named = !["/", "/index.html", WORKER.0].contains(&&*file.path);
                assert_eq!(head.contains("max-age=31536000, immutable"), is_named, "{head}");
                // What is known is known in the form that was asked for.
                let tags = [&file.identity, file.gzip.as_ref().expect("all are smaller")]
                    .map(|known| known.etag.as_str());
                assert_ne!(tags[0], tags[1]);
                assert!(head.contains(tags[usize::from(is_compressed)]), "{head}");
            }
        }
    }

    #[test]
    fn the_page_keeps_to_its_budget() {
        let page = Page::new(&[NO_COMMANDS]);
        let size_of = |name: &str| {
            let file = page.files.iter().find(|file| file.path == page.path_of(name));
            file.and_then(|file| file.gzip.as_ref()).map_or(0, |gzip| gzip.content.len())
        };
        let index = page.files[0].gzip.as_ref().map_or(0, |gzip| gzip.content.len());
        let first = ["words/ja.js", "main.js", STYLE, "favicon.svg", "manifest.webmanifest"];
        let first = index + first.into_iter().map(size_of).sum::<usize>();
        let later = LATER.into_iter().map(size_of).sum::<usize>();
        for (bytes, budget) in iter::zip([first, later], BUDGET_BYTES) {
            assert!(bytes <= budget, "{bytes} bytes");
            assert!(bytes > budget * 9 / 10, "{bytes} bytes: the budget can be smaller");
        }
    }
}
