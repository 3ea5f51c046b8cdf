use rasn_ldap::{AuthenticationChoice, BindRequest, ProtocolOp, ResultCode};
use secrecy::{ExposeSecret, SecretString};

use super::{
    config::DirectoryAuthentication, connection::Connection, failure, message::Operation, search::octets,
};
use crate::ExchangeError;

impl Connection {
    /// Tells the controller who asks.
    pub(super) async fn bind(
        mut self,
        authentication: &DirectoryAuthentication,
        password: &SecretString,
    ) -> Result<Self, ExchangeError> {
        let DirectoryAuthentication::Simple(account) = authentication;
        // `SecretFile` gives no empty password: with one, a bind succeeds without being one (RFC 4513, 5.1.2).
        let password = octets(password.expose_secret().as_bytes());
        let choice = AuthenticationChoice::Simple(password);
        let request = BindRequest::new(3, account.username.as_str().into(), choice);
        let id = self.send(ProtocolOp::BindRequest(request), Vec::new()).await?;
        let answer = match self.receive(id).await?.operation {
            Operation::Bind(answer) => answer,
            // A controller that speaks of something else before the bind does not speak LDAP.
            _ => {
                return Err(failure::wrong_endpoint(&self.target, "it answers the bind with something else"));
            }
        };
        match answer.result_code {
            ResultCode::Success => Ok(self),
            code => Err(failure::of_bind(&self.target, code, &answer.diagnostic_message)),
        }
    }
}
