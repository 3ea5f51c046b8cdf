use std::time::Duration;

use exconn_model::{Clock, Organization, Timestamp};
use tokio::sync::Mutex;

use crate::{Exchange, ExchangeError};

/// How long what Exchange said of itself is good enough: a feed of changes that is looked at every few seconds then costs
/// Exchange next to nothing, and still shows within this time that Exchange cannot be reached.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// What Exchange said of itself when it was asked last.
#[derive(Debug, Default)]
pub(super) struct Observation(Mutex<Option<(Timestamp, Organization)>>);

impl Observation {
    /// What Exchange says of itself. A failure is never remembered.
    pub(super) async fn of(
        &self,
        exchange: &dyn Exchange,
        clock: &dyn Clock,
    ) -> Result<Organization, ExchangeError> {
        let mut last = self.0.lock().await;
        let now = clock.now();
        if let Some((at, organization)) = &*last
            && *at <= now
            && now < at.after(GOOD_FOR)
        {
            return Ok(organization.clone());
        }
        *last = None;
        let organization = exchange.observe().await?;
        *last = Some((now, organization.clone()));
        Ok(organization)
    }
}
