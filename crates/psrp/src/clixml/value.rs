//! Any value as a tree, for everything that is not a listing.

use std::{collections::HashMap, rc::Rc};

use super::{
    Error,
    token::{Tag, Token, Tokens, is_space},
};
use crate::Limits;

/// A value of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `<Nil/>`.
    Null,
    /// A primitive value: the name of its element and its text as written.
    Scalar {
        /// `S`, `I32`, `B`, `DT`, `G` …
        kind: String,
        /// The text, unescaped and otherwise unchanged.
        text: String,
    },
    /// `<Obj>`.
    Object(Box<Object>),
    /// `<Ref>`: the object with this `RefId`, which may be one that contains the reference.
    Reference(u32),
}

/// A composite value (MS-PSRP 2.2.5.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// `RefId`.
    pub id: Option<u32>,
    /// Type names, most derived first; those of a `<TNRef>` included.
    pub types: Rc<[String]>,
    /// `<ToString>`.
    pub to_string: Option<String>,
    /// The primitive value that an object is built around.
    pub value: Option<Box<Value>>,
    /// Adapted properties (`Props`).
    pub adapted: Vec<(String, Value)>,
    /// Extended properties (`MS`).
    pub extended: Vec<(String, Value)>,
    /// The items of a list, stack or queue.
    pub items: Option<Vec<Value>>,
    /// The entries of a dictionary.
    pub entries: Option<Vec<(Value, Value)>>,
}

impl Object {
    /// A property, in any case of its name; extended before adapted.
    pub fn property(&self, name: &str) -> Option<&Value> {
        let all = self.extended.iter().chain(&self.adapted);
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Value {
    /// The text of a primitive value.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar { text, .. } => Some(text),
            Self::Object(object) => object.value.as_deref().and_then(Value::text),
            Self::Null | Self::Reference(_) => None,
        }
    }

    /// The object, if it is one.
    pub fn object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// A property of an object, in any case of its name; extended before adapted.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.object()?.property(name)
    }

    /// A number, if the text is one.
    pub fn number(&self) -> Option<i64> {
        self.text()?.parse().ok()
    }
}

/// The objects of a document by their `RefId`, so that a [`Value::Reference`] can be followed.
#[derive(Clone, Debug, Default)]
pub struct Objects<'a>(HashMap<u32, &'a Object>);

impl<'a> Objects<'a> {
    /// Finds the objects in a document.
    pub fn of(document: &'a Value) -> Self {
        let mut objects = Self::default();
        objects.add(document);
        objects
    }

    /// The object that a value is or refers to. It may contain the reference.
    pub fn resolve(&self, value: &'a Value) -> Option<&'a Object> {
        match value {
            Value::Reference(id) => self.0.get(id).copied(),
            value => value.object(),
        }
    }

    /// The depth of the recursion is that of the document, which is bounded.
    fn add(&mut self, value: &'a Value) {
        let Some(object) = value.object() else { return };
        if let Some(id) = object.id {
            self.0.entry(id).or_insert(object);
        }
        let properties = object.adapted.iter().chain(&object.extended).map(|(_, value)| value);
        let entries = object.entries.iter().flatten().flat_map(|(key, value)| [key, value]);
        for value in properties.chain(object.items.iter().flatten()).chain(entries) {
            self.add(value);
        }
    }
}

/// Reads a document with one value. Elements that MS-PSRP does not define are passed over.
pub fn decode(xml: &[u8], limits: &Limits) -> Result<Value, Error> {
    let mut reader = TreeReader { tokens: Tokens::new(xml, limits)?, types: HashMap::new() };
    let mut found = None;
    loop {
        match reader.tokens.next()? {
            Token::Open(tag) if found.is_none() && tag.name() == "Objs" && !tag.empty => {}
            Token::Open(tag) if found.is_none() => found = Some(reader.value(&tag)?),
            Token::Open(_) => return Err(Error::Malformed("a second value".into())),
            Token::Text(text) if is_space(&text) => {}
            Token::Text(_) => return Err(Error::Malformed("text outside of a value".into())),
            Token::Close => {}
            Token::End => return found.ok_or_else(|| Error::Malformed("there is no value".into())),
        }
    }
}

struct TreeReader<'a> {
    tokens: Tokens<'a>,
    types: HashMap<u32, Rc<[String]>>,
}

impl TreeReader<'_> {
    /// The value whose start tag was read. The depth of the recursion is that of the document, which is bounded.
    fn value(&mut self, tag: &Tag<'_>) -> Result<Value, Error> {
        match (tag.name(), tag.empty) {
            ("Nil", true) => Ok(Value::Null),
            ("Nil", false) => self.tokens.skip().map(|()| Value::Null),
            ("Ref", empty) => {
                if !empty {
                    self.tokens.skip()?;
                }
                tag.reference()
                    .map(Value::Reference)
                    .ok_or_else(|| Error::Malformed("a Ref without RefId".into()))
            }
            ("Obj", true) => Ok(Value::Object(Box::new(Object { id: tag.reference(), ..Object::default() }))),
            ("Obj", false) => self.object(tag.reference()).map(|object| Value::Object(Box::new(object))),
            (kind, true) => Ok(Value::Scalar { kind: kind.to_owned(), text: String::new() }),
            (kind, false) => {
                Ok(Value::Scalar { kind: kind.to_owned(), text: self.tokens.text()?.into_owned() })
            }
        }
    }

    fn object(&mut self, id: Option<u32>) -> Result<Object, Error> {
        let mut object = Object { id, ..Object::default() };
        while let Some(tag) = self.tokens.child()? {
            match (tag.name(), tag.empty) {
                ("TN", empty) => {
                    let names: Rc<[String]> = if empty { Rc::from([]) } else { self.texts()?.into() };
                    if let Some(id) = tag.reference() {
                        self.types.insert(id, names.clone());
                    }
                    object.types = names;
                }
                ("TNRef", empty) => {
                    if !empty {
                        self.tokens.skip()?;
                    }
                    let known = tag.reference().and_then(|id| self.types.get(&id));
                    object.types = known.cloned().unwrap_or_default();
                }
                ("ToString", true) => object.to_string = Some(String::new()),
                ("ToString", false) => object.to_string = Some(self.tokens.text()?.into_owned()),
                ("Props", false) => object.adapted = self.properties()?,
                ("MS", false) => object.extended = self.properties()?,
                ("Props" | "MS", true) => {}
                ("LST" | "STK" | "QUE" | "IE", true) => object.items = Some(Vec::new()),
                ("LST" | "STK" | "QUE" | "IE", false) => object.items = Some(self.items()?),
                ("DCT", true) => object.entries = Some(Vec::new()),
                ("DCT", false) => object.entries = Some(self.entries()?),
                _ => object.value = Some(Box::new(self.value(&tag)?)),
            }
        }
        Ok(object)
    }

    /// The names and values of properties, up to the end of their parent.
    fn properties(&mut self) -> Result<Vec<(String, Value)>, Error> {
        let mut properties = Vec::new();
        while let Some(tag) = self.tokens.child()? {
            let value = self.value(&tag)?;
            properties.push((tag.property()?.unwrap_or_default().into_owned(), value));
        }
        Ok(properties)
    }

    fn items(&mut self) -> Result<Vec<Value>, Error> {
        let mut items = Vec::new();
        while let Some(tag) = self.tokens.child()? {
            items.push(self.value(&tag)?);
        }
        Ok(items)
    }

    fn entries(&mut self) -> Result<Vec<(Value, Value)>, Error> {
        let mut entries = Vec::new();
        while let Some(entry) = self.tokens.child()? {
            if entry.empty {
                continue;
            }
            let (mut key, mut content) = (Value::Null, Value::Null);
            for (name, value) in self.properties()? {
                match name.as_str() {
                    "Key" => key = value,
                    "Value" => content = value,
                    _ => {}
                }
            }
            entries.push((key, content));
        }
        Ok(entries)
    }

    fn texts(&mut self) -> Result<Vec<String>, Error> {
        let mut texts = Vec::new();
        while let Some(tag) = self.tokens.child()? {
            texts.push(if tag.empty { String::new() } else { self.tokens.text()?.into_owned() });
        }
        Ok(texts)
    }
}
