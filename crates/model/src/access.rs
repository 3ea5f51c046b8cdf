use crate::{DeviceStatistics, ObservedDevice, enumeration::graph_enum};

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

/// Access state and reason of a partnership as the Graph names them: what its mailbox says, which is the newer word, and
/// what the listing says where the mailbox says nothing.
pub fn access(
    observed: &ObservedDevice,
    statistics: Option<&DeviceStatistics>,
) -> (AccessState, AccessStateReason) {
    let newer = statistics.filter(|statistics| statistics.access_state.is_some());
    let state = newer.map_or(&observed.access_state, |statistics| &statistics.access_state);
    let reason = newer.and_then(|statistics| statistics.access_state_reason.as_ref());
    let reason = reason.or(observed.access_state_reason.as_ref());
    (state_of(state.as_deref()), reason_of(reason.map(String::as_str)))
}

/// `DeviceAccessState` as the Graph names it. A device in discovery is `unknown`: Exchange has not decided.
fn state_of(text: Option<&str>) -> AccessState {
    match text {
        None => AccessState::None,
        Some("Allowed") => AccessState::Allowed,
        Some("Blocked") => AccessState::Blocked,
        Some("Quarantined") => AccessState::Quarantined,
        Some(_) => AccessState::Unknown,
    }
}

/// `DeviceAccessStateReason` as the Graph names it; Exchange's automatic blocks are `other`.
fn reason_of(text: Option<&str>) -> AccessStateReason {
    match text {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn access_of(state: Option<&str>, reason: Option<&str>) -> ObservedDevice {
        ObservedDevice {
            access_state: state.map(Into::into),
            access_state_reason: reason.map(Into::into),
            ..ObservedDevice::default()
        }
    }

    #[test]
    fn unnamed_states_and_reasons_stay_honest() {
        let device = access_of(Some("DeviceDiscovery"), Some("CommandFrequency"));
        assert_eq!(access(&device, None), (AccessState::Unknown, AccessStateReason::Other));
        assert_eq!(access(&access_of(None, None), None), (AccessState::None, AccessStateReason::None));
    }

    #[test]
    fn the_mailbox_knows_better_than_the_directory_where_it_knows_anything() {
        let device = access_of(Some("Quarantined"), Some("Global"));
        for (state, reason, wanted) in [
            (None, None, (AccessState::Quarantined, AccessStateReason::ExchangeGlobalRule)),
            (None, Some("Policy"), (AccessState::Quarantined, AccessStateReason::ExchangeGlobalRule)),
            (Some("Allowed"), None, (AccessState::Allowed, AccessStateReason::ExchangeGlobalRule)),
            (
                Some("Blocked"),
                Some("Individual"),
                (AccessState::Blocked, AccessStateReason::ExchangeIndividualRule),
            ),
        ] {
            let statistics = DeviceStatistics {
                access_state: state.map(Into::into),
                access_state_reason: reason.map(Into::into),
                ..DeviceStatistics::default()
            };
            assert_eq!(access(&device, Some(&statistics)), wanted, "{state:?}, {reason:?}");
        }
    }
}
