//! A query, checked against the description of its entity. Only this leaves the crate; no text of the request does.

mod function;
mod scalar;

use exconn_model::schema::Value;

pub use function::Function;
pub use scalar::Scalar;

/// A comparison between two values of one type. Numbers are compared by value, texts by their characters' code points,
/// members of enumerations by number; false is less than true.
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

impl Comparison {
    /// The comparison that says the same with its sides exchanged.
    pub const fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// A value to be computed for each entity; the checker has seen to its types. Positions of properties are those of
/// [`exconn_model::schema::EntityType::properties`].
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// The value of a property.
    Property(usize),
    /// A value that is the same for every entity.
    Literal(Scalar),
    /// Both; false if one is false, else null if one is null.
    And(Box<Expression>, Box<Expression>),
    /// At least one; true if one is true, else null if one is null.
    Or(Box<Expression>, Box<Expression>),
    /// The opposite; null stays null.
    Not(Box<Expression>),
    /// A comparison of two values of one type; never null.
    Compare(Box<Expression>, Comparison, Box<Expression>),
    /// Equal to one of these; never null, and false if there are none.
    In(Box<Expression>, Vec<Scalar>),
    /// A function of values of the types that it takes.
    Call(Function, Vec<Expression>),
}

/// A condition on an entity: an [`Expression`] that is true, false or null. Three-valued as in OData: null is neither
/// true nor false, and an entity for which the whole condition is null is left out.
pub type Filter = Expression;

impl Expression {
    /// A comparison.
    pub fn compare(left: Self, comparison: Comparison, right: Self) -> Self {
        Self::Compare(Box::new(left), comparison, Box::new(right))
    }

    /// Both conditions.
    pub fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    /// At least one of two conditions.
    pub fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }
}

impl From<Value<'_>> for Expression {
    fn from(value: Value<'_>) -> Self {
        Self::Literal(value.into())
    }
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

/// Which entities of a collection are wanted, and in which order. Ties are always broken by id, in the direction of the
/// order's last criterion, so that an order and its opposite are each other's mirror image.
#[derive(Clone, Debug, Default, PartialEq)]
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

impl Query {
    /// All criteria of the order with the id that breaks ties. Nothing decides behind the id, so it is the last one.
    pub fn whole_order(&self) -> Vec<OrderBy> {
        let id = self.order.iter().position(|by| by.property == 0);
        match id {
            Some(at) => self.order.iter().take(at + 1).copied().collect(),
            None => {
                let descending = self.order.last().is_some_and(|by| by.descending);
                self.order.iter().copied().chain([OrderBy { property: 0, descending }]).collect()
            }
        }
    }
}
