//! Every seed of the fuzz target once more.

use std::{fs, path::Path};

#[path = "../../../../fuzz/checks/tokens.rs"]
mod tokens;

#[test]
fn seeds_of_tokens_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/tokens");
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() >= 10);
    for seed in seeds {
        tokens::check(&fs::read(seed).unwrap());
    }
}
