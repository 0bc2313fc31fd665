//! Emoji sequences (UTS #51), the only place where invisible code points have work to do in a name.

use std::str::Chars;
use unicode_properties::UnicodeEmoji;

pub const ZERO_WIDTH_JOINER: char = '\u{200D}';
pub const EMOJI_PRESENTATION: char = '\u{FE0F}';
const ENCLOSING_KEYCAP: char = '\u{20E3}';
const BLACK_FLAG: char = '\u{1F3F4}';

/// The tags of the three flags that Unicode recommends (England, Scotland, Wales), after the black
/// flag. Any other tags look like a plain black flag nearly everywhere, so they would be hidden
/// text.
const FLAG_TAGS: [&str; 3] = [
    "\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

/// The length in bytes of the tags at the start of `rest` that make a flag out of `before`.
pub fn flag_tags(before: Option<char>, rest: &str) -> Option<usize> {
    if before != Some(BLACK_FLAG) {
        return None;
    }
    FLAG_TAGS.iter().find(|tags| rest.starts_with(*tags)).map(|tags| tags.len())
}

/// Whether `cluster`, a whole grapheme cluster, is an emoji with all that belongs to it: 🦀, ❤️, 👍🏽,
/// 👩‍💻, 🇯🇵, 1️⃣, 🏴󠁧󠁢󠁥󠁮󠁧󠁿.
pub fn is_emoji(cluster: &str) -> bool {
    is_keycap(cluster) || is_country_flag(cluster) || is_joined(cluster)
}

fn is_keycap(cluster: &str) -> bool {
    let mut chars = cluster.chars();
    matches!(chars.next(), Some('0'..='9' | '#' | '*'))
        && chars.next() == Some(EMOJI_PRESENTATION)
        && chars.next() == Some(ENCLOSING_KEYCAP)
        && chars.next().is_none()
}

fn is_country_flag(cluster: &str) -> bool {
    cluster.chars().count() == 2 && cluster.chars().all(is_regional_indicator)
}

/// One or more emoji, joined: `element (ZWJ element)*`.
fn is_joined(cluster: &str) -> bool {
    cluster.split(ZERO_WIDTH_JOINER).all(is_element)
}

/// A base and at most one thing that changes it: presentation, skin tone or the tags of a flag.
fn is_element(element: &str) -> bool {
    let mut chars: Chars<'_> = element.chars();
    let Some(base) = chars.next() else {
        return false;
    };
    if !is_base(base) {
        return false;
    }
    let rest = chars.as_str();
    rest.is_empty()
        || chars.next().is_some_and(|c| c == EMOJI_PRESENTATION || is_skin_tone(c))
            && chars.next().is_none()
        || flag_tags(Some(base), rest) == Some(rest.len())
}

fn is_base(c: char) -> bool {
    !c.is_ascii() && c.is_emoji_char() && !is_regional_indicator(c)
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

/// Half of a country's flag.
pub fn is_regional_indicator(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_sequences() {
        for cluster in [
            "🦀",
            "🏿",
            "❤\u{FE0F}",
            "☺\u{FE0F}",
            "👍🏽",
            "👩\u{200D}💻",
            "👩🏽\u{200D}💻",
            "👨\u{200D}👩\u{200D}👧\u{200D}👦",
            "❤\u{FE0F}\u{200D}🔥",
            "🏳\u{FE0F}\u{200D}🌈",
            "🇯🇵",
            "1\u{FE0F}\u{20E3}",
            "#\u{FE0F}\u{20E3}",
            "©\u{FE0F}",
            "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
            "🏴\u{200D}☠\u{FE0F}",
        ] {
            assert!(is_emoji(cluster), "{cluster} {}", cluster.escape_unicode());
        }
    }

    #[test]
    fn not_emoji_sequences() {
        for cluster in [
            "",
            "a",
            "1",
            "#",
            "é",
            "\u{FE0F}",
            "a\u{FE0F}",
            "1\u{FE0F}",
            "1\u{20E3}",
            "a\u{FE0F}\u{20E3}",
            "1\u{FE0F}\u{20E3}\u{20E3}",
            "\u{200D}",
            "🦀\u{200D}",
            "\u{200D}🦀",
            "🦀\u{200D}\u{200D}🦀",
            "🦀\u{FE0F}\u{FE0F}",
            "🦀\u{FE0E}",
            "🦀\u{301}",
            "👍🏽🏽",
            "🇯",
            "🇯🇵🇯",
            "🇯\u{FE0F}",
            "a\u{200D}b",
            "🦀\u{200D}a",
            "🏴\u{E0067}",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}\u{FE0F}",
            "🏴\u{E0061}\u{E0062}\u{E007F}",
            "🦀\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
        ] {
            assert!(!is_emoji(cluster), "{cluster} {}", cluster.escape_unicode());
        }
    }
}
