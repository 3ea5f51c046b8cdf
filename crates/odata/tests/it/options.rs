use exconn_model::{CONNECTOR, TenantId, Timestamp};
use exconn_odata::{
    filter::{self, Context},
    options::{self, MAX_ALIASES, MAX_QUERY, Options, OptionsError, Purpose},
    query::{Filter, OrderBy, Scalar},
};
use proptest::prelude::*;
use uuid::Uuid;

const CONTEXT: Context = Context { now: Timestamp::UNSET, unknown_members: false };
const LIST: Purpose = Purpose::List(CONTEXT);
const TENANT: TenantId = TenantId(Uuid::nil());

fn filter(text: &str) -> Filter {
    filter::parse(text, &CONNECTOR, CONTEXT, &[]).unwrap().filter
}

fn list(query: &str) -> Result<Options, OptionsError> {
    options::parse(Some(query), LIST, &CONNECTOR)
}

fn refusal(query: &str, purpose: Purpose) -> String {
    options::parse(Some(query), purpose, &CONNECTOR).expect_err(query).to_string()
}

const FILTER: &str = "status eq 'connected' and startswith(serverName,'A B')";

/// As captured from the Python, JavaScript and Rust libraries, and without `$` as PowerShell's users write.
const CLIENTS: [(&str, bool); 4] = [
    (
        "$count=true&$filter=status%20eq%20%27connected%27%20and%20startswith%28serverName%2C%27A%20B%27%29\
         &$orderby=lastSyncDateTime%20desc,serverName&$select=id,status&$skip=0&$top=1",
        true,
    ),
    (
        "$filter=status%20eq%20%27connected%27%20and%20startswith(serverName,%27A%20B%27)&$select=id,status\
         &$orderby=lastSyncDateTime%20desc&$top=1&$count=true&$skip=0",
        false,
    ),
    (
        "%24filter=status+eq+%27connected%27+and+startswith%28serverName%2C%27A+B%27%29&%24select=id%2Cstatus\
         &%24orderby=lastSyncDateTime+desc&%24top=1&%24skip=0&%24count=true",
        false,
    ),
    (
        "filter=status eq 'connected' and startswith(serverName,'A B')&SELECT=Status,ID&orderBy=lastsyncdatetime DESC\
         &top=1&skip=0&Count=True",
        false,
    ),
];

#[test]
fn four_clients_write_the_same_differently() {
    for (query, two_criteria) in CLIENTS {
        let options = list(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(options.filter, Some(filter(FILTER)), "{query}");
        assert_eq!(options.select, Some(vec![0, 2]), "{query}");
        let mut order = vec![OrderBy { property: 1, descending: true }];
        if two_criteria {
            order.push(OrderBy { property: 4, descending: false });
        }
        assert_eq!(options.order, order, "{query}");
        assert_eq!((options.top, options.skip, options.count), (Some(1), 0, true), "{query}");
        assert_eq!(options.skip_token, None);
    }
}

#[test]
fn values_are_read() {
    assert_eq!(options::parse(None, LIST, &CONNECTOR), Ok(Options::default()));
    assert_eq!(list("&&"), Ok(Options::default()));
    assert_eq!(list("$top=0").map(|options| options.top), Ok(Some(0)));
    assert_eq!(list("$top=1000").map(|options| options.top), Ok(Some(1000)));
    assert_eq!(list("$count=false").map(|options| options.count), Ok(false));
    assert_eq!(list("$select=*").map(|options| options.select), Ok(None));
    assert_eq!(list("$select=status, id ,STATUS").map(|options| options.select), Ok(Some(vec![0, 2])));
    for format in ["json", "JSON", "application/json", "application/json;odata.metadata=none"] {
        let read = list(&format!("$format={format}")).map(|options| options.format);
        assert_eq!(read, Ok(Some(format.to_owned())));
    }
    for name in ["$skiptoken", "$skipToken", "%24skiptoken", "skipToken"] {
        let read = list(&format!("{name}=abc")).map(|options| options.skip_token);
        assert_eq!(read, Ok(Some("abc".to_owned())), "{name}");
    }
    let twice = list("$orderby=status asc,id,status desc").map(|options| options.order);
    let by = |property| OrderBy { property, descending: false };
    assert_eq!(twice, Ok(vec![by(2), by(0)]), "a property that has decided decides nothing again");
}

#[test]
fn a_plus_in_a_date_must_be_encoded() {
    let sent = list("$filter=lastSyncDateTime gt 2017-01-01T01:00:00%2B01:00").map(|options| options.filter);
    let meant = filter("lastSyncDateTime gt 2017-01-01T00:00:00Z");
    assert_eq!(sent, Ok(Some(meant)));
    let said = refusal("$filter=lastSyncDateTime gt 2017-01-01T01:00:00+01:00", LIST);
    assert!(said.contains("%2B"), "{said}");
}

#[test]
fn aliases_are_given_as_options() {
    for query in ["$filter=serverName eq @s&@s='x'", "%40s=%27x%27&filter=serverName+eq+%40s"] {
        let options = list(query).unwrap();
        assert_eq!(options.filter, Some(filter("serverName eq 'x'")), "{query}");
        let again = list(&options.next("t")).unwrap();
        assert_eq!(again.filter, options.filter, "{}", options.next("t"));
        assert_eq!(again.scope(TENANT, "a"), options.scope(TENANT, "a"));
    }
    for purpose in [Purpose::Entity, Purpose::Nothing] {
        assert!(refusal("@s='x'", purpose).contains("'@s' is not known"));
    }
    let many = |count: usize| (0..count).map(|at| format!("@a{at}=1&")).collect::<String>();
    assert_eq!(list(&many(MAX_ALIASES + 1)), Err(OptionsError::TooManyAliases));
    assert!(matches!(list(&many(MAX_ALIASES)), Err(OptionsError::UnusedAlias(_))));
}

#[test]
fn a_position_counts_from_the_filters_own_start() {
    let said = refusal("$filter=%20%20bogus%20eq%201", LIST);
    assert!(said.contains("at position 2:"), "{said}");
}

#[test]
fn wrong_options_are_refused_by_name() {
    for (query, says) in [
        ("$search=x", "'$search' is not supported"),
        ("$expand=x", "'$expand' is not supported"),
        ("$apply=x", "'$apply' is not supported"),
        ("compute=x", "'$compute' is not supported"),
        ("$levels=1", "'$levels' is not supported"),
        ("$deltatoken=x", "'$deltatoken' is not supported"),
        ("$index=1", "'$index' is not supported"),
        ("$schemaversion=1", "'$schemaversion' is not supported"),
        ("$bogus=x", "'$bogus' is not known"),
        ("bogus", "'bogus' is not known"),
        ("$=x", "'$' is not known"),
        ("$top=1&top=1", "'$top' is given more than once"),
        ("%24skipToken=a&$skiptoken=a", "'$skiptoken' is given more than once"),
        ("$top=1001", "from 0 to 1000, not '1001'"),
        ("$top=-1", "not '-1'"),
        ("$top=%2B1", "not '+1'"),
        ("$top=1.5", "not '1.5'"),
        ("$top=", "not ''"),
        ("$top=٣", "not '٣'"),
        ("$skip=9223372036854775808", "'$skip'"),
        ("$count=1", "true or false, not '1'"),
        (
            "$select=id,bogus",
            "Parsing OData Select and Expand failed: Could not find a property named 'bogus'",
        ),
        ("$select=*,bogus", "named 'bogus'"),
        ("$select=", "named ''"),
        ("$orderby=bogus", "only properties: id, lastSyncDateTime, "),
        ("$orderby=id,", "named ''"),
        ("$orderby=id sideways", "'sideways' is not a direction"),
        ("$orderby=id asc asc", "'asc' is not a direction"),
        ("$format=atom", "takes only json"),
        ("$skiptoken=", "$skiptoken"),
        ("$orderby=tolower(serverName)", "named 'tolower(serverName)'"),
        ("$orderby=(id)", "which takes only properties"),
        ("$select=(id)", "named '(id)'"),
        ("$select=microsoft.graph.deviceManagementExchangeConnector/id", "Could not find a property"),
        ("@s=1", "The parameter alias '@s' is given but '$filter' does not use it."),
        ("$filter=id eq @S&@s='x'", "The parameter alias '@s' is given but"),
        ("$filter=id eq @s&@s='x'&@s='y'", "The parameter alias '@s' is given more than once."),
        ("@=1", "'@' is not a name"),
        ("@1=1", "'@1' is not a name"),
        ("$filter=id eq @s&@s='x", "at position 0 of '@s'"),
        ("$filter=", "Invalid filter clause at position 0"),
        ("$filter=%ff", "not UTF-8"),
    ] {
        let said = refusal(query, LIST);
        assert!(said.contains(says), "{query}: {said}");
    }
    let long = format!("$filter={}", "a".repeat(MAX_QUERY));
    assert_eq!(list(&long), Err(OptionsError::TooLong));
}

#[test]
fn each_purpose_has_its_options() {
    let all = [
        "$filter=id eq 'a'",
        "$orderby=id",
        "$select=id",
        "$top=1",
        "$skip=1",
        "$count=true",
        "$skiptoken=a",
    ];
    for (purpose, allowed, supported) in [
        (LIST, all.as_slice(), "supported are $filter, $orderby, "),
        (Purpose::Count(CONTEXT), &["$filter=id eq 'a'"], "supported are $filter, $format."),
        (Purpose::Entity, &["$select=id"], "supported are $select, $format."),
        (Purpose::Document, &[], "supported are $format."),
        (Purpose::Nothing, &[], "this request takes none."),
    ] {
        for option in all {
            let read = options::parse(Some(option), purpose, &CONNECTOR);
            assert_eq!(read.is_ok(), allowed.contains(&option), "{purpose:?} {option}");
            if let Err(error) = read {
                let (name, _) = option.split_once('=').unwrap();
                let begins = format!("The query option '{name}' is not supported here; {supported}");
                assert!(error.to_string().starts_with(&begins), "{error}");
            }
        }
    }
}

#[test]
fn the_next_link_keeps_every_option_but_the_place() {
    for (query, _) in CLIENTS {
        let options = list(&format!("{query}&$format=json")).unwrap();
        let next = options.next("TOKEN_-9");
        assert!(next.is_ascii() && !next.contains([' ', '\'', '"', '+', '#']), "{next}");
        let mut again = list(&next).unwrap();
        assert_eq!(again.skip_token.take().as_deref(), Some("TOKEN_-9"), "{next}");
        assert!(!next.contains("$skip="), "{next}");
        assert!(next.split('&').all(|pair| pair.starts_with('$')), "{next}");
        assert_eq!(
            (again.filter.clone(), again.order.clone()),
            (options.filter.clone(), options.order.clone())
        );
        assert_eq!(
            (again.select.clone(), again.top, again.count),
            (options.select.clone(), options.top, true)
        );
        assert_eq!(
            again.scope(TENANT, "a"),
            options.scope(TENANT, "a"),
            "a page's token must open behind its own link"
        );
        assert_eq!(again.next("OTHER"), options.next("OTHER"));
    }
}

#[test]
fn scopes_tell_queries_apart() {
    let scopes: Vec<String> = [
        ("a", ""),
        ("b", ""),
        ("a", "$filter=id eq 'a'"),
        ("a", "$filter=id eq 'b'"),
        ("a", "$orderby=id"),
        ("a", "$orderby=id desc"),
        ("a", "$filter=id eq @a&@a='a'"),
        ("a", "$filter=id eq @a&@a='b'"),
    ]
    .into_iter()
    .map(|(set, query)| list(query).unwrap().scope(TENANT, set))
    .collect();
    for (number, scope) in scopes.iter().enumerate() {
        assert!(!scopes[..number].contains(scope), "{scope}");
    }
    let page = |query| list(query).unwrap().scope(TENANT, "a");
    let stranger = TenantId(Uuid::from_u128(1));
    assert_ne!(list("").unwrap().scope(stranger, "a"), page(""));
    assert_eq!(page("$top=1&$select=id&$count=true"), page(""), "what is shown may change between pages");
}

proptest! {
    #[test]
    fn no_query_is_a_panic(query in "[$%&=+a-z0-9',() ]{0,60}|\\PC{0,60}") {
        for purpose in [LIST, Purpose::Count(CONTEXT), Purpose::Entity, Purpose::Nothing] {
            let _ = options::parse(Some(&query), purpose, &CONNECTOR);
        }
    }

    #[test]
    fn every_text_passes_through_a_next_link(text in "[^\\x00]{0,40}") {
        let literal = format!("serverName eq '{}'", text.replace('\'', "''"));
        let encoded: String = literal.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let first = list(&format!("$filter={encoded}")).unwrap();
        let second = list(&first.next("t")).unwrap();
        prop_assert_eq!(&first.filter, &second.filter);
        let shown = format!("{:?}", first.filter);
        prop_assert!(shown.contains(&format!("{:?}", Scalar::text(text))), "{}", shown);
    }
}
