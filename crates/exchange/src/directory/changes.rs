//! What changed in a domain: which partnerships are gone, and which are to be read again.

use rasn_ldap::Filter;
use uuid::Uuid;

use super::{
    config::Feed,
    connection::Connection,
    cookie::Mark,
    device,
    dirsync::{self, DirSyncSearch},
    forest::Domain,
    message::Entry,
    names,
    search::{PagedSearch, Query, Scope, all_of, any_of, at_least, of_class},
};
use crate::ExchangeError;

/// Most changed objects of one domain that are followed one by one. A full pass is cheaper then.
const MAX_CHANGES: usize = 100_000;

/// What is looked for: the classes whose changes show in a device, each with the attributes that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Devices,
    Users,
    Containers,
}

/// Changes of one domain.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Partnerships that were deleted.
    pub(super) removed: Vec<Uuid>,
    /// Partnerships that are new or changed.
    pub(super) devices: Vec<Uuid>,
    /// Users that are new, changed, renamed or moved.
    pub(super) users: Vec<String>,
    /// Containers and organisational units that are new, changed, renamed or moved: the names of all below say so too.
    pub(super) containers: Vec<String>,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Devices, Self::Users, Self::Containers];

    fn filter(self) -> Filter {
        match self {
            Self::Devices => of_class(device::CLASS),
            Self::Users => all_of(vec![of_class("user"), Filter::Not(Box::new(of_class("computer")))]),
            // The containers of partnerships come and go with them.
            Self::Containers => all_of(vec![
                any_of(vec![of_class("organizationalUnit"), of_class("container")]),
                Filter::Not(Box::new(of_class("msExchActiveSyncDevices"))),
            ]),
        }
    }

    /// DirSync tells of an object only if one of these changed. Its name is among them, because it changes when the object
    /// is renamed or moved.
    fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Devices => &DEVICE_CHANGES,
            Self::Users => &["name", "userPrincipalName", "mail"],
            Self::Containers => &["name"],
        }
    }
}

/// What is shown of a device, its deletion, and its name.
const DEVICE_CHANGES: [&str; 18] = [
    "isDeleted",
    "name",
    "msExchDeviceID",
    "msExchDeviceType",
    "msExchDeviceModel",
    "msExchDeviceOS",
    "msExchDeviceFriendlyName",
    "msExchDeviceIMEI",
    "msExchDeviceMobileOperator",
    "msExchDeviceTelephoneNumber",
    "msExchDeviceUserAgent",
    "msExchDeviceAccessState",
    "msExchDeviceAccessStateReason",
    "msExchDeviceAccessControlRuleLink",
    "msExchDeviceClientType",
    "msExchDeviceEASVersion",
    "msExchFirstSyncTime",
    "whenCreated",
];

impl Changes {
    /// Reads what changed since a mark, and where to go on.
    ///
    /// # Errors
    /// [`ExchangeError::CookieRefused`] if the changes since then cannot be told.
    pub(super) async fn since(domain: &mut Domain, mark: &Mark) -> Result<(Self, Mark), ExchangeError> {
        match mark {
            Mark::DirSync { everything, cookie } => Self::by_dirsync(domain, *everything, cookie).await,
            Mark::UsnChanged { service, invocation, next } => {
                Self::by_usn(domain, service, *invocation, *next).await
            }
        }
    }

    async fn by_dirsync(
        domain: &mut Domain,
        everything: bool,
        cookie: &str,
    ) -> Result<(Self, Mark), ExchangeError> {
        let mut changes = Self::default();
        let mut next = None;
        for kind in Kind::ALL {
            let query = Query {
                purpose: "changes by DirSync",
                base: domain.head.clone(),
                scope: Scope::WholeSubtree,
                filter: kind.filter(),
                attributes: kind.attributes(),
                // DirSync finds what was deleted without being asked to.
                deleted: false,
                base_may_be_missing: false,
            };
            let mut search = DirSyncSearch::since(query, everything, cookie)?;
            while let Some(entries) = search.next(&mut domain.connection).await? {
                changes.take(kind, &entries)?;
            }
            // The first search's: what changes while the others run is found again, and nothing is lost.
            next.get_or_insert(search.cookie());
        }
        let cookie = next.unwrap_or_else(|| cookie.to_owned());
        Ok((changes, Mark::DirSync { everything, cookie }))
    }

    async fn by_usn(
        domain: &mut Domain,
        service: &str,
        invocation: Uuid,
        next: u64,
    ) -> Result<(Self, Mark), ExchangeError> {
        let refused = |reason: &str| ExchangeError::CookieRefused { reason: reason.to_owned() };
        if !names::same(service, &domain.root.service) {
            return Err(refused("another domain controller answers"));
        }
        if domain.root.invocation(&mut domain.connection).await? != Some(invocation) {
            return Err(refused("the domain controller's data was restored from a backup"));
        }
        // The controller told its last number before the search begins.
        let highest = domain.root.highest_usn;
        if highest.saturating_add(1) < next {
            return Err(refused("the domain controller has lost changes that it had before"));
        }
        let mut changes = Self::default();
        for kind in Kind::ALL {
            let query = Query {
                purpose: "changes by uSNChanged",
                base: domain.head.clone(),
                scope: Scope::WholeSubtree,
                filter: all_of(vec![at_least("uSNChanged", &next.to_string()), kind.filter()]),
                attributes: &["objectGUID", "isDeleted"],
                deleted: kind == Kind::Devices,
                base_may_be_missing: false,
            };
            let mut search = PagedSearch::begin(&mut domain.connection, query, PAGE).await?;
            while let Some(entries) = search.next(&mut domain.connection).await? {
                changes.take(kind, &entries)?;
            }
        }
        let next = highest.saturating_add(1);
        Ok((changes, Mark::UsnChanged { service: service.to_owned(), invocation, next }))
    }

    fn take(&mut self, kind: Kind, entries: &[Entry]) -> Result<(), ExchangeError> {
        for entry in entries {
            let dn = entry.dn();
            let deleted = is_deleted(entry, &dn);
            match kind {
                Kind::Devices => {
                    let guid = device::guid(entry).ok_or_else(|| ExchangeError::EndedEarly {
                        reason: format!(
                            "no objectGUID of the partnership {}",
                            crate::shorten::shortened(&dn)
                        ),
                    })?;
                    if deleted { self.removed.push(guid) } else { self.devices.push(guid) }
                }
                _ if deleted => {}
                Kind::Users => self.users.push(dn),
                Kind::Containers => self.containers.push(dn),
            }
        }
        let count = self.removed.len() + self.devices.len() + self.users.len() + self.containers.len();
        if count > MAX_CHANGES {
            return Err(ExchangeError::CookieRefused {
                reason: format!("there are more than {MAX_CHANGES}"),
            });
        }
        Ok(())
    }
}

/// How many changes are asked for at once.
const PAGE: u32 = 1000;

/// The account may not be allowed to read `isDeleted`, but the name of what was deleted says it too (MS-ADTS, 3.1.1.5.5).
fn is_deleted(entry: &Entry, dn: &str) -> bool {
    entry.value("isDeleted").is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"))
        || names::own_value(dn).contains("\nDEL:")
}

/// Where a listing of changes from now on is to begin. `None` if changes cannot be told.
pub(super) async fn mark_of_now(domain: &mut Domain, feed: Feed) -> Result<Option<Mark>, ExchangeError> {
    if feed != Feed::UsnChanged && (feed == Feed::DirSync || domain.root.supports(dirsync::CONTROL)) {
        return dirsync_mark(&mut domain.connection, &domain.head).await.map(Some);
    }
    let Some(invocation) = domain.root.invocation(&mut domain.connection).await? else {
        tracing::warn!(domain = %domain.head, "invocationId cannot be read: changes cannot be told");
        return Ok(None);
    };
    let service = domain.root.service.clone();
    Ok(Some(Mark::UsnChanged { service, invocation, next: domain.root.highest_usn.saturating_add(1) }))
}

/// With the right to see all changes if the account has it.
async fn dirsync_mark(connection: &mut Connection, domain: &str) -> Result<Mark, ExchangeError> {
    match dirsync::cookie_of_now(connection, domain, true).await {
        Err(ExchangeError::NotPermitted { .. }) => {
            let cookie = dirsync::cookie_of_now(connection, domain, false).await?;
            Ok(Mark::DirSync { everything: false, cookie })
        }
        cookie => Ok(Mark::DirSync { everything: true, cookie: cookie? }),
    }
}
