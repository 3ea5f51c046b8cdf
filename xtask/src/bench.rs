//! The benchmarks, with the peers that they compare with.

use std::process::Command;

use crate::{peers, process, root};

pub(crate) fn run(names: &[&str]) -> Result<(), String> {
    let python = peers::python()?;
    process::run(Command::new("cargo").current_dir(root()).args([
        "build",
        "--release",
        "--locked",
        "-p",
        "exconn",
    ]))?;
    process::run(
        Command::new("cargo")
            .current_dir(root())
            .args(["run", "--release", "--locked", "-p", "exconn-bench", "--"])
            .args(names)
            .env("EXCONN_PEERS_PYTHON", python),
    )
}
