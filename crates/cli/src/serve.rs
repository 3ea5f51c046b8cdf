//! `exconn serve`.

use std::process::ExitCode;

use exconn_server::auth::check_issuers;

use crate::{
    args::{AuthMode, ServeArgs},
    config::{self, Config, ConfigError},
    connect::connect,
    failure::CliError,
    service::{Service, ServiceSettings},
    shutdown,
};

/// Serves until the operating system asks for the end.
pub(crate) async fn run(args: ServeArgs) -> Result<ExitCode, CliError> {
    if args.database.is_some() {
        return Err(CliError::Usage(
            "--database: this version keeps its data in SQLite in the data folder; leave it out".into(),
        ));
    }
    let config = config::load(args.config.as_deref(), |name| std::env::var(name).ok())?;
    let config = Config {
        listen: args.listen.unwrap_or(config.listen),
        data: args.data.unwrap_or(config.data),
        authenticated: args.auth.map_or(config.authenticated, |mode| mode == AuthMode::Builtin),
        tls: args.tls_cert.zip(args.tls_key).or(config.tls),
        ..config
    };
    if !config.authenticated && !config.issuers.is_empty() {
        return Err(ConfigError::IssuersWithoutAuthentication.into());
    }
    let connections = config.connections.into_iter().map(connect).collect::<Result<Vec<_>, _>>()?;
    let mut service = Service::open(ServiceSettings {
        data: config.data,
        listen: config.listen,
        public_url: config.public_url,
        trusted_proxies: config.trusted_proxies,
        authenticated: config.authenticated,
        issuers: config.issuers,
        audit_entries: config.audit_entries,
        throttle: config.throttle,
        cors: config.cors,
        tls: config.tls,
    })
    .await?;
    for connection in connections {
        service.connect(connection);
    }
    println!("exconn listens at {}", service.url());
    service.until(shutdown::requested()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Checks what only starting would show: the files that connections name.
pub(crate) fn check(config: Config) -> Result<(), ConfigError> {
    if !config.authenticated && !config.issuers.is_empty() {
        return Err(ConfigError::IssuersWithoutAuthentication);
    }
    check_issuers(config.issuers)?;
    config.connections.into_iter().try_for_each(|one| connect(one).map(drop))
}
