use tokio::sync::{Mutex, MutexGuard};

use crate::{ExchangeError, secret::TriedSecrets};
use exconn_model::Timestamp;
use secrecy::SecretString;

/// The sign-ins of one connection, whichever way they go and to whichever server: they all count towards locking the same
/// account out. So there is one at a time, and none with a password that was refused within the hour.
#[derive(Debug, Default)]
pub struct SignIns {
    turn: Mutex<()>,
    tried: TriedSecrets,
}

impl SignIns {
    /// Waits until no other password is being tried. Whether this one may be is to be asked after that.
    ///
    /// A password that was accepted when it was tried last waits for nobody: a server that hangs holds up no other. If it is
    /// refused now it was changed, and Active Directory does not count tries with the two passwords before.
    pub(crate) async fn turn(
        &self,
        username: &str,
        password: Option<&SecretString>,
    ) -> Option<MutexGuard<'_, ()>> {
        let password = password?;
        if self.tried.is_accepted(&account(username), password) {
            return None;
        }
        Some(self.turn.lock().await)
    }

    /// Fails if the account's password was refused and is to be left alone.
    pub(crate) fn check(
        &self,
        username: &str,
        password: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(), ExchangeError> {
        let held = password.and_then(|password| self.tried.held(&account(username), password, now));
        held.map_or(Ok(()), |held| {
            Err(ExchangeError::CredentialsHeld { endpoint: held.by, until: held.until })
        })
    }

    /// Remembers what came of trying the account's password.
    pub(crate) fn tried<T>(
        &self,
        username: &str,
        password: Option<&SecretString>,
        outcome: &Result<T, ExchangeError>,
        now: Timestamp,
    ) {
        let Some(password) = password else { return };
        match outcome {
            Ok(_) => self.tried.accepted(&account(username), password),
            Err(ExchangeError::CredentialsRefused { endpoint }) => {
                self.tried.refused(&account(username), password, endpoint, now);
            }
            Err(_) => {}
        }
    }
}

/// The account in any of the forms of its name: `DOMAIN\user`, `user@domain`, `CN=user,DC=domain`, `user`.
fn account(username: &str) -> String {
    let name = match username.split_once('=') {
        Some((_, rest)) => rest.split(',').next().unwrap_or_default(),
        None => {
            let name = username.rsplit_once('\\').map_or(username, |(_, name)| name);
            name.split_once('@').map_or(name, |(name, _)| name)
        }
    };
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_a_password_that_is_known_to_be_right_does_not_wait() {
        let (sign_ins, now) = (SignIns::default(), Timestamp::from_unix_seconds(1_800_000_000));
        let (right, new) = (SecretString::from("right"), SecretString::from("new"));
        let waits = async |password: Option<&SecretString>| {
            tokio::time::timeout(Duration::from_millis(20), sign_ins.turn("svc", password)).await.is_err()
        };
        sign_ins.tried("svc", Some(&right), &Ok(()), now);
        let under_way = sign_ins.turn("svc", Some(&new)).await;
        assert!(waits(Some(&new)).await && !waits(Some(&right)).await && !waits(None).await);
        drop(under_way);
        assert!(!waits(Some(&new)).await);
        let refusal = Err::<(), _>(ExchangeError::CredentialsRefused { endpoint: "kdc:88".into() });
        sign_ins.tried("svc", Some(&right), &refusal, now);
        let _under_way = sign_ins.turn("svc", Some(&new)).await;
        assert!(waits(Some(&right)).await);
    }

    #[test]
    fn an_account_is_the_same_by_all_its_names() {
        for name in [
            "svc-exconn",
            "CONTOSO\\Svc-Exconn",
            "svc-exconn@contoso.com",
            "CN=svc-exconn,CN=Users,DC=contoso",
        ] {
            assert_eq!(account(name), "svc-exconn", "{name}");
        }
    }

    #[test]
    fn a_password_is_held_for_its_account_alone_and_names_who_refused_it() {
        let (sign_ins, now) = (SignIns::default(), Timestamp::from_unix_seconds(1_800_000_000));
        let (right, wrong) = (SecretString::from("right"), SecretString::from("wrong"));
        let refusal = || Err::<(), _>(ExchangeError::CredentialsRefused { endpoint: "kdc:88".into() });
        sign_ins.tried("A\\svc", Some(&wrong), &refusal(), now);
        sign_ins.tried("svc@a", Some(&right), &Ok(()), now);
        let later = now.after(Duration::from_secs(3599));
        let held = sign_ins.check("svc", Some(&wrong), later);
        assert!(
            matches!(&held, Err(ExchangeError::CredentialsHeld { endpoint, .. }) if endpoint == "kdc:88"),
            "{held:?}"
        );
        for (user, password) in [("svc", Some(&right)), ("other", Some(&wrong)), ("svc", None)] {
            assert!(sign_ins.check(user, password, later).is_ok(), "{user}");
        }
    }
}
