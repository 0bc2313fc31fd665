//! The files of the page: embedded in the binary, made ready once.
//!
//! `/` names all others by a path that holds a digest of all of them, `/a/DIGEST/...`. So browsers
//! need never ask for them again, and no page ever meets a script of another version.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::{Digest, Sha1};

use crate::wire::http::Request;

const HTML: &str = "text/html; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Where `index.html` has what is at the digest's path.
const HERE: &str = "@/";
/// Where it has the scripts that are fetched before they are imported.
const PRELOADED: &str = "<!-- preloaded -->\n";
/// The scripts that are fetched when it is known which of them is needed.
const ON_DEMAND: [&str; 2] = ["words/en.js", "words/ja.js"];

const INDEX: &str = include_str!("../web/index.html");

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../web/", $path)))),*]
    };
}

/// Path and content of every other file.
const EMBEDDED: &[(&str, &[u8])] = embedded![
    "commands/actions.js",
    "commands/table.js",
    "core/blocks.js",
    "core/complete.js",
    "core/conversation.js",
    "core/entries.js",
    "core/events.js",
    "core/keymap.js",
    "core/marks.js",
    "core/mentions.js",
    "core/names.js",
    "core/outbox.js",
    "core/recall.js",
    "core/rows.js",
    "core/signal.js",
    "core/store.js",
    "core/text.js",
    "core/time.js",
    "core/tokens.js",
    "core/unread.js",
    "css/base.css",
    "css/conversation.css",
    "css/panels.css",
    "css/windows.css",
    "favicon.svg",
    "main.js",
    "net/admission.js",
    "net/connection.js",
    "net/conversations.js",
    "net/cookie.js",
    "net/history.js",
    "net/identity.js",
    "net/incoming.js",
    "net/lists.js",
    "net/memory.js",
    "net/outgoing.js",
    "net/reading.js",
    "net/resume.js",
    "net/rooms.js",
    "net/session.js",
    "ui/app.js",
    "ui/bar.js",
    "ui/completion.js",
    "ui/composer.js",
    "ui/dialogs/account-menu.js",
    "ui/dialogs/accounts.js",
    "ui/dialogs/ask.js",
    "ui/dialogs/order.js",
    "ui/dialogs/qr.js",
    "ui/dialogs/rooms.js",
    "ui/dialogs/views.js",
    "ui/dom.js",
    "ui/help.js",
    "ui/keys.js",
    "ui/layout.js",
    "ui/link.js",
    "ui/log.js",
    "ui/members.js",
    "ui/notice.js",
    "ui/router.js",
    "ui/roving.js",
    "ui/rows/index.js",
    "ui/rows/message.js",
    "ui/rows/text.js",
    "ui/search.js",
    "ui/sidebar.js",
    "ui/switcher.js",
    "words/en.js",
    "words/index.js",
    "words/ja.js",
    "words/language.js",
];

/// All that a browser needs for the page. Made once for a process: its bytes are never freed.
#[derive(Debug)]
pub struct Page {
    pub(super) files: Vec<File>,
}

impl Page {
    /// `made`: path and content of files that only the service can make.
    pub fn new(made: &[(&'static str, &'static [u8])]) -> Page {
        let assets = || EMBEDDED.iter().chain(made);
        let mut digest = Sha1::new();
        for part in assets().flat_map(|(path, content)| [path.as_bytes(), content]) {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        let place = format!("a/{}/", &URL_SAFE_NO_PAD.encode(digest.finalize())[..16]);
        let index = index(&place, assets().map(|&(path, _)| path));
        let index = File::new("/".to_owned(), HTML, index.leak().as_bytes(), Caching::Ask);
        let also = File { path: "/index.html".to_owned(), ..index.clone() };
        let others = assets().map(|&(path, content)| {
            File::new(format!("/{place}{path}"), type_of(path), content, Caching::Immutable)
        });
        let files = [index, also].into_iter().chain(others);
        Page { files: files.map(File::compressed).collect() }
    }

    /// Where a file is, by its name here; empty for a name that no file has.
    pub fn path_of(&self, name: &str) -> &str {
        let name = format!("/{name}");
        let mut paths = self.files.iter().map(|file| file.path.as_str());
        paths.find(|path| path.starts_with("/a/") && path.ends_with(&name)).unwrap_or_default()
    }
}

fn index<'a>(place: &str, paths: impl Iterator<Item = &'a str>) -> String {
    let scripts = paths.filter(|path| path.ends_with(".js") && !ON_DEMAND.contains(path));
    let links = scripts.map(|path| format!("<link rel=\"modulepreload\" href=\"{HERE}{path}\">\n"));
    INDEX.replace(PRELOADED, &links.collect::<String>()).replace(HERE, place)
}

/// By the end of its name.
fn type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
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
    use std::path::Path;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::wire::http::parse;

    /// What a visitor loads of the page, compressed, in the longer of its languages.
    const BUDGET_BYTES: usize = 113 * 1024;

    fn embedded() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(path, _)| *path)
    }

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
        for other in ["index.html", "package.json", "screenshot.png"] {
            assert!(found.remove(other), "{other}");
        }
        assert_eq!(found, embedded().map(str::to_owned).collect());
        assert!(found.iter().all(|path| type_of(path) != TEXT), "{found:?}");
    }

    #[test]
    fn the_first_file_names_the_others_by_a_digest_of_all() {
        let page = Page::new(&[("made.js", b"one")]);
        let index = str::from_utf8(page.files[0].identity.content).expect("UTF-8");
        assert!(!index.contains(HERE) && !index.contains("<!-- preloaded"), "{index}");
        for path in embedded().chain(["made.js"]) {
            let address = page.path_of(path);
            assert!(address.starts_with("/a/"), "{path}: {address}");
            let is_on_demand = ON_DEMAND.contains(&path);
            let is_named = index.contains(&format!("href=\"{}\"", &address[1..]));
            assert!(is_named || is_on_demand, "{path}");
        }
        assert_eq!(page.path_of("made.jsx"), "");
        assert_ne!(
            page.path_of("made.js"),
            Page::new(&[("made.js", b"two")]).path_of("made.js"),
            "another content is another address"
        );
    }

    #[test]
    fn what_is_smaller_compressed_is_sent_so_to_those_who_take_it() {
        let page = Page::new(&[]);
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
            for file in &page.files {
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
                let is_named = !["/", "/index.html"].contains(&&*file.path);
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
        let page = Page::new(&[]);
        let size = |file: &File| file.gzip.as_ref().map_or(0, |gzip| gzip.content.len());
        let is_words = |path: &str| ON_DEMAND.iter().any(|words| path.ends_with(words));
        let (words, others): (Vec<&File>, Vec<&File>) =
            page.files[1..].iter().partition(|file| is_words(&file.path));
        let all = others.into_iter().map(size).sum::<usize>()
            + words.into_iter().map(size).max().unwrap_or(0);
        assert!(all <= BUDGET_BYTES, "{all} bytes");
        assert!(all > BUDGET_BYTES * 9 / 10, "{all} bytes: the budget can be smaller");
    }
}
