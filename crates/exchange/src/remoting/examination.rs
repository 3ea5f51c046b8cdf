//! Tries a connection step by step, and says for each step that fails what to change.

use std::{sync::Arc, time::Duration};

use exconn_psrp::Argument;

use super::{
    authentication::Authentication,
    cmdlets::{self, Cmdlet, SET_AD_SERVER_SETTINGS, SET_CAS_MAILBOX},
    command_probe::{Need, Permission},
    exchange::look_around,
    link::Link,
    probe::{self, Certificate, Greeting, Trouble},
    role_script::quoted,
    runspaces::{Lease, Runspaces},
};
use crate::{ExchangeError, Finding, Report, Step};

/// A certificate that ends within so many days is to be renewed now.
const RENEW_WITHIN_DAYS: u64 = 14;
/// A clock that differs by more is wrong.
const SKEW_TO_MENTION: Duration = Duration::from_secs(60);
const NAME: &str = "name resolution";
const TCP: &str = "TCP";
const TLS: &str = "TLS";
const CLOCK: &str = "clock";
const AUTHENTICATION: &str = "authentication";
const ENDPOINT: &str = "endpoint";
const RUNSPACE: &str = "runspace";
/// The steps of one server, in order.
const STEPS: [&str; 7] = [NAME, TCP, TLS, CLOCK, AUTHENTICATION, ENDPOINT, RUNSPACE];

/// Kerberos bears no more (RFC 4120, 3.1.3, and Active Directory's default policy).
const SKEW_OF_KERBEROS: Duration = Duration::from_secs(300);

/// Examines every server up to the runspace, and the account's rights at the first that works.
pub(super) async fn examine(runspaces: &Arc<Runspaces>, report: &mut dyn Report) {
    let links = runspaces.servers.all();
    let mut rights_are_known = false;
    for (number, link) in links.iter().enumerate() {
        let prefix = if links.len() > 1 { format!("{}: ", link.target.endpoint()) } else { String::new() };
        let mut server = Server { runspaces, link, prefix, report: &mut *report };
        if !server.network().await {
            continue;
        }
        let lease = match server.runspace(number).await {
            Opened::Runspace(lease) => lease,
            Opened::Nothing => continue,
            // The same password at the next server would only count towards locking the account out.
            Opened::AccountRefused => break,
        };
        if !rights_are_known {
            rights_are_known = true;
            server.rights(lease).await;
        }
    }
}

/// What came of opening a runspace.
enum Opened {
    Runspace(Lease),
    Nothing,
    AccountRefused,
}

/// One server under examination.
struct Server<'a> {
    runspaces: &'a Arc<Runspaces>,
    link: &'a Link,
    /// Stands before each step's name, where there are several servers.
    prefix: String,
    report: &'a mut dyn Report,
}

impl Server<'_> {
    fn tell(&mut self, name: &str, finding: Finding) {
        self.report.step(Step { name: format!("{}{name}", self.prefix), finding });
    }

    fn passed(&mut self, name: &str, seen: impl Into<String>) {
        self.tell(name, Finding::Passed(seen.into()));
    }

    fn failed(&mut self, name: &str, trouble: Trouble) {
        self.tell(name, Finding::Failed { seen: trouble.seen, cure: trouble.cure });
    }

    /// A step failed that the later ones build on.
    fn stopped(&mut self, at: &str, trouble: Trouble) {
        self.failed(at, trouble);
        for later in STEPS.iter().skip_while(|step| **step != at).skip(1) {
            self.tell(later, Finding::Skipped(at.into()));
        }
    }

    /// Everything before the password; whether it is worth going on.
    async fn network(&mut self) -> bool {
        let greeting = match self.greeting().await {
            Ok(greeting) => greeting,
            Err((step, trouble)) => {
                self.stopped(step, trouble);
                return false;
            }
        };
        let finding = self.clock(&greeting);
        self.tell(CLOCK, finding);
        match self.scheme(&greeting) {
            None => true,
            Some(trouble) => {
                self.stopped(AUTHENTICATION, trouble);
                false
            }
        }
    }

    /// The server's first answer, or the step that failed on the way to it.
    async fn greeting(&mut self) -> Result<Greeting, (&'static str, Trouble)> {
        let (bound, link) = (self.runspaces.config.connect_timeout, self.link);
        let target = &link.target;
        let at = |step: &'static str| move |trouble| (step, trouble);
        let addresses = probe::addresses(target, bound).await.map_err(at(NAME))?;
        let listed = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
        self.passed(NAME, format!("{} is {listed}", target.host));
        let stream = probe::connect(target, &addresses, bound).await.map_err(at(TCP))?;
        self.passed(TCP, format!("connected to {}", target.endpoint()));
        if target.tls {
            let roots = &self.runspaces.config.roots;
            let (stream, certificate) = probe::secure(target, roots, stream, bound).await.map_err(at(TLS))?;
            let finding = self.certificate(certificate);
            self.tell(TLS, finding);
            probe::greet(target, stream, bound).await.map_err(at(CLOCK))
        } else {
            self.tell(TLS, Finding::Skipped("the address begins with http".into()));
            probe::greet(target, stream, bound).await.map_err(at(CLOCK))
        }
    }

    fn certificate(&self, certificate: Option<Certificate>) -> Finding {
        let Some(Certificate { issuer, names, not_after }) = certificate else {
            return Finding::Passed("the certificate is trusted".into());
        };
        let days = not_after.since(self.runspaces.clock.now()).as_secs() / 86_400;
        let names = names.join(", ");
        let seen = format!("a certificate for {names}, issued by {issuer}, valid for {days} more days");
        if days < RENEW_WITHIN_DAYS {
            let cure = format!("renew the certificate before {not_after} and bind it in IIS");
            Finding::Warned { seen, cure }
        } else {
            Finding::Passed(seen)
        }
    }

    /// What is wrong if the server does not offer what the connection is configured for.
    fn scheme(&self, greeting: &Greeting) -> Option<Trouble> {
        let wanted = http_schemes(&self.runspaces.config.authentication);
        let is_offered = |name: &&str| greeting.schemes.iter().any(|offer| offer.eq_ignore_ascii_case(name));
        if greeting.schemes.is_empty() || wanted.iter().any(is_offered) {
            return None;
        }
        let (offered, wanted) = (greeting.schemes.join(", "), wanted.join(" or "));
        Some(Trouble {
            seen: format!("the server offers {offered}, and the connection is configured for {wanted}"),
            cure: format!(
                "configure an authentication that the server offers, or switch {wanted} on at the PowerShell directory \
                 (Set-PowerShellVirtualDirectory)"
            ),
        })
    }

    fn clock(&self, greeting: &Greeting) -> Finding {
        let Some(theirs) = greeting.date else {
            return Finding::Skipped(format!("the server's answer ({}) has no date", greeting.status));
        };
        let ours = self.runspaces.clock.now();
        // One of the two is zero.
        let apart = ours.since(theirs).max(theirs.since(ours));
        let seen = format!("the clocks of this machine and of the server differ by {} s", apart.as_secs());
        let cure = "let both machines take their time from the domain (w32tm, chrony)".to_owned();
        let authentication = &self.runspaces.config.authentication;
        // Not NTLM, though it may travel inside of Negotiate.
        let is_kerberos =
            matches!(authentication, Authentication::Kerberos(_) | Authentication::Negotiate(_));
        if apart > SKEW_OF_KERBEROS && is_kerberos {
            Finding::Failed { seen, cure }
        } else if apart > SKEW_TO_MENTION {
            Finding::Warned { seen, cure }
        } else {
            Finding::Passed(seen)
        }
    }

    /// Opens a runspace here and nowhere else, and tells which of the steps up to it failed.
    async fn runspace(&mut self, number: usize) -> Opened {
        let mut lease = match self.runspaces.lease().await {
            Ok(lease) => lease,
            Err(error) => {
                self.refusal(&error);
                return Opened::Nothing;
            }
        };
        // One that is there already would prove nothing.
        lease.give_up();
        match lease.open_at(number).await {
            Ok(()) => {
                let user = self.runspaces.config.authentication.account().username.clone();
                self.passed(AUTHENTICATION, format!("{user} is let in"));
                self.passed(ENDPOINT, format!("{} serves Exchange's cmdlets", self.link.target));
                self.passed(RUNSPACE, "opened");
                Opened::Runspace(lease)
            }
            Err(setback) => {
                lease.end().await;
                if self.refusal(&setback.error) { Opened::AccountRefused } else { Opened::Nothing }
            }
        }
    }

    /// Tells why there is no runspace; whether it is for the account's sake.
    fn refusal(&mut self, error: &ExchangeError) -> bool {
        let user = quoted(&self.runspaces.config.authentication.account().username);
        let (step, cure): (_, String) = match error {
            ExchangeError::CredentialsRefused { .. } | ExchangeError::CredentialsHeld { .. } => {
                (AUTHENTICATION, "correct the user name, or write the right password into password_file".into())
            }
            ExchangeError::PasswordUnavailable { .. } => {
                (AUTHENTICATION, "let the file hold the password in one line, readable by exconn".into())
            }
            ExchangeError::PasswordExpired { .. } => {
                (AUTHENTICATION, "set a new password that need not be changed, and write it into password_file".into())
            }
            ExchangeError::AccountLocked { .. } => {
                (AUTHENTICATION, format!("unlock or enable the account (Unlock-ADAccount {user})"))
            }
            ExchangeError::ClockSkew { .. } => {
                (AUTHENTICATION, "let both machines take their time from the domain".into())
            }
            ExchangeError::ServiceUnknown { principal } => (
                AUTHENTICATION,
                format!("name one server by its full name in the address, or register the name with setspn -S {principal}"),
            ),
            ExchangeError::TicketRefused { .. } => (
                AUTHENTICATION,
                "compare the service's name with the account that runs it (setspn -Q), and see whether the directory demands \
                 Extended Protection"
                    .into(),
            ),
            ExchangeError::Unreachable { endpoint, .. } if *endpoint != self.link.target.endpoint() => (
                AUTHENTICATION,
                format!("open the way to {endpoint}, or name other key distribution centres for the connection"),
            ),
            ExchangeError::WrongEndpoint { .. } => (
                ENDPOINT,
                "use the address of Exchange's PowerShell directory, for instance https://ex01.contoso.com/PowerShell/".into(),
            ),
            ExchangeError::Unreachable { .. } | ExchangeError::Tls { .. } | ExchangeError::ProtocolViolated { .. } => (
                ENDPOINT,
                "look for a proxy or load balancer between exconn and Exchange that ends or changes connections".into(),
            ),
            ExchangeError::NotPermitted { .. } => {
                (RUNSPACE, format!("Set-User -Identity {user} -RemotePowerShellEnabled $true"))
            }
            ExchangeError::ShellLimit { .. } => (
                RUNSPACE,
                "close the account's other sessions; if none are left open on purpose, Restart-WebAppPool \
                 MSExchangePowerShellAppPool on the server"
                    .into(),
            ),
            ExchangeError::Throttled { .. } | ExchangeError::RunspacesBusy { .. } => {
                (RUNSPACE, "wait and examine again; give the account a throttling policy of its own if it comes back".into())
            }
            _ => (RUNSPACE, "look into the event log MSExchange Management of the server".into()),
        };
        for earlier in [AUTHENTICATION, ENDPOINT].into_iter().take_while(|earlier| *earlier != step) {
            let finding = match (step, error) {
                // Only an answer in the protocol proves that the account was let in.
                (RUNSPACE, error) if !matches!(error, ExchangeError::RunspacesBusy { .. }) => {
                    Finding::Passed("the server speaks remote PowerShell with the account".into())
                }
                _ => Finding::Skipped(step.into()),
            };
            self.tell(earlier, finding);
        }
        self.stopped(step, Trouble::new(error, cure));
        step == AUTHENTICATION
    }

    /// Probes each cmdlet and parameter that exconn needs, then asks the organisation about itself.
    async fn rights(&mut self, mut lease: Lease) {
        if lease.is_narrow() {
            let seen =
                "the account may not run it, so devices of recipients in other domains are not seen".into();
            let cure = self.role_cure(SET_AD_SERVER_SETTINGS, &["ViewEntireForest"]);
            self.tell(SET_AD_SERVER_SETTINGS, Finding::Warned { seen, cure });
        } else {
            self.passed(SET_AD_SERVER_SETTINGS, "the whole forest is seen");
        }
        let mut all_given = true;
        for need in needs(self.runspaces.config.read_only) {
            let probed = match lease.open().await {
                Ok(shell) => need.probe(shell).await,
                Err(setback) => Err(setback),
            };
            let finding = match probed {
                Ok(Permission::Given) if need.parameters.is_empty() => {
                    Finding::Passed("it may be run".into())
                }
                Ok(Permission::Given) => {
                    Finding::Passed(format!("it may be run with {}", need.parameters.join(", ")))
                }
                Ok(Permission::Missing(seen)) => {
                    all_given = false;
                    Finding::Failed { seen, cure: self.role_cure(need.cmdlet, need.parameters) }
                }
                Ok(Permission::Unknown(seen)) => {
                    Finding::Warned { seen, cure: self.role_cure(need.cmdlet, need.parameters) }
                }
                Err(setback) => {
                    let cure =
                        "examine again; if it comes back, look into the event log MSExchange Management"
                            .to_owned();
                    self.failed(need.cmdlet, Trouble::new(setback.error, cure));
                    self.tell("organisation", Finding::Skipped(need.cmdlet.into()));
                    return lease.end().await;
                }
            };
            self.tell(need.cmdlet, finding);
        }
        if !all_given {
            return self.tell("organisation", Finding::Skipped("the account's rights".into()));
        }
        match look_around(lease).await {
            Ok(organization) => {
                let (servers, version) = (organization.servers.len(), organization.server_version);
                let version = version.unwrap_or_else(|| "different builds".into());
                self.passed("organisation", format!("{}, {servers} servers, {version}", organization.name));
            }
            Err(error) => {
                let cure = "look into the event log MSExchange Management of the server".to_owned();
                self.failed("organisation", Trouble::new(error, cure));
            }
        }
    }

    fn role_cure(&self, cmdlet: &str, parameters: &[&str]) -> String {
        let user = quoted(&self.runspaces.config.authentication.account().username);
        let with = if parameters.is_empty() {
            String::new()
        } else {
            format!(" -CmdletParameters {}", parameters.join(", "))
        };
        format!(
            "give {user} a role that holds it (Get-ManagementRole -Cmdlet {cmdlet}{with} lists them), best with the role script \
             that exconn prints"
        )
    }
}

/// The HTTP schemes that carry a way to authenticate.
fn http_schemes(authentication: &Authentication) -> &'static [&'static str] {
    authentication.scheme().map_or(&["Basic"], |scheme| scheme.names)
}

/// What exconn runs beside the setting that begins each session.
fn needs(read_only: bool) -> Vec<Need> {
    const NOBODY: &str = "exconn-examines-nobody";
    let need = |cmdlet, parameters, harmless| Need { cmdlet, parameters, harmless };
    let mut needs = vec![
        need("Get-OrganizationConfig", &[][..], Some(cmdlets::get_organization_config())),
        need("Get-ExchangeServer", &[], Some(cmdlets::get_exchange_server())),
        need(
            "Get-MobileDevice",
            &["ResultSize", "Filter"],
            Some(
                Cmdlet::new("Get-MobileDevice")
                    .with("ResultSize", "Unlimited")
                    .with("Filter", Argument::Text(format!("DeviceId -eq '{NOBODY}'"))),
            ),
        ),
        need("Get-MobileDeviceStatistics", &["Mailbox"], Some(cmdlets::get_mobile_device_statistics(NOBODY))),
    ];
    if !read_only {
        let lists = &["ActiveSyncAllowedDeviceIDs", "ActiveSyncBlockedDeviceIDs"];
        needs.push(need(SET_CAS_MAILBOX, lists, None));
    }
    needs
}
