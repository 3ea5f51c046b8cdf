/// A text between single quotes, as PowerShell reads it: each of the characters that it takes for a single quote is doubled.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_end_its_quotes() {
        assert_eq!(quoted("O'Brien"), "'O''Brien'");
        assert_eq!(
            quoted("a\u{2019}; Remove-Mailbox *; \u{2018}"),
            "'a\u{2019}\u{2019}; Remove-Mailbox *; \u{2018}\u{2018}'"
        );
    }
}
