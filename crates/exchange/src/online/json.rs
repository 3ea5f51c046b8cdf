//! Values of JSON that no mapper takes: nested within a bound, and kept as their texts or not at all.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::shorten::shortened;

/// Deepest nesting of a page.
const MAX_DEPTH: usize = 32;
/// Texts that are kept of each list of warnings or errors.
const MAX_TEXTS: usize = 20;

/// All texts of a value, however deep within the bound. Says whether there was anything: an empty list and `null` are
/// nothing.
pub(super) struct Texts<'a> {
    pub(super) into: &'a mut Vec<String>,
    /// How deep the value is nested.
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        if self.into.len() < MAX_TEXTS && !text.is_empty() {
            self.into.push(shortened(text));
        }
        Ok(true)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Texts { into, depth } = self;
        bounded::<A::Error>(depth)?;
        let mut anything = false;
        while list.next_element_seed(Texts { into: &mut *into, depth: depth + 1 })?.is_some() {
            anything = true;
        }
        Ok(anything)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let Texts { into, depth } = self;
        bounded::<A::Error>(depth)?;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Texts { into: &mut *into, depth: depth + 1 })?;
        }
        Ok(true)
    }
}

/// A value that is passed over.
pub(super) struct Skip {
    /// How deep the value is nested.
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        bounded::<A::Error>(self.depth)?;
        while list.next_element_seed(Self { depth: self.depth + 1 })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        bounded::<A::Error>(self.depth)?;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Self { depth: self.depth + 1 })?;
        }
        Ok(())
    }
}

/// Refuses what is nested too deep.
fn bounded<E: Error>(depth: usize) -> Result<(), E> {
    if depth > MAX_DEPTH {
        return Err(E::custom(format_args!("values are nested more than {MAX_DEPTH} deep")));
    }
    Ok(())
}
