//! What somebody meant who has mistyped a word.

use strsim::damerau_levenshtein;

/// The one of these words that takes the fewest changes to come to from `typed`, the first of
/// several; none if all take many. A change is a letter too many, one too few, another one, or two
/// in each other's place.
pub fn nearest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One for a short word, one more for every four letters.
    let changes_max = 1 + typed.chars().count() / 5;
    let words = words.into_iter().map(|word| (damerau_levenshtein(typed, word), word));
    let (changes, word) = words.min_by_key(|&(changes, _)| changes)?;
    (changes <= changes_max).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_no_other_word() {
        let words = ["help", "nick", "join", "leave", "msg", "conversations"];
        for (typed, meant) in [
            ("hlep", Some("help")),
            ("joi", Some("join")),
            ("nickk", Some("nick")),
            ("mgs", Some("msg")),
            ("converstaion", Some("conversations")),
            ("dance", None),
            ("", None),
            ("まつり", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
        assert_eq!(nearest("help", []), None);
    }
}
