//! `[exchange.directory]`

use exconn_exchange::{
    Account,
    directory::{DirectoryAuthentication, DirectoryConfig, Feed},
};

use crate::config::{
    ConfigError,
    keys::{Key, Kind, key},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    key(
        "exchange.*.directory.url",
        Kind::List,
        "Address of a domain controller (ldaps:// or ldap://), or several: the first of a domain that answers is used. With it devices are discovered in the directory. Required in this section",
    ),
    key(
        "exchange.*.directory.authentication",
        Kind::Choice(&["kerberos", "negotiate", "ntlm", "simple"]),
        "How to sign in. Default: simple",
    ),
    key(
        "exchange.*.directory.username",
        Kind::Text,
        "The directory's account. Default: exchange.remoting.username",
    ),
    key(
        "exchange.*.directory.password_file",
        Kind::Path,
        "File that holds its password. Default: exchange.remoting.password_file",
    ),
    key("exchange.*.directory.start_tls", Kind::Flag, "Whether ldap:// turns to TLS first. Default: false"),
    key(
        "exchange.*.directory.ca_file",
        Kind::Path,
        "PEM file with the issuer of the controllers' certificates, if the system does not know it",
    ),
    key(
        "exchange.*.directory.feed",
        Kind::Choice(&["auto", "dirsync", "usn"]),
        "How changes are found: by DirSync, by update sequence numbers, or by what the account may do. Default: auto",
    ),
];

impl Reader {
    pub(super) fn directory(&self, number: usize) -> Result<DirectoryConfig, ConfigError> {
        let path = |key: &str| format!("exchange.{number}.directory.{key}");
        let own_or_remotings = |key: &str| match self.text(&path(key)) {
            Some(own) => Ok(own),
            None => self.required(&format!("exchange.{number}.remoting.{key}")),
        };
        let account = Account {
            username: own_or_remotings("username")?,
            password_file: own_or_remotings("password_file")?.into(),
        };
        let authentication = match self.choice(&path("authentication"))?.as_deref() {
            Some("kerberos") => DirectoryAuthentication::Kerberos(account),
            Some("negotiate") => DirectoryAuthentication::Negotiate(account),
            Some("ntlm") => DirectoryAuthentication::Ntlm(account),
            _ => DirectoryAuthentication::Simple(account),
        };
        let mut directory = DirectoryConfig::new(self.required_list(&path("url"))?, authentication);
        directory.start_tls = self.flag(&path("start_tls"), false)?;
        directory.roots.file = self.path(&path("ca_file"));
        directory.feed = match self.choice(&path("feed"))?.as_deref() {
            Some("dirsync") => Feed::DirSync,
            Some("usn") => Feed::UsnChanged,
            _ => Feed::Auto,
        };
        Ok(directory)
    }
}
