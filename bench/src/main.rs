//! What exconn promises about speed and memory, measured. `cargo xtask bench [NAME]...`
//!
//! Machines differ and are noisy: what counts are the ratios within one run.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

mod bare_list;
mod clixml;
mod create;
mod deep_page;
mod directory;
mod end_to_end;
mod get_connector;
mod list_connectors;
mod list_devices;
mod listing;
mod load;
mod machine;
mod median;
mod organisation;
mod process;
mod queries;
mod report;
mod service;
mod startup;
mod system;

use std::process::ExitCode;

use report::{Report, Section};

type Benchmark = (&'static str, fn() -> Result<Section, String>);

const BENCHMARKS: [Benchmark; 11] = [
    ("clixml", clixml::run),
    ("listing", listing::run),
    ("directory", directory::run),
    ("end-to-end", end_to_end::run),
    ("get-connector", get_connector::run),
    ("list-connectors", list_connectors::run),
    ("list-devices", list_devices::run),
    ("deep-page", deep_page::run),
    ("create", create::run),
    ("queries", queries::run),
    ("startup", startup::run),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, rest @ ..] = wanted.as_slice()
        && let Some(child) = match flag.as_str() {
            "--list" => Some(listing::child as fn(&[String]) -> Result<(), String>),
            "--directory" => Some(directory::child as _),
            _ => None,
        }
    {
        return match child(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("{reason}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(unknown) = wanted.iter().find(|name| BENCHMARKS.iter().all(|(known, _)| known != name)) {
        let names: Vec<&str> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no benchmark '{unknown}'; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    let mut report = Report::default();
    let mut failed = false;
    for (name, run) in BENCHMARKS {
        if !wanted.is_empty() && !wanted.iter().any(|one| one == name) {
            continue;
        }
        eprintln!("{name} …");
        match run() {
            Ok(section) => {
                println!("{section}");
                failed |= !section.holds();
                report.add(section);
            }
            Err(reason) => {
                eprintln!("{name}: {reason}");
                failed = true;
            }
        }
    }
    // A part of the benchmarks must not replace the record of all of them.
    if wanted.is_empty()
        && !failed
        && let Err(reason) = report.write()
    {
        eprintln!("{reason}");
        failed = true;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
