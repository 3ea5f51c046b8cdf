//! `[exchange.remoting]`

use std::time::Duration;

use exconn_exchange::{
    Account, KerberosConfig,
    remoting::{Authentication, RemotingConfig},
};

use crate::config::{
    ConfigError,
    keys::{Key, Kind, key},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    key(
        "exchange.*.remoting.url",
        Kind::List,
        "Address of the PowerShell virtual directory, or several: the first is preferred, the others take its place while it does not answer. Required",
    ),
    key(
        "exchange.*.remoting.authentication",
        Kind::Choice(&["kerberos", "negotiate", "ntlm", "basic"]),
        "How to sign in. Exchange offers kerberos by itself. Default: kerberos",
    ),
    key("exchange.*.remoting.username", Kind::Text, "The account. Required"),
    key(
        "exchange.*.remoting.password_file",
        Kind::Path,
        "File that holds the password; read for each connection. Required",
    ),
    key(
        "exchange.*.remoting.ca_file",
        Kind::Path,
        "PEM file with the issuer of Exchange's certificate, if the system does not know it",
    ),
    key(
        "exchange.*.remoting.operation_timeout",
        Kind::Duration,
        "How long Exchange may hold back an answer, at least 1s. Default: 60s",
    ),
    key(
        "exchange.*.remoting.idle_session",
        Kind::Duration,
        "How long a runspace that nobody uses is kept for the next sync, 1s to 10m. Default: 5m",
    ),
    key(
        "exchange.*.remoting.realm",
        Kind::Text,
        "The account's Kerberos realm. Default: the domain of the user name, or what krb5.conf says",
    ),
    key(
        "exchange.*.remoting.kdcs",
        Kind::List,
        "Domain controllers to ask for Kerberos tickets, in this order. Default: what krb5.conf says, else what the realm's name resolves to",
    ),
    key(
        "exchange.*.remoting.service_principal",
        Kind::Text,
        "Service principal name of Exchange. Default: HTTP/ and the host of the address",
    ),
];

impl Reader {
    pub(super) fn remoting(&self, number: usize) -> Result<RemotingConfig, ConfigError> {
        let path = |key: &str| format!("exchange.{number}.remoting.{key}");
        let mut urls = self.required_list(&path("url"))?.into_iter();
        let account = self.account(&path("username"), &path("password_file"))?;
        let authentication = match self.choice(&path("authentication"))?.as_deref() {
            Some("basic") => Authentication::Basic(account),
            Some("ntlm") => Authentication::Ntlm(account),
            Some("negotiate") => Authentication::Negotiate(account),
            _ => Authentication::Kerberos(account),
        };
        let mut remoting = RemotingConfig::new(urls.next().unwrap_or_default(), authentication);
        remoting.fallback_urls = urls.collect();
        remoting.roots.file = self.path(&path("ca_file"));
        let second = Duration::from_secs(1);
        let timeout = self.duration(&path("operation_timeout"), remoting.operation_timeout, second)?;
        remoting.operation_timeout = timeout;
        remoting.request_timeout = timeout + Duration::from_secs(30);
        remoting.idle_session = self.duration(&path("idle_session"), remoting.idle_session, second)?;
        remoting.kerberos = self.kerberos(number);
        remoting.service_principal = self.text(&path("service_principal"));
        Ok(remoting)
    }

    /// Where Kerberos finds its way, to Exchange and to the directory.
    pub(super) fn kerberos(&self, number: usize) -> KerberosConfig {
        let path = |key: &str| format!("exchange.{number}.remoting.{key}");
        KerberosConfig {
            realm: self.text(&path("realm")),
            kdcs: self.list(&path("kdcs")).unwrap_or_default(),
        }
    }

    /// An account with a password; with the system's Kerberos library also one without.
    pub(super) fn account(&self, username: &str, password_file: &str) -> Result<Account, ConfigError> {
        if cfg!(feature = "gssapi") && self.text(password_file).is_none() {
            let username = self.text(username).unwrap_or_default();
            return Ok(Account::without_password(username));
        }
        Ok(Account::new(self.required(username)?, self.required(password_file)?))
    }
}
