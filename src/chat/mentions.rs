//! Who a message is for: `@name` anywhere, and `name:` or `name,` at the start of a line.
//!
//! A message without an `@` costs a look at its bytes. Each `@` costs a few look-ups, however many
//! members the room has: in scripts without spaces nothing tells where a name ends, so what follows
//! the `@` is looked up as far as a name can reach, the longest first. Names are compared by their
//! keys, and folding is what takes time: each character is folded once, and so many in all.

use std::iter;

use memchr::{memchr_iter, memchr2_iter};
use unicode_segmentation::UnicodeSegmentation;

use crate::chat::name;

/// So many places of a message are looked at, and as many lines.
const PLACES_MAX: usize = 32;

/// So much of a message is folded, in bytes of keys: some characters come to thirty times their
/// length. It takes 0.2 ms at most.
const KEY_BYTES_MAX: usize = 1024;

/// Before so many bytes the name has to end that a line begins with.
const START_BYTES_MAX: usize = 128;

/// What `@` looks like: as itself, full-width and small.
const SIGNS: [&str; 3] = ["@", "＠", "﹫"];

/// What ends a name at the start of a line.
const ENDS: [char; 5] = [':', ',', '：', '，', '、'];

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// All who are there.
    All,
    /// These, in the order of their names in it; some may be there twice.
    Members(Vec<T>),
}

/// Finds who a message is for. `member`: the one in its room whose name has this key.
/// `may_call_all`: whether its author can call everybody.
pub fn find<T>(
    text: &str,
    member: impl Fn(&str) -> Option<T>,
    may_call_all: impl Fn() -> bool,
) -> Found<T> {
    let (mut members, mut bytes_left) = (Vec::new(), KEY_BYTES_MAX);
    let further = memchr_iter(b'\n', text.as_bytes()).filter_map(|at| text.get(at + 1..));
    for key in iter::once(text).chain(further).take(PLACES_MAX).filter_map(addressed) {
        members.extend(member(&key));
        bytes_left = bytes_left.saturating_sub(key.len());
        if bytes_left == 0 {
            break;
        }
    }
    for rest in places(text).take(PLACES_MAX) {
        let NamesAt { key, ends } = names_at(rest, bytes_left);
        for name in ends.iter().rev().map(|&end| &key[..end]) {
            if name::FOR_ALL.contains(&name) && may_call_all() {
                return Found::All;
            }
            if let Some(found) = member(name) {
                members.push(found);
                break;
            }
        }
        bytes_left = bytes_left.saturating_sub(key.len());
    }
    Found::Members(members)
}

/// The key of what a line begins with, if that can be a name: `bob: hello`.
fn addressed(line: &str) -> Option<String> {
    let is_end = |c: char| c.is_whitespace() || ENDS.contains(&c);
    let mut start = line.char_indices().take_while(|(at, _)| *at <= START_BYTES_MAX);
    let (end, sign) = start.find(|(_, c)| is_end(*c)).filter(|(end, _)| *end > 0)?;
    ENDS.contains(&sign).then(|| name::key_of(&line[..end])).flatten()
}

/// What follows each `@` of a text that does not stand within a word, as in an e-mail address.
fn places(text: &str) -> impl Iterator<Item = &str> {
    // What `＠` and `﹫` begin with.
    memchr2_iter(b'@', 0xEF, text.as_bytes()).filter_map(|at| {
        let (before, from) = text.split_at_checked(at)?;
        let rest = SIGNS.iter().find_map(|sign| from.strip_prefix(sign))?;
        let is_within = before.ends_with(|c: char| c.is_ascii_alphanumeric());
        (!is_within).then_some(rest)
    })
}

/// What a text begins with, as a key, and where the keys end in it of all that can be names.
struct NamesAt {
    key: String,
    ends: Vec<usize>,
}

/// One that ends with a letter or digit of ASCII ends where those end: `bob` is not in `bobby`, and
/// is in `bobさん`. A cluster is folded as it is within a name: nothing in it joins what is before.
fn names_at(text: &str, key_bytes_max: usize) -> NamesAt {
    let (mut key, mut ends) = (String::new(), Vec::new());
    for (at, cluster) in text.grapheme_indices(true).take(name::CLUSTERS_MAX) {
        if cluster.starts_with(char::is_whitespace) || key.len() >= key_bytes_max {
            break;
        }
        let Some(folded) = name::key_of(cluster) else { break };
        key.push_str(&folded);
        let is_cut = cluster.ends_with(|c: char| c.is_ascii_alphanumeric())
            && text[at + cluster.len()..].starts_with(|c: char| c.is_ascii_alphanumeric());
        if !is_cut {
            ends.push(key.len());
        }
    }
    NamesAt { key, ends }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::name::Name;

    const NAMES: [&str; 9] =
        ["bob", "Bobby", "田中", "田中さん", "é", "x.y", "ﾀﾅｶ", "a-b", "all-in"];

    fn named(key: &str) -> Option<&'static str> {
        NAMES.into_iter().find(|name| Name::parse(name).expect("a name").key() == key)
    }

    fn found(text: &str) -> Vec<&'static str> {
        match find(text, named, || true) {
            Found::All => vec!["all"],
            Found::Members(members) => members,
        }
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("hello bob", &[][..]),
            ("@bob", &["bob"]),
            ("hello @BOB!", &["bob"]),
            ("＠ｂｏｂ, ﹫bob", &["bob", "bob"]),
            ("@bobby and @bob", &["Bobby", "bob"]),
            ("@bobbyx", &[]),
            ("@bobさん", &["bob"]),
            ("mail bob@bob.example, x@田中", &[]),
            ("これは＠田中さんへ", &["田中さん"]),
            ("これは@田中へ", &["田中"]),
            ("@e\u{301}", &["é"]),
            ("@e", &[]),
            ("@x.y.", &["x.y"]),
            ("@タナカ", &["ﾀﾅｶ"]),
            ("@a-b-c @@bob", &["a-b", "bob"]),
            ("bob: hi", &["bob"]),
            ("Bob, hi", &["bob"]),
            ("田中、こんにちは", &["田中"]),
            ("田中：@bob", &["田中", "bob"]),
            ("hi bob: @", &[]),
            ("bob : hi", &[]),
            (": bob", &[]),
            ("hi\nBob: yes\n田中、x\n bobby: code", &["bob", "田中"]),
            ("bob:\n\n@bobby\nx@bob", &["bob", "Bobby"]),
            ("", &[]),
            ("@all", &["all"]),
            ("so @HERE!", &["all"]),
            ("@all-in", &["all-in"]),
            ("@allin", &[]),
            ("bob: @all", &["all"]),
        ] {
            assert_eq!(found(text), expected, "{text:?}");
        }
        let nobody = find("@all @bob", named, || false);
        assert_eq!(nobody, Found::Members(vec!["bob"]), "who may not call all calls nobody");
    }

    #[test]
    fn a_message_full_of_signs_is_looked_at_for_so_long_only() {
        let text = "@bob ".repeat(10_000);
        assert_eq!(found(&text).len(), PLACES_MAX);
        // Each of these characters comes to eighteen, and each place to as many names as a name has
        // characters.
        for costly in ["ﷺ", "田", "e\u{301}\u{302}", "."] {
            let looked_up = std::cell::Cell::new(0);
            let member = |key: &str| {
                looked_up.set(looked_up.get() + usize::from(!key.is_empty()));
                None::<()>
            };
            find(&format!("@{}", costly.repeat(40)).repeat(1000), member, || false);
            let most = (PLACES_MAX * name::CLUSTERS_MAX).min(KEY_BYTES_MAX) + 1;
            assert!((32..most).contains(&looked_up.get()), "{costly}: {}", looked_up.get());
        }
        let long = format!("{}: hi", "田".repeat(50));
        assert_eq!(found(&long), [""; 0]);
    }

    /// The same, without any cleverness: each name at each place.
    fn naive(text: &str) -> Vec<&'static str> {
        let chars: Vec<char> = text.chars().collect();
        let string = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
        let is_plain = |at: usize| chars.get(at).is_some_and(char::is_ascii_alphanumeric);
        let parsed = |text: &str| named(Name::parse(text).ok()?.key());
        let mut members = Vec::new();
        for line in text.split('\n') {
            let end = line.find(|c: char| c.is_whitespace() || ENDS.contains(&c));
            if let Some(at) = end.filter(|&at| at > 0 && line[at..].starts_with(ENDS)) {
                members.extend(parsed(&line[..at]));
            }
        }
        for at in 0..chars.len() {
            if !"@＠﹫".contains(chars[at]) || at > 0 && is_plain(at - 1) {
                continue;
            }
            let rest = string(at + 1, chars.len());
            let whole = |end: usize| {
                let after: String = chars[end..].iter().collect();
                rest.grapheme_indices(true).any(|(from, _)| from == rest.len() - after.len())
                    || after.is_empty()
            };
            let longest = (at + 1..=chars.len()).rev().find_map(|end| {
                let is_cut = end > at + 1 && is_plain(end - 1) && is_plain(end);
                let spaces = chars[at + 1..end].iter().any(|c| c.is_whitespace());
                if is_cut || spaces || !whole(end) {
                    return None;
                }
                let name = string(at + 1, end);
                match name.to_lowercase().as_str() {
                    "all" | "here" => Some("all"),
                    _ => parsed(&name),
                }
            });
            if longest == Some("all") {
                return vec!["all"];
            }
            members.extend(longest);
        }
        members
    }

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "@", "＠", "bob", "Bobby", "by", "田中", "さん", "ﾀﾅｶ", "タナカ", "e", "\u{301}",
                "ﾞ", "ß", "İ", "ｶ", "👩", "ﷺ",
                "é", "x.y", ".", "-", "a", "b", " ", ":", "、", "：", "all", "-in", "here", "#", "\n",
            ]), 0..12),
        ) {
            let text = pieces.concat();
            prop_assert_eq!(found(&text), naive(&text), "{:?}", text);
        }
    }
}
