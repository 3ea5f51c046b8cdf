use rasn_ldap::{LdapResult, ResultCode};

use super::{ber::Malformed, target::Target};
use crate::{ExchangeError, shorten::shortened};

/// The controller cannot be reached, or the connection broke.
pub(super) fn unreachable(target: &Target, reason: impl std::fmt::Display) -> ExchangeError {
    ExchangeError::Unreachable { endpoint: target.endpoint(), reason: reason.to_string() }
}

/// It answers, but not as a domain controller does.
pub(super) fn wrong_endpoint(target: &Target, reason: impl Into<String>) -> ExchangeError {
    ExchangeError::WrongEndpoint { url: target.to_string(), reason: reason.into() }
}

/// An answer is not LDAP.
pub(super) fn malformed(target: &Target, _: Malformed) -> ExchangeError {
    wrong_endpoint(target, "the answer is not LDAP")
}

/// `SEC_E_BAD_BINDINGS`: `LdapEnforceChannelBinding` is on.
const BAD_BINDINGS: u32 = 0x8009_0346;

/// What a bind that failed means.
pub(super) fn of_bind(target: &Target, code: ResultCode, diagnostic: &str) -> ExchangeError {
    let endpoint = target.endpoint();
    match code {
        ResultCode::InvalidCredentials => match sub_code(diagnostic) {
            Some(0x532 | 0x773) => ExchangeError::PasswordExpired { endpoint },
            Some(BAD_BINDINGS) => ExchangeError::TicketRefused {
                endpoint,
                reason: "it demands that a sign-in is bound to its TLS connection, which this one is not: use ldap with a \
                         sealed mechanism, or ldaps with a simple bind"
                    .into(),
            },
            Some(code) if locked(code).is_some() => {
                let reason = locked(code).unwrap_or_default().to_owned();
                ExchangeError::AccountLocked { endpoint, reason }
            }
            _ => ExchangeError::CredentialsRefused { endpoint },
        },
        ResultCode::StrongerAuthRequired | ResultCode::ConfidentialityRequired => wrong_endpoint(
            target,
            "it wants what is said to be sealed: use ldaps or start_tls with a simple bind, or ldap with a sealed mechanism",
        ),
        ResultCode::AuthMethodNotSupported | ResultCode::InappropriateAuthentication => wrong_endpoint(
            target,
            format!("it does not offer this way to sign in: {}", shortened(diagnostic)),
        ),
        _ => other(target, "the bind", code, diagnostic),
    }
}

/// The Windows error in the text of a refusal: `… AcceptSecurityContext error, data 52e, v1db1`.
fn sub_code(diagnostic: &str) -> Option<u32> {
    let (_, rest) = diagnostic.split_once("data ")?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u32::from_str_radix(digits, 16).ok()
}

/// Why an account may not sign in though its password may be right (MS-ERREF, 2.2).
fn locked(code: u32) -> Option<&'static str> {
    match code {
        0x530 => Some("it may not sign in at this hour"),
        0x531 => Some("it may not sign in from this machine"),
        0x533 => Some("it is disabled"),
        0x701 => Some("it has expired"),
        0x775 => Some("it is locked out"),
        _ => None,
    }
}

/// What the end of a search means that did not succeed.
pub(super) fn of_search(target: &Target, doing: &str, result: &LdapResult) -> ExchangeError {
    if result.result_code == ResultCode::Referral {
        let to = result.referral.iter().flatten().next().map(|url| shortened(url)).unwrap_or_default();
        let reason = format!("it has not what is asked for ({doing}) and refers to {to}");
        return wrong_endpoint(target, reason);
    }
    other(target, doing, result.result_code, &result.diagnostic_message)
}

fn other(target: &Target, doing: &str, code: ResultCode, diagnostic: &str) -> ExchangeError {
    // Servers put a NUL at the end.
    let said = match shortened(diagnostic) {
        said if said.is_empty() => format!("{code:?}"),
        said => format!("{code:?}: {said}"),
    };
    match code {
        ResultCode::InsufficientAccessRights => {
            ExchangeError::NotPermitted { cmdlet: doing.to_owned(), reason: said }
        }
        ResultCode::Busy | ResultCode::Unavailable => unreachable(target, said),
        ResultCode::ProtocolError | ResultCode::UnavailableCriticalExtension => {
            ExchangeError::ProtocolViolated { reason: format!("{} on {doing}: {said}", target.endpoint()) }
        }
        _ => ExchangeError::EndedEarly { reason: format!("{} on {doing}: {said}", target.endpoint()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_the_windows_error_inside() {
        let target = Target::parse("ldap://dc").unwrap();
        let refused = |data: &str| {
            let text = format!(
                "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, {data}v1db1\0"
            );
            of_bind(&target, ResultCode::InvalidCredentials, &text)
        };
        for data in ["data 52e, ", "data 525, ", "data zz, ", ""] {
            assert!(matches!(refused(data), ExchangeError::CredentialsRefused { .. }), "{data}");
        }
        for data in ["data 532, ", "data 773, "] {
            assert!(matches!(refused(data), ExchangeError::PasswordExpired { .. }), "{data}");
        }
        for (data, reason) in
            [("data 533, ", "disabled"), ("data 701, ", "expired"), ("data 775, ", "locked out")]
        {
            let error = refused(data);
            assert!(
                matches!(&error, ExchangeError::AccountLocked { reason: why, .. } if why.contains(reason)),
                "{error}"
            );
        }
    }
}
