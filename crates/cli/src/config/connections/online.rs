//! `[exchange.online]`

use exconn_exchange::{
    SecretFile,
    online::{ClientCredential, Cloud, OnlineConfig},
};
use uuid::Uuid;

use crate::config::{
    ConfigError,
    keys::{Key, Kind, key},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    key("exchange.*.online.tenant_id", Kind::Text, "Exchange Online's tenant, a GUID. Required"),
    key("exchange.*.online.client_id", Kind::Text, "The application, a GUID. Required"),
    key(
        "exchange.*.online.client_secret_file",
        Kind::Path,
        "File that holds the application's secret; this or the certificate is required",
    ),
    key("exchange.*.online.certificate_file", Kind::Path, "PEM file with the application's certificate"),
    key(
        "exchange.*.online.certificate_key_file",
        Kind::Path,
        "PEM file with the certificate's private key. Default: the certificate's file",
    ),
    key(
        "exchange.*.online.primary_smtp_address",
        Kind::Text,
        "An administrator's address; becomes primarySmtpAddress",
    ),
    key(
        "exchange.*.online.cloud",
        Kind::Choice(&["worldwide", "usGovernment", "usGovernmentDod", "china"]),
        "The cloud that the tenant lives in. Default: worldwide",
    ),
    key(
        "exchange.*.online.base_url",
        Kind::Text,
        "Address of Exchange Online's interface instead of the cloud's: https, or http on loopback",
    ),
    key(
        "exchange.*.online.authority",
        Kind::Text,
        "Address of the sign-in instead of the cloud's: https, or http on loopback",
    ),
    key(
        "exchange.*.online.ca_file",
        Kind::Path,
        "PEM file with the issuer of the servers' certificates, if the system does not know it",
    ),
];

impl Reader {
    pub(super) fn online(&self, number: usize, concurrency: usize) -> Result<OnlineConfig, ConfigError> {
        let path = |key: &str| format!("exchange.{number}.online.{key}");
        let secret = self.path(&path("client_secret_file"));
        let certificate = self.path(&path("certificate_file"));
        let credential = match (secret, certificate) {
            (Some(file), None) => ClientCredential::Secret(SecretFile::new(file)),
            (None, Some(certificate)) => {
                let key = self.path(&path("certificate_key_file")).unwrap_or_else(|| certificate.clone());
                ClientCredential::Certificate { certificate, key }
            }
            _ => {
                return Err(ConfigError::Either {
                    one: path("client_secret_file"),
                    other: path("certificate_file"),
                });
            }
        };
        let (tenant, client) = (self.guid(&path("tenant_id"))?, self.guid(&path("client_id"))?);
        let mut online = OnlineConfig::new(tenant, client, credential);
        // More than two at a time are refused by the driver: Exchange Online throttles them.
        online.statistics_concurrency = concurrency;
        online.primary_smtp_address = self.text(&path("primary_smtp_address"));
        online.cloud = match self.choice(&path("cloud"))?.as_deref() {
            Some("usGovernment") => Cloud::UsGovernment,
            Some("usGovernmentDod") => Cloud::UsGovernmentDod,
            Some("china") => Cloud::China,
            _ => Cloud::Worldwide,
        };
        online.base_url = self.text(&path("base_url"));
        online.authority = self.text(&path("authority"));
        online.roots.file = self.path(&path("ca_file"));
        Ok(online)
    }

    fn guid(&self, path: &str) -> Result<Uuid, ConfigError> {
        self.required(path)?;
        let parsed = self.parsed(path, |text| text.parse().ok())?;
        parsed.ok_or_else(|| ConfigError::Missing { key: path.to_owned(), about: "a GUID" })
    }
}
