/// Most characters of a request's text that an answer repeats.
const MAX_SHOWN: usize = 100;

/// Text of a request as an answer repeats it: short, in one line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(MAX_SHOWN).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
