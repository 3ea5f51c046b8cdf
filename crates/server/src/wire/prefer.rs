use http::{HeaderMap, HeaderValue};

/// What the client would like (RFC 7240), as far as exconn honours it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// `return=minimal`: a change is answered without the entity.
    pub(crate) minimal: bool,
    /// `return=representation`: a change is answered with the entity, which it is anyway.
    pub(crate) representation: bool,
    /// `odata.maxpagesize`: pages of at most so many entities.
    pub(crate) page_size: Option<u32>,
    /// `include-unknown-enum-members`: members above the sentinel under their own name; there are none.
    pub(crate) unknown_members: bool,
}

impl Preferences {
    /// Reads all `Prefer` headers. A preference that is not understood is not applied, as RFC 7240 wants it.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split(',')) {
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                // The first counts where there are several (RFC 7240, section 2).
                "return" if !preferences.minimal && !preferences.representation => {
                    preferences.minimal = value.eq_ignore_ascii_case("minimal");
                    preferences.representation = value.eq_ignore_ascii_case("representation");
                }
                "odata.maxpagesize" | "maxpagesize" => {
                    preferences.page_size = value.parse().ok().filter(|size| *size > 0);
                }
                "include-unknown-enum-members" => preferences.unknown_members = true,
                _ => {}
            }
        }
        preferences
    }

    /// The value of `Preference-Applied` for those that counted; `change` and `page_size` say whether they could.
    pub(crate) fn applied(self, change: bool, page_size: bool) -> Option<HeaderValue> {
        let mut applied = Vec::new();
        if self.minimal && change {
            applied.push("return=minimal".to_owned());
        }
        if self.representation && change {
            applied.push("return=representation".to_owned());
        }
        if let Some(size) = self.page_size.filter(|_| page_size) {
            applied.push(format!("odata.maxpagesize={size}"));
        }
        if self.unknown_members {
            applied.push("include-unknown-enum-members".to_owned());
        }
        if applied.is_empty() { None } else { HeaderValue::try_from(applied.join(", ")).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_come_in_one_header_or_several() {
        let mut headers = HeaderMap::new();
        headers.append("prefer", HeaderValue::from_static("respond-async, return=minimal; wait=3"));
        headers.append("prefer", HeaderValue::from_static("odata.maxpagesize=\"7\""));
        let preferences = Preferences::read(&headers);
        let expected = Preferences { minimal: true, page_size: Some(7), ..Preferences::default() };
        assert_eq!(preferences, expected);
        assert_eq!(preferences.applied(false, true).unwrap(), "odata.maxpagesize=7");
        assert_eq!(preferences.applied(true, false).unwrap(), "return=minimal");
        assert_eq!(Preferences::default().applied(true, true), None);
        headers.insert("prefer", HeaderValue::from_static("return=representation, return=minimal"));
        let preferences = Preferences::read(&headers);
        assert_eq!(preferences.applied(true, false).unwrap(), "return=representation");
        assert_eq!(preferences.applied(false, false), None);
    }
}
