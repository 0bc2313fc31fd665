//! What a name may be made of.

use unicode_bidi::BidiClass;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

use super::{NameErrorKind, NameLimits};
use crate::chat::emoji::{self, ZERO_WIDTH_JOINER};
use crate::chat::text::is_blank;

/// More marks than this on one letter reach into other lines (UTS #39 section 5.4).
const MARKS_MAX: usize = 4;

/// Canonical combining class of the viramas, which join Indic letters.
const VIRAMA: u8 = 9;

/// Checks an ASCII name without any table.
pub fn check_ascii(name: &str, limits: &NameLimits) -> Result<(), NameErrorKind> {
    // Each byte is a cluster: CR LF is the only exception, and controls are refused below.
    check_length(name.len(), name.len(), limits)?;
    let mut has_content = false;
    for (at, c) in name.chars().enumerate() {
        if c.is_ascii_whitespace() {
            return Err(NameErrorKind::WhiteSpace { found: c });
        }
        if c.is_ascii_control() {
            return Err(NameErrorKind::Invisible { found: c });
        }
        check_punctuation(c, c, at == 0)?;
        has_content |= c.is_ascii_alphanumeric();
    }
    if has_content { Ok(()) } else { Err(NameErrorKind::OnlyPunctuation) }
}

/// Checks any name in NFC that is not empty.
pub fn check(name: &str, limits: &NameLimits) -> Result<(), NameErrorKind> {
    check_length(name.graphemes(true).count(), name.len(), limits)?;
    check_marks(name)?;
    let mut has_content = false;
    for (at, cluster) in name.grapheme_indices(true) {
        let is_emoji = emoji::is_emoji(cluster);
        for (offset, c) in cluster.char_indices() {
            check_look_alikes(c, at + offset == 0)?;
            if !is_emoji {
                check_char(name, at + offset, c)?;
            }
            has_content |= is_emoji || is_content(c);
        }
    }
    if !has_content {
        return Err(NameErrorKind::OnlyPunctuation);
    }
    check_direction(name)
}

fn check_length(clusters: usize, bytes: usize, limits: &NameLimits) -> Result<(), NameErrorKind> {
    let NameLimits { clusters_max, bytes_max } = *limits;
    if clusters > clusters_max {
        Err(NameErrorKind::TooLong { clusters, clusters_max })
    } else if bytes > bytes_max {
        Err(NameErrorKind::TooManyBytes { bytes, bytes_max })
    } else {
        Ok(())
    }
}

/// Whether `c` alone is enough for a name: a row of dots is not.
fn is_content(c: char) -> bool {
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    ) || c.general_category() == GeneralCategory::OtherSymbol
}

/// Refuses what a full-width or otherwise compatible character stands for, as NFKC would reveal it.
fn check_look_alikes(c: char, is_first: bool) -> Result<(), NameErrorKind> {
    let mut checked = check_punctuation(c, c, is_first);
    let mut is_first = is_first;
    decompose_compatible(c, |part| {
        if checked.is_ok() {
            checked = check_punctuation(part, c, is_first);
        }
        if checked.is_ok() && part.is_whitespace() && !c.is_whitespace() {
            checked = Err(NameErrorKind::Disallowed { found: c });
        }
        is_first = false;
    });
    checked
}

/// Refuses what has a meaning in a line around a name, or at the start of a command's argument.
/// `found` is what was typed for `c`.
fn check_punctuation(c: char, found: char, is_first: bool) -> Result<(), NameErrorKind> {
    // At the start: a command, rooms (IRC has & as well), an option, and the marks that members of
    // IRC rooms have.
    if is_first && matches!(c, '/' | '#' | '&' | '-' | '+' | '~' | '%' | '!' | '*' | '@') {
        return Err(NameErrorKind::ForbiddenStart { found });
    }
    let refused = match c {
        // `[#lobby] alice: hello`, `[alice -> you] hello` and a list of names would get a second
        // reading.
        '[' | ']' | ':' | '<' | '>' | ',' => true,
        // nick!user@host and its pattern *: kept free for IRC clients, and for notices and errors.
        '!' | '@' | '*' => true,
        // What looks like one of those and stays so under NFKC.
        '〔' | '〕' | '〚' | '〛' | '⟦' | '⟧' | '❲' | '❳' | '⁅' | '⁆' => true,
        'ː' | '˸' | '։' | '׃' | '⁚' | '∶' | '꞉' | 'ꓽ' => true,
        '‹' | '›' | '❮' | '❯' | '〈' | '〉' | '⟨' | '⟩' | '→' | '←' | '⟶' | '⟵' | '⇒' => {
            true
        }
        '、' | '،' | '‚' | 'ǃ' | '∗' | '⁎' => true,
        _ => false,
    };
    if refused { Err(NameErrorKind::Punctuation { found }) } else { Ok(()) }
}

/// Checks the character `c` of `name` at `at`, outside of emoji sequences.
fn check_char(name: &str, at: usize, c: char) -> Result<(), NameErrorKind> {
    if c.is_whitespace() {
        return Err(NameErrorKind::WhiteSpace { found: c });
    }
    if is_blank(c) {
        let joins = is_joined_script(
            name[..at].chars().next_back(),
            c,
            name[at + c.len_utf8()..].chars().next(),
        );
        return if joins { Ok(()) } else { Err(NameErrorKind::Invisible { found: c }) };
    }
    if emoji::is_regional_indicator(c) || is_never_in_names(c) {
        return Err(NameErrorKind::Disallowed { found: c });
    }
    match c.general_category() {
        GeneralCategory::Control | GeneralCategory::Format => {
            Err(NameErrorKind::Invisible { found: c })
        }
        GeneralCategory::Unassigned | GeneralCategory::PrivateUse | GeneralCategory::Surrogate => {
            Err(NameErrorKind::Unassigned { found: c })
        }
        GeneralCategory::EnclosingMark => Err(NameErrorKind::Disallowed { found: c }),
        _ => Ok(()),
    }
}

/// RFC 5892, appendices A.1 and A.2: a joiner after a virama, or a non-joiner within an Arabic
/// word. The joining types of A.1 are not looked up: keys leave joiners out, so one that does
/// nothing makes no second name.
fn is_joined_script(before: Option<char>, joiner: char, after: Option<char>) -> bool {
    let arabic = |c: char| matches!(c, '\u{620}'..='\u{64A}' | '\u{671}'..='\u{6D3}');
    match joiner {
        '\u{200C}' if before.is_some_and(arabic) && after.is_some_and(arabic) => true,
        '\u{200C}' | ZERO_WIDTH_JOINER => {
            before.is_some_and(|c| canonical_combining_class(c) == VIRAMA)
        }
        _ => false,
    }
}

/// What is refused though its category is fine: Hangul letters that form no syllable (RFC 8264,
/// section 9.9), the stretchers and repeat marks of section 9.6, U+FFFD, which stands for what was
/// lost, and the iota subscript where it is not part of a Greek letter: it is a mark that becomes a
/// letter in another case, so the key would depend on which marks were typed after it.
fn is_never_in_names(c: char) -> bool {
    matches!(
        c,
        '\u{1100}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}'
            | '\u{640}' | '\u{7FA}' | '\u{302E}'..='\u{302F}' | '\u{3031}'..='\u{3035}'
            | '\u{303B}' | '\u{FFFD}' | '\u{345}'
    )
}

/// Marks have a letter to sit on, and not too many of them sit on one.
fn check_marks(name: &str) -> Result<(), NameErrorKind> {
    if let Some(first) =
        name.chars().next().filter(|c| c.general_category_group() == GeneralCategoryGroup::Mark)
        && !is_blank(first)
    {
        return Err(NameErrorKind::LoneMark { found: first });
    }
    let mut run = 0;
    let mut last = None;
    // Joiners between marks do not make room for more of them.
    for c in name.chars().filter(|&c| !is_blank(c)) {
        let is_mark = c.general_category() == GeneralCategory::NonspacingMark;
        run = if is_mark { run + 1 } else { 0 };
        if run > MARKS_MAX || is_mark && last == Some(c) {
            return Err(NameErrorKind::TooManyMarks { found: c });
        }
        last = Some(c);
    }
    Ok(())
}

/// The Bidi rule (RFC 5893, section 2) for a name that has anything written from right to left.
/// Emoji are passed over, as they are at home in every script.
fn check_direction(name: &str) -> Result<(), NameErrorKind> {
    use BidiClass::{AL, AN, BN, CS, EN, ES, ET, NSM, ON, R};

    let text =
        || name.graphemes(true).filter(|cluster| !emoji::is_emoji(cluster)).flat_map(str::chars);
    let classes = || text().map(unicode_bidi::bidi_class);
    if !classes().any(|class| matches!(class, R | AL | AN)) {
        return Ok(());
    }
    // One that begins with L breaks condition 5, as there is something from right to left in it.
    let begins = matches!(classes().next(), Some(R | AL));
    let allowed =
        classes().all(|class| matches!(class, R | AL | AN | EN | ES | CS | ET | ON | BN | NSM));
    let ends = matches!(classes().rfind(|&class| class != NSM), Some(R | AL | EN | AN));
    let two_kinds_of_digits =
        classes().any(|class| class == EN) && classes().any(|class| class == AN);
    if begins && allowed && ends && !two_kinds_of_digits {
        Ok(())
    } else {
        Err(NameErrorKind::MixedDirection)
    }
}
