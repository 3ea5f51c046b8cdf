use exconn_odata::render::Metadata;
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
        let mut best: Option<(u16, Metadata)> = None;
        let mut asked = false;
        for value in headers.get_all(ACCEPT) {
            let Ok(value) = value.to_str() else { continue };
            for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
                asked = true;
                if let Some((quality, metadata)) = self.range(range)
                    && quality > best.map_or(0, |(quality, _)| quality)
                {
                    best = Some((quality, metadata));
                }
            }
        }
        if asked { best.map(|(_, metadata)| metadata) } else { Some(Metadata::default()) }
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
