use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::sealing::SealingProtocol;
use crate::{Account, SecretError, security::Mechanism};

/// How a connection proves who asks.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// HTTP Basic (RFC 7617). Refused over plain HTTP, except to this machine itself.
    Basic(Account),
    /// The HTTP scheme `Kerberos`: what Exchange's PowerShell directory offers unless an administrator changed it.
    Kerberos(Account),
    /// The HTTP scheme `Negotiate` (RFC 4559): Kerberos, and NTLM where no ticket is to be had, which is said in the log.
    Negotiate(Account),
    /// NTLM alone (MS-NTHT), in the scheme `Negotiate` or `NTLM`, whichever the server offers.
    Ntlm(Account),
}

/// How a security context travels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scheme {
    /// The mechanism of the context.
    pub(super) mechanism: Mechanism,
    /// HTTP schemes that carry it, the preferred one first.
    pub(super) names: &'static [&'static str],
    /// How its sealed messages are called.
    pub(super) sealing: SealingProtocol,
}

impl Authentication {
    /// Whether a message would carry the password in a form that whoever sees the network can read.
    pub(super) fn needs_secrecy(&self) -> bool {
        matches!(self, Self::Basic(_))
    }

    /// Whether Kerberos is all that is tried, or nothing of it.
    pub(super) fn needs_realm(&self) -> bool {
        matches!(self, Self::Kerberos(_))
    }

    /// Whose name and password are used.
    pub fn account(&self) -> &Account {
        match self {
            Self::Basic(account)
            | Self::Kerberos(account)
            | Self::Negotiate(account)
            | Self::Ntlm(account) => account,
        }
    }

    /// Whose name and password are used, to be changed.
    pub fn account_mut(&mut self) -> &mut Account {
        match self {
            Self::Basic(account)
            | Self::Kerberos(account)
            | Self::Negotiate(account)
            | Self::Ntlm(account) => account,
        }
    }

    /// How the security context travels; `None` if there is none.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        let (mechanism, names, sealing): (_, &'static [_], _) = match self {
            Self::Basic(_) => return None,
            Self::Kerberos(_) => (Mechanism::Kerberos, &["Kerberos"], SealingProtocol::Kerberos),
            Self::Negotiate(_) => (Mechanism::Negotiate, &["Negotiate"], SealingProtocol::Spnego),
            Self::Ntlm(_) => (Mechanism::Ntlm, &["Negotiate", "NTLM"], SealingProtocol::Spnego),
        };
        Some(Scheme { mechanism, names, sealing })
    }
}

/// The `Authorization` header of Basic.
pub(super) fn basic(username: &str, password: &SecretString) -> Result<HeaderValue, SecretError> {
    let pair = Zeroizing::new(format!("{username}:{}", password.expose_secret()));
    let header = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&header).map_err(|_| SecretError::Form)?;
    value.set_sensitive(true);
    Ok(value)
}
