//! Filling an empty table. Its indexes are built afterwards, by sorting: put in row by row, a million devices would come to
//! random places of each, and hundreds of thousands of pages would be written many times over.

use rusqlite::{Transaction, params};

use super::failure::failed;
use crate::StoreError;

/// The indexes of a table that were taken away, and what is known of them.
#[derive(Debug)]
pub(super) struct PutAside {
    indexes: Vec<String>,
    statistics: Vec<(String, String)>,
}

/// Takes the indexes of the device table away if it is empty. The table's own key stays.
pub(super) fn put_indexes_aside(tx: &Transaction<'_>) -> Result<PutAside, StoreError> {
    let mut aside = PutAside { indexes: Vec::new(), statistics: Vec::new() };
    let is_filled: bool =
        tx.query_row("SELECT EXISTS (SELECT 1 FROM device)", [], |row| row.get(0)).map_err(failed)?;
    if is_filled {
        return Ok(aside);
    }
    let mut named = tx
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'device' AND sql IS NOT NULL")
        .map_err(failed)?;
    let found = named.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    let indexes: Vec<(String, String)> = found.collect::<Result<_, _>>().map_err(failed)?;
    for (name, sql) in indexes {
        // SQLite forgets an index's statistics with the index.
        let mut known = tx.prepare_cached("SELECT stat FROM sqlite_stat1 WHERE idx = ?1").map_err(failed)?;
        let rows = known.query_map([&name], |row| row.get(0)).map_err(failed)?;
        for statistic in rows {
            aside.statistics.push((name.clone(), statistic.map_err(failed)?));
        }
        tx.execute_batch(&format!("DROP INDEX \"{name}\"")).map_err(failed)?;
        aside.indexes.push(sql);
    }
    Ok(aside)
}

/// Builds the indexes again.
pub(super) fn put_indexes_back(tx: &Transaction<'_>, aside: PutAside) -> Result<(), StoreError> {
    for sql in &aside.indexes {
        tx.execute_batch(sql).map_err(failed)?;
    }
    for (index, statistic) in &aside.statistics {
        tx.execute(
            "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('device', ?1, ?2)",
            params![index, statistic],
        )
        .map_err(failed)?;
    }
    Ok(())
}
