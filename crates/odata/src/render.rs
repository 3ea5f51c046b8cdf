//! Answers: entities and pages as JSON.

use std::io::Write;

use exconn_model::schema::{Entity, EntityType, PropertyType, Value};

/// How much an answer says about itself (OData JSON 4.0, 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metadata {
    /// Nothing but next links and counts.
    None,
    /// The context.
    #[default]
    Minimal,
    /// Context, types, ids, links and entity tags.
    Full,
}

/// What an answer shows, and where it lives.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The version's root, for instance `https://exconn.contoso.com/v1.0`.
    pub root: &'a str,
    /// The collection's path below the root.
    pub set: &'a str,
    /// How much the answer says about itself.
    pub metadata: Metadata,
    /// Positions of the properties to show; all where absent.
    pub select: Option<&'a [usize]>,
}

/// A page of a collection.
pub fn collection<E: Entity>(
    view: View<'_>,
    items: &[E],
    count: Option<u64>,
    next_link: Option<&str>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + items.len() * 512);
    out.push(b'{');
    if view.metadata != Metadata::None {
        context(&mut out, view, E::TYPE, "");
        out.push(b',');
    }
    if let Some(count) = count {
        print(&mut out, format_args!("\"@odata.count\":{count},"));
    }
    if let Some(link) = next_link {
        out.extend_from_slice(b"\"@odata.nextLink\":");
        string(&mut out, link);
        out.push(b',');
    }
    out.extend_from_slice(b"\"value\":[");
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.push(b'{');
        members(&mut out, view, item, None, true);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// One entity; `tag` is its entity tag.
pub fn entity<E: Entity>(view: View<'_>, item: &E, tag: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    let mut first = true;
    if view.metadata != Metadata::None {
        context(&mut out, view, E::TYPE, "/$entity");
        first = false;
    }
    members(&mut out, view, item, tag, first);
    out.push(b'}');
    out
}

/// `"@odata.context":"…"`
fn context(out: &mut Vec<u8>, view: View<'_>, entity: &EntityType, suffix: &str) {
    out.extend_from_slice(b"\"@odata.context\":");
    let mut text = format!("{}/$metadata#{}", view.root, view.set);
    if let Some(select) = view.select {
        let names: Vec<&str> =
            select.iter().filter_map(|position| entity.properties.get(*position)).map(|p| p.name).collect();
        text.push_str(&format!("({})", names.join(",")));
    }
    text.push_str(suffix);
    string(out, &text);
}

fn members<E: Entity>(out: &mut Vec<u8>, view: View<'_>, item: &E, tag: Option<&str>, mut first: bool) {
    let mut name = |out: &mut Vec<u8>, name: &str| {
        if !first {
            out.push(b',');
        }
        first = false;
        string(out, name);
        out.push(b':');
    };
    if view.metadata == Metadata::Full {
        let id = match item.value(0) {
            Value::Text(id) => id.replace('\'', "''"),
            _ => String::new(),
        };
        name(out, "@odata.type");
        string(out, &format!("#microsoft.graph.{}", E::TYPE.name));
        name(out, "@odata.id");
        string(out, &format!("{}/{}('{id}')", view.root, view.set));
        name(out, "@odata.editLink");
        string(out, &format!("{}('{id}')", view.set));
        if let Some(tag) = tag {
            name(out, "@odata.etag");
            string(out, tag);
        }
    }
    for (position, property) in E::TYPE.properties.iter().enumerate() {
        if view.select.is_some_and(|select| !select.contains(&position)) {
            continue;
        }
        if view.metadata == Metadata::Full {
            match property.kind {
                PropertyType::DateTimeOffset => {
                    name(out, &format!("{}@odata.type", property.name));
                    string(out, "#DateTimeOffset");
                }
                PropertyType::Enum(kind) => {
                    name(out, &format!("{}@odata.type", property.name));
                    string(out, &format!("#microsoft.graph.{}", kind.name));
                }
                PropertyType::Boolean | PropertyType::String => {}
            }
        }
        name(out, property.name);
        value(out, &item.value(position));
    }
}

fn value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Text(text) => string(out, text),
        Value::Timestamp(moment) => print(out, format_args!("\"{moment}\"")),
        // A number without a name lies above the sentinel, which stands for it.
        Value::Enum(kind, number) => string(out, kind.name_of(*number).unwrap_or("unknownFutureValue")),
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn print(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing into a vector cannot fail.
    let _ = out.write_fmt(arguments);
}
