use super::*;
use proptest::prelude::*;

const PLENTY: HistoryLimits = HistoryLimits { messages_max: 1_000, bytes_max: 1 << 20 };

impl History {
    /// The id of the newest message held.
    fn last_id(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.next_id - 1)
    }
}

fn said(text: &str) -> Message {
    Message::new(7, MessageKind::Said, "alice", text).expect("a short name")
}

fn texts<'a>(messages: impl Iterator<Item = (u64, &'a Message)>) -> Vec<(u64, String)> {
    messages.map(|(id, message)| (id, message.text().to_owned())).collect()
}

fn pairs(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|&(id, text)| (id, text.to_owned())).collect()
}

fn filled(texts: &[&str], limits: &HistoryLimits) -> History {
    let mut history = History::new(1);
    for text in texts {
        history.push(said(text), limits);
    }
    history
}

#[test]
fn a_message_is_four_words_and_one_allocation() {
    assert_eq!(size_of::<Message>(), 32);
    let message =
        Message::new(42, MessageKind::Action, "アリス", "手を振る").expect("a short name");
    assert_eq!((message.author(), message.text()), ("アリス", "手を振る"));
    assert_eq!((message.unix_ms(), message.kind()), (42, MessageKind::Action));
    assert_eq!(message.bytes(), 64 + "アリス手を振る".len());
}

#[test]
fn the_account_that_said_it_takes_no_more_room() {
    for (id, expected) in [(0, None), (7, Some(7)), ((1 << 40) - 1, Some((1 << 40) - 1))] {
        let message = said("x").by(UserId::new(id));
        assert_eq!(message.account().map(UserId::get), expected, "the account {id}");
    }
    assert_eq!(said("x").by(UserId::new(1 << 40)).account(), None, "an id that has no place");
}

#[test]
fn an_author_may_be_empty_or_long_but_not_absurd() {
    assert_eq!(Message::new(0, MessageKind::Said, "", "").map(|m| m.bytes()), Some(64));
    assert!(
        Message::new(0, MessageKind::Said, &"a".repeat(65_535), "x")
            .is_some_and(|m| m.text() == "x")
    );
    assert_eq!(Message::new(0, MessageKind::Said, &"a".repeat(65_536), "x"), None);
}

#[test]
fn an_empty_history_has_no_ids_and_answers_everything() {
    let history = History::new(1);
    assert_eq!(
        (history.first_id(), history.last_id(), history.next_id(), history.bytes()),
        (None, None, 1, 0)
    );
    assert!(history.is_empty() && history.get(0).is_none() && history.get(1).is_none());
    assert_eq!(
        history.after(0).len() + history.before(u64::MAX, 9).len() + history.last(usize::MAX).len(),
        0
    );
    assert_eq!(history.messages.capacity(), 0, "an idle room owns no memory");
}

#[test]
fn pages_are_found_by_id() {
    let history = filled(&["a", "b", "c", "d"], &PLENTY);
    assert_eq!((history.first_id(), history.last_id(), history.len()), (Some(1), Some(4), 4));
    assert_eq!(texts(history.after(2)), pairs(&[(3, "c"), (4, "d")]));
    assert_eq!(texts(history.after(4)), pairs(&[]));
    assert_eq!(texts(history.after(u64::MAX)), pairs(&[]));
    assert_eq!(texts(history.before(3, 1)), pairs(&[(2, "b")]));
    assert_eq!(texts(history.before(3, 9)), pairs(&[(1, "a"), (2, "b")]));
    assert_eq!(texts(history.before(99, 1)), pairs(&[(4, "d")]));
    assert_eq!(texts(history.last(2)), pairs(&[(3, "c"), (4, "d")]));
    assert_eq!(texts(history.last(2).rev()), pairs(&[(4, "d"), (3, "c")]));
    assert_eq!(texts(history.last(0)), pairs(&[]));
    assert_eq!(history.get(3).map(Message::text), Some("c"));
}

#[test]
fn the_count_is_bounded() {
    let history = filled(&["a", "b", "c", "d"], &HistoryLimits { messages_max: 2, ..PLENTY });
    assert_eq!(texts(history.after(0)), pairs(&[(3, "c"), (4, "d")]));
    assert_eq!(history.first_id(), Some(3));
    assert!(history.get(2).is_none());
}

#[test]
fn the_bytes_are_bounded_and_one_too_big_is_not_kept() {
    let one = said("x").bytes();
    let limits = HistoryLimits { bytes_max: 2 * one, ..PLENTY };
    let mut history = filled(&["a", "b", "c"], &limits);
    assert_eq!(texts(history.last(9)), pairs(&[(2, "b"), (3, "c")]));
    assert_eq!(history.bytes(), 2 * one);
    assert_eq!(history.push(said(&"x".repeat(500)), &limits), 4);
    assert_eq!((history.len(), history.bytes(), history.next_id()), (0, 0, 5));
    assert_eq!(history.push(said("e"), &limits), 5);
    assert_eq!((history.first_id(), history.last_id()), (Some(5), Some(5)));
}

#[test]
fn none_kept_still_counts_ids() {
    let history = filled(&["a", "b"], &HistoryLimits { messages_max: 0, ..PLENTY });
    assert_eq!((history.len(), history.bytes(), history.next_id()), (0, 0, 3));
}

#[test]
fn a_resumed_room_goes_on_counting() {
    let mut history = History::new(1_001);
    assert_eq!(history.push(said("a"), &PLENTY), 1_001);
    assert_eq!(texts(history.after(1_000)), pairs(&[(1_001, "a")]));
    assert_eq!(texts(history.after(0)), pairs(&[(1_001, "a")]));
}

/// The same, with a plain list that keeps everything and is searched from end to end.
struct Naive {
    all: Vec<(u64, Message)>,
}

impl Naive {
    fn held(&self, limits: &HistoryLimits) -> &[(u64, Message)] {
        (0..=self.all.len())
            .map(|start| &self.all[start..])
            .find(|held| {
                let bytes: usize = held.iter().map(|(_, message)| message.bytes()).sum();
                held.len() <= limits.messages_max && bytes <= limits.bytes_max
            })
            .unwrap_or(&[])
    }
}

proptest! {
    #[test]
    fn agrees_with_a_plain_list(
        first_id in 1u64..1_000_000,
        messages in prop::collection::vec("[a-z]{0,60}", 0..60),
        messages_max in 0usize..40, bytes_max in 0usize..2_000,
        offset in -5i64..70, limit in 0usize..70,
    ) {
        let limits = HistoryLimits { messages_max, bytes_max };
        let mut history = History::new(first_id);
        let mut naive = Naive { all: Vec::new() };
        for text in &messages {
            let id = history.push(said(text), &limits);
            naive.all.push((id, said(text)));
            let held = naive.held(&limits);
            prop_assert_eq!(history.bytes(), held.iter().map(|(_, message)| message.bytes()).sum::<usize>());
        }
        let held = naive.held(&limits);
        let id = first_id.saturating_add_signed(offset);
        let own = |messages: Vec<(u64, &Message)>| -> Vec<(u64, Message)> {
            messages.into_iter().map(|(id, message)| (id, message.clone())).collect()
        };
        let after: Vec<_> = held.iter().filter(|(at, _)| *at > id).cloned().collect();
        let before: Vec<_> = held.iter().filter(|(at, _)| *at < id).cloned().collect();
        prop_assert!(naive.all.iter().enumerate().all(|(i, (at, _))| *at == first_id + i as u64));
        prop_assert_eq!(own(history.after(id).collect()), after);
        prop_assert_eq!(own(history.before(id, limit).collect()), &before[before.len().saturating_sub(limit)..]);
        prop_assert_eq!(own(history.last(limit).collect()), &held[held.len().saturating_sub(limit)..]);
        prop_assert_eq!(history.get(id), held.iter().find(|(at, _)| *at == id).map(|(_, message)| message));
        prop_assert_eq!(history.first_id(), held.first().map(|(id, _)| *id));
        prop_assert_eq!(history.last_id(), held.last().map(|(id, _)| *id));
        prop_assert_eq!(history.len(), held.len());
    }
}
