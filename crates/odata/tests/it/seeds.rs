//! The regression inputs of the fuzz targets, on every run of the tests.

use std::{fs, path::Path};

use exconn_model::{CONNECTOR, MANAGED_DEVICE};
use exconn_odata::{
    batch, filter,
    options::{self, Purpose},
};

#[test]
fn filters_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/filter");
    let mut understood = 0;
    let mut refused = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = String::from_utf8(fs::read(&path).unwrap()) else { continue };
        for entity in [&CONNECTOR, &MANAGED_DEVICE] {
            match filter::parse(&text, entity) {
                Ok(_) => understood += 1,
                Err(error) => {
                    assert!(error.position <= text.len(), "{}: {error}", path.display());
                    refused += 1;
                }
            }
            let _ = options::parse(Some(&text), Purpose::List, entity);
        }
    }
    assert!(understood >= 10 && refused >= 10, "{understood} understood, {refused} refused");
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
