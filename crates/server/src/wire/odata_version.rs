use http::{HeaderMap, HeaderName};

const VERSION: HeaderName = HeaderName::from_static("odata-version");
const MAX_VERSION: HeaderName = HeaderName::from_static("odata-maxversion");

/// A version of OData that exconn does not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VersionError {
    /// The body is of another version.
    #[error("The header OData-Version must be 4.0 or 4.01: the service reads no other version of OData.")]
    Body,
    /// The client cannot read what exconn writes.
    #[error("The header OData-MaxVersion must be 4.0 or higher: the service answers in OData 4.0.")]
    Answer,
}

/// Checks the versions that a client writes and reads (OData 4.0 protocol, 8.1.5 and 8.2.7).
pub(crate) fn check_odata_version(headers: &HeaderMap) -> Result<(), VersionError> {
    let given = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default().trim());
    if !given(VERSION).all(|version| matches!(version, "4.0" | "4.01")) {
        return Err(VersionError::Body);
    }
    // 4.01 is the fourth version's first revision, so that versions compare as decimal numbers.
    if !given(MAX_VERSION).all(|version| version.parse::<f32>().is_ok_and(|version| version >= 4.0)) {
        return Err(VersionError::Answer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_fourth_version_is_spoken() {
        use VersionError::{Answer, Body};
        for (name, value, expected) in [
            (VERSION, "4.0", Ok(())),
            (VERSION, "4.01", Ok(())),
            (VERSION, "3.0", Err(Body)),
            (VERSION, "4.0;x", Err(Body)),
            (MAX_VERSION, "4.0", Ok(())),
            (MAX_VERSION, "4.01", Ok(())),
            (MAX_VERSION, "5.0", Ok(())),
            (MAX_VERSION, "3.0", Err(Answer)),
            (MAX_VERSION, "nan", Err(Answer)),
            (MAX_VERSION, "", Err(Answer)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&name, HeaderValue::from_static(value));
            assert_eq!(check_odata_version(&headers), expected, "{name} {value}");
        }
    }
}
