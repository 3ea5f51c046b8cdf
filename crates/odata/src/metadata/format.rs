use crate::{
    excerpt::excerpt,
    options::{self, OptionsError, Purpose},
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
    /// The form of this media type.
    pub fn from_media_type(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "application/xml" => Some(Self::Xml),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The form of this name in `$format`: a media type or its abbreviation (OData 4.0 URL conventions, 5.1.8).
    fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "xml" => Some(Self::Xml),
            "json" => Some(Self::Json),
            media_type => Self::from_media_type(media_type),
        }
    }
}

/// The form that the query asks for; there is no option here but `$format`.
pub fn requested_format(query: Option<&str>) -> Result<Option<Format>, OptionsError> {
    let mut format = None;
    for (name, value) in options::pairs(query)? {
        let option = options::offered(name.trim(), Purpose::Document)?;
        if format.is_some() {
            return Err(OptionsError::Repeated(option));
        }
        let value = value.trim();
        let known = Format::from_name(value);
        format = Some(known.ok_or_else(|| OptionsError::MetadataFormat(excerpt(value)))?);
    }
    Ok(format)
}
