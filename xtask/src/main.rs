//! `cargo xtask`: what CI runs and what developers repeat.

mod bench;
mod fuzz;
mod peers;
mod process;
mod tests;

use std::{path::PathBuf, process::ExitCode};

const HELP: &str = "\
cargo xtask test               install what the test peers need, then check and test everything
cargo xtask bench [NAME]...    run the benchmarks and write bench/RESULTS.md
cargo xtask fuzz [SECONDS]     run each fuzz target so long (120 s unless told)
cargo xtask peers              only install what the test peers need, and print their Python";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => tests::run(),
        ["bench", names @ ..] => bench::run(names),
        ["fuzz"] => fuzz::run("120"),
        ["fuzz", seconds] => fuzz::run(seconds),
        ["peers"] => peers::python().map(|python| println!("{}", python.display())),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The folder that holds the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}
