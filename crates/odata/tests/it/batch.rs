use exconn_odata::batch::{self, MAX_HEADERS, MAX_ID};

fn refusal(body: &str) -> String {
    batch::parse(body.as_bytes()).expect_err(body).to_string()
}

/// A batch of one request with these members beside `id`, `method` and `url`.
fn with(members: &str) -> String {
    format!(r#"{{"requests":[{{"id":"1","method":"GET","url":"/",{members}}}]}}"#)
}

#[test]
fn what_is_wrong_is_said_with_its_path_and_what_would_do() {
    let long = "x".repeat(MAX_ID + 1);
    let many: Vec<_> = (0..=MAX_HEADERS).map(|number| format!(r#""a{number}":"b""#)).collect();
    let many = format!(r#""headers":{{{}}}"#, many.join(","));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, says) in [
        ("", "The body is not JSON: EOF while parsing a value at line 1 column 0."),
        ("{\n\"requests\":[", "The body is not JSON: EOF while parsing a list at line 2 column 12."),
        ("\"\\", "The body is not JSON: "),
        ("[]", "The body must be an object with requests, not an array."),
        ("null", "The body must be an object with requests, not null."),
        ("{}", "requests is missing."),
        (r#"{"requests":{}}"#, "requests must be an array of requests, not an object."),
        (r#"{"requests":null}"#, "requests must be an array of requests, not null."),
        (r#"{"requests":[],"requests":[]}"#, "requests is given twice."),
        (r#"{"requests":[],"other":1}"#, "other is not known; a batch has requests and nothing else."),
        (r#"{"requests":[1]}"#, "requests[0] must be an object with id, method and url, not a number."),
        (r#"{"requests":[true]}"#, "requests[0] must be an object with id, method and url, not true."),
        (&format!(r#"{{"requests":[{deep}]}}"#), "requests[0] must be an object with id, method and url"),
        (r#"{"requests":[{"method":"GET","url":"/"}]}"#, "requests[0].id is missing."),
        (r#"{"requests":[{"id":"1","url":"/"}]}"#, "requests[0].method is missing."),
        (r#"{"requests":[{"id":"1","method":"GET"}]}"#, "requests[0].url is missing."),
        (r#"{"requests":[{"id":1}]}"#, "requests[0].id must be a text, not a number."),
        (r#"{"requests":[{"id":""}]}"#, "requests[0].id must have 1 to 256 bytes, not 0."),
        (
            &format!(r#"{{"requests":[{{"id":"{long}"}}]}}"#),
            "requests[0].id must have 1 to 256 bytes, not 257.",
        ),
        (r#"{"requests":[{"id":"\ud800"}]}"#, "requests[0].id holds an escape that stands for no character."),
        (r#"{"requests":[{"id":"1","id":"2"}]}"#, "requests[0].id is given twice."),
        (r#"{"requests":[{"\ud800":"1"}]}"#, "requests[0] holds an escape that stands for no character."),
        (&with(r#""a b\n":1"#), "requests[0].a b\u{fffd} is not known; a request has id, method, url"),
        (&with(r#""headers":[]"#), "requests[0].headers must be an object of headers with texts as values"),
        (&with(r#""headers":{"Accept":1}"#), "requests[0].headers.Accept must be a text, not a number."),
        (&with(r#""headers":{"A":"1","a":"2"}"#), "requests[0].headers.a is given twice."),
        (&with(&many), "requests[0].headers must have at most 64 members."),
        (&with(r#""dependsOn":"1""#), "requests[0].dependsOn must be an array of ids, not a text."),
        (&with(r#""dependsOn":["0",1]"#), "requests[0].dependsOn[1] must be a text, not a number."),
        (
            &with(&format!(r#""dependsOn":[{}"0"]"#, r#""0","#.repeat(20))),
            "requests[0].dependsOn must have at most 20 ids.",
        ),
        (&with(r#""dependsOn":[],"depends_on":[]"#), "requests[0].depends_on is dependsOn a second time."),
    ] {
        let said = refusal(body);
        let said = said.strip_prefix("Invalid batch payload format. ").unwrap_or_else(|| panic!("{said}"));
        assert!(said.starts_with(says) && said.ends_with('.'), "{body:.200}: {said}");
    }
    let unknown = with(&format!(r#""{}":1"#, "é\\n".repeat(50_000)));
    assert!(refusal(&unknown).chars().count() < 300);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let body = format!("\u{feff}{}", with(r#""body":{"a":"\ufeff"}"#));
    let requests = batch::parse(body.as_bytes()).unwrap();
    assert_eq!(requests[0].body.map(|body| body.get()), Some(r#"{"a":"\ufeff"}"#));
    assert!(batch::parse("\u{feff}\u{feff}{}".as_bytes()).is_err());
}

#[test]
fn null_is_as_good_as_nothing() {
    let body = with(r#""headers":null,"body":null,"dependsOn":null,"atomicityGroup":null"#);
    let requests = batch::parse(body.as_bytes()).unwrap();
    let request = &requests[0];
    assert!(request.headers.is_empty() && request.body.is_none() && request.depends_on.is_empty());
    assert!(!request.is_in_atomicity_group);
}
