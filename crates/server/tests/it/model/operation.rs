use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{Index, select, subsequence},
};
use serde_json::{Value, json};

/// One thing that a client does.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Create(Body),
    Get(Index),
    Update(Index, Body, Tag),
    Delete(Index, Tag),
    Sync(Index, &'static str),
    Count(Condition),
    List(List),
}

/// What stands in `If-Match`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tag {
    Absent,
    Any,
    Current,
    Stale,
    Foreign,
}

/// Members of a body; the model knows what becomes of each.
#[derive(Clone, Debug)]
pub(super) struct Body(pub(super) Vec<(&'static str, Value)>);

impl Body {
    pub(super) fn json(&self) -> String {
        let members = self.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Object(members.collect()).to_string()
    }
}

/// A list with its options.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) filter: Option<Condition>,
    pub(super) order: Vec<(&'static str, bool)>,
    pub(super) select: Vec<&'static str>,
    pub(super) top: usize,
    pub(super) skip: usize,
}

impl List {
    pub(super) fn order_text(&self) -> Option<String> {
        let criteria: Vec<String> = self
            .order
            .iter()
            .map(|(name, descending)| format!("{name}{}", if *descending { " desc" } else { "" }))
            .collect();
        (!criteria.is_empty()).then(|| criteria.join(","))
    }

    pub(super) fn select_text(&self) -> Option<String> {
        (!self.select.is_empty()).then(|| self.select.join(","))
    }
}

/// A condition that the model can judge by itself.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Text(&'static str, &'static str, Option<&'static str>),
    Member(&'static str, &'static str, &'static str),
    Moment(&'static str, &'static str),
    Function(&'static str, &'static str, &'static str),
    Length(&'static str, &'static str, i64),
    Lower(&'static str, &'static str),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    pub(super) fn text(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        match self {
            Self::Text(name, operator, Some(text)) => format!("{name} {operator} {}", quoted(text)),
            Self::Text(name, operator, None) => format!("{name} {operator} null"),
            Self::Member(name, operator, member) => format!("{name} {operator} '{member}'"),
            Self::Moment(operator, moment) => format!("lastSyncDateTime {operator} {moment}"),
            Self::Function(function, name, text) => format!("{function}({name},{})", quoted(text)),
            Self::Length(name, operator, number) => format!("length({name}) {operator} {number}"),
            Self::Lower(name, text) => format!("tolower({name}) eq {}", quoted(text)),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::And(a, b) => format!("({} and {})", a.text(), b.text()),
            Self::Or(a, b) => format!("({} or {})", a.text(), b.text()),
        }
    }
}

const TEXTS: [&str; 5] =
    ["primarySmtpAddress", "serverName", "connectorServerName", "exchangeAlias", "version"];
const WORDS: [&str; 10] = ["", "a", "A", "ab", "ä", "a'b", "%", "_", "\u{1f4f1}", "null"];
const STATUSES: [&str; 4] = ["none", "connectionPending", "connected", "disconnected"];
const TYPES: [&str; 4] = ["onPremises", "hosted", "serviceToService", "dedicated"];
const COMPARISONS: [&str; 6] = ["eq", "ne", "lt", "le", "gt", "ge"];
/// As clients write them; each is one of three moments.
pub(super) const MOMENTS: [(&str, &str); 5] = [
    ("2017-01-01T00:02:49.3205976-08:00", "2017-01-01T08:02:49.3205976Z"),
    ("2017-01-01T08:02:49.3205976Z", "2017-01-01T08:02:49.3205976Z"),
    ("2026-01-31T08:00:00+00:00", "2026-01-31T08:00:00Z"),
    ("2026-01-31T08:00:00.5Z", "2026-01-31T08:00:00.5Z"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
];
const ALL: [&str; 10] = [
    "id",
    "lastSyncDateTime",
    "status",
    "primarySmtpAddress",
    "serverName",
    "connectorServerName",
    "exchangeConnectorType",
    "version",
    "exchangeAlias",
    "exchangeOrganization",
];
const SYNCS: [&str; 7] = [
    r#"{"syncType":"fullSync"}"#,
    r#"{"syncType":"deltaSync"}"#,
    r#"{"syncType":"FULLSYNC"}"#,
    r#"{"syncType":null}"#,
    "{}",
    r#"{"synctype":"fullSync"}"#,
    "[",
];

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let which = any::<Index>;
    let operation = prop_oneof![
        4 => body().prop_map(Operation::Create),
        2 => which().prop_map(Operation::Get),
        4 => (which(), body(), tag()).prop_map(|(which, body, tag)| Operation::Update(which, body, tag)),
        1 => (which(), tag()).prop_map(|(which, tag)| Operation::Delete(which, tag)),
        1 => (which(), select(&SYNCS[..])).prop_map(|(which, body)| Operation::Sync(which, body)),
        2 => condition().prop_map(Operation::Count),
        5 => list().prop_map(Operation::List),
    ];
    vec(operation, 10..50)
}

fn tag() -> impl Strategy<Value = Tag> {
    prop_oneof![
        6 => Just(Tag::Absent),
        1 => Just(Tag::Any),
        2 => Just(Tag::Current),
        1 => Just(Tag::Stale),
        1 => Just(Tag::Foreign),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let text = || prop_oneof![5 => select(&WORDS[..]).prop_map(Value::from), 1 => Just(Value::Null)];
    let texts = btree_map(select(&TEXTS[..]), text(), 0..4);
    let status = option::of(select(&STATUSES[..]));
    let kind = option::of(select(&TYPES[..]));
    let moment = option::of(select(&MOMENTS[..]));
    // Rarely something that only one kind of body takes, or none.
    let odd = option::weighted(
        0.15,
        select(vec![
            ("@odata.type", json!("#microsoft.graph.deviceManagementExchangeConnector")),
            ("@odata.type", json!("#microsoft.graph.managedDevice")),
            ("serverName@odata.type", json!("#String")),
            ("status", json!("unknownFutureValue")),
            ("exchangeConnectorType", json!("unknownFutureValue")),
            ("status", json!("Connected")),
            ("status", json!(2)),
            ("status", Value::Null),
            ("lastSyncDateTime", json!("2026-01-31")),
            ("exchangeOrganization", json!(["a"])),
            ("exchange_alias", Value::Null),
            ("id", json!("e11c1de8-1de8-e11c-e81d-1ce1e81d1ce1")),
        ]),
    );
    (texts, status, kind, moment, odd).prop_map(|(texts, status, kind, moment, odd)| {
        let mut members: Vec<(&str, Value)> = texts.into_iter().collect();
        members.extend(status.map(|status| ("status", status.into())));
        members.extend(kind.map(|kind| ("exchangeConnectorType", kind.into())));
        members.extend(moment.map(|(given, _)| ("lastSyncDateTime", given.into())));
        if let Some((name, value)) = odd {
            members.retain(|(member, _)| *member != name);
            members.push((name, value));
        }
        Body(members)
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (select(&TEXTS[..]), select(&COMPARISONS[..]), select(&WORDS[..]))
            .prop_map(|(name, operator, text)| Condition::Text(name, operator, Some(text))),
        (select(&TEXTS[..]), select(vec!["eq", "ne"]))
            .prop_map(|(name, operator)| Condition::Text(name, operator, None)),
        (select(&COMPARISONS[..]), select(&STATUSES[..]))
            .prop_map(|(operator, member)| Condition::Member("status", operator, member)),
        (select(&COMPARISONS[..]), select(&TYPES[..])).prop_map(|(operator, member)| Condition::Member(
            "exchangeConnectorType",
            operator,
            member
        )),
        (select(&COMPARISONS[..]), select(&MOMENTS[..]))
            .prop_map(|(operator, (given, _))| Condition::Moment(operator, given)),
        (select(vec!["contains", "startswith", "endswith"]), select(&TEXTS[..]), select(&WORDS[..]))
            .prop_map(|(function, name, text)| Condition::Function(function, name, text)),
        (select(&TEXTS[..]), select(&COMPARISONS[..]), 0_i64..4)
            .prop_map(|(name, operator, number)| Condition::Length(name, operator, number)),
        (select(&TEXTS[..]), select(&WORDS[..])).prop_map(|(name, text)| Condition::Lower(name, text)),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let pair = || (inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
            pair().prop_map(|(a, b)| Condition::And(Box::new(a), Box::new(b))),
            pair().prop_map(|(a, b)| Condition::Or(Box::new(a), Box::new(b))),
        ]
    })
}

fn list() -> impl Strategy<Value = List> {
    (
        option::of(condition()),
        subsequence(ALL.to_vec(), 0..3).prop_shuffle(),
        vec(any::<bool>(), 3),
        subsequence(ALL.to_vec(), 0..4),
        1_usize..6,
        prop_oneof![4 => Just(0_usize), 1 => 1_usize..8],
    )
        .prop_map(|(filter, order, descending, select, top, skip)| List {
            filter,
            order: order.into_iter().zip(descending).collect(),
            select,
            top,
            skip,
        })
}
