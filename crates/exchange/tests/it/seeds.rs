//! Every seed of the fuzz target once more.

use std::{fs, path::Path};

#[path = "../../../../fuzz/checks/sealed.rs"]
mod sealed;

#[test]
fn every_seed_of_sealed_answers_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/sealed");
    let mut count = 0;
    for seed in fs::read_dir(folder).unwrap() {
        let data = fs::read(seed.unwrap().path()).unwrap();
        for end in 0..=data.len() {
            sealed::check(&data[..end]);
        }
        count += 1;
    }
    assert!(count >= 10);
}
