use exconn_model::{
    CONNECTOR, ConnectorStatus, ConnectorType, GraphEnum, MAX_TEXT, SyncType, Timestamp, schema::Value,
};
use exconn_odata::body::{self, BodyError, MAX_MEMBERS, Sentinel};
use proptest::prelude::*;

fn create(body: impl AsRef<[u8]>) -> Result<Vec<(usize, Value<'static>)>, BodyError> {
    body::entity(body.as_ref(), &CONNECTOR, Sentinel::Refuse)
}

fn sync(body: &str) -> Result<i32, BodyError> {
    body::enum_parameter(body.as_bytes(), "syncType", SyncType::TYPE)
}

#[test]
fn the_documented_body_is_read() {
    let body = r##"{
        "@odata.type": "#microsoft.graph.deviceManagementExchangeConnector",
        "lastSyncDateTime": "2017-01-01T00:02:49.3205976-08:00",
        "status": "connectionPending",
        "primarySmtpAddress": "Primary Smtp Address value",
        "exchangeConnectorType": "hosted",
        "serverName": "Zür\u00edch 🦀",
        "exchangeAlias": null
    }"##;
    let moment = Timestamp::parse("2017-01-01T08:02:49.3205976Z").unwrap();
    let wanted = vec![
        (1, Value::Timestamp(moment)),
        (2, Value::Enum(ConnectorStatus::TYPE, 1)),
        (3, Value::Text("Primary Smtp Address value".into())),
        (6, Value::Enum(ConnectorType::TYPE, 1)),
        (4, Value::Text("Zürích 🦀".into())),
        (8, Value::Null),
    ];
    assert_eq!(create(body), Ok(wanted));
}

#[test]
fn annotations_are_passed_over() {
    for body in [
        "{}",
        " {} ",
        "\u{feff}{}",
        r##"{"@odata.type":"#microsoft.graph.deviceManagementExchangeConnector"}"##,
        r#"{"@odata.type":"microsoft.graph.deviceManagementExchangeConnector"}"#,
        r#"{"@odata.etag":{"a":[1,2.5e3,{"b":null}]},"serverName@odata.type":"String","@odata.x":true}"#,
    ] {
        assert_eq!(create(body), Ok(Vec::new()), "{body}");
    }
}

#[test]
fn wrong_bodies_are_refused_with_the_reason() {
    let long = format!(r#"{{"serverName":"{}"}}"#, "é".repeat(MAX_TEXT + 1));
    let deep = format!(r#"{{"@odata.x":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let deep_value = format!(r#"{{"serverName":{}"#, "[".repeat(100_000));
    for (body, says) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{\n\"serverName\": x}", "at line 2 column 15"),
        ("{\"a\":1,}", "trailing comma at line 1 column 8"),
        ("{} {}", "trailing characters at line 1 column 4"),
        ("{'serverName':'a'}", "at line 1 column 2"),
        (r#"{"serverName":"\ud800"}"#, "Unable to read JSON request payload"),
        (r#"{"serverName":1e999}"#, "Unable to read JSON request payload"),
        (deep.as_str(), "recursion limit exceeded"),
        (&deep_value, "recursion limit exceeded"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("\"a\"", "must be a JSON object"),
        (r#"{"serverName":"a","serverName":"a"}"#, "'serverName' is given more than once"),
        (r#"{"@odata.a":1,"@odata.a":1}"#, "'@odata.a' is given more than once"),
        (
            r#"{"exchange_alias":null}"#,
            "The property 'exchange_alias' does not exist on type 'microsoft.graph.deviceManagementExchangeConnector'. \
             Make sure to only use property names that are defined by the type or mark the type as open type. \
             It has id, lastSyncDateTime, status, primarySmtpAddress,",
        ),
        (r#"{"ServerName":"a"}"#, "'ServerName' does not exist"),
        (r##"{"@odata.type":"#microsoft.graph.managedDevice"}"##, "'microsoft.graph.managedDevice'"),
        (
            r###"{"@odata.type":"##microsoft.graph.deviceManagementExchangeConnector"}"###,
            "could not be resolved",
        ),
        (r#"{"@odata.type":null}"#, "could not be resolved"),
        (r#"{"serverName":5}"#, "'serverName' cannot be a number; it takes a text or null."),
        (r#"{"serverName":{"a":1}}"#, "cannot be an object"),
        (r#"{"serverName":["a"]}"#, "cannot be an array"),
        (r#"{"serverName":true}"#, "cannot be true"),
        (&long, "cannot be a text of 1025 characters; it takes at most 1024 characters."),
        (r#"{"serverName":"a\u0000b"}"#, "U+0000"),
        (r#"{"id":null}"#, "'id' cannot be null; it takes a text."),
        (r#"{"status":null}"#, "'status' cannot be null; it takes none, connectionPending"),
        (
            r#"{"status":"Connected"}"#,
            "'Connected'; it takes none, connectionPending, connected, disconnected.",
        ),
        (r#"{"status":2}"#, "'status' cannot be a number"),
        (r#"{"status":"unknownFutureValue"}"#, "'status' cannot be 'unknownFutureValue'"),
        (r#"{"lastSyncDateTime":null}"#, "'lastSyncDateTime' cannot be null"),
        (r#"{"lastSyncDateTime":0}"#, "2026-01-31T08:00:00Z"),
        (
            r#"{"lastSyncDateTime":"2017-01-01"}"#,
            "cannot be '2017-01-01': a date and time looks like 2026-01-31T08:00:00Z",
        ),
        (r#"{"lastSyncDateTime":"2017-01-01T00:00:00"}"#, ": a date and time ends in Z or in an offset"),
        (r#"{"lastSyncDateTime":"2017-02-30T00:00:00Z"}"#, ": there is no such date and time"),
    ] {
        let said = create(body).expect_err(body).to_string();
        assert!(said.contains(says), "{body}: {said}");
    }
    assert!(matches!(create(b"{\"serverName\":\"\xff\"}"), Err(BodyError::NotJson(_))));
    assert!(matches!(create(b"{\"@odata.a\":[\"\xff\"]}"), Err(BodyError::NotJson(_))));
    let fits = format!(r#"{{"serverName":"{}"}}"#, "é".repeat(MAX_TEXT));
    assert!(create(fits).is_ok());
}

#[test]
fn members_are_bounded_and_a_broken_end_is_still_found() {
    let members =
        |count: usize| (0..count).map(|n| format!("\"@odata.a{n}\":1")).collect::<Vec<_>>().join(",");
    assert_eq!(create(format!("{{{}}}", members(MAX_MEMBERS))), Ok(Vec::new()));
    assert_eq!(create(format!("{{{}}}", members(MAX_MEMBERS + 1))), Err(BodyError::TooMany));
    assert!(matches!(create(format!("{{{}", members(MAX_MEMBERS + 1))), Err(BodyError::NotJson(_))));
    let many = format!("{{{}}}", members(60_000));
    assert_eq!(create(many), Err(BodyError::TooMany));
}

#[test]
fn a_change_leaves_what_nobody_knows() {
    let body = br#"{"status":"unknownFutureValue","serverName":"a"}"#;
    let read = body::entity(body, &CONNECTOR, Sentinel::Leave);
    assert_eq!(read, Ok(vec![(4, Value::Text("a".into()))]));
}

#[test]
fn the_parameter_of_sync_is_required_and_closed() {
    assert_eq!(sync(r#"{"syncType":"fullSync"}"#), Ok(0));
    assert_eq!(sync(r##"{"@odata.type":"#x","syncType":"deltaSync","syncType@odata.type":"y"}"##), Ok(1));
    for (body, says) in [
        ("{}", "'syncType' is required; it takes fullSync, deltaSync."),
        (r#"{"syncType":null}"#, "'syncType' is required"),
        (
            r#"{"syncType":"FULLSYNC"}"#,
            "The parameter 'syncType' cannot be 'FULLSYNC'; it takes fullSync, deltaSync.",
        ),
        (r#"{"syncType":"unknownFutureValue"}"#, "it takes fullSync, deltaSync."),
        (r#"{"syncType":0}"#, "a number; it takes fullSync, deltaSync."),
        (r#"{"SyncType":"fullSync"}"#, "'SyncType' does not exist; the action takes 'syncType'."),
        (r#"{"syncType":"fullSync","a":1}"#, "'a' does not exist"),
        (r#"{"syncType":"fullSync","syncType":"fullSync"}"#, "more than once"),
        ("", "Unable to read JSON"),
        ("null", "must be a JSON object"),
    ] {
        let said = sync(body).expect_err(body).to_string();
        assert!(said.contains(says), "{body}: {said}");
    }
}

#[test]
fn an_error_repeats_little_of_the_body() {
    for body in [
        format!(r#"{{"{}":1}}"#, "a".repeat(100_000)),
        format!(r#"{{"status":"{}"}}"#, "a\\n".repeat(100_000)),
        format!(r#"{{"@odata.type":"{}"}}"#, "é".repeat(100_000)),
    ] {
        let said = create(&body).expect_err("refused").to_string();
        assert!(said.chars().count() < 500 && !said.contains('\n'), "{said}");
    }
}

proptest! {
    #[test]
    fn no_body_is_a_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = create(&body);
    }

    #[test]
    fn no_almost_json_is_a_panic(
        parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..20),
    ) {
        let _ = create(parts.concat());
        let _ = sync(&parts.concat());
    }
}

const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"serverName\"",
    "\"status\"",
    "\"connected\"",
    "null",
    "1",
    "true",
    "\"\\u",
    "\"@odata.type\"",
    "\"syncType\"",
    "\"fullSync\"",
    " ",
];
