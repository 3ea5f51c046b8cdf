//! XML as CLIXML needs it: elements, their text, and three attributes.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{Error, escape::unescape};
use crate::Limits;

/// A start tag.
#[derive(Debug)]
pub(crate) struct Tag<'a> {
    start: BytesStart<'a>,
    /// `<Tag/>`: no end tag follows.
    pub(crate) empty: bool,
}

impl Tag<'_> {
    /// The name as it is written.
    pub(crate) fn name(&self) -> &str {
        self.start.name().into_inner()
    }

    /// The value of an attribute, still escaped.
    fn attribute(&self, name: &str) -> Option<&str> {
        let mut rest = self.start.attributes_raw();
        loop {
            let (key, behind) = rest.split_once('=')?;
            let behind = behind.trim_start();
            let quote = behind.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, behind) = behind.get(1..)?.split_once(quote)?;
            if key.trim() == name {
                return Some(value);
            }
            rest = behind;
        }
    }

    /// The attribute `N`: the name of a property.
    pub(crate) fn property(&self) -> Option<Cow<'_, str>> {
        self.attribute("N").map(|raw| {
            let text = quick_xml::escape::unescape(raw).unwrap_or(Cow::Borrowed(raw));
            unescape(text)
        })
    }

    /// The attribute `RefId`.
    pub(crate) fn reference(&self) -> Option<u32> {
        self.attribute("RefId")?.parse().ok()
    }
}

pub(crate) enum Token<'a> {
    Open(Tag<'a>),
    Close,
    Text(Cow<'a, str>),
    End,
}

/// Reads a document and counts its elements and their depth.
pub(crate) struct Tokens<'a> {
    reader: Reader<&'a [u8]>,
    elements: usize,
    depth: usize,
    max_elements: usize,
    max_depth: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(xml: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        if xml.len() > limits.message_bytes {
            return Err(Error::TooLarge { limit: limits.message_bytes });
        }
        let text = std::str::from_utf8(xml).map_err(|_| Error::NotUtf8)?;
        let reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        Ok(Self { reader, elements: 0, depth: 0, max_elements: limits.elements, max_depth: limits.depth })
    }

    /// The next tag or text. Text may come in several pieces; references to characters are resolved in them.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Error> {
        loop {
            let event = self.reader.read_event().map_err(|error| Error::Malformed(error.to_string()))?;
            return Ok(match event {
                Event::Start(start) => {
                    self.count()?;
                    self.depth += 1;
                    if self.depth > self.max_depth {
                        return Err(Error::TooDeep { limit: self.max_depth });
                    }
                    Token::Open(Tag { start, empty: false })
                }
                Event::Empty(start) => {
                    self.count()?;
                    Token::Open(Tag { start, empty: true })
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::Close
                }
                Event::Text(text) => Token::Text(text.into_inner()),
                Event::CData(text) => Token::Text(text.into_inner()),
                Event::GeneralRef(name) => Token::Text(Cow::Owned(character(&name)?)),
                Event::Eof if self.depth == 0 => Token::End,
                Event::Eof => {
                    return Err(Error::Malformed("the document ends in the middle of an element".into()));
                }
                Event::DocType(_) => return Err(Error::Malformed("a document type is not allowed".into())),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
            });
        }
    }

    /// Passes over the rest of an element whose start tag was read.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if matches!(self.next()?, Token::End) {
                return Err(Error::Malformed("the document ends in the middle of an element".into()));
            }
        }
        Ok(())
    }

    /// The text up to the end of an element whose start tag was read. Elements inside are passed over.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        let mut whole: Cow<'a, str> = Cow::Borrowed("");
        loop {
            match self.next()? {
                Token::Close => return Ok(unescape(whole)),
                Token::Text(piece) if whole.is_empty() => whole = piece,
                Token::Text(piece) => whole.to_mut().push_str(&piece),
                Token::Open(tag) if !tag.empty => self.skip()?,
                Token::Open(_) => {}
                Token::End => {
                    return Err(Error::Malformed("the document ends in the middle of an element".into()));
                }
            }
        }
    }

    fn count(&mut self) -> Result<(), Error> {
        self.elements += 1;
        if self.elements > self.max_elements {
            return Err(Error::TooMany { limit: self.max_elements });
        }
        Ok(())
    }
}

/// What a reference such as `&amp;` or `&#10;` stands for.
fn character(name: &quick_xml::events::BytesRef<'_>) -> Result<String, Error> {
    let unknown = || Error::Malformed("a reference to a character is unknown".into());
    if let Some(character) = name.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(character.into());
    }
    let known = match &**name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(unknown()),
    };
    Ok(known.into())
}
