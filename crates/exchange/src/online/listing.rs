use std::fmt;

use async_trait::async_trait;
use exconn_model::{DeviceChange, ObservedDevice, SyncCookie};
use tokio::task::JoinHandle;

use super::pages::{Pages, Part};
use crate::{DeviceListing, ExchangeError, rows::DeviceMapper};

type Fetched = (Pages<DeviceMapper>, Result<Option<Part<ObservedDevice>>, ExchangeError>);

/// A `Get-MobileDevice` under way. One page is fetched while the caller digests the one before, and no more.
pub(super) struct Listing {
    first: Option<Vec<ObservedDevice>>,
    fetching: Option<Fetching>,
    ended: bool,
    cookie: SyncCookie,
}

/// A page that is being fetched; given up when it is dropped.
struct Fetching(JoinHandle<Fetched>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

impl Listing {
    /// Fetches the first page, which tells whether there is an Exchange that lets us in.
    pub(super) async fn begin(
        mut pages: Pages<DeviceMapper>,
        cookie: SyncCookie,
    ) -> Result<Self, ExchangeError> {
        let first = next(&mut pages).await?.map(|part| part.rows);
        let fetching = Some(fetch(pages));
        Ok(Self { first, fetching, ended: false, cookie })
    }
}

fn fetch(mut pages: Pages<DeviceMapper>) -> Fetching {
    Fetching(tokio::spawn(async move {
        let part = next(&mut pages).await;
        (pages, part)
    }))
}

async fn next(pages: &mut Pages<DeviceMapper>) -> Result<Option<Part<ObservedDevice>>, ExchangeError> {
    pages.next().await.map_err(|refusal| refusal.into_error(pages.client()))
}

#[async_trait]
impl DeviceListing for Listing {
    async fn next(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let rows = match self.first.take() {
                Some(rows) => rows,
                None => {
                    let over =
                        || ExchangeError::EndedEarly { reason: "the listing has failed before".into() };
                    let fetching = self.fetching.as_mut().ok_or_else(over)?;
                    // Whoever gives up this wait may come back for the page.
                    let fetched = (&mut fetching.0).await;
                    self.fetching = None;
                    let (pages, part) =
                        fetched.map_err(|error| ExchangeError::EndedEarly { reason: error.to_string() })?;
                    let Some(part) = part? else {
                        self.ended = true;
                        return Ok(None);
                    };
                    self.fetching = Some(fetch(pages));
                    part.rows
                }
            };
            if !rows.is_empty() {
                return Ok(Some(rows.into_iter().map(DeviceChange::Present).collect()));
            }
        }
    }

    fn cookie(&self) -> Option<SyncCookie> {
        Some(self.cookie.clone())
    }
}
