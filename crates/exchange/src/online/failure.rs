use serde_json::Value;

use crate::shorten::shortened;

/// Largest body of a refusal that is looked at, in bytes. A stack trace may stand in it.
pub(super) const MAX_REFUSAL: usize = 256 * 1024;

/// Why a cmdlet was refused, as the interface says it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reason {
    /// `error.code`, for instance `NotFound`.
    pub(super) code: String,
    /// The type of the .NET exception, if it says one.
    pub(super) exception: String,
    /// What went wrong, shortened; empty if nothing says it.
    pub(super) text: String,
}

impl Reason {
    /// Reads the body of a refusal. `error.message` is the same for every failure, so the others come first:
    /// `details[].message` is `Id|ExceptionType|text`, `innererror.internalexception` has both apart. `None` if it is
    /// no such body.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body = body.get(..MAX_REFUSAL).unwrap_or(body);
        let json: Value = serde_json::from_slice(body).ok()?;
        let error = json.get("error")?;
        let text = |value: Option<&Value>| {
            value.and_then(Value::as_str).map(shortened).filter(|text| !text.is_empty())
        };
        let code = text(error.get("code")).unwrap_or_default();
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
        let detail = details.filter_map(|detail| detail.get("message")?.as_str()).find_map(split);
        let inner = error.get("innererror");
        let internal = inner.and_then(|inner| inner.get("internalexception"));
        let (exception, said) = match detail {
            Some((exception, said)) => (exception, Some(said)),
            None => {
                let of = |name| text(internal.and_then(|internal| internal.get(name)));
                (of("type").unwrap_or_default(), of("message"))
            }
        };
        let said = said
            .or_else(|| text(inner.and_then(|inner| inner.get("message"))))
            .or_else(|| text(error.get("message")));
        Some(Self { text: said.unwrap_or_else(|| code.clone()), code, exception })
    }

    /// No object has the identity that was asked for.
    pub(super) fn is_object_missing(&self) -> bool {
        self.exception.contains("ObjectNotFound") || self.code.eq_ignore_ascii_case("NotFound")
    }

    /// The roles hold the cmdlet, but not this parameter of it.
    pub(super) fn is_parameter_unknown(&self) -> bool {
        self.text.contains("A parameter cannot be found that matches parameter name")
            || self.exception.contains("NamedParameterNotFound")
    }

    /// The place in the listing is not known any more, or not to the server that was asked.
    pub(super) fn is_page_expired(&self) -> bool {
        self.text.to_ascii_lowercase().contains("invalid pagination request")
    }
}

/// Exception type and text of `Id|ExceptionType|text`. The id may be empty, and the text may contain the bar. A text
/// without that form is all text.
fn split(message: &str) -> Option<(String, String)> {
    let mut parts = message.splitn(3, '|');
    let (exception, text) = match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(exception), Some(text)) => (exception, text),
        _ => ("", message),
    };
    let text = shortened(text);
    (!text.is_empty()).then(|| (shortened(exception), text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &Value) -> Option<Reason> {
        Reason::read(json.to_string().as_bytes())
    }

    #[test]
    fn the_reason_is_found_where_it_stands() {
        let inner = json!({"message": "Error executing cmdlet", "type": "X",
            "internalexception": {"message": "inner text", "type": "Inner.Type", "stacktrace": "at X"}});
        for (error, exception, text) in [
            (
                json!({"code": "NotFound", "message": "Error executing cmdlet", "innererror": inner,
                    "details": [{"code": "Context", "target": "", "message": "Ex6F9304|Some.Type|text | with\r\na bar"}]}),
                "Some.Type",
                "text | with a bar",
            ),
            (json!({"code": "NotFound", "details": [{"message": "|Some.Type|text"}]}), "Some.Type", "text"),
            (json!({"code": "NotFound", "details": [{"message": ""}, {"message": "plain"}]}), "", "plain"),
            (
                json!({"code": "NotFound", "message": "generic", "details": [], "innererror": inner}),
                "Inner.Type",
                "inner text",
            ),
            (json!({"code": "NotFound", "message": "generic", "innererror": {"message": "m"}}), "", "m"),
            (json!({"code": "NotFound", "message": "generic", "details": "no list"}), "", "generic"),
            (json!({"code": "NotFound"}), "", "NotFound"),
        ] {
            let expected = Reason { code: "NotFound".into(), exception: exception.into(), text: text.into() };
            assert_eq!(read(&json!({"error": error})), Some(expected), "{error}");
        }
    }

    #[test]
    fn what_is_no_refusal_is_none() {
        for body in [&b""[..], b"\0\0\0\0", b"<html>", b"{}", b"[1]", b"\"error\"", b"{\"error\""] {
            assert_eq!(Reason::read(body), None);
        }
        assert_eq!(read(&json!({"error": "text"})), Some(Reason::default()));
    }

    #[test]
    fn what_a_caller_acts_on_is_told_apart() {
        let reason = |exception: &str, text: &str| Reason {
            exception: exception.into(),
            text: text.into(),
            ..Reason::default()
        };
        let missing = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException";
        assert!(reason(missing, "x").is_object_missing());
        assert!(
            reason("", "A parameter cannot be found that matches parameter name 'x'.").is_parameter_unknown()
        );
        assert!(
            reason("", "Expired or Invalid pagination request. Default Expiry time is 00:30:00")
                .is_page_expired()
        );
        let other = reason("System.ArgumentException", "Cannot convert value");
        assert!(!other.is_object_missing() && !other.is_parameter_unknown() && !other.is_page_expired());
    }
}
