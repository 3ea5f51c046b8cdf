use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use exconn_model::{
    AccessDecision, Clock, DeviceChange, DeviceStatistics, Entropy, Organization, SyncCookie, Timestamp,
};
use exconn_psrp::{Argument, Command};

use super::{
    config::{ConfigError, RemotingConfig},
    link::Link,
    shell::{Session, Shell},
    sink::Rows,
};
use crate::{
    DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError, Finding, Report, Step,
    first_sync_cookie,
    rows::{DeviceMapper, Ignored, Mapper, Named, StatisticsMapper, organization},
};

/// How long a result is held back for the shell to be given back.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// An Exchange organisation behind remote PowerShell.
pub struct RemotingExchange {
    link: Arc<Link>,
    config: RemotingConfig,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for RemotingExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemotingExchange").field(&self.config).finish()
    }
}

impl RemotingExchange {
    /// A connection that is opened when it is used. Reads the password and the root certificates once, to find out
    /// whether it can, and forgets them.
    ///
    /// # Errors
    /// If the configuration cannot work.
    pub fn new(
        config: RemotingConfig,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let target = config.check()?;
        let link = Arc::new(Link::new(target, &config, clock.clone()));
        Ok(Self { link, config, entropy, clock })
    }

    fn session(&self) -> Session {
        let shell = Shell::new(self.link.clone(), &self.config, self.entropy.clone(), self.clock.clone());
        Session::new(shell)
    }

    /// Runs one command in a session of its own.
    async fn run<M>(&self, command: &Command) -> Result<Vec<M::Row>, ExchangeError>
    where
        M: Mapper + Send,
        M::Row: Send,
    {
        let mut session = self.session();
        let rows = run::<M>(session.shell()?, command).await;
        session.end(GIVING_BACK).await;
        rows
    }
}

#[async_trait]
impl Exchange for RemotingExchange {
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        let mut session = self.session();
        let observed = look_around(&mut session).await;
        session.end(GIVING_BACK).await;
        observed
    }

    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        let cookie = first_sync_cookie::of_listing_begun(self.clock.now());
        let command = match scope {
            DeviceScope::All => get_mobile_device(None),
            DeviceScope::ChangedSince(cookie) => {
                get_mobile_device(Some(first_sync_cookie::first_sync_since(&cookie)?))
            }
        };
        let mut listing = Listing { session: self.session(), rows: Rows::default(), cookie };
        let shell = listing.session.shell()?;
        shell.invoke(&command)?;
        // The first answer tells whether there is an Exchange that lets us in.
        shell.step(&mut listing.rows).await?;
        shell.send();
        Ok(Box::new(listing))
    }

    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        let command = Command::new("Get-MobileDeviceStatistics").with("Mailbox", text(mailbox));
        self.run::<StatisticsMapper>(&command).await
    }

    fn statistics_concurrency(&self) -> usize {
        1
    }

    async fn set_access(
        &self,
        device: &DeviceAddress,
        decision: AccessDecision,
    ) -> Result<(), ExchangeError> {
        self.run::<Ignored>(&set_cas_mailbox(device, decision)).await.map(drop)
    }

    fn secrets_changed_since(&self, moment: Timestamp) -> bool {
        self.config.authentication.account().changed_since(moment)
    }

    async fn examine(&self, report: &mut dyn Report) {
        let finding = match self.observe().await {
            Ok(organization) => Finding::Passed(organization.name),
            Err(error) => Finding::Failed { seen: error.to_string(), cure: String::new() },
        };
        report.step(Step { name: "Get-OrganizationConfig".into(), finding });
    }
}

fn text(value: &str) -> Argument {
    Argument::Text(value.to_owned())
}

fn get_mobile_device(first_sync_since: Option<Timestamp>) -> Command {
    let all = Command::new("Get-MobileDevice").with("ResultSize", text("Unlimited"));
    match first_sync_since {
        None => all,
        // ISO 8601 in UTC is read the same way in every culture.
        Some(moment) => all.with("Filter", Argument::Text(format!("FirstSyncTime -ge '{moment}'"))),
    }
}

/// `Add` and `Remove` leave the exemptions of other devices alone; a plain list would overwrite them. A personal block
/// comes before a personal permission, so each decision takes the other's away.
fn set_cas_mailbox(device: &DeviceAddress, decision: AccessDecision) -> Command {
    let (allowed, blocked) = match decision {
        AccessDecision::Allow => ("Add", "Remove"),
        AccessDecision::Block => ("Remove", "Add"),
        AccessDecision::ByRule => ("Remove", "Remove"),
    };
    let change = |verb: &str| Argument::Hashtable(vec![(verb.to_owned(), text(&device.device_id))]);
    Command::new("Set-CASMailbox")
        .with("Identity", text(&device.mailbox))
        .with("ActiveSyncAllowedDeviceIDs", change(allowed))
        .with("ActiveSyncBlockedDeviceIDs", change(blocked))
        // A question could not be answered: there is no person at this end.
        .with("Confirm", Argument::Boolean(false))
}

async fn look_around(session: &mut Session) -> Result<Organization, ExchangeError> {
    let shell = session.shell()?;
    let configs = run::<Named>(shell, &Command::new("Get-OrganizationConfig")).await?;
    let servers = run::<Named>(shell, &Command::new("Get-ExchangeServer")).await?;
    organization(configs, servers)
}

/// Runs a command that returns few objects.
async fn run<M>(shell: &mut Shell, command: &Command) -> Result<Vec<M::Row>, ExchangeError>
where
    M: Mapper + Send,
    M::Row: Send,
{
    const MOST: usize = 100_000;
    let mut rows = Rows::<M>::default();
    shell.invoke(command)?;
    loop {
        shell.step(&mut rows).await?;
        rows.check(shell.cmdlet())?;
        if rows.rows.len() > MOST {
            let reason = format!("{} returned more than {MOST} objects", command.name);
            return Err(ExchangeError::ProtocolViolated { reason });
        }
        if shell.has_ended()? {
            // The server is told to forget the command, so that the runspace is free for the next.
            shell.step(&mut rows).await?;
            return Ok(rows.rows);
        }
    }
}

/// A `Get-MobileDevice` under way.
struct Listing {
    session: Session,
    rows: Rows<DeviceMapper>,
    cookie: SyncCookie,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

impl Listing {
    async fn batch(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        let shell = self.session.shell()?;
        while !shell.has_ended()? {
            shell.step(&mut self.rows).await?;
            self.rows.check(shell.cmdlet())?;
            if !shell.has_ended()? {
                // One answer is fetched ahead while the caller digests this one, and no more.
                shell.send();
            }
            if !self.rows.rows.is_empty() {
                return Ok(Some(self.rows.rows.drain(..).map(DeviceChange::Present).collect()));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl DeviceListing for Listing {
    async fn next(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        let batch = self.batch().await;
        if !matches!(batch, Ok(Some(_))) {
            self.session.end(GIVING_BACK).await;
        }
        batch
    }

    fn cookie(&self) -> Option<SyncCookie> {
        Some(self.cookie.clone())
    }
}
