//! Every seed of the fuzz target once more.

use std::fs;

use exconn_testkit::repository_root;

#[path = "../../../../../fuzz/checks/online.rs"]
mod online;

#[test]
fn seeds_of_answers_hold() {
    let folder = repository_root().join("fuzz/seeds/online");
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() >= 10);
    for seed in seeds {
        online::check(&fs::read(seed).unwrap());
    }
}
