//! What to change so that a failure goes away, where that is the same on every road.
//!
//! A cure is a few lines. One that ends with a full stop or a colon is said to an administrator; any other is a command to
//! be typed.

use crate::{Account, ExchangeError, quoted::quoted};

/// A sign-in that failed: by whom, to what, and where.
pub(crate) struct SignIn<'a> {
    pub(crate) account: &'a Account,
    /// The service principal name that a ticket was asked for.
    pub(crate) service: &'a str,
    /// Host and port of the server itself, apart from those of its domain controllers.
    pub(crate) endpoint: &'a str,
}

impl SignIn<'_> {
    /// What to change; `None` if the error has nothing to do with who signs in.
    pub(crate) fn cure(&self, error: &ExchangeError) -> Option<String> {
        let file = self.account.password_file.as_ref().map(|file| file.display().to_string());
        let file = file.as_deref().unwrap_or("password_file");
        let (username, user) = (&self.account.username, ad_identity(&self.account.username));
        Some(match error {
            ExchangeError::CredentialsRefused { .. } => {
                format!(
                    "Correct the user name {username} in the configuration, or write the right password into {file}."
                )
            }
            ExchangeError::CredentialsHeld { .. } => {
                format!("Write the right password into {file}. It is tried at once when the file changes.")
            }
            ExchangeError::PasswordUnavailable { path, .. } => format!(
                "Write the password into the file as its one line, and let the user that exconn runs as read it:\n\
                 chown exconn {0} && chmod 600 {0}",
                path.display()
            ),
            ExchangeError::PasswordExpired { .. } => format!(
                "Set a new password that need not be changed at the next sign-in, then write it into {file}:\n\
                 Set-ADAccountPassword -Identity {user} -Reset\n\
                 Set-ADUser -Identity {user} -ChangePasswordAtLogon $false"
            ),
            ExchangeError::AccountLocked { reason, .. } => locked(reason, &user),
            ExchangeError::ClockSkew { .. } => clock(),
            ExchangeError::ServiceUnknown { principal } => format!(
                "Put the server's own full name into the address, not that of a load balancer. If the name is right, register \
                 it, with the name of the server's computer account for COMPUTER:\n\
                 setspn -S {principal} COMPUTER"
            ),
            ExchangeError::TicketRefused { .. } => format!(
                "See that the service's name is registered for the account that the server runs as, and for no other:\n\
                 setspn -Q {}",
                self.service
            ),
            // Somebody else than the server: a domain controller that was asked for a ticket.
            ExchangeError::Unreachable { endpoint, .. } if endpoint != self.endpoint => {
                format!(
                    "Let this machine reach {endpoint} by TCP, or name domain controllers that it can reach in kdcs."
                )
            }
            _ => return None,
        })
    }
}

/// What to do about clocks that differ.
pub(crate) fn clock() -> String {
    "Let this machine take its time from the domain: add 'server DC iburst' to /etc/chrony/chrony.conf, with the name of a \
     domain controller for DC, and restart chrony:\n\
     systemctl restart chrony"
        .into()
}

/// What opens an account, by the reason for which it may not sign in.
fn locked(reason: &str, user: &str) -> String {
    let unlock = format!("Unlock-ADAccount -Identity {user}");
    let enable = format!("Enable-ADAccount -Identity {user}");
    let extend = format!("Clear-ADAccountExpiration -Identity {user}");
    match reason {
        "it is disabled" => format!("Enable the account:\n{enable}"),
        "it is locked out" => {
            format!("Find out what else uses an old password of the account, then unlock it:\n{unlock}")
        }
        "it has expired" => format!("Let the account live on:\n{extend}"),
        "it is locked, disabled or expired" => format!(
            "Look which it is, and run the one of the last three that helps:\n\
             Get-ADUser -Identity {user} -Properties LockedOut, AccountExpirationDate\n{unlock}\n{enable}\n{extend}"
        ),
        _ => "Let the account sign in at every hour and from this machine (Active Directory Users and Computers, Account).".into(),
    }
}

/// A user as the cmdlets for Active Directory take it: its name alone, between quotes.
fn ad_identity(username: &str) -> String {
    let name = username.rsplit_once('\\').map_or(username, |(_, name)| name);
    let name = if name.contains('=') { name } else { name.split('@').next().unwrap_or(name) };
    quoted(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmdlets_take_the_name_without_its_domain() {
        for (username, identity) in [
            (r"CONTOSO\svc-exconn", "'svc-exconn'"),
            ("svc-exconn@contoso.com", "'svc-exconn'"),
            ("CN=O'Brien,DC=contoso", "'CN=O''Brien,DC=contoso'"),
        ] {
            assert_eq!(ad_identity(username), identity);
        }
    }

    #[test]
    fn an_account_is_opened_by_what_closed_it() {
        let account = Account::new(r"CONTOSO\svc", "/etc/exconn/password");
        let sign_in = SignIn { account: &account, service: "HTTP/ex01", endpoint: "ex01:80" };
        for (reason, command) in [
            ("it is disabled", "Enable-ADAccount -Identity 'svc'"),
            ("it is locked out", "Unlock-ADAccount -Identity 'svc'"),
            ("it has expired", "Clear-ADAccountExpiration -Identity 'svc'"),
        ] {
            let error = ExchangeError::AccountLocked { endpoint: "dc1:88".into(), reason: reason.into() };
            assert!(sign_in.cure(&error).unwrap().ends_with(command), "{reason}");
        }
        let unreachable =
            |endpoint: &str| ExchangeError::Unreachable { endpoint: endpoint.into(), reason: String::new() };
        assert!(sign_in.cure(&unreachable("dc1:88")).unwrap().contains("reach dc1:88 by TCP"));
        assert_eq!(sign_in.cure(&unreachable("ex01:80")), None);
    }
}
