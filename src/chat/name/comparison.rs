//! The form of a name that is compared.

use unicode_normalization::UnicodeNormalization;

use crate::chat::emoji::{EMOJI_PRESENTATION, ZERO_WIDTH_JOINER};

/// RFC 8266 section 2.1: the rules are applied until the outcome is stable, three more times at
/// most. Nothing is known that needs more than one.
pub const PASSES_MAX: usize = 4;

const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';

/// `shown` in one case and one width, without what nobody sees. `None` if `passes_max` do not
/// settle that.
pub fn key(shown: &str, passes_max: usize) -> Option<String> {
    let invisible = [EMOJI_PRESENTATION, ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER];
    let mut key: String = shown.chars().filter(|c| !invisible.contains(c)).collect();
    for _ in 0..passes_max {
        let folded = pass(&key);
        if folded == key {
            return Some(key);
        }
        key = folded;
    }
    None
}

/// Case, then NFKC. Lower, upper and lower again folds what differs only by the way through another
/// case: `ς` and `σ`, `ẞ` and `ß` and `ss`, `ı` and `i`.
fn pass(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}
