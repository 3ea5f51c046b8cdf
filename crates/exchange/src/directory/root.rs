use exconn_model::Timestamp;
use uuid::Uuid;

use super::{connection::Connection, device::generalized_time, failure, message::Entry};
use crate::ExchangeError;

/// What a controller says of itself (MS-ADTS, 3.1.1.3.2).
#[derive(Clone, Debug)]
pub(super) struct RootDse {
    /// The head of its domain, for instance `DC=contoso,DC=test`.
    pub(super) domain: String,
    /// The head of the forest's first domain.
    pub(super) forest: String,
    pub(super) configuration: String,
    pub(super) schema: String,
    /// The object that stands for this controller.
    pub(super) service: String,
    /// Its name in DNS.
    pub(super) host_name: Option<String>,
    /// The number of the last change that it holds.
    pub(super) highest_usn: u64,
    /// Its clock.
    pub(super) time: Option<Timestamp>,
    controls: Vec<String>,
}

const ATTRIBUTES: [&str; 9] = [
    "defaultNamingContext",
    "rootDomainNamingContext",
    "configurationNamingContext",
    "schemaNamingContext",
    "dsServiceName",
    "dnsHostName",
    "highestCommittedUSN",
    "currentTime",
    "supportedControl",
];

impl RootDse {
    /// Asks a controller about itself.
    pub(super) async fn of(connection: &mut Connection) -> Result<Self, ExchangeError> {
        let entry = connection.object("rootDSE", "", &ATTRIBUTES, false).await?;
        let read = entry.as_ref().and_then(Self::read);
        read.ok_or_else(|| {
            let reason = "it is an LDAP server, but not a domain controller of Active Directory";
            failure::wrong_endpoint(&connection.target, reason)
        })
    }

    fn read(entry: &Entry) -> Option<Self> {
        let controls = entry.values("supportedControl").iter();
        Some(Self {
            domain: entry.text("defaultNamingContext")?,
            forest: entry.text("rootDomainNamingContext")?,
            configuration: entry.text("configurationNamingContext")?,
            schema: entry.text("schemaNamingContext")?,
            service: entry.text("dsServiceName")?,
            host_name: entry.text("dnsHostName"),
            highest_usn: entry.number("highestCommittedUSN")?,
            time: entry.text("currentTime").and_then(|time| generalized_time(&time)),
            controls: controls.map(|control| String::from_utf8_lossy(control).into_owned()).collect(),
        })
    }

    /// Whether it knows a control.
    pub(super) fn supports(&self, control: &[u8]) -> bool {
        self.controls.iter().any(|known| known.as_bytes() == control)
    }

    /// Which copy of the directory's data this is: another one after the data was restored from a backup, since the numbers
    /// of changes then mean something else. `None` if the account may not read it.
    pub(super) async fn invocation(
        &self,
        connection: &mut Connection,
    ) -> Result<Option<Uuid>, ExchangeError> {
        let entry =
            connection.object("the controller's own object", &self.service, &["invocationId"], false).await?;
        let bytes = entry.as_ref().and_then(|entry| entry.value("invocationId"));
        Ok(bytes.and_then(|bytes| Uuid::from_slice_le(bytes).ok()))
    }
}
