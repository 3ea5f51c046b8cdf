use std::sync::Arc;

use super::{
    connection::Connection,
    failure,
    link::Link,
    names,
    root::RootDse,
    search::{Query, Scope, of_class},
    target::Target,
};
use crate::ExchangeError;

/// Most parts of a directory, domains and others.
const MAX_PARTS: usize = 10_000;
/// `systemFlags` of a part that is a domain of the forest: `FLAG_CR_NTDS_NC` and `FLAG_CR_NTDS_DOMAIN` (MS-ADTS, 2.2.10).
const IS_DOMAIN: i64 = 3;

/// A domain, and a connection to one of its controllers.
#[derive(Debug)]
pub(super) struct Domain {
    /// Its head, for instance `DC=contoso,DC=test`.
    pub(super) head: String,
    pub(super) root: RootDse,
    pub(super) connection: Connection,
}

/// All domains of a forest.
#[derive(Debug)]
pub(super) struct Forest {
    /// The head of the first domain.
    pub(super) head: String,
    pub(super) domains: Vec<Domain>,
}

/// A domain as the forest's configuration knows it.
#[derive(Debug)]
struct Part {
    head: String,
    dns_name: String,
}

impl Forest {
    /// Finds the domains and connects to a controller of each.
    ///
    /// # Errors
    /// If no controller of a domain can be reached: without it no listing would be complete.
    pub(super) async fn open(link: &Arc<Link>, targets: &[Target]) -> Result<Self, ExchangeError> {
        let mut others = targets.iter();
        let mut first = first_reachable(link, &mut others).await?;
        let head = first.root.forest.clone();
        let parts = parts(&mut first).await?;
        let pattern = first.connection.target.clone();
        let (mut open, mut passed_over) = (vec![first], None);
        let mut domains = Vec::new();
        for part in parts {
            let known = open.iter().position(|domain| names::same(&domain.head, &part.head));
            let mut domain = match known {
                Some(at) => open.swap_remove(at),
                None => match configured(link, &mut others, &part, &mut open, &mut passed_over).await? {
                    Some(domain) => domain,
                    None => {
                        let target = pattern.at(&part.dns_name);
                        // The name could not stand in for a configured controller that is away.
                        let is_usable = link.config.keeps_secrets_from_the_network(&target);
                        if let Some(error) = passed_over.take_if(|_| !is_usable) {
                            return Err(error);
                        }
                        by_name(link, &target, &part).await?
                    }
                },
            };
            // As the forest writes it, wherever the controller was asked.
            domain.head = part.head;
            domains.push(domain);
        }
        match open
            .iter()
            .find(|stranger| !domains.iter().any(|domain| names::same(&domain.head, &stranger.head)))
        {
            Some(stranger) => Err(failure::wrong_endpoint(
                &stranger.connection.target,
                format!(
                    "it is a controller of {}, which is no domain of the forest {}: an organisation of another forest \
                     needs a connection of its own",
                    names::dns_name(&stranger.head),
                    names::dns_name(&head)
                ),
            )),
            None => Ok(Self { head, domains }),
        }
    }
}

/// Connects to a controller and asks it about itself.
pub(super) async fn domain(link: &Arc<Link>, target: &Target) -> Result<Domain, ExchangeError> {
    let mut connection = link.open(target).await?;
    let root = RootDse::of(&mut connection).await?;
    Ok(Domain { head: root.domain.clone(), root, connection })
}

/// Whether another controller may do what this one did not. One that was shown the password and refused it is not passed
/// over: another would refuse it again, and count it.
fn is_passed_over(error: &ExchangeError) -> bool {
    matches!(error, ExchangeError::Unreachable { .. } | ExchangeError::Tls { .. })
}

async fn first_reachable(
    link: &Arc<Link>,
    targets: &mut std::slice::Iter<'_, Target>,
) -> Result<Domain, ExchangeError> {
    let mut failed = None;
    for target in targets {
        match domain(link, target).await {
            Err(error) if is_passed_over(&error) => {
                tracing::warn!(%error, "this domain controller is passed over");
                failed.get_or_insert(error);
            }
            result => return result,
        }
    }
    let nobody = || ExchangeError::ProtocolViolated { reason: "no domain controller is named".into() };
    Err(failed.unwrap_or_else(nobody))
}

/// The domains of the forest.
async fn parts(domain: &mut Domain) -> Result<Vec<Part>, ExchangeError> {
    let query = Query {
        purpose: "domains of the forest",
        base: format!("CN=Partitions,{}", domain.root.configuration),
        scope: Scope::SingleLevel,
        filter: of_class("crossRef"),
        attributes: &["nCName", "dnsRoot", "systemFlags"],
        deleted: false,
        base_may_be_missing: false,
    };
    let found = domain.connection.search(&query, MAX_PARTS).await?;
    let mut parts: Vec<Part> = found
        .iter()
        .filter(|entry| entry.number("systemFlags").is_some_and(|flags: i64| flags & IS_DOMAIN == IS_DOMAIN))
        .filter_map(|entry| {
            let head = entry.text("nCName")?;
            let dns_name = entry.text("dnsRoot").unwrap_or_else(|| names::dns_name(&head));
            Some(Part { head, dns_name })
        })
        .collect();
    if parts.is_empty() {
        // Every forest has a domain: the account may not see it.
        return Err(ExchangeError::NotPermitted {
            cmdlet: query.purpose.into(),
            reason: format!("{} shows none below {}", domain.connection.target.endpoint(), query.base),
        });
    }
    parts.sort_by(|one, other| one.head.cmp(&other.head));
    Ok(parts)
}

/// A controller of the domain among the configured addresses; those of other domains are kept for them.
async fn configured(
    link: &Arc<Link>,
    targets: &mut std::slice::Iter<'_, Target>,
    part: &Part,
    open: &mut Vec<Domain>,
    passed_over: &mut Option<ExchangeError>,
) -> Result<Option<Domain>, ExchangeError> {
    for target in targets {
        match domain(link, target).await {
            Ok(domain) if names::same(&domain.head, &part.head) => return Ok(Some(domain)),
            Ok(other) => open.push(other),
            Err(error) if is_passed_over(&error) => {
                tracing::warn!(%error, "this domain controller is passed over");
                passed_over.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// A controller of the domain at the domain's own name, which in DNS is the name of all of them.
async fn by_name(link: &Arc<Link>, target: &Target, part: &Part) -> Result<Domain, ExchangeError> {
    let found = domain(link, target).await?;
    if names::same(&found.head, &part.head) {
        return Ok(found);
    }
    let (wanted, is) = (names::dns_name(&part.head), names::dns_name(&found.head));
    Err(failure::wrong_endpoint(
        &found.connection.target,
        format!("it is a controller of {is}, not of {wanted}"),
    ))
}
