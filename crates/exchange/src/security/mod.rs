//! Security contexts: how a client proves who it is to a service, makes sure of the service, and seals what both say
//! (GSS-API, RFC 2743, as Windows offers it by the name of SSPI).
//!
//! A context belongs to one connection. What the bytes travel in is the matter of two framings: [`sasl`] for LDAP, and
//! `remoting::sealing` for WS-Management.

mod channel_binding;
mod error;
#[cfg(feature = "gssapi")]
mod gssapi_context;
mod kdc;
mod kdc_answer;
mod kdc_client;
mod kerberos_config;
pub(crate) mod sasl;
mod sspi_context;
mod wrap_token;

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use async_trait::async_trait;
use exconn_model::Clock;
use secrecy::SecretString;

pub(crate) use channel_binding::ChannelBinding;
pub(crate) use error::SecurityError;
pub(crate) use kdc_answer::{ALLOWED_SKEW, refusal_in, skew};
pub use kerberos_config::KerberosConfig;

/// Opens a message that claims to be sealed with a key that nobody has.
#[cfg(feature = "untrusted")]
pub(crate) fn wrap_token_length(token: Vec<u8>) -> Option<usize> {
    let mut opener = wrap_token::Opener::new(vec![0x5a; 32]).ok()?;
    opener.open(token).ok().map(|unwrapped| unwrapped.message.len())
}

/// Longest token of a handshake, in bytes: what Windows allows a Kerberos ticket with its group memberships.
pub(crate) const MAX_TOKEN: usize = 65_536;

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// Kerberos alone (RFC 4121).
    Kerberos,
    /// Kerberos, and NTLM where Kerberos cannot be tried, negotiated by SPNEGO (RFC 4178, MS-SPNG).
    Negotiate,
    /// NTLM alone, without SPNEGO around it (MS-NLMP).
    Ntlm,
}

/// Who asks.
pub(crate) enum Credentials {
    /// A user with a password.
    Password {
        /// `DOMAIN\user`, `user@domain`, or `user` alone.
        username: String,
        /// It is kept only until the context is established.
        password: SecretString,
    },
    /// Whom this machine has credentials for: by a credential cache, or by a keytab.
    System {
        /// Which of them, if not the default.
        username: String,
    },
}

impl Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => f.debug_tuple("Password").field(username).finish(),
            Self::System { username } => f.debug_tuple("System").field(username).finish(),
        }
    }
}

/// Whether messages are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Signed and encrypted by the context.
    Sealed,
    /// By something below, such as TLS. Active Directory refuses both at once.
    ByTransport,
}

/// What a context is made of.
#[derive(Debug)]
pub(crate) struct Intent {
    pub(crate) mechanism: Mechanism,
    pub(crate) credentials: Credentials,
    /// Service principal name, for instance `HTTP/ex01.contoso.com`.
    pub(crate) service: String,
    pub(crate) protection: Protection,
    /// The TLS connection that the context is bound to.
    pub(crate) binding: Option<ChannelBinding>,
    pub(crate) kerberos: KerberosConfig,
    /// Tells how far a KDC's clock is off.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Intent {
    /// The context of a client that has sent nothing yet. Contacts nobody.
    ///
    /// # Errors
    /// [`SecurityError::Unsupported`] if this build has not what is asked for.
    pub(crate) fn context(self) -> Result<Box<dyn SecurityContext>, SecurityError> {
        #[cfg(feature = "gssapi")]
        if self.needs_library() {
            return Ok(Box::new(gssapi_context::Context::new(self)));
        }
        sspi_context::Context::new(self).map(|context| Box::new(context) as Box<dyn SecurityContext>)
    }
}

#[cfg(feature = "gssapi")]
impl Intent {
    /// Whether only the system's library can do it. It takes KDCs from `krb5.conf` alone: where they are configured, a password
    /// goes to them, and a binding is left out.
    fn needs_library(&self) -> bool {
        match self.credentials {
            Credentials::System { .. } => true,
            Credentials::Password { .. } => {
                let is_bound = self.binding.is_some() && self.mechanism == Mechanism::Kerberos;
                is_bound && self.kerberos == KerberosConfig::default()
            }
        }
    }
}

/// A sealed message in the two parts that WS-Management keeps apart. One after the other they are the token of `GSS_Wrap`.
#[derive(Debug)]
pub(crate) struct Wrapped {
    pub(crate) signature: Vec<u8>,
    pub(crate) message: Vec<u8>,
}

/// An opened message of the server.
#[derive(Debug)]
pub(crate) struct Unwrapped {
    pub(crate) message: Vec<u8>,
    /// Whether nobody else could read it; if not, it was signed alone.
    pub(crate) is_sealed: bool,
}

/// One client's side of an authenticated conversation.
///
/// After an error, and after a future that was dropped before its end, the context is of no more use, and with it the
/// connection: both sides count their messages.
#[async_trait]
pub(crate) trait SecurityContext: Debug + Send {
    /// Takes the server's token, empty at first, and gives the client's next one, if there is one to send. May ask a KDC.
    async fn step(&mut self, token: Vec<u8>) -> Result<Option<Vec<u8>>, SecurityError>;

    /// Whether both sides are done. With Kerberos the server has then proved who it is.
    fn is_established(&self) -> bool;

    /// What it came to, for a person: `Kerberos`, `NTLM`.
    fn protocol(&self) -> &'static str;

    /// Why Kerberos was given up for NTLM although a KDC had accepted the password: if NTLM is refused then, it is not for the
    /// password's sake.
    fn only_second_choice(&self) -> Option<&str>;

    /// Seals a message.
    async fn wrap(&mut self, message: Vec<u8>) -> Result<Wrapped, SecurityError>;

    /// Opens a sealed message, signature first, and checks that it is the server's next one.
    async fn unwrap(&mut self, token: Vec<u8>) -> Result<Unwrapped, SecurityError>;
}
