//! Remote PowerShell with every message sealed by Kerberos, beside the same driver without seals.

use std::{fs, path::Path};

use exconn_testkit::{Kdc, Peer};
use serde_json::Value;

use crate::{listing::list_by, report::Section};

const DEVICES: u32 = 10_000;
const SERVICE: &str = "HTTP/127.0.0.1";
const USER: &str = "svc";
const PASSWORD: &str = "pw";
/// Rounds in which both are measured one after the other; the best of each counts.
const ROUNDS: u32 = 3;

pub(crate) fn run() -> Result<Section, String> {
    let failed = |error: std::io::Error| error.to_string();
    let password = tempfile::NamedTempFile::new().map_err(failed)?;
    fs::write(password.path(), PASSWORD).map_err(failed)?;
    let kdc = Kdc::start();
    kdc.add_user(USER, PASSWORD, "");
    let count = DEVICES.to_string();
    let open = Peer::start(&["--strict-uri", "--count", &count]);
    let sealing =
        ["--auth", "negotiate", "--schemes", "Kerberos", "--require-sealing", "--exchange-boundary"];
    let sealed = Peer::start_with(
        &[&sealing[..], &["--strict-uri", "--count", &count]].concat(),
        &kdc.add_service(SERVICE),
    );
    let user = format!(r"{}\{USER}", Kdc::REALM);
    let by_ticket =
        |password: &Path| list_by(sealed.url(), password, 2, &["kerberos", &user, &kdc.address()]);
    let (mut best_open, mut best_sealed) = (f64::INFINITY, f64::INFINITY);
    let (mut cpu_open, mut cpu_sealed) = (f64::INFINITY, f64::INFINITY);
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    for _ in 0..ROUNDS {
        let (unsealed, sealed) = (list_by(open.url(), password.path(), 2, &[])?, by_ticket(password.path())?);
        for one in [&unsealed, &sealed] {
            if one["devices"] != DEVICES {
                return Err(format!("not {DEVICES} devices: {one}"));
            }
        }
        best_open = best_open.min(number(&unsealed, "seconds"));
        best_sealed = best_sealed.min(number(&sealed, "seconds"));
        cpu_open = cpu_open.min(number(&unsealed, "cpuSeconds"));
        cpu_sealed = cpu_sealed.min(number(&sealed, "cpuSeconds"));
    }
    let devices = f64::from(DEVICES);
    let mut section = Section::new("Sealed remote PowerShell");
    section.note("10,000 devices, not sealed", format!("{:.0} devices/s", devices / best_open));
    section.note("the same, sealed by Kerberos", format!("{:.0} devices/s", devices / best_sealed));
    section.at_least("that is, of those not sealed", best_open / best_sealed * 100.0, 60.0, " %");
    section.note(
        "exconn's own processor time, not sealed and sealed",
        format!("{cpu_open:.2} s, {cpu_sealed:.2} s"),
    );
    Ok(section)
}
