//! Lists the devices of an Exchange organisation and says what that cost:
//! `list_devices URL USER PASSWORD_FILE [TIMES [basic|kerberos|negotiate|ntlm [KDC]]]`, a line for each listing.
#![expect(clippy::disallowed_methods, reason = "it measures time on the machine that it runs on")]

use std::{error::Error, fs, sync::Arc, time::Instant};

use exconn_exchange::{
    Account, DeviceScope, Exchange,
    remoting::{Authentication, RemotingConfig, RemotingExchange},
};
use exconn_model::{Clock, Entropy, Timestamp};

#[derive(Debug)]
struct Machine;

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Entropy for Machine {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(16) {
            chunk.copy_from_slice(&uuid::Uuid::new_v4().into_bytes()[..chunk.len()]);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(username), Some(password_file)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        let usage = "list_devices URL USER PASSWORD_FILE [TIMES [basic|kerberos|negotiate|ntlm [KDC]]]";
        return Err(format!("usage: {usage}").into());
    };
    let times = arguments.next().map_or(Ok(1), |times| times.parse())?;
    let account = Account::new(username, password_file);
    let method = match arguments.next().as_deref() {
        None | Some("basic") => Authentication::Basic,
        Some("kerberos") => Authentication::Kerberos,
        Some("negotiate") => Authentication::Negotiate,
        Some("ntlm") => Authentication::Ntlm,
        Some(other) => return Err(format!("there is no authentication {other:?}").into()),
    };
    let mut config = RemotingConfig::new(url, method(account));
    config.kerberos.kdcs = arguments.collect();
    let exchange = RemotingExchange::new(config, Arc::new(Machine), Arc::new(Machine))?;
    for _ in 0..times {
        let (started, cpu_before) = (Instant::now(), user_seconds()?);
        let mut count = 0;
        let mut listing = exchange.devices(DeviceScope::All).await?;
        while let Some(batch) = listing.next().await? {
            count += batch.len();
        }
        let (seconds, cpu) = (started.elapsed().as_secs_f64(), user_seconds()? - cpu_before);
        let per_second = count as f64 / seconds;
        println!(
            "{count} devices in {seconds:.2} s ({per_second:.0}/s), {cpu:.2} s user CPU, {}",
            peak_memory()?
        );
    }
    Ok(())
}

/// User CPU of this process: field 14 of /proc/self/stat, in hundredths of a second.
fn user_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 = after_name.split(' ').nth(11).ok_or("no user time")?.parse()?;
    Ok(ticks / 100.0)
}

fn peak_memory() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
}
