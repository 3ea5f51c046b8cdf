use exconn_odata::{metadata::Format, render::Metadata};
use http::{HeaderMap, header::ACCEPT};

/// What an answer can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceptable {
    /// JSON.
    Json,
    /// Plain text; who asks for JSON gets it too, since the Graph gives nothing else for `$count`.
    Text,
}

impl Acceptable {
    /// The form that the client wants most; `None` if it wants none of those that there are.
    pub(crate) fn negotiate(self, headers: &HeaderMap) -> Option<Metadata> {
        best(headers, Metadata::default(), |range| self.range(range))
    }

    /// Quality in thousandths, and the metadata asked for; `None` for a media type that there is not.
    fn range(self, range: &str) -> Option<(u16, Metadata)> {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next()?;
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        let json = is("application/json") || is("application/*") || is("*/*");
        if !(json || self == Self::Text && (is("text/plain") || is("text/*"))) {
            return None;
        }
        let (mut quality, mut metadata) = (1000, Metadata::default());
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
            match name.as_str() {
                "q" => quality = thousandths(value)?,
                "odata.metadata" | "metadata" => {
                    metadata = match value.to_ascii_lowercase().as_str() {
                        "none" => Metadata::None,
                        "minimal" => Metadata::Minimal,
                        "full" => Metadata::Full,
                        _ => return None,
                    }
                }
                "charset" if !value.eq_ignore_ascii_case("utf-8") => return None,
                _ => {}
            }
        }
        Some((quality, metadata))
    }
}

/// The form of the metadata that the client wants most; `None` if it wants none of those that there are.
pub(crate) fn accepted_format(headers: &HeaderMap) -> Option<Format> {
    best(headers, Format::Xml, |range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next()?;
        let any = ["*/*", "application/*"].iter().any(|any| kind.eq_ignore_ascii_case(any));
        let format = if any { Format::Xml } else { Format::from_media_type(kind)? };
        let quality = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim() == "q");
        let quality = quality.map_or(Some(1000), |(_, value)| thousandths(value.trim()))?;
        Some((quality, format))
    })
}

/// What the range of the highest quality stands for, the first of equal ones; `unasked` without a range.
fn best<T: Copy>(headers: &HeaderMap, unasked: T, read: impl Fn(&str) -> Option<(u16, T)>) -> Option<T> {
    let mut best: Option<(u16, T)> = None;
    let mut asked = false;
    for value in headers.get_all(ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            asked = true;
            if let Some((quality, form)) = read(range)
                && quality > best.map_or(0, |(quality, _)| quality)
            {
                best = Some((quality, form));
            }
        }
    }
    if asked { best.map(|(_, form)| form) } else { Some(unasked) }
}

fn thousandths(value: &str) -> Option<u16> {
    let quality: f32 = value.parse().ok()?;
    // The cast cannot cut anything off: 0 to 1000.
    (0.0..=1.0).contains(&quality).then_some((quality * 1000.0) as u16)
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

    #[test]
    fn the_best_form_wins_and_nonsense_is_refused() {
        use Metadata::{Full, Minimal, None as Bare};
        for (accept, json, text) in [
            ("", Some(Minimal), Some(Minimal)),
            ("*/*", Some(Minimal), Some(Minimal)),
            ("application/json", Some(Minimal), Some(Minimal)),
            ("application/json;odata.metadata=full", Some(Full), Some(Full)),
            ("Application/JSON; OData.Metadata=\"none\"", Some(Bare), Some(Bare)),
            ("text/plain;q=0.9", None, Some(Minimal)),
            ("application/json;q=0", None, None),
            ("application/json;q=0.1;odata.metadata=full, */*;q=0.2", Some(Minimal), Some(Minimal)),
            ("application/json;odata.metadata=verbose", None, None),
            ("application/json;charset=utf-16", None, None),
            ("application/xml", None, None),
            ("application/json;IEEE754Compatible=false;odata.streaming=true", Some(Minimal), Some(Minimal)),
        ] {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Acceptable::Json.negotiate(&headers), json, "{accept}");
            assert_eq!(Acceptable::Text.negotiate(&headers), text, "{accept}");
        }
    }
}
