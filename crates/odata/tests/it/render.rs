use exconn_model::{
    ConnectorStatus, GraphEnum, Timestamp,
    schema::{
        self, Action, ComplexType, Entity, EntityType, EnumMember, EnumType, NavigationProperty, Value,
    },
};
use exconn_odata::{
    entity_tag,
    render::{self, Metadata, View},
};
use proptest::prelude::*;
use serde_json::json;

static KIND: EntityType = EntityType::changeable(
    "sample",
    "A sample.",
    &[
        schema::key(),
        schema::text("name", "Its name."),
        schema::boolean("on", "Whether it is on."),
        schema::moment("at", "When."),
        schema::enumeration("status", STATUS, "How it is."),
    ],
)
.with_actions(&[Action { name: "wake", documentation: "Wakes it.", parameters: &[] }]);
const STATUS: &EnumType = ConnectorStatus::TYPE;

struct Sample {
    id: &'static str,
    name: Option<String>,
    status: i32,
}

impl Entity for Sample {
    const TYPE: &'static EntityType = &KIND;

    fn value(&self, position: usize) -> Value<'_> {
        match position {
            0 => Value::Text(self.id.into()),
            1 => Value::text(self.name.as_deref()),
            2 => Value::Boolean(true),
            3 => {
                Value::Timestamp(Timestamp::parse("2017-01-01T00:02:49.5-08:00").unwrap_or(Timestamp::UNSET))
            }
            4 => Value::Enum(STATUS, self.status),
            _ => Value::Null,
        }
    }

    fn revision(&self) -> Option<i64> {
        Some(1)
    }
}

fn sample() -> Sample {
    Sample { id: "i1", name: None, status: 2 }
}

fn view(metadata: Metadata, select: Option<&[usize]>) -> View<'_> {
    View {
        root: "https://h/v1.0",
        set: "things/samples",
        metadata,
        select,
        unknown_members: false,
        ieee754_compatible: false,
    }
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

#[test]
fn an_entity_is_bare_with_its_context_first() {
    let written = render::entity(view(Metadata::Minimal, None), &sample());
    assert_eq!(
        String::from_utf8(written).unwrap(),
        r##"{"@odata.context":"https://h/v1.0/$metadata#things/samples/$entity","id":"i1","name":null,"on":true,"at":"2017-01-01T08:02:49.5Z","status":"connected"}"##
    );
}

#[test]
fn each_level_of_metadata_says_what_it_should() {
    let none = json(&render::entity(view(Metadata::None, Some(&[0, 1])), &sample()));
    assert_eq!(none, json!({"id": "i1", "name": null}));
    let minimal = json(&render::entity(view(Metadata::Minimal, Some(&[0, 4])), &sample()));
    let context = "https://h/v1.0/$metadata#things/samples(id,status)/$entity";
    assert_eq!(minimal, json!({"@odata.context": context, "id": "i1", "status": "connected"}));
    let full = json(&render::entity(view(Metadata::Full, Some(&[0, 3, 4])), &sample()));
    assert_eq!(
        full,
        json!({
            "@odata.context": "https://h/v1.0/$metadata#things/samples(id,at,status)/$entity",
            "@odata.type": "#microsoft.graph.sample",
            "@odata.id": "https://h/v1.0/things/samples('i1')",
            "@odata.editLink": "things/samples('i1')",
            "@odata.etag": "W/\"1\"",
            "id": "i1",
            "at@odata.type": "#DateTimeOffset",
            "at": "2017-01-01T08:02:49.5Z",
            "status@odata.type": "#microsoft.graph.deviceManagementExchangeConnectorStatus",
            "status": "connected",
        })
    );
    let whole = json(&render::entity(view(Metadata::Full, None), &sample()));
    assert_eq!(
        whole["#microsoft.graph.wake"],
        json!({"title": "wake", "target": "https://h/v1.0/things/samples('i1')/microsoft.graph.wake"})
    );
    let quoted = Sample { id: "it's", ..sample() };
    let full = json(&render::entity(view(Metadata::Full, None), &quoted));
    assert_eq!(full["@odata.editLink"], "things/samples('it''s')");
    assert_eq!(full["id"], "it's");
}

#[test]
fn a_page_has_its_envelope() {
    let items = [sample(), Sample { id: "i2", name: Some("b".to_owned()), status: 77 }];
    let page =
        json(&render::collection(view(Metadata::Minimal, None), &items, Some(9), Some("https://h/next?a&b")));
    assert_eq!(page["@odata.context"], "https://h/v1.0/$metadata#things/samples");
    assert_eq!((&page["@odata.count"], &page["@odata.nextLink"]), (&json!(9), &json!("https://h/next?a&b")));
    assert_eq!(page["value"][0]["status"], "connected");
    assert_eq!(page["value"][1]["status"], "unknownFutureValue", "a number without a name");
    assert_eq!(page["value"][1]["name"], "b");
    let none = json(&render::collection(view(Metadata::None, None), &items[..0], Some(0), Some("n")));
    assert_eq!(none, json!({"@odata.count": 0, "@odata.nextLink": "n", "value": []}));
    let last = json(&render::collection::<Sample>(view(Metadata::None, None), &[], None, None));
    assert_eq!(last, json!({"value": []}));
    let full = json(&render::collection(view(Metadata::Full, Some(&[1])), &items[..1], None, None));
    assert_eq!(full["value"][0]["@odata.id"], "https://h/v1.0/things/samples('i1')");
    assert_eq!(full["value"][0].as_object().map(|members| members.contains_key("id")), Some(false));
}

static COUNTS: ComplexType = ComplexType {
    name: "counts",
    documentation: "Counts.",
    properties: &[schema::number("many", "Many."), schema::moment("at", "When.")],
};
static OVERVIEW: EntityType = EntityType::read_only(
    "overview",
    "An overview.",
    &[
        schema::key(),
        schema::complex("counts", &COUNTS, "Counts."),
        schema::complex("none", &COUNTS, "None."),
    ],
)
.with_navigation(&[NavigationProperty {
    name: "samples",
    documentation: "All of them.",
    target: &KIND,
    is_collection: true,
}]);

struct Overview;

impl Entity for Overview {
    const TYPE: &'static EntityType = &OVERVIEW;

    fn value(&self, position: usize) -> Value<'_> {
        match position {
            0 => Value::Text("t".into()),
            1 => Value::Complex(&COUNTS, vec![Value::count(7), Value::Timestamp(Timestamp::UNSET)]),
            _ => Value::Null,
        }
    }
}

#[test]
fn an_entity_that_is_alone_is_addressed_by_its_path() {
    let view = |metadata| View { set: "things", ..view(metadata, None) };
    let unset = "0001-01-01T00:00:00Z";
    assert_eq!(
        json(&render::single(view(Metadata::Minimal), &Overview)),
        json!({
            "@odata.context": "https://h/v1.0/$metadata#things/$entity",
            "id": "t",
            "counts": {"many": 7, "at": unset},
            "none": null,
        })
    );
    assert_eq!(
        json(&render::single(view(Metadata::Full), &Overview)),
        json!({
            "@odata.context": "https://h/v1.0/$metadata#things/$entity",
            "@odata.type": "#microsoft.graph.overview",
            "@odata.id": "https://h/v1.0/things",
            "@odata.etag": entity_tag(&Overview),
            "@odata.readLink": "things",
            "id": "t",
            "counts": {
                "@odata.type": "#microsoft.graph.counts",
                "many@odata.type": "#Int32",
                "many": 7,
                "at@odata.type": "#DateTimeOffset",
                "at": unset,
            },
            "none": null,
            "samples@odata.navigationLink": "things/samples",
        })
    );
}

#[test]
fn members_above_the_sentinel_are_shown_to_those_who_ask() {
    const fn member(name: &'static str, number: i32) -> EnumMember {
        EnumMember { name, number, documentation: "" }
    }
    static OPEN: EnumType = EnumType {
        name: "open",
        documentation: "",
        members: &[member("known", 0), member("unknownFutureValue", 1), member("later", 2)],
        has_sentinel: true,
    };
    static CLOSED: EnumType = EnumType { has_sentinel: false, ..OPEN };
    for (kind, number, plain, asked) in [
        (&OPEN, 0, "known", "known"),
        (&OPEN, 1, "unknownFutureValue", "unknownFutureValue"),
        (&OPEN, 2, "unknownFutureValue", "later"),
        (&OPEN, 3, "unknownFutureValue", "unknownFutureValue"),
        (&CLOSED, 2, "later", "later"),
    ] {
        assert_eq!((kind.shown(number, false), kind.shown(number, true)), (plain, asked), "{number}");
    }
}

proptest! {
    #[test]
    fn every_text_is_escaped(name in "(.|[\\x00-\\x1f\"\\\\]){0,40}") {
        let item = Sample { name: Some(name.clone()), ..sample() };
        let page = json(&render::collection(view(Metadata::Full, None), &[item], None, Some(&name)));
        prop_assert_eq!(page["value"][0]["name"].as_str(), Some(name.as_str()));
        prop_assert_eq!(page["@odata.nextLink"].as_str(), Some(name.as_str()));
    }
}
