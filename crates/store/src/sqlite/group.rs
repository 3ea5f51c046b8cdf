//! Many changes, one durable commit.
//!
//! A commit waits for the disk, which takes many times what a change does. So the changes that wait at the same time
//! share one. Nobody waits for company: a group is what has queued up while the group before it was written.

use std::{iter, sync::Arc};

use rusqlite::{Connection, Error, Transaction, TransactionBehavior, ffi};

/// The most units in a group. Each changes a bounded number of rows, so this also bounds how long the first one waits for
/// the last one, and how long a sync waits to be applied.
const LARGEST: usize = 64;

/// A change that can share a transaction.
pub(super) trait Unit: Send {
    /// Called once, before the first run: whether anybody still waits for the unit.
    fn begin(&mut self) -> bool;

    /// Makes the change and keeps what is to be answered. Where it is `false`, the change is undone.
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;

    /// Answers with the unit's own failure, else with the transaction's, else with what the last run kept.
    fn answer(self: Box<Self>, committed: Result<(), &Arc<Error>>);
}

enum Broken {
    /// The transaction did not begin.
    NotBegun(Error),
    /// The transaction is undone, and with it every unit.
    Undone(Error),
}

/// Runs `first` and the units that `next` has at hand in one transaction, and answers them when it is durable.
///
/// Failures are not answered earlier than successes: a unit may have failed because of what another one in the group did,
/// which is true only once it is committed. Where the whole transaction is lost, as SQLite may decide on a full disk, each
/// unit runs once more in a transaction of its own: none hears of a failure that it would not have met alone.
pub(super) fn commit(
    connection: &mut Connection,
    first: Box<dyn Unit>,
    next: impl FnMut() -> Option<Box<dyn Unit>>,
) {
    let mut waiting = iter::once(first)
        .chain(iter::from_fn(next))
        .filter_map(|mut unit| unit.begin().then_some(unit))
        .take(LARGEST)
        .fuse();
    let mut units = Vec::new();
    match together(connection, &mut waiting, &mut units) {
        Ok(()) => units.into_iter().for_each(|unit| unit.answer(Ok(()))),
        Err(Broken::NotBegun(error)) => {
            // They all waited for the same thing at the same time; to let each wait again would only take longer.
            let error = Arc::new(error);
            waiting.for_each(|unit| unit.answer(Err(&error)));
        }
        Err(Broken::Undone(error)) if units.len() < 2 => {
            let error = Arc::new(error);
            units.into_iter().for_each(|unit| unit.answer(Err(&error)));
        }
        Err(Broken::Undone(error)) => {
            tracing::debug!(units = units.len(), %error, "a group of changes is done again one by one");
            units.into_iter().for_each(|unit| alone(connection, unit));
        }
    }
}

fn together(
    connection: &mut Connection,
    waiting: &mut impl Iterator<Item = Box<dyn Unit>>,
    units: &mut Vec<Box<dyn Unit>>,
) -> Result<(), Broken> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Broken::NotBegun)?;
    let mut shared = false;
    for mut unit in waiting {
        let ran = if shared {
            in_savepoint(&transaction, &mut *unit)
        } else {
            as_the_first(&transaction, &mut *unit).map(|succeeded| shared = succeeded)
        };
        units.push(unit);
        ran.map_err(Broken::Undone)?;
    }
    transaction.commit().map_err(Broken::Undone)
}

/// Runs a unit in a transaction that holds nothing yet. A savepoint would copy each page before it is written; to undo
/// this unit is to begin again. Says whether the transaction holds something now.
fn as_the_first(transaction: &Transaction<'_>, unit: &mut dyn Unit) -> Result<bool, Error> {
    if unit.run(transaction) {
        return Ok(true);
    }
    if !transaction.is_autocommit() {
        execute(transaction, "ROLLBACK")?;
    }
    execute(transaction, "BEGIN IMMEDIATE")?;
    Ok(false)
}

fn in_savepoint(transaction: &Transaction<'_>, unit: &mut dyn Unit) -> Result<(), Error> {
    execute(transaction, "SAVEPOINT unit")?;
    let succeeded = unit.run(transaction);
    if transaction.is_autocommit() {
        let lost = ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK);
        return Err(Error::SqliteFailure(lost, None));
    }
    if !succeeded {
        execute(transaction, "ROLLBACK TO unit")?;
    }
    execute(transaction, "RELEASE unit")
}

fn execute(transaction: &Transaction<'_>, sql: &str) -> Result<(), Error> {
    transaction.prepare_cached(sql)?.execute([]).map(drop)
}

fn alone(connection: &mut Connection, mut unit: Box<dyn Unit>) {
    let ran = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
        if unit.run(&transaction) { transaction.commit() } else { transaction.rollback() }
    });
    let ran = ran.map_err(Arc::new);
    unit.answer(ran.as_ref().copied());
}
