use super::{link::Link, target::Target};
use crate::{ExchangeError, cure::SignIn, tls};

/// What to change so that this failure goes away.
pub(super) fn cure(error: &ExchangeError, target: &Target, link: &Link) -> String {
    let (host, endpoint) = (&target.host, target.endpoint());
    let sign_in = SignIn {
        account: link.config.authentication.account(),
        service: &link.service(target),
        endpoint: &endpoint,
    };
    if let Some(cure) = sign_in.cure(error) {
        return cure;
    }
    match error {
        ExchangeError::Unreachable { .. } => format!(
            "See that {host} is a domain controller's name that this machine's name service knows, that it runs, and that no \
             firewall keeps this machine from its port {}.",
            target.port
        ),
        ExchangeError::Tls { reason, .. } => tls::cure(reason, host),
        ExchangeError::NotPermitted { .. } => {
            "Let the account read the configuration and the domains of the forest, as every account may by default.".into()
        }
        ExchangeError::WrongEndpoint { .. } => {
            "Name a domain controller of Exchange's forest. Its ports are 389 (ldap) and 636 (ldaps), unless yours are others."
                .into()
        }
        _ => "Try again. If it persists, look into the event log Directory Service of the controller.".into(),
    }
}
