//! Devices from a directory: Debian's Samba as the domain controller, OpenLDAP's `ldapsearch` beside exconn.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

use async_trait::async_trait;
use exconn_exchange::{
    Account, DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError,
    directory::{DirectoryAuthentication, DirectoryConfig, DirectoryExchange},
};
use exconn_model::{AccessDecision, DeviceStatistics, Organization, SyncCookie, Timestamp};
use exconn_testkit::{Domain, DomainOptions};
use serde_json::{Value, json};

use crate::{
    process::{Running, own_processor_seconds, peak_memory},
    report::Section,
    system::System,
};

const USERS: u32 = 25_000;
const DEVICES: u32 = 50_000;
const CHANGED: usize = 10;

/// What exconn reads of a partnership and of the user whose mailbox it belongs to.
const DEVICE: [&str; 18] = [
    "objectGUID",
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
    "whenChanged",
];
const USER: [&str; 2] = ["userPrincipalName", "mail"];

pub(crate) fn run() -> Result<Section, String> {
    let options = DomainOptions { population: (USERS, DEVICES / USERS), ..DomainOptions::default() };
    let mut domain = Domain::prepare(options);
    domain.permit_deleted_objects(Domain::USER);
    domain.run();
    let password = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    fs::write(password.path(), Domain::PASSWORD).map_err(|error| error.to_string())?;
    // Each warms the controller for the other: the better of two passes counts.
    let mut theirs = Vec::new();
    let mut ours = Vec::new();
    for _ in 0..2 {
        let devices = ldapsearch(&domain, "(objectClass=msExchActiveSyncDevice)", &DEVICE)?;
        let users = ldapsearch(&domain, "(&(objectClass=user)(!(objectClass=computer)))", &USER)?;
        theirs.push((devices, users));
        ours.push(read(&domain, password.path(), &[])?);
    }
    let best = |figures: &mut dyn Iterator<Item = f64>| figures.fold(f64::INFINITY, f64::min);
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    let devices = best(&mut theirs.iter().map(|(devices, _)| *devices));
    let users = best(&mut theirs.iter().map(|(_, users)| *users));
    let full = best(&mut ours.iter().map(|pass| number(pass, "seconds")));
    let cpu = best(&mut ours.iter().map(|pass| number(pass, "cpuSeconds")));
    let peak = ours.iter().map(|pass| number(pass, "peakMiB")).fold(0.0, f64::max);
    if ours.iter().any(|pass| pass["devices"] != json!(DEVICES)) {
        return Err(format!("a pass has not brought {DEVICES} devices: {ours:?}"));
    }
    let changed = domain.search("(msExchDeviceID=*)", &["cn"]);
    let changed: String =
        changed.iter().step_by(changed.len() / CHANGED).take(CHANGED).fold(String::new(), |ldif, device| {
            ldif + &format!(
                "dn: {}\nchangetype: modify\nreplace: msExchDeviceModel\nmsExchDeviceModel: changed\n\n",
                device.dn
            )
        });
    let cookie = password.path().with_extension("cookie");
    fs::write(&cookie, ours[1]["cookie"].as_str().ok_or("no cookie")?).map_err(|error| error.to_string())?;
    domain.modify(&changed);
    let delta = read(&domain, password.path(), &[&cookie])?;
    let _ = fs::remove_file(&cookie);
    if delta["devices"] != json!(CHANGED) {
        return Err(format!("not {CHANGED} changes: {delta}"));
    }
    let mut section = Section::new("Devices from a directory");
    let entries = f64::from(DEVICES + USERS);
    section.note(
        format!("`ldapsearch`: {DEVICES} partnerships, then {USERS} users"),
        format!("{:.0} + {:.0} entries/s", f64::from(DEVICES) / devices, f64::from(USERS) / users),
    );
    section.note("exconn: both, joined", format!("{:.0} entries/s", entries / full));
    section.at_least("that is, of `ldapsearch`'s", (devices + users) / full * 100.0, 90.0, " %");
    section.note("exconn's own processor time for a pass", format!("{cpu:.2} s of {full:.1} s"));
    section.at_most("peak resident memory", peak, 64.0, " MiB");
    let seconds = number(&delta, "seconds");
    section.at_most(format!("{CHANGED} changed devices, read after"), seconds, 2.0, " s");
    section.at_most("that is, of the full pass", seconds / full * 100.0, 1.0, " %");
    Ok(section)
}

/// Seconds that a search of pages takes.
fn ldapsearch(domain: &Domain, filter: &str, attributes: &[&str]) -> Result<f64, String> {
    let began = Instant::now();
    let status = Command::new("ldapsearch")
        .args(["-x", "-H", &domain.url(), "-D", &domain.user_dn(Domain::USER), "-w", Domain::PASSWORD])
        .args(["-LLL", "-E", "pr=1000/noprompt", "-b", &domain.base(), filter])
        .args(attributes)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("ldapsearch: {error}"))?;
    if status.success() { Ok(began.elapsed().as_secs_f64()) } else { Err("ldapsearch failed".into()) }
}

/// Reads in a process of its own, so that its memory is its own: all devices, or the changes since a cookie.
fn read(domain: &Domain, password: &Path, cookie: &[&Path]) -> Result<Value, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(here);
    command.args(["--directory", &domain.url(), &domain.user_dn(Domain::USER)]).arg(password).args(cookie);
    let (output, _) = Running::start(&mut command)?.finish()?;
    serde_json::from_str(&output).map_err(|error| format!("{error}: {output}"))
}

/// What the child process does.
pub(crate) fn child(arguments: &[String]) -> Result<(), String> {
    let [url, user, password, rest @ ..] = arguments else {
        return Err("--directory URL USER PASSWORD_FILE [COOKIE_FILE]".into());
    };
    let account = Account::new(user, password);
    let config = DirectoryConfig::new(vec![url.clone()], DirectoryAuthentication::Simple(account));
    let directory = DirectoryExchange::new(config, Arc::new(Nothing), Arc::default(), Arc::new(System));
    let directory = directory.map_err(|error| error.to_string())?;
    let scope = match rest {
        [cookie] => {
            let text = fs::read_to_string(cookie).map_err(|error| error.to_string())?;
            DeviceScope::ChangedSince(SyncCookie::from_text(text))
        }
        _ => DeviceScope::All,
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let (began, cpu) = (Instant::now(), own_processor_seconds());
    let (devices, cookie) = runtime.block_on(count(&directory, scope)).map_err(|error| error.to_string())?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), own_processor_seconds() - cpu);
    let peak = peak_memory(std::process::id()).ok_or("the memory cannot be read")?;
    let figures = json!({
        "seconds": seconds, "cpuSeconds": cpu, "devices": devices, "peakMiB": peak, "cookie": cookie
    });
    println!("{figures}");
    Ok(())
}

async fn count(
    directory: &DirectoryExchange,
    scope: DeviceScope,
) -> Result<(usize, Option<String>), ExchangeError> {
    let mut devices = 0;
    let mut listing = directory.devices(scope).await?;
    while let Some(batch) = listing.next().await? {
        devices += batch.len();
    }
    let cookie = listing.cookie().map(|cookie| String::from_utf8_lossy(cookie.as_bytes()).into_owned());
    Ok((devices, cookie))
}

/// What stands behind the directory and is not asked here.
#[derive(Debug)]
struct Nothing;

fn not_asked<T>() -> Result<T, ExchangeError> {
    Err(ExchangeError::EndedEarly { reason: "there is no Exchange here".into() })
}

#[async_trait]
impl Exchange for Nothing {
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        not_asked()
    }

    async fn devices(&self, _: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        not_asked()
    }

    async fn statistics(&self, _: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        not_asked()
    }

    fn statistics_concurrency(&self) -> usize {
        1
    }

    async fn set_access(&self, _: &DeviceAddress, _: AccessDecision) -> Result<(), ExchangeError> {
        not_asked()
    }

    fn secrets_changed_since(&self, _: Timestamp) -> bool {
        false
    }

    async fn examine(&self, _: &mut dyn exconn_exchange::Report) {}
}
