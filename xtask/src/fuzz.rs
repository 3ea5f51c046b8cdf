//! Fuzz targets, on the stable toolchain: libFuzzer with the compiler's own coverage pass.

use std::{fs, process::Command};

use crate::{peers, process, root};

/// Coverage for libFuzzer without a sanitizer: safe Rust has nothing for one to find, and it would need nightly.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

pub(crate) fn run(seconds: &str) -> Result<(), String> {
    let seconds: u32 = seconds.parse().map_err(|_| format!("{seconds} is not a number of seconds"))?;
    let folder = root().join("fuzz");
    let built = peers::target().join("fuzz");
    let host = host()?;
    process::run(
        Command::new("cargo")
            .current_dir(&folder)
            // With a target named, the flags stay away from build scripts, which could not be linked with them.
            .args(["build", "--release", "--locked", "--bins", "--target", &host])
            .env("CARGO_TARGET_DIR", &built)
            .env("RUSTFLAGS", COVERAGE),
    )?;
    for target in targets()? {
        let corpus = folder.join("corpus").join(&target);
        let artifacts = folder.join("artifacts").join(&target);
        for made in [&corpus, &artifacts] {
            fs::create_dir_all(made).map_err(|error| format!("cannot create {}: {error}", made.display()))?;
        }
        process::run(
            Command::new(built.join(&host).join("release").join(&target))
                .arg(&corpus)
                .arg(folder.join("seeds").join(&target))
                .arg(format!("-max_total_time={seconds}"))
                .arg("-timeout=10")
                .arg("-rss_limit_mb=2048")
                .arg("-print_final_stats=1")
                .arg(format!("-artifact_prefix={}/", artifacts.display())),
        )?;
        println!("{target}: clean for {seconds} s");
    }
    Ok(())
}

/// The triple of this machine.
fn host() -> Result<String, String> {
    let output =
        Command::new("rustc").arg("-vV").output().map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say what machine this is".to_owned())
}

fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort();
    if names.is_empty() { Err("there is no fuzz target".into()) } else { Ok(names) }
}
