//! How the steps of an examination are shown.

use exconn_model::Step;
use serde_json::{Value, json};

use super::text;

const NAME_WIDTH: usize = 34;

/// A step as lines for people: how it went, what was tried, what was seen, what to change.
pub(crate) fn line(name: &str, finding: &str, seen: &str, cure: Option<&str>) -> String {
    let mark = match finding {
        "passed" => "ok",
        "warned" => "WARN",
        "failed" => "FAIL",
        _ => "-",
    };
    let mut shown = format!("{mark:<5} {name:<NAME_WIDTH$} {seen}\n");
    for line in cure.unwrap_or_default().lines() {
        shown.push_str(&format!("      {:NAME_WIDTH$} > {line}\n", ""));
    }
    shown
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
        let failed = Finding::Failed { seen: "refused\r\n".into(), cure: "Do this.\nThen that.".into() };
        let shown = step(&Step { name: "TCP".into(), finding: failed });
        let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(lines[0].starts_with("FAIL  TCP ") && lines[0].ends_with("refused"));
        assert!(lines[1].ends_with("> Do this.") && lines[2].ends_with("> Then that."));
        let passed = step(&Step { name: "TCP".into(), finding: Finding::Passed("127.0.0.1:80".into()) });
        assert!(passed.starts_with("ok    TCP ") && passed.ends_with(" 127.0.0.1:80\n"), "{passed}");
    }
}
