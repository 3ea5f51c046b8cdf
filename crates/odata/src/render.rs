//! Answers: entities and pages as JSON.

use std::io::Write;

use exconn_model::schema::{Entity, EntityType, Property, PropertyType, Value};

use crate::entity_tag;

/// How much an answer says about itself (OData JSON 4.0, 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metadata {
    /// Nothing but next links and counts.
    None,
    /// The context.
    #[default]
    Minimal,
    /// Context, types, ids, links, entity tags and actions.
    Full,
}

/// What an answer shows, and where it lives.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The version's root, for instance `https://exconn.contoso.com/v1.0`.
    pub root: &'a str,
    /// The path of the collection, or of an entity that is alone, below the root.
    pub set: &'a str,
    /// How much the answer says about itself.
    pub metadata: Metadata,
    /// Positions of the properties to show; all where absent.
    pub select: Option<&'a [usize]>,
    /// Whether members of enumerations above the sentinel are shown under their own names.
    pub unknown_members: bool,
    /// Whether 64-bit integers, of which there is the count, are texts (OData JSON 4.0, 3.2).
    pub ieee754_compatible: bool,
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
        let quote = if view.ieee754_compatible { "\"" } else { "" };
        print(&mut out, format_args!("\"@odata.count\":{quote}{count}{quote},"));
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
        members(&mut out, view, item, Address::Member, true);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// One entity of a collection.
pub fn entity<E: Entity>(view: View<'_>, item: &E) -> Vec<u8> {
    alone(view, item, Address::Member)
}

/// An entity that is the only one at its path, which [`View::set`] names.
pub fn single<E: Entity>(view: View<'_>, item: &E) -> Vec<u8> {
    alone(view, item, Address::Path)
}

/// Where an entity lives.
#[derive(Clone, Copy, Debug)]
enum Address {
    /// In the collection, under its id.
    Member,
    /// At the path itself.
    Path,
}

fn alone<E: Entity>(view: View<'_>, item: &E, address: Address) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    let mut first = true;
    if view.metadata != Metadata::None {
        context(&mut out, view, E::TYPE, "/$entity");
        first = false;
    }
    members(&mut out, view, item, address, first);
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

/// The members of an object that is being written.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Members<'_> {
    /// Writes a member's name; its value comes next.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    fn text(&mut self, name: &str, value: &str) {
        string(self.name(name), value);
    }
}

fn members<E: Entity>(out: &mut Vec<u8>, view: View<'_>, item: &E, address: Address, first: bool) {
    let mut members = Members { out, first };
    let full = view.metadata == Metadata::Full;
    let path = if full { path(view, item, address) } else { String::new() };
    if full {
        members.text("@odata.type", &format!("#microsoft.graph.{}", E::TYPE.name));
        members.text("@odata.id", &format!("{}/{path}", view.root));
        members.text("@odata.etag", &entity_tag(item));
        // An edit link promises that the entity can be changed (OData JSON 4.0, 4.5.8).
        members.text(if E::TYPE.is_changeable { "@odata.editLink" } else { "@odata.readLink" }, &path);
    }
    for (position, property) in E::TYPE.properties.iter().enumerate() {
        if view.select.is_none_or(|select| select.contains(&position)) {
            member(&mut members, view, property, &item.value(position));
        }
    }
    // What was not selected is not shown, and no property name selects these.
    if full && view.select.is_none() {
        for navigation in E::TYPE.navigation {
            let link = format!("{path}/{}", navigation.name);
            members.text(&format!("{}@odata.navigationLink", navigation.name), &link);
        }
        for action in E::TYPE.actions {
            let out = members.name(&format!("#microsoft.graph.{}", action.name));
            let mut members = Members { out, first: true };
            members.out.push(b'{');
            members.text("title", action.name);
            members.text("target", &format!("{}/{path}/microsoft.graph.{}", view.root, action.name));
            members.out.push(b'}');
        }
    }
}

/// The path of an entity below the version's root.
fn path<E: Entity>(view: View<'_>, item: &E, address: Address) -> String {
    match (address, item.value(0)) {
        (Address::Member, Value::Text(id)) => format!("{}('{}')", view.set, id.replace('\'', "''")),
        _ => view.set.to_owned(),
    }
}

fn member(members: &mut Members<'_>, view: View<'_>, property: &Property, value: &Value<'_>) {
    if view.metadata == Metadata::Full {
        let kind = match property.kind {
            // These are what JSON's own types stand for (OData JSON 4.0, 4.5.3); a structure says its type inside.
            PropertyType::Boolean | PropertyType::String | PropertyType::Complex(_) => None,
            PropertyType::Int32 => Some("#Int32".to_owned()),
            PropertyType::DateTimeOffset => Some("#DateTimeOffset".to_owned()),
            PropertyType::Enum(kind) => Some(format!("#microsoft.graph.{}", kind.name)),
        };
        if let Some(kind) = kind {
            members.text(&format!("{}@odata.type", property.name), &kind);
        }
    }
    write_value(members.name(property.name), view, value);
}

fn write_value(out: &mut Vec<u8>, view: View<'_>, value: &Value<'_>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Text(text) => string(out, text),
        Value::Int32(number) => print(out, format_args!("{number}")),
        Value::Timestamp(moment) => print(out, format_args!("\"{moment}\"")),
        Value::Enum(kind, number) => string(out, kind.shown(*number, view.unknown_members)),
        Value::Complex(kind, values) => {
            out.push(b'{');
            let mut members = Members { out, first: true };
            if view.metadata == Metadata::Full {
                members.text("@odata.type", &format!("#microsoft.graph.{}", kind.name));
            }
            for (property, value) in kind.properties.iter().zip(values) {
                member(&mut members, view, property, value);
            }
            members.out.push(b'}');
        }
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
