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
    tls,
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

const CREDENTIAL: &str = "Credential";
const TOKEN: &str = "Token";
const PERMISSION_STEP: &str = "Permission";
const ORGANIZATION: &str = "Get-OrganizationConfig";
/// The steps that build on each other, in order; the cmdlets follow.
const STEPS: [&str; 10] = [
    CREDENTIAL,
    SIGN_IN.name,
    SIGN_IN.tcp,
    SIGN_IN.tls,
    TOKEN,
    PERMISSION_STEP,
    INTERFACE.name,
    INTERFACE.tcp,
    INTERFACE.tls,
    ORGANIZATION,
];

/// What the steps on the way to a server are called.
struct Way {
    name: &'static str,
    tcp: &'static str,
    tls: &'static str,
}

const SIGN_IN: Way = Way { name: "Sign-in name", tcp: "Sign-in TCP", tls: "Sign-in TLS" };
const INTERFACE: Way =
    Way { name: "Exchange Online name", tcp: "Exchange Online TCP", tls: "Exchange Online TLS" };

/// Tries the connection step by step.
pub(super) async fn examine(api: &Api, report: &mut dyn Report) {
    let mut examination = Examination { api, report };
    if let Err(at) = examination.way_in().await {
        for later in STEPS.iter().skip_while(|step| **step != at).skip(1) {
            examination.tell(later, Finding::Skipped(format!("not tried, because of: {at}")));
        }
        return;
    }
    examination.cmdlets().await;
}

/// The steps of one examination.
struct Examination<'a> {
    api: &'a Api,
    report: &'a mut dyn Report,
}

impl Examination<'_> {
    fn tell(&mut self, name: &str, finding: Finding) {
        self.report.step(Step { name: name.into(), finding });
    }

    fn passed(&mut self, name: &str, seen: impl Into<String>) {
        self.tell(name, Finding::Passed(seen.into()));
    }

    /// A step failed that the later ones build on.
    fn failed<T>(
        &mut self,
        name: &'static str,
        seen: impl Into<String>,
        cure: impl Into<String>,
    ) -> Result<T, &'static str> {
        self.tell(name, Finding::Failed { seen: seen.into(), cure: cure.into() });
        Err(name)
    }

    /// Everything up to the first cmdlet; the step that failed, if one did.
    async fn way_in(&mut self) -> Result<(), &'static str> {
        let api = self.api;
        self.credential().await?;
        self.reach(&api.tokens.client, &SIGN_IN).await?;
        let token = match api.tokens.token().await {
            Ok(token) => token,
            Err(error) => return self.failed(TOKEN, seen_of_sign_in(&error), self.cure_of_sign_in(&error)),
        };
        self.passed(TOKEN, "the application is signed in");
        self.roles(&token);
        self.reach(&api.client, &INTERFACE).await?;
        let config = Invocation::new(ORGANIZATION, &json!({}));
        match run::<Named>(api, &config).await {
            Ok(page) => {
                let named = page.rows.unwrap_or_default().pop().and_then(Named::into_name);
                self.passed(ORGANIZATION, named.unwrap_or_else(|| "it names no organisation".into()));
                Ok(())
            }
            Err(refusal) => {
                let error = refusal.into_error(&api.client);
                self.failed(ORGANIZATION, seen_of_cmdlet(&error), cure_of_cmdlet(&error, ORGANIZATION_ROLE))
            }
        }
    }

    async fn cmdlets(&mut self) {
        for need in needs(self.api) {
            let finding = match run::<Ignored>(self.api, &need.invocation).await {
                // Whether it may be run is decided before the mailbox is looked for.
                Ok(_) | Err(Refusal::ObjectMissing(_)) => Finding::Passed("it may be run".into()),
                Err(refusal) => {
                    let error = refusal.into_error(&self.api.client);
                    let (seen, cure) = (seen_of_cmdlet(&error), cure_of_cmdlet(&error, need.role));
                    match need.only_for {
                        Some(purpose) if matches!(error, ExchangeError::NotPermitted { .. }) => {
                            Finding::Warned { seen, cure: format!("Without it {purpose}.\n{cure}") }
                        }
                        _ => Finding::Failed { seen, cure },
                    }
                }
            };
            self.tell(need.invocation.cmdlet, finding);
        }
    }

    /// Whether the files of the credential can be used.
    async fn credential(&mut self) -> Result<(), &'static str> {
        let credential = self.api.tokens.credential.clone();
        let files = match &credential {
            ClientCredential::Secret(file) => file.path().display().to_string(),
            ClientCredential::Certificate { certificate, key } => {
                format!("{} {}", certificate.display(), key.display())
            }
        };
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
        match read {
            Err(seen) => {
                let cure = format!(
                    "Put the credential there, and let the user that exconn runs as read it:\nchown exconn {files} && chmod \
                     600 {files}"
                );
                return self.failed(CREDENTIAL, seen, cure);
            }
            Ok(None) => self.passed(CREDENTIAL, "the client secret can be read"),
            Ok(Some(end)) if end.before(CERTIFICATE_ENDS_SOON) <= self.api.clock.now() => {
                let cure = "Register a new certificate with the application, then replace both files.".into();
                let seen = format!("the certificate is valid until {end}");
                self.tell(CREDENTIAL, Finding::Warned { seen, cure });
            }
            Ok(Some(end)) => self.passed(CREDENTIAL, format!("the certificate is valid until {end}")),
        }
        Ok(())
    }

    /// Name, connection and TLS of one server.
    async fn reach(&mut self, client: &Client, way: &Way) -> Result<(), &'static str> {
        let (host, endpoint) = (&client.origin.host, client.origin.endpoint());
        let addresses = match bounded(client, client.resolve()).await {
            Ok(addresses) => addresses,
            Err(error) => {
                let cure = format!(
                    "Let this machine's name service resolve {host}. If that is not the cloud's server, correct cloud, \
                     base_url and authority in the configuration."
                );
                return self.failed(way.name, error.to_string(), cure);
            }
        };
        let seen: Vec<_> = addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
        self.passed(way.name, format!("{host} is {}", seen.join(", ")));
        let stream = match bounded(client, client.connect(&addresses)).await {
            Ok(stream) => stream,
            Err(error) => {
                let cure = format!("Let this machine connect to {endpoint} directly: exconn uses no proxy.");
                return self.failed(way.tcp, error.to_string(), cure);
            }
        };
        self.passed(way.tcp, format!("connected to {endpoint}"));
        if !client.origin.tls {
            self.tell(way.tls, Finding::Skipped("not used: the address begins with http".into()));
            return Ok(());
        }
        if let Err(error) = bounded(client, client.secure(stream)).await {
            let cure = match &error {
                ExchangeError::Tls { reason, .. } => format!(
                    "If a device in between opens TLS, exempt {host} from it, or trust its issuer with ca_file. {}",
                    tls::cure(reason, host)
                ),
                _ => format!("See that nothing between this machine and {endpoint} ends connections."),
            };
            return self.failed(way.tls, error.to_string(), cure);
        }
        self.passed(way.tls, "the certificate is valid");
        Ok(())
    }

    fn roles(&mut self, token: &Token) {
        let finding = match &token.roles {
            None => {
                Finding::Skipped("not known: the token's form cannot be read; the cmdlets will tell".into())
            }
            Some(roles) if roles.iter().any(|role| role.starts_with(PERMISSION)) => {
                Finding::Passed(roles.join(", "))
            }
            Some(roles) => Finding::Failed {
                seen: format!("the token names [{}]", roles.join(", ")),
                cure: format!("Grant the application the permission {PERMISSION}. {COMMANDS}"),
            },
        };
        self.tell(PERMISSION_STEP, finding);
    }

    fn cure_of_sign_in(&self, error: &ExchangeError) -> String {
        let secret = match &self.api.tokens.credential {
            ClientCredential::Secret(file) => file.path().display().to_string(),
            ClientCredential::Certificate { certificate, .. } => certificate.display().to_string(),
        };
        let new_secret = format!(
            "Add-MgApplicationPassword -ApplicationId (Get-MgApplication -Filter \"appId eq '{}'\").Id",
            self.api.tokens.application
        );
        match error {
            ExchangeError::CredentialsRefused { .. } => format!(
                "Write the secret's value, not its id, into {secret}. If the value is lost, create a new secret, in PowerShell with the module \
                 Microsoft.Graph:\n{new_secret}"
            ),
            ExchangeError::CredentialsHeld { .. } => {
                format!("Write the right secret into {secret}. It is tried at once when the file changes.")
            }
            ExchangeError::PasswordExpired { .. } => format!(
                "Create a new secret, or register a new certificate, and write it into {secret}. In PowerShell with the module \
                 Microsoft.Graph:\n{new_secret}"
            ),
            ExchangeError::ApplicationRefused { .. } => {
                "Check tenant_id, client_id and cloud in the configuration. If the application signs in with a certificate, \
                 register it with the application."
                    .into()
            }
            ExchangeError::ClockSkew { .. } => "Set this machine's clock, best by NTP.".into(),
            ExchangeError::WrongEndpoint { .. } => "Check cloud and authority in the configuration.".into(),
            ExchangeError::Throttled { .. } => "Wait as long as it says.".into(),
            _ => "Try again later. If it stays, look at the network in between.".into(),
        }
    }
}

/// Where the commands are that give all that is needed.
const COMMANDS: &str =
    "The commands that give it are printed by exconn doctor with --rights. A change takes up to an hour.";

/// What a sign-in that failed means for an application, which has no user and no password.
fn seen_of_sign_in(error: &ExchangeError) -> String {
    match error {
        ExchangeError::CredentialsRefused { endpoint } => {
            format!("{endpoint} refused the application's secret")
        }
        ExchangeError::CredentialsHeld { endpoint, until } => {
            format!("{endpoint} refused this secret; it is not tried again before {until} unless it changes")
        }
        ExchangeError::PasswordExpired { endpoint } => format!("{endpoint} says that the secret has expired"),
        other => other.to_string(),
    }
}

fn seen_of_cmdlet(error: &ExchangeError) -> String {
    match error {
        ExchangeError::CredentialsRefused { endpoint } => {
            format!("{endpoint} does not let the application in, though it is signed in")
        }
        other => other.to_string(),
    }
}

/// What a step brings within the time for a connection.
async fn bounded<T>(
    client: &Client,
    trying: impl Future<Output = Result<T, ExchangeError>>,
) -> Result<T, ExchangeError> {
    let late = format!("nothing happened within {:?}", client.connect_timeout);
    timeout(client.connect_timeout, trying).await.unwrap_or_else(|_| Err(client.unreachable(&late)))
}

/// The cmdlets besides the first. None of them returns or changes anything here.
fn needs(api: &Api) -> Vec<Need> {
    // An id that was drawn just now is nobody's.
    let nobody = api.entropy.uuid().to_string();
    let device = DeviceAddress { mailbox: nobody.clone(), device_id: nobody.clone() };
    let mut change_of_nobody = access::parameters(&device, AccessDecision::ByRule);
    change_of_nobody["WhatIf"] = true.into();
    let of_nobody = |cmdlet, parameters: Value| Invocation::new(cmdlet, &parameters).of_mailbox(&nobody);
    let mut needs = vec![
        Need { invocation: get_mobile_device(Some(api.clock.now())), role: READING_ROLE, only_for: None },
        Need {
            invocation: of_nobody("Get-MobileDeviceStatistics", json!({"Mailbox": nobody})),
            role: READING_ROLE,
            only_for: Some("the last sync and the state of a wipe stay unknown"),
        },
    ];
    if !api.read_only {
        needs.push(Need {
            invocation: of_nobody("Get-CASMailbox", json!({"Identity": nobody})),
            role: READING_ROLE,
            only_for: Some("a change of a device's access cannot be read back"),
        });
        needs.push(Need {
            invocation: of_nobody("Set-CASMailbox", change_of_nobody).changing(),
            role: DECIDING_ROLE,
            only_for: Some("devices can be neither let in nor kept out"),
        });
    }
    needs
}

async fn run<M: Mapper>(api: &Api, invocation: &Invocation) -> Result<super::page::Page<M::Row>, Refusal> {
    api.page::<M>(invocation, &api.first_place(1000)).await
}

fn cure_of_cmdlet(error: &ExchangeError, role: &str) -> String {
    match error {
        ExchangeError::NotPermitted { cmdlet, .. } => format!(
            "Give the application's service principal the role \"{role}\" in Exchange Online. {COMMANDS} All roles that hold \
             the cmdlet are listed by:\nGet-ManagementRole -Cmdlet {cmdlet}"
        ),
        ExchangeError::CredentialsRefused { .. } => format!(
            "Grant the application the permission {PERMISSION}, and give its service principal the role \"{role}\" in \
             Exchange Online. {COMMANDS}"
        ),
        ExchangeError::WrongEndpoint { .. } => "Check cloud and base_url in the configuration.".into(),
        ExchangeError::Throttled { .. } => "Wait as long as it says.".into(),
        _ => "Try again later. If it stays, look at the network in between.".into(),
    }
}
