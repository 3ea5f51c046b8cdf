use crate::{
    excerpt::excerpt,
    options::{self, OptionsError},
};

/// A form of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSDL XML.
    Xml,
    /// CSDL JSON.
    Json,
}

impl Format {
    /// Reads a media type, or its short name in `$format`.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |known: [&str; 2]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
        match () {
            () if is(["xml", "application/xml"]) => Some(Self::Xml),
            () if is(["json", "application/json"]) => Some(Self::Json),
            () => None,
        }
    }
}

/// The form that the query asks for; there is no option here but `$format`.
pub fn requested_format(query: Option<&str>) -> Result<Option<Format>, OptionsError> {
    let mut format = None;
    for (option, value) in options::pairs(query)? {
        if option != "$format" {
            return Err(OptionsError::Unsupported(option));
        }
        if format.is_some() {
            return Err(OptionsError::Repeated(option));
        }
        let value = value.trim();
        let known = Format::from_name(value);
        format = Some(known.ok_or_else(|| OptionsError::MetadataFormat(excerpt(value)))?);
    }
    Ok(format)
}
