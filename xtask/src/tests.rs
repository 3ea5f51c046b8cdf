//! Everything that must hold before a change lands.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{peers, process, root};

pub(crate) fn run() -> Result<(), String> {
    peers_are_unchanged()?;
    process::run(cargo().args(["fmt", "--all", "--check"]))?;
    process::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    let python = peers::python()?;
    // The feature is off where it is not asked for, so the checks above have not seen it.
    process::run(cargo().args([
        "clippy",
        "--package",
        "exconn-exchange",
        "--features",
        "gssapi",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    // The tests that run the built binary find it in the profile that they were built in.
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked", "--no-fail-fast"]).env("EXCONN_PEERS_PYTHON", &python);
    let mut sum = Tally::default();
    let succeeded = process::watch(&mut tests, |line| sum.add(line))?;
    let mut of_feature = cargo();
    of_feature
        .args(["test", "--package", "exconn-exchange", "--features", "gssapi", "--locked", "--no-fail-fast"])
        .args(["--test", "it", "gssapi"])
        .env("EXCONN_PEERS_PYTHON", &python);
    let succeeded = process::watch(&mut of_feature, |line| sum.add(line))? && succeeded;
    println!("\n{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    match (succeeded, sum.skipped, sum.passed) {
        (false, ..) => Err("tests failed".into()),
        (true, 0, 1..) => Ok(()),
        (true, 0, 0) => Err("no test ran".into()),
        (true, ..) => Err("a test was skipped; every test must run".into()),
    }
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// What cargo's result lines add up to.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let number = |word: &str| {
            rest.split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        self.passed += number("passed");
        self.failed += number("failed");
        self.skipped += number("ignored");
    }
}

/// The peers are written by others and copied here; a copy that was edited would prove nothing.
fn peers_are_unchanged() -> Result<(), String> {
    let shared = root().join("../shared");
    for (original, copy) in
        [(shared.join("peers"), "peers"), (shared.join("data/directory"), "peers/directory")]
    {
        if !original.is_dir() {
            continue;
        }
        let mut copied = files(&root().join(copy))?;
        if copy == "peers" {
            copied.retain(|path, _| !path.starts_with("directory"));
        }
        let original = files(&original)?;
        let paths = original.keys().chain(copied.keys());
        if let Some(path) = paths.into_iter().find(|path| original.get(*path) != copied.get(*path)) {
            return Err(format!("{copy}/{} is not what it was copied from", path.display()));
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let failed = |error: std::io::Error| format!("cannot read {}: {error}", next.display());
        for entry in fs::read_dir(&next).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name == "__pycache__") {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let relative = path.strip_prefix(folder).unwrap_or(&path).to_owned();
                found.insert(relative, fs::read(&path).map_err(failed)?);
            }
        }
    }
    Ok(found)
}
