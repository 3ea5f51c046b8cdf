//! The seeds of the fuzz targets, and whatever they once found, through the same functions.

use std::{fs, path::Path};

#[path = "../../../../fuzz/checks/clixml.rs"]
mod clixml;
#[path = "../../../../fuzz/checks/envelopes.rs"]
mod envelopes;
#[path = "../../../../fuzz/checks/fragments.rs"]
mod fragments;

fn for_each_seed(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds = 0;
    for seed in fs::read_dir(&folder).expect("the seeds are part of the repository") {
        check(&fs::read(seed.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 8, "only {seeds} seeds of {target}");
}

#[test]
fn clixml_seeds() {
    for_each_seed("clixml", clixml::check);
}

#[test]
fn fragment_seeds() {
    for_each_seed("fragments", fragments::check);
}

#[test]
fn envelope_seeds() {
    for_each_seed("envelopes", envelopes::check);
}
