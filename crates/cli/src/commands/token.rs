use std::path::Path;

use exconn_model::{Clock, Entropy};
use exconn_server::auth::{Keyring, Permission, TokenKind, TokenRequest, issue_token};

use crate::{
    args::TokenCommand,
    failure::CliError,
    output,
    service::ServiceError,
    system::{SystemClock, SystemEntropy},
};

/// What an administrator does all day: change connectors, read devices.
const DEFAULT: [Permission; 2] = [Permission::ServiceConfigReadWrite, Permission::ManagedDevicesRead];

pub(crate) fn run(command: TokenCommand) -> Result<(), CliError> {
    let TokenCommand::Issue { data, scopes, expires } = command;
    let permissions = match scopes.as_slice() {
        [] => DEFAULT.to_vec(),
        scopes => scopes.iter().map(|name| permission(name)).collect::<Result<_, _>>()?,
    };
    let keyring = open(&data)?;
    let request = TokenRequest {
        permissions: &permissions,
        kind: TokenKind::Application,
        subject: "exconn token issue",
        lifetime: expires,
        now: SystemClock.now(),
        id: SystemEntropy.uuid(),
    };
    let token = issue_token(&keyring, &request).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(output::print(&format!("{token}\n"))?)
}

fn permission(name: &str) -> Result<Permission, CliError> {
    name.parse().map_err(|error: exconn_server::auth::UnknownPermission| CliError::Usage(error.to_string()))
}

/// The keyring of a data folder that exists: a mistyped path must not become a new installation.
pub(super) fn open(data: &Path) -> Result<Keyring, CliError> {
    if !data.is_dir() {
        return Err(CliError::Failed(format!(
            "there is no data folder {}; it appears when `exconn serve --data {}` runs first",
            data.display(),
            data.display()
        )));
    }
    Ok(Keyring::open_or_create(data, &SystemEntropy).map_err(ServiceError::from)?)
}
