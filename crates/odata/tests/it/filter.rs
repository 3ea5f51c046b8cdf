use exconn_model::{CONNECTOR, ConnectorStatus, GraphEnum, MANAGED_DEVICE, Timestamp, schema::EntityType};
use exconn_odata::{
    filter::{self, Context, FilterError, MAX_DEPTH, MAX_LENGTH, MAX_LIST},
    query::{Comparison, Expression, Filter, Scalar},
};
use proptest::prelude::*;

use crate::filter_text::{filters, print};

fn context() -> Context {
    Context { now: Timestamp::from_unix_seconds(1_769_846_400), unknown_members: false }
}

fn parse(text: &str, entity: &'static EntityType) -> Result<Filter, FilterError> {
    filter::parse(text, entity, context(), &[]).map(|parsed| parsed.filter)
}

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
        // Equality binds looser than the other comparisons, arithmetic closer, a sign and `not` closest but for `in`.
        ("length(id) add 2 mul 3 gt 4", "(length(id) add (2 mul 3)) gt 4"),
        ("length(id) gt 4 eq (length(id) lt 9)", "(length(id) gt 4) eq (length(id) lt 9)"),
        ("length(id) sub 1 sub 2 eq 0", "((length(id) sub 1) sub 2) eq 0"),
        ("-length(id) add 1 lt -5", "((-length(id)) add 1) lt -5"),
        ("not status in ('connected') and true", "(not (status in ('connected'))) and true"),
        ("not contains(id,'a') eq true", "(not contains(id,'a')) eq true"),
        // What is known already is computed at once.
        ("length('\u{1f600}é') eq length(id)", "2 eq length(id)"),
        ("lastSyncDateTime gt now() sub duration'P1D'", "lastSyncDateTime gt 2026-01-30T08:00:00Z"),
        ("version eq concat(null,'a')", "version eq null"),
        (
            "date(lastSyncDateTime) eq 2024-02-28 add duration'P1DT12H'",
            "date(lastSyncDateTime) eq 2024-02-29",
        ),
        ("date(lastSyncDateTime) eq '2024-02-29'", "date(lastSyncDateTime) eq 2024-02-29"),
        ("time(lastSyncDateTime) lt '12:30'", "time(lastSyncDateTime) lt 12:30:00.0"),
        (
            "lastSyncDateTime sub now() lt duration'-PT0.5S'",
            "lastSyncDateTime sub 2026-01-31T08:00Z lt '-PT0.5S'",
        ),
        ("status eq '2'", "status eq connected"),
        ("'a' eq 'a'", "('a') eq 'a'"),
    ] {
        let plain = parse(plain, &CONNECTOR).unwrap_or_else(|error| panic!("{plain}: {error}"));
        assert_eq!(parse(given, &CONNECTOR), Ok(plain), "{given}");
    }
}

#[test]
fn members_of_enumerations_are_numbers() {
    for (name, number) in
        [("none", 0), ("connectionPending", 1), ("disconnected", 3), ("unknownFutureValue", 4)]
    {
        let filter = parse(&format!("status lt '{name}'"), &CONNECTOR).unwrap();
        let literal = Expression::Literal(Scalar::Enum(ConnectorStatus::TYPE, number));
        assert_eq!(filter, Expression::compare(Expression::Property(2), Comparison::Less, literal), "{name}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (given, position, says) in [
        ("", 0, "not the end"),
        ("status", 0, "a condition was expected, not 'status' (a microsoft.graph.deviceManagementExchange"),
        ("status and id eq 'a'", 0, "compare it by an operator such as eq"),
        ("id eq 'a' or length(id)", 13, "not 'length(id)' (a whole number)"),
        ("status like 'a'", 7, "not 'like'"),
        ("status eq'connected'", 7, "an operator such as eq"),
        ("status eq", 9, "a property, a value or a function was expected, not the end"),
        ("status eq 'connected", 10, "no closing quote"),
        ("é eq 1", 0, "'é' on type 'microsoft.graph.deviceManagementExchangeConnector'"),
        ("serverName eq 'é' and bogus eq 1", 22, "Could not find a property named 'bogus'"),
        ("serverName eq bogus", 14, "'bogus'"),
        ("startswith(serverName,bogus)", 22, "'bogus'"),
        ("serverName eq 5", 14, "'serverName' (a text) cannot be compared with '5' (a whole number)"),
        ("serverName eq true", 14, "'serverName' (a text) cannot be compared with 'true' (a Boolean)"),
        ("5 eq serverName", 5, "'5' (a whole number) cannot be compared with 'serverName' (a text)"),
        ("serverName eq status", 14, "'status' (a microsoft.graph.deviceManagementExchangeConnectorStatus"),
        ("length(id) eq 'a'", 14, "'length(id)' (a whole number) cannot be compared with the text 'a'"),
        ("serverName eq \"a\"", 14, "'\"' is not understood here; texts stand in single quotes"),
        (
            "serverName = 'a'",
            11,
            "'=' is not understood here; texts stand in single quotes, and comparisons are",
        ),
        ("serverName eq 'a\u{0}'", 16, "U+0000"),
        ("status eq 'Connected'", 10, "none, connectionPending, connected, disconnected, unknownFutureValue"),
        ("status eq '17'", 10, "is not a member"),
        ("status eq 2", 10, "cannot be compared with '2' (a whole number)"),
        ("status eq microsoft.graph.other'connected'", 10, "cannot be compared with a microsoft.graph.other"),
        ("microsoft.graph.other'a' eq 'a'", 0, "a property of this enumeration on one side"),
        ("lastSyncDateTime gt 2017-01-01", 20, "cannot be compared with '2017-01-01' (a date)"),
        ("lastSyncDateTime gt 2017-01-01T00:00:00", 20, "offset"),
        ("lastSyncDateTime gt 2017-01-01T00:00:00 01:00", 20, "%2B"),
        ("lastSyncDateTime gt 2017-13-01T00:00:00Z", 20, "no such date"),
        ("lastSyncDateTime gt 'x'", 20, "not a date and time"),
        ("lastSyncDateTime gt bogus", 20, "Could not find a property named 'bogus'"),
        ("date(lastSyncDateTime) eq 2023-02-29", 26, "a date looks like"),
        ("time(lastSyncDateTime) eq 24:00", 26, "a time of day looks like"),
        ("length(id) eq 99999999999999999999", 14, "at most 64 bits"),
        ("length(id) eq 1x", 14, "numbers such as 5"),
        ("length(id) eq 1e999", 14, "'1e999' is not a number"),
        ("now() eq duration'P1'", 9, "a duration looks like"),
        ("now() eq duration'P9999999999999D'", 9, "a duration looks like"),
        (
            "soundex(serverName) eq 'a'",
            0,
            "the function 'soundex' is not supported; supported are contains, ",
        ),
        ("groups/any(true)", 0, "the function 'groups/any' is not supported"),
        ("contains(status,'a')", 9, "a text was expected, not 'status'"),
        ("contains(serverName)", 0, "the function 'contains' takes two arguments"),
        ("substring(serverName,1,2,3) eq 'a'", 0, "takes two or three arguments"),
        ("now(1) eq null", 0, "takes no arguments"),
        ("contains(serverName,'a'", 23, "',' or ')' was expected, not the end"),
        ("contains(serverName,'a') eq 1", 28, "(a Boolean) cannot be compared with '1' (a whole number)"),
        ("year(serverName) eq 1", 5, "a date, or a date and time was expected, not 'serverName' (a text)"),
        ("hour(2020-01-01) eq 1", 5, "a time of day, or a date and time was expected"),
        ("substring(id,'a') eq 'a'", 13, "a whole number was expected, not the text 'a'"),
        ("status has 'connected'", 7, "the operator 'has' is for enumerations of flags"),
        ("not status eq 'connected'", 0, "write not (…)"),
        ("id eq 'a' and not serverName eq 'b'", 14, "write not (…)"),
        ("not status", 4, "a condition was expected"),
        (
            "-serverName eq 'a'",
            1,
            "a number or a duration behind '-' was expected, not 'serverName' (a text)",
        ),
        (
            "serverName add 1 eq 2",
            15,
            "'add' does not take 'serverName' (a text) and '1' (a whole number); it",
        ),
        ("now() add now() eq null", 10, "'add' does not take"),
        ("now() mul 2 eq null", 10, "it takes numbers, or a duration and a number"),
        ("duration'P1D' mod 2 eq null", 18, "it takes numbers"),
        ("status in (status)", 11, "a literal was expected, not 'status'"),
        ("status in ('none',)", 18, "not ')'"),
        ("status in ('none'", 17, "',' or ')' was expected"),
        ("serverName in ('a',5)", 19, "a text cannot be compared with '5'"),
        ("(status eq 'none'", 17, "an operator or ')' was expected, not the end"),
        ("status eq 'none')", 16, "or the end was expected, not ')'"),
        ("status eq 'none' status eq 'none'", 17, "or the end was expected, not 'status'"),
    ] {
        let error = parse(given, &CONNECTOR).expect_err(given);
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
        assert!(parse(&fits, &CONNECTOR).is_ok(), "{fits}");
        let error = parse(&too_much, &CONNECTOR).expect_err(&too_much).to_string();
        assert!(error.contains("the filter is too"), "{error}");
    }
    for endless in ["(".repeat(MAX_LENGTH), "not ".repeat(MAX_LENGTH / 4), "not(".repeat(MAX_LENGTH / 4)] {
        assert!(parse(&endless, &CONNECTOR).is_err());
    }
}

#[test]
fn an_error_repeats_little_of_the_text() {
    for long in
        ["a".repeat(8000), format!("'{}' add 'b'", "é".repeat(4000)), format!("id in ({}(", "b".repeat(8000))]
    {
        let error = parse(&long, &CONNECTOR).expect_err(&long).to_string();
        assert!(error.chars().count() < 400, "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(filter in filters()) {
        let text = print(&filter);
        prop_assume!(text.len() <= MAX_LENGTH);
        prop_assert_eq!(parse(&text, &MANAGED_DEVICE), Ok(filter), "{}", text);
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,80}") {
        let _ = parse(&text, &CONNECTOR);
    }

    #[test]
    fn no_row_of_words_is_a_panic_and_errors_lie_in_the_text(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24),
    ) {
        let text = words.concat();
        if let Err(error) = parse(&text, &MANAGED_DEVICE) {
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
