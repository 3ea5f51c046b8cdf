//! `$metadata`: both forms say the same, and what the vendor's metadata says of what exconn serves.

use std::collections::{BTreeMap, BTreeSet};

use exconn_model::{CONNECTOR, GRAPH_SERVICE, Timestamp};
use exconn_odata::{
    filter::{self, Context, Problem},
    metadata::{self, Format, requested_format},
    options::OptionsError,
    render::Metadata,
};
use quick_xml::{Reader, events::Event};
use serde_json::{Value, json};

/// An element of a document and what it holds.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn read(document: &[u8]) -> Self {
        let mut reader = Reader::from_reader(document);
        reader.config_mut().trim_text(true);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => open.push(Self::of(&start)),
                Event::Empty(start) => open.last_mut().unwrap().children.push(Self::of(&start)),
                Event::End(_) => {
                    let closed = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(closed);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(open.len(), 1);
        open.pop().unwrap().children.pop().unwrap()
    }

    fn of(start: &quick_xml::events::BytesStart<'_>) -> Self {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = quick_xml::escape::unescape(&attribute.value).unwrap();
            (attribute.key.as_ref().to_owned(), value.into_owned())
        });
        let name = start.name().as_ref().to_owned();
        Self { name, attributes: attributes.collect(), ..Self::default() }
    }

    fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Element> + use<'a> {
        let name = name.to_owned();
        self.children.iter().filter(move |child| child.name == name)
    }

    fn one(&self, name: &str) -> &Element {
        self.all(name).next().unwrap_or_else(|| panic!("{name} in {self:?}"))
    }

    fn named(&self, kind: &str, name: &str) -> &Element {
        self.all(kind)
            .find(|child| child.get("Name") == Some(name))
            .unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// The value of an annotation, as CSDL JSON writes it.
    fn value(&self) -> Value {
        if let Some(text) = self.get("String") {
            return text.into();
        }
        if let Some(value) = self.get("Bool") {
            return (value == "true").into();
        }
        if let Some(member) = self.get("EnumMember") {
            return member.rsplit('/').next().unwrap().into();
        }
        let inside = &self.children[0];
        match inside.name.as_str() {
            "Collection" => inside.children.iter().map(|item| Value::from(item.text.clone())).collect(),
            "Record" => inside
                .children
                .iter()
                .map(|item| (item.get("Property").unwrap().to_owned(), item.value()))
                .collect(),
            other => panic!("{other}"),
        }
    }
}

fn xml() -> Element {
    let document = Element::read(&metadata::xml(&GRAPH_SERVICE));
    assert_eq!((document.name.as_str(), document.get("Version")), ("edmx:Edmx", Some("4.0")));
    document
}

fn schema(document: &Element) -> &Element {
    document.one("edmx:DataServices").one("Schema")
}

/// Name, type and nullability of a property.
type Facts = (&'static str, &'static str, bool);

/// The properties of each entity, as the vendor's metadata of v1.0 and beta gives them.
const PROPERTIES: [(&str, &[Facts]); 4] = [
    ("entity", &[("id", "Edm.String", false)]),
    (
        "deviceManagementExchangeConnector",
        &[
            ("connectorServerName", "Edm.String", true),
            ("exchangeAlias", "Edm.String", true),
            ("exchangeConnectorType", "microsoft.graph.deviceManagementExchangeConnectorType", false),
            ("exchangeOrganization", "Edm.String", true),
            ("lastSyncDateTime", "Edm.DateTimeOffset", false),
            ("primarySmtpAddress", "Edm.String", true),
            ("serverName", "Edm.String", true),
            ("status", "microsoft.graph.deviceManagementExchangeConnectorStatus", false),
            ("version", "Edm.String", true),
        ],
    ),
    (
        "managedDevice",
        &[
            ("deviceName", "Edm.String", true),
            ("easActivated", "Edm.Boolean", false),
            ("easActivationDateTime", "Edm.DateTimeOffset", false),
            ("easDeviceId", "Edm.String", true),
            ("emailAddress", "Edm.String", true),
            ("exchangeAccessState", "microsoft.graph.deviceManagementExchangeAccessState", false),
            ("exchangeAccessStateReason", "microsoft.graph.deviceManagementExchangeAccessStateReason", false),
            ("exchangeLastSuccessfulSyncDateTime", "Edm.DateTimeOffset", false),
            ("imei", "Edm.String", true),
            ("managementAgent", "microsoft.graph.managementAgentType", false),
            ("model", "Edm.String", true),
            ("operatingSystem", "Edm.String", true),
            ("osVersion", "Edm.String", true),
            ("phoneNumber", "Edm.String", true),
            ("subscriberCarrier", "Edm.String", true),
            ("userDisplayName", "Edm.String", true),
            ("userPrincipalName", "Edm.String", true),
        ],
    ),
    (
        "managedDeviceOverview",
        &[
            ("deviceExchangeAccessStateSummary", "microsoft.graph.deviceExchangeAccessStateSummary", true),
            ("enrolledDeviceCount", "Edm.Int32", false),
        ],
    ),
];

const ENUMERATIONS: [(&str, &[(&str, i32)]); 6] = [
    (
        "deviceManagementExchangeConnectorStatus",
        &[
            ("none", 0),
            ("connectionPending", 1),
            ("connected", 2),
            ("disconnected", 3),
            ("unknownFutureValue", 4),
        ],
    ),
    (
        "deviceManagementExchangeConnectorType",
        &[
            ("onPremises", 0),
            ("hosted", 1),
            ("serviceToService", 2),
            ("dedicated", 3),
            ("unknownFutureValue", 4),
        ],
    ),
    ("deviceManagementExchangeConnectorSyncType", &[("fullSync", 0), ("deltaSync", 1)]),
    (
        "deviceManagementExchangeAccessState",
        &[("none", 0), ("unknown", 1), ("allowed", 2), ("blocked", 3), ("quarantined", 4)],
    ),
    (
        "deviceManagementExchangeAccessStateReason",
        &[
            ("none", 0),
            ("unknown", 1),
            ("exchangeGlobalRule", 2),
            ("exchangeIndividualRule", 3),
            ("exchangeDeviceRule", 4),
            ("exchangeUpgrade", 5),
            ("exchangeMailboxPolicy", 6),
            ("other", 7),
            ("compliant", 8),
            ("notCompliant", 9),
            ("notEnrolled", 10),
            ("unknownLocation", 12),
            ("mfaRequired", 13),
            ("azureADBlockDueToAccessPolicy", 14),
            ("compromisedPassword", 15),
            ("deviceNotKnownWithManagedApp", 16),
        ],
    ),
    (
        "managementAgentType",
        &[
            ("eas", 1),
            ("mdm", 2),
            ("easMdm", 3),
            ("intuneClient", 4),
            ("easIntuneClient", 5),
            ("configurationManagerClient", 8),
            ("configurationManagerClientMdm", 10),
            ("configurationManagerClientMdmEas", 11),
            ("unknown", 16),
            ("jamf", 32),
            ("googleCloudDevicePolicyController", 64),
            ("microsoft365ManagedMdm", 258),
            ("msSense", 1024),
        ],
    ),
];

#[test]
fn types_are_the_vendors() {
    let document = xml();
    let schema = schema(&document);
    assert_eq!((schema.get("Namespace"), schema.get("Alias")), (Some("microsoft.graph"), Some("graph")));
    for (name, expected) in PROPERTIES {
        let kind = schema.named("EntityType", name);
        let base = (name != "entity").then_some("microsoft.graph.entity");
        assert_eq!(kind.get("BaseType"), base, "{name}");
        let mut properties: Vec<_> = kind
            .all("Property")
            .map(|property| {
                let nullable = property.get("Nullable") != Some("false");
                (property.get("Name").unwrap(), property.get("Type").unwrap(), nullable)
            })
            .collect();
        properties.sort_unstable();
        assert_eq!(properties, expected, "{name}");
    }
    let base = schema.named("EntityType", "entity");
    assert_eq!(base.get("Abstract"), Some("true"));
    assert_eq!(base.one("Key").one("PropertyRef").get("Name"), Some("id"));
    for (name, expected) in ENUMERATIONS {
        let kind = schema.named("EnumType", name);
        let members: Vec<_> = kind
            .all("Member")
            .map(|member| (member.get("Name").unwrap(), member.get("Value").unwrap().parse::<i32>().unwrap()))
            .collect();
        assert_eq!(members, expected, "{name}");
    }
    let summary = schema.named("ComplexType", "deviceExchangeAccessStateSummary");
    let counts: BTreeSet<_> = summary.all("Property").map(|count| count.get("Name").unwrap()).collect();
    let named = ["allowed", "blocked", "quarantined", "unavailable", "unknown"];
    assert_eq!(counts, named.map(|name| format!("{name}DeviceCount")).iter().map(String::as_str).collect());
    assert!(summary.all("Property").all(|count| count.get("Type") == Some("Edm.Int32")));
}

#[test]
fn addresses_begin_at_the_singleton() {
    let document = xml();
    let schema = schema(&document);
    let container = schema.one("EntityContainer");
    let singletons: Vec<_> = container.all("Singleton").collect();
    assert_eq!(singletons.len(), 1);
    assert_eq!(singletons[0].get("Name"), Some("deviceManagement"));
    assert_eq!(singletons[0].get("Type"), Some("microsoft.graph.deviceManagement"));
    let management = schema.named("EntityType", "deviceManagement");
    for (name, kind) in [
        ("exchangeConnectors", "Collection(microsoft.graph.deviceManagementExchangeConnector)"),
        ("managedDevices", "Collection(microsoft.graph.managedDevice)"),
        ("managedDeviceOverview", "microsoft.graph.managedDeviceOverview"),
    ] {
        let navigation = management.named("NavigationProperty", name);
        assert_eq!(navigation.get("Type"), Some(kind));
        assert_eq!(navigation.get("ContainsTarget"), Some("true"));
    }
    let sync = schema.named("Action", "sync");
    assert_eq!(sync.get("IsBound"), Some("true"));
    assert_eq!(sync.all("ReturnType").count(), 0);
    let parameters: Vec<_> = sync.all("Parameter").map(|p| (p.get("Name"), p.get("Type"))).collect();
    let sync_type = "microsoft.graph.deviceManagementExchangeConnectorSyncType";
    let entity = "microsoft.graph.deviceManagementExchangeConnector";
    assert_eq!(parameters, [(Some("bindingParameter"), Some(entity)), (Some("syncType"), Some(sync_type))]);
    assert_eq!(sync.named("Parameter", "syncType").get("Nullable"), Some("false"));
}

#[test]
fn every_name_is_defined_and_every_element_described() {
    let document = xml();
    let schema = schema(&document);
    let mut defined: BTreeSet<String> =
        ["Boolean", "String", "Int32", "DateTimeOffset"].map(|name| format!("Edm.{name}")).into();
    for kind in ["EntityType", "ComplexType", "EnumType"] {
        let names = schema.all(kind).map(|kind| format!("microsoft.graph.{}", kind.get("Name").unwrap()));
        for name in names {
            assert!(defined.insert(name.clone()), "{name} is defined twice");
        }
    }
    let vocabularies: Vec<_> = document
        .all("edmx:Reference")
        .map(|reference| reference.one("edmx:Include").get("Namespace").unwrap())
        .collect();
    let mut open = vec![schema];
    while let Some(element) = open.pop() {
        for name in ["Type", "BaseType"] {
            let Some(kind) = element.get(name) else { continue };
            let kind = kind.strip_prefix("Collection(").map_or(kind, |kind| kind.trim_end_matches(')'));
            assert!(defined.contains(kind), "{element:?}");
        }
        if let Some(term) = element.get("Term") {
            let (vocabulary, _) = term.rsplit_once('.').unwrap();
            assert!(vocabularies.contains(&vocabulary), "{term}");
        }
        let described = ["Property", "NavigationProperty", "Member", "EnumType", "ComplexType", "Action"];
        if described.contains(&element.name.as_str()) {
            let text = element
                .all("Annotation")
                .find(|annotation| annotation.get("Term") == Some("Org.OData.Core.V1.Description"))
                .and_then(|annotation| annotation.get("String"))
                .unwrap_or_else(|| panic!("no description: {element:?}"));
            assert!(text.ends_with('.') && !text.starts_with(' '), "{text:?}");
        }
        open.extend(&element.children);
    }
}

#[test]
fn what_can_be_done_is_said() {
    let document = xml();
    let schema = schema(&document);
    let annotation = |element: &Element, term: &str| {
        element
            .all("Annotation")
            .find(|annotation| annotation.get("Term").is_some_and(|name| name.ends_with(&format!(".{term}"))))
            .map(Element::value)
    };
    let management = schema.named("EntityType", "deviceManagement");
    for (name, changeable) in [("exchangeConnectors", true), ("managedDevices", false)] {
        let navigation = management.named("NavigationProperty", name);
        for (term, value) in [
            ("InsertRestrictions", json!({"Insertable": changeable})),
            ("UpdateRestrictions", json!({"Updatable": changeable})),
            ("DeleteRestrictions", json!({"Deletable": changeable})),
            ("FilterRestrictions", json!({"Filterable": true})),
            ("SortRestrictions", json!({"Sortable": true})),
            ("ExpandRestrictions", json!({"Expandable": false})),
            ("SearchRestrictions", json!({"Searchable": false})),
            ("FilterFunctions", json!(filter::function_names())),
            ("TopSupported", json!(true)),
        ] {
            assert_eq!(annotation(navigation, term), Some(value), "{name} {term}");
        }
    }
    for (kind, name, computed) in [
        ("entity", "id", true),
        ("managedDevice", "deviceName", true),
        ("deviceManagementExchangeConnector", "serverName", false),
    ] {
        let property = schema.named("EntityType", kind).named("Property", name);
        assert_eq!(annotation(property, "Computed").is_some(), computed, "{kind} {name}");
    }
}

#[test]
fn the_functions_that_are_told_are_known_to_filters() {
    let context = Context { now: Timestamp::UNSET, unknown_members: false };
    let known = |name: &str| {
        let problem =
            filter::parse(&format!("{name}(1,2,3,4)"), &CONNECTOR, context, &[]).unwrap_err().problem;
        !matches!(problem, Problem::Function(_))
    };
    for name in filter::function_names() {
        assert!(known(name), "{name}");
    }
    assert!(!known("soundex"));
}

/// What both forms say: element, facets and annotations, as CSDL JSON names them.
type Statements = BTreeSet<(String, String)>;

fn say(statements: &mut Statements, path: &str, value: impl ToString) {
    assert!(statements.insert((path.to_owned(), value.to_string())), "{path} is said twice");
}

fn of_xml(element: &Element, path: &str, statements: &mut Statements) {
    for (name, value) in &element.attributes {
        let value = match value.strip_prefix("Collection(") {
            Some(inside) => {
                say(statements, &format!("{path}/$Collection"), true);
                inside.trim_end_matches(')')
            }
            None => value,
        };
        let is_default = matches!(
            (name.as_str(), value),
            ("Name" | "Term", _) | ("Type", "Edm.String") | ("Nullable", "false")
        );
        if !is_default {
            say(statements, &format!("{path}/${name}"), value);
        }
    }
    if matches!(element.name.as_str(), "Property" | "Parameter") && element.get("Nullable").is_none() {
        say(statements, &format!("{path}/$Nullable"), true);
    }
    for child in &element.children {
        if child.name == "Annotation" {
            say(statements, &format!("{path}@{}", child.get("Term").unwrap()), child.value());
        } else if child.name == "Key" {
            say(statements, &format!("{path}/$Key"), child.one("PropertyRef").get("Name").unwrap());
        } else {
            of_xml(child, &format!("{path}/{}", child.get("Name").unwrap()), statements);
        }
    }
}

fn of_json(value: &Value, path: &str, statements: &mut Statements) {
    let Some(members) = value.as_object() else {
        return say(statements, &format!("{path}/$Value"), value);
    };
    for (name, value) in members {
        match (name.as_str(), value) {
            ("$Kind" | "$Name", _) => {}
            ("$Key", value) => say(statements, &format!("{path}/$Key"), value[0].as_str().unwrap()),
            ("$Parameter", Value::Array(parameters)) => {
                for parameter in parameters {
                    let path = format!("{path}/{}", parameter["$Name"].as_str().unwrap());
                    of_json(parameter, &path, statements);
                }
            }
            (name, Value::Array(overloads)) if !name.contains('@') => {
                overloads.iter().for_each(|one| of_json(one, &format!("{path}/{name}"), statements));
            }
            (name, value) if name.contains('@') => {
                let slash = if name.starts_with('@') { "" } else { "/" };
                say(statements, &format!("{path}{slash}{name}"), value);
            }
            (name, Value::String(text)) => say(statements, &format!("{path}/{name}"), text),
            (name, value) if name.starts_with('$') => say(statements, &format!("{path}/{name}"), value),
            (name, value) => of_json(value, &format!("{path}/{name}"), statements),
        }
    }
}

#[test]
fn both_forms_say_the_same() {
    let document = xml();
    let json: Value = serde_json::from_slice(&metadata::json(&GRAPH_SERVICE)).unwrap();
    assert_eq!(json["$Version"], "4.01");
    assert_eq!(json["$EntityContainer"], "microsoft.graph.GraphService");
    let included: Vec<_> = json["$Reference"]
        .as_object()
        .unwrap()
        .values()
        .map(|r| r["$Include"][0]["$Namespace"].clone())
        .collect();
    let referenced: Vec<_> = document
        .all("edmx:Reference")
        .map(|reference| Value::from(reference.one("edmx:Include").get("Namespace").unwrap()))
        .collect();
    assert_eq!(included, referenced);
    let (mut xml_says, mut json_says) = (Statements::new(), Statements::new());
    for child in &schema(&document).children {
        of_xml(child, child.get("Name").unwrap(), &mut xml_says);
    }
    let kinds = json["microsoft.graph"].as_object().unwrap();
    for (name, value) in kinds.iter().filter(|(name, _)| *name != "$Alias") {
        match value {
            Value::Array(overloads) => overloads.iter().for_each(|one| of_json(one, name, &mut json_says)),
            value => of_json(value, name, &mut json_says),
        }
    }
    let only_xml: Vec<_> = xml_says.difference(&json_says).collect();
    let only_json: Vec<_> = json_says.difference(&xml_says).collect();
    assert_eq!((only_xml, only_json), (vec![], vec![]));
    assert!(xml_says.len() > 150, "{}", xml_says.len());
}

#[test]
fn the_service_document_lists_the_singleton() {
    let read = |metadata| -> Value {
        serde_json::from_slice(&metadata::service_document("https://h/beta", &GRAPH_SERVICE, metadata))
            .unwrap()
    };
    let value = json!([{"name": "deviceManagement", "kind": "Singleton", "url": "deviceManagement"}]);
    assert_eq!(
        read(Metadata::Minimal),
        json!({"@odata.context": "https://h/beta/$metadata", "value": value})
    );
    assert_eq!(read(Metadata::None), json!({"value": value}));
}

#[test]
fn the_form_of_the_metadata_is_one_option() {
    for (query, format) in [
        (None, None),
        (Some(""), None),
        (Some("$format=xml"), Some(Format::Xml)),
        (Some("%24format=application%2Fxml"), Some(Format::Xml)),
        (Some("$FORMAT=JSON"), Some(Format::Json)),
        (Some("format=application/json"), Some(Format::Json)),
    ] {
        assert_eq!(requested_format(query), Ok(format), "{query:?}");
    }
    let supported = "supported are $format".to_owned();
    for (query, error) in [
        ("$format=atom", OptionsError::MetadataFormat("atom".to_owned())),
        ("$format=xml&$format=json", OptionsError::Repeated("$format")),
        ("$select=id", OptionsError::Unsupported { option: "$select", supported: supported.clone() }),
        ("other=1", OptionsError::Unknown { name: "other".to_owned(), supported }),
    ] {
        assert_eq!(requested_format(Some(query)), Err(error), "{query}");
    }
}
