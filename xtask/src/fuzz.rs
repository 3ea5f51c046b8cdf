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
    process::run(
        Command::new("cargo")
            .current_dir(&folder)
            .args(["build", "--release", "--locked", "--bins"])
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
            Command::new(built.join("release").join(&target))
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

fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort();
    if names.is_empty() { Err("there is no fuzz target".into()) } else { Ok(names) }
}
