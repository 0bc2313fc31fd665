//! QR codes of half blocks: a phone takes a link off a terminal.

use fast_qr::{ECL, QRBuilder};

/// Light modules on each side of a code, by which scanners find it (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// The code of a link, two rows of modules a line; none if it is wider than so many columns.
///
/// Blocks are the light modules, which suits terminals that are dark. On a light one the code comes
/// out as its negative, quiet zone and all, and scanners on phones read that, too: a terminal does
/// not tell which it is, and colours would be escape sequences, which nothing here sends.
///
/// Making one takes 60 KiB of stack. Inlined, that would be room that every message is rendered in:
/// all of it is touched page by page, which took a message 100 instructions and 15 lines of cache.
#[inline(never)]
pub fn lines(link: &str, columns_max: usize) -> Option<Vec<String>> {
    // A screen has no dirt and no scratches, so the code may be as small as it gets.
    let code = QRBuilder::new(link).ecl(ECL::L).build().ok()?;
    let width = code.size + 2 * QUIET_ZONE;
    let is_light = |x: usize, y: usize| {
        let (Some(x), Some(y)) = (x.checked_sub(QUIET_ZONE), y.checked_sub(QUIET_ZONE)) else {
            return true;
        };
        x >= code.size || y >= code.size || !code[y][x].value()
    };
    let block = |x, y| match (is_light(x, y), is_light(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    let line = |y| (0..width).map(|x| block(x, y)).collect();
    (width <= columns_max).then(|| (0..width).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a scanner reads, if each half block is a square of so many pixels.
    fn scan(lines: &[String]) -> String {
        const PIXELS: usize = 4;
        let columns: Vec<Vec<char>> = lines.iter().map(|line| line.chars().collect()).collect();
        let (width, height) = (columns[0].len() * PIXELS, 2 * columns.len() * PIXELS);
        let mut image = rqrr::PreparedImage::prepare_from_bitmap(width, height, |x, y| {
            let is_upper = (y / PIXELS).is_multiple_of(2);
            match columns[y / PIXELS / 2][x / PIXELS] {
                ' ' => true,
                '▀' => !is_upper,
                '▄' => is_upper,
                '█' => false,
                other => panic!("{other:?} is no half block"),
            }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().expect("a code that can be read").1
    }

    #[test]
    fn what_is_shown_can_be_scanned() {
        for length in (0..300).step_by(29) {
            let link =
                format!("https://chat.example.com/{}#invite=8GTM-2V4Q-KXP7", "x".repeat(length));
            let Some(lines) = lines(&link, 80) else {
                assert!(length > 200, "{length}");
                continue;
            };
            assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
            assert!(lines[0].chars().all(|block| block == '█') && lines[0].chars().count() <= 80);
            assert_eq!(scan(&lines), link);
        }
    }

    #[test]
    fn a_code_that_does_not_fit_is_not_shown() {
        let link = "https://chat.example.com/#invite=8GTM-2V4Q-KXP7";
        assert_eq!(lines(link, 37).map(|lines| lines.len()), Some(19));
        assert_eq!(lines(link, 36), None);
        assert_eq!(lines(&"x".repeat(5000), 80), None);
    }
}
