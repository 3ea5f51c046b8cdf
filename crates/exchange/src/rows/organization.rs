use exconn_model::Organization;

use super::Mapper;
use crate::ExchangeError;

/// Longest text of a property, in bytes.
const MAX_TEXT: usize = 4096;
/// Most servers of one organisation.
const MAX_SERVERS: usize = 10_000;

/// What is kept of an organisation or a server.
#[derive(Debug, Default)]
pub(crate) struct Named {
    name: Option<String>,
    fqdn: Option<String>,
    version: Option<String>,
}

impl Named {
    /// `Name`.
    pub(crate) fn into_name(self) -> Option<String> {
        self.name
    }
}

impl Mapper for Named {
    type Row = Self;

    fn property(&mut self, name: &str, text: &str) {
        let place = if name.eq_ignore_ascii_case("Name") {
            &mut self.name
        } else if name.eq_ignore_ascii_case("Fqdn") {
            &mut self.fqdn
        } else if name.eq_ignore_ascii_case("AdminDisplayVersion") {
            &mut self.version
        } else {
            return;
        };
        if !text.is_empty() && place.is_none() {
            *place = Some(text.to_owned());
        }
    }

    fn finish(self) -> Result<Self, String> {
        if self.name.is_none() && self.fqdn.is_none() {
            return Err("Name is missing".into());
        }
        let texts = [&self.name, &self.fqdn, &self.version];
        if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT) {
            return Err("Name, Fqdn or AdminDisplayVersion is too long".into());
        }
        Ok(self)
    }
}

/// The organisation, made of what `Get-OrganizationConfig` and `Get-ExchangeServer` return.
pub(crate) fn organization(configs: Vec<Named>, servers: Vec<Named>) -> Result<Organization, ExchangeError> {
    let violated = |reason: &str| ExchangeError::ProtocolViolated { reason: reason.into() };
    let config = configs.into_iter().next();
    let name = config
        .and_then(|config| config.name)
        .ok_or_else(|| violated("Get-OrganizationConfig names no organisation"))?;
    if servers.len() > MAX_SERVERS {
        return Err(violated("Get-ExchangeServer lists too many servers"));
    }
    let mut versions = servers.iter().map(|server| &server.version);
    let first = versions.next().cloned().flatten();
    let server_version = first.filter(|first| versions.all(|version| version.as_ref() == Some(first)));
    let servers = servers.into_iter().filter_map(|server| server.fqdn.or(server.name)).collect();
    Ok(Organization { name, servers, server_version })
}
