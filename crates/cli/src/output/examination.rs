//! How the steps of an examination are shown.

use comfy_table::Table;
use exconn_model::Step;
use serde_json::{Value, json};

use super::text;

const NAME_WIDTH: usize = 32;
/// Where the cure of a step begins, below its name.
const CURE_INDENT: usize = 8;
/// Where a command begins, so that it stands apart from the sentences around it.
const COMMAND_INDENT: usize = 12;
/// Narrower lines are no easier to read.
const NARROWEST: usize = 72;
const WIDEST: usize = 120;

/// A step as lines for people: how it went, what was tried, what was seen, what to change.
pub(crate) fn line(name: &str, finding: &str, seen: &str, cure: Option<&str>) -> String {
    shown(name, finding, seen, cure, width())
}

/// The width of the terminal; a file or a pipe has none, so that a line there is a step.
fn width() -> usize {
    Table::new().width().map_or(usize::MAX, |width| usize::from(width).clamp(NARROWEST, WIDEST))
}

fn shown(name: &str, finding: &str, seen: &str, cure: Option<&str>, width: usize) -> String {
    let mark = match finding {
        "passed" => "ok",
        "warned" => "WARN",
        "failed" => "FAIL",
        _ => "-",
    };
    let head = format!("  {mark:<5} {name:<NAME_WIDTH$}  ");
    let mut shown = wrapped(&head, head.chars().count(), seen, width);
    for line in cure.unwrap_or_default().lines() {
        if is_sentence(line) {
            shown.push_str(&wrapped(&" ".repeat(CURE_INDENT), CURE_INDENT, line, width));
        } else {
            // A command is copied as a whole.
            shown.push_str(&format!("{:COMMAND_INDENT$}{line}\n", ""));
        }
    }
    shown
}

/// Whether a line of a cure is said to a person rather than typed.
fn is_sentence(line: &str) -> bool {
    line.ends_with(['.', ':'])
}

/// A text whose first line begins with `head`, and whose others begin below its end.
fn wrapped(head: &str, indent: usize, text: &str, width: usize) -> String {
    let (mut lines, mut column) = (head.to_owned(), head.chars().count());
    let mut is_first = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if !is_first && column + 1 + length > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
        is_first = false;
    }
    format!("{}\n", lines.trim_end_matches(' '))
}

/// A step of this process, for people.
pub(crate) fn step(step: &Step) -> String {
    let one_line = |given: &str| text(&Value::String(given.to_owned()));
    line(&one_line(&step.name), step.finding.name(), &one_line(step.finding.seen()), step.finding.cure())
}

/// A step for programs, in the form of the API.
pub(crate) fn json(step: &Step) -> Value {
    json!({
        "name": step.name,
        "finding": step.finding.name(),
        "seen": step.finding.seen(),
        "cure": step.finding.cure(),
    })
}

#[cfg(test)]
mod tests {
    use exconn_model::Finding;

    use super::*;

    #[test]
    fn a_cure_stands_below_what_was_seen() {
        let failed = Finding::Failed { seen: "refused\r\n".into(), cure: "Do this:\nSet-It -Now".into() };
        let shown = step(&Step { name: "TCP".into(), finding: failed });
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(lines[0].starts_with("  FAIL  TCP ") && lines[0].ends_with(" refused"));
        assert_eq!(lines[1..], ["        Do this:", "            Set-It -Now"]);
        let passed = step(&Step { name: "TCP".into(), finding: Finding::Passed("127.0.0.1:80".into()) });
        assert!(passed.starts_with("  ok    TCP ") && passed.ends_with(" 127.0.0.1:80\n"), "{passed}");
    }

    #[test]
    fn sentences_are_wrapped_and_commands_are_not() {
        let cure = format!("{}end.\n{}", "word ".repeat(20), "command ".repeat(20).trim_end());
        let shown = shown("TCP", "failed", "what was seen of the server", Some(&cure), 72);
        let lines: Vec<_> = shown.lines().collect();
        let (sentences, command) = (&lines[..lines.len() - 1], lines[lines.len() - 1]);
        assert!(sentences.iter().all(|line| line.len() <= 72), "{shown}");
        assert!(sentences.len() > 2 && sentences[1..].iter().all(|line| line.starts_with("        word")));
        assert_eq!(command.matches("command").count(), 20);
        let seen = wrapped("name  ", 6, &"x".repeat(100), 72);
        assert_eq!(seen.lines().count(), 1, "a word is never cut: {seen}");
    }
}
