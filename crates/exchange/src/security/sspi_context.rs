//! Security contexts by the crate `sspi`: Kerberos with a password, NTLM and SPNEGO in Rust alone.

use std::fmt;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sspi::{
    AuthIdentityBuffers, BufferType, ClientRequestFlags, CredentialsBuffers, DataRepresentation,
    EncryptionFlags, ErrorKind, KdcResolution, Kerberos, Negotiate, NegotiateConfig, Ntlm, SecurityBuffer,
    SecurityBufferRef, SecurityStatus, Sspi, Username, UsernameParts, ntlm::NtlmConfig,
};
use tracing::{dispatcher, subscriber::NoSubscriber};

use super::{
    ChannelBinding, Credentials, Intent, MAX_TOKEN, Mechanism, Protection, SecurityContext, SecurityError,
    Unwrapped, Wrapped,
    kdc_client::{HOME, KdcClient},
    wrap_token::Opener,
};
use crate::shorten::shortened;

/// What this machine calls itself in NTLM's messages and to the KDC. Nothing depends on it but logs at the other side.
const WORKSTATION: &str = "EXCONN";

/// A context, whose work is done off the runtime's threads: deriving a key from a password takes milliseconds, and what a
/// hostile token might break ends there.
pub(super) struct Context {
    /// Away while it works, and for good if it failed.
    engine: Option<Box<Engine>>,
    is_established: bool,
    protocol: &'static str,
    only_second_choice: Option<String>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("is_established", &self.is_established).finish_non_exhaustive()
    }
}

impl Context {
    pub(super) fn new(intent: Intent) -> Result<Self, SecurityError> {
        let engine = quietly(|| Engine::new(intent))?;
        Ok(Self {
            protocol: engine.package.name(),
            engine: Some(Box::new(engine)),
            is_established: false,
            only_second_choice: None,
        })
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> Result<T, SecurityError> + Send + 'static,
    ) -> Result<T, SecurityError> {
        let over = || SecurityError::Broken("the security context failed before".into());
        let mut engine = self.engine.take().ok_or_else(over)?;
        let working = tokio::task::spawn_blocking(move || {
            let result = quietly(|| work(&mut engine));
            (engine, result)
        });
        let (engine, result) = working
            .await
            .map_err(|_| SecurityError::Broken("what the server sent broke the security context".into()))?;
        let result = result?;
        self.engine = Some(engine);
        Ok(result)
    }
}

/// The crate writes tokens and messages, opened and sealed, to the log at the levels of debugging. None of that may be in a log.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    dispatcher::with_default(&dispatcher::Dispatch::new(NoSubscriber::default()), work)
}

#[async_trait]
impl SecurityContext for Context {
    async fn step(&mut self, token: Vec<u8>) -> Result<Option<Vec<u8>>, SecurityError> {
        if token.len() > MAX_TOKEN {
            let reason = format!("the server's token is longer than {MAX_TOKEN} bytes");
            return Err(SecurityError::Broken(reason));
        }
        if self.is_established {
            return Err(SecurityError::Broken("the server goes on after the end of the handshake".into()));
        }
        let (token, done, protocol, without_kerberos) = self
            .run(|engine| {
                let (token, done) = engine.step(token)?;
                Ok((token, done, engine.package.name(), engine.without_kerberos.take()))
            })
            .await?;
        if let Some(reason) = without_kerberos {
            tracing::warn!(%reason, "Kerberos cannot be used; NTLM is tried in its place");
            if let SecurityError::ServiceUnknown { .. } = reason {
                self.only_second_choice = Some(reason.to_string());
            }
        }
        self.is_established = done;
        self.protocol = protocol;
        Ok((!token.is_empty()).then_some(token))
    }

    fn is_established(&self) -> bool {
        self.is_established
    }

    fn protocol(&self) -> &'static str {
        self.protocol
    }

    fn only_second_choice(&self) -> Option<&str> {
        self.only_second_choice.as_deref()
    }

    async fn wrap(&mut self, message: Vec<u8>) -> Result<Wrapped, SecurityError> {
        self.run(|engine| engine.package.wrap(message)).await
    }

    async fn unwrap(&mut self, token: Vec<u8>) -> Result<Unwrapped, SecurityError> {
        self.run(|engine| engine.unwrap(token)).await
    }
}

/// What the crate has for each mechanism.
#[expect(clippy::large_enum_variant, reason = "there is one per connection, in a box")]
enum Package {
    Kerberos(Kerberos, Option<CredentialsBuffers>),
    Negotiate(Negotiate, Option<CredentialsBuffers>),
    Ntlm(Ntlm, Option<AuthIdentityBuffers>),
}

struct Engine {
    package: Package,
    service: String,
    requirements: ClientRequestFlags,
    binding: Option<Vec<u8>>,
    kdcs: KdcClient,
    /// Who asks, while NTLM may still take Kerberos's place.
    second_choice: Option<AuthIdentityBuffers>,
    /// Why NTLM took its place.
    without_kerberos: Option<SecurityError>,
    /// Opens Kerberos's messages, once the context is established.
    opener: Option<Opener>,
}

impl Engine {
    fn new(intent: Intent) -> Result<Self, SecurityError> {
        let Credentials::Password { username, password } = &intent.credentials else {
            return Err(SecurityError::Unsupported(
                "this build can sign in with a password only: keytabs and credential caches need the feature `gssapi`",
            ));
        };
        let kdcs = KdcClient::new(&intent, username);
        let domain_user = || identity(username, None, password);
        let realm_user =
            || Some(CredentialsBuffers::AuthIdentity(identity(username, Some(kdcs.realm()), password)));
        let mut second_choice = None;
        let package = match intent.mechanism {
            Mechanism::Kerberos => {
                let kerberos = Kerberos::new_client_from_config(kerberos_config()).map_err(broken)?;
                Package::Kerberos(kerberos, realm_user())
            }
            // Without a realm nobody can be asked for a ticket.
            Mechanism::Negotiate if kdcs.realm().is_empty() => negotiate_ntlm(domain_user())?,
            Mechanism::Negotiate => {
                second_choice = Some(domain_user());
                // The mechanisms are offered one by one: which of them is tried next is decided in `step`.
                let config = NegotiateConfig::new(
                    Box::new(kerberos_config()),
                    Some("kerberos".into()),
                    WORKSTATION.into(),
                );
                Package::Negotiate(Negotiate::new_client(config).map_err(broken)?, realm_user())
            }
            Mechanism::Ntlm => {
                Package::Ntlm(Ntlm::with_config(NtlmConfig::new(WORKSTATION.into())), Some(domain_user()))
            }
        };
        let mut requirements = ClientRequestFlags::MUTUAL_AUTH;
        if intent.protection == Protection::Sealed {
            requirements |= ClientRequestFlags::INTEGRITY
                | ClientRequestFlags::CONFIDENTIALITY
                | ClientRequestFlags::REPLAY_DETECT
                | ClientRequestFlags::SEQUENCE_DETECT;
        }
        Ok(Self {
            package,
            requirements,
            binding: intent.binding.as_ref().map(channel_bindings),
            service: intent.service,
            kdcs,
            second_choice,
            without_kerberos: None,
            opener: None,
        })
    }

    fn step(&mut self, token: Vec<u8>) -> Result<(Vec<u8>, bool), SecurityError> {
        let error = match self.initialize(token) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match self.second_choice.take() {
            // What these say has nothing to do with the password: NTLM does not try a refused one again.
            Some(user)
                if matches!(
                    error,
                    SecurityError::KdcUnreachable { .. } | SecurityError::ServiceUnknown { .. }
                ) =>
            {
                self.package = negotiate_ntlm(user)?;
                self.without_kerberos = Some(error);
                self.initialize(Vec::new())
            }
            _ => Err(error),
        }
    }

    fn initialize(&mut self, token: Vec<u8>) -> Result<(Vec<u8>, bool), SecurityError> {
        let mut input = vec![SecurityBuffer::new(token, BufferType::Token)];
        // Acceptors of MIT refuse the authenticator that the crate makes for Kerberos with a binding.
        if let Some(binding) = self.binding.as_ref().filter(|_| !self.package.is_kerberos()) {
            input.push(SecurityBuffer::new(binding.clone(), BufferType::ChannelBindings));
        }
        let mut output = vec![SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut attempt = Attempt {
            service: &self.service,
            requirements: self.requirements,
            kdcs: &self.kdcs,
            input: &mut input,
            output: &mut output,
        };
        let status = match &mut self.package {
            Package::Kerberos(kerberos, handle) => attempt.make(kerberos, handle),
            Package::Negotiate(negotiate, handle) => attempt.make(negotiate, handle),
            Package::Ntlm(ntlm, handle) => attempt.make(ntlm, handle),
        };
        let status = status.map_err(|error| self.kdcs.failure().unwrap_or_else(|| broken(error)))?;
        let done = match status {
            SecurityStatus::Ok => true,
            SecurityStatus::ContinueNeeded => false,
            other => return Err(SecurityError::Broken(format!("the handshake came to {other:?}"))),
        };
        let token = output.pop().map(|buffer| buffer.buffer).unwrap_or_default();
        if done {
            self.second_choice = None;
            self.package.forget_password();
            self.opener = self.package.opener()?;
        }
        Ok((token, done))
    }

    fn unwrap(&mut self, token: Vec<u8>) -> Result<Unwrapped, SecurityError> {
        match &mut self.opener {
            Some(opener) => opener.open(token),
            None => self.package.unwrap(token).map(|message| Unwrapped { message, is_sealed: true }),
        }
    }
}

/// One call of `InitializeSecurityContext`.
struct Attempt<'a> {
    service: &'a str,
    requirements: ClientRequestFlags,
    kdcs: &'a KdcClient,
    input: &'a mut [SecurityBuffer],
    output: &'a mut [SecurityBuffer],
}

impl Attempt<'_> {
    fn make<P: Sspi>(
        &mut self,
        package: &mut P,
        handle: &mut P::CredentialsHandle,
    ) -> sspi::Result<SecurityStatus> {
        let mut builder = package
            .initialize_security_context()
            .with_credentials_handle(handle)
            .with_context_requirements(self.requirements)
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name(self.service)
            .with_input(self.input)
            .with_output(self.output);
        let result =
            package.initialize_security_context_impl(&mut builder)?.resolve_with_client(self.kdcs)?;
        Ok(result.status)
    }
}

impl Package {
    fn name(&self) -> &'static str {
        if self.is_kerberos() { "Kerberos" } else { "NTLM" }
    }

    fn is_kerberos(&self) -> bool {
        match self {
            Self::Kerberos(..) => true,
            Self::Negotiate(negotiate, _) => negotiate.negotiated_protocol().is_kerberos(),
            Self::Ntlm(..) => false,
        }
    }

    fn forget_password(&mut self) {
        match self {
            Self::Kerberos(_, handle) | Self::Negotiate(_, handle) => *handle = None,
            Self::Ntlm(_, handle) => *handle = None,
        }
    }

    fn opener(&self) -> Result<Option<Opener>, SecurityError> {
        if !self.is_kerberos() {
            return Ok(None);
        }
        let keys = match self {
            Self::Kerberos(kerberos, _) => kerberos.query_context_session_key(),
            Self::Negotiate(negotiate, _) => negotiate.query_context_session_key(),
            Self::Ntlm(ntlm, _) => ntlm.query_context_session_key(),
        };
        let key = keys.map_err(broken)?.session_key.as_ref().clone();
        Opener::new(key).map(Some)
    }

    fn wrap(&mut self, message: Vec<u8>) -> Result<Wrapped, SecurityError> {
        match self {
            Self::Kerberos(kerberos, _) => wrap(kerberos, message),
            Self::Negotiate(negotiate, _) => wrap(negotiate, message),
            Self::Ntlm(ntlm, _) => wrap(ntlm, message),
        }
    }

    fn unwrap(&mut self, token: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        match self {
            Self::Kerberos(kerberos, _) => unwrap(kerberos, token),
            Self::Negotiate(negotiate, _) => unwrap(negotiate, token),
            Self::Ntlm(ntlm, _) => unwrap(ntlm, token),
        }
    }
}

fn wrap(package: &mut impl Sspi, mut message: Vec<u8>) -> Result<Wrapped, SecurityError> {
    let room = package.query_context_sizes().map_err(broken)?.security_trailer;
    let mut signature = vec![0; usize::try_from(room).unwrap_or(0)];
    let mut buffers =
        [SecurityBufferRef::token_buf(&mut signature), SecurityBufferRef::data_buf(&mut message)];
    package.encrypt_message(EncryptionFlags::empty(), &mut buffers).map_err(broken)?;
    // Both may have come out shorter than the room for them.
    let [token, data] = buffers;
    let (token, data) = (token.data().len(), data.data().len());
    signature.truncate(token);
    message.truncate(data);
    Ok(Wrapped { signature, message })
}

fn unwrap(package: &mut impl Sspi, mut token: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
    let mut nothing = [];
    let mut buffers = [SecurityBufferRef::stream_buf(&mut token), SecurityBufferRef::data_buf(&mut nothing)];
    package.decrypt_message(&mut buffers).map_err(broken)?;
    // The message lies at the end of where the token was.
    let [_, data] = buffers;
    let length = data.data().len();
    let start = token.len().saturating_sub(length);
    token.drain(..start);
    Ok(token)
}

fn broken(error: sspi::Error) -> SecurityError {
    let reason = match error.error_type {
        ErrorKind::MessageAltered | ErrorKind::DecryptFailure => "a sealed message was altered".to_owned(),
        _ => shortened(&error.to_string()),
    };
    SecurityError::Broken(reason)
}

fn kerberos_config() -> sspi::KerberosConfig {
    sspi::KerberosConfig {
        kdc_resolution: KdcResolution::KdcUrl(HOME.parse().ok()),
        client_computer_name: WORKSTATION.into(),
    }
}

fn negotiate_ntlm(user: AuthIdentityBuffers) -> Result<Package, SecurityError> {
    let ntlm = NtlmConfig::new(WORKSTATION.into());
    let config = NegotiateConfig::new(Box::new(ntlm), Some("ntlm".into()), WORKSTATION.into());
    let handle = Some(CredentialsBuffers::AuthIdentity(user));
    Ok(Package::Negotiate(Negotiate::new_client(config).map_err(broken)?, handle))
}

/// A user for NTLM, or for Kerberos in a realm: there a user principal name stays whole and is looked up by the KDC as an
/// enterprise name (RFC 6806, section 5).
fn identity(username: &str, realm: Option<&str>, password: &SecretString) -> AuthIdentityBuffers {
    let (user, domain) = match Username::parse(username) {
        Ok(name) => match name.parts() {
            UsernameParts::UserPrincipalName(name) => (name.upn().to_owned(), String::new()),
            UsernameParts::DownLevelLogonName(name) => {
                (name.account_name().to_owned(), name.netbios_domain().unwrap_or_default().to_owned())
            }
        },
        Err(_) => (username.to_owned(), String::new()),
    };
    AuthIdentityBuffers::from_utf8(&user, realm.unwrap_or(&domain), password.expose_secret())
}

/// `SEC_CHANNEL_BINDINGS`: eight numbers, then the application data.
fn channel_bindings(binding: &ChannelBinding) -> Vec<u8> {
    const HEADER: u32 = 32;
    let data = binding.data();
    let length = u32::try_from(data.len()).unwrap_or(0);
    let mut bytes = vec![0; 24];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&HEADER.to_le_bytes());
    bytes.extend_from_slice(data);
    bytes
}
