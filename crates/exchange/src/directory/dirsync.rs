use rasn::Decoder as _;
use rasn::types::OctetString;
use rasn_ldap::{Control, Filter, ResultCode};

use super::{
    connection::Connection,
    cookie::{from_hexadecimal, to_hexadecimal},
    failure,
    message::Entry,
    search::{Query, Scope, anything, octets},
};
use crate::{ExchangeError, shorten::shortened};

/// MS-ADTS, 3.1.1.3.4.1.3.
pub(super) const CONTROL: &[u8] = b"1.2.840.113556.1.4.841";
/// `LDAP_DIRSYNC_OBJECT_SECURITY`: the changes that the account may see, without the right to see all.
const OBJECT_SECURITY: i64 = 1;
/// How many bytes of changes are asked for at once.
const MAX_BYTES: i64 = 1024 * 1024;
/// Most changes in one answer: no object takes fewer bytes than this leaves to each.
const MAX_ENTRIES: usize = 100_000;
/// Most answers in a row. A controller that has a new cookie ready after so many never ends.
const MAX_ROUNDS: u32 = 100_000;

/// The value of the control, both ways. What is the flags in a request tells in an answer whether there is more.
#[derive(Debug, rasn::AsnType, rasn::Encode, rasn::Decode)]
struct DirSync {
    flags: i64,
    bytes: i64,
    cookie: OctetString,
}

/// Changes of one domain, answer by answer.
#[derive(Debug)]
pub(super) struct DirSyncSearch {
    query: Query,
    everything: bool,
    cookie: Vec<u8>,
    /// Whether the search goes on from where another ended.
    continued: bool,
    rounds: u32,
    ended: bool,
}

impl DirSyncSearch {
    /// The changes since a cookie, with or without the right to see all.
    pub(super) fn since(query: Query, everything: bool, cookie: &str) -> Result<Self, ExchangeError> {
        let cookie = from_hexadecimal(cookie).filter(|cookie| !cookie.is_empty());
        let cookie = cookie
            .ok_or_else(|| ExchangeError::CookieRefused { reason: "it holds no cookie of DirSync".into() })?;
        Ok(Self { query, everything, cookie, continued: true, rounds: 0, ended: false })
    }

    /// The next answer; `None` at the end.
    pub(super) async fn next(
        &mut self,
        connection: &mut Connection,
    ) -> Result<Option<Vec<Entry>>, ExchangeError> {
        if self.ended {
            return Ok(None);
        }
        self.rounds += 1;
        let flags = if self.everything { 0 } else { OBJECT_SECURITY };
        let value = DirSync { flags, bytes: MAX_BYTES, cookie: octets(&self.cookie) };
        let value = rasn::ber::encode(&value).ok().map(OctetString::from);
        let id = connection.ask(&self.query, vec![Control::new(octets(CONTROL), true, value)]).await?;
        let found = connection.found(id, MAX_ENTRIES).await?;
        if found.result.result_code != ResultCode::Success {
            return Err(self.refusal(connection, &found.result));
        }
        let broken = |what: &str| ExchangeError::ProtocolViolated {
            reason: format!("DirSync at {}: {what}", connection.target.endpoint()),
        };
        let value = found.control(CONTROL).ok_or_else(|| broken("the answer has no cookie"))?;
        let (more, cookie) = read_cookie(value).ok_or_else(|| broken("the answer's control is broken"))?;
        self.ended = !more;
        if !self.ended && (self.rounds >= MAX_ROUNDS || cookie == self.cookie) {
            return Err(broken("it never ends"));
        }
        self.cookie = cookie;
        Ok(Some(found.entries))
    }

    /// A search that would have succeeded without its cookie has failed for its sake.
    fn refusal(&self, connection: &Connection, result: &rasn_ldap::LdapResult) -> ExchangeError {
        let of_rights = matches!(
            result.result_code,
            ResultCode::InsufficientAccessRights
                | ResultCode::Busy
                | ResultCode::Unavailable
                | ResultCode::Referral
        );
        if self.continued && !of_rights {
            let (code, said) = (result.result_code, shortened(&result.diagnostic_message));
            let reason = format!("{} refuses its own cookie: {code:?} {said}", connection.target.endpoint());
            return ExchangeError::CookieRefused { reason };
        }
        failure::of_search(&connection.target, self.query.purpose, result)
    }
}

/// Whether there is more, and the cookie to go on with.
pub(super) fn read_cookie(value: &[u8]) -> Option<(bool, Vec<u8>)> {
    let control: DirSync = rasn::ber::decode(value).ok()?;
    Some((control.flags != 0, control.cookie.to_vec()))
}

/// The cookie of this moment: the changes of a search that finds none are read to their end.
///
/// # Errors
/// [`ExchangeError::NotPermitted`] if the account may not see all changes, and `everything` is wanted.
pub(super) async fn cookie_of_now(
    connection: &mut Connection,
    domain: &str,
    everything: bool,
) -> Result<String, ExchangeError> {
    let query = Query {
        purpose: "DirSync",
        base: domain.to_owned(),
        scope: Scope::WholeSubtree,
        filter: Filter::Not(Box::new(anything())),
        attributes: &["objectGUID"],
        deleted: false,
        base_may_be_missing: false,
    };
    let mut search =
        DirSyncSearch { query, everything, cookie: Vec::new(), continued: false, rounds: 0, ended: false };
    while search.next(connection).await?.is_some() {}
    Ok(to_hexadecimal(&search.cookie))
}

impl DirSyncSearch {
    /// Where the next search of changes is to go on.
    pub(super) fn cookie(&self) -> String {
        to_hexadecimal(&self.cookie)
    }
}
