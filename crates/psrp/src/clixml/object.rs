//! One object of a listing, property by property, without a tree.

use std::borrow::Cow;

use super::{
    Error,
    token::{Tag, Token, Tokens},
};
use crate::Limits;

/// The value of a property, as far as a listing needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// `<Nil/>`.
    Null,
    /// A primitive value with the name of its element (`S`, `G`, `DT`, `B`, `I32` …) and its text as written.
    Scalar(&'a str, Cow<'a, str>),
    /// A composite value: its `<ToString>`, if it has one.
    Composite(Option<Cow<'a, str>>),
}

/// Receives what an object consists of, in the order of the document.
pub trait ObjectVisitor {
    /// A property of the object itself, adapted (`Props`) or extended (`MS`).
    ///
    /// # Errors
    /// [`Error::Refused`] ends the reading.
    fn property(&mut self, name: &str, value: Property<'_>) -> Result<(), Error>;
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
            Token::Text(text) if text.trim().is_empty() => {}
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
    loop {
        match tokens.next()? {
            Token::Close => return Ok(()),
            Token::Open(tag) if !tag.empty => match tag.name() {
                "Props" | "MS" => properties(tokens, visitor)?,
                _ => tokens.skip()?,
            },
            Token::End => return Err(Error::Malformed("the object does not end".into())),
            Token::Open(_) | Token::Text(_) => {}
        }
    }
}

fn properties(tokens: &mut Tokens<'_>, visitor: &mut impl ObjectVisitor) -> Result<(), Error> {
    loop {
        match tokens.next()? {
            Token::Close => return Ok(()),
            Token::Open(tag) => {
                let value = value(tokens, &tag)?;
                if let Some(name) = tag.property() {
                    visitor.property(&name, value)?;
                }
            }
            Token::End => return Err(Error::Malformed("the properties do not end".into())),
            Token::Text(_) => {}
        }
    }
}

fn value<'v, 't: 'v>(tokens: &mut Tokens<'t>, tag: &'v Tag<'_>) -> Result<Property<'v>, Error> {
    match (tag.name(), tag.empty) {
        ("Nil", true) => Ok(Property::Null),
        ("Nil", false) => tokens.skip().map(|()| Property::Null),
        ("Obj" | "Ref", true) => Ok(Property::Composite(None)),
        ("Obj" | "Ref", false) => composite(tokens).map(Property::Composite),
        (name, true) => Ok(Property::Scalar(name, Cow::Borrowed(""))),
        (name, false) => Ok(Property::Scalar(name, tokens.text()?)),
    }
}

/// The `<ToString>` of a composite value whose start tag was read; the rest is passed over.
fn composite<'t>(tokens: &mut Tokens<'t>) -> Result<Option<Cow<'t, str>>, Error> {
    let mut to_string = None;
    loop {
        match tokens.next()? {
            Token::Close => return Ok(to_string),
            Token::Open(tag) if tag.empty => {}
            Token::Open(tag) if tag.name() == "ToString" => to_string = Some(tokens.text()?),
            Token::Open(_) => tokens.skip()?,
            Token::End => return Err(Error::Malformed("a value does not end".into())),
            Token::Text(_) => {}
        }
    }
}
