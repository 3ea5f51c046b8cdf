/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row in this tenant.
    #[error("not found")]
    NotFound,
    /// The row is not in the revision that the caller named.
    #[error("the revision is not the one expected")]
    RevisionMismatch,
    /// There are as many of these as there may be.
    #[error("there are too many {0}")]
    TooMany(&'static str),
    /// The lease was lost: its time ran out and another owner holds the run, or the run or its connector is gone.
    #[error("the lease is lost")]
    LeaseLost,
    /// The stored devices are not those that the sync started from.
    #[error("the stored devices changed since the sync began")]
    Superseded,
    /// The disk is full.
    #[error("the disk is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be written: read-only folder or file.
    #[error("the database cannot be written")]
    ReadOnly(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process uses the data directory.
    #[error("another process uses the data directory")]
    InUse,
    /// The database was written by a newer version of exconn.
    #[error("the database has schema {found}, this version knows {known}: use a newer exconn")]
    NewerSchema {
        /// Version of the schema in the file.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file is not a database, or is damaged.
    #[error("the database is damaged or not a database")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A query looked at too much for too long, and was ended.
    #[error("the query takes too long")]
    TooSlow,
    /// The database did not answer in time, or failed in another way.
    #[error("the database failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
