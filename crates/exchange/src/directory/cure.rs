use super::target::Target;
use crate::ExchangeError;

/// What to change so that this failure goes away.
pub(super) fn cure(error: &ExchangeError, target: &Target) -> String {
    let host = &target.host;
    match error {
        ExchangeError::Unreachable { .. } => format!(
            "check that {host} resolves and runs, and that nothing between here and there blocks port {}",
            target.port
        ),
        ExchangeError::Tls { reason, .. } => tls(reason, host),
        ExchangeError::CredentialsRefused { .. } => {
            "check the user name, in the form DOMAIN\\user or user@domain, and the password in its file".into()
        }
        ExchangeError::CredentialsHeld { .. } => {
            "write the right password into its file; it is tried at once when the file changes".into()
        }
        ExchangeError::PasswordExpired { .. } => {
            "give the account a new password that does not expire, and write it into the password file".into()
        }
        ExchangeError::AccountLocked { .. } => {
            "unlock or enable the account (Unlock-ADAccount, Enable-ADAccount), and look for what else uses its old password"
                .into()
        }
        ExchangeError::TicketRefused { reason, .. } => reason.clone(),
        ExchangeError::ClockSkew { .. } => "set this machine's clock by the domain's time source".into(),
        ExchangeError::ServiceUnknown { principal } => format!(
            "use the controller's full name in the address, as it is in the domain: {principal} is not registered there"
        ),
        ExchangeError::PasswordUnavailable { path, .. } => {
            format!("let exconn read {}, with the password in its one line", path.display())
        }
        ExchangeError::NotPermitted { .. } => {
            "let the account read the configuration and the domains of the forest, as every account may by default".into()
        }
        ExchangeError::WrongEndpoint { .. } => {
            "name a domain controller of Exchange's forest, ports 389 (ldap) and 636 (ldaps) unless yours are others".into()
        }
        _ => "try again; if it persists, look into the controller's Directory Service log".into(),
    }
}

fn tls(reason: &str, host: &str) -> String {
    let reason = reason.to_lowercase();
    if reason.contains("unknownissuer") || reason.contains("unknown issuer") {
        "name the file of the authority that issued the controller's certificate (PEM) among the roots".into()
    } else if reason.contains("expired") || reason.contains("notvalidyet") || reason.contains("not valid yet")
    {
        format!("renew the certificate of {host}, and check this machine's clock")
    } else if reason.contains("not valid for") || reason.contains("notvalidforname") {
        format!(
            "use a name that stands in the certificate of {host} in the address, or issue one for this name"
        )
    } else {
        format!(
            "give {host} a certificate for server authentication (certlm.msc, Personal), and check its port"
        )
    }
}
