use std::sync::Arc;

use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// What a failure of SQLite means.
pub(super) fn failed(error: Error) -> StoreError {
    if matches!(error, Error::QueryReturnedNoRows) {
        return StoreError::NotFound;
    }
    meaning(error.sqlite_error_code(), Box::new(error))
}

/// What a failure of SQLite means to each of several that it struck together.
pub(super) fn failed_for_all(error: &Arc<Error>) -> StoreError {
    meaning(error.sqlite_error_code(), Box::new(error.clone()))
}

fn meaning(code: Option<ErrorCode>, cause: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    match code {
        Some(ErrorCode::DiskFull) => StoreError::Full(cause),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::ReadOnly(cause)
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Corrupt(cause),
        _ => StoreError::Unavailable(cause),
    }
}

/// What a failure of the file system means.
pub(super) fn refused(error: std::io::Error) -> StoreError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(Box::new(error)),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly(Box::new(error)),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}
