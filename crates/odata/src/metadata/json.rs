//! CSDL JSON 4.01.

use exconn_model::schema::{EntityContainer, EntityType, EnumType, Property, PropertyType};
use serde_json::{Map, Value, json};

use super::{
    BASE_TYPE, BINDING_PARAMETER, MOMENT_PRECISION, NAMESPACE, Types, VOCABULARIES,
    annotations::{self, Annotated, Annotation},
    qualified,
    types::{own_properties, type_name},
};

type Members = Map<String, Value>;

/// The metadata of all that can be reached from a container, as CSDL JSON 4.01.
pub fn json(container: &EntityContainer) -> Vec<u8> {
    let mut references = Members::new();
    for vocabulary in VOCABULARIES {
        let include = json!([{"$Namespace": vocabulary.namespace, "$Alias": vocabulary.alias}]);
        references.insert(format!("{}.json", vocabulary.address()), json!({"$Include": include}));
    }
    let document = json!({
        "$Version": "4.01",
        "$EntityContainer": qualified(container.name),
        "$Reference": references,
        NAMESPACE: schema(container),
    });
    // Text keys alone: nothing here fails to be written.
    serde_json::to_vec(&document).unwrap_or_default()
}

fn schema(container: &EntityContainer) -> Members {
    let types = Types::of(container);
    let mut schema = object(json!({"$Alias": "graph"}));
    for kind in &types.enums {
        schema.insert(kind.name.to_owned(), enumeration(kind));
    }
    for kind in &types.complex {
        let mut members = object(json!({"$Kind": "ComplexType"}));
        for property in kind.properties {
            members.insert(property.name.to_owned(), self::property(property, false));
        }
        annotate(&mut members, "", &[annotations::description(kind.documentation)]);
        schema.insert(kind.name.to_owned(), members.into());
    }
    if let Some(key) = types.entities.iter().find_map(|entity| entity.properties.first()) {
        let mut base = object(json!({"$Kind": "EntityType", "$Abstract": true, "$Key": [key.name]}));
        base.insert(key.name.to_owned(), property(key, true));
        schema.insert(BASE_TYPE.to_owned(), base.into());
    }
    for kind in &types.entities {
        schema.insert(kind.name.to_owned(), entity(kind));
    }
    for (action, entity) in types.actions() {
        let mut parameters = vec![json!({"$Name": BINDING_PARAMETER, "$Type": qualified(entity.name)})];
        for parameter in action.parameters {
            let mut members = object(json!({"$Name": parameter.name}));
            members.append(&mut typed(parameter));
            annotate(&mut members, "", &[annotations::description(parameter.documentation)]);
            parameters.push(members.into());
        }
        let mut overload = object(json!({"$Kind": "Action", "$IsBound": true, "$Parameter": parameters}));
        annotate(&mut overload, "", &[annotations::description(action.documentation)]);
        // Actions of one name are overloads of one element.
        let overloads = schema.entry(action.name).or_insert_with(|| json!([]));
        if let Value::Array(overloads) = overloads {
            overloads.push(overload.into());
        }
    }
    schema.insert(container.name.to_owned(), entity_container(container));
    schema
}

fn enumeration(kind: &EnumType) -> Value {
    let mut members = object(json!({"$Kind": "EnumType"}));
    for member in kind.members {
        members.insert(member.name.to_owned(), member.number.into());
        annotate(&mut members, member.name, &[annotations::description(member.documentation)]);
    }
    annotate(&mut members, "", &[annotations::description(kind.documentation)]);
    members.into()
}

fn entity(kind: &EntityType) -> Value {
    let mut members = object(json!({"$Kind": "EntityType", "$BaseType": qualified(BASE_TYPE)}));
    for property in own_properties(kind) {
        members.insert(property.name.to_owned(), self::property(property, kind.is_read_only(property)));
    }
    for navigation in kind.navigation {
        let mut link = object(json!({"$Kind": "NavigationProperty"}));
        if navigation.is_collection {
            link.insert("$Collection".to_owned(), true.into());
        }
        link.insert("$Type".to_owned(), qualified(navigation.target.name).into());
        link.insert("$ContainsTarget".to_owned(), true.into());
        annotate(&mut link, "", &annotations::of_navigation(navigation));
        members.insert(navigation.name.to_owned(), link.into());
    }
    annotate(&mut members, "", &[annotations::description(kind.documentation)]);
    members.into()
}

fn entity_container(container: &EntityContainer) -> Value {
    let mut members = object(json!({"$Kind": "EntityContainer"}));
    for singleton in container.singletons {
        members.insert(singleton.name.to_owned(), json!({"$Type": qualified(singleton.kind.name)}));
    }
    annotate(&mut members, "", &annotations::of_container());
    members.into()
}

fn property(property: &Property, is_read_only: bool) -> Value {
    let mut members = typed(property);
    annotate(&mut members, "", &annotations::of_property(property, is_read_only));
    members.into()
}

/// Type and facets. What is absent means `Edm.String`, and not nullable (CSDL JSON 4.01, 7.1 and 7.2.1).
fn typed(property: &Property) -> Members {
    let mut members = Members::new();
    if property.kind != PropertyType::String {
        members.insert("$Type".to_owned(), type_name(property.kind).into());
    }
    if property.nullable {
        members.insert("$Nullable".to_owned(), true.into());
    }
    if property.kind == PropertyType::DateTimeOffset {
        members.insert("$Precision".to_owned(), MOMENT_PRECISION.into());
    }
    members
}

fn annotate(members: &mut Members, target: &str, annotations: &[Annotation]) {
    for annotation in annotations {
        members.insert(format!("{target}@{}", annotation.term), expression(&annotation.value));
    }
}

fn expression(value: &Annotated) -> Value {
    match value {
        Annotated::Boolean(value) => (*value).into(),
        Annotated::Text(text) => (*text).into(),
        Annotated::Member { member, .. } => (*member).into(),
        Annotated::Texts(texts) => texts.as_slice().into(),
        Annotated::Record(values) => {
            values.iter().map(|(name, value)| ((*name).to_owned(), expression(value))).collect()
        }
    }
}

fn object(value: Value) -> Members {
    match value {
        Value::Object(members) => members,
        _ => Members::new(),
    }
}
