//! Remote PowerShell with every message sealed by Kerberos, beside the same driver without seals.

use std::{fs, path::Path};

use exconn_testkit::{Kdc, Peer};
use serde_json::Value;

use crate::{listing::list_by, report::Section};

const DEVICES: u32 = 10_000;
const SERVICE: &str = "HTTP/127.0.0.1";
const USER: &str = "svc";
const PASSWORD: &str = "pw";
/// Rounds in which both are measured one after the other, with peers of their own; the best of each counts.
const ROUNDS: u32 = 3;

pub(crate) fn run() -> Result<Section, String> {
    let failed = |error: std::io::Error| error.to_string();
    let password = tempfile::NamedTempFile::new().map_err(failed)?;
    fs::write(password.path(), PASSWORD).map_err(failed)?;
    let kdc = Kdc::start();
    kdc.add_user(USER, PASSWORD, "");
    let service = kdc.add_service(SERVICE);
    let count = DEVICES.to_string();
    let sealing =
        ["--auth", "negotiate", "--schemes", "Kerberos", "--require-sealing", "--exchange-boundary"];
    let user = format!(r"{}\{USER}", Kdc::REALM);
    let (mut open, mut sealed) = (Best::default(), Best::default());
    for _ in 0..ROUNDS {
        let peer = Peer::start(&["--strict-uri", "--count", &count]);
        open.measure(peer.url(), password.path(), &[])?;
        let peer = Peer::start_with(&[&sealing[..], &["--strict-uri", "--count", &count]].concat(), &service);
        sealed.measure(peer.url(), password.path(), &["kerberos", &user, &kdc.address()])?;
    }
    let rate = |seconds: f64| format!("{:.0} devices/s", f64::from(DEVICES) / seconds);
    let mut section = Section::new("Sealed remote PowerShell");
    section.note("10,000 devices that the peer renders as it sends them, not sealed", rate(open.rendered));
    section.note("the same, sealed by Kerberos", rate(sealed.rendered));
    section.at_least("that is, of those not sealed", open.rendered / sealed.rendered * 100.0, 60.0, " %");
    section.note("10,000 devices that the peer has rendered before, not sealed", rate(open.repeated));
    section.note("the same, sealed: the peer's own sealing is most of the difference", rate(sealed.repeated));
    section.note("devices per second of exconn's own processor time, not sealed", rate(open.processor));
    section.note("the same, sealed", rate(sealed.processor));
    Ok(section)
}

/// The least seconds that each took.
struct Best {
    /// Of a first listing.
    rendered: f64,
    /// Of a second one.
    repeated: f64,
    /// Of exconn's processor time in the second one.
    processor: f64,
}

impl Default for Best {
    fn default() -> Self {
        Self { rendered: f64::INFINITY, repeated: f64::INFINITY, processor: f64::INFINITY }
    }
}

impl Best {
    /// Lists a fresh peer's devices twice, each in a process of its own.
    fn measure(&mut self, url: &str, password: &Path, method: &[&str]) -> Result<(), String> {
        let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or(f64::NAN);
        let (first, second) = (list_by(url, password, 1, method)?, list_by(url, password, 1, method)?);
        for one in [&first, &second] {
            if one["devices"] != DEVICES {
                return Err(format!("not {DEVICES} devices: {one}"));
            }
        }
        self.rendered = self.rendered.min(number(&first, "seconds"));
        self.repeated = self.repeated.min(number(&second, "seconds"));
        self.processor = self.processor.min(number(&second, "cpuSeconds"));
        Ok(())
    }
}
