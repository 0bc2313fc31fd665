//! Which names people could take for each other (confusables, UTS #39).

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::{MixedScript, skeleton};

/// What a name looks like: as it is shown, and in lower case. Two names are confusable if they have
/// a skeleton in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeletons {
    in_lower_case: String,
    /// Absent if it is the same.
    as_shown: Option<String>,
}

impl Skeletons {
    pub fn of(shown: &str, key: &str) -> Skeletons {
        let (in_lower_case, as_shown) = (skeleton_of(key), skeleton_of(shown));
        Skeletons { as_shown: (as_shown != in_lower_case).then_some(as_shown), in_lower_case }
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        [Some(&self.in_lower_case), self.as_shown.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    pub fn contains(&self, skeleton: &str) -> bool {
        self.iter().any(|own| own == skeleton)
    }
}

/// Whether a name has letters of several scripts, and looks as if it had Latin ones only:
/// `\u{430}lice` with a Cyrillic letter does, and `Вася-dev` does not (UTS #39, section 4,
/// mixed-script confusables).
pub fn mixes_scripts(shown: &str, key: &str) -> bool {
    let is_plain =
        |c: char| c.is_ascii() || c.general_category_group() == GeneralCategoryGroup::Mark;
    let looks_plain = |form| skeleton_of(form).chars().all(is_plain);
    !shown.is_ascii() && !shown.is_single_script() && (looks_plain(shown) || looks_plain(key))
}

/// The skeleton of UTS #39, section 4, without punctuation around it and the `#` of a room, and in
/// lower case, so that `0` and `o` look alike as `0` and `O` do.
pub fn skeleton_of(form: &str) -> String {
    let bare = form.strip_prefix('#').unwrap_or(form).trim_matches(is_overlooked);
    ascii_skeleton(bare).unwrap_or_else(|| {
        let mut before = ' ';
        let is_seen = |&c: &char| {
            // The dot above these is there already (UTS #39, 5.4).
            let is_dot = c == '\u{307}' && matches!(before, 'i' | 'j');
            before = c;
            !is_dot
        };
        skeleton(bare).flat_map(char::to_lowercase).filter(is_seen).collect()
    })
}

/// The same with nothing but letters and digits, without their accents, and all upright strokes
/// alike: for names that no other may resemble.
pub fn loose_skeleton(form: &str) -> String {
    let letters = skeleton_of(form).nfd().filter(|c| c.is_alphanumeric()).collect::<String>();
    letters.replace(['i', '1', '\u{131}'], "l")
}

/// Whether `form` ends in what looks like `(hook)`: whatever the brackets, the case, the accents and
/// what stands behind it.
pub fn ends_like_hook(form: &str) -> bool {
    let opens = |c: char| match c {
        c if c.is_ascii() => matches!(c, '(' | '{' | '['),
        c => {
            let category = c.general_category();
            matches!(
                category,
                GeneralCategory::OpenPunctuation | GeneralCategory::InitialPunctuation
            )
        }
    };
    let mut rests = form.char_indices().filter(|(_, c)| opens(*c)).map(|(at, _)| &form[at..]);
    rests.any(|rest| loose_skeleton(rest) == "hook")
}

/// [`skeleton_of`] for most names, without any table: an idle server need not have the tables in
/// memory.
fn ascii_skeleton(bare: &str) -> Option<String> {
    let mut skeleton = String::with_capacity(bare.len() + 2);
    for c in bare.chars() {
        match c {
            '0' => skeleton.push('o'),
            '1' | 'I' | '|' => skeleton.push('l'),
            'm' => skeleton.push_str("rn"),
            '`' => skeleton.push('\''),
            '"' => skeleton.push_str("''"),
            // It is two rings and a slash.
            '%' => return None,
            c if c.is_ascii() => skeleton.push(c.to_ascii_lowercase()),
            _ => return None,
        }
    }
    Some(skeleton)
}

/// Whether `c` is easily missed before or after a name: `alice.`, `alice_`. The `#` is not, as it
/// makes a room of a word and another language of C.
fn is_overlooked(c: char) -> bool {
    if c.is_ascii_alphanumeric() {
        return false;
    }
    let is_punctuation = c.general_category_group() == GeneralCategoryGroup::Punctuation;
    c != '#' && (is_punctuation || c.general_category() == GeneralCategory::ModifierSymbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_looks_as_its_skeleton_does() {
        for c in (' '..='~').filter(|c| *c != '%') {
            let form = format!("a{c}z");
            let by_table: String = skeleton(&form).flat_map(char::to_lowercase).collect();
            assert_eq!(ascii_skeleton(&form), Some(by_table), "{c}");
        }
        assert_eq!(skeleton_of("ali\u{307}ce"), skeleton_of("alice"), "the dot is there already");
        assert_eq!((ascii_skeleton("5%"), ascii_skeleton("é")), (None, None));
    }
}
