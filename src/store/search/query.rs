//! What people type to search, and what the index is asked for then.
//!
//! `WORDS [in:#room] [from:name] [before:DATE] [after:DATE]`: all words have to be there, in any
//! order, and each is found by its beginning. In quotes stands a phrase, of whole words. Dates are
//! days in UTC: `after` one includes it.

use jiff::civil::{Date, date};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use super::bigrams::{Piece, append_piece, normalize, pieces};
use crate::store::{SearchRequest, hook_author};

/// Characters that can be searched for at once: each costs the index a look.
pub const CHARS_MAX: usize = 256;

/// Rooms that a search leaves out in the index itself; messages of more are passed over one by one.
const EXCLUDED_MAX: usize = 64;

/// Terms that say who said something and where begin with these. No text has them, since they are
/// neither letters nor digits nor symbols.
const ROOM_MARK: char = '\u{E000}';
const AUTHOR_MARK: char = '\u{E001}';
/// The term of all that was said in conversations, and what the term of those who may read it begins
/// with.
const CONVERSATION: &str = "\u{E002}";
const READER_MARK: char = '\u{E003}';
/// ASCII in a name that would end a term is moved there.
const ESCAPES: u32 = 0xE100;

const EPOCH: Date = date(1970, 1, 1);

/// What was typed, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// As typed, without the filters.
    pub words: String,
    /// Names as typed.
    pub room: Option<String>,
    pub from: Option<String>,
    /// Milliseconds since 1970.
    pub before_ms: Option<u64>,
    pub after_ms: Option<u64>,
}

/// Why something cannot be searched for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    #[error("there is no word in that to search for")]
    Empty,
    #[error("at most {CHARS_MAX} characters can be searched for")]
    TooLong,
    #[error("behind {0}: there has to be something, as in {0}:{example}", example = example(.0))]
    NoValue(&'static str),
    #[error("only one {0}: can be given")]
    Twice(&'static str),
    #[error("behind {0}: there has to be a day, as in {0}:2026-11-01 (UTC)")]
    NoDate(&'static str),
}

fn example(filter: &str) -> &'static str {
    match filter {
        "in" => "#room",
        "from" => "name",
        _ => "2026-11-01",
    }
}

/// Reads what was typed.
///
/// # Errors
/// A filter that makes no sense, or nothing to search for.
pub fn parse(typed: &str) -> Result<Query, QueryError> {
    read(typed, false)
}

/// Reads what was typed to search in a room that is named elsewhere.
///
/// # Errors
/// A filter that makes no sense, another room, or words in which there is nothing to search for.
pub fn parse_in_room(typed: &str) -> Result<Query, QueryError> {
    match read(typed, true)? {
        Query { room: Some(_), .. } => Err(QueryError::Twice("in")),
        query => Ok(query),
    }
}

fn read(typed: &str, has_room: bool) -> Result<Query, QueryError> {
    let mut query = Query::default();
    for item in items(typed) {
        match item.filter() {
            None => {
                let space = if query.words.is_empty() { "" } else { " " };
                query.words.push_str(space);
                query.words.push_str(item.typed);
            }
            Some((filter, value)) => query.set(filter, value)?,
        }
    }
    if query.words.chars().count() > CHARS_MAX {
        return Err(QueryError::TooLong);
    }
    let has_terms = items(&query.words).any(|item| item.terms().is_some());
    let has_filter = has_room || query.room.is_some() || query.from.is_some();
    if has_terms || query.words.is_empty() && has_filter {
        return Ok(query);
    }
    Err(QueryError::Empty)
}

impl Query {
    fn set(&mut self, filter: &'static str, value: &str) -> Result<(), QueryError> {
        if value.is_empty() {
            return Err(QueryError::NoValue(filter));
        }
        let is_twice = match filter {
            "in" => self.room.replace(value.to_owned()).is_some(),
            "from" => self.from.replace(value.to_owned()).is_some(),
            "before" => self.before_ms.replace(day_start_ms(filter, value)?).is_some(),
            _ => self.after_ms.replace(day_start_ms(filter, value)?).is_some(),
        };
        if is_twice { Err(QueryError::Twice(filter)) } else { Ok(()) }
    }
}

/// When this day begins in UTC.
fn day_start_ms(filter: &'static str, value: &str) -> Result<u64, QueryError> {
    let value: String = value.nfkc().collect();
    let day = Date::strptime("%Y-%m-%d", value).map_err(|_| QueryError::NoDate(filter))?;
    Ok(u64::try_from(day.duration_since(EPOCH).as_millis()).unwrap_or(0))
}

/// One word, or what stands between quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item<'a> {
    /// With its quotes.
    typed: &'a str,
    text: &'a str,
    is_quoted: bool,
}

/// Quotes as keyboards of this world have them.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}'..='\u{201F}' | '\u{FF02}')
}

fn items(typed: &str) -> impl Iterator<Item = Item<'_>> {
    let mut rest = typed;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let is_quoted = is_quote(first);
        let start = if is_quoted { first.len_utf8() } else { 0 };
        let body = &rest[start..];
        let end = match is_quoted {
            true => body.find(is_quote),
            false => body.find(|c: char| c.is_whitespace() || is_quote(c)),
        };
        let text = &body[..end.unwrap_or(body.len())];
        let closing = body[text.len()..].chars().next().filter(|_| is_quoted);
        let bytes = start + text.len() + closing.map_or(0, char::len_utf8);
        let (typed, others) = rest.split_at(bytes);
        rest = others;
        Some(Item { typed, text, is_quoted })
    })
}

impl<'a> Item<'a> {
    /// The name and the value of a filter, if this is one.
    fn filter(self) -> Option<(&'static str, &'a str)> {
        let (name, value) = self.text.split_once([':', '：']).filter(|_| !self.is_quoted)?;
        let filters = ["in", "from", "before", "after"];
        filters.into_iter().find(|filter| filter.eq_ignore_ascii_case(name)).map(|f| (f, value))
    }

    /// The item as a phrase of FTS5: its terms in quotes, and a star if the last one may go on.
    /// `None` if there is nothing in it that could be found.
    fn terms(self) -> Option<String> {
        let normalized = normalize(self.text);
        let mut pieces = pieces(&normalized).peekable();
        let mut terms = String::from("\"");
        let mut goes_on = false;
        pieces.peek()?;
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            let is_one_char = matches!(piece, Piece::Run(run) if run.chars().nth(1).is_none());
            append_piece(piece, !is_last || is_one_char, &mut terms);
            goes_on = match piece {
                Piece::Word(_) => !self.is_quoted,
                Piece::Run(_) => is_one_char,
            };
        }
        terms.push_str(if goes_on { "\" *" } else { "\"" });
        Some(terms)
    }
}

/// What FTS5 is to MATCH. Every term stands in quotes and consists of letters, digits, symbols and
/// marks of ours: nothing that was typed is an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    conditions: Vec<String>,
    /// What is searched is not one room: of conversations, only those of this account.
    is_of_all: bool,
    reader: Option<u64>,
    /// The rooms that may not be read, if there are any.
    excluded: Option<String>,
}

impl Expression {
    /// `None` if nothing can be found.
    pub fn of(search: &SearchRequest) -> Option<Expression> {
        let mut conditions: Vec<String> = Vec::new();
        if let Some(rooms) = &search.rooms {
            conditions.push(any_of(rooms.iter().copied())?);
        }
        if let Some(from) = &search.from {
            let hook = hook_author(from);
            conditions.push(format!("(\"{}\" OR \"{}\")", author_term(from), author_term(&hook)));
        }
        conditions.extend(items(&search.words).filter_map(Item::terms));
        let (is_of_all, reader) = (search.rooms.is_none(), search.reader);
        let hidden = search.restricted.iter().filter(|(_, from)| from.is_none());
        let excluded = any_of(hidden.map(|&(room, _)| room).take(EXCLUDED_MAX));
        let excluded = excluded.filter(|_| is_of_all);
        (!conditions.is_empty()).then_some(Expression { conditions, is_of_all, reader, excluded })
    }

    /// All of it.
    pub fn whole(&self) -> String {
        let wanted = self.conditions.join(" AND ");
        if !self.is_of_all {
            return wanted;
        }
        let excluded = match &self.excluded {
            None => format!("\"{CONVERSATION}\""),
            Some(excluded) => format!("(\"{CONVERSATION}\" OR {excluded})"),
        };
        let of_rooms = format!("({wanted}) NOT {excluded}");
        match self.reader {
            None => of_rooms,
            Some(reader) => format!("({of_rooms}) OR ({wanted} AND \"{READER_MARK}{reader}\")"),
        }
    }

    /// Whether this may be shown that was said in the room of this name, as far as conversations
    /// go.
    pub fn may_read(&self, room: &str) -> bool {
        let mut readers = readers(room).peekable();
        !self.is_of_all
            || readers.peek().is_none()
            || self.reader.is_some_and(|reader| readers.any(|one| one == reader.to_string()))
    }

    /// The condition that is likely to be met least often, if there is more than one: the longest.
    /// FTS5 merges the lists of all words with a beginning before it compares them with others.
    pub fn rarest(&self) -> Option<&str> {
        let word = |condition: &&String| condition.split(" OR ").next().map_or(0, str::len);
        let longest = self.conditions.iter().max_by_key(word);
        longest.filter(|_| self.conditions.len() > 1).map(String::as_str)
    }

    /// Whether a message meets all conditions, as FTS5 would have it. It may be one of a room that is
    /// left out.
    pub fn holds(&self, room: u64, name: &str, author: &str, text: &str) -> bool {
        let document = document(room, name, author, text);
        let terms: Vec<&str> = document.split_ascii_whitespace().collect();
        self.conditions.iter().all(|condition| {
            let bare = condition.trim_start_matches('(').trim_end_matches(')');
            bare.split(" OR ").any(|phrase| has_phrase(&terms, phrase))
        })
    }
}

/// Whether these terms have a phrase of FTS5 among them: terms in quotes, and a star if the last one
/// may go on.
fn has_phrase(terms: &[&str], phrase: &str) -> bool {
    let goes_on = phrase.ends_with('*');
    let wanted = phrase.trim_end_matches(" *").trim_matches('"');
    let wanted: Vec<&str> = wanted.split_ascii_whitespace().collect();
    let Some((last, first)) = wanted.split_last() else { return false };
    terms.windows(wanted.len()).any(|window| {
        let (end, before) = (window[first.len()], &window[..first.len()]);
        let ends = if goes_on { end.starts_with(last) } else { end == *last };
        ends && before == first
    })
}

/// The condition that something was said in one of these rooms; `None` if there are none.
fn any_of(rooms: impl Iterator<Item = u64>) -> Option<String> {
    let rooms: Vec<String> = rooms.map(|room| format!("\"{}\"", room_term(room))).collect();
    (!rooms.is_empty()).then(|| format!("({})", rooms.join(" OR ")))
}

/// The term of all that was said in a room.
fn room_term(room: u64) -> String {
    format!("{ROOM_MARK}{room}")
}

/// The term of all that was said under a name, in any case and width.
fn author_term(name: &str) -> String {
    let moved = |c: char| match c {
        c if c.is_ascii_alphanumeric() || !c.is_ascii() => Some(c),
        c => char::from_u32(ESCAPES + c as u32),
    };
    let name = normalize(name);
    std::iter::once(AUTHOR_MARK).chain(name.chars().filter_map(moved)).collect()
}

/// The accounts that may read what was said in the room of this name, if it is a conversation.
fn readers(name: &str) -> impl Iterator<Item = &str> {
    name.strip_prefix('@').into_iter().flat_map(|accounts| accounts.split(':'))
}

/// What a message is indexed as: the terms of its room, those who may read it, its author and its
/// text. `name`: of its room.
pub fn document(room: u64, name: &str, author: &str, text: &str) -> String {
    let mut terms = room_term(room);
    for (at, reader) in readers(name).enumerate() {
        if at == 0 {
            terms.extend([" ", CONVERSATION]);
        }
        terms.extend([' ', READER_MARK]);
        terms.push_str(reader);
    }
    terms.push(' ');
    terms.push_str(&author_term(author));
    super::bigrams::append_terms(&normalize(text), &mut terms);
    terms
}

/// Where in a text the first word of a search begins, about: in bytes of the text.
pub fn first_match(words: &str, text: &str) -> Option<usize> {
    let normalized = normalize(text);
    let found = items(words).filter_map(|item| {
        let wanted = normalize(item.text).into_owned();
        let first = pieces(&wanted).next()?;
        let (Piece::Word(first) | Piece::Run(first)) = first;
        normalized.find(first)
    });
    let chars = normalized[..found.min()?].chars().count();
    // Characters change their number as they are normalized, so they are counted again.
    let mut count = 0;
    let place = text.char_indices().find(|(_, c)| {
        let is_reached = count >= chars;
        count += normalize(c.encode_utf8(&mut [0; 4])).chars().count();
        is_reached
    });
    place.map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(words: &str) -> Option<String> {
        Expression::of(&SearchRequest { words: words.into(), ..SearchRequest::default() })
            .map(|expression| expression.conditions.join(" AND "))
    }

    #[test]
    fn filters_are_taken_out_of_the_words() {
        let query =
            parse("端末 in:#dev From:Alice \"in:a b\" before:2026-11-02 after:２０２６-11-01 x:y");
        let expected = Query {
            words: "端末 \"in:a b\" x:y".to_owned(),
            room: Some("#dev".to_owned()),
            from: Some("Alice".to_owned()),
            before_ms: Some(1_793_577_600_000),
            after_ms: Some(1_793_491_200_000),
        };
        assert_eq!(query, Ok(expected));
        assert_eq!(parse("in：#部屋").map(|query| query.room), Ok(Some("#部屋".to_owned())));
    }

    #[test]
    fn errors_are_sentences() {
        for (typed, error) in [
            ("", "there is no word in that to search for"),
            ("?!", "there is no word in that to search for"),
            ("?! in:#dev", "there is no word in that to search for"),
            ("before:2026-11-01", "there is no word in that to search for"),
            ("a in:", "behind in: there has to be something, as in in:#room"),
            ("a from:b from:c", "only one from: can be given"),
            (
                "a after:yesterday",
                "behind after: there has to be a day, as in after:2026-11-01 (UTC)",
            ),
            (
                "a before:2026-02-30",
                "behind before: there has to be a day, as in before:2026-11-01 (UTC)",
            ),
        ] {
            assert_eq!(parse(typed).expect_err(typed).to_string(), error, "{typed}");
        }
        assert_eq!(parse(&"あ".repeat(257)), Err(QueryError::TooLong));
    }

    #[test]
    fn words_are_prefixes_pairs_are_phrases() {
        for (words, expected) in [
            ("Kernel", "\" kernel\" *"),
            ("\"kernel panic\"", "\" kernel panic\""),
            ("字", "\" 字\" *"),
            ("端末", "\" 端末\""),
            ("端末の", "\" 端末 末の\""),
            ("foo-bar 東京tower", "\" foo bar\" * AND \" 東京 京 tower\" *"),
            ("\"a", "\" a\""),
            ("OR NEAR(a) -b* text:c", "\" or\" * AND \" near a\" * AND \" b\" * AND \" text c\" *"),
        ] {
            assert_eq!(expression(words).as_deref(), Some(expected), "{words}");
        }
        assert_eq!(expression("\" \0 *"), None);
    }

    #[test]
    fn rights_are_part_of_the_query() {
        let search = |rooms: &[u64]| SearchRequest {
            words: "a".into(),
            rooms: Some(rooms.to_vec()),
            from: Some("Al.Ice".into()),
            ..SearchRequest::default()
        };
        let expected = "(\"\u{E000}1\" OR \"\u{E000}2\") AND (\"\u{E001}al\u{E12E}ice\" OR \
             \"\u{E001}al\u{E12E}ice\u{E120}\u{E128}hook\u{E129}\") AND \" a\" *";
        let whole = |rooms: &[u64]| Expression::of(&search(rooms)).map(|it| it.whole());
        assert_eq!(whole(&[1, 2]).as_deref(), Some(expected));
        assert_eq!(whole(&[]), None, "no room may be read");
        let wanted = Expression::of(&search(&[1, 2])).expect("a word");
        for (author, is_meant) in [
            ("al.ice", true),
            ("AL.ICE (hook)", true),
            ("al", false),
            ("ice (hook)", false),
            ("al.ice2 (hook)", false),
        ] {
            assert_eq!(wanted.holds(2, "#dev", author, "a b"), is_meant, "{author}");
        }
    }

    #[test]
    fn conversations_are_for_those_who_have_them() {
        let search = |rooms: Option<Vec<u64>>, reader| {
            let search =
                SearchRequest { words: "a".into(), rooms, reader, ..SearchRequest::default() };
            Expression::of(&search).expect("a word")
        };
        let of_rooms = "(\" a\" *) NOT \"\u{E002}\"";
        assert_eq!(search(None, None).whole(), of_rooms);
        let expected = format!("({of_rooms}) OR (\" a\" * AND \"\u{E003}12\")");
        assert_eq!(search(None, Some(12)).whole(), expected);
        assert_eq!(search(Some(vec![7]), None).whole(), "(\"\u{E000}7\") AND \" a\" *");
        assert_eq!(
            document(7, "@12:34", "al", "a"),
            "\u{E000}7 \u{E002} \u{E003}12 \u{E003}34 \u{E001}al a"
        );
        for (reader, key, may) in [
            (None, "#dev", true),
            (None, "@12:34", false),
            (Some(12), "@12:34", true),
            (Some(34), "@12:34", true),
            (Some(3), "@12:34", false),
        ] {
            assert_eq!(search(None, reader).may_read(key), may, "{reader:?} {key}");
        }
        assert!(search(Some(vec![7]), None).may_read("@12:34"), "the chat knows whose it is");
    }

    #[test]
    fn the_first_match_is_found_in_the_text_as_it_was_said() {
        assert_eq!(first_match("world", "Hello, WORLD"), Some(7));
        assert_eq!(first_match("ﾌｧｲﾙ", "新しいファイル"), Some("新しい".len()));
        assert_eq!(first_match("b a", "x a b"), Some(2));
        assert_eq!(first_match("c", "x"), None);
    }
}
