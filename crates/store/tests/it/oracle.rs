//! Random connectors and filters: SQL must find what the words of the query mean.

use std::{borrow::Cow, sync::Arc};

use exconn_model::{CONNECTOR, ConnectorStatus, GraphEnum, Timestamp};
use exconn_odata::query::{Comparison, Expression, Function, OrderBy, Scalar};
use exconn_store::{
    SqliteOptions, SqliteStore,
    contract::{OracleCase, OracleRow, filters_agree_with_their_meaning},
};
use proptest::{collection::vec, prelude::*, sample::select};

const STATUSES: [ConnectorStatus; 4] = [
    ConnectorStatus::None,
    ConnectorStatus::ConnectionPending,
    ConnectorStatus::Connected,
    ConnectorStatus::Disconnected,
];
const DAY: i64 = 864_000_000_000;

type Expressed = BoxedStrategy<Expression>;

fn property(name: &str) -> Expression {
    Expression::Property(CONNECTOR.position(name).unwrap())
}

fn null() -> Expressed {
    Just(Expression::Literal(Scalar::Null)).boxed()
}

fn literal(scalar: impl Strategy<Value = Scalar> + 'static) -> Expressed {
    scalar.prop_map(Expression::Literal).boxed()
}

fn call(function: Function, arguments: Vec<Expressed>) -> Expressed {
    arguments.prop_map(move |arguments| Expression::Call(function, arguments)).boxed()
}

fn one_of(functions: &[Function], arguments: &[&Expressed]) -> Expressed {
    let arguments: Vec<Expressed> = arguments.iter().map(|argument| (*argument).clone()).collect();
    (select(functions.to_vec()), arguments)
        .prop_map(|(function, arguments)| Expression::Call(function, arguments))
        .boxed()
}

/// Few texts, so that they often meet: empty, quotes, wildcards of SQL, cases, white space, characters of several bytes
/// and of several characters in the other case.
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
        "Ä",
        "äb",
        " a\u{a0}",
        "\u{2003}",
        "ß",
        "SS",
        "ΑΣ",
        "ας",
        "İ",
        "\u{1f600}",
        "\u{1f600}a",
        "\u{ffff}",
        "\u{10ffff}",
    ])
    .prop_map(str::to_owned)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        select(vec![
            Timestamp::UNSET,
            Timestamp::MAX,
            Timestamp::from_ticks(0),
            Timestamp::from_ticks(-1),
            Timestamp::from_ticks(16_725_225_601_234_567),
            Timestamp::parse("2024-02-29T23:59:59.9999999Z").unwrap(),
            Timestamp::parse("1969-12-31T00:00:00Z").unwrap(),
        ]),
        (Timestamp::UNSET.ticks()..=Timestamp::MAX.ticks()).prop_map(Timestamp::from_ticks),
    ]
}

fn small() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -3..6_i64, 1 => select(vec![i64::MIN, i64::MAX, i64::MAX - 1])]
}

fn fraction() -> impl Strategy<Value = f64> {
    select(vec![0.0, 0.5, -0.5, 1.0, -1.5, 2.0, 1e18, 9.2e18, -1e300, 1e300])
}

fn duration() -> impl Strategy<Value = i64> {
    prop_oneof![4 => (-40..40_i64).prop_map(|days| days * DAY / 3), 1 => small()]
}

/// Expressions of each type, up to a depth.
struct Expressions {
    text: Expressed,
    integer: Expressed,
    number: Expressed,
    moment: Expressed,
    date: Expressed,
    time: Expressed,
    duration: Expressed,
}

impl Expressions {
    fn leaves() -> Self {
        let texts = select(vec!["serverName", "exchangeAlias", "version"]).prop_map(property);
        Self {
            text: prop_oneof![
                4 => texts,
                4 => literal(text().prop_map(|text| Scalar::Text(Cow::Owned(text)))),
                1 => null(),
            ]
            .boxed(),
            integer: prop_oneof![9 => literal(small().prop_map(Scalar::Integer)), 1 => null()].boxed(),
            number: prop_oneof![9 => literal(fraction().prop_map(Scalar::Number)), 1 => null()].boxed(),
            moment: prop_oneof![
                4 => Just(property("lastSyncDateTime")),
                2 => literal(moment().prop_map(Scalar::Moment)),
                1 => null(),
            ]
            .boxed(),
            date: literal(moment().prop_map(|moment| {
                let ticks = moment.ticks();
                Scalar::Date(Timestamp::from_ticks(ticks - ticks.rem_euclid(DAY)))
            })),
            time: literal((0..DAY).prop_map(Scalar::TimeOfDay)),
            duration: prop_oneof![9 => literal(duration().prop_map(Scalar::Duration)), 1 => null()].boxed(),
        }
    }

    fn deeper(&self) -> Self {
        use Function::*;
        let Self { text, integer, number, moment, date, time, duration } = self;
        let later = call(Later, vec![moment.clone(), duration.clone()]);
        Self {
            text: prop_oneof![
                text.clone(),
                one_of(&[ToLower, ToUpper, Trim], &[text]),
                one_of(&[Concat], &[text, text]),
                one_of(&[Substring], &[text, integer]),
                one_of(&[Substring], &[text, integer, integer]),
            ]
            .boxed(),
            integer: prop_oneof![
                integer.clone(),
                one_of(&[Length], &[text]),
                one_of(&[IndexOf], &[text, text]),
                one_of(&[Year, Month, Day, Hour, Minute, Second], &[moment]),
                one_of(&[Year, Month, Day], &[date]),
                one_of(&[Hour, Minute, Second], &[time]),
                one_of(&[Add, Subtract, Multiply, Divide, Modulo], &[integer, integer]),
                one_of(&[Negate], &[integer]),
            ]
            .boxed(),
            number: prop_oneof![
                number.clone(),
                one_of(&[DivideExactly], &[integer, integer]),
                one_of(&[FractionalSeconds], &[moment]),
                one_of(&[FractionalSeconds], &[time]),
                one_of(&[TotalSeconds], &[duration]),
                one_of(&[Add, Subtract, Multiply, Divide, DivideExactly, Modulo], &[number, number]),
                one_of(&[Add, Subtract, Multiply, Divide, DivideExactly, Modulo], &[integer, number]),
                one_of(&[Negate, Round, Floor, Ceiling], &[number]),
                one_of(&[Round], &[integer]),
            ]
            .boxed(),
            moment: prop_oneof![moment.clone(), later.clone()].boxed(),
            date: prop_oneof![
                date.clone(),
                one_of(&[Date], &[moment]),
                call(Date, vec![call(Later, vec![date.clone(), duration.clone()])]),
            ]
            .boxed(),
            time: prop_oneof![time.clone(), one_of(&[Time], &[moment])].boxed(),
            duration: prop_oneof![
                duration.clone(),
                one_of(&[Subtract], &[moment, moment]),
                one_of(&[Subtract], &[date, date]),
                one_of(&[Add, Subtract], &[duration, duration]),
                one_of(&[Multiply, Divide], &[duration, integer]),
                one_of(&[Multiply], &[integer, duration]),
                one_of(&[Scale, Shrink], &[duration, number]),
                one_of(&[Shrink], &[duration, integer]),
                one_of(&[Negate], &[duration]),
            ]
            .boxed(),
        }
    }
}

fn compare(left: Expressed, right: Expressed) -> Expressed {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let comparison = select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
    (left, comparison, right)
        .prop_map(|(left, comparison, right)| Expression::compare(left, comparison, right))
        .boxed()
}

fn condition() -> Expressed {
    let all = Expressions::leaves().deeper().deeper();
    let Expressions { text, integer, number, moment, date, time, duration } = all;
    let statuses = (0..5_i32).prop_map(|number| Scalar::Enum(ConnectorStatus::TYPE, number));
    let status = compare(Just(property("status")).boxed(), literal(statuses));
    let list = |values: BoxedStrategy<Scalar>, of: &Expressed| {
        let values = prop_oneof![6 => values, 1 => Just(Scalar::Null)];
        (of.clone(), vec(values, 0..4))
            .prop_map(|(operand, values)| Expression::In(Box::new(operand), values))
    };
    let texts = || text_scalars().boxed();
    use Function::{Contains, EndsWith, StartsWith};
    prop_oneof![
        2 => status,
        3 => compare(text.clone(), text.clone()),
        2 => compare(integer.clone(), integer.clone()),
        1 => compare(integer.clone(), number.clone()),
        1 => compare(number.clone(), number),
        2 => compare(moment.clone(), moment),
        1 => compare(date.clone(), date),
        1 => compare(time.clone(), time),
        1 => compare(duration.clone(), duration),
        1 => list(texts(), &text),
        1 => list(small().prop_map(Scalar::Integer).boxed(), &integer),
        3 => one_of(&[Contains, StartsWith, EndsWith], &[&text, &text]),
    ]
    .boxed()
}

fn text_scalars() -> impl Strategy<Value = Scalar> {
    text().prop_map(|text| Scalar::Text(Cow::Owned(text)))
}

fn filter() -> impl Strategy<Value = Expression> {
    condition().prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            2 => inner.clone().prop_map(|inner| Expression::Not(Box::new(inner))),
            1 => compare(inner.clone(), inner),
        ]
    })
}

fn order() -> impl Strategy<Value = Vec<OrderBy>> {
    let names = select(vec!["serverName", "exchangeAlias", "status", "lastSyncDateTime"]);
    let by = (names, any::<bool>())
        .prop_map(|(name, descending)| OrderBy { property: CONNECTOR.position(name).unwrap(), descending });
    vec(by, 0..3).prop_map(|mut order| {
        order.dedup_by_key(|by| by.property);
        order
    })
}

fn row() -> impl Strategy<Value = OracleRow> {
    let texts = (prop::option::of(text()), prop::option::of(text()));
    (texts, select(STATUSES.to_vec()), moment()).prop_map(
        |((server_name, exchange_alias), status, last_sync)| OracleRow {
            server_name,
            exchange_alias,
            status,
            last_sync,
        },
    )
}

fn case() -> impl Strategy<Value = OracleCase> {
    (vec(row(), 0..12), vec(filter(), 20), order()).prop_map(|(rows, filters, order)| OracleCase {
        rows,
        filters,
        order,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sql_finds_what_the_words_mean(case in case()) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(filters_agree_with_their_meaning(store, case));
    }
}
