use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::Arc,
};

use async_trait::async_trait;
use exconn_model::{DeviceChange, SyncCookie};
use uuid::Uuid;

use super::{
    changes::Changes,
    connection::Connection,
    device,
    forest::{Domain, Forest},
    link::Link,
    message::Entry,
    names,
    search::{PagedSearch, Query, Scope, all_of, any_of, equal, of_class},
    users::Users,
};
use crate::{DeviceListing, ExchangeError};

/// How many partnerships are asked for by their GUIDs in one search.
const GUIDS_AT_ONCE: usize = 16;
/// How many removals are in one batch.
const REMOVALS_AT_ONCE: usize = 1000;

/// What is to be read of one domain.
#[derive(Debug)]
struct Work {
    domain: Domain,
    /// A second connection, opened when the first users are wanted: while they are asked for, the next page of
    /// partnerships is on its way.
    users_connection: Option<Connection>,
    users: Users,
    queries: VecDeque<Query>,
    search: Option<PagedSearch>,
    /// Partnerships that were told, if they can be found again by another query.
    told: HashSet<Uuid>,
}

/// A listing under way: first what is gone, then what there is, domain by domain.
///
/// Everything that is gone comes before anything that there is, because a partnership whose mailbox moves from one domain to
/// another keeps its GUID: it is deleted in the one and there in the other, and is to be there at the end.
pub(super) struct Listing {
    link: Arc<Link>,
    removed: VecDeque<Uuid>,
    work: VecDeque<Work>,
    cookie: Option<SyncCookie>,
    state: State,
}

/// Where a listing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Its end was told.
    Ended,
    /// It failed, or nobody waited for the end of a question: what comes next can no longer be told.
    Broken,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

impl Listing {
    /// All partnerships of a forest.
    pub(super) fn of_all(link: Arc<Link>, forest: Forest, cookie: Option<SyncCookie>) -> Self {
        let work = forest.domains.into_iter().map(|domain| {
            let query = Query {
                purpose: "partnerships",
                base: domain.head.clone(),
                scope: Scope::WholeSubtree,
                filter: of_class(device::CLASS),
                attributes: &device::ATTRIBUTES,
                deleted: false,
                base_may_be_missing: false,
            };
            Work::new(domain, VecDeque::from([query]))
        });
        Self { link, removed: VecDeque::new(), work: work.collect(), cookie, state: State::Open }
    }

    /// What changed in a forest: each domain with its changes.
    pub(super) fn of_changes(
        link: Arc<Link>,
        changed: Vec<(Domain, Changes)>,
        cookie: Option<SyncCookie>,
    ) -> Self {
        let gone: Vec<(String, Vec<Uuid>)> =
            changed.iter().map(|(domain, changes)| (domain.head.clone(), changes.removed.clone())).collect();
        let work = changed.into_iter().map(|(domain, changes)| {
            // What another domain has lost may be here, though this domain's news of it were heard before.
            let elsewhere = gone.iter().filter(|(head, _)| *head != domain.head).flat_map(|(_, gone)| gone);
            let queries = queries(&domain.head, &changes, elsewhere.copied());
            Work::new(domain, queries)
        });
        let work = work.collect();
        let removed = gone.into_iter().flat_map(|(_, gone)| gone).collect();
        Self { link, removed, work, cookie, state: State::Open }
    }

    async fn batch(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        if !self.removed.is_empty() {
            let some = self.removed.len().min(REMOVALS_AT_ONCE);
            return Ok(Some(self.removed.drain(..some).map(DeviceChange::Removed).collect()));
        }
        while let Some(work) = self.work.front_mut() {
            if let Some(batch) = work.batch(&self.link).await? {
                return Ok(Some(batch));
            }
            if let Some(done) = self.work.pop_front() {
                done.close().await;
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl DeviceListing for Listing {
    async fn next(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Open => {}
            State::Ended => {
                self.state = State::Ended;
                return Ok(None);
            }
            State::Broken => return Err(ExchangeError::EndedEarly { reason: "the listing is over".into() }),
        }
        let batch = self.batch().await?;
        self.state = if batch.is_some() { State::Open } else { State::Ended };
        Ok(batch)
    }

    fn cookie(&self) -> Option<SyncCookie> {
        self.cookie.clone().filter(|_| self.state == State::Ended)
    }
}

impl Work {
    fn new(domain: Domain, queries: VecDeque<Query>) -> Self {
        let (users, told) = (Users::default(), HashSet::new());
        Self { domain, users_connection: None, users, queries, search: None, told }
    }

    /// The next partnerships; `None` when all queries are done.
    async fn batch(&mut self, link: &Arc<Link>) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        loop {
            let Some(search) = &mut self.search else {
                let Some(query) = self.queries.pop_front() else { return Ok(None) };
                let page_size = link.config.page_size;
                self.search = Some(PagedSearch::begin(&mut self.domain.connection, query, page_size).await?);
                continue;
            };
            match search.next(&mut self.domain.connection).await? {
                None => self.search = None,
                Some(mut page) => {
                    if !self.queries.is_empty() || !self.told.is_empty() {
                        page.retain(|entry| device::guid(entry).is_none_or(|guid| self.told.insert(guid)));
                    }
                    if !page.is_empty() {
                        return self.devices(link, &page).await.map(Some);
                    }
                }
            }
        }
    }

    async fn devices(
        &mut self,
        link: &Arc<Link>,
        page: &[Entry],
    ) -> Result<Vec<DeviceChange>, ExchangeError> {
        let mut connection = match self.users_connection.take() {
            Some(connection) => connection,
            None => link.open(&self.domain.connection.target).await?,
        };
        self.users.fetch(&mut connection, &self.domain.head, page).await?;
        self.users_connection = Some(connection);
        let device = |entry: &Entry| {
            let user = self.users.of(&entry.dn());
            let device =
                device::observed(entry, user).map_err(|reason| ExchangeError::EndedEarly { reason })?;
            Ok(DeviceChange::Present(device))
        };
        page.iter().map(device).collect()
    }

    async fn close(self) {
        self.domain.connection.close().await;
        if let Some(connection) = self.users_connection {
            connection.close().await;
        }
    }
}

/// The searches that read the devices which changes concern.
fn queries(head: &str, changes: &Changes, elsewhere: impl Iterator<Item = Uuid>) -> VecDeque<Query> {
    let query = |base: &str, scope, filter| Query {
        purpose: "changed partnerships",
        base: base.to_owned(),
        scope,
        filter,
        attributes: &device::ATTRIBUTES,
        deleted: false,
        // A container that DirSync tells of may be one that the account cannot see, today and at every later time.
        base_may_be_missing: base != head,
    };
    let mut guids: Vec<Uuid> = changes.devices.iter().copied().chain(elsewhere).collect();
    guids.sort_unstable();
    guids.dedup();
    let mut queries = VecDeque::new();
    for some in guids.chunks(GUIDS_AT_ONCE) {
        let these = any_of(some.iter().map(|guid| equal("objectGUID", &guid.to_bytes_le())).collect());
        let filter = all_of(vec![of_class(device::CLASS), these]);
        queries.push_back(query(head, Scope::WholeSubtree, filter));
    }
    for user in &changes.users {
        let container = names::container_of(user);
        queries.push_back(query(&container, Scope::SingleLevel, of_class(device::CLASS)));
    }
    for container in &changes.containers {
        queries.push_back(query(container, Scope::WholeSubtree, of_class(device::CLASS)));
    }
    queries
}
