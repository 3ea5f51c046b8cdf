use http::Uri;

use super::{form::Form, refusal::Refusal};

/// What the Graph is called as a resource: its address, and its application's id.
const GRAPH: [&str; 2] = ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"];
/// Scopes that clients add for people, and that mean nothing for a program.
const FOR_PEOPLE: [&str; 4] = ["openid", "profile", "offline_access", "email"];

/// The version of the endpoint, which sets how a client says what the token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `resource=…`; numbers in answers are texts.
    VersionOne,
    /// `scope=…/.default`.
    VersionTwo,
}

/// By which names a client may mean this service.
pub(super) struct Names<'a> {
    /// The base of links.
    pub(super) origin: &'a str,
    /// `Host` of the request. The token is for this service whatever it is called, so this opens nothing.
    pub(super) host: Option<&'a str>,
    /// `aud` of its tokens.
    pub(super) audience: &'a str,
}

impl Dialect {
    /// Checks that the token is asked for this service; returns the resource.
    pub(super) fn resource<'f>(self, form: &'f Form, names: &Names<'_>) -> Result<&'f str, Refusal> {
        match self {
            Self::VersionOne => {
                let resource = form.required("resource")?;
                if names.mean(resource) { Ok(resource) } else { Err(Refusal::Resource) }
            }
            Self::VersionTwo => {
                let scopes = form.required("scope")?.split(' ').filter(|scope| !scope.is_empty());
                let mut scopes = scopes.filter(|scope| !FOR_PEOPLE.contains(scope));
                let (Some(scope), None) = (scopes.next(), scopes.next()) else { return Err(Refusal::Scope) };
                let resource = scope.strip_suffix("/.default").ok_or(Refusal::Scope)?;
                if names.mean(resource) { Ok(resource) } else { Err(Refusal::Scope) }
            }
        }
    }
}

impl Names<'_> {
    fn mean(&self, resource: &str) -> bool {
        let resource = resource.trim_end_matches('/');
        if GRAPH.contains(&resource) || resource == self.audience || resource == self.origin {
            return true;
        }
        // The vendor's Python library leaves out the port.
        let Some(asked) = host(resource) else { return false };
        let own = self.host.map(|host| format!("https://{host}"));
        [Some(self.origin), own.as_deref()]
            .into_iter()
            .flatten()
            .any(|name| host(name) == Some(asked.clone()))
    }
}

/// The host of an address without a path.
fn host(address: &str) -> Option<String> {
    let uri: Uri = address.parse().ok()?;
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let is_web = matches!(uri.scheme_str(), Some("https" | "http"));
    uri.host().filter(|_| is_bare && is_web).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_only_for_this_service() {
        let names = Names {
            origin: "https://exconn.contoso.com:8443",
            host: Some("localhost:8443"),
            audience: "urn:exconn:1:api",
        };
        for (scope, is_ours) in [
            ("https://exconn.contoso.com:8443/.default", true),
            ("https://exconn.contoso.com/.default", true),
            ("https://EXCONN.contoso.com/.default", true),
            ("https://localhost/.default", true),
            ("https://graph.microsoft.com/.default", true),
            ("https://graph.microsoft.com//.default", true),
            ("00000003-0000-0000-c000-000000000000/.default", true),
            ("urn:exconn:1:api/.default", true),
            ("openid profile https://exconn.contoso.com/.default", true),
            ("https://other.contoso.com/.default", false),
            ("https://exconn.contoso.com/path/.default", false),
            ("https://exconn.contoso.com", false),
            ("urn:exconn:2:api/.default", false),
            ("https://exconn.contoso.com/.default https://graph.microsoft.com/.default", false),
            ("DeviceManagementServiceConfig.Read.All", false),
            ("openid", false),
            (".default", false),
            ("/.default", false),
        ] {
            let body = format!("scope={}", scope.replace(' ', "+"));
            let form = Form::read(body.as_bytes()).unwrap();
            assert_eq!(Dialect::VersionTwo.resource(&form, &names).is_ok(), is_ours, "{scope}");
        }
        let form = Form::read(b"resource=https%3A%2F%2Fgraph.microsoft.com%2F").unwrap();
        assert!(Dialect::VersionOne.resource(&form, &names).is_ok());
        let form = Form::read(b"resource=https://graph.windows.net").unwrap();
        assert_eq!(Dialect::VersionOne.resource(&form, &names), Err(Refusal::Resource));
    }
}
