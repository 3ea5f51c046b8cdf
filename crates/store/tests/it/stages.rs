//! Random syncs: what is stored must be what they tell.

use std::sync::Arc;

use exconn_store::{
    SqliteOptions, SqliteStore,
    contract::{ToldChange, ToldDevice, ToldSync, syncs_agree_with_their_meaning},
};
use proptest::{bool, collection::vec, option, prelude::*};

/// Few devices, so that they often meet; more there than gone.
fn change() -> impl Strategy<Value = ToldChange> {
    let told = (0..2_u8, 0..3_u8).prop_map(|(model, access)| ToldDevice { model, access });
    (0..8_u8, option::weighted(0.7, told))
}

fn sync() -> impl Strategy<Value = ToldSync> {
    let statistics = vec((0..8_u8, option::of(0..3_u8)), 0..3);
    (bool::weighted(0.3), vec(change(), 0..12), 1..6_usize, statistics)
        .prop_map(|(complete, changes, batch, statistics)| ToldSync { complete, changes, batch, statistics })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn syncs_mean_what_they_say(syncs in vec(sync(), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(syncs_agree_with_their_meaning(Arc::new(store), syncs));
    }
}
