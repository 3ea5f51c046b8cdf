use bytes::Bytes;
use rasn::Decoder as _;
use rasn::types::{OctetString, SetOf};
use rasn_ldap::{
    AttributeValueAssertion, Control, Filter, LdapResult, ProtocolOp, ResultCode, SearchRequest,
    SearchRequestDerefAliases, SearchRequestScope,
};

use super::{
    connection::Connection,
    failure,
    message::{Entry, Operation, ResponseControl},
};
use crate::ExchangeError;

pub(super) use rasn_ldap::SearchRequestScope as Scope;

/// Largest page, in bytes of its objects. A page of a thousand partnerships has well under one megabyte.
const MAX_PAGE: usize = 32 * 1024 * 1024;

/// RFC 2696.
const PAGED_RESULTS: &[u8] = b"1.2.840.113556.1.4.319";
/// Deleted objects are found too (MS-ADTS, 3.1.1.3.4.1.14).
const SHOW_DELETED: &[u8] = b"1.2.840.113556.1.4.417";
/// Nothing is said of other servers' parts of the directory (MS-ADTS, 3.1.1.3.4.1.4): each domain is asked by itself.
const DOMAIN_SCOPE: &[u8] = b"1.2.840.113556.1.4.1339";

/// A search that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// What it is for, for an error's text.
    pub(super) purpose: &'static str,
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) filter: Filter,
    pub(super) attributes: &'static [&'static str],
    /// Deleted objects too.
    pub(super) deleted: bool,
    /// Whether nothing is found, and no error, where the base is gone, never was, or may not be seen.
    pub(super) base_may_be_missing: bool,
}

impl Query {
    fn request(&self) -> ProtocolOp {
        ProtocolOp::SearchRequest(SearchRequest::new(
            self.base.as_str().into(),
            self.scope,
            SearchRequestDerefAliases::NeverDerefAliases,
            0,
            0,
            false,
            self.filter.clone(),
            self.attributes.iter().map(|name| (*name).into()).collect(),
        ))
    }

    fn controls(&self) -> Vec<Control> {
        let mut controls = vec![Control::new(octets(DOMAIN_SCOPE), false, None)];
        if self.deleted {
            controls.push(Control::new(octets(SHOW_DELETED), true, None));
        }
        controls
    }
}

/// `(attribute=value)`.
pub(super) fn equal(attribute: &str, value: &[u8]) -> Filter {
    Filter::EqualityMatch(AttributeValueAssertion::new(attribute.into(), octets(value)))
}

/// `(attribute>=value)`.
pub(super) fn at_least(attribute: &str, value: &str) -> Filter {
    Filter::GreaterOrEqual(AttributeValueAssertion::new(attribute.into(), octets(value.as_bytes())))
}

/// `(&…)`.
pub(super) fn all_of(filters: Vec<Filter>) -> Filter {
    Filter::And(SetOf::from_vec(filters))
}

/// `(|…)`.
pub(super) fn any_of(filters: Vec<Filter>) -> Filter {
    Filter::Or(SetOf::from_vec(filters))
}

/// `(objectClass=class)`.
pub(super) fn of_class(class: &str) -> Filter {
    equal("objectClass", class.as_bytes())
}

/// Everything that there is.
pub(super) fn anything() -> Filter {
    Filter::Present("objectClass".into())
}

pub(super) fn octets(bytes: &[u8]) -> OctetString {
    OctetString::from(bytes)
}

/// What a search that came to its end brought.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) result: LdapResult,
    pub(super) controls: Vec<ResponseControl>,
}

impl Found {
    /// The value of a control of the answer.
    pub(super) fn control(&self, kind: &[u8]) -> Option<&Bytes> {
        self.controls.iter().find(|control| control.kind == kind).map(|control| &control.value)
    }
}

impl Connection {
    /// Asks; the answer is to be read with [`found`](Self::found).
    pub(super) async fn ask(&mut self, query: &Query, mut more: Vec<Control>) -> Result<u32, ExchangeError> {
        more.extend(query.controls());
        self.send(query.request(), more).await
    }

    /// The whole answer to a search: at most so many objects, whatever its result.
    pub(super) async fn found(&mut self, id: u32, most: usize) -> Result<Found, ExchangeError> {
        let mut entries = Vec::new();
        let mut size = 0_usize;
        loop {
            let message = self.receive(id).await?;
            match message.operation {
                Operation::Entry(entry) => {
                    size += entry.size();
                    entries.push(entry);
                    if entries.len() > most || size > MAX_PAGE {
                        let endpoint = self.target.endpoint();
                        let reason = format!("{endpoint} sends more than it was asked for");
                        return Err(ExchangeError::ProtocolViolated { reason });
                    }
                }
                Operation::Reference => {
                    tracing::debug!(target = %self.target, "a part of the directory is elsewhere")
                }
                Operation::Done(result) => {
                    return Ok(Found { entries, result, controls: message.controls });
                }
                Operation::Bind(_) | Operation::Extended(_) => {
                    let reason = format!("{} answers a search with something else", self.target.endpoint());
                    return Err(ExchangeError::ProtocolViolated { reason });
                }
            }
        }
    }

    /// A search of few objects that must succeed.
    pub(super) async fn search(&mut self, query: &Query, most: usize) -> Result<Vec<Entry>, ExchangeError> {
        let id = self.ask(query, Vec::new()).await?;
        let found = self.found(id, most).await?;
        match found.result.result_code {
            ResultCode::Success => Ok(found.entries),
            _ => Err(failure::of_search(&self.target, query.purpose, &found.result)),
        }
    }

    /// The attributes of one object, deleted ones among them if told. `None` if there is no such object, or none that may be
    /// seen.
    pub(super) async fn object(
        &mut self,
        purpose: &'static str,
        dn: &str,
        attributes: &'static [&'static str],
        deleted: bool,
    ) -> Result<Option<Entry>, ExchangeError> {
        let query = Query {
            purpose,
            base: dn.to_owned(),
            scope: SearchRequestScope::BaseObject,
            filter: anything(),
            attributes,
            deleted,
            base_may_be_missing: false,
        };
        let id = self.ask(&query, Vec::new()).await?;
        let found = self.found(id, 1).await?;
        match found.result.result_code {
            ResultCode::Success => Ok(found.entries.into_iter().next()),
            ResultCode::NoSuchObject => Ok(None),
            _ => Err(failure::of_search(&self.target, purpose, &found.result)),
        }
    }
}

/// A search whose answer comes page by page (RFC 2696). The next page is asked for before one is handed out, so that the
/// controller works while the caller does.
#[derive(Debug)]
pub(super) struct PagedSearch {
    query: Query,
    page_size: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Asked(u32),
    Ended,
}

/// The value of the control, both ways.
#[derive(Debug, rasn::AsnType, rasn::Encode, rasn::Decode)]
struct PagedResults {
    size: i64,
    cookie: OctetString,
}

fn page(size: u32, cookie: OctetString) -> Control {
    let value = rasn::ber::encode(&PagedResults { size: i64::from(size), cookie }).ok();
    Control::new(octets(PAGED_RESULTS), true, value.map(OctetString::from))
}

impl PagedSearch {
    /// Asks for the first page.
    pub(super) async fn begin(
        connection: &mut Connection,
        query: Query,
        page_size: u32,
    ) -> Result<Self, ExchangeError> {
        let id = connection.ask(&query, vec![page(page_size, octets(b""))]).await?;
        Ok(Self { query, page_size, state: State::Asked(id) })
    }

    /// The next page, which may be empty; `None` at the end.
    pub(super) async fn next(
        &mut self,
        connection: &mut Connection,
    ) -> Result<Option<Vec<Entry>>, ExchangeError> {
        let State::Asked(id) = self.state else { return Ok(None) };
        self.state = State::Ended;
        let Some((entries, cookie)) = page_of(connection, &self.query, id, self.page_size).await? else {
            return Ok(None);
        };
        if !cookie.is_empty() {
            let id = connection.ask(&self.query, vec![page(self.page_size, cookie)]).await?;
            self.state = State::Asked(id);
        }
        Ok(Some(entries))
    }
}

impl Connection {
    /// The first page of a search of which no more is wanted, and whether there is more.
    pub(super) async fn first_page(
        &mut self,
        query: &Query,
        page_size: u32,
    ) -> Result<(Vec<Entry>, bool), ExchangeError> {
        let id = self.ask(query, vec![page(page_size, octets(b""))]).await?;
        let found = page_of(self, query, id, page_size).await?;
        Ok(found.map(|(entries, cookie)| (entries, !cookie.is_empty())).unwrap_or_default())
    }
}

/// The cookie of the next page.
pub(super) fn read_page_cookie(value: &[u8]) -> Option<OctetString> {
    rasn::ber::decode::<PagedResults>(value).ok().map(|control| control.cookie)
}

/// One page, and the cookie of the next: empty if there is none. `None` if there is nothing to search.
async fn page_of(
    connection: &mut Connection,
    query: &Query,
    id: u32,
    page_size: u32,
) -> Result<Option<(Vec<Entry>, OctetString)>, ExchangeError> {
    let most = usize::try_from(page_size).unwrap_or(usize::MAX);
    let found = connection.found(id, most).await?;
    match found.result.result_code {
        ResultCode::Success => {}
        ResultCode::NoSuchObject if query.base_may_be_missing => return Ok(None),
        _ => return Err(failure::of_search(&connection.target, query.purpose, &found.result)),
    }
    // Without the control the server has not paged, and this is all.
    let Some(value) = found.control(PAGED_RESULTS) else { return Ok(Some((found.entries, octets(b"")))) };
    let cookie = read_page_cookie(value).ok_or_else(|| ExchangeError::ProtocolViolated {
        reason: format!("{} ends a page with a broken control", connection.target.endpoint()),
    })?;
    Ok(Some((found.entries, cookie)))
}
