use std::{future::Future, time::Duration};

use exconn_model::AccessDecision;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    access,
    answer::Refusal,
    api::{Api, PERMISSION},
    assertion::Signer,
    client::Client,
    config::ClientCredential,
    exchange::get_mobile_device,
    invocation::Invocation,
    role_script::{DECIDING_ROLE, ORGANIZATION_ROLE, READING_ROLE},
    token::Token,
};
use crate::{
    DeviceAddress, ExchangeError, Finding, Report, Step,
    rows::{Ignored, Mapper, Named},
};

/// A certificate that ends so soon is worth a word.
const CERTIFICATE_ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// A cmdlet that exconn needs, and who may run it.
struct Need {
    invocation: Invocation,
    /// A role of Exchange Online that holds it.
    role: &'static str,
    /// What does not work without it, if the rest does.
    only_for: Option<&'static str>,
}

/// Tries the connection step by step.
pub(super) async fn examine(api: &Api, report: &mut dyn Report) {
    if !credential(api, report).await || !reach(&api.tokens.client, report).await {
        return;
    }
    let token = match api.tokens.token().await {
        Ok(token) => {
            passed(report, "Token", "the application is signed in".into());
            token
        }
        Err(error) => return failed(report, "Token", &error, cure_of_sign_in(&error)),
    };
    roles(&token, report);
    if !reach(&api.client, report).await {
        return;
    }
    let config = Invocation::new("Get-OrganizationConfig", &json!({}));
    match run::<Named>(api, &config).await {
        Ok(page) => {
            let named = page.rows.unwrap_or_default().pop().and_then(Named::into_name);
            passed(report, config.cmdlet, named.unwrap_or_else(|| "it names no organisation".into()));
        }
        Err(refusal) => {
            let error = refusal.into_error(&api.client);
            return failed(report, config.cmdlet, &error, cure_of_cmdlet(&error, ORGANIZATION_ROLE));
        }
    }
    for need in needs(api) {
        let finding = match run::<Ignored>(api, &need.invocation).await {
            // Whether it may be run is decided before the mailbox is looked for.
            Ok(_) | Err(Refusal::ObjectMissing(_)) => Finding::Passed("it may be run".into()),
            Err(refusal) => {
                let error = refusal.into_error(&api.client);
                let (seen, cure) = (error.to_string(), cure_of_cmdlet(&error, need.role));
                match need.only_for {
                    Some(purpose) if matches!(error, ExchangeError::NotPermitted { .. }) => {
                        Finding::Warned { seen, cure: format!("{cure}; without it {purpose}") }
                    }
                    _ => Finding::Failed { seen, cure },
                }
            }
        };
        report.step(Step { name: need.invocation.cmdlet.into(), finding });
    }
}

/// The cmdlets besides the first. None of them returns or changes anything here.
fn needs(api: &Api) -> [Need; 4] {
    // An id that was drawn just now is nobody's.
    let nobody = api.entropy.uuid().to_string();
    let device = DeviceAddress { mailbox: nobody.clone(), device_id: nobody.clone() };
    let mut change_of_nobody = access::parameters(&device, AccessDecision::ByRule);
    change_of_nobody["WhatIf"] = true.into();
    let of_nobody = |cmdlet, parameters: Value| Invocation::new(cmdlet, &parameters).of_mailbox(&nobody);
    [
        Need { invocation: get_mobile_device(Some(api.clock.now())), role: READING_ROLE, only_for: None },
        Need {
            invocation: of_nobody("Get-MobileDeviceStatistics", json!({"Mailbox": nobody})),
            role: READING_ROLE,
            only_for: Some("the last sync and the state of a wipe stay unknown"),
        },
        Need {
            invocation: of_nobody("Get-CASMailbox", json!({"Identity": nobody})),
            role: READING_ROLE,
            only_for: Some("a change of a device's access cannot be read back"),
        },
        Need {
            invocation: of_nobody("Set-CASMailbox", change_of_nobody).changing(),
            role: DECIDING_ROLE,
            only_for: Some("devices can be neither let in nor kept out"),
        },
    ]
}

async fn run<M: Mapper>(api: &Api, invocation: &Invocation) -> Result<super::page::Page<M::Row>, Refusal> {
    api.page::<M>(invocation, &api.first_place(1000)).await
}

/// Whether the files of the credential can be used.
async fn credential(api: &Api, report: &mut dyn Report) -> bool {
    let credential = api.tokens.credential.clone();
    let read = move || match credential {
        ClientCredential::Secret(file) => {
            file.read().map(|_| None).map_err(|error| format!("{}: {error}", file.path().display()))
        }
        ClientCredential::Certificate { certificate, key } => {
            let signer = Signer::load(&certificate, &key).map_err(|error| error.to_string())?;
            Ok(Some(signer.not_after))
        }
    };
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.to_string()));
    let finding = match read {
        Err(seen) => {
            let cure = "put the credential there, readable to the account that exconn runs as".into();
            Finding::Failed { seen, cure }
        }
        Ok(None) => Finding::Passed("the client secret can be read".into()),
        Ok(Some(end)) if end.before(CERTIFICATE_ENDS_SOON) <= api.clock.now() => Finding::Warned {
            seen: format!("the certificate is valid until {end}"),
            cure: "register a new certificate with the application, then replace both files".into(),
        },
        Ok(Some(end)) => Finding::Passed(format!("the certificate is valid until {end}")),
    };
    let usable = !matches!(finding, Finding::Failed { .. });
    report.step(Step { name: "Credential".into(), finding });
    usable
}

/// Name, connection and TLS of one server.
async fn reach(client: &Client, report: &mut dyn Report) -> bool {
    let endpoint = client.origin.endpoint();
    let name = format!("DNS {}", client.origin.host);
    let cure = "let this machine's name service resolve the name, and check cloud and addresses in the configuration";
    let Some(addresses) = step(client, report, &name, cure, client.resolve()).await else { return false };
    let seen: Vec<_> = addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
    passed(report, &name, seen.join(", "));

    let name = format!("TCP {endpoint}");
    let cure = "let this machine connect there directly: exconn uses no proxy";
    let Some(stream) = step(client, report, &name, cure, client.connect(&addresses)).await else {
        return false;
    };
    passed(report, &name, stream.peer_addr().map_or_else(|_| endpoint.clone(), |peer| peer.to_string()));
    if !client.origin.tls {
        return true;
    }
    let name = format!("TLS {endpoint}");
    let cure =
        "if a device in between opens TLS, exempt this address from it or trust its issuer with ca_file";
    if step(client, report, &name, cure, client.secure(stream)).await.is_none() {
        return false;
    }
    passed(report, &name, "the certificate is valid".into());
    true
}

/// What a step brings; `None` after it was reported as failed.
async fn step<T>(
    client: &Client,
    report: &mut dyn Report,
    name: &str,
    cure: &str,
    trying: impl Future<Output = Result<T, ExchangeError>>,
) -> Option<T> {
    let tried = timeout(client.connect_timeout, trying).await;
    let late = format!("nothing happened within {:?}", client.connect_timeout);
    match tried.unwrap_or_else(|_| Err(client.unreachable(&late))) {
        Ok(brought) => Some(brought),
        Err(error) => {
            failed(report, name, &error, cure.into());
            None
        }
    }
}

fn roles(token: &Token, report: &mut dyn Report) {
    let cure = format!(
        "grant the application the permission {PERMISSION} of \"Office 365 Exchange Online\" and an administrator's consent"
    );
    let finding = match &token.roles {
        None => Finding::Skipped("the token's form is not readable; the cmdlets will tell".into()),
        Some(roles) if roles.iter().any(|role| role.starts_with(PERMISSION)) => {
            Finding::Passed(roles.join(", "))
        }
        Some(roles) => Finding::Failed { seen: format!("the token names [{}]", roles.join(", ")), cure },
    };
    report.step(Step { name: "Permission".into(), finding });
}

fn cure_of_sign_in(error: &ExchangeError) -> String {
    match error {
        ExchangeError::CredentialsRefused { .. } => {
            "put the secret's value, not its id, into the file; create a new secret if it is lost"
        }
        ExchangeError::CredentialsHeld { .. } => "put the right secret into the file; it is tried at once",
        ExchangeError::PasswordExpired { .. } => {
            "create a new client secret, or register a new certificate, and replace the file"
        }
        ExchangeError::ApplicationRefused { .. } => {
            "check tenant_id, client_id and cloud; register the certificate with the application, if it uses one"
        }
        ExchangeError::ClockSkew { .. } => "set this machine's clock, best with NTP",
        ExchangeError::WrongEndpoint { .. } => "check cloud and authority in the configuration",
        ExchangeError::Throttled { .. } => "wait as long as it says",
        _ => "try again later; if it stays, look at the network in between",
    }
    .into()
}

fn cure_of_cmdlet(error: &ExchangeError, role: &str) -> String {
    match error {
        ExchangeError::NotPermitted { cmdlet, .. } => format!(
            "give the application's service principal the role \"{role}\" in Exchange Online (Get-ManagementRole -Cmdlet \
             {cmdlet} lists all that hold it)"
        ),
        ExchangeError::CredentialsRefused { .. } => format!(
            "grant the application the permission {PERMISSION} with an administrator's consent, and its service principal \
             the role \"{role}\" in Exchange Online; a change takes up to an hour"
        ),
        ExchangeError::WrongEndpoint { .. } => {
            "check cloud, base_url and api_path in the configuration".into()
        }
        ExchangeError::Throttled { .. } => "wait as long as it says".into(),
        _ => "try again later; if it stays, look at the network in between".into(),
    }
}

fn passed(report: &mut dyn Report, name: &str, seen: String) {
    report.step(Step { name: name.into(), finding: Finding::Passed(seen) });
}

fn failed(report: &mut dyn Report, name: &str, error: &ExchangeError, cure: String) {
    report.step(Step { name: name.into(), finding: Finding::Failed { seen: error.to_string(), cure } });
}
