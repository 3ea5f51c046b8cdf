//! Names as an error lists them.

use exconn_model::schema::EntityType;

/// The properties of an entity.
pub(crate) fn properties(entity: &EntityType) -> String {
    listed(entity.properties.iter().map(|property| property.name))
}

pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
