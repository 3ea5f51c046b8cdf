//! Filters and whole queries that anyone may have written: nothing panics, and an error names a place in the text.

use exconn_model::{CONNECTOR, MANAGED_DEVICE};
use exconn_odata::{
    filter,
    options::{self, Purpose},
};

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for entity in [&CONNECTOR, &MANAGED_DEVICE] {
        if let Err(error) = filter::parse(text, entity) {
            assert!(error.position <= text.len());
        }
        for purpose in [Purpose::List, Purpose::Count, Purpose::Entity] {
            let _ = options::parse(Some(text), purpose, entity);
        }
    }
}
