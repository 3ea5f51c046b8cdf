use std::time::Duration;

use exconn_model::{Clock, Entropy};
use exconn_server::auth::{Permission, TokenKind, TokenRequest, issue_token};

use super::token;
use crate::{
    args::{Bootstrap, ServiceArgs},
    client::Client,
    failure::CliError,
    system::{SystemClock, SystemEntropy},
};

/// How long a token lives that a command makes for itself.
const LIFETIME: Duration = Duration::from_secs(300);

/// A client with the given token; with a data folder, with one that the keyring there signs for this command alone.
pub(super) fn client(
    service: &ServiceArgs,
    bootstrap: &Bootstrap,
    permission: Permission,
    subject: &str,
) -> Result<Client, CliError> {
    let Some(data) = &bootstrap.data else { return Ok(Client::new(service)?) };
    let request = TokenRequest {
        permissions: &[permission],
        kind: TokenKind::Application,
        subject,
        lifetime: LIFETIME,
        now: SystemClock.now(),
        id: SystemEntropy.uuid(),
    };
    let token =
        issue_token(&token::open(data)?, &request).map_err(|error| CliError::Failed(error.to_string()))?;
    Ok(Client::new(&ServiceArgs { token: Some(token), ..service.clone() })?)
}
