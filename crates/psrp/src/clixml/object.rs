//! One object of a listing, property by property, without a tree.

use std::borrow::Cow;

use super::{
    Error,
    token::{Tag, Token, Tokens, is_space},
};
use crate::Limits;

/// The value of a property, as far as a listing needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// `<Nil/>`.
    Null,
    /// A primitive value with the name of its element (`S`, `G`, `DT`, `B`, `I32` …) and its text as written.
    Scalar(&'a str, Cow<'a, str>),
    /// A composite value, or a reference to one: its `<ToString>`, if it has one. The items of a list come before it.
    Composite(Option<Cow<'a, str>>),
}

/// Receives what an object consists of, in the order of the document.
pub trait ObjectVisitor {
    /// A property of the object itself, adapted (`Props`) or extended (`MS`).
    ///
    /// # Errors
    /// [`Error::Refused`] ends the reading.
    fn property(&mut self, name: &str, value: Property<'_>) -> Result<(), Error>;

    /// A primitive item of the list that a property is. Passed over unless this is overridden.
    ///
    /// # Errors
    /// [`Error::Refused`] ends the reading.
    fn item(&mut self, _name: &str, _value: Property<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// A type name of the object, the most derived one first. Passed over unless this is overridden.
    ///
    /// # Errors
    /// [`Error::Refused`] ends the reading.
    fn type_name(&mut self, _name: &str) -> Result<(), Error> {
        Ok(())
    }

    /// The object's own `<ToString>`. Passed over unless this is overridden.
    ///
    /// # Errors
    /// [`Error::Refused`] ends the reading.
    fn to_string(&mut self, _text: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// Reads one object. A value that is not an object (`<S>…</S>`) has no properties and is an error.
pub fn decode_object(xml: &[u8], limits: &Limits, visitor: &mut impl ObjectVisitor) -> Result<(), Error> {
    let mut tokens = Tokens::new(xml, limits)?;
    let mut seen = false;
    loop {
        match tokens.next()? {
            Token::Open(tag) if !seen && tag.name() == "Obj" => {
                seen = true;
                if !tag.empty {
                    members(&mut tokens, visitor)?;
                }
            }
            Token::Open(tag) => {
                return Err(Error::Malformed(format!("an object was due, not <{}>", tag.name())));
            }
            Token::Text(text) if is_space(&text) => {}
            Token::Text(_) | Token::Close => {
                return Err(Error::Malformed("text outside of the object".into()));
            }
            Token::End if seen => return Ok(()),
            Token::End => return Err(Error::Malformed("there is no object".into())),
        }
    }
}

/// The children of the object.
fn members(tokens: &mut Tokens<'_>, visitor: &mut impl ObjectVisitor) -> Result<(), Error> {
    while let Some(tag) = tokens.child()? {
        match (tag.name(), tag.empty) {
            ("Props" | "MS", false) => properties(tokens, visitor)?,
            ("TN", false) => {
                while let Some(tag) = tokens.child()? {
                    if !tag.empty {
                        visitor.type_name(&tokens.text()?)?;
                    }
                }
            }
            ("ToString", false) => visitor.to_string(&tokens.text()?)?,
            ("ToString", true) => visitor.to_string("")?,
            (_, false) => tokens.skip()?,
            (_, true) => {}
        }
    }
    Ok(())
}

fn properties(tokens: &mut Tokens<'_>, visitor: &mut impl ObjectVisitor) -> Result<(), Error> {
    while let Some(tag) = tokens.child()? {
        let name = tag.property()?;
        let value = match (tag.name(), tag.empty) {
            ("Obj", false) => composite(tokens, name.as_deref().unwrap_or_default(), visitor)?,
            _ => simple(tokens, &tag)?,
        };
        if let Some(name) = name {
            visitor.property(&name, value)?;
        }
    }
    Ok(())
}

fn simple<'v, 't: 'v>(tokens: &mut Tokens<'t>, tag: &'v Tag<'_>) -> Result<Property<'v>, Error> {
    let name = tag.name();
    if matches!(name, "Nil" | "Ref" | "Obj") {
        if !tag.empty {
            tokens.skip()?;
        }
        return Ok(if name == "Nil" { Property::Null } else { Property::Composite(None) });
    }
    Ok(Property::Scalar(name, if tag.empty { Cow::Borrowed("") } else { tokens.text()? }))
}

/// A composite value whose start tag was read: its `<ToString>` and its items; the rest is passed over.
fn composite<'t>(
    tokens: &mut Tokens<'t>,
    name: &str,
    visitor: &mut impl ObjectVisitor,
) -> Result<Property<'t>, Error> {
    let mut to_string = None;
    while let Some(tag) = tokens.child()? {
        match (tag.name(), tag.empty) {
            ("ToString", false) => to_string = Some(tokens.text()?),
            ("ToString", true) => to_string = Some(Cow::Borrowed("")),
            ("LST" | "IE" | "QUE" | "STK", false) => {
                while let Some(tag) = tokens.child()? {
                    match simple(tokens, &tag)? {
                        Property::Composite(_) => {}
                        item => visitor.item(name, item)?,
                    }
                }
            }
            (_, false) => tokens.skip()?,
            (_, true) => {}
        }
    }
    Ok(Property::Composite(to_string))
}
