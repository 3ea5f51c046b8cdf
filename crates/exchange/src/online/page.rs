use std::{fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::json::{Skip, Texts};
use crate::rows::Mapper;

/// Largest page, in bytes without compression: about 2.5 kB a device in pages of a thousand, with room for an interface
/// that sends all at once.
pub(super) const MAX_PAGE: usize = 64 * 1024 * 1024;
/// Most objects of a page.
const MAX_OBJECTS: usize = 50_000;
/// How deep the value of one of the page's own members is nested.
const MEMBER: usize = 2;
/// How deep the value of an object's property is nested: page, list, object, value.
const PROPERTY: usize = 4;

/// One page of a cmdlet's output (OData JSON 4.0, with the interface's own annotations).
#[derive(Debug)]
pub(super) struct Page<R> {
    /// The objects, if the page had a list of them at all.
    pub(super) rows: Option<Vec<R>>,
    /// Where the next page is.
    pub(super) next_link: Option<String>,
    /// What Exchange warns of, shortened.
    pub(super) warnings: Vec<String>,
    /// What Exchange would do after a confirmation. Nothing was done.
    pub(super) confirmation: Vec<String>,
    /// What went wrong, shortened. Objects beside an error cannot be all.
    pub(super) errors: Vec<String>,
}

impl<R> Default for Page<R> {
    fn default() -> Self {
        Self {
            rows: None,
            next_link: None,
            warnings: Vec::new(),
            confirmation: Vec::new(),
            errors: Vec::new(),
        }
    }
}

/// Reads a page.
///
/// # Errors
/// If it is no JSON object of that form, breaks a bound, or an object is not what the mapper takes.
pub(super) fn read<M: Mapper>(body: &[u8]) -> Result<Page<M::Row>, serde_json::Error> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut json = serde_json::Deserializer::from_slice(body);
    let page = PageSeed::<M>(PhantomData).deserialize(&mut json)?;
    json.end()?;
    Ok(page)
}

/// Whether a warning says that objects were left out. The parameter's name stands in it in every language.
pub(super) fn says_truncated(warning: &str) -> bool {
    let compact = warning.replace(' ', "").to_lowercase();
    compact.contains("resultsize") || compact.contains("moreresults")
}

struct PageSeed<M>(PhantomData<M>);

impl<'de, M: Mapper> DeserializeSeed<'de> for PageSeed<M> {
    type Value = Page<M::Row>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, M: Mapper> Visitor<'de> for PageSeed<M> {
    type Value = Page<M::Row>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut page = Page::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "value" if page.rows.is_some() => return Err(A::Error::custom("value stands there twice")),
                "value" => page.rows = Some(map.next_value_seed(RowsSeed::<M>(PhantomData))?),
                // OData JSON 4.01 lets a server leave out the prefix.
                "@odata.nextLink" | "@nextLink" => page.next_link = map.next_value()?,
                "@adminapi.warnings" => {
                    map.next_value_seed(Texts { into: &mut page.warnings, depth: MEMBER })?;
                }
                "@adminapi.confirmationmessage" => {
                    map.next_value_seed(Texts { into: &mut page.confirmation, depth: MEMBER })?;
                }
                "@adminapi.errors" | "error" => {
                    let is_error = map.next_value_seed(Texts { into: &mut page.errors, depth: MEMBER })?;
                    if is_error && page.errors.is_empty() {
                        page.errors.push("it does not say why".into());
                    }
                }
                _ => map.next_value_seed(Skip { depth: MEMBER })?,
            }
        }
        Ok(page)
    }
}

struct RowsSeed<M>(PhantomData<M>);

impl<'de, M: Mapper> DeserializeSeed<'de> for RowsSeed<M> {
    type Value = Vec<M::Row>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, M: Mapper> Visitor<'de> for RowsSeed<M> {
    type Value = Vec<M::Row>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(mapper) = list.next_element_seed(Object(M::default()))? {
            if rows.len() == MAX_OBJECTS {
                return Err(A::Error::custom(format_args!("a page has more than {MAX_OBJECTS} objects")));
            }
            let number = rows.len() + 1;
            let refused = |reason| A::Error::custom(format_args!("object {number} of the page: {reason}"));
            rows.push(mapper.finish().map_err(refused)?);
        }
        Ok(rows)
    }
}

/// One object; its properties go to the mapper as they come.
struct Object<M>(M);

impl<'de, M: Mapper> DeserializeSeed<'de> for Object<M> {
    type Value = M;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<M, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, M: Mapper> Visitor<'de> for Object<M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<M, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name.contains('@') {
                // "Name@odata.type" and "Name@data.type" say what is known anyway.
                map.next_value_seed(Skip { depth: PROPERTY })?;
            } else {
                map.next_value_seed(Value { mapper: &mut self.0, name: &name, depth: PROPERTY })?;
            }
        }
        Ok(self.0)
    }
}

/// The value of a property: a text for the mapper, or several of a list. Objects and `null` are none.
struct Value<'a, M> {
    mapper: &'a mut M,
    name: &'a str,
    /// [`PROPERTY`], or one more in the property's list.
    depth: usize,
}

impl<M: Mapper> Value<'_, M> {
    fn take(self, text: &str) {
        if self.depth == PROPERTY {
            self.mapper.property(self.name, text);
        } else {
            self.mapper.item(self.name, text);
        }
    }
}

impl<'de, M: Mapper> DeserializeSeed<'de> for Value<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, M: Mapper> Visitor<'de> for Value<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.take(text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.take(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.take(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.take(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.take(&value.to_string());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.depth > PROPERTY {
            return Skip { depth: self.depth + 1 }.visit_seq(list);
        }
        let Value { mapper, name, depth } = self;
        while list.next_element_seed(Value { mapper: &mut *mapper, name, depth: depth + 1 })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Skip { depth: self.depth + 1 }.visit_map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps all it is given.
    #[derive(Debug, Default)]
    struct Seen(Vec<String>);

    impl Mapper for Seen {
        type Row = Vec<String>;

        fn property(&mut self, name: &str, text: &str) {
            self.0.push(format!("{name}={text}"));
        }

        fn item(&mut self, name: &str, text: &str) {
            self.0.push(format!("{name}[]={text}"));
        }

        fn finish(self) -> Result<Vec<String>, String> {
            if self.0.is_empty() { Err("nothing".into()) } else { Ok(self.0) }
        }
    }

    fn read(json: &str) -> Result<Page<Vec<String>>, serde_json::Error> {
        super::read::<Seen>(json.as_bytes())
    }

    #[test]
    fn properties_are_texts_and_side_cars_are_none() {
        let page = read(
            r##"{"@odata.context":"x","adminapi.warnings@odata.type":"#Collection(String)",
                "@adminapi.warnings":["a  b",null,3],"value":[
                {"A@odata.type":"#Int64","A":-7,"B":true,"C":1.5,"D":null,"E":"ü \"q\" \u00a7","F":[],
                 "G@odata.type":"#Collection(String)","G":["x",{"no":"n"},["no"],2],"H":{"no":"n"},"I":18446744073709551615}],
                "@odata.nextLink":"https://x/y"}"##,
        );
        let page = page.unwrap();
        let row = ["A=-7", "B=true", "C=1.5", "E=ü \"q\" §", "G[]=x", "G[]=2", "I=18446744073709551615"];
        assert_eq!(page.rows.unwrap(), [row.map(str::to_owned)]);
        assert_eq!(page.next_link.as_deref(), Some("https://x/y"));
        assert_eq!(page.warnings, ["a b"]);
        assert!(page.errors.is_empty());
    }

    #[test]
    fn errors_are_found_wherever_they_stand() {
        let page = read(r#"{"@adminapi.errors":[{"code":1,"message":"it failed"}],"value":[]}"#).unwrap();
        assert_eq!(page.errors, ["it failed"]);
        let page = read(r#"{"error":{"code":"X","message":""}}"#).unwrap();
        assert_eq!((page.rows, page.errors), (None, vec!["X".to_owned()]));
        for nothing in ["[]", "null"] {
            let page = read(&format!(r#"{{"@adminapi.errors":{nothing},"value":[]}}"#)).unwrap();
            assert!(page.errors.is_empty());
        }
        for mute in ["[{}]", "[null]", "[\"\"]", "[7]", "{}", "true"] {
            let page = read(&format!(r#"{{"value":[],"@adminapi.errors":{mute}}}"#)).unwrap();
            assert_eq!(page.errors, ["it does not say why"], "{mute}");
        }
        assert_eq!(read("{}").unwrap().rows, None);
        assert_eq!(read(r#"{"@nextLink":"/x"}"#).unwrap().next_link.as_deref(), Some("/x"));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let many = format!(r#"{{"value":[{}{{"a":1}}]}}"#, r#"{"a":1},"#.repeat(MAX_OBJECTS));
        let deep = |open: &str, close: &str| format!(r#"{{"x":{}1{}}}"#, open.repeat(40), close.repeat(40));
        for json in [
            "",
            "[]",
            "null",
            r#"{"value":[{"a":1}"#,
            r#"{"value":[{"a":1}]} x"#,
            r#"{"value":{}}"#,
            r#"{"value":null}"#,
            r#"{"value":[3]}"#,
            r#"{"value":[{}]}"#,
            r#"{"value":[],"value":[]}"#,
            r#"{"@odata.nextLink":3}"#,
            &many,
            &deep("[", "]"),
            &deep(r#"{"x":"#, "}"),
        ] {
            assert!(read(json).is_err(), "{}", json.get(..60).unwrap_or(json));
        }
        let error = read(r#"{"value":[{"a":1},{}]}"#).unwrap_err().to_string();
        assert!(error.starts_with("object 2 of the page: nothing"), "{error}");
        let in_a_row = format!(r#"{{"value":[{{"x":{}1{}}}]}}"#, "[".repeat(40), "]".repeat(40));
        assert!(read(&in_a_row).unwrap_err().to_string().contains("nested more than"));
    }

    #[test]
    fn a_warning_that_something_was_left_out_is_known() {
        for (text, cut) in [
            ("There are more results available than are currently displayed.", true),
            ("Verwenden Sie \"-ResultSize Unlimited\".", true),
            ("Increase the value for the Result Size parameter.", true),
            ("The object has been corrupted, and it's in an inconsistent state.", false),
        ] {
            assert_eq!(says_truncated(text), cut, "{text}");
        }
    }
}
