//! From a phone's creation in the directory to its appearance in the API.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use exconn_testkit::{Domain, DomainOptions, Peer};

use crate::{
    process::{Running, exconn},
    report::Section,
    startup::address,
};

const USERS: u32 = 500;
/// Phones that appear one after the other with each setting; the slowest counts.
const PHONES: u32 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn run() -> Result<Section, String> {
    let mut domain = Domain::prepare(DomainOptions { population: (USERS, 2), ..DomainOptions::default() });
    domain.permit_deleted_objects(Domain::USER);
    domain.run();
    let exchange = Peer::start(&["--strict-uri", "--count", "1"]);
    let mut section = Section::new("A new phone in the directory");
    section.at_most(
        "seen in the API with default settings after, at most",
        slowest(&domain, &exchange, "", "D")?,
        90.0,
        " s",
    );
    let often = "delta_interval = \"5s\"\n";
    let seconds = slowest(&domain, &exchange, often, "F")?;
    section.at_most("with the feed polled every 5 s, after at most", seconds, 10.0, " s");
    Ok(section)
}

/// The longest time that one of several phones takes.
fn slowest(domain: &Domain, exchange: &Peer, setting: &str, prefix: &str) -> Result<f64, String> {
    let failed = |error: std::io::Error| error.to_string();
    let folder = tempfile::tempdir().map_err(failed)?;
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).map(|()| path).map_err(failed)
    };
    let (peers, own) = (file("peers-password", "pw")?, file("password", Domain::PASSWORD)?);
    let config = format!(
        "data = {:?}\n[throttle]\nmode = \"off\"\n[auth]\nmode = \"none\"\n[[exchange]]\nname = \"contoso\"\n{setting}\
         [exchange.remoting]\nurl = {:?}\nauthentication = \"basic\"\nusername = \"svc\"\npassword_file = {peers:?}\n\
         [exchange.directory]\nurl = {:?}\nusername = {:?}\npassword_file = {own:?}\n",
        folder.path().join("data"),
        exchange.url(),
        domain.url(),
        domain.user_dn(Domain::USER),
    );
    let config = file("exconn.toml", &config)?;
    let mut serve = Command::new(exconn()?);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
    let mut running = Running::start(&mut serve)?;
    let line = running.lines()?.next().ok_or("serve printed no address")?;
    let url = format!("http://{}", address(&line)?);
    seen_after(&url, &format!("$count=true&$top=1&$filter=deviceName ne '{prefix}'"), "\"value\":[{")?;
    let mut slowest = 0.0_f64;
    for number in 0..PHONES {
        let id = format!("{prefix}{number}");
        let user = domain.user_dn(&format!("user{number:06}"));
        domain.modify(&format!(
            "dn: CN=iPhone§{id},CN=ExchangeActiveSyncDevices,{user}\nobjectClass: msExchActiveSyncDevice\n\
             msExchDeviceID: {id}\nmsExchDeviceType: iPhone\n"
        ));
        slowest =
            slowest.max(seen_after(&url, &format!("$filter=easDeviceId eq '{id}'"), &format!("\"{id}\""))?);
    }
    Ok(slowest)
}

/// Seconds until an answer to a question about devices holds a text.
fn seen_after(url: &str, query: &str, text: &str) -> Result<f64, String> {
    let began = Instant::now();
    let address = format!("{url}/v1.0/deviceManagement/managedDevices?{}", query.replace(' ', "%20"));
    while began.elapsed() < PATIENCE {
        let output = Command::new("curl")
            .args(["-sS", "--globoff", &address])
            .output()
            .map_err(|error| format!("curl: {error}"))?;
        if String::from_utf8_lossy(&output.stdout).contains(text) {
            return Ok(began.elapsed().as_secs_f64());
        }
        thread::sleep(LOOK_EVERY);
    }
    Err(format!("{query} has no answer within {PATIENCE:?}"))
}
