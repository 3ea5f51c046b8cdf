//! Random connectors and filters: SQL must find what the words of the query mean.

use std::sync::Arc;

use exconn_model::{CONNECTOR, ConnectorStatus, GraphEnum, schema::Value};
use exconn_odata::query::{Comparison, Filter, Operand, OrderBy, TextTest};
use exconn_store::{
    SqliteOptions, SqliteStore,
    contract::{OracleCase, filters_agree_with_their_meaning},
};
use proptest::{prelude::*, sample::select};

const STATUSES: [ConnectorStatus; 4] = [
    ConnectorStatus::None,
    ConnectorStatus::ConnectionPending,
    ConnectorStatus::Connected,
    ConnectorStatus::Disconnected,
];

fn position(name: &str) -> usize {
    CONNECTOR.position(name).unwrap()
}

/// Few texts, so that they often meet: empty, quotes, wildcards of SQL, cases, characters of several bytes.
fn text() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "a",
        "A",
        "ab",
        "abc",
        "b%",
        "%",
        "_",
        "a_",
        "'",
        "''",
        "ä",
        "äb",
        "\u{1f600}",
        "\u{1f600}a",
    ])
    .prop_map(str::to_owned)
}

fn text_operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        select(vec!["serverName", "exchangeAlias", "version"])
            .prop_map(|name| Operand::Property(position(name))),
        text().prop_map(|text| Operand::Literal(Value::Text(text.into()))),
        Just(Operand::Literal(Value::Null)),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
}

fn condition() -> impl Strategy<Value = Filter> {
    let status = (comparison(), 0..5_i32).prop_map(|(comparison, number)| {
        let literal = Operand::Literal(Value::Enum(ConnectorStatus::TYPE, number));
        Filter::Compare(Operand::Property(position("status")), comparison, literal)
    });
    let texts = (text_operand(), comparison(), text_operand())
        .prop_map(|(left, comparison, right)| Filter::Compare(left, comparison, right));
    let values = prop::collection::vec(
        prop_oneof![text().prop_map(|t| Value::Text(t.into())), Just(Value::Null)],
        1..4,
    );
    let list = values.prop_map(|values| Filter::In(Operand::Property(position("serverName")), values));
    let tests = select(vec![TextTest::Contains, TextTest::StartsWith, TextTest::EndsWith]);
    let test = (tests, text_operand(), text_operand())
        .prop_map(|(test, text, sought)| Filter::Text(test, text, sought));
    prop_oneof![2 => status, 3 => texts, 1 => list, 3 => test]
}

fn filter() -> impl Strategy<Value = Filter> {
    condition().prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::Or(Box::new(a), Box::new(b))),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

fn order() -> impl Strategy<Value = Vec<OrderBy>> {
    let by = (select(vec!["serverName", "exchangeAlias", "status"]), any::<bool>())
        .prop_map(|(name, descending)| OrderBy { property: position(name), descending });
    prop::collection::vec(by, 0..3).prop_map(|mut order| {
        order.dedup_by_key(|by| by.property);
        order
    })
}

fn case() -> impl Strategy<Value = OracleCase> {
    let row = (prop::option::of(text()), prop::option::of(text()), select(STATUSES.to_vec()));
    (prop::collection::vec(row, 0..12), filter(), order()).prop_map(|(rows, filter, order)| OracleCase {
        rows,
        filter,
        order,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sql_finds_what_the_words_mean(case in case()) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(filters_agree_with_their_meaning(store, case));
    }
}
