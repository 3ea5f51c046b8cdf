use exconn_psrp::{ClientError, ErrorRecord, Fault, clixml};

use super::{answer, link::Link};
use crate::{ExchangeError, shorten::shortened};

/// `ErrorCategory` numbers (System.Management.Automation) that say that the account lacks a right.
const PERMISSION_DENIED: i32 = 18;
const SECURITY_ERROR: i32 = 27;

/// What a broken exchange of messages means to the caller.
pub(super) fn of_client(link: &Link, error: ClientError) -> ExchangeError {
    match error {
        ClientError::Fault(fault) => of_fault(link, &fault),
        ClientError::RunspaceEnded(_)
        | ClientError::EndedEarly
        | ClientError::Idle(_)
        | ClientError::Prompted => ExchangeError::EndedEarly { reason: error.to_string() },
        ClientError::Envelope(_)
        | ClientError::Fragment(_)
        | ClientError::Clixml(_)
        | ClientError::Protocol(_)
        | ClientError::Status(_)
        | ClientError::Busy => ExchangeError::ProtocolViolated { reason: shortened(&error.to_string()) },
    }
}

fn of_fault(link: &Link, fault: &Fault) -> ExchangeError {
    if let Some(wait) = fault.quota() {
        return ExchangeError::Throttled { after: answer::bounded(wait) };
    }
    let reason = shortened(&fault.reason);
    if fault.is_wrong_resource() {
        link.wrong_endpoint(format!("it does not serve Exchange's cmdlets: {reason}"))
    } else if fault.is_access_denied() {
        ExchangeError::NotPermitted { cmdlet: "remote PowerShell".into(), reason }
    } else if fault.is_shell_gone() {
        ExchangeError::EndedEarly { reason: format!("the shell is gone: {reason}") }
    } else {
        ExchangeError::EndedEarly { reason }
    }
}

/// What an error record of a cmdlet means: to Exchange, a cmdlet or parameter that the account's roles do not hold does
/// not exist.
pub(super) fn of_record(cmdlet: &str, record: &ErrorRecord) -> ExchangeError {
    const RIGHTS: [&str; 5] = [
        "CommandNotFoundException",
        "NamedParameterNotFound",
        "UnauthorizedAccess",
        "AuthorizationException",
        "AccessDenied",
    ];
    let reason = shortened(&record.message);
    let lacks_right = RIGHTS.iter().any(|id| record.id.contains(id))
        || matches!(record.category, PERMISSION_DENIED | SECURITY_ERROR);
    if lacks_right {
        ExchangeError::NotPermitted { cmdlet: cmdlet.into(), reason }
    } else {
        ExchangeError::EndedEarly { reason: format!("{cmdlet} failed: {reason}") }
    }
}

/// An object that is well written and still not what it should be.
pub(super) fn refused(reason: String) -> clixml::Error {
    clixml::Error::Refused(reason)
}
