//! The story that every body of [`Store`] must tell: one function a chapter, each on a store of its own.
//!
//! A new body runs it with a factory of empty stores; see `tests/it/main.rs`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a failed expectation is the result")]

mod applications;
mod audit;
mod connectors;
mod cookies;
mod devices;
mod oracle;
mod runs;
mod stages;
mod statistics;
mod world;

use std::sync::Arc;

use crate::Store;

pub use oracle::{OracleCase, OracleRow, filters_agree_with_their_meaning};
pub use stages::{ToldChange, ToldDevice, ToldSync, syncs_agree_with_their_meaning};

/// Runs every chapter, each on a fresh store.
pub async fn whole_story<F>(mut empty_store: F)
where
    F: FnMut() -> Arc<dyn Store>,
{
    connectors::live_and_die(empty_store()).await;
    connectors::are_listed_filtered_and_counted(empty_store()).await;
    connectors::belong_to_one_tenant(empty_store()).await;
    connectors::are_bound_released_and_bound_again(empty_store()).await;
    connectors::pages_are_complete_while_rows_come_and_go(empty_store()).await;
    applications::are_registered_changed_and_removed(empty_store()).await;
    applications::belong_to_one_tenant(empty_store()).await;
    applications::hand_over_from_credential_to_credential(empty_store()).await;
    audit::tells_every_change_and_no_failed_one(empty_store()).await;
    audit::is_listed_filtered_and_counted(empty_store()).await;
    runs::are_coalesced(empty_store()).await;
    runs::are_leased_fenced_and_abandoned(empty_store()).await;
    runs::leave_a_history(empty_store()).await;
    runs::are_forgotten_when_they_are_many(empty_store()).await;
    cookies::move_with_the_devices_alone(empty_store()).await;
    cookies::end_with_the_configuration(empty_store()).await;
    devices::appear_change_and_disappear(empty_store()).await;
    devices::go_when_a_listing_of_changes_says_so(empty_store()).await;
    devices::are_not_touched_by_what_is_late(empty_store()).await;
    devices::go_with_their_connector(empty_store()).await;
    devices::are_never_seen_between(empty_store()).await;
    devices::are_filtered_by_what_the_graph_shows(empty_store()).await;
    devices::are_paged_in_every_order(empty_store()).await;
    statistics::are_due_until_they_are_learned(empty_store()).await;
    statistics::are_postponed_where_a_mailbox_cannot_be_asked(empty_store()).await;
    statistics::follow_what_syncs_find(empty_store()).await;
    statistics::tell_access_before_listings_do(empty_store()).await;
}
