//! A query, checked against the description of its entity. Only this leaves the crate; no text of the request does.

use exconn_model::schema::Value;

/// A comparison between a property and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`; null equals null.
    Equal,
    /// `ne`; null differs from every value.
    NotEqual,
    /// `lt`; false if a side is null.
    Less,
    /// `le`; false if exactly one side is null, true if both are.
    LessOrEqual,
    /// `gt`; false if a side is null.
    Greater,
    /// `ge`; false if exactly one side is null, true if both are.
    GreaterOrEqual,
}

/// A function of two texts that yields true or false; null if a text is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// `contains`.
    Contains,
    /// `startswith`.
    StartsWith,
    /// `endswith`.
    EndsWith,
}

/// What stands on either side of a comparison. Positions are those of [`exconn_model::schema::EntityType::properties`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The value of a property.
    Property(usize),
    /// A literal, already of the type of the other side.
    Literal(Value<'static>),
}

/// A condition on an entity. Three-valued as in OData: null is neither true nor false, and an entity for which the
/// whole condition is null is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// At least one.
    Or(Box<Filter>, Box<Filter>),
    /// The opposite; null stays null.
    Not(Box<Filter>),
    /// A comparison of operands of one type.
    Compare(Operand, Comparison, Operand),
    /// `property in (…)`: equal to one of the literals.
    In(Operand, Vec<Value<'static>>),
    /// A test of two texts: first the one searched in, then the one searched for.
    Text(TextTest, Operand, Operand),
    /// A Boolean property or literal that stands alone.
    Truth(Operand),
}

/// One criterion of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderBy {
    /// Position of the property.
    pub property: usize,
    /// From the greatest to the least. Null is less than every value.
    pub descending: bool,
}

/// Where the previous page ended: the values of the order's properties and the id of its last entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// One value for each criterion of [`Query::order`].
    pub keys: Vec<Value<'static>>,
    /// The last entity's id, which breaks ties.
    pub id: String,
}

/// Which entities of a collection are wanted, and in which order. Ties are always broken by ascending id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Entities that satisfy this condition; all where absent.
    pub filter: Option<Filter>,
    /// The order's criteria, without the final id.
    pub order: Vec<OrderBy>,
    /// Entities to leave out at the front; 0 if `after` is given.
    pub skip: u64,
    /// At most so many entities.
    pub limit: u32,
    /// Only entities behind this one in the order.
    pub after: Option<After>,
}
