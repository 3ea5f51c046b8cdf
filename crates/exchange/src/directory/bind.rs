use exconn_model::Timestamp;
use rasn_ldap::{AuthenticationChoice, BindRequest, BindResponse, ProtocolOp, ResultCode, SaslCredentials};
use secrecy::{ExposeSecret, SecretString};

use super::{connection::Connection, failure, message::Operation, search::octets};
use crate::{
    ExchangeError,
    security::{refusal_in, sasl::Sasl},
};

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
    pub(super) async fn bind_sasl(
        &mut self,
        mechanism: &str,
        mut sasl: Sasl,
        (service, now): (&str, Timestamp),
    ) -> Result<(), ExchangeError> {
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
                _ => {
                    let endpoint = self.target.endpoint();
                    if let Some(error) = refusal_in(&server, &endpoint, service, now) {
                        return Err(error.at(endpoint));
                    }
                    let error = failure::of_bind(&self.target, code, &answer.diagnostic_message);
                    return Err(refused(error, sasl.protocol(), sasl.only_second_choice(), service));
                }
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

/// What the refusal of a sign-in by these means means: whoever got a ticket has shown the right password.
fn refused(
    error: ExchangeError,
    protocol: &str,
    only_second_choice: Option<&str>,
    service: &str,
) -> ExchangeError {
    let ExchangeError::CredentialsRefused { endpoint } = error else { return error };
    if protocol == "Kerberos" {
        let reason = format!(
            "it does not accept the ticket for {service}: the clocks differ, or {service} is registered for another account \
             than the controller's"
        );
        return ExchangeError::TicketRefused { endpoint, reason };
    }
    match only_second_choice {
        Some(why) => {
            let reason = format!("it refuses NTLM, and Kerberos cannot be used: {why}");
            ExchangeError::TicketRefused { endpoint, reason }
        }
        None => ExchangeError::CredentialsRefused { endpoint },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_that_may_be_for_the_passwords_sake_is_one_of_the_password() {
        let refused = |protocol, second| {
            let error = ExchangeError::CredentialsRefused { endpoint: "dc:389".into() };
            refused(error, protocol, second, "ldap/dc").to_string()
        };
        assert!(refused("Kerberos", None).contains("the ticket for ldap/dc"));
        assert!(refused("NTLM", Some("no service ldap/dc")).contains("no service ldap/dc"));
        assert!(refused("NTLM", None).contains("the user or the password"));
        let locked =
            ExchangeError::AccountLocked { endpoint: "dc:389".into(), reason: "it is disabled".into() };
        assert!(matches!(
            super::refused(locked, "Kerberos", None, "ldap/dc"),
            ExchangeError::AccountLocked { .. }
        ));
    }
}
