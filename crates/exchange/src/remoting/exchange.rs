use std::{fmt, sync::Arc};

use async_trait::async_trait;
use exconn_model::{
    AccessDecision, Clock, DeviceChange, DeviceStatistics, Entropy, Organization, SyncCookie, Timestamp,
};

use super::{
    cmdlets,
    config::{ConfigError, RemotingConfig},
    execution::Execution,
    link::Link,
    runspaces::{Lease, Runspaces},
    servers::Servers,
};
use crate::{
    DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError, Report, SignIns, first_sync_cookie,
    rows::{DeviceMapper, Ignored, Named, StatisticsMapper, organization},
};

/// An Exchange organisation behind remote PowerShell.
pub struct RemotingExchange {
    runspaces: Arc<Runspaces>,
    sign_ins: Arc<SignIns>,
}

impl fmt::Debug for RemotingExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemotingExchange").field(&self.runspaces.config).finish()
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
        let targets = config.check_all()?;
        // One for all servers: they ask the same domain, which counts wrong passwords wherever they are tried.
        let sign_ins = Arc::new(SignIns::default());
        let link = |target| Arc::new(Link::new(target, &config, clock.clone(), sign_ins.clone()));
        let links = targets.into_iter().map(link).collect();
        let runspaces = Runspaces::new(Servers::new(links), config, entropy, clock);
        Ok(Self { runspaces, sign_ins })
    }

    /// The sign-ins of this connection, to be shared with whatever else signs in with its account.
    pub fn sign_ins(&self) -> Arc<SignIns> {
        self.sign_ins.clone()
    }
}

#[async_trait]
impl Exchange for RemotingExchange {
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        look_around(self.runspaces.lease().await?).await
    }

    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        let first_sync_since = match scope {
            DeviceScope::All => None,
            DeviceScope::ChangedSince(cookie) => {
                Some(first_sync_cookie::first_sync_since(&cookie, self.runspaces.clock.now())?)
            }
        };
        let lease = self.runspaces.lease().await?;
        let cookie = first_sync_cookie::of_listing_begun(self.runspaces.clock.now());
        let cmdlet = cmdlets::get_mobile_device(first_sync_since);
        let mut execution = Execution::new(lease, cmdlet);
        // The first answer tells whether there is an Exchange that lets us in.
        execution.step().await?;
        execution.send();
        Ok(Box::new(Listing { execution: Some(execution), cookie }))
    }

    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        let lease = self.runspaces.lease().await?;
        let cmdlet = cmdlets::get_mobile_device_statistics(mailbox);
        let mut execution = Execution::<StatisticsMapper>::new(lease, cmdlet);
        let statistics = execution.complete().await;
        // A mailbox that is gone, or that never was, has no partnerships.
        if execution.rows.is_not_found() { Ok(Vec::new()) } else { statistics }
    }

    fn statistics_concurrency(&self) -> usize {
        self.runspaces.config.max_runspaces
    }

    async fn set_access(
        &self,
        device: &DeviceAddress,
        decision: AccessDecision,
    ) -> Result<(), ExchangeError> {
        let cmdlet = cmdlets::set_cas_mailbox(device, decision);
        // Not even a runspace is opened for what may not be sent.
        cmdlet.admitted(self.runspaces.config.read_only)?;
        let lease = self.runspaces.lease().await?;
        Execution::<Ignored>::new(lease, cmdlet).complete().await.map(drop)
    }

    fn secrets_changed_since(&self, moment: Timestamp) -> bool {
        self.runspaces.config.authentication.account().changed_since(moment)
    }

    async fn examine(&self, report: &mut dyn Report) {
        super::examination::examine(&self.runspaces, report).await;
    }

    async fn close(&self) {
        self.runspaces.close().await;
    }
}

/// Asks the organisation about itself.
pub(super) async fn look_around(lease: Lease) -> Result<Organization, ExchangeError> {
    let mut configs = Execution::<Named>::new(lease, cmdlets::get_organization_config());
    let organizations = configs.complete().await?;
    let mut servers = Execution::<Named>::new(configs.lease, cmdlets::get_exchange_server());
    organization(organizations, servers.complete().await?)
}

/// A `Get-MobileDevice` under way. It owns its runspace until its end.
struct Listing {
    execution: Option<Execution<DeviceMapper>>,
    cookie: SyncCookie,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

async fn batch(execution: &mut Execution<DeviceMapper>) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
    while !execution.has_ended()? {
        execution.step().await?;
        if !execution.has_ended()? {
            // One answer is fetched ahead while the caller digests this one, and no more.
            execution.send();
        }
        if !execution.rows.rows.is_empty() {
            return Ok(Some(execution.rows.rows.drain(..).map(DeviceChange::Present).collect()));
        }
    }
    Ok(None)
}

#[async_trait]
impl DeviceListing for Listing {
    async fn next(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        let over = || ExchangeError::EndedEarly { reason: "the listing is over".into() };
        let execution = self.execution.as_mut().ok_or_else(over)?;
        let batch = batch(execution).await;
        if let Ok(Some(_)) = batch {
            return batch;
        }
        if batch.is_ok() {
            execution.free().await;
        }
        execution.lease.end().await;
        self.execution = None;
        batch
    }

    fn cookie(&self) -> Option<SyncCookie> {
        Some(self.cookie.clone())
    }
}
