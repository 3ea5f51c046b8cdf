use uuid::Uuid;

use crate::{
    ConnectorId, DeviceId, GraphEnum, Timestamp,
    enumeration::graph_enum,
    schema::{self, Entity, EntityType, Value},
};

graph_enum! {
    /// Whether Exchange lets a device read mail.
    AccessState as "deviceManagementExchangeAccessState" {
        /// No access state was found.
        None = 0 "none",
        /// Not decided yet, or a state that the Graph has no name for.
        Unknown = 1 "unknown",
        /// The device has access.
        Allowed = 2 "allowed",
        /// The device is refused.
        Blocked = 3 "blocked",
        /// The device waits for a person's decision.
        Quarantined = 4 "quarantined",
    }
}

graph_enum! {
    /// Why Exchange decided so. The number 11 does not exist in the metadata.
    AccessStateReason as "deviceManagementExchangeAccessStateReason" {
        /// No reason was found.
        None = 0 "none",
        /// Exchange gave no reason.
        Unknown = 1 "unknown",
        /// The organisation's default.
        ExchangeGlobalRule = 2 "exchangeGlobalRule",
        /// A personal exemption of the mailbox.
        ExchangeIndividualRule = 3 "exchangeIndividualRule",
        /// A device access rule.
        ExchangeDeviceRule = 4 "exchangeDeviceRule",
        /// A mailbox that is being upgraded.
        ExchangeUpgrade = 5 "exchangeUpgrade",
        /// The mailbox policy.
        ExchangeMailboxPolicy = 6 "exchangeMailboxPolicy",
        /// Any other reason of Exchange, for instance its automatic blocks.
        Other = 7 "other",
        /// The device is compliant.
        Compliant = 8 "compliant",
        /// The device is not compliant.
        NotCompliant = 9 "notCompliant",
        /// The device is not enrolled.
        NotEnrolled = 10 "notEnrolled",
        /// The device's location is unknown.
        UnknownLocation = 12 "unknownLocation",
        /// A second factor is required.
        MfaRequired = 13 "mfaRequired",
        /// An access policy of the directory blocks it.
        AzureAdBlockDueToAccessPolicy = 14 "azureADBlockDueToAccessPolicy",
        /// The password is known to others.
        CompromisedPassword = 15 "compromisedPassword",
        /// The device is not known with its managed app.
        DeviceNotKnownWithManagedApp = 16 "deviceNotKnownWithManagedApp",
    }
}

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
    /// What Exchange said.
    pub observed: ObservedDevice,
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
            "The user's sign-in name; Exchange does not tell it, so it is null.",
        ),
        schema::text("emailAddress", "The user's address; Exchange does not tell it, so it is null."),
        schema::enumeration(
            "exchangeAccessState",
            AccessState::TYPE,
            "Whether Exchange lets the device read mail.",
        ),
        schema::enumeration("exchangeAccessStateReason", AccessStateReason::TYPE, "Why Exchange decided so."),
        schema::moment(
            "exchangeLastSuccessfulSyncDateTime",
            "When the device last reached Exchange; 0001-01-01T00:00:00Z, since a listing does not tell it.",
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
            15 => Value::Enum(AccessState::TYPE, observed.graph_access_state().number()),
            16 => Value::Enum(AccessStateReason::TYPE, observed.graph_access_state_reason().number()),
            17 => Value::Timestamp(Timestamp::UNSET),
            _ => Value::Null,
        }
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

    /// `DeviceAccessState` as the Graph names it. A device in discovery is `unknown`: Exchange has not decided.
    pub fn graph_access_state(&self) -> AccessState {
        match self.access_state.as_deref() {
            None => AccessState::None,
            Some("Allowed") => AccessState::Allowed,
            Some("Blocked") => AccessState::Blocked,
            Some("Quarantined") => AccessState::Quarantined,
            Some(_) => AccessState::Unknown,
        }
    }

    /// `DeviceAccessStateReason` as the Graph names it; Exchange's automatic blocks are `other`.
    pub fn graph_access_state_reason(&self) -> AccessStateReason {
        match self.access_state_reason.as_deref() {
            None => AccessStateReason::None,
            Some("Unknown") => AccessStateReason::Unknown,
            Some("Global") => AccessStateReason::ExchangeGlobalRule,
            Some("Individual") => AccessStateReason::ExchangeIndividualRule,
            Some("DeviceRule") => AccessStateReason::ExchangeDeviceRule,
            Some("Upgrade") => AccessStateReason::ExchangeUpgrade,
            Some("Policy") => AccessStateReason::ExchangeMailboxPolicy,
            Some(_) => AccessStateReason::Other,
        }
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

    #[test]
    fn unnamed_states_and_reasons_stay_honest() {
        let device = with(|d| {
            d.access_state = Some("DeviceDiscovery".into());
            d.access_state_reason = Some("CommandFrequency".into());
        });
        assert_eq!(device.graph_access_state(), AccessState::Unknown);
        assert_eq!(device.graph_access_state_reason(), AccessStateReason::Other);
        assert_eq!(ObservedDevice::default().graph_access_state(), AccessState::None);
    }
}
