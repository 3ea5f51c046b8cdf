use exconn_model::{CONNECTOR, MANAGED_DEVICE, schema::Value};
use exconn_odata::{
    filter::{self, MAX_DEPTH, MAX_LENGTH, MAX_LIST},
    query::{Comparison, Filter, Operand},
};
use proptest::prelude::*;

use crate::filter_text::{filters, print};

#[test]
fn different_texts_mean_the_same() {
    for (given, plain) in [
        ("STATUS EQ 'connected'", "status eq 'connected'"),
        ("status eq connected", "status eq 'connected'"),
        (
            "'connected' eq status",
            "microsoft.graph.deviceManagementExchangeConnectorStatus'connected' eq status",
        ),
        ("status eq deviceManagementExchangeConnectorStatus'connected'", "status eq 'connected'"),
        ("status eq graph.deviceManagementExchangeConnectorStatus'connected'", "status eq 'connected'"),
        ("lastSyncDateTime gt '2017-01-01T00:00:00Z'", "lastSyncDateTime gt 2017-01-01T00:00:00Z"),
        (
            "lastSyncDateTime lt 2017-01-01T00:02:49.3205976-08:00",
            "lastSyncDateTime lt 2017-01-01T08:02:49.3205976Z",
        ),
        (
            "lastSyncDateTime lt 2017-01-01T00:00:00.123456789012Z",
            "lastSyncDateTime lt 2017-01-01T00:00:00.1234567Z",
        ),
        ("id eq e11c1de8-1de8-e11c-e81d-1ce1e81d1ce1", "id eq 'e11c1de8-1de8-e11c-e81d-1ce1e81d1ce1'"),
        ("  startsWith ( serverName ,\t'A B' )  ", "startswith(serverName,'A B')"),
        ("((serverName eq 'a'))", "serverName eq 'a'"),
        ("status in('none', 'connected')", "status in (none,connected)"),
        // `and` binds closer than `or`; both group to the left; `not` binds closest.
        (
            "id eq 'a' or id eq 'b' and id eq 'c' or id eq 'd'",
            "((id eq 'a') or ((id eq 'b') and (id eq 'c'))) or (id eq 'd')",
        ),
        ("id eq 'a' and id eq 'b' and id eq 'c'", "(id eq 'a' and id eq 'b') and id eq 'c'"),
        ("not contains(id,'a') and id eq 'b'", "(not (contains(id,'a'))) and (id eq 'b')"),
        ("not(id eq 'a')or not not(id eq 'b')", "(not (id eq 'a')) or (not (not (id eq 'b')))"),
        // A function of null is null, and null is not equal to true or false.
        ("contains(id,'a') eq true", "(id ne null) and contains(id,'a')"),
        (
            "contains(id,serverName) eq false",
            "(id ne null and serverName ne null) and not contains(id,serverName)",
        ),
        ("contains('a','b') eq true", "contains('a','b')"),
        ("contains('a',null) eq true", "false and contains('a',null)"),
        ("not contains(id,null) eq false", "not ((id ne null and false) and not contains(id,null))"),
    ] {
        let plain = filter::parse(plain, &CONNECTOR).unwrap_or_else(|error| panic!("{plain}: {error}"));
        assert_eq!(filter::parse(given, &CONNECTOR), Ok(plain), "{given}");
    }
}

#[test]
fn members_of_enumerations_are_numbers() {
    for (name, number) in
        [("none", 0), ("connectionPending", 1), ("disconnected", 3), ("unknownFutureValue", 4)]
    {
        let filter = filter::parse(&format!("status lt '{name}'"), &CONNECTOR).unwrap();
        let Filter::Compare(Operand::Property(2), Comparison::Less, Operand::Literal(Value::Enum(_, found))) =
            filter
        else {
            panic!("{filter:?}")
        };
        assert_eq!(found, number, "{name}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (given, position, says) in [
        ("", 0, "not the end"),
        ("status", 6, "an operator such as eq"),
        ("status and id eq 'a'", 7, "an operator such as eq"),
        ("status like 'a'", 7, "not 'like'"),
        ("status eq'connected'", 7, "an operator such as eq"),
        ("status eq", 9, "a property, a value or a function was expected, not the end"),
        ("status eq 'connected", 10, "no closing quote"),
        ("é eq 1", 0, "'é' on type 'microsoft.graph.deviceManagementExchangeConnector'"),
        ("serverName eq 'é' and bogus eq 1", 22, "Could not find a property named 'bogus'"),
        ("serverName eq bogus", 14, "'bogus'"),
        ("startswith(serverName,bogus)", 22, "'bogus'"),
        ("serverName eq 5", 14, "a text cannot be compared with '5'"),
        ("serverName eq true", 14, "a text cannot be compared with true"),
        ("serverName eq status", 14, "'serverName' cannot be compared with 'status'"),
        ("serverName eq \"a\"", 14, "'\"' is not understood here"),
        ("serverName eq 'a\u{0}'", 16, "U+0000"),
        ("status eq 'Connected'", 10, "none, connectionPending, connected, disconnected, unknownFutureValue"),
        ("status eq 2", 10, "is not a member"),
        ("status eq microsoft.graph.other'connected'", 10, "cannot be compared with a microsoft.graph.other"),
        ("lastSyncDateTime gt 2017-01-01", 20, "2026-01-31T08:00:00Z"),
        ("lastSyncDateTime gt 2017-01-01T00:00:00", 20, "offset"),
        ("lastSyncDateTime gt 2017-01-01T00:00:00 01:00", 20, "%2B"),
        ("lastSyncDateTime gt 2017-13-01T00:00:00Z", 20, "no such date"),
        ("lastSyncDateTime gt 'x'", 20, "not a date and time"),
        ("lastSyncDateTime gt bogus", 20, "Could not find a property named 'bogus'"),
        ("tolower(serverName) eq 'a'", 0, "the function 'tolower' is not supported"),
        ("'a' eq toupper(serverName)", 7, "the function 'toupper' is not supported"),
        ("contains(trim(serverName),'a')", 9, "the function 'trim' is not supported"),
        ("true eq contains(serverName,'a')", 8, "a property or a value was expected"),
        ("contains(serverName,'a') eq 1", 28, "true or false was expected"),
        ("contains(serverName)", 19, "',' was expected, not ')'"),
        ("contains(status,'a')", 9, "a text was expected"),
        ("status has 'connected'", 7, "the operator 'has' is not supported"),
        ("not status eq 'connected'", 0, "write not (…)"),
        ("id eq 'a' and not status in ('connected')", 14, "write not (…)"),
        ("'a' eq 'a'", 0, "a property on one side"),
        ("'a' in ('a')", 0, "a property before 'in'"),
        ("status in ()", 11, "not ')'"),
        ("status in ('none',)", 18, "not ')'"),
        ("status in ('none'", 17, "',' or ')' was expected"),
        ("status in (status)", 11, "a literal was expected"),
        ("(status eq 'none'", 17, "')' was expected, not the end"),
        ("status eq 'none')", 16, "'and', 'or' or the end"),
        ("status eq 'none' status eq 'none'", 17, "'and', 'or' or the end"),
        ("(status eq 'none') eq true", 19, "'and', 'or' or the end"),
    ] {
        let error = filter::parse(given, &CONNECTOR).expect_err(given);
        assert_eq!(error.position, position, "{given}: {error}");
        let text = error.to_string();
        assert!(text.contains(says), "{given}: {text}");
    }
}

#[test]
fn filters_are_bounded() {
    let nested = |depth: usize| format!("{}id eq 'a'{}", "(".repeat(depth), ")".repeat(depth));
    let denied = |depth: usize| format!("{}(id eq 'a')", "not ".repeat(depth - 1));
    let joined = |word: &str, count: usize| vec!["id eq 'a'"; count].join(word);
    let listed = |count: usize| format!("id in ({})", vec!["'a'"; count].join(","));
    let long = |length: usize| format!("id eq '{}'", "a".repeat(length - 8));
    for (fits, too_much) in [
        (nested(MAX_DEPTH), nested(MAX_DEPTH + 1)),
        (denied(MAX_DEPTH), denied(MAX_DEPTH + 1)),
        (joined(" or ", 128), joined(" or ", 129)),
        (joined(" and ", 128), joined(" and ", 129)),
        (listed(MAX_LIST), listed(MAX_LIST + 1)),
        (long(MAX_LENGTH), long(MAX_LENGTH + 1)),
    ] {
        assert!(filter::parse(&fits, &CONNECTOR).is_ok(), "{fits}");
        let error = filter::parse(&too_much, &CONNECTOR).expect_err(&too_much).to_string();
        assert!(error.contains("the filter is too"), "{error}");
    }
    for endless in ["(".repeat(MAX_LENGTH), "not ".repeat(MAX_LENGTH / 4), "not(".repeat(MAX_LENGTH / 4)] {
        assert!(filter::parse(&endless, &CONNECTOR).is_err());
    }
}

#[test]
fn an_error_repeats_little_of_the_text() {
    for long in
        ["a".repeat(8000), format!("'{}' eq 'b'", "é".repeat(4000)), format!("id in ({}(", "b".repeat(8000))]
    {
        let error = filter::parse(&long, &CONNECTOR).expect_err(&long).to_string();
        assert!(error.chars().count() < 400, "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(filter in filters()) {
        let text = print(&filter);
        prop_assume!(text.len() <= MAX_LENGTH);
        prop_assert_eq!(filter::parse(&text, &MANAGED_DEVICE), Ok(filter), "{}", text);
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,80}") {
        let _ = filter::parse(&text, &CONNECTOR);
    }

    #[test]
    fn no_row_of_words_is_a_panic_and_errors_lie_in_the_text(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24),
    ) {
        let text = words.concat();
        if let Err(error) = filter::parse(&text, &MANAGED_DEVICE) {
            prop_assert!(error.position <= text.chars().count(), "{}: {}", text, error);
        }
    }
}

const WORDS: &[&str] = &[
    "(",
    ")",
    ",",
    " ",
    " ",
    "'",
    "''",
    "'a'",
    "not ",
    " and ",
    " or ",
    " eq ",
    " ne ",
    " lt ",
    " in ",
    "null",
    "true",
    "contains(",
    "endswith(",
    "deviceName",
    "easActivated",
    "exchangeAccessState",
    "exchangeLastSuccessfulSyncDateTime",
    "2017-01-01T00:00:00Z",
    "quarantined",
    "microsoft.graph.deviceManagementExchangeAccessState'blocked'",
    "é",
    "%",
];
