use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

/// A cmdlet with its parameters, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) cmdlet: &'static str,
    pub(super) body: Bytes,
    /// Whether it is about one mailbox, of which many may be asked one after the other.
    pub(super) of_mailbox: bool,
    /// The mailbox whose server is to answer, if its name tells: what was written there is read there first.
    pub(super) anchor: Option<HeaderValue>,
    /// Whether it may be sent again though it may have arrived.
    pub(super) repeatable: bool,
}

impl Invocation {
    /// A cmdlet that reads. `parameters` is an object: texts, numbers, `true` for a switch, lists.
    pub(super) fn new(cmdlet: &'static str, parameters: &Value) -> Self {
        let body = json!({"CmdletInput": {"CmdletName": cmdlet, "Parameters": parameters}});
        let body = Bytes::from(body.to_string());
        Self { cmdlet, body, of_mailbox: false, anchor: None, repeatable: true }
    }

    /// The same about one mailbox.
    pub(super) fn of_mailbox(self, mailbox: &str) -> Self {
        let is_address = mailbox.contains('@') && mailbox.is_ascii();
        let anchor = is_address.then(|| HeaderValue::from_str(&format!("UPN:{mailbox}")).ok()).flatten();
        Self { of_mailbox: true, anchor, ..self }
    }

    /// The same as one that changes something.
    pub(super) fn changing(self) -> Self {
        Self { repeatable: false, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_need_no_care() {
        let id = "Ann's \"odd\" §phone\u{1F4F1}\u{1}";
        let invocation = Invocation::new("Get-X", &json!({"Identity": id}));
        let body: Value = serde_json::from_slice(&invocation.body).unwrap();
        assert_eq!(body, json!({"CmdletInput": {"CmdletName": "Get-X", "Parameters": {"Identity": id}}}));
    }

    #[test]
    fn only_an_address_is_an_anchor() {
        for (mailbox, anchor) in [
            ("ann@contoso.com", Some("UPN:ann@contoso.com")),
            ("contoso.com/Staff/Ann", None),
            ("änn@contoso.com", None),
            ("a@b\r\nX: y", None),
        ] {
            let invocation = Invocation::new("Get-X", &json!({})).of_mailbox(mailbox);
            assert_eq!(invocation.anchor.as_ref().map(|value| value.to_str().unwrap()), anchor);
            assert!(invocation.of_mailbox);
        }
    }
}
