use std::{fs, path::Path, process::Command, sync::Arc, time::Instant};

use exconn_exchange::{
    Account, DeviceScope, Exchange,
    remoting::{Authentication, RemotingConfig, RemotingExchange},
};
use serde_json::{Value, json};

use crate::{
    process::{Running, own_processor_seconds, peak_memory, python, root},
    report::Section,
    system::System,
};

/// Listing an independent Exchange peer with exconn and with pypsrp, each in a process of its own.
pub(crate) fn run() -> Result<Section, String> {
    let password = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    fs::write(password.path(), "pw").map_err(|error| error.to_string())?;
    let (url, peer) = start_peer(10_000)?;
    let ours = list(&url, password.path(), 3)?;
    let theirs = Command::new(python()?)
        .arg(root().join("bench/pypsrp_list.py"))
        .arg(&url)
        .output()
        .map_err(|error| error.to_string())?;
    let theirs: Value = serde_json::from_slice(&theirs.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&theirs.stderr)))?;
    drop(peer);
    let (url, peer) = start_peer(100_000)?;
    let many = list(&url, password.path(), 1)?;
    drop(peer);
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    let rate = |value: &Value| number(value, "devices") / number(value, "seconds");
    let per_cpu = |value: &Value| number(value, "devices") / number(value, "cpuSeconds");
    let mut section = Section::new("Listing an independent Exchange peer");
    section.note("10,000 devices, second and later listings (best)", format!("{:.0} devices/s", rate(&ours)));
    section.note("pypsrp, same peer, same devices", format!("{:.0} devices/s", rate(&theirs)));
    section.at_least("that is, times pypsrp", rate(&ours) / rate(&theirs), 20.0, "");
    section.note("devices per second of exconn's own processor time", format!("{:.0}", per_cpu(&ours)));
    section.note("devices per second of pypsrp's own processor time", format!("{:.0}", per_cpu(&theirs)));
    section.at_least("that is, times pypsrp", per_cpu(&ours) / per_cpu(&theirs), 40.0, "");
    section.note("peak resident memory with 10,000 devices", format!("{:.1} MiB", number(&ours, "peakMiB")));
    section.note("peak resident memory with 100,000 devices", format!("{:.1} MiB", number(&many, "peakMiB")));
    section.at_most("that is, more by", number(&many, "peakMiB") - number(&ours, "peakMiB"), 4.0, " MiB");
    Ok(section)
}

fn start_peer(devices: u32) -> Result<(String, Running), String> {
    let mut command = Command::new(python()?);
    command
        .args(["-m", "exchange_peer", "--port", "0", "--strict-uri", "--count", &devices.to_string()])
        .current_dir(root().join("peers"));
    let mut peer = Running::start(&mut command)?;
    let line = peer.lines()?.next().ok_or("the peer printed no address")?;
    Ok((line.replace("listening on ", ""), peer))
}

/// Lists in a process of its own, so that its memory is its own.
fn list(url: &str, password: &Path, times: u32) -> Result<Value, String> {
    list_by(url, password, times, &[])
}

/// The same by Basic, or as `method` says: `kerberos`, the user, the KDC.
pub(crate) fn list_by(url: &str, password: &Path, times: u32, method: &[&str]) -> Result<Value, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(here);
    command.arg("--list").arg(url).arg(password).arg(times.to_string()).args(method);
    let (output, _) = Running::start(&mut command)?.finish()?;
    serde_json::from_str(&output).map_err(|error| format!("{error}: {output}"))
}

/// What the child process does: lists so many times and prints the best of the listings behind the first.
pub(crate) fn child(arguments: &[String]) -> Result<(), String> {
    let [url, password, times, method @ ..] = arguments else {
        return Err("--list URL PASSWORD_FILE TIMES [kerberos USER KDC]".into());
    };
    let times: u32 = times.parse().map_err(|_| "TIMES is a number")?;
    let config = match method {
        [method, user, kdc] if method == "kerberos" => {
            let account = Account::new(user, password);
            let mut config = RemotingConfig::new(url, Authentication::Kerberos(account));
            config.kerberos.kdcs = vec![kdc.clone()];
            config
        }
        [] => RemotingConfig::new(url, Authentication::Basic(Account::new("svc", password))),
        _ => return Err("a method is kerberos USER KDC, or none".into()),
    };
    let exchange = RemotingExchange::new(config, Arc::new(System), Arc::new(System));
    let exchange = exchange.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let mut best: Option<(f64, f64, usize)> = None;
    for round in 0..times {
        let (began, cpu) = (Instant::now(), own_processor_seconds());
        let devices = runtime.block_on(count(&exchange))?;
        let figures = (began.elapsed().as_secs_f64(), own_processor_seconds() - cpu, devices);
        // The first listing makes the peer render its answers.
        let counts = round > 0 || times == 1;
        if counts && best.is_none_or(|best| figures.0 < best.0) {
            best = Some(figures);
        }
    }
    let (seconds, cpu, devices) = best.ok_or("no listing")?;
    let peak = peak_memory(std::process::id()).ok_or("the memory cannot be read")?;
    println!("{}", json!({"seconds": seconds, "cpuSeconds": cpu, "devices": devices, "peakMiB": peak}));
    Ok(())
}

async fn count(exchange: &RemotingExchange) -> Result<usize, String> {
    let mut devices = 0;
    let mut listing = exchange.devices(DeviceScope::All).await.map_err(|error| error.to_string())?;
    while let Some(batch) = listing.next().await.map_err(|error| error.to_string())? {
        devices += batch.len();
    }
    Ok(devices)
}
