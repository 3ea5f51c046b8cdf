use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// What a failure of SQLite means.
pub(super) fn failed(error: Error) -> StoreError {
    let code = match &error {
        Error::QueryReturnedNoRows => return StoreError::NotFound,
        Error::SqliteFailure(failure, _) => Some((failure.code, failure.extended_code)),
        _ => None,
    };
    let cause = Box::new(error);
    match code {
        Some((ErrorCode::DiskFull, _)) => StoreError::Full(cause),
        Some((ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen, _)) => {
            StoreError::ReadOnly(cause)
        }
        Some((ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt, _)) => StoreError::Corrupt(cause),
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
