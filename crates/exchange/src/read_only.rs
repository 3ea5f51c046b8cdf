use std::sync::Arc;

use async_trait::async_trait;
use exconn_model::{AccessDecision, DeviceStatistics, Organization, Timestamp};

use crate::{DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError, Report};

/// A connection that changes nothing at Exchange, whoever asks for it.
#[derive(Debug)]
pub struct ReadOnly(Arc<dyn Exchange>);

impl ReadOnly {
    /// The same connection without the means to change anything.
    pub fn new(exchange: Arc<dyn Exchange>) -> Self {
        Self(exchange)
    }
}

#[async_trait]
impl Exchange for ReadOnly {
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        self.0.observe().await
    }

    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        self.0.devices(scope).await
    }

    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        self.0.statistics(mailbox).await
    }

    fn statistics_concurrency(&self) -> usize {
        self.0.statistics_concurrency()
    }

    async fn set_access(&self, _: &DeviceAddress, _: AccessDecision) -> Result<(), ExchangeError> {
        Err(ExchangeError::ReadOnly)
    }

    fn secrets_changed_since(&self, moment: Timestamp) -> bool {
        self.0.secrets_changed_since(moment)
    }

    async fn examine(&self, report: &mut dyn Report) {
        self.0.examine(report).await;
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
