use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{Account, SecretError};

/// How a connection proves who asks.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// HTTP Basic (RFC 7617). Refused over plain HTTP, except to this machine itself.
    Basic(Account),
}

impl Authentication {
    /// Whether a message would carry the password in a form that whoever sees the network can read.
    pub(super) fn needs_secrecy(&self) -> bool {
        match self {
            Self::Basic(_) => true,
        }
    }

    /// Whose name and password are used.
    pub fn account(&self) -> &Account {
        match self {
            Self::Basic(account) => account,
        }
    }

    /// The `Authorization` header of each request of a connection. Reads the password.
    pub(super) fn authorization(&self) -> Result<HeaderValue, SecretError> {
        let Self::Basic(account) = self;
        let password = account.read_password()?;
        let pair = Zeroizing::new(format!("{}:{}", account.username, password.expose_secret()));
        let header = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
        let mut value = HeaderValue::from_str(&header).map_err(|_| SecretError::Form)?;
        value.set_sensitive(true);
        Ok(value)
    }
}
