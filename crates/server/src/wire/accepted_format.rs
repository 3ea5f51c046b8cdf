use exconn_odata::metadata::Format;
use http::{HeaderMap, header::ACCEPT};

use super::accept::thousandths;

/// The form of the metadata that the client wants most, the first of those that it wants alike; `None` if it wants none
/// of those that there are.
pub(crate) fn accepted_format(headers: &HeaderMap) -> Option<Format> {
    let mut best: Option<(u16, Format)> = None;
    let mut asked = false;
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty()) {
        asked = true;
        if let Some((quality, format)) = read(range)
            && quality > best.map_or(0, |(quality, _)| quality)
        {
            best = Some((quality, format));
        }
    }
    if asked { best.map(|(_, format)| format) } else { Some(Format::Xml) }
}

fn read(range: &str) -> Option<(u16, Format)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?;
    let any = ["*/*", "application/*"].iter().any(|any| kind.eq_ignore_ascii_case(any));
    let format = if any { Format::Xml } else { Format::from_media_type(kind)? };
    let quality = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim() == "q");
    let quality = quality.map_or(Some(1000), |(_, value)| thousandths(value.trim()))?;
    Some((quality, format))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_metadata_is_xml_unless_json_is_wanted_more() {
        for (accept, format) in [
            ("", Some(Format::Xml)),
            ("*/*", Some(Format::Xml)),
            ("application/json", Some(Format::Json)),
            ("Application/JSON;odata.metadata=minimal, */*;q=0.1", Some(Format::Json)),
            ("application/json;q=0.5, application/xml;q=0.6", Some(Format::Xml)),
            ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", Some(Format::Xml)),
            ("application/xml;q=0", None),
            ("text/html", None),
            ("xml", None),
        ] {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(accepted_format(&headers), format, "{accept}");
        }
    }
}
