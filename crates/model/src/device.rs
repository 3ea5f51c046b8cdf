use uuid::Uuid;

use crate::{
    AccessState, AccessStateReason, ConnectorId, DeviceId, DeviceStatistics, GraphEnum, Timestamp,
    access::access,
    enumeration::graph_enum,
    schema::{self, Entity, EntityType, Value},
};

graph_enum! {
    /// Who manages a device. exconn discovers devices of Exchange ActiveSync alone.
    ManagementAgent as "managementAgentType" {
        /// Exchange ActiveSync.
        Eas = 1 "eas",
        /// Intune as mobile device management.
        Mdm = 2 "mdm",
        /// Exchange ActiveSync and Intune.
        EasMdm = 3 "easMdm",
        /// The Intune client for computers.
        IntuneClient = 4 "intuneClient",
        /// Exchange ActiveSync and the Intune client for computers.
        EasIntuneClient = 5 "easIntuneClient",
        /// Configuration Manager.
        ConfigurationManagerClient = 8 "configurationManagerClient",
        /// Configuration Manager and Intune.
        ConfigurationManagerClientMdm = 10 "configurationManagerClientMdm",
        /// Configuration Manager, Intune and Exchange ActiveSync.
        ConfigurationManagerClientMdmEas = 11 "configurationManagerClientMdmEas",
        /// Not known.
        Unknown = 16 "unknown",
        /// Jamf.
        Jamf = 32 "jamf",
        /// Google's cloud device policy controller.
        GoogleCloudDevicePolicyController = 64 "googleCloudDevicePolicyController",
        /// Device management of Microsoft 365.
        Microsoft365ManagedMdm = 258 "microsoft365ManagedMdm",
        /// Microsoft Defender for Endpoint.
        MsSense = 1024 "msSense",
    }
}

/// What Exchange says of one mobile device partnership, in Exchange's own words.
///
/// The names are those of `Get-MobileDevice`; empty text is the same as absent there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedDevice {
    /// `Guid`: the directory's identity of the partnership object.
    pub partnership: Uuid,
    /// `DeviceId`: what the device calls itself.
    pub device_id: String,
    /// `DeviceType`.
    pub device_type: Option<String>,
    /// `DeviceModel`.
    pub model: Option<String>,
    /// `DeviceOS`, for instance `iOS 17.4 21E219`.
    pub operating_system: Option<String>,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `DeviceImei`.
    pub imei: Option<String>,
    /// `DeviceMobileOperator`.
    pub mobile_operator: Option<String>,
    /// `DeviceTelephoneNumber`.
    pub telephone_number: Option<String>,
    /// `DeviceUserAgent`.
    pub user_agent: Option<String>,
    /// `UserDisplayName`: the mailbox's canonical name, for instance `contoso.com/Staff/Lee, Ann`.
    pub user_display_name: Option<String>,
    /// `Identity`: the partnership's canonical name.
    pub identity: Option<String>,
    /// `DeviceAccessState`.
    pub access_state: Option<String>,
    /// `DeviceAccessStateReason`.
    pub access_state_reason: Option<String>,
    /// `DeviceAccessControlRule`.
    pub access_rule: Option<String>,
    /// `ClientType`, for instance `EAS`.
    pub client_type: Option<String>,
    /// `ClientVersion`.
    pub client_version: Option<String>,
    /// `FirstSyncTime`.
    pub first_sync: Option<Timestamp>,
    /// `WhenCreatedUTC`.
    pub created: Option<Timestamp>,
    /// `WhenChangedUTC`.
    pub changed: Option<Timestamp>,
    /// The mailbox user's sign-in name, where the driver can tell it.
    pub user_principal_name: Option<String>,
    /// The mailbox user's primary address, where the driver can tell it.
    pub email_address: Option<String>,
}

/// A device as exconn keeps it and the Graph shows it (`microsoft.graph.managedDevice`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MobileDevice {
    /// Identity, given by exconn when the partnership is first seen.
    pub id: DeviceId,
    /// The connector that found it.
    pub connector: ConnectorId,
    /// What a listing said.
    pub observed: ObservedDevice,
    /// What its mailbox said, once it was asked.
    pub statistics: Option<LearnedStatistics>,
}

/// Statistics and when they were learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedStatistics {
    /// When the mailbox was asked.
    pub learned: Timestamp,
    /// What it said. Its access state is gone once a listing brought a newer one.
    pub statistics: DeviceStatistics,
}

/// What `GET /deviceManagement/managedDevices` shows of a partnership.
pub const MANAGED_DEVICE: EntityType = EntityType::read_only(
    "managedDevice",
    "A mobile device that a mailbox of Exchange has a partnership with, as the last sync found it.",
    &[
        schema::key(),
        schema::text("deviceName", "The device's friendly name, else its model, else its type."),
        schema::enumeration("managementAgent", ManagementAgent::TYPE, "Who manages the device: always eas."),
        schema::text("operatingSystem", "Name of the operating system, for instance iOS."),
        schema::text("osVersion", "Version of the operating system."),
        schema::boolean("easActivated", "Whether the device uses Exchange ActiveSync: always true."),
        schema::text("easDeviceId", "What the device calls itself towards Exchange ActiveSync."),
        schema::moment(
            "easActivationDateTime",
            "When the device first synced with Exchange; 0001-01-01T00:00:00Z if that is not known.",
        ),
        schema::text("model", "The device's model."),
        schema::text("imei", "The device's International Mobile Equipment Identity."),
        schema::text("phoneNumber", "The device's telephone number."),
        schema::text("subscriberCarrier", "The mobile operator."),
        schema::text("userDisplayName", "Name of the mailbox that the device syncs with."),
        schema::text(
            "userPrincipalName",
            "The user's sign-in name; null where the connection has no way to tell it.",
        ),
        schema::text(
            "emailAddress",
            "The mailbox's primary address; null where the connection has no way to tell it.",
        ),
        schema::enumeration(
            "exchangeAccessState",
            AccessState::TYPE,
            "Whether Exchange lets the device read mail.",
        ),
        schema::enumeration("exchangeAccessStateReason", AccessStateReason::TYPE, "Why Exchange decided so."),
        schema::moment(
            "exchangeLastSuccessfulSyncDateTime",
            "When the device last synced with Exchange, as its mailbox said when it was asked last; \
             0001-01-01T00:00:00Z if that is not known.",
        ),
    ],
);

impl Entity for MobileDevice {
    const TYPE: &'static EntityType = &MANAGED_DEVICE;

    fn value(&self, position: usize) -> Value<'_> {
        let observed = &self.observed;
        match position {
            0 => Value::Text(self.id.to_string().into()),
            1 => Value::text(observed.device_name()),
            2 => Value::Enum(ManagementAgent::TYPE, ManagementAgent::Eas.number()),
            3 => Value::text(observed.split_operating_system().0),
            4 => Value::text(observed.split_operating_system().1),
            5 => Value::Boolean(true),
            6 => Value::Text(observed.device_id.as_str().into()),
            7 => Value::Timestamp(observed.first_sync.unwrap_or(Timestamp::UNSET)),
            8 => Value::text(observed.model.as_deref()),
            9 => Value::text(observed.imei.as_deref()),
            10 => Value::text(observed.telephone_number.as_deref()),
            11 => Value::text(observed.mobile_operator.as_deref()),
            12 => Value::text(observed.mailbox_name()),
            13 => Value::text(observed.user_principal_name.as_deref()),
            14 => Value::text(observed.email_address.as_deref()),
            15 => Value::Enum(AccessState::TYPE, self.access().0.number()),
            16 => Value::Enum(AccessStateReason::TYPE, self.access().1.number()),
            17 => Value::Timestamp(self.last_success().unwrap_or(Timestamp::UNSET)),
            _ => Value::Null,
        }
    }
}

impl MobileDevice {
    /// Whether Exchange lets the device in, and why: the mailbox's word, which is the newer one, before the listing's.
    pub fn access(&self) -> (AccessState, AccessStateReason) {
        access(&self.observed, self.statistics.as_ref().map(|learned| &learned.statistics))
    }

    /// When the device last synced with Exchange, if its mailbox said so.
    pub fn last_success(&self) -> Option<Timestamp> {
        self.statistics.as_ref()?.statistics.last_success
    }
}

impl ObservedDevice {
    /// The friendly name, else the model, else the type that the device told Exchange.
    pub fn device_name(&self) -> Option<&str> {
        self.friendly_name.as_deref().or(self.model.as_deref()).or(self.device_type.as_deref())
    }

    /// `DeviceOS` as name and version: `iOS 17.4 21E219` is `iOS` and `17.4 21E219`. The version begins at the first
    /// word that starts with a digit.
    pub fn split_operating_system(&self) -> (Option<&str>, Option<&str>) {
        let Some(text) = self.operating_system.as_deref() else { return (None, None) };
        let mut previous = b' ';
        let version = text.bytes().position(|byte| {
            let starts_version = previous == b' ' && byte.is_ascii_digit();
            previous = byte;
            starts_version
        });
        let (name, version) = version.map_or((text, ""), |at| text.split_at(at));
        (non_empty(name.trim()), non_empty(version.trim()))
    }

    /// The mailbox's own name: the last part of its canonical name, where `\/` stands for a slash.
    pub fn mailbox_name(&self) -> Option<&str> {
        let path = self.user_display_name.as_deref()?;
        let start = path.match_indices('/').map(|(at, _)| at).rfind(|at| !path[..*at].ends_with('\\'));
        non_empty(start.map_or(path, |at| &path[at + 1..]))
    }

    /// The mailbox as its cmdlets take it: the partnership's canonical name up to the container of partnerships.
    pub fn mailbox(&self) -> Option<&str> {
        const CONTAINER: &str = "/ExchangeActiveSyncDevices/";
        let identity = self.identity.as_deref()?;
        let is_container = |at: &usize| {
            identity.get(*at..*at + CONTAINER.len()).is_some_and(|part| {
                part.bytes().zip(CONTAINER.bytes()).all(|(given, known)| match known {
                    // Exchange Online writes backslashes here.
                    b'/' => matches!(given, b'/' | b'\\'),
                    _ => given.eq_ignore_ascii_case(&known),
                })
            })
        };
        let end = identity.char_indices().map(|(at, _)| at).find(is_container)?;
        non_empty(&identity[..end])
    }
}

fn non_empty(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

/// What Exchange says of itself (`Get-OrganizationConfig`, `Get-ExchangeServer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// The organisation's name.
    pub name: String,
    /// Fully qualified names of the servers, in the order given.
    pub servers: Vec<String>,
    /// The servers' build, for instance `Version 15.2 (Build 1748.10)`, if they agree on one.
    pub server_version: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut ObservedDevice)) -> ObservedDevice {
        let mut device = ObservedDevice::default();
        change(&mut device);
        device
    }

    #[test]
    fn operating_systems_are_split_at_the_version() {
        for (given, name, version) in [
            ("iOS 17.4 21E219", Some("iOS"), Some("17.4 21E219")),
            ("Android 14", Some("Android"), Some("14")),
            ("Windows 10.0.19045", Some("Windows"), Some("10.0.19045")),
            ("Sailfish", Some("Sailfish"), None),
            ("3.0", None, Some("3.0")),
            ("Series60 3", Some("Series60"), Some("3")),
        ] {
            let device = with(|d| d.operating_system = Some(given.into()));
            assert_eq!(device.split_operating_system(), (name, version), "{given}");
        }
    }

    #[test]
    fn the_mailbox_name_ends_the_canonical_name() {
        for (given, name) in [
            ("contoso.com/Staff/Lee, Ann", "Lee, Ann"),
            (r"contoso.com/Staff/Sales\/East", r"Sales\/East"),
            ("Lila", "Lila"),
        ] {
            assert_eq!(with(|d| d.user_display_name = Some(given.into())).mailbox_name(), Some(name));
        }
    }

    #[test]
    fn the_mailbox_is_what_the_partnership_lies_in() {
        for (identity, mailbox) in [
            (
                "contoso.com/Staff/Lee, Ann/ExchangeActiveSyncDevices/iPhone§A",
                Some("contoso.com/Staff/Lee, Ann"),
            ),
            (r"Lila\ExchangeActiveSyncDevices\REST§Outlook§5e", Some("Lila")),
            ("contoso.com/Ü/exchangeactivesyncdevices/a", Some("contoso.com/Ü")),
            ("/ExchangeActiveSyncDevices/a", None),
            ("contoso.com/Staff/iPhone§A", None),
            ("§", None),
        ] {
            assert_eq!(with(|d| d.identity = Some(identity.into())).mailbox(), mailbox, "{identity}");
        }
    }
}
