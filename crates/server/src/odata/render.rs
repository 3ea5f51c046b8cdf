//! Entities as JSON.

use std::fmt::{Display, Write};

use exconn_model::schema::{Entity, Value};

/// How much an answer says about itself (OData JSON format 4.0, 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// Nothing but next link and count.
    None,
    /// The context too.
    #[default]
    Minimal,
    /// Types, ids and links too.
    Full,
}

/// Where an answer's entities live and what of them is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Address of the version's root, for instance `https://exconn.contoso.com/v1.0`.
    pub(crate) root: &'a str,
    /// Path of the collection below the root, for instance `deviceManagement/exchangeConnectors`.
    pub(crate) set: &'a str,
    /// How much is said beside the properties.
    pub(crate) metadata: Metadata,
    /// Positions of the properties to show, in the order that the context names them; all if absent.
    pub(crate) select: Option<&'a [usize]>,
}

/// Writes a single entity. `etag` is shown in full metadata.
pub(crate) fn entity<E: Entity>(view: View<'_>, entity: &E, etag: Option<&str>) -> String {
    let mut out = String::with_capacity(1024);
    out.push('{');
    if view.metadata != Metadata::None {
        context::<E>(&mut out, view, "/$entity");
    }
    members(&mut out, view, entity, etag);
    out.push('}');
    out
}

/// Writes a page of a collection.
pub(crate) fn collection<E: Entity>(
    view: View<'_>,
    entities: &[E],
    count: Option<u64>,
    next_link: Option<&str>,
) -> String {
    let mut out = String::with_capacity(256 + entities.len().saturating_mul(640));
    out.push('{');
    if view.metadata != Metadata::None {
        context::<E>(&mut out, view, "");
    }
    if let Some(count) = count {
        name(&mut out, "@odata.count");
        display(&mut out, count);
    }
    if let Some(link) = next_link {
        name(&mut out, "@odata.nextLink");
        string(&mut out, link);
    }
    name(&mut out, "value");
    out.push('[');
    for (index, entity) in entities.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ",{" });
        members(&mut out, view, entity, None);
        out.push('}');
    }
    out.push_str("]}");
    out
}

fn context<E: Entity>(out: &mut String, view: View<'_>, end: &str) {
    name(out, "@odata.context");
    out.push('"');
    escape(out, view.root);
    out.push_str("/$metadata#");
    out.push_str(view.set);
    if let Some(select) = view.select {
        let names = select.iter().filter_map(|position| Some(E::TYPE.properties.get(*position)?.name));
        out.push('(');
        for (index, name) in names.enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(name);
        }
        out.push(')');
    }
    out.push_str(end);
    out.push('"');
}

fn members<E: Entity>(out: &mut String, view: View<'_>, entity: &E, etag: Option<&str>) {
    let full = view.metadata == Metadata::Full;
    if full {
        name(out, "@odata.type");
        out.push_str("\"#microsoft.graph.");
        out.push_str(E::TYPE.name);
        out.push('"');
        if let Value::Text(id) = entity.value(0) {
            for (annotation, root) in [("@odata.id", view.root), ("@odata.editLink", "")] {
                name(out, annotation);
                out.push('"');
                escape(out, root);
                out.push_str(if root.is_empty() { "" } else { "/" });
                out.push_str(view.set);
                out.push_str("('");
                escape(out, &id);
                out.push_str("')\"");
            }
        }
        if let Some(etag) = etag {
            name(out, "@odata.etag");
            string(out, etag);
        }
    }
    for (position, property) in E::TYPE.properties.iter().enumerate() {
        if view.select.is_some_and(|select| !select.contains(&position)) {
            continue;
        }
        let value = entity.value(position);
        if full && let Some(kind) = annotated_type(&value) {
            comma(out);
            out.push('"');
            out.push_str(property.name);
            out.push_str("@odata.type\":\"#");
            out.push_str(&kind);
            out.push('"');
        }
        name(out, property.name);
        self::value(out, &value);
    }
}

/// The type that full metadata names beside a property: those that JSON itself does not show.
fn annotated_type(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Timestamp(_) => Some("DateTimeOffset".to_owned()),
        Value::Enum(kind, _) => Some(format!("microsoft.graph.{}", kind.name)),
        _ => None,
    }
}

fn value(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(true) => out.push_str("true"),
        Value::Boolean(false) => out.push_str("false"),
        Value::Text(text) => string(out, text),
        Value::Timestamp(moment) => {
            out.push('"');
            display(out, moment);
            out.push('"');
        }
        Value::Enum(kind, number) => {
            out.push('"');
            out.push_str(kind.name_of(*number).unwrap_or("unknownFutureValue"));
            out.push('"');
        }
    }
}

fn name(out: &mut String, name: &str) {
    comma(out);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

fn comma(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

fn display(out: &mut String, value: impl Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        match special.as_bytes().first() {
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            Some(byte) => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}
