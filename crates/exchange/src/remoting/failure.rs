use std::time::Duration;

use exconn_psrp::{ClientError, ErrorRecord, Fault, clixml};
use http::StatusCode;

use super::{answer, link::Link};
use crate::{ExchangeError, shorten::shortened};

/// `ErrorCategory` numbers (System.Management.Automation) that say that the account lacks a right.
const PERMISSION_DENIED: i32 = 18;
const SECURITY_ERROR: i32 = 27;

/// What can be done here about something that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The connection or the shell is lost: another shell may do.
    Rebuild,
    /// This server does not serve the account now: another one may.
    Elsewhere,
    /// The server is too busy and wants to be left alone for so long. Whether it acted on the request is not known.
    Later(Duration),
    /// The server refused the request for so long, and did not act on it.
    AskAgain(Duration),
    /// Nothing.
    None,
}

/// Something that went wrong, and what can be done about it.
#[derive(Debug)]
pub(super) struct Setback {
    pub(super) error: ExchangeError,
    pub(super) remedy: Remedy,
}

impl Setback {
    /// Whether another server may do what this one did not.
    pub(super) fn another_server_may_do(&self) -> bool {
        matches!(self.remedy, Remedy::Rebuild | Remedy::Elsewhere | Remedy::Later(_))
    }

    /// What an HTTP status means that came instead of an envelope.
    pub(super) fn of_status(status: StatusCode, error: ExchangeError) -> Self {
        match error {
            ExchangeError::Throttled { after } if status == StatusCode::SERVICE_UNAVAILABLE => {
                Self { error, remedy: Remedy::Later(after) }
            }
            error => error.into(),
        }
    }
}

impl From<ExchangeError> for Setback {
    fn from(error: ExchangeError) -> Self {
        let remedy = match &error {
            ExchangeError::Unreachable { .. } => Remedy::Rebuild,
            ExchangeError::Tls { .. } | ExchangeError::ShellLimit { .. } => Remedy::Elsewhere,
            _ => Remedy::None,
        };
        Self { error, remedy }
    }
}

/// What a broken exchange of messages means.
pub(super) fn of_client(link: &Link, error: ClientError) -> Setback {
    match error {
        ClientError::Fault(fault) => of_fault(link, &fault),
        ClientError::RunspaceEnded(_) => {
            let error = ExchangeError::EndedEarly { reason: error.to_string() };
            Setback { error, remedy: Remedy::Rebuild }
        }
        ClientError::EndedEarly | ClientError::Idle(_) | ClientError::Prompted => {
            ExchangeError::EndedEarly { reason: error.to_string() }.into()
        }
        ClientError::Envelope(_)
        | ClientError::Fragment(_)
        | ClientError::Clixml(_)
        | ClientError::Protocol(_)
        | ClientError::Status(_)
        | ClientError::Busy => {
            ExchangeError::ProtocolViolated { reason: shortened(&error.to_string()) }.into()
        }
    }
}

fn of_fault(link: &Link, fault: &Fault) -> Setback {
    if let Some(limit) = fault.shell_limit() {
        return ExchangeError::ShellLimit { endpoint: link.target.endpoint(), limit }.into();
    }
    if let Some(wait) = fault.quota() {
        let after = answer::bounded(wait);
        return Setback { error: ExchangeError::Throttled { after }, remedy: Remedy::AskAgain(after) };
    }
    let reason = shortened(&fault.reason);
    if fault.is_redirect() {
        let to = fault.location.as_deref().map(|to| format!(" to {}", shortened(to))).unwrap_or_default();
        let reason = format!("it redirects{to}: exconn follows no redirect; configure that address");
        link.wrong_endpoint(reason).into()
    } else if fault.is_wrong_resource() {
        link.wrong_endpoint(format!("it does not serve Exchange's cmdlets: {reason}")).into()
    } else if fault.is_access_denied() {
        ExchangeError::NotPermitted { cmdlet: "remote PowerShell".into(), reason }.into()
    } else if fault.is_shell_gone() {
        let error = ExchangeError::EndedEarly { reason: format!("the shell is gone: {reason}") };
        Setback { error, remedy: Remedy::Rebuild }
    } else {
        ExchangeError::EndedEarly { reason }.into()
    }
}

/// Whether an error record says that what was asked about does not exist.
pub(super) fn is_not_found(record: &ErrorRecord) -> bool {
    record.id.contains("ManagementObjectNotFoundException")
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
