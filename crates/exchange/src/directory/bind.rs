use rasn_ldap::{AuthenticationChoice, BindRequest, BindResponse, ProtocolOp, ResultCode, SaslCredentials};
use secrecy::{ExposeSecret, SecretString};

use super::{connection::Connection, failure, message::Operation, search::octets};
use crate::{ExchangeError, security::sasl::Sasl};

/// Most messages of the client in one sign-in. Kerberos needs three at most, NTLM two.
const MAX_ROUNDS: u32 = 10;

impl Connection {
    /// Signs in by name and password (RFC 4513, 5.1.3).
    pub(super) async fn bind_simple(
        &mut self,
        username: &str,
        password: &SecretString,
    ) -> Result<(), ExchangeError> {
        // `SecretFile` gives no empty password: with one, a bind succeeds without being one (RFC 4513, 5.1.2).
        let password = octets(password.expose_secret().as_bytes());
        let answer = self.bind(username, AuthenticationChoice::Simple(password)).await?;
        match answer.result_code {
            ResultCode::Success => Ok(()),
            code => Err(failure::of_bind(&self.target, code, &answer.diagnostic_message)),
        }
    }

    /// Signs in by a security context (RFC 4513, 5.2). What follows is sealed if that is what the context is for.
    pub(super) async fn bind_sasl(&mut self, mechanism: &str, mut sasl: Sasl) -> Result<(), ExchangeError> {
        let mut heard = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let said = sasl.step(heard).await.map_err(|error| error.at(self.target.endpoint()))?;
            let credentials = SaslCredentials::new(mechanism.into(), Some(octets(&said)));
            let answer = self.bind("", AuthenticationChoice::Sasl(credentials)).await?;
            let code = answer.result_code;
            let server = answer.server_sasl_creds.map(|bytes| bytes.to_vec()).unwrap_or_default();
            match code {
                ResultCode::SaslBindInProgress => heard = server,
                ResultCode::Success => return self.established(sasl, server).await,
                _ => return Err(failure::of_bind(&self.target, code, &answer.diagnostic_message)),
            }
        }
        Err(failure::wrong_endpoint(&self.target, "the sign-in never ends"))
    }

    async fn established(&mut self, mut sasl: Sasl, last: Vec<u8>) -> Result<(), ExchangeError> {
        if !last.is_empty() {
            sasl.step(last).await.map_err(|error| error.at(self.target.endpoint()))?;
        }
        if !sasl.is_complete() {
            let reason = "it says that the sign-in is done without having proved who it is";
            return Err(failure::wrong_endpoint(&self.target, reason));
        }
        tracing::debug!(target = %self.target, protocol = sasl.protocol(), "signed in");
        if sasl.seals() { self.seal_with(sasl) } else { Ok(()) }
    }

    async fn bind(
        &mut self,
        name: &str,
        choice: AuthenticationChoice,
    ) -> Result<BindResponse, ExchangeError> {
        let request = BindRequest::new(3, name.into(), choice);
        let id = self.send(ProtocolOp::BindRequest(request), Vec::new()).await?;
        match self.receive(id).await?.operation {
            Operation::Bind(answer) => Ok(answer),
            _ => Err(failure::wrong_endpoint(&self.target, "it answers the bind with something else")),
        }
    }
}
