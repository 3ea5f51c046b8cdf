//! Security contexts in SASL, as LDAP uses them: `GSSAPI` (RFC 4752), which is Kerberos with an explicit choice of the security
//! layer, and `GSS-SPNEGO` (MS-ADTS, 5.1.1.1.2), where the context's flags are the choice.

use super::{Protection, SecurityContext, SecurityError};

/// Longest sealed message of a server, in bytes; also what the server is told. Three bytes hold it (RFC 4752, section 3.1).
pub(crate) const MAX_SEALED: usize = 0x00ff_ffff;
/// The bits of RFC 4752, section 3.3.
const NO_LAYER: u8 = 1;
const CONFIDENTIALITY: u8 = 4;

/// A SASL mechanism for LDAP's bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaslMechanism {
    /// `GSSAPI`: wants a context of [`Mechanism::Kerberos`](super::Mechanism::Kerberos).
    Gssapi,
    /// `GSS-SPNEGO`: wants [`Mechanism::Negotiate`](super::Mechanism::Negotiate) or
    /// [`Mechanism::Ntlm`](super::Mechanism::Ntlm).
    GssSpnego,
}

impl SaslMechanism {
    /// Its registered name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gssapi => "GSSAPI",
            Self::GssSpnego => "GSS-SPNEGO",
        }
    }
}

/// A SASL exchange, and the security layer that it ends in.
#[derive(Debug)]
pub(crate) struct Sasl {
    context: Box<dyn SecurityContext>,
    mechanism: SaslMechanism,
    protection: Protection,
    /// Whether RFC 4752's choice of the layer was sent.
    layer_chosen: bool,
    /// Longest message that the server takes, sealed.
    server_maximum: usize,
}

impl Sasl {
    /// An exchange that has sent nothing yet. `protection` is what the context was made for.
    pub(crate) fn new(
        mechanism: SaslMechanism,
        context: Box<dyn SecurityContext>,
        protection: Protection,
    ) -> Self {
        Self { context, mechanism, protection, layer_chosen: false, server_maximum: MAX_SEALED }
    }

    /// Takes the server's credentials, empty at first, and gives what the client answers, which may be empty. To be called
    /// until the server says that the bind succeeded; [`is_complete`](Self::is_complete) must hold then.
    pub(crate) async fn step(&mut self, credentials: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        if !self.context.is_established() {
            // A server may end with nothing to say where the context wants nothing more (RFC 4178, NTLM).
            return Ok(self.context.step(credentials).await?.unwrap_or_default());
        }
        match self.mechanism {
            SaslMechanism::Gssapi if !self.layer_chosen => self.choose_layer(credentials).await,
            SaslMechanism::GssSpnego if credentials.is_empty() => Ok(Vec::new()),
            _ => Err(SecurityError::Broken("the server goes on after the end of the handshake".into())),
        }
    }

    /// Whether a server that says now that the bind succeeded has proved who it is, as far as the mechanism provides.
    pub(crate) fn is_complete(&self) -> bool {
        let layer = self.layer_chosen || self.mechanism == SaslMechanism::GssSpnego;
        self.context.is_established() && layer
    }

    /// What the handshake came to, for a person.
    pub(crate) fn protocol(&self) -> &'static str {
        self.context.protocol()
    }

    /// Why a refusal is not for the password's sake, as [`SecurityContext::only_second_choice`].
    pub(crate) fn only_second_choice(&self) -> Option<&str> {
        self.context.only_second_choice()
    }

    /// RFC 4752, section 3.1: the server offers layers and the longest message that it takes, the client chooses.
    async fn choose_layer(&mut self, offer: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        if offer.is_empty() {
            return Ok(Vec::new());
        }
        let offer = self.context.unwrap(offer).await?.message;
        let [layers, maximum @ ..] = <[u8; 4]>::try_from(offer.as_slice()).map_err(|_| {
            SecurityError::Broken("the offer of security layers is not four bytes long".into())
        })?;
        let (wanted, ours) = match self.protection {
            Protection::Sealed => (CONFIDENTIALITY, u32::try_from(MAX_SEALED).unwrap_or(0)),
            Protection::ByTransport => (NO_LAYER, 0),
        };
        if layers & wanted == 0 {
            let reason = match self.protection {
                Protection::Sealed => "the server does not offer to seal messages",
                Protection::ByTransport => "the server demands a security layer in addition to TLS",
            };
            return Err(SecurityError::Unsupported(reason));
        }
        let [a, b, c] = maximum;
        self.server_maximum = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(MAX_SEALED);
        let mut choice = ours.to_be_bytes();
        choice[0] = wanted;
        let mut wrapped = self.context.wrap(choice.to_vec()).await?;
        self.layer_chosen = true;
        wrapped.signature.append(&mut wrapped.message);
        Ok(wrapped.signature)
    }

    /// Whether what follows the bind is sealed.
    pub(crate) fn seals(&self) -> bool {
        self.protection == Protection::Sealed
    }

    /// Seals a message and puts its length in front (RFC 4422, section 3.7).
    pub(crate) async fn seal(&mut self, message: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        let wrapped = self.context.wrap(message).await?;
        let length = wrapped.signature.len() + wrapped.message.len();
        if length > self.server_maximum {
            let reason = format!("a message is longer than the {} bytes of the server", self.server_maximum);
            return Err(SecurityError::Broken(reason));
        }
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Ok([&length.to_be_bytes()[..], &wrapped.signature, &wrapped.message].concat())
    }

    /// How long the sealed message is that these first four bytes announce.
    ///
    /// # Errors
    /// If it is longer than [`MAX_SEALED`].
    pub(crate) fn announced(length: [u8; 4]) -> Result<usize, SecurityError> {
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_SEALED {
            return Err(SecurityError::Broken(format!("a sealed message of {length} bytes is announced")));
        }
        Ok(length)
    }

    /// Opens a sealed message, without the length in front.
    pub(crate) async fn unseal(&mut self, sealed: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        let unwrapped = self.context.unwrap(sealed).await?;
        if !unwrapped.is_sealed {
            return Err(SecurityError::Broken("a message is signed, but not encrypted".into()));
        }
        Ok(unwrapped.message)
    }
}
