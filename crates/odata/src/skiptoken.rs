//! `$skiptoken`: where a page ended, sealed so that only this service can have written it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_model::{
    Timestamp,
    schema::{EntityType, PropertyType, Value},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::query::{After, OrderBy};

/// Also the version of the order of rows that a token is a place in.
const VERSION: u8 = 2;
const TAG: usize = 16;

/// A token that this service did not give, or gave for another query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The $skiptoken is not one that this service gave for this query. Begin again without it.")]
pub struct BadToken;

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last entity of the page before.
    pub after: After,
    /// What `now()` was for the first page, if the query uses it: all pages of a list are of one moment.
    pub now: Option<Timestamp>,
}

/// Writes a token for the page at `place`, bound to `scope`.
pub fn seal(place: &Place, scope: &str, key: &[u8; 32]) -> String {
    let Place { after, now } = place;
    let mut content = vec![VERSION];
    match now {
        None => content.push(b'n'),
        Some(now) => {
            content.push(b'd');
            content.extend(now.ticks().to_be_bytes());
        }
    }
    write_text(&mut content, &after.id);
    for value in &after.keys {
        match value {
            // No list is ordered by a structure.
            Value::Null | Value::Complex(..) => content.push(b'n'),
            Value::Boolean(value) => content.extend([b'b', u8::from(*value)]),
            Value::Text(text) => {
                content.push(b't');
                write_text(&mut content, text);
            }
            Value::Int32(number) => {
                content.push(b'i');
                content.extend(number.to_be_bytes());
            }
            Value::Timestamp(moment) => {
                content.push(b'd');
                content.extend(moment.ticks().to_be_bytes());
            }
            Value::Enum(_, number) => {
                content.push(b'e');
                content.extend(number.to_be_bytes());
            }
        }
    }
    let tag = authenticate(&content, scope, key);
    content.extend(tag);
    URL_SAFE_NO_PAD.encode(content)
}

/// Reads a token back. Its keys have the types of the order's properties.
pub fn open(
    token: &str,
    scope: &str,
    key: &[u8; 32],
    entity: &'static EntityType,
    order: &[OrderBy],
) -> Result<Place, BadToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadToken)?;
    let (content, tag) =
        bytes.len().checked_sub(TAG).and_then(|at| bytes.split_at_checked(at)).ok_or(BadToken)?;
    mac(content, scope, key).verify_truncated_left(tag).map_err(|_| BadToken)?;
    let mut reader = Reader { rest: content };
    if reader.byte()? != VERSION {
        return Err(BadToken);
    }
    let now = match reader.byte()? {
        b'n' => None,
        b'd' => Some(reader.moment()?),
        _ => return Err(BadToken),
    };
    let id = reader.text()?;
    let mut keys = Vec::with_capacity(order.len());
    for by in order {
        let kind = entity.properties.get(by.property).ok_or(BadToken)?.kind;
        keys.push(match (reader.byte()?, kind) {
            (b'n', _) => Value::Null,
            (b'b', PropertyType::Boolean) => Value::Boolean(reader.byte()? != 0),
            (b't', PropertyType::String) => Value::Text(reader.text()?.into()),
            (b'i', PropertyType::Int32) => Value::Int32(i32::from_be_bytes(reader.array()?)),
            (b'd', PropertyType::DateTimeOffset) => Value::Timestamp(reader.moment()?),
            (b'e', PropertyType::Enum(kind)) => Value::Enum(kind, i32::from_be_bytes(reader.array()?)),
            _ => return Err(BadToken),
        });
    }
    if reader.rest.is_empty() { Ok(Place { after: After { keys, id }, now }) } else { Err(BadToken) }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104, section 3)")]
fn mac(content: &[u8], scope: &str, key: &[u8; 32]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(&(scope.len() as u64).to_be_bytes());
    mac.update(scope.as_bytes());
    mac.update(content);
    mac
}

fn authenticate(content: &[u8], scope: &str, key: &[u8; 32]) -> impl Iterator<Item = u8> + use<> {
    mac(content, scope, key).finalize().into_bytes().into_iter().take(TAG)
}

fn write_text(content: &mut Vec<u8>, text: &str) {
    content.extend((text.len() as u32).to_be_bytes());
    content.extend(text.as_bytes());
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BadToken> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(BadToken)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadToken> {
        self.take(N)?.try_into().map_err(|_| BadToken)
    }

    fn byte(&mut self) -> Result<u8, BadToken> {
        self.array().map(|[byte]| byte)
    }

    fn moment(&mut self) -> Result<Timestamp, BadToken> {
        self.array().map(i64::from_be_bytes).map(Timestamp::from_ticks)
    }

    fn text(&mut self) -> Result<String, BadToken> {
        let length = u32::from_be_bytes(self.array()?) as usize;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| BadToken)
    }
}
