use std::{fmt, sync::Arc};

use async_trait::async_trait;
use exconn_model::{AccessDecision, Clock, DeviceStatistics, Organization, SyncCookie, Timestamp};

use super::{
    changes::{Changes, mark_of_now},
    config::{DirectoryConfig, DirectoryConfigError, Feed},
    cookie::{Cookie, DomainMark, Mark},
    examination,
    forest::Forest,
    link::Link,
    listing::Listing,
    observation::Observation,
    target::Target,
};
use crate::{DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError, Report, SignIns};

/// An Exchange organisation whose devices are read from its Active Directory. What the directory does not know or may not
/// decide goes to Exchange itself.
pub struct DirectoryExchange {
    pub(super) link: Arc<Link>,
    pub(super) targets: Vec<Target>,
    pub(super) exchange: Arc<dyn Exchange>,
    pub(super) clock: Arc<dyn Clock>,
    observation: Observation,
}

impl fmt::Debug for DirectoryExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirectoryExchange").field(&self.link.config).field(&self.exchange).finish()
    }
}

impl DirectoryExchange {
    /// Connections that are opened when they are used. `exchange` is asked about the organisation, for statistics and for
    /// decisions about access; `sign_ins` are those of that connection. Reads the password and the root certificates once, to
    /// find out whether it can, and forgets them.
    ///
    /// # Errors
    /// If the configuration cannot work.
    pub fn new(
        config: DirectoryConfig,
        exchange: Arc<dyn Exchange>,
        sign_ins: Arc<SignIns>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DirectoryConfigError> {
        let targets = config.check()?;
        let link = Arc::new(Link::new(config, sign_ins, clock.clone()));
        Ok(Self { link, targets, exchange, clock, observation: Observation::default() })
    }

    async fn all(&self) -> Result<Listing, ExchangeError> {
        let made = self.clock.now();
        let mut forest = Forest::open(&self.link, &self.targets).await?;
        // Before the first partnership is read: what changes while the listing runs is in the next one of changes.
        let mut marks = Vec::new();
        for domain in &mut forest.domains {
            let mark = mark_of_now(domain, self.link.config.feed).await?;
            marks.extend(mark.map(|mark| DomainMark { domain: domain.head.clone(), mark }));
        }
        let complete = marks.len() == forest.domains.len();
        let cookie =
            complete.then(|| Cookie::new(made, &forest.head, marks)).and_then(|cookie| cookie.write());
        Ok(Listing::of_all(self.link.clone(), forest, cookie))
    }

    async fn changed_since(&self, cookie: &SyncCookie) -> Result<Listing, ExchangeError> {
        let made = self.clock.now();
        let cookie = Cookie::read(cookie, made)?;
        for mark in &cookie.domains {
            check_feed(self.link.config.feed, &mark.mark)?;
        }
        let forest = Forest::open(&self.link, &self.targets).await?;
        cookie.check(&forest.head, forest.domains.iter().map(|domain| domain.head.as_str()))?;
        let mut marks = Vec::new();
        let mut changed = Vec::new();
        for (mut domain, mark) in forest.domains.into_iter().zip(&cookie.domains) {
            let (changes, mark) = Changes::since(&mut domain, &mark.mark).await?;
            marks.push(DomainMark { domain: domain.head.clone(), mark });
            changed.push((domain, changes));
        }
        let cookie = Cookie::new(made, &forest.head, marks).write();
        Ok(Listing::of_changes(self.link.clone(), changed, cookie))
    }
}

/// A cookie of the feed that the configuration no longer wants is of no use.
fn check_feed(feed: Feed, mark: &Mark) -> Result<(), ExchangeError> {
    let fits = match mark {
        Mark::DirSync { .. } => feed != Feed::UsnChanged,
        Mark::UsnChanged { .. } => feed != Feed::DirSync,
    };
    let refused =
        || ExchangeError::CookieRefused { reason: format!("changes are to be found by {feed} now") };
    if fits { Ok(()) } else { Err(refused()) }
}

#[async_trait]
impl Exchange for DirectoryExchange {
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        self.observation.of(&*self.exchange, &*self.clock).await
    }

    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        let listing = match scope {
            DeviceScope::All => self.all().await?,
            DeviceScope::ChangedSince(cookie) => self.changed_since(&cookie).await?,
        };
        Ok(Box::new(listing))
    }

    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        self.exchange.statistics(mailbox).await
    }

    fn statistics_concurrency(&self) -> usize {
        self.exchange.statistics_concurrency()
    }

    async fn set_access(
        &self,
        device: &DeviceAddress,
        decision: AccessDecision,
    ) -> Result<(), ExchangeError> {
        self.exchange.set_access(device, decision).await
    }

    async fn close(&self) {
        self.exchange.close().await;
    }

    fn secrets_changed_since(&self, moment: Timestamp) -> bool {
        let account = self.link.config.authentication.account();
        account.changed_since(moment) || self.exchange.secrets_changed_since(moment)
    }

    async fn examine(&self, report: &mut dyn Report) {
        self.exchange.examine(report).await;
        examination::examine(self, report).await;
    }
}
