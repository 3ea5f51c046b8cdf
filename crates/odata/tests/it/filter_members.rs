//! Members of enumerations above `unknownFutureValue`, which older clients do not know.

use exconn_model::{
    Timestamp,
    schema::{self, EntityType, EnumMember, EnumType, Property},
};
use exconn_odata::{
    filter::{self, Context, FilterError},
    query::{Comparison, Expression, Filter, Scalar},
};

const fn member(name: &'static str, number: i32) -> EnumMember {
    EnumMember { name, number, documentation: "" }
}

static EVOLVED: EnumType = EnumType {
    name: "evolved",
    documentation: "",
    members: &[member("old", 1), member("unknownFutureValue", 2), member("new", 3), member("newer", 4)],
    has_sentinel: true,
};

static EVOLVING: EntityType = EntityType::read_only(
    "evolving",
    "",
    &[schema::key(), Property { nullable: true, ..schema::enumeration("e", &EVOLVED, "") }],
);

fn parse(text: &str, unknown_members: bool) -> Result<Filter, FilterError> {
    let context = Context { now: Timestamp::UNSET, unknown_members };
    filter::parse(text, &EVOLVING, context, &[]).map(|parsed| parsed.filter)
}

fn by_number(comparison: Comparison, number: i32) -> Expression {
    let literal = Expression::Literal(Scalar::Enum(&EVOLVED, number));
    Expression::compare(Expression::Property(1), comparison, literal)
}

fn above() -> Expression {
    by_number(Comparison::Greater, 2)
}

#[test]
fn the_placeholder_stands_for_all_members_above_it() {
    use Comparison::{Equal, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    for (given, masked, shown) in [
        ("e eq 'unknownFutureValue'", above(), by_number(Equal, 2)),
        ("e ne unknownFutureValue", Expression::Not(Box::new(above())), by_number(NotEqual, 2)),
        ("e gt 'unknownFutureValue'", above(), above()),
        (
            "unknownFutureValue lt e",
            above(),
            Expression::compare(
                Expression::Literal(Scalar::Enum(&EVOLVED, 2)),
                Less,
                Expression::Property(1),
            ),
        ),
        ("e ge 'unknownFutureValue'", above(), by_number(GreaterOrEqual, 2)),
        ("e lt evolved'unknownFutureValue'", by_number(Less, 2), by_number(Less, 2)),
        ("e le 'unknownFutureValue'", by_number(LessOrEqual, i32::MAX), by_number(LessOrEqual, 2)),
    ] {
        assert_eq!(parse(given, false), Ok(masked), "{given}");
        assert_eq!(parse(given, true), Ok(shown), "{given}");
    }
    let list = Expression::In(
        Box::new(Expression::Property(1)),
        [1, 2].map(|number| Scalar::Enum(&EVOLVED, number)).to_vec(),
    );
    assert_eq!(parse("e in (old,unknownFutureValue)", false), Ok(list.clone().or(above())));
    assert_eq!(parse("e in (old,unknownFutureValue)", true), Ok(list));
}

#[test]
fn members_above_it_are_known_to_those_who_ask_for_them() {
    for text in ["e eq 'new'", "e eq evolved'newer'", "e in (old,new)", "e lt '3'"] {
        let error = parse(text, false).expect_err(text).to_string();
        assert!(error.contains("Prefer: include-unknown-enum-members"), "{error}");
        assert!(parse(text, true).is_ok(), "{text}");
    }
    let error = parse("e eq 'bogus'", false).expect_err("bogus").to_string();
    assert!(error.ends_with("its members are old, unknownFutureValue"), "{error}");
}
