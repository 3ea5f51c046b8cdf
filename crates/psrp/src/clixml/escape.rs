//! `_xHHHH_`: how CLIXML writes UTF-16 code units that XML cannot hold (MS-PSRP 2.2.5.3.2).

use std::borrow::Cow;

/// The text with every `_xHHHH_` replaced by the code unit that it names. A lone surrogate becomes U+FFFD.
pub(crate) fn unescape(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(mut at) = next_escape(&text) else { return text };
    let mut result = String::with_capacity(text.len());
    let mut rest: &str = &text;
    loop {
        let (before, behind) = rest.split_at(at);
        result.push_str(before);
        rest = behind;
        let Some((first, behind)) = code_unit(behind) else { break };
        let second = (0xD800..0xDC00).contains(&first).then(|| code_unit(behind)).flatten();
        rest = match second {
            Some((second, behind)) if (0xDC00..0xE000).contains(&second) => {
                result.extend(char::decode_utf16([first, second]).flatten());
                behind
            }
            _ => {
                result.push(char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER));
                behind
            }
        };
        match next_escape(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    result.push_str(rest);
    Cow::Owned(result)
}

/// Where the next escape begins.
fn next_escape(text: &str) -> Option<usize> {
    memchr::memchr_iter(b'_', text.as_bytes())
        .find(|&at| text.get(at..).is_some_and(|behind| code_unit(behind).is_some()))
}

/// The code unit of an escape at the start of the text, and what follows it.
fn code_unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.strip_prefix("_x").or_else(|| text.strip_prefix("_X"))?.get(..4)?;
    if text.as_bytes().get(6) != Some(&b'_') || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, text.get(7..)?))
}

/// Appends text as character data of CLIXML.
pub(crate) fn escape_into(result: &mut String, text: &str) {
    for (at, character) in text.char_indices() {
        match character {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '_' if text.get(at + 1..).is_some_and(|rest| rest.starts_with('x') || rest.starts_with('X')) => {
                result.push_str("_x005F_");
            }
            character if character < ' ' || matches!(character, '\u{7f}' | '\u{fffe}' | '\u{ffff}') => {
                result.push_str(&format!("_x{:04X}_", u32::from(character)));
            }
            character => result.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_resolved() {
        for (given, meant) in [
            ("plain", "plain"),
            ("a_x000A_b", "a\nb"),
            ("_x005F_x000A_", "_x000A_"),
            ("_xD83D__xDE00_", "\u{1f600}"),
            ("_xD83D_x", "\u{fffd}x"),
            ("_x00", "_x00"),
            ("_X0041_", "A"),
            ("_x0041_x0042_", "Ax0042_"),
            ("__x0041__", "_A_"),
            ("_xDE00__xD83D_", "\u{fffd}\u{fffd}"),
            ("_xZZZZ_", "_xZZZZ_"),
            ("_x+123_", "_x+123_"),
            ("é_x", "é_x"),
        ] {
            assert_eq!(unescape(given.into()), meant, "{given}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(text in "(_x[0-9A-F]{0,4}_?|[\\x00-\\x7f]|\\PC){0,20}") {
            let mut escaped = String::new();
            escape_into(&mut escaped, &text);
            let unquoted = quick_xml::escape::unescape(&escaped).unwrap();
            prop_assert_eq!(unescape(unquoted), text);
        }
    }
}
