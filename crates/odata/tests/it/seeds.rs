//! The regression inputs of the fuzz targets, on every run of the tests.

use std::{fs, path::Path};

use exconn_model::{CONNECTOR, MANAGED_DEVICE, Timestamp};
use exconn_odata::{
    batch,
    filter::{self, Context},
    options::{self, Purpose},
};

const CONTEXT: Context = Context { now: Timestamp::UNSET, unknown_members: false };

fn seeds(target: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let read =
        |entry: std::io::Result<fs::DirEntry>| String::from_utf8(fs::read(entry.unwrap().path()).unwrap());
    fs::read_dir(&folder).unwrap().filter_map(|entry| read(entry).ok()).collect()
}

#[test]
fn filters_are_read_or_refused() {
    let mut understood = 0;
    let mut refused = 0;
    for seed in seeds("filter") {
        let (text, value) = seed.split_once('\n').unwrap_or((&seed, "'a'"));
        let aliases = [("@a".to_owned(), value.to_owned()), ("@b".to_owned(), "@a".to_owned())];
        for entity in [&CONNECTOR, &MANAGED_DEVICE] {
            match filter::parse(text, entity, CONTEXT, &aliases) {
                Ok(_) => understood += 1,
                Err(error) => {
                    assert!(error.position <= text.len().max(value.len()), "{text}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(understood >= 20 && refused >= 20, "{understood} understood, {refused} refused");
}

#[test]
fn seeds_of_the_options_are_read() {
    let read = |seed: &String| options::parse(Some(seed), Purpose::List(CONTEXT), &CONNECTOR).is_ok();
    let (understood, refused): (Vec<_>, Vec<_>) = seeds("options").into_iter().partition(read);
    assert!(understood.len() >= 3 && refused.len() >= 3, "{understood:?}, {refused:?}");
}

#[test]
fn batches_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/batch");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let good = ["chain", "python-absolute", "group"].map(|name| folder.join(name));
        assert_eq!(
            batch::parse(&fs::read(&path).unwrap()).is_ok(),
            good.contains(&path),
            "{}",
            path.display()
        );
    }
}
