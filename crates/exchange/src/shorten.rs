/// Longest text of a server that goes into an error, in characters.
const MAX_CHARACTERS: usize = 300;

/// What a server wrote, fit for an error's text: one line, bounded.
pub(crate) fn shortened(text: &str) -> String {
    let mut out = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(' ');
        }
        out.extend(word.chars().take(MAX_CHARACTERS + 1));
        // A word may be as long as the whole text; the bound is looked at after each.
        if let Some((end, _)) = out.char_indices().nth(MAX_CHARACTERS) {
            out.truncate(end);
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_bounded_line() {
        assert_eq!(shortened("  a\r\n\tb \u{0}c "), "a b c");
        assert_eq!(shortened(""), "");
        assert_eq!(shortened(&"é".repeat(300)), "é".repeat(300));
        assert_eq!(shortened(&"é ".repeat(5000)).chars().count(), 301);
        assert_eq!(shortened(&"x".repeat(5000)), format!("{}…", "x".repeat(300)));
    }
}
