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
        "The directory's account; its password_file belongs to it. Default: the account of exchange.remoting",
    ),
    key(
        "exchange.*.directory.password_file",
        Kind::Path,
        "File that holds the password of exchange.directory.username",
    ),
    key("exchange.*.directory.start_tls", Kind::Flag, "Whether ldap:// turns to TLS first. Default: false"),
    key(
        "exchange.*.directory.ca_file",
        Kind::Path,
        "PEM file with the issuer of the controllers' certificates, if the system does not know it",
    ),
    key(
        "exchange.*.directory.service_principal",
        Kind::Text,
        "Service principal name of the controllers. Default: ldap/ and the host of the address",
    ),
    key(
        "exchange.*.directory.feed",
        Kind::Choice(&["auto", "dirsync", "usn"]),
        "How changes are found: by DirSync, by update sequence numbers, or by what the account may do. Default: auto",
    ),
];

impl Reader {
    /// The directory of an organisation whose Exchange is asked with `account`.
    pub(super) fn directory(&self, number: usize, account: &Account) -> Result<DirectoryConfig, ConfigError> {
        let path = |key: &str| format!("exchange.{number}.directory.{key}");
        let account = if self.text(&path("username")).is_some() {
            self.account(&path("username"), &path("password_file"))?
        } else {
            account.clone()
        };
        let authentication = match self.choice(&path("authentication"))?.as_deref() {
            Some("kerberos") => DirectoryAuthentication::Kerberos(account),
            Some("negotiate") => DirectoryAuthentication::Negotiate(account),
            Some("ntlm") => DirectoryAuthentication::Ntlm(account),
            _ => DirectoryAuthentication::Simple(account),
        };
        let mut directory = DirectoryConfig::new(self.required_list(&path("url"))?, authentication);
        directory.kerberos = self.kerberos(number);
        directory.service_principal = self.text(&path("service_principal"));
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
