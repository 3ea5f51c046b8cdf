//! Parameter aliases in filters.

use exconn_model::{CONNECTOR, Timestamp};
use exconn_odata::filter::{self, Alias, Context, FilterError, Parsed};

fn parse(text: &str, aliases: &[(&str, &str)]) -> Result<Parsed, FilterError> {
    let context = Context { now: Timestamp::from_unix_seconds(1_769_846_400), unknown_members: false };
    let owned: Vec<Alias> =
        aliases.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    filter::parse(text, &CONNECTOR, context, &owned)
}

#[test]
fn aliases_stand_for_their_values() {
    for (given, aliases, meant) in [
        ("serverName eq @s", &[("@s", "'it''s'")][..], "serverName eq 'it''s'"),
        ("status eq @s or status eq @s", &[("@s", "'none'")], "status eq none or status eq none"),
        ("status in (@a,@b)", &[("@a", "'none'"), ("@b", "'connected'")], "status in (none,connected)"),
        (
            "lastSyncDateTime gt @since",
            &[("@since", "now() sub @days"), ("@days", "duration'P7D'")],
            "lastSyncDateTime gt 2026-01-24T08:00:00Z",
        ),
        ("contains(@where,'a')", &[("@where", "serverName")], "contains(serverName,'a')"),
        ("length(id) eq 2 mul @sum", &[("@sum", "1 add 2")], "length(id) eq 6"),
        ("serverName eq @missing", &[], "serverName eq null"),
    ] {
        let filter = parse(given, aliases).map(|parsed| parsed.filter);
        assert_eq!(filter, Ok(parse(meant, &[]).unwrap().filter), "{given}");
    }
    let parsed = parse("serverName eq @b", &[("@a", "1"), ("@b", "'x'")]).unwrap();
    assert_eq!((parsed.used_aliases, parsed.uses_now), (vec![false, true], false));
    assert!(parse("lastSyncDateTime lt @n", &[("@n", "now()")]).unwrap().uses_now);
}

#[test]
fn what_is_wrong_in_an_alias_is_said_with_its_place_there() {
    for (given, aliases, says) in [
        ("id eq @a", &[("@a", "'x")][..], "at position 0 of '@a': the text that begins here"),
        ("id eq @a", &[("@a", "'é' bogus")], "at position 4 of '@a': an operator"),
        ("id eq @a", &[("@a", "5")], "at position 6: 'id' (a text) cannot be compared with '@a' (a whole"),
        ("id eq @a", &[("@a", "@b"), ("@b", "@a")], "of '@b': the value of '@a' needs '@a' itself"),
        ("id eq @a", &[("@a", "")], "at position 0 of '@a'"),
    ] {
        let error = parse(given, aliases).expect_err(given).to_string();
        assert!(error.contains(says), "{given}: {error}");
    }
}

#[test]
fn aliases_of_aliases_are_bounded() {
    // Each doubles the one behind it.
    let doubled: Vec<(String, String)> =
        (0..30).map(|at| (format!("@a{at}"), format!("@a{0} or @a{0}", at + 1))).collect();
    let long: Vec<(String, String)> =
        (0..30).map(|at| (format!("@a{at}"), " ".repeat(8000) + "true")).collect();
    for (given, aliases) in [("@a0", doubled), ("@a0 or @a1 or @a2 or @a3 or @a4", long)] {
        let aliases: Vec<(&str, &str)> =
            aliases.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let error = parse(given, &aliases).expect_err(given).to_string();
        assert!(error.contains("the filter is too"), "{error}");
    }
}
