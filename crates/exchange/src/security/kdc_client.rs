use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use exconn_model::Clock;
use sspi::{
    Error, ErrorKind, NetworkRequest, Username, UsernameParts,
    kerberos::client::principal::get_client_principal_realm, network_client::NetworkClient,
};
use tokio::runtime::Handle;

use super::{
    Intent, KerberosConfig, SecurityError,
    kdc::{self, KdcAddress},
    kdc_answer::Refusal,
};

/// Stands for the KDCs of the account's realm, which this module chooses.
pub(super) const HOME: &str = "tcp://home.invalid:88";
/// Length of the length in front of a message.
const PREFIX: usize = 4;

/// Carries the messages of a context to the KDCs, and remembers what they refused: they know more reasons than the crate.
pub(super) struct KdcClient {
    realm: String,
    config: KerberosConfig,
    home: OnceLock<Vec<KdcAddress>>,
    service: String,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    failure: Mutex<Option<SecurityError>>,
}

impl KdcClient {
    /// To be made where a runtime is, and used where blocking is allowed.
    pub(super) fn new(intent: &Intent, username: &str) -> Self {
        Self {
            realm: realm_of(&intent.kerberos, username),
            config: intent.kerberos.clone(),
            home: OnceLock::new(),
            service: intent.service.clone(),
            clock: intent.clock.clone(),
            runtime: Handle::current(),
            failure: Mutex::new(None),
        }
    }

    /// The account's realm; empty if nobody says it.
    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    /// Why the last message brought no ticket, if a KDC or the lack of one is to blame.
    pub(super) fn failure(&self) -> Option<SecurityError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn kdcs(&self, request: &NetworkRequest) -> Vec<KdcAddress> {
        if request.url.as_str() != HOME {
            // Another realm on the way to the service; only `krb5.conf` can have named its KDC.
            let address = KdcAddress::parse(request.url.authority());
            return address.into_iter().collect();
        }
        let home = || kdc::of_realm(&self.config, &get_client_principal_realm("", &self.realm));
        self.home.get_or_init(home).clone()
    }

    fn fail(&self, failure: SecurityError, kind: ErrorKind) -> Error {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        Error::new(kind, "")
    }
}

impl NetworkClient for KdcClient {
    fn send(&self, request: &NetworkRequest) -> sspi::Result<Vec<u8>> {
        let refusal = |answer: &[u8]| Refusal::read(answer.get(PREFIX..)?);
        let serves = |answer: &[u8]| !refusal(answer).is_some_and(|refusal| refusal.is_temporary());
        let asked = self.runtime.block_on(kdc::ask(&self.kdcs(request), &request.data, serves));
        let (kdc, answer) =
            asked.map_err(|failure| self.fail(failure, ErrorKind::NoAuthenticatingAuthority))?;
        match refusal(&answer) {
            Some(refusal) if !refusal.asks_for_proof() => {
                let meaning = refusal.meaning(&kdc, &self.service, self.clock.now());
                // Given back as an error, so that nothing is tried again behind our back.
                Err(self.fail(meaning, ErrorKind::LogonDenied))
            }
            _ => Ok(answer),
        }
    }
}

/// The configured realm, else the domain in the user's name.
fn realm_of(config: &KerberosConfig, username: &str) -> String {
    if let Some(realm) = &config.realm {
        return realm.clone();
    }
    let name = Username::parse(username).ok();
    let domain = name.as_ref().map_or("", |name| match name.parts() {
        UsernameParts::UserPrincipalName(name) => name.suffix(),
        UsernameParts::DownLevelLogonName(name) => name.netbios_domain().unwrap_or_default(),
    });
    domain.to_uppercase()
}
