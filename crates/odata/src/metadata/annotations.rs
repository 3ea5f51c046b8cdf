//! What the metadata says beyond types: only what is true of every request.

use exconn_model::schema::{EntityType, NavigationProperty, Property};

use crate::filter;

/// A statement in the terms of a vocabulary.
pub(super) struct Annotation {
    /// The term's full name.
    pub(super) term: &'static str,
    pub(super) value: Annotated,
}

/// What is stated.
pub(super) enum Annotated {
    Boolean(bool),
    Text(&'static str),
    /// A member of an enumeration.
    Member {
        kind: &'static str,
        member: &'static str,
    },
    Texts(Vec<&'static str>),
    Record(Vec<(&'static str, Annotated)>),
}

const DESCRIPTION: &str = "Org.OData.Core.V1.Description";
const COMPUTED: &str = "Org.OData.Core.V1.Computed";
const PERMISSIONS: &str = "Org.OData.Core.V1.Permissions";
const ODATA_VERSIONS: &str = "Org.OData.Core.V1.ODataVersions";

pub(super) fn description(text: &'static str) -> Annotation {
    Annotation { term: DESCRIPTION, value: Annotated::Text(text) }
}

pub(super) fn of_property(property: &Property, is_read_only: bool) -> Vec<Annotation> {
    let mut annotations = vec![description(property.documentation)];
    if is_read_only {
        annotations.push(flag(COMPUTED, true));
        let read = Annotated::Member { kind: "Org.OData.Core.V1.Permission", member: "Read" };
        annotations.push(Annotation { term: PERMISSIONS, value: read });
    }
    annotations
}

pub(super) fn of_container() -> Vec<Annotation> {
    vec![
        Annotation { term: ODATA_VERSIONS, value: Annotated::Text("4.0") },
        texts("Org.OData.Capabilities.V1.SupportedFormats", &["application/json"]),
        texts("Org.OData.Capabilities.V1.SupportedMetadataFormats", &["application/xml", "application/json"]),
        flag("Org.OData.Capabilities.V1.KeyAsSegmentSupported", true),
        flag("Org.OData.Capabilities.V1.AsynchronousRequestsSupported", false),
        Annotation {
            term: "Org.OData.Capabilities.V1.BatchSupport",
            value: Annotated::Record(vec![
                ("Supported", Annotated::Boolean(true)),
                ("SupportedFormats", Annotated::Texts(vec!["application/json"])),
            ]),
        },
    ]
}

pub(super) fn of_navigation(navigation: &NavigationProperty) -> Vec<Annotation> {
    let mut annotations = vec![description(navigation.documentation)];
    if navigation.is_collection {
        annotations.extend(of_collection(navigation.target));
    }
    annotations
}

fn of_collection(target: &EntityType) -> [Annotation; 14] {
    let restriction = |term, name, allowed| Annotation {
        term,
        value: Annotated::Record(vec![(name, Annotated::Boolean(allowed))]),
    };
    let changeable = target.is_changeable;
    [
        flag("Org.OData.Capabilities.V1.IndexableByKey", true),
        restriction("Org.OData.Capabilities.V1.FilterRestrictions", "Filterable", true),
        texts("Org.OData.Capabilities.V1.FilterFunctions", &filter::function_names()),
        restriction("Org.OData.Capabilities.V1.SortRestrictions", "Sortable", true),
        restriction("Org.OData.Capabilities.V1.SelectSupport", "Supported", true),
        flag("Org.OData.Capabilities.V1.TopSupported", true),
        flag("Org.OData.Capabilities.V1.SkipSupported", true),
        restriction("Org.OData.Capabilities.V1.CountRestrictions", "Countable", true),
        restriction("Org.OData.Capabilities.V1.ExpandRestrictions", "Expandable", false),
        restriction("Org.OData.Capabilities.V1.SearchRestrictions", "Searchable", false),
        restriction("Org.OData.Capabilities.V1.InsertRestrictions", "Insertable", changeable),
        restriction("Org.OData.Capabilities.V1.UpdateRestrictions", "Updatable", changeable),
        restriction("Org.OData.Capabilities.V1.DeleteRestrictions", "Deletable", changeable),
        restriction("Org.OData.Capabilities.V1.ChangeTracking", "Supported", false),
    ]
}

fn flag(term: &'static str, value: bool) -> Annotation {
    Annotation { term, value: Annotated::Boolean(value) }
}

fn texts(term: &'static str, texts: &[&'static str]) -> Annotation {
    Annotation { term, value: Annotated::Texts(texts.to_vec()) }
}
