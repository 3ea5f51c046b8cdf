use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use exconn_model::{Clock, Entropy, ObservedDevice, Organization};
use exconn_psrp::{Argument, Command};

use super::{
    config::{ConfigError, RemotingConfig},
    device::DeviceMapper,
    link::Link,
    organization::{Named, organization},
    shell::{Session, Shell},
    sink::{Mapper, Rows},
};
use crate::{DeviceListing, DeviceScope, Exchange, ExchangeError};

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
        let link = Arc::new(Link::new(target, &config));
        Ok(Self { link, config, entropy, clock })
    }

    fn session(&self) -> Session {
        let shell = Shell::new(self.link.clone(), &self.config, self.entropy.clone(), self.clock.clone());
        Session::new(shell)
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
        let mut listing = Listing { session: self.session(), rows: Rows::default() };
        let shell = listing.session.shell()?;
        shell.invoke(&get_mobile_device(scope))?;
        // The first answer tells whether there is an Exchange that lets us in.
        shell.step(&mut listing.rows).await?;
        shell.send();
        Ok(Box::new(listing))
    }
}

fn get_mobile_device(scope: DeviceScope) -> Command {
    let all = Command::new("Get-MobileDevice").with("ResultSize", Argument::Text("Unlimited".into()));
    match scope {
        DeviceScope::All => all,
        // ISO 8601 in UTC is read the same way in every culture.
        DeviceScope::FirstSyncedSince(moment) => {
            all.with("Filter", Argument::Text(format!("FirstSyncTime -ge '{moment}'")))
        }
    }
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
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

impl Listing {
    async fn batch(&mut self) -> Result<Option<Vec<ObservedDevice>>, ExchangeError> {
        let shell = self.session.shell()?;
        while !shell.has_ended()? {
            shell.step(&mut self.rows).await?;
            self.rows.check(shell.cmdlet())?;
            if !shell.has_ended()? {
                // One answer is fetched ahead while the caller digests this one, and no more.
                shell.send();
            }
            if !self.rows.rows.is_empty() {
                return Ok(Some(std::mem::take(&mut self.rows.rows)));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl DeviceListing for Listing {
    async fn next(&mut self) -> Result<Option<Vec<ObservedDevice>>, ExchangeError> {
        let batch = self.batch().await;
        if !matches!(batch, Ok(Some(_))) {
            self.session.end(GIVING_BACK).await;
        }
        batch
    }
}
