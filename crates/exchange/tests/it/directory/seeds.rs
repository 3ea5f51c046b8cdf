//! Every seed of the fuzz target once more.

use std::fs;

use exconn_testkit::repository_root;

#[path = "../../../../../fuzz/checks/directory.rs"]
mod directory;

#[test]
fn every_seed_of_a_servers_messages_holds() {
    let folder = repository_root().join("fuzz/seeds/directory");
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() >= 10);
    for seed in seeds {
        let data = fs::read(&seed).unwrap();
        for end in 0..=data.len() {
            directory::check(&data[..end]);
        }
    }
    // The seeds are what they are named after.
    let read = |name: &str| fs::read(repository_root().join("fuzz/seeds/directory").join(name)).unwrap();
    let device = exconn_exchange::directory::untrusted::message(&read("device"));
    assert!(matches!(device, Some(Some(Ok(device))) if device.access_state.as_deref() == Some("Blocked")));
    assert!(exconn_exchange::directory::untrusted::message(&read("request-that-nests")).is_none());
}
