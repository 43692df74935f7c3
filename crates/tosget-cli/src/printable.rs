//! Text from outside (keys, headers, the words of a server), shown so that it can't steer a terminal or break a line.

use std::fmt::Write;
use std::path::Path;

/// `text` with control characters escaped, and the marks that change writing direction, which can hide a name.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            // Writing to a String can't fail.
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// As [`printable`], but for text of ours that has several lines.
pub(crate) fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// A path, shown.
pub(crate) fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2J\r\nb\u{202e}c\u{9b}"),
            "a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}c\\u{9b}"
        );
        assert_eq!(printable("模型 weights.bin"), "模型 weights.bin");
        assert_eq!(printable_lines("a\nb\u{7}\n"), "a\nb\\u{7}\n");
    }
}
