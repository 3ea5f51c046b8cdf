use std::{sync::Arc, time::Duration};

use exconn_model::AccessDecision;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{answer::Refusal, api::Api, invocation::Invocation};
use crate::{
    DeviceAddress, ExchangeError,
    rows::{Ignored, Mapper},
};

/// Most exemptions of one mailbox that are looked at.
const MAX_EXEMPTIONS: usize = 10_000;
/// The longest pause between two looks at whether a change has arrived.
const MAX_PAUSE: Duration = Duration::from_secs(15);

/// The personal exemptions of a mailbox.
#[derive(Debug, Default)]
struct Exemptions {
    allowed: Vec<String>,
    blocked: Vec<String>,
}

impl Mapper for Exemptions {
    type Row = Self;

    fn property(&mut self, name: &str, text: &str) {
        self.item(name, text);
    }

    fn item(&mut self, name: &str, text: &str) {
        let list = if name.eq_ignore_ascii_case("ActiveSyncAllowedDeviceIDs") {
            &mut self.allowed
        } else if name.eq_ignore_ascii_case("ActiveSyncBlockedDeviceIDs") {
            &mut self.blocked
        } else {
            return;
        };
        if list.len() < MAX_EXEMPTIONS {
            list.push(text.to_lowercase());
        }
    }

    fn finish(self) -> Result<Self, String> {
        Ok(self)
    }
}

impl Exemptions {
    fn follow(&self, device_id: &str, decision: AccessDecision) -> bool {
        let id = device_id.to_lowercase();
        let (allowed, blocked) = (self.allowed.contains(&id), self.blocked.contains(&id));
        (allowed, blocked)
            == match decision {
                AccessDecision::Allow => (true, false),
                AccessDecision::Block => (false, true),
                AccessDecision::ByRule => (false, false),
            }
    }
}

/// Changes the exemptions of a mailbox, and waits until the change can be read back. Other servers hear of it later; that
/// they have not within `settle` is no error.
pub(super) async fn set_access(
    api: &Arc<Api>,
    device: &DeviceAddress,
    decision: AccessDecision,
    settle: Duration,
) -> Result<(), ExchangeError> {
    let place = api.first_place(2);
    let set = Invocation::new("Set-CASMailbox", &parameters(device, decision));
    let set = set.of_mailbox(&device.mailbox).changing();
    let page = api.page::<Ignored>(&set, &place).await.map_err(|refusal| refusal.into_error(&api.client))?;
    if let Some(question) = page.confirmation.first() {
        let reason = format!("{} changed nothing, for it asks: {question}", set.cmdlet);
        return Err(ExchangeError::EndedEarly { reason });
    }

    let get = Invocation::new("Get-CASMailbox", &json!({"Identity": device.mailbox}));
    let get = get.of_mailbox(&device.mailbox);
    let (mut waited, mut pause) = (Duration::ZERO, Duration::from_secs(1).min(settle / 8));
    loop {
        match api.page::<Exemptions>(&get, &place).await {
            Ok(page) => {
                let mailboxes = page.rows.unwrap_or_default();
                if mailboxes.iter().any(|mailbox| mailbox.follow(&device.device_id, decision)) {
                    return Ok(());
                }
            }
            // A server that has not heard of the mailbox has not heard of the change either.
            Err(Refusal::ObjectMissing(_)) => {}
            Err(refusal) => {
                let error = refusal.into_error(&api.client);
                tracing::warn!(%error, "the access of a device was set, but cannot be read back");
                return Ok(());
            }
        }
        if waited >= settle {
            tracing::warn!(?waited, "the access of a device was set; Exchange Online does not show it yet");
            return Ok(());
        }
        sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// `Add` and `Remove` leave the exemptions of other devices alone; a plain list would overwrite them. A personal block
/// comes before a personal permission, so each decision takes the other's away.
pub(super) fn parameters(device: &DeviceAddress, decision: AccessDecision) -> Value {
    let (allowed, blocked) = match decision {
        AccessDecision::Allow => ("Add", "Remove"),
        AccessDecision::Block => ("Remove", "Add"),
        AccessDecision::ByRule => ("Remove", "Remove"),
    };
    let change = |verb: &str| json!({"@odata.type": "#Exchange.GenericHashTable", verb: [device.device_id]});
    json!({
        "Identity": device.mailbox,
        "ActiveSyncAllowedDeviceIDs": change(allowed),
        "ActiveSyncBlockedDeviceIDs": change(blocked),
        // A question could not be answered: there is no person at this end.
        "Confirm": false,
    })
}
