use std::{fmt, sync::Arc};

use async_trait::async_trait;
use exconn_model::{AccessDecision, Clock, DeviceStatistics, Entropy, Organization, SyncCookie, Timestamp};
use serde_json::json;

use super::{
    access,
    api::Api,
    config::{ConfigError, OnlineConfig},
    examine,
    invocation::Invocation,
    listing::Listing,
    pages::Pages,
};
use crate::{
    DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError, Report, first_sync_cookie,
    rows::{Mapper, Named, StatisticsMapper, organization},
};

/// Most objects of a cmdlet that returns few.
const MAX_ROWS: usize = 10_000;

/// An organisation in Exchange Online.
pub struct OnlineExchange {
    api: Arc<Api>,
    config: OnlineConfig,
}

impl fmt::Debug for OnlineExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnlineExchange").field(&self.config).finish()
    }
}

impl OnlineExchange {
    /// A connection that is opened when it is used. Reads the credential and the root certificates once, to find out
    /// whether it can, and forgets them.
    ///
    /// # Errors
    /// If the configuration cannot work.
    pub fn new(
        config: OnlineConfig,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let addresses = config.check()?;
        let path = || ConfigError::Path { path: config.api_path.clone() };
        let api = Api::new(&config, addresses, entropy, clock).ok_or_else(path)?;
        Ok(Self { api: Arc::new(api), config })
    }

    /// All that a cmdlet returns that returns little.
    async fn all<M>(&self, invocation: Invocation) -> Result<Vec<M::Row>, ExchangeError>
    where
        M: Mapper,
        M::Row: Send,
    {
        let cmdlet = invocation.cmdlet;
        let mut pages = Pages::<M>::new(self.api.clone(), invocation, self.config.page_size);
        let mut rows = Vec::new();
        while let Some(part) = pages.next().await.map_err(|refusal| refusal.into_error(&self.api.client))? {
            if part.from_the_start {
                rows.clear();
            }
            rows.extend(part.rows);
            if rows.len() > MAX_ROWS {
                let reason = format!("{cmdlet} returned more than {MAX_ROWS} objects");
                return Err(ExchangeError::ProtocolViolated { reason });
            }
        }
        Ok(rows)
    }
}

#[async_trait]
impl Exchange for OnlineExchange {
    /// Exchange Online names no servers, and so no version of theirs.
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        let configs = self.all::<Named>(Invocation::new("Get-OrganizationConfig", &json!({}))).await?;
        organization(configs, Vec::new())
    }

    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        let now = self.api.clock.now();
        let cookie: SyncCookie = first_sync_cookie::of_listing_begun(now);
        let invocation = match scope {
            DeviceScope::All => get_mobile_device(None),
            DeviceScope::ChangedSince(cookie) => {
                get_mobile_device(Some(first_sync_cookie::first_sync_since(&cookie, now)?))
            }
        };
        let pages = Pages::new(self.api.clone(), invocation, self.config.page_size);
        Ok(Box::new(Listing::begin(pages, cookie).await?))
    }

    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        let get = Invocation::new("Get-MobileDeviceStatistics", &json!({"Mailbox": mailbox}));
        self.all::<StatisticsMapper>(get.of_mailbox(mailbox)).await
    }

    fn statistics_concurrency(&self) -> usize {
        self.config.statistics_concurrency
    }

    async fn set_access(
        &self,
        device: &DeviceAddress,
        decision: AccessDecision,
    ) -> Result<(), ExchangeError> {
        access::set_access(&self.api, device, decision, self.config.settle_timeout).await
    }

    fn secrets_changed_since(&self, moment: Timestamp) -> bool {
        self.config.credential.changed_since(moment)
    }

    async fn examine(&self, report: &mut dyn Report) {
        examine::examine(&self.api, report).await;
    }
}

/// The listing of devices, as it is asked for.
pub(super) fn get_mobile_device(first_sync_since: Option<Timestamp>) -> Invocation {
    let mut parameters = json!({"ResultSize": "Unlimited"});
    if let Some(moment) = first_sync_since {
        // ISO 8601 in UTC is read the same way in every culture.
        parameters["Filter"] = format!("FirstSyncTime -ge '{moment}'").into();
    }
    Invocation::new("Get-MobileDevice", &parameters)
}
