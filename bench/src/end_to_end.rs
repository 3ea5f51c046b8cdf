use std::process::Command;

use crate::{
    process::{Running, exconn},
    report::Section,
};

/// `demo --once`: a simulated organisation and the whole service in one process, from the first byte on the wire to the
/// last row in SQLite.
pub(crate) fn run() -> Result<Section, String> {
    let (hundred_seconds, hundred_memory) = demo(100_000)?;
    let (million_seconds, million_memory) = demo(1_000_000)?;
    let mut section = Section::new("From Exchange into SQLite, end to end");
    section.at_most("100,000 devices", hundred_seconds, 15.0, " s");
    section.at_most("peak resident memory of the whole process", hundred_memory, 64.0, " MiB");
    section.note("1,000,000 devices", format!("{million_seconds:.1} s"));
    section.note("peak resident memory with 1,000,000 devices", format!("{million_memory:.1} MiB"));
    section.at_most("that is, times the peak with 100,000", million_memory / hundred_memory, 1.2, "");
    Ok(section)
}

fn demo(devices: u32) -> Result<(f64, f64), String> {
    let mut command = Command::new(exconn()?);
    command.args(["demo", "--once", "--json", "--listen", "127.0.0.1:0", "--devices", &devices.to_string()]);
    let (output, peak) = Running::start(&mut command)?.finish()?;
    let answer: serde_json::Value =
        serde_json::from_str(&output).map_err(|error| format!("{error}: {output}"))?;
    if answer["devices"] != devices || answer["status"] != "connected" {
        return Err(format!("the demo did not sync all devices: {output}"));
    }
    Ok((answer["syncSeconds"].as_f64().ok_or("no syncSeconds")?, peak))
}
