//! How answers are shown.

pub(crate) mod examination;

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// A value as one line of text. Control characters, which could move a terminal's cursor, become spaces.
pub(crate) fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().map(|c| if is_hazard(c) { ' ' } else { c }).collect()
}

/// Controls, and the marks that turn the direction of text around.
fn is_hazard(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// A text as a spreadsheet may open it: one that it would run as a formula gets a leading quote.
pub(crate) fn cell(value: &Value) -> String {
    let text = text(value);
    if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text }
}

/// Rows under headings.
pub(crate) fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// The members of an object, one a line; annotations are left out.
pub(crate) fn record(object: &Value) -> String {
    let members = object.as_object().into_iter().flatten().filter(|(name, _)| !name.contains("@odata."));
    let width = members.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    members.map(|(name, value)| format!("{name:width$}  {}\n", text(value))).collect()
}

/// The object without annotations, as JSON for programs.
pub(crate) fn json(object: &Value) -> String {
    serde_json::to_string_pretty(&without_annotations(object)).unwrap_or_default()
}

/// An object without its annotations.
pub(crate) fn without_annotations(object: &Value) -> Value {
    let Some(members) = object.as_object() else { return object.clone() };
    members
        .iter()
        .filter(|(name, _)| !name.contains("@odata."))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

/// Prints to standard output; that a pipe was closed, as `head` does, is not a failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done,
    }
}
