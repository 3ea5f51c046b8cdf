use std::{collections::HashSet, fmt, marker::PhantomData, sync::Arc};

use http::uri::PathAndQuery;
use ring::digest;

use super::{
    answer::Refusal,
    api::{Api, Place},
    client::Client,
    config::MAX_PAGE_SIZE,
    invocation::Invocation,
};
use crate::{ExchangeError, rows::Mapper};

/// Most pages of a listing, those that were fetched twice included.
const MAX_PAGES: u32 = 10_000;
/// What Exchange returns at most where nothing else is asked for.
const DEFAULT_RESULT_SIZE: usize = 1000;

/// A cmdlet's output, page by page.
pub(super) struct Pages<M> {
    api: Arc<Api>,
    invocation: Invocation,
    place: Place,
    /// Digests of the links that were followed.
    seen: HashSet<[u8; 32]>,
    pages: u32,
    /// Objects since the listing began, or began anew.
    objects: usize,
    on_first_page: bool,
    /// The place in the listing was lost once, and it began anew.
    restarted: bool,
    /// The end was not believed once, and the listing began anew.
    doubted: bool,
    ended: bool,
    mapper: PhantomData<fn() -> M>,
}

/// Objects of one page.
#[derive(Debug)]
pub(super) struct Part<R> {
    pub(super) rows: Vec<R>,
    /// The first page, for the first time or anew: what came before comes again.
    pub(super) from_the_start: bool,
}

impl<M> fmt::Debug for Pages<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("cmdlet", &self.invocation.cmdlet).finish_non_exhaustive()
    }
}

impl<M: Mapper> Pages<M> {
    pub(super) fn new(api: Arc<Api>, invocation: Invocation, page_size: u32) -> Self {
        let place = api.first_place(page_size);
        Self {
            api,
            invocation,
            place,
            seen: HashSet::new(),
            pages: 0,
            objects: 0,
            on_first_page: true,
            restarted: false,
            doubted: false,
            ended: false,
            mapper: PhantomData,
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.api.client
    }

    /// The next page, which may be empty; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Part<M::Row>>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        loop {
            self.pages += 1;
            if self.pages > MAX_PAGES {
                return Err(self.ended_early(&format!("it has more than {MAX_PAGES} pages")));
            }
            let page = match self.api.page::<M>(&self.invocation, &self.place).await {
                Err(Refusal::Request { place_lost: true, error })
                    if !self.on_first_page && !self.restarted =>
                {
                    tracing::debug!(%error, "the listing begins anew");
                    self.restarted = true;
                    self.begin_anew();
                    continue;
                }
                page => page?,
            };
            let cmdlet = self.invocation.cmdlet;
            let rows = page.rows.ok_or_else(|| {
                let reason = format!("an answer to {cmdlet} has no list of objects");
                Refusal::ForGood(ExchangeError::ProtocolViolated { reason })
            })?;
            let from_the_start = self.on_first_page;
            self.objects += rows.len();
            match page.next_link {
                Some(link) => self.follow(&link)?,
                None if !self.is_doubtful(rows.len()) => self.ended = true,
                None if self.doubted => {
                    return Err(self.ended_early("it ends with a full page, and did so twice"));
                }
                None => {
                    self.doubted = true;
                    self.place.page_size = other_size(self.place.page_size, self.objects);
                    self.begin_anew();
                }
            }
            return Ok(Some(Part { rows, from_the_start }));
        }
    }

    /// Whether the last page is as long as one that was cut would be. Without a word of more behind it, that is either the
    /// whole or exactly what must not be taken for it.
    fn is_doubtful(&self, objects: usize) -> bool {
        objects == DEFAULT_RESULT_SIZE || u32::try_from(objects) == Ok(self.place.page_size)
    }

    fn begin_anew(&mut self) {
        self.place = self.api.first_place(self.place.page_size);
        self.seen.clear();
        self.objects = 0;
        self.on_first_page = true;
    }

    fn follow(&mut self, link: &str) -> Result<(), Refusal> {
        let Some(path) = self.api.client.origin.own(link) else {
            let reason =
                format!("the next page of {} is not on {}", self.invocation.cmdlet, self.api.client.origin);
            return Err(Refusal::ForGood(ExchangeError::ProtocolViolated { reason }));
        };
        if !self.seen.insert(digest_of(&path)) {
            return Err(self.ended_early("it goes in circles: a page follows that came before"));
        }
        self.place.path = path;
        self.on_first_page = false;
        Ok(())
    }

    fn ended_early(&self, reason: &str) -> Refusal {
        let reason = format!("the listing of {} cannot be trusted: {reason}", self.invocation.cmdlet);
        Refusal::ForGood(ExchangeError::EndedEarly { reason })
    }
}

/// A page size with which the last page of so many objects is not full: if they are all, the listing ends in its middle;
/// if it was cut at the end of a page, it ends with a full one again.
fn other_size(size: u32, objects: usize) -> u32 {
    let mut smaller_first = (2..size).rev().chain(size + 1..=MAX_PAGE_SIZE);
    let leaves_a_rest = |size: &u32| usize::try_from(*size).is_ok_and(|size| !objects.is_multiple_of(size));
    smaller_first.find(leaves_a_rest).unwrap_or(size)
}

fn digest_of(path: &PathAndQuery) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, path.as_str().as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_the_other_size_a_complete_listing_ends_in_the_middle_of_a_page() {
        for (size, objects, other) in
            [(1000, 5000, 999), (1000, 999_000, 998), (2, 60, 7), (3, 60, 7), (3, 9, 2)]
        {
            assert_eq!(other_size(size, objects), other, "{objects} in pages of {size}");
        }
    }
}
