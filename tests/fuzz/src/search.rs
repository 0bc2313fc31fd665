//! Search: what the index finds is what a scan of all messages finds.
//!
//! The scan knows no terms and no pairs: it compares pieces of normalized text.

use chat_server::store::SearchRequest;
use chat_server::store::search::bigrams::{Piece, normalize, pieces};
use chat_server::store::search::file::{create_words, words};
use chat_server::store::search::query::{Expression, document, parse};
use rusqlite::Connection;

use super::cuts::Cuts;

/// Cuts, then lines: the last one is searched for in all others.
pub fn run(input: &[u8]) {
    let (cuts, payload) = Cuts::read(input);
    let texts: Vec<String> =
        cuts.pieces(payload).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
    let Some((typed, texts)) = texts.split_last() else { return };
    let texts: Vec<&str> = texts.iter().flat_map(|text| text.split('\n')).collect();
    check(&texts, typed);
    // What was said finds itself, quoted or not.
    for text in &texts {
        check(&texts, text);
        check(&texts, &format!("\"{text}\""));
    }
}

/// Each text is said by one of two people or by a hook, in one of two rooms.
fn author_and_room(n: usize) -> (&'static str, u64) {
    (["Alice", "b*b \"x\"", "alice (hook)"][n % 3], n as u64 / 2 % 2 + 1)
}

/// The index finds what the scan finds.
pub fn check(texts: &[&str], typed: &str) {
    let words = match parse(typed) {
        Ok(query) => query.words,
        Err(error) => {
            assert!(error.to_string().len() < 100);
            // Any words will do, as far as they can be searched for at all.
            typed.chars().take(200).collect()
        }
    };
    let index = index(texts);
    for rooms in [None, Some(vec![1]), Some(vec![2, 1]), Some(Vec::new())] {
        for from in [None, Some("ALICE"), Some("b*b \"x\""), Some("b")] {
            let request = SearchRequest {
                words: words.as_str().into(),
                rooms: rooms.clone(),
                from: from.map(Into::into),
                ..SearchRequest::default()
            };
            let expected = scan(texts, &request);
            assert_eq!(found(&index, &request), expected, "{request:?} in {texts:?}");
            assert_eq!(held(texts, &request), expected, "{request:?} looked at in {texts:?}");
        }
    }
}

// ---- The index ----

fn index(texts: &[&str]) -> Connection {
    let index = Connection::open_in_memory().expect("memory");
    index.execute_batch(&create_words(0)).expect("a table");
    for (n, text) in texts.iter().enumerate() {
        let (author, room) = author_and_room(n);
        let document = document(room, "", author, text);
        let sql = format!("INSERT INTO {}(rowid, text) VALUES(?1, ?2)", words(0));
        index.execute(&sql, (n, document)).expect("a document");
    }
    index
}

fn found(index: &Connection, request: &SearchRequest) -> Vec<usize> {
    let Some(expression) = Expression::of(request) else { return Vec::new() };
    let expression = expression.whole();
    let words = words(0);
    let sql = format!("SELECT rowid FROM {words} WHERE {words} MATCH ?1 ORDER BY rowid DESC");
    let mut statement = index.prepare_cached(&sql).expect("a statement");
    let rows = statement.query_map([&expression], |row| row.get(0)).expect("a MATCH");
    rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{expression}: {error}"))
}

/// The same, of each text by itself, as what is rare is searched.
fn held(texts: &[&str], request: &SearchRequest) -> Vec<usize> {
    let Some(expression) = Expression::of(request) else { return Vec::new() };
    let holds = |&n: &usize| {
        let (author, room) = author_and_room(n);
        expression.holds(room, "", author, texts[n])
    };
    (0..texts.len()).rev().filter(holds).collect()
}

// ---- The scan ----

fn scan(texts: &[&str], request: &SearchRequest) -> Vec<usize> {
    let phrases = phrases(&request.words);
    if phrases.is_empty() && request.rooms.is_none() && request.from.is_none() {
        return Vec::new();
    }
    let may_be_read = |n: usize| {
        let (author, room) = author_and_room(n);
        request.rooms.as_ref().is_none_or(|rooms| rooms.contains(&room))
            && request.from.as_deref().is_none_or(|from| {
                [from.to_owned(), format!("{from} (hook)")]
                    .iter()
                    .any(|from| normalize(from) == normalize(author))
            })
    };
    let matches = |n: &usize| {
        let text = normalize(texts[*n]);
        let text: Vec<Piece<'_>> = pieces(&text).collect();
        may_be_read(*n) && phrases.iter().all(|(phrase, is_quoted)| has(&text, phrase, *is_quoted))
    };
    (0..texts.len()).rev().filter(matches).collect()
}

/// What is between quotes, or between blanks, normalized; and whether it was quoted.
fn phrases(words: &str) -> Vec<(String, bool)> {
    let mut phrases = vec![(String::new(), false)];
    for c in words.chars() {
        let (phrase, is_quoted) = phrases.last_mut().expect("one");
        match c {
            '"' | '\u{201C}'..='\u{201F}' | '\u{FF02}' => {
                let opens = !*is_quoted;
                phrases.push((String::new(), opens));
            }
            c if c.is_whitespace() && !*is_quoted => phrases.push((String::new(), false)),
            c => phrase.push(c),
        }
    }
    let normalized = phrases.into_iter().map(|(text, quoted)| (normalize(&text).into(), quoted));
    normalized.filter(|(text, _): &(String, bool)| pieces(text).next().is_some()).collect()
}

/// Whether these pieces stand somewhere one after the other.
fn has(text: &[Piece<'_>], phrase: &str, is_quoted: bool) -> bool {
    let phrase: Vec<Piece<'_>> = pieces(phrase).collect();
    text.windows(phrase.len()).any(|pieces| {
        let last = phrase.len() - 1;
        pieces.iter().zip(&phrase).enumerate().all(|(at, (piece, wanted))| match (piece, wanted) {
            (Piece::Word(word), Piece::Word(wanted)) => {
                word == wanted || at == last && !is_quoted && word.starts_with(wanted)
            }
            (Piece::Run(run), Piece::Run(wanted)) => match (at == 0, at == last) {
                (true, true) => run.contains(wanted),
                (true, false) => run.ends_with(wanted),
                (false, true) => run.starts_with(wanted),
                (false, false) => run == wanted,
            },
            _ => false,
        })
    })
}
