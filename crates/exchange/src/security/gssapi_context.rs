//! Security contexts by MIT's Kerberos (`libgssapi_krb5`): what `sspi` has not, which is credentials of this machine and
//! Kerberos bound to a TLS connection.

use std::fmt;

use async_trait::async_trait;
use libgssapi::{
    context::{ClientCtx, CtxFlags, SecurityContext as _},
    credential::{Cred, CredUsage},
    error::Error,
    name::Name,
    oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_USER_NAME, Oid, OidSet},
    util::{GssIov, GssIovType},
};
use secrecy::ExposeSecret;

use super::{
    Credentials, Intent, MAX_TOKEN, Mechanism, Protection, SecurityContext, SecurityError, Unwrapped,
    Wrapped, kdc_answer,
};
use crate::shorten::shortened;

/// Who speaks where the library does not say which KDC did.
const LIBRARY: &str = "Kerberos on this machine (krb5.conf)";
/// `ERROR_TABLE_BASE_krb5`: the library's numbers are the protocol's (RFC 4120, section 7.5.9) counted from here.
const FIRST_ERROR: i32 = -1_765_328_384;
/// `KRB5_REALM_UNKNOWN` and `KRB5_KDC_UNREACH`.
const UNREACHABLE: [i32; 2] = [-1_765_328_230, -1_765_328_228];
/// Flag of RFC 4121, section 4.2.2: the message is encrypted.
const SEALED: u8 = 2;

/// A context. The library asks the KDC itself and blocks, so its work is done off the runtime's threads.
pub(super) struct Context {
    /// Away while it works, and for good if it failed.
    engine: Option<Box<Engine>>,
    is_established: bool,
}

struct Engine {
    intent: Intent,
    context: Option<ClientCtx>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("is_established", &self.is_established).finish_non_exhaustive()
    }
}

impl Context {
    pub(super) fn new(intent: Intent) -> Self {
        Self { engine: Some(Box::new(Engine { intent, context: None })), is_established: false }
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> Result<T, SecurityError> + Send + 'static,
    ) -> Result<T, SecurityError> {
        let over = || SecurityError::Broken("the security context failed before".into());
        let mut engine = self.engine.take().ok_or_else(over)?;
        let working = tokio::task::spawn_blocking(move || {
            let result = work(&mut engine);
            (engine, result)
        });
        let (engine, result) = working.await.map_err(|error| SecurityError::Broken(error.to_string()))?;
        let result = result?;
        self.engine = Some(engine);
        Ok(result)
    }
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
        let (token, done) = self.run(move |engine| engine.step(&token)).await?;
        self.is_established = done;
        Ok(token)
    }

    fn is_established(&self) -> bool {
        self.is_established
    }

    fn protocol(&self) -> &'static str {
        "Kerberos"
    }

    fn only_second_choice(&self) -> Option<&str> {
        None
    }

    async fn wrap(&mut self, message: Vec<u8>) -> Result<Wrapped, SecurityError> {
        self.run(|engine| engine.wrap(message)).await
    }

    async fn unwrap(&mut self, token: Vec<u8>) -> Result<Unwrapped, SecurityError> {
        self.run(move |engine| engine.unwrap(&token)).await
    }
}

impl Engine {
    fn step(&mut self, token: &[u8]) -> Result<(Option<Vec<u8>>, bool), SecurityError> {
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.start().map_err(|error| self.meaning(error))?,
        };
        let token = (!token.is_empty()).then_some(token);
        let binding = self.intent.binding.as_ref().map(|binding| binding.data());
        let next = context.step(token, binding).map_err(|error| self.meaning(error))?;
        let done = context.is_complete();
        self.context = Some(context);
        if done && self.intent.mechanism != Mechanism::Kerberos && !self.is_kerberos() {
            return Err(SecurityError::Unsupported("the service chose another mechanism than Kerberos"));
        }
        Ok((next.map(|token| token.to_vec()).filter(|token| !token.is_empty()), done))
    }

    fn is_kerberos(&self) -> bool {
        let mechanism = self.context.as_ref().and_then(|context| context.mechanism().ok());
        mechanism.is_some_and(|mechanism| mechanism == GSS_MECH_KRB5)
    }

    fn start(&self) -> Result<ClientCtx, Error> {
        let mechanism: Oid<'static> = match self.intent.mechanism {
            Mechanism::Kerberos => GSS_MECH_KRB5,
            Mechanism::Negotiate | Mechanism::Ntlm => GSS_MECH_SPNEGO,
        };
        let mechanisms = OidSet::singleton(mechanism)?;
        let named = |username: &str| Name::new(principal(username).as_bytes(), Some(GSS_NT_USER_NAME));
        let credential = match &self.intent.credentials {
            Credentials::Password { username, password } => Cred::acquire_with_password(
                Some(&named(username)?),
                password.expose_secret(),
                None,
                CredUsage::Initiate,
                Some(&mechanisms),
            )?,
            Credentials::System { username } => {
                let name = if username.is_empty() { None } else { Some(named(username)?) };
                Cred::acquire(name.as_ref(), None, CredUsage::Initiate, Some(&mechanisms))?
            }
        };
        // Host-based: `HTTP@ex01.contoso.com` is the service principal `HTTP/ex01.contoso.com`.
        let service = self.intent.service.replacen('/', "@", 1);
        let target = Name::new(service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
        let mut flags =
            CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_REPLAY_FLAG | CtxFlags::GSS_C_SEQUENCE_FLAG;
        if self.intent.protection == Protection::Sealed {
            flags |= CtxFlags::GSS_C_CONF_FLAG | CtxFlags::GSS_C_INTEG_FLAG;
        }
        Ok(ClientCtx::new(Some(credential), target, flags, Some(mechanism)))
    }

    fn context(&mut self) -> Result<&mut ClientCtx, SecurityError> {
        let none = || SecurityError::Broken("there is no security context yet".into());
        self.context.as_mut().ok_or_else(none)
    }

    fn wrap(&mut self, mut message: Vec<u8>) -> Result<Wrapped, SecurityError> {
        let context = self.context()?;
        let mut buffers = [
            GssIov::new_alloc(GssIovType::Header),
            GssIov::new(GssIovType::Data, &mut message),
            GssIov::new_alloc(GssIovType::Padding),
        ];
        context.wrap_iov(true, &mut buffers).map_err(broken)?;
        let [header, data, padding] = &buffers;
        if !padding.is_empty() {
            return Err(SecurityError::Unsupported("the service chose a cipher that is not AES"));
        }
        let signature = header.to_vec();
        let length = data.len();
        drop(buffers);
        message.truncate(length);
        Ok(Wrapped { signature, message })
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, SecurityError> {
        // The library checks the flags of the header against the sealed copy.
        let is_sealed = token.get(2).is_some_and(|flags| flags & SEALED != 0);
        let message = self.context()?.unwrap(token).map_err(broken)?;
        Ok(Unwrapped { message: message.to_vec(), is_sealed })
    }

    fn meaning(&self, error: Error) -> SecurityError {
        let text = shortened(&error.to_string());
        let minor = error.minor.cast_signed();
        if UNREACHABLE.contains(&minor) {
            return SecurityError::KdcUnreachable { kdc: LIBRARY.into(), reason: text };
        }
        let code = minor.wrapping_sub(FIRST_ERROR);
        kdc_answer::meaning_of(code, LIBRARY, &self.intent.service, || text.clone())
            .unwrap_or_else(|| SecurityError::Refused { by: LIBRARY.into(), reason: text })
    }
}

/// A user as Kerberos writes it.
fn principal(username: &str) -> String {
    match username.split_once('\\') {
        Some((realm, user)) => format!("{user}@{}", realm.to_uppercase()),
        None => username.to_owned(),
    }
}

fn broken(error: Error) -> SecurityError {
    SecurityError::Broken(format!(
        "a sealed message was altered, or is not the server's next: {}",
        shortened(&error.to_string())
    ))
}
