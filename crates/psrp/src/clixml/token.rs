//! XML as CLIXML needs it: elements, their text, and two attributes.
//!
//! A reader of its own, because CLIXML is where the time of a listing goes: it looks at each byte of a tag once, takes the
//! two attributes as they come by, and validates UTF-8 in one go. It reads what XML 1.0 calls well-formed, without
//! document types; the tests hold it against the XML crate.

use std::borrow::Cow;

use super::{Error, escape::unescape};
use crate::Limits;

/// White space as XML knows it.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A start tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag<'a> {
    name: &'a str,
    /// The attributes `N` and `RefId`, still escaped.
    property: Option<&'a str>,
    reference: Option<&'a str>,
    /// `<Tag/>`: no end tag follows.
    pub(crate) empty: bool,
}

impl<'a> Tag<'a> {
    /// The name as it is written.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// The attribute `N`: the name of a property.
    pub(crate) fn property(&self) -> Result<Option<Cow<'a, str>>, Error> {
        let Some(raw) = self.property else { return Ok(None) };
        if memchr::memchr(b'&', raw.as_bytes()).is_none() {
            return Ok(Some(unescape(Cow::Borrowed(raw))));
        }
        let text = quick_xml::escape::unescape(raw).map_err(|_| unknown_reference())?;
        Ok(Some(unescape(text)))
    }

    /// The attribute `RefId`.
    pub(crate) fn reference(&self) -> Option<u32> {
        self.reference?.parse().ok()
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
    /// What is still to read.
    rest: &'a str,
    /// The names of the elements that are open.
    open: Vec<&'a str>,
    elements_left: usize,
    limits: Limits,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(xml: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        if xml.len() > limits.message_bytes {
            return Err(Error::TooLarge { limit: limits.message_bytes });
        }
        let text = std::str::from_utf8(xml).map_err(|_| Error::NotUtf8)?;
        let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ok(Self { rest, open: Vec::with_capacity(8), elements_left: limits.elements, limits: *limits })
    }

    /// The next tag or text. Text may come in several pieces; references to characters are resolved in them.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Error> {
        loop {
            let bytes = self.rest.as_bytes();
            match (bytes.first(), bytes.get(1)) {
                (None, _) if self.open.is_empty() => return Ok(Token::End),
                (None, _) => return Err(ends_early()),
                (Some(b'<'), Some(b'/')) => return self.close().map(|()| Token::Close),
                (Some(b'<'), Some(b'!' | b'?')) => {
                    if let Some(text) = self.aside()? {
                        return Ok(Token::Text(Cow::Borrowed(text)));
                    }
                }
                (Some(b'<'), _) => return self.open().map(Token::Open),
                (Some(b'&'), _) => return self.character().map(|text| Token::Text(text.into())),
                _ => return Ok(Token::Text(Cow::Borrowed(self.plain()))),
            }
        }
    }

    /// The next child's start tag, or `None` at the end of its parent. Text between children is passed over.
    #[inline]
    pub(crate) fn child(&mut self) -> Result<Option<Tag<'a>>, Error> {
        loop {
            match self.next()? {
                Token::Open(tag) => return Ok(Some(tag)),
                Token::Close => return Ok(None),
                Token::End => return Err(ends_early()),
                Token::Text(_) => {}
            }
        }
    }

    /// Passes over the rest of an element whose start tag was read.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let outside = self.open.len().saturating_sub(1);
        while self.open.len() > outside {
            if matches!(self.next()?, Token::End) {
                return Err(ends_early());
            }
        }
        Ok(())
    }

    /// The text up to the end of an element whose start tag was read. Elements inside are passed over.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        let text = self.plain();
        if self.rest.starts_with("</") {
            self.close()?;
            return Ok(unescape(Cow::Borrowed(text)));
        }
        Ok(unescape(Cow::Owned(self.mixed_text(text.to_owned())?)))
    }

    fn mixed_text(&mut self, mut whole: String) -> Result<String, Error> {
        loop {
            match self.next()? {
                Token::Close => return Ok(whole),
                Token::Text(piece) => whole.push_str(&piece),
                Token::Open(tag) if !tag.empty => self.skip()?,
                Token::Open(_) => {}
                Token::End => return Err(ends_early()),
            }
        }
    }

    /// Splits off what comes before the byte at `at`, and skips `and` bytes from there.
    #[inline]
    fn take(&mut self, at: usize, and: usize) -> Result<&'a str, Error> {
        let (before, behind) = self.rest.split_at_checked(at).ok_or_else(ends_early)?;
        self.rest = behind.get(and..).ok_or_else(ends_early)?;
        Ok(before)
    }

    /// Text up to the next tag or reference.
    #[inline]
    fn plain(&mut self) -> &'a str {
        let end = memchr::memchr2(b'<', b'&', self.rest.as_bytes()).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        text
    }

    /// An end tag.
    #[inline]
    fn close(&mut self) -> Result<(), Error> {
        let name = self.open.pop().ok_or_else(|| Error::Malformed("an end tag without its start".into()))?;
        let mismatch = || Error::Malformed(format!("<{name}> does not end with its own end tag"));
        let behind = self.rest.get(2..).and_then(|rest| rest.strip_prefix(name)).ok_or_else(mismatch)?;
        let behind = behind.strip_prefix('>').or_else(|| behind.trim_start_matches(SPACE).strip_prefix('>'));
        self.rest = behind.ok_or_else(mismatch)?;
        Ok(())
    }

    /// A start tag.
    #[inline]
    fn open(&mut self) -> Result<Tag<'a>, Error> {
        self.elements_left =
            self.elements_left.checked_sub(1).ok_or(Error::TooMany { limit: self.limits.elements })?;
        let end = self
            .rest
            .bytes()
            .skip(1)
            .position(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n'));
        let end = end.ok_or_else(ends_early)? + 1;
        let name = self.take(end, 0)?.get(1..).unwrap_or_default();
        if !name.starts_with(|first: char| first.is_alphabetic() || first == '_')
            || name.contains(['<', '&', '"', '\'', '='])
        {
            return Err(Error::Malformed("a tag without a name".into()));
        }
        let mut tag = Tag { name, property: None, reference: None, empty: false };
        loop {
            match self.rest.as_bytes() {
                [b'>', ..] => {
                    self.take(0, 1)?;
                    if self.open.len() >= self.limits.depth {
                        return Err(Error::TooDeep { limit: self.limits.depth });
                    }
                    self.open.push(name);
                    return Ok(tag);
                }
                [b'/', b'>', ..] => {
                    self.take(0, 2)?;
                    tag.empty = true;
                    return Ok(tag);
                }
                [b' ' | b'\t' | b'\r' | b'\n', ..] => {
                    self.take(0, 1)?;
                }
                [] => return Err(ends_early()),
                _ => self.attribute(&mut tag)?,
            }
        }
    }

    #[inline]
    fn attribute(&mut self, tag: &mut Tag<'a>) -> Result<(), Error> {
        let malformed = || Error::Malformed("an attribute is not of the form name=\"value\"".into());
        let end = self.rest.bytes().position(|byte| matches!(byte, b'=' | b'>' | b'<' | b'"' | b'\''));
        let name = self.take(end.ok_or_else(malformed)?, 0)?.trim_matches(SPACE);
        let value = self.rest.strip_prefix('=').ok_or_else(malformed)?.trim_start_matches(SPACE);
        let quote = value.as_bytes().first().copied().filter(|quote| matches!(quote, b'"' | b'\''));
        self.rest = value.get(1..).ok_or_else(malformed)?;
        let end = memchr::memchr2(quote.ok_or_else(malformed)?, b'<', self.rest.as_bytes());
        let value = self.take(end.ok_or_else(malformed)?, 0)?;
        self.rest = self.rest.strip_prefix(['"', '\'']).ok_or_else(malformed)?;
        if !self.rest.starts_with([' ', '>', '/', '\t', '\r', '\n']) {
            return Err(malformed());
        }
        match name {
            name if name.is_empty() || name.contains([' ', '\t', '\r', '\n', '/', '&']) => {
                return Err(malformed());
            }
            "N" => tag.property = Some(value),
            "RefId" => tag.reference = Some(value),
            _ => {}
        }
        Ok(())
    }

    /// A comment, a processing instruction or a declaration, which say nothing; or a CDATA section, which is text.
    #[cold]
    fn aside(&mut self) -> Result<Option<&'a str>, Error> {
        let (start, end) = match self.rest.as_bytes() {
            [b'<', b'?', b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => ("<?", "?>"),
            [b'<', b'!', b'-', b'-', ..] => ("<!--", "-->"),
            [b'<', b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', ..] => ("<![CDATA[", "]]>"),
            _ => return Err(Error::Malformed("what begins with <! or <? is not CLIXML".into())),
        };
        let content = self.rest.get(start.len()..).unwrap_or_default();
        let (content, rest) = content.split_once(end).ok_or_else(ends_early)?;
        self.rest = rest;
        Ok((start == "<![CDATA[").then_some(content))
    }

    /// What a reference such as `&amp;` or `&#10;` stands for.
    #[cold]
    fn character(&mut self) -> Result<String, Error> {
        // The longest that XML knows is `&#x10FFFF;`; zeros may make it longer.
        let end = self.rest.bytes().take(32).position(|byte| byte == b';').ok_or_else(unknown_reference)?;
        let reference = self.rest.get(..=end).ok_or_else(unknown_reference)?;
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        let text = quick_xml::escape::unescape(reference).map_err(|_| unknown_reference())?;
        Ok(text.into_owned())
    }
}

/// Whether text between elements says nothing.
pub(crate) fn is_space(text: &str) -> bool {
    text.trim_matches(SPACE).is_empty()
}

#[cold]
fn unknown_reference() -> Error {
    Error::Malformed("a reference to a character is unknown".into())
}

#[cold]
fn ends_early() -> Error {
    Error::Malformed("the document ends in the middle of an element".into())
}
