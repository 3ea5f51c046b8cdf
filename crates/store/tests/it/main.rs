//! SQLite tells the whole story of the store's contract, and what concerns its files alone.
#![expect(clippy::unwrap_used, reason = "in a test a failed expectation is the result")]

mod files;
mod oracle;
mod patience;
mod stages;
mod writers;

use std::sync::Arc;

use exconn_store::{SqliteOptions, SqliteStore, Store, contract};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_tells_the_whole_story() {
    // The folders live until the story is told.
    let mut folders = Vec::new();
    contract::whole_story(|| {
        let folder = TempDir::new().unwrap();
        let store = SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap();
        folders.push(folder);
        Arc::new(store) as Arc<dyn Store>
    })
    .await;
}
