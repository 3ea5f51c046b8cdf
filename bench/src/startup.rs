use std::{
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    process::{Running, exconn, resident_memory},
    report::Section,
};

const STARTS: usize = 9;
const SETTLE: Duration = Duration::from_secs(3);

/// How fast `serve` is there, and how much it holds when nothing happens.
pub(crate) fn run() -> Result<Section, String> {
    let data = tempfile::tempdir().map_err(|error| error.to_string())?;
    let start = || -> Result<(Running, Duration), String> {
        let began = Instant::now();
        let mut command = Command::new(exconn()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
        let mut running = Running::start(&mut command)?;
        let line = running.lines()?.next().ok_or("serve printed no address")?;
        TcpStream::connect(address(&line)?).map_err(|error| error.to_string())?;
        Ok((running, began.elapsed()))
    };
    drop(start()?);
    let mut times = Vec::new();
    for _ in 1..STARTS {
        times.push(start()?.1);
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let (running, _) = start()?;
    thread::sleep(SETTLE);
    let memory = resident_memory(running.0.id()).ok_or("its memory cannot be read")?;
    let mut section = Section::new("Starting and idling");
    section.at_most(
        "`serve` on an existing database accepts a connection after (median)",
        median.as_secs_f64() * 1000.0,
        200.0,
        " ms",
    );
    section.at_most("idle `serve` holds resident", memory, 30.0, " MiB");
    Ok(section)
}

/// The address at the end of the line that a server prints when it listens.
pub(crate) fn address(line: &str) -> Result<SocketAddr, String> {
    let url =
        line.split_whitespace().find(|word| word.starts_with("http")).ok_or("no address in its line")?;
    let host = url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    host.parse().map_err(|_| format!("'{line}' names no address"))
}
