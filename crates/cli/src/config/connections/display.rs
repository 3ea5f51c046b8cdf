//! The effective configuration of an organisation for people; secrets stay in their files.

use std::{fmt, time::Duration};

use exconn_exchange::{
    Account,
    directory::{DirectoryAuthentication, DirectoryConfig, Feed},
    online::{ClientCredential, Cloud, OnlineConfig},
    remoting::{Authentication, RemotingConfig},
};
use exconn_model::GraphEnum;

use super::{ConnectionConfig, Road};

impl fmt::Display for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[[exchange]]\nname = {:?}\ntype = \"{}\"", self.name, self.connector_type.name())?;
        optional(f, "server", self.server.as_ref())?;
        writeln!(f, "read_only = {}", self.read_only)?;
        duration(f, "delta_interval", self.intervals.delta)?;
        duration(f, "full_interval", self.intervals.full)?;
        match &self.road {
            Road::Remoting(remoting, directory) => {
                show_remoting(f, remoting)?;
                directory.iter().try_for_each(|directory| show_directory(f, directory))?;
            }
            Road::Online(online) => show_online(f, online)?,
        }
        writeln!(f, "[exchange.statistics]\nper_hour = {}", self.statistics.mailboxes_per_hour)?;
        duration(f, "stale_after", self.statistics.max_age)?;
        writeln!(f, "max_concurrency = {}", self.statistics.concurrency)?;
        let guard = self.guard;
        writeln!(f, "[exchange.guard]\nmax_loss_percent = {}", guard.max_loss_percent)?;
        writeln!(f, "max_loss_devices = {}", guard.max_loss_devices)
    }
}

fn show_remoting(f: &mut fmt::Formatter<'_>, remoting: &RemotingConfig) -> fmt::Result {
    let (method, account) = match &remoting.authentication {
        Authentication::Basic(account) => ("basic", account),
        Authentication::Kerberos(account) => ("kerberos", account),
        Authentication::Negotiate(account) => ("negotiate", account),
        Authentication::Ntlm(account) => ("ntlm", account),
    };
    let urls: Vec<&String> = std::iter::once(&remoting.url).chain(&remoting.fallback_urls).collect();
    writeln!(f, "[exchange.remoting]\nurl = {urls:?}")?;
    show_account(f, method, account)?;
    optional(f, "ca_file", remoting.roots.file.as_ref())?;
    duration(f, "operation_timeout", remoting.operation_timeout)?;
    duration(f, "idle_session", remoting.idle_session)?;
    optional(f, "realm", remoting.kerberos.realm.as_ref())?;
    list(f, "kdcs", &remoting.kerberos.kdcs)?;
    optional(f, "service_principal", remoting.service_principal.as_ref())
}

fn show_directory(f: &mut fmt::Formatter<'_>, directory: &DirectoryConfig) -> fmt::Result {
    let (method, account) = match &directory.authentication {
        DirectoryAuthentication::Simple(account) => ("simple", account),
        DirectoryAuthentication::Kerberos(account) => ("kerberos", account),
        DirectoryAuthentication::Negotiate(account) => ("negotiate", account),
        DirectoryAuthentication::Ntlm(account) => ("ntlm", account),
    };
    let feed = match directory.feed {
        Feed::Auto => "auto",
        Feed::DirSync => "dirsync",
        Feed::UsnChanged => "usn",
    };
    writeln!(f, "[exchange.directory]\nurl = {:?}", directory.urls)?;
    show_account(f, method, account)?;
    writeln!(f, "start_tls = {}", directory.start_tls)?;
    optional(f, "service_principal", directory.service_principal.as_ref())?;
    optional(f, "ca_file", directory.roots.file.as_ref())?;
    writeln!(f, "feed = {feed:?}")
}

fn show_online(f: &mut fmt::Formatter<'_>, online: &OnlineConfig) -> fmt::Result {
    let cloud = match online.cloud {
        Cloud::Worldwide => "worldwide",
        Cloud::UsGovernment => "usGovernment",
        Cloud::UsGovernmentDod => "usGovernmentDod",
        Cloud::China => "china",
    };
    let (tenant, client) = (online.tenant_id, online.client_id);
    writeln!(f, "[exchange.online]\ntenant_id = \"{tenant}\"\nclient_id = \"{client}\"")?;
    match &online.credential {
        ClientCredential::Secret(file) => writeln!(f, "client_secret_file = {:?}", file.path())?,
        ClientCredential::Certificate { certificate, key } => {
            writeln!(f, "certificate_file = {certificate:?}\ncertificate_key_file = {key:?}")?;
        }
    }
    optional(f, "primary_smtp_address", online.primary_smtp_address.as_ref())?;
    writeln!(f, "cloud = {cloud:?}")?;
    optional(f, "base_url", online.base_url.as_ref())?;
    optional(f, "authority", online.authority.as_ref())?;
    optional(f, "ca_file", online.roots.file.as_ref())
}

fn show_account(f: &mut fmt::Formatter<'_>, method: &str, account: &Account) -> fmt::Result {
    writeln!(f, "authentication = {method:?}\nusername = {:?}", account.username)?;
    optional(f, "password_file", account.password_file.as_ref())
}

fn optional(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&impl fmt::Debug>) -> fmt::Result {
    value.map_or(Ok(()), |value| writeln!(f, "{key} = {value:?}"))
}

fn list(f: &mut fmt::Formatter<'_>, key: &str, values: &[String]) -> fmt::Result {
    if values.is_empty() { Ok(()) } else { writeln!(f, "{key} = {values:?}") }
}

fn duration(f: &mut fmt::Formatter<'_>, key: &str, value: Duration) -> fmt::Result {
    writeln!(f, "{key} = \"{}s\"", value.as_secs())
}
