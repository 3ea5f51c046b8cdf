//! Tries the way to the devices step by step, and says of each step that fails what is to be changed.

use std::{fmt::Display, time::Duration};

use exconn_model::Timestamp;
use tokio::net::lookup_host;

use super::{
    changes,
    connection::Connection,
    cookie::Mark,
    cure::cure,
    device, dirsync,
    exchange::DirectoryExchange,
    forest::{Domain, Forest},
    link, names,
    root::RootDse,
    search::{Query, Scope, all_of, equal, of_class},
    target::Target,
};
use crate::{ExchangeError, Finding, Report, Step};

/// How far clocks may differ for Kerberos (MS-KILE, 3.1.1.2, and what domains are set to).
const CLOCKS_MAY_DIFFER: Duration = Duration::from_secs(300);

const NAME: &str = "Directory name";
const TCP: &str = "Directory TCP";
const TLS: &str = "Directory TLS";
const SIGN_IN: &str = "Directory sign-in";
const CONTROLLER: &str = "Domain controller";
/// The steps of one controller that build on each other, in order.
const STEPS: [&str; 5] = [NAME, TCP, TLS, SIGN_IN, CONTROLLER];

/// The steps of one examination.
struct Examination<'a> {
    directory: &'a DirectoryExchange,
    report: &'a mut dyn Report,
    /// Stands before the steps of one controller, where there are several.
    prefix: String,
}

/// The devices' part of an examination.
pub(super) async fn examine(directory: &DirectoryExchange, report: &mut dyn Report) {
    let mut examination = Examination { directory, report, prefix: String::new() };
    let mut reached = false;
    for target in &directory.targets {
        if directory.targets.len() > 1 {
            examination.prefix = format!("{}: ", target.endpoint());
        }
        reached |= examination.controller(target).await.is_some();
    }
    examination.prefix.clear();
    if !reached {
        return examination.step("Devices", Finding::Skipped("not tried: no controller works".into()));
    }
    if let Some(forest) = examination.forest().await {
        for domain in forest.domains {
            examination.domain(domain).await;
        }
    }
}

impl Examination<'_> {
    /// The account that rights are granted to.
    fn account(&self) -> String {
        self.directory.link.config.authentication.account().username.clone()
    }

    fn step(&mut self, name: impl Display, finding: Finding) {
        self.report.step(Step { name: format!("{}{name}", self.prefix), finding });
    }

    /// Reports how a step went; gives what it brought. What builds on one that failed is not tried.
    fn tried<T>(
        &mut self,
        name: &str,
        target: &Target,
        result: Result<T, ExchangeError>,
        seen: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.step(name, Finding::Passed(seen(&value)));
                Some(value)
            }
            Err(error) => {
                let cure = cure(&error, target, &self.directory.link);
                self.step(name, Finding::Failed { seen: error.to_string(), cure });
                self.skip_after(name);
                None
            }
        }
    }

    fn skip_after(&mut self, name: &str) {
        for later in STEPS.iter().skip_while(|step| **step != name).skip(1) {
            self.step(later, Finding::Skipped(format!("not tried, because of: {name}")));
        }
    }

    /// From the name of a controller to its clock.
    async fn controller(&mut self, target: &Target) -> Option<()> {
        let link = self.directory.link.clone();
        let at = target.endpoint();
        let found = lookup_host((target.host.as_str(), target.port)).await;
        let found = found.map_err(|error| super::failure::unreachable(target, error));
        let found = found.map(|addresses| addresses.map(|at| at.ip().to_string()).collect::<Vec<_>>());
        self.tried(NAME, target, found, |addresses| format!("{} is {}", target.host, addresses.join(", ")))?;
        let connected = link.within_bound(target, link::connect(target, link.config.connect_timeout)).await;
        self.tried(TCP, target, connected, |_| format!("connected to {at}"))?;
        let credentials = match link.credentials(target).await {
            Ok(credentials) => credentials,
            Err(error) => return self.without_credentials(target, error),
        };
        let connected = link.within_bound(target, link.connect(target, &credentials)).await;
        let connection = if target.tls || link.config.start_tls {
            self.tried(TLS, target, connected, |_| "the certificate is trusted and of this name".into())?
        } else {
            self.step(TLS, Finding::Skipped("not used: the address begins with ldap".into()));
            match connected {
                Ok(connection) => connection,
                Err(error) => return self.tried(SIGN_IN, target, Err(error), |()| String::new()),
            }
        };
        let bound = link.bind(connection, credentials).await;
        let user = link.config.authentication.account().username.clone();
        let mut connection = self.tried(SIGN_IN, target, bound, |_| format!("{user} is let in"))?;
        let root = RootDse::of(&mut connection).await;
        let root = self.tried(CONTROLLER, target, root, |root| {
            let host = root.host_name.as_deref().unwrap_or("a controller");
            format!("{host}, of the domain {}", names::dns_name(&root.domain))
        })?;
        self.clock(&root);
        self.schema(&mut connection, &root).await;
        connection.close().await;
        Some(())
    }

    /// Nobody can sign in: the password or the root certificates are missing, or the password was refused already.
    fn without_credentials(&mut self, target: &Target, error: ExchangeError) -> Option<()> {
        if matches!(error, ExchangeError::Tls { .. }) {
            return self.tried(TLS, target, Err(error), |()| String::new());
        }
        self.step(TLS, Finding::Skipped(format!("not tried, because of: {SIGN_IN}")));
        if matches!(error, ExchangeError::CredentialsHeld { .. }) {
            let why = "not tried: this password was refused already, and each try counts towards locking the account out";
            self.step(SIGN_IN, Finding::Skipped(why.into()));
            self.skip_after(SIGN_IN);
            return None;
        }
        self.tried(SIGN_IN, target, Err(error), |()| String::new())
    }

    fn clock(&mut self, root: &RootDse) {
        let ours = self.directory.clock.now();
        let Some(theirs) = root.time else { return };
        let (difference, late) = difference(ours, theirs);
        let seconds = difference.as_secs();
        let finding = if difference <= CLOCKS_MAY_DIFFER {
            Finding::Passed(format!("the clocks of this machine and of the controller differ by {seconds} s"))
        } else {
            Finding::Warned {
                seen: format!("this machine's clock is {seconds} s {late} the controller's"),
                cure: crate::cure::clock(),
            }
        };
        self.step("Directory clock", finding);
    }

    async fn schema(&mut self, connection: &mut Connection, root: &RootDse) {
        let query = Query {
            purpose: "the schema",
            base: root.schema.clone(),
            scope: Scope::SingleLevel,
            filter: all_of(vec![of_class("classSchema"), equal("lDAPDisplayName", device::CLASS.as_bytes())]),
            attributes: &["cn"],
            deleted: false,
            base_may_be_missing: false,
        };
        let found = connection.search(&query, 10).await;
        let name = "Directory schema";
        match found {
            Ok(found) if found.is_empty() => self.step(
                name,
                Finding::Failed {
                    seen: format!(
                        "the forest {} knows no class {}",
                        names::dns_name(&root.forest),
                        device::CLASS
                    ),
                    cure: "Name a domain controller of the forest in which Exchange is installed.".into(),
                },
            ),
            found => {
                self.tried(name, &connection.target.clone(), found, |_| {
                    format!("the forest {} knows {}", names::dns_name(&root.forest), device::CLASS)
                });
            }
        }
    }

    async fn forest(&mut self) -> Option<Forest> {
        let forest = Forest::open(&self.directory.link, &self.directory.targets).await;
        let target = self.directory.targets.first()?.clone();
        self.tried("Domains of the forest", &target, forest, |forest| {
            let names: Vec<String> =
                forest.domains.iter().map(|domain| names::dns_name(&domain.head)).collect();
            names.join(", ")
        })
    }

    async fn domain(&mut self, mut domain: Domain) {
        let name = names::dns_name(&domain.head);
        let target = domain.connection.target.clone();
        self.devices(&name, &mut domain, &target).await;
        let deleted = deleted_objects(&mut domain).await;
        let account = self.account();
        let step = format!("Deleted objects of {name}");
        match deleted {
            Ok(false) => self.step(step, Finding::Warned {
                seen: "the account may not see what was deleted: devices that are gone are found by full syncs alone".into(),
                cure: format!(
                    "Let the account see them, as an administrator of the domain:\n\
                     dsacls \"CN=Deleted Objects,{0}\" /takeownership\n\
                     dsacls \"CN=Deleted Objects,{0}\" /G \"{account}:LCRP\"",
                    domain.head
                ),
            }),
            deleted => {
                self.tried(&step, &target, deleted, |_| "they can be seen".into());
            }
        }
        self.feed(&name, &mut domain, &target).await;
        domain.connection.close().await;
    }

    async fn devices(&mut self, name: &str, domain: &mut Domain, target: &Target) {
        let page_size = self.directory.link.config.page_size;
        let first = first_page(domain, page_size).await;
        let account = self.account();
        let step = format!("Devices of {name}");
        let grant = format!(
            "dsacls \"{}\" /I:S /G \"{account}:GR;;{}\" \"{account}:GR;;msExchActiveSyncDevices\"",
            domain.head,
            device::CLASS
        );
        match first {
            Ok((0, _)) => self.step(
                step,
                Finding::Warned {
                    seen: "no device can be seen".into(),
                    cure: format!(
                        "If the domain has none yet, all is well. Else let the account read them:\n{grant}"
                    ),
                },
            ),
            first => {
                self.tried(&step, target, first, |(count, more)| {
                    format!("{count}{} can be read", if *more { " and more" } else { "" })
                });
            }
        }
    }

    async fn feed(&mut self, name: &str, domain: &mut Domain, target: &Target) {
        let step = format!("Changes of {name}");
        let feed = self.directory.link.config.feed;
        let mark = changes::mark_of_now(domain, feed).await;
        let account = self.account();
        let grant = format!("dsacls \"{}\" /G \"{account}:CA;Replicating Directory Changes\"", domain.head);
        match mark {
            Ok(Some(Mark::DirSync { everything: false, .. })) => self.step(step, Finding::Warned {
                seen: "DirSync shows the changes that the account may see, not all".into(),
                cure: format!(
                    "If the account sees devices and deleted objects (above), all is well. To have it see everything but secrets:\n{grant}"
                ),
            }),
            Ok(None) => self.step(step, Finding::Warned {
                seen: "neither DirSync nor the controller's invocationId can be read: each sync reads all devices".into(),
                cure: format!("Let the account ask for changes:\n{grant}"),
            }),
            mark => {
                let supported = domain.root.supports(dirsync::CONTROL);
                self.tried(&step, target, mark, |mark| match mark {
                    Some(Mark::DirSync { .. }) => "by DirSync".into(),
                    _ if supported => "by uSNChanged, as configured".into(),
                    _ => "by uSNChanged, since the controller does not offer DirSync".into(),
                });
            }
        }
    }
}

fn difference(ours: Timestamp, theirs: Timestamp) -> (Duration, &'static str) {
    if ours >= theirs { (ours.since(theirs), "ahead of") } else { (theirs.since(ours), "behind") }
}

/// How many devices are on the first page of a listing, and whether there are more.
async fn first_page(domain: &mut Domain, page_size: u32) -> Result<(usize, bool), ExchangeError> {
    let query = Query {
        purpose: "partnerships",
        base: domain.head.clone(),
        scope: Scope::WholeSubtree,
        filter: of_class(device::CLASS),
        attributes: &["objectGUID"],
        deleted: false,
        base_may_be_missing: false,
    };
    let (entries, more) = domain.connection.first_page(&query, page_size).await?;
    Ok((entries.iter().filter(|entry| device::guid(entry).is_some()).count(), more))
}

/// Whether the container of deleted objects can be read.
async fn deleted_objects(domain: &mut Domain) -> Result<bool, ExchangeError> {
    let dn = format!("CN=Deleted Objects,{}", domain.head);
    let found = domain.connection.object("deleted objects", &dn, &["objectGUID"], true).await?;
    Ok(found.is_some_and(|entry| entry.value("objectGUID").is_some()))
}
