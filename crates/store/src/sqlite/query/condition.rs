//! Expressions as SQL. Three-valued logic is SQLite's own; where OData's comparisons know no null, SQL is told so.

use exconn_odata::query::{Comparison, Expression, Function, Scalar};

use super::{
    Sql,
    functions::{self, Form},
};

/// What becomes of a condition that is null.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Null {
    /// It is left out like one that is false, so the plainest SQL will do, which is also what an index is used for.
    IsFalse,
    /// It is told from false, for instance because `not` stands before it.
    Stays,
}

impl Sql {
    /// Writes the condition that rows must satisfy.
    pub(super) fn condition(&mut self, filter: &Expression) {
        self.truth(filter, Null::IsFalse);
    }

    fn truth(&mut self, condition: &Expression, null: Null) {
        match condition {
            Expression::And(left, right) => self.junction(left, " AND ", right, null),
            Expression::Or(left, right) => self.junction(left, " OR ", right, null),
            Expression::Not(inner) => {
                self.push("(NOT ");
                self.truth(inner, Null::Stays);
                self.push(")");
            }
            Expression::Compare(left, comparison, right) => self.compare(left, *comparison, right, null),
            Expression::In(operand, values) => self.is_in(operand, values, null),
            Expression::Call(Function::StartsWith, arguments) if null == Null::IsFalse => {
                match arguments.as_slice() {
                    [Expression::Property(property), Expression::Literal(Scalar::Text(start))] => {
                        self.starts_with(*property, start);
                    }
                    _ => self.value(condition),
                }
            }
            Expression::Property(_) | Expression::Literal(_) | Expression::Call(..) => self.value(condition),
        }
    }

    fn value(&mut self, expression: &Expression) {
        match expression {
            Expression::Property(position) => {
                let column = self.column(*position);
                self.push(column.sql);
            }
            Expression::Literal(scalar) => self.bind(scalar),
            Expression::Call(function, arguments) => self.call(*function, arguments),
            condition => self.truth(condition, Null::Stays),
        }
    }

    fn junction(&mut self, left: &Expression, word: &str, right: &Expression, null: Null) {
        self.push("(");
        self.truth(left, null);
        self.push(word);
        self.truth(right, null);
        self.push(")");
    }

    fn infix(&mut self, left: &Expression, operator: &str, right: &Expression) {
        self.value(left);
        self.push(operator);
        self.value(right);
    }

    fn compare(&mut self, left: &Expression, comparison: Comparison, right: &Expression, null: Null) {
        if is_null(right) {
            return self.compare_with_null(left, comparison);
        }
        if is_null(left) {
            return self.compare_with_null(right, comparison.turned());
        }
        let (left_nullable, right_nullable) = (self.is_nullable(left), self.is_nullable(right));
        let any_nullable = left_nullable || right_nullable;
        let both_nullable = left_nullable && right_nullable;
        let or_false = any_nullable && null == Null::Stays;
        let operator = match comparison {
            Comparison::Equal if both_nullable || or_false => " IS ",
            Comparison::Equal => " = ",
            Comparison::NotEqual if any_nullable => " IS NOT ",
            Comparison::NotEqual => " <> ",
            Comparison::Less => " < ",
            Comparison::LessOrEqual => " <= ",
            Comparison::Greater => " > ",
            Comparison::GreaterOrEqual => " >= ",
        };
        match comparison {
            Comparison::LessOrEqual | Comparison::GreaterOrEqual if both_nullable => {
                self.compare_or_both_null(left, comparison, right);
            }
            Comparison::Equal | Comparison::NotEqual => {
                self.push("(");
                self.infix(left, operator, right);
                self.push(")");
            }
            _ if or_false => {
                self.push("coalesce(");
                self.infix(left, operator, right);
                self.push(", 0)");
            }
            _ => {
                self.push("(");
                self.infix(left, operator, right);
                self.push(")");
            }
        }
    }

    fn compare_with_null(&mut self, operand: &Expression, comparison: Comparison) {
        match comparison {
            Comparison::Less | Comparison::Greater => self.push("0"),
            Comparison::NotEqual => {
                self.push("(");
                self.value(operand);
                self.push(" IS NOT NULL)");
            }
            Comparison::Equal | Comparison::LessOrEqual | Comparison::GreaterOrEqual => {
                self.push("(");
                self.value(operand);
                self.push(" IS NULL)");
            }
        }
    }

    /// A function, because SQL would have to name each side twice, and nested sides would double each time.
    fn compare_or_both_null(&mut self, left: &Expression, comparison: Comparison, right: &Expression) {
        self.push(match comparison {
            Comparison::LessOrEqual => functions::LESS_OR_EQUAL,
            _ => functions::GREATER_OR_EQUAL,
        });
        self.push("(");
        self.infix(left, ", ", right);
        self.push(")");
    }

    fn is_in(&mut self, operand: &Expression, values: &[Scalar], null: Null) {
        let known: Vec<&Scalar> = values.iter().filter(|value| **value != Scalar::Null).collect();
        let has_null = known.len() < values.len();
        if known.is_empty() {
            return match has_null {
                true => self.compare_with_null(operand, Comparison::Equal),
                false => self.push("0"),
            };
        }
        // Of a null operand, `IN` says null where null is not among the values.
        let is_plain = !has_null && (null == Null::IsFalse || !self.is_nullable(operand));
        self.push(if is_plain { "(" } else { "coalesce(" });
        self.value(operand);
        self.push(" IN (");
        for (number, value) in known.into_iter().enumerate() {
            self.push(if number == 0 { "" } else { ", " });
            self.bind(value);
        }
        self.push(match (is_plain, has_null) {
            (true, _) => "))",
            (false, true) => "), 1)",
            (false, false) => "), 0)",
        });
    }

    fn call(&mut self, function: Function, arguments: &[Expression]) {
        let (before, between, behind) = match functions::form(function) {
            Form::Native(before, between, behind) => (before, between, behind),
            Form::Registered(name) => {
                self.push(name);
                ("(", ", ", ")")
            }
        };
        self.push(before);
        for (number, argument) in arguments.iter().enumerate() {
            self.push(if number == 0 { "" } else { between });
            self.value(argument);
        }
        self.push(behind);
    }

    /// Texts that start so are a range of the order of texts.
    fn starts_with(&mut self, property: usize, start: &str) {
        let column = self.column(property).sql;
        self.push(&format!("({column} >= "));
        self.bind(&Scalar::text(start.to_owned()));
        if let Some(end) = behind_all_with(start) {
            self.push(&format!(" AND {column} < "));
            self.bind(&Scalar::text(end));
        }
        self.push(")");
    }

    fn is_nullable(&self, expression: &Expression) -> bool {
        match expression {
            Expression::Property(position) => self.column(*position).nullable,
            Expression::Literal(scalar) => *scalar == Scalar::Null,
            Expression::Compare(..) | Expression::In(..) => false,
            // Conditions and functions of what may be null, and functions without a result.
            _ => true,
        }
    }
}

fn is_null(expression: &Expression) -> bool {
    matches!(expression, Expression::Literal(Scalar::Null))
}

/// The least text greater than all that start so; none if there is no greater one.
fn behind_all_with(start: &str) -> Option<String> {
    let mut end: Vec<char> = start.chars().collect();
    while let Some(last) = end.pop() {
        // Surrogates are no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_range_is_the_next_text() {
        for (start, end) in [
            ("", None),
            ("a", Some("b")),
            ("aZ", Some("a[")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}\u{10ffff}", None),
            ("\u{d7ff}", Some("\u{e000}")),
        ] {
            assert_eq!(behind_all_with(start).as_deref(), end, "{start:?}");
        }
    }
}
