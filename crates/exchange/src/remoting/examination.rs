//! Tries a connection step by step, and says for each step that fails what to change.

use std::{net::IpAddr, sync::Arc, time::Duration};

use exconn_psrp::Argument;

use super::{
    authentication::Authentication,
    cmdlets::{self, Cmdlet, SET_AD_SERVER_SETTINGS, SET_CAS_MAILBOX},
    command_probe::{Need, Permission},
    exchange::look_around,
    link::Link,
    probe::{self, Certificate, Greeting, Trouble},
    runspaces::{Lease, Runspaces},
};
use crate::{
    ExchangeError, Finding, Report, Step,
    cure::{self, SignIn},
    quoted::quoted,
};

/// A certificate that ends within so many days is to be renewed now.
const RENEW_WITHIN_DAYS: u64 = 14;
/// A clock that differs by more is wrong.
const SKEW_TO_MENTION: Duration = Duration::from_secs(60);
const NAME: &str = "Name resolution";
const TCP: &str = "TCP";
const TLS: &str = "TLS";
const CLOCK: &str = "Clock";
const AUTHENTICATION: &str = "Authentication";
const ENDPOINT: &str = "Endpoint";
const RUNSPACE: &str = "Runspace";
const ORGANISATION: &str = "Organisation";
/// The steps of one server, in order.
const STEPS: [&str; 7] = [NAME, TCP, TLS, CLOCK, AUTHENTICATION, ENDPOINT, RUNSPACE];

const EVENT_LOG: &str = "Look into the event log MSExchange Management of the server (Event Viewer, Applications and Services Logs).";

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
            self.tell(later, Finding::Skipped(format!("not tried, because of: {at}")));
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
        match self.clock(&greeting) {
            Finding::Failed { seen, cure } => {
                self.stopped(CLOCK, Trouble { seen, cure });
                return false;
            }
            finding => self.tell(CLOCK, finding),
        }
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
            self.tell(TLS, Finding::Skipped("not used: the address begins with http".into()));
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
            let cure = format!("Renew the certificate before {not_after}, and bind the new one to IIS.");
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
            cure: self.scheme_cure(&greeting.schemes),
        })
    }

    /// What to configure, or to switch on, so that both sides know one way to sign in.
    fn scheme_cure(&self, offered: &[String]) -> String {
        let known =
            [("Kerberos", "kerberos"), ("Negotiate", "negotiate"), ("NTLM", "ntlm"), ("Basic", "basic")];
        let is_offered = |scheme: &str| offered.iter().any(|offer| offer.eq_ignore_ascii_case(scheme));
        let instead: Vec<_> = known
            .iter()
            .filter(|(scheme, _)| is_offered(scheme))
            .map(|(_, key)| format!("\"{key}\""))
            .collect();
        let switch = match &self.runspaces.config.authentication {
            Authentication::Basic(_) => "-BasicAuthentication",
            Authentication::Kerberos(_) | Authentication::Negotiate(_) | Authentication::Ntlm(_) => {
                "-WindowsAuthentication"
            }
        };
        let first = match instead.is_empty() {
            true => String::new(),
            false => format!("Set authentication = {} in the configuration. ", instead.join(" or ")),
        };
        let host = &self.link.target.host;
        let of_server = match host.parse::<IpAddr>() {
            Ok(_) => String::new(),
            Err(_) => format!(" -Server {}", quoted(host.split('.').next().unwrap_or_default())),
        };
        format!(
            "{first}To have the server offer what is configured, switch it on in the Exchange Management Shell:\n\
             Get-PowerShellVirtualDirectory{of_server} | Set-PowerShellVirtualDirectory {switch} $true"
        )
    }

    fn clock(&self, greeting: &Greeting) -> Finding {
        let Some(theirs) = greeting.date else {
            return Finding::Skipped(format!("the server's answer ({}) has no date", greeting.status));
        };
        let ours = self.runspaces.clock.now();
        // One of the two is zero.
        let apart = ours.since(theirs).max(theirs.since(ours));
        let seen = format!("the clocks of this machine and of the server differ by {} s", apart.as_secs());
        let cure = cure::clock();
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
        let account = self.runspaces.config.authentication.account();
        let (user, endpoint) = (quoted(&account.username), self.link.target.endpoint());
        let sign_in = SignIn { account, service: self.link.service(), endpoint: &endpoint };
        let (step, cure) = match (sign_in.cure(error), error) {
            (Some(cure), _) => (AUTHENTICATION, cure),
            (None, ExchangeError::WrongEndpoint { .. }) => (
                ENDPOINT,
                format!(
                    "Put the address of Exchange's PowerShell directory into the configuration, which usually is \
                     {}://{}/PowerShell/.",
                    if self.link.target.tls { "https" } else { "http" },
                    self.link.target.authority.to_str().unwrap_or(&endpoint)
                ),
            ),
            (
                None,
                ExchangeError::Unreachable { .. }
                | ExchangeError::Tls { .. }
                | ExchangeError::ProtocolViolated { .. },
            ) => (
                ENDPOINT,
                "Look for a proxy or load balancer between exconn and Exchange that ends or changes connections.".into(),
            ),
            (None, ExchangeError::NotPermitted { .. }) => (
                RUNSPACE,
                format!(
                    "Let the account use remote PowerShell:\nSet-User -Identity {user} -RemotePowerShellEnabled $true"
                ),
            ),
            (None, ExchangeError::ShellLimit { .. }) => (
                RUNSPACE,
                "Close the account's other sessions. If none is open on purpose, end what is left of them on the server:\n\
                 Restart-WebAppPool MSExchangePowerShellAppPool"
                    .into(),
            ),
            (None, ExchangeError::Throttled { .. } | ExchangeError::RunspacesBusy { .. }) => (
                RUNSPACE,
                "Wait and examine again. If it comes back, give the account a throttling policy of its own \
                 (New-ThrottlingPolicy)."
                    .into(),
            ),
            (None, _) => (RUNSPACE, EVENT_LOG.into()),
        };
        for earlier in [AUTHENTICATION, ENDPOINT].into_iter().take_while(|earlier| *earlier != step) {
            let finding = match (step, error) {
                // Only an answer in the protocol proves that the account was let in.
                (RUNSPACE, error) if !matches!(error, ExchangeError::RunspacesBusy { .. }) => {
                    Finding::Passed("the server speaks remote PowerShell with the account".into())
                }
                _ => Finding::Skipped(format!("not known, because of: {step}")),
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
                    let cure = format!("Examine again. If it comes back: {EVENT_LOG}");
                    self.failed(need.cmdlet, Trouble::new(setback.error, cure));
                    self.tell(
                        ORGANISATION,
                        Finding::Skipped(format!("not tried, because of: {}", need.cmdlet)),
                    );
                    return lease.end().await;
                }
            };
            self.tell(need.cmdlet, finding);
        }
        if !all_given {
            return self.tell(ORGANISATION, Finding::Skipped("not tried: the account lacks rights".into()));
        }
        match look_around(lease).await {
            Ok(organization) => {
                let (servers, version) = (organization.servers.len(), organization.server_version);
                let version = version.unwrap_or_else(|| "different builds".into());
                self.passed(ORGANISATION, format!("{}, {servers} servers, {version}", organization.name));
            }
            Err(error) => {
                let cure = EVENT_LOG.to_owned();
                self.failed(ORGANISATION, Trouble::new(error, cure));
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
            "Give {user} a role that holds it: run in the Exchange Management Shell what exconn doctor prints with --rights. \
             The roles that hold it are listed by:\n\
             Get-ManagementRole -Cmdlet {cmdlet}{with}"
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
