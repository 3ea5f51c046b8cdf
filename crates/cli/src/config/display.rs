use std::fmt;

use super::Config;

/// The effective configuration for people; secrets stay in their files.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listen = \"{}\"", self.listen)?;
        if let Some(url) = &self.public_url {
            writeln!(f, "public_url = {url:?}")?;
        }
        writeln!(f, "trusted_proxies = {:?}", self.trusted_proxies.networks())?;
        writeln!(f, "data = {:?}", self.data)?;
        writeln!(f, "\n[auth]\nmode = \"{}\"", if self.authenticated { "builtin" } else { "none" })?;
        match &self.throttle {
            None => writeln!(f, "\n[throttle]\nmode = \"off\"")?,
            Some(limits) => writeln!(
                f,
                "\n[throttle]\nmode = \"on\"\nwindow = \"{}s\"\napp_requests = {}\napp_changes = {}\n\
                 tenant_requests = {}\ntenant_changes = {}",
                limits.window.as_secs(),
                limits.app_requests,
                limits.app_changes,
                limits.tenant_requests,
                limits.tenant_changes,
            )?,
        }
        for issuer in &self.issuers {
            writeln!(
                f,
                "\n[[auth.issuers]]\nissuer = {:?}\naudience = {:?}",
                issuer.issuer, issuer.audiences
            )?;
            if let Some(tid) = &issuer.tid {
                writeln!(f, "tid = {tid:?}")?;
            }
            if let Some(tenant) = issuer.tenant {
                writeln!(f, "tenant = \"{tenant}\"")?;
            }
            if let Some(file) = &issuer.ca_file {
                writeln!(f, "ca_file = {file:?}")?;
            }
        }
        writeln!(f, "\n[audit]\nkeep = {}", self.audit_entries)?;
        if let Some((certificate, key)) = &self.tls {
            writeln!(f, "\n[tls]\ncert = {certificate:?}\nkey = {key:?}")?;
        }
        writeln!(f, "\n[cors]\norigins = {:?}", self.cors.origins())?;
        self.connections.iter().try_for_each(|connection| write!(f, "{connection}"))
    }
}
