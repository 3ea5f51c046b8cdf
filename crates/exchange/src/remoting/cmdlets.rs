//! What exconn asks Exchange to do. A cmdlet leaves this driver only by [`Cmdlet::admitted`], which knows whether it changes
//! anything.

use exconn_model::{AccessDecision, Timestamp};
use exconn_psrp::{Argument, Command};

use crate::{DeviceAddress, ExchangeError};

/// Shows the recipients of all domains of the forest. It changes the session, and nothing at Exchange.
pub(super) const SET_AD_SERVER_SETTINGS: &str = "Set-ADServerSettings";
/// Changes which devices a mailbox lets in.
pub(super) const SET_CAS_MAILBOX: &str = "Set-CASMailbox";

/// What a cmdlet does to Exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It changes nothing, so it can be run again.
    Reads,
    /// It changes something.
    Writes,
}

impl Effect {
    /// Whatever is not known to read is taken to write.
    fn of(cmdlet: &str) -> Self {
        let verb = cmdlet.split('-').next().unwrap_or_default();
        if verb.eq_ignore_ascii_case("Get") || cmdlet.eq_ignore_ascii_case(SET_AD_SERVER_SETTINGS) {
            Self::Reads
        } else {
            Self::Writes
        }
    }
}

/// A cmdlet with its parameters.
#[derive(Clone, Debug)]
pub(super) struct Cmdlet {
    command: Command,
    effect: Effect,
}

impl Cmdlet {
    /// A cmdlet without parameters.
    pub(super) fn new(name: &str) -> Self {
        Self { effect: Effect::of(name), command: Command::new(name) }
    }

    /// The same cmdlet with one more parameter.
    pub(super) fn with(mut self, parameter: &str, value: impl Into<Argument>) -> Self {
        self.command = self.command.with(parameter, value);
        self
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.command.name
    }

    /// Whether it can be run again without changing anything.
    pub(super) fn reads(&self) -> bool {
        self.effect == Effect::Reads
    }

    /// The command to send.
    ///
    /// # Errors
    /// [`ExchangeError::ReadOnly`] if it changes something and the connection must not.
    pub(super) fn admitted(&self, read_only: bool) -> Result<&Command, ExchangeError> {
        match self.effect {
            Effect::Writes if read_only => Err(ExchangeError::ReadOnly),
            _ => Ok(&self.command),
        }
    }
}

/// Without it a session sees the recipients of one domain only.
pub(super) fn view_entire_forest() -> Cmdlet {
    Cmdlet::new(SET_AD_SERVER_SETTINGS).with("ViewEntireForest", Argument::Boolean(true))
}

/// The organisation's name.
pub(super) fn get_organization_config() -> Cmdlet {
    Cmdlet::new("Get-OrganizationConfig")
}

/// The organisation's servers and their builds.
pub(super) fn get_exchange_server() -> Cmdlet {
    Cmdlet::new("Get-ExchangeServer")
}

/// The partnerships that first synced since a moment, or all.
pub(super) fn get_mobile_device(first_sync_since: Option<Timestamp>) -> Cmdlet {
    // Without a size Exchange stops after a thousand.
    let all = Cmdlet::new("Get-MobileDevice").with("ResultSize", "Unlimited");
    match first_sync_since {
        None => all,
        // ISO 8601 in UTC is read the same way in every culture.
        Some(moment) => all.with("Filter", Argument::Text(format!("FirstSyncTime -ge '{moment}'"))),
    }
}

/// What a mailbox knows of its partnerships. Parameters travel as values, so no name needs escaping.
pub(super) fn get_mobile_device_statistics(mailbox: &str) -> Cmdlet {
    Cmdlet::new("Get-MobileDeviceStatistics").with("Mailbox", mailbox)
}

/// What the account may run under this name.
pub(super) fn get_command(name: &str) -> Cmdlet {
    Cmdlet::new("Get-Command").with("Name", name)
}

/// `Add` and `Remove` leave the exemptions of other devices alone; a plain list would overwrite them. A personal block
/// comes before a personal permission, so each decision takes the other's away.
pub(super) fn set_cas_mailbox(device: &DeviceAddress, decision: AccessDecision) -> Cmdlet {
    let (allowed, blocked) = match decision {
        AccessDecision::Allow => ("Add", "Remove"),
        AccessDecision::Block => ("Remove", "Add"),
        AccessDecision::ByRule => ("Remove", "Remove"),
    };
    let change = |verb: &str| Argument::Hashtable(vec![(verb.to_owned(), device.device_id.as_str().into())]);
    Cmdlet::new(SET_CAS_MAILBOX)
        .with("Identity", device.mailbox.as_str())
        .with("ActiveSyncAllowedDeviceIDs", change(allowed))
        .with("ActiveSyncBlockedDeviceIDs", change(blocked))
        // A question could not be answered: there is no person at this end.
        .with("Confirm", Argument::Boolean(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_read_writes() {
        for (name, reads) in [
            ("Get-MobileDevice", true),
            ("get-mobiledevice", true),
            ("Set-ADServerSettings", true),
            ("Set-CASMailbox", false),
            ("Clear-MobileDevice", false),
            ("Getaway-Device", false),
            ("Invoke-Command", false),
            ("", false),
        ] {
            let cmdlet = Cmdlet::new(name);
            assert_eq!(cmdlet.reads(), reads, "{name}");
            assert_eq!(cmdlet.admitted(true).is_ok(), reads, "{name}");
            assert!(cmdlet.admitted(false).is_ok(), "{name}");
        }
    }
}
