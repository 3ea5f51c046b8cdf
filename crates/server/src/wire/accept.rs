use exconn_odata::render::Metadata;
use http::{HeaderMap, HeaderValue, header::ACCEPT};

/// What an answer can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceptable {
    /// JSON.
    Json,
    /// Plain text; who asks for JSON gets it too, since the Graph gives nothing else for `$count`.
    Text,
}

/// The form of an answer in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// How much it says about itself.
    pub(crate) metadata: Metadata,
    /// Whether 64-bit integers are texts (OData JSON 4.0, 3.2).
    pub(crate) ieee754_compatible: bool,
}

/// A media range of `Accept` (RFC 9110, section 12.5.1).
#[derive(Clone, Copy, Debug)]
struct Range {
    /// 0 for `*/*`, 1 for `application/*`, 2 for the type itself, more with parameters.
    specificity: u8,
    /// In thousandths.
    quality: u16,
    kind: Kind,
    metadata: Option<Metadata>,
    ieee754_compatible: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Json,
    Text,
}

impl Acceptable {
    /// The form that the client wants most; `None` if it wants none of those that there are.
    pub(crate) fn negotiate(self, headers: &HeaderMap) -> Option<Form> {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut asked =
            values.flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty());
        let Some(first) = asked.next() else { return Some(Form::default()) };
        let ranges: Vec<Range> = std::iter::once(first).chain(asked).filter_map(Range::read).collect();
        match self {
            Self::Json => Form::best(&ranges),
            Self::Text => {
                let of = |kind| ranges.iter().filter(move |range| range.kind == kind);
                let wanted = |range: &Range| range.quality > 0;
                let own = of(Kind::Text).max_by_key(|range| range.specificity);
                let accepted = match own {
                    Some(range) => wanted(range),
                    None => ranges.iter().any(wanted),
                };
                accepted.then(Form::default)
            }
        }
    }
}

impl Form {
    /// What a form is called where a query names it: `json` or a media type (OData 4.0 URL conventions, 5.1.8).
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("json") {
            return Some(Self::default());
        }
        let range = Range::read(name).filter(|range| range.kind == Kind::Json && range.specificity >= 2)?;
        Some(Self {
            metadata: range.metadata.unwrap_or_default(),
            ieee754_compatible: range.ieee754_compatible.unwrap_or_default(),
        })
    }

    /// The form that these ranges like best. The most specific range that a form fits decides how much it is liked; of
    /// forms that are liked alike the one that was named more exactly wins, then the plainer one.
    fn best(ranges: &[Range]) -> Option<Self> {
        let mut best: Option<((u16, u8), Self)> = None;
        for ieee754_compatible in [false, true] {
            for metadata in [Metadata::Minimal, Metadata::None, Metadata::Full] {
                let form = Self { metadata, ieee754_compatible };
                let fitting = ranges.iter().filter(|range| range.fits(form));
                let Some(range) = fitting.max_by_key(|range| range.specificity) else { continue };
                let liking = (range.quality, range.specificity);
                if range.quality > 0 && best.is_none_or(|(most, _)| liking > most) {
                    best = Some((liking, form));
                }
            }
        }
        best.map(|(_, form)| form)
    }

    /// The media type of the answer.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match (self.metadata, self.ieee754_compatible) {
            (Metadata::None, false) => {
                "application/json;odata.metadata=none;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
            }
            (Metadata::Minimal, false) => {
                "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
            }
            (Metadata::Full, false) => {
                "application/json;odata.metadata=full;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
            }
            (Metadata::None, true) => {
                "application/json;odata.metadata=none;odata.streaming=true;IEEE754Compatible=true;charset=utf-8"
            }
            (Metadata::Minimal, true) => {
                "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=true;charset=utf-8"
            }
            (Metadata::Full, true) => {
                "application/json;odata.metadata=full;odata.streaming=true;IEEE754Compatible=true;charset=utf-8"
            }
        })
    }
}

impl Range {
    /// Reads one range; `None` for what there is not. Parameters that change nothing here, such as `odata.streaming`, are
    /// passed over.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, specificity) = match parts.next()?.to_ascii_lowercase().as_str() {
            "*/*" => (Kind::Any, 0),
            "application/*" => (Kind::Json, 1),
            "application/json" => (Kind::Json, 2),
            "text/*" => (Kind::Text, 1),
            "text/plain" => (Kind::Text, 2),
            _ => return None,
        };
        let mut range = Self { specificity, quality: 1000, kind, metadata: None, ieee754_compatible: None };
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => range.quality = thousandths(&value)?,
                "odata.metadata" | "metadata" => {
                    range.specificity += 1;
                    range.metadata = Some(match value.as_str() {
                        "none" => Metadata::None,
                        "minimal" => Metadata::Minimal,
                        "full" => Metadata::Full,
                        _ => return None,
                    });
                }
                "ieee754compatible" => {
                    range.specificity += 1;
                    range.ieee754_compatible = Some(match value.as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return None,
                    });
                }
                "charset" if value != "utf-8" => return None,
                _ => {}
            }
        }
        Some(range)
    }

    fn fits(&self, form: Form) -> bool {
        self.kind != Kind::Text
            && self.metadata.is_none_or(|metadata| metadata == form.metadata)
            && self.ieee754_compatible.is_none_or(|wanted| wanted == form.ieee754_compatible)
    }
}

/// A weight (RFC 9110, section 12.4.2) in thousandths.
pub(super) fn thousandths(value: &str) -> Option<u16> {
    let quality: f32 = value.parse().ok()?;
    // The cast cannot cut anything off: 0 to 1000.
    (0.0..=1.0).contains(&quality).then_some((quality * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(metadata: Metadata) -> Option<Form> {
        Some(Form { metadata, ieee754_compatible: false })
    }

    fn exact(metadata: Metadata) -> Option<Form> {
        Some(Form { metadata, ieee754_compatible: true })
    }

    #[test]
    fn the_best_form_wins_and_nonsense_is_refused() {
        use Metadata::{Full, Minimal, None as Bare};
        let text = form(Minimal);
        for (accept, json, plain) in [
            ("", form(Minimal), text),
            (" , ", form(Minimal), text),
            ("*/*", form(Minimal), text),
            ("application/*", form(Minimal), text),
            ("application/json", form(Minimal), text),
            ("application/json;odata.metadata=full", form(Full), text),
            ("application/json;metadata=full", form(Full), text),
            ("Application/JSON; OData.Metadata=\"none\"", form(Bare), text),
            ("text/plain;q=0.9", None, text),
            ("application/json;q=0", None, None),
            ("text/plain;q=0, */*", form(Minimal), None),
            ("*/*;q=0.1, application/json;odata.metadata=full", form(Full), text),
            ("application/json;odata.metadata=none, */*", form(Bare), text),
            ("application/json, application/json;odata.metadata=full;q=0.5", form(Minimal), text),
            ("application/json;q=0.1;odata.metadata=full, */*;q=0.2", form(Minimal), text),
            ("application/json;odata.metadata=minimal;q=0, application/json;q=0.1", form(Bare), text),
            ("application/json;odata.metadata=full;q=0, application/xml", None, None),
            ("application/json;odata.metadata=verbose", None, None),
            ("application/json;odata.metadata=verbose, */*;q=0.1", form(Minimal), text),
            ("application/json;q=2", None, None),
            ("application/json;charset=utf-16", None, None),
            ("application/xml", None, None),
            ("text/html, application/xml;q=0.9, */*;q=0.8", form(Minimal), text),
            ("application/json;IEEE754Compatible=false;odata.streaming=true", form(Minimal), text),
            ("application/json;IEEE754Compatible=true;ExponentialDecimals=true", exact(Minimal), text),
            ("application/json;odata.metadata=full;ieee754compatible=TRUE", exact(Full), text),
            ("application/json;IEEE754Compatible=true;q=0.5, application/json;q=0.4", exact(Minimal), text),
        ] {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Acceptable::Json.negotiate(&headers), json, "{accept}");
            assert_eq!(Acceptable::Text.negotiate(&headers), plain, "{accept}");
        }
    }

    #[test]
    fn a_form_can_be_named() {
        for (name, named) in [
            ("json", form(Metadata::Minimal)),
            ("JSON", form(Metadata::Minimal)),
            ("application/json", form(Metadata::Minimal)),
            ("application/json;odata.metadata=none", form(Metadata::None)),
            ("application/json; odata.metadata=full; IEEE754Compatible=true", exact(Metadata::Full)),
            ("application/json;odata.metadata=x", None),
            ("application/*", None),
            ("*/*", None),
            ("text/plain", None),
            ("xml", None),
        ] {
            assert_eq!(Form::named(name), named, "{name}");
        }
    }

    #[test]
    fn the_media_type_says_what_was_done() {
        for ieee754_compatible in [false, true] {
            for metadata in [Metadata::None, Metadata::Minimal, Metadata::Full] {
                let form = Form { metadata, ieee754_compatible };
                assert_eq!(Form::named(form.content_type().to_str().unwrap()), Some(form));
            }
        }
    }
}
