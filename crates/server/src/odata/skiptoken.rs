//! Paging tokens: where a page ended, sealed so that no one else can make one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_model::{
    Timestamp,
    schema::{EntityType, PropertyType, Value},
};
use hmac::{Hmac, Mac, digest::KeyInit};
use sha2::Sha256;

use exconn_odata::query::{After, OrderBy};

const SEAL: usize = 16;
/// Characters of a token that are looked at: ten texts of 1024 characters and their frame.
const MAX_TOKEN: usize = 64 * 1024;

/// A token that was not made here for this list, or was altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The $skiptoken is not one that this service made for this list, with this filter and order.")]
pub(crate) struct BadToken;

/// Seals the end of a page. `scope` is what the token is good for.
pub(crate) fn seal(after: &After, scope: &str, secret: &[u8; 32]) -> String {
    let mut payload = Vec::with_capacity(64);
    text(&mut payload, &after.id);
    for key in &after.keys {
        match key {
            Value::Null => payload.push(b'n'),
            Value::Boolean(value) => payload.extend([b'b', u8::from(*value)]),
            Value::Text(value) => {
                payload.push(b't');
                text(&mut payload, value);
            }
            Value::Timestamp(moment) => {
                payload.push(b'd');
                payload.extend(moment.ticks().to_le_bytes());
            }
            Value::Enum(_, number) => {
                payload.push(b'e');
                payload.extend(number.to_le_bytes());
            }
        }
    }
    let mut sealed = mac(scope, &payload, secret);
    sealed.extend(payload);
    URL_SAFE_NO_PAD.encode(sealed)
}

/// Opens a token that [`seal`] made with the same scope and secret.
pub(crate) fn open(
    token: &str,
    scope: &str,
    secret: &[u8; 32],
    entity: &'static EntityType,
    order: &[OrderBy],
) -> Result<After, BadToken> {
    if token.len() > MAX_TOKEN {
        return Err(BadToken);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadToken)?;
    let (seal, payload) = bytes.split_at_checked(SEAL).ok_or(BadToken)?;
    keyed(scope, payload, secret).verify_truncated_left(seal).map_err(|_| BadToken)?;
    let mut reader = Reader { rest: payload };
    let id = reader.text()?;
    let mut keys = Vec::with_capacity(order.len());
    for criterion in order {
        let kind = entity.properties.get(criterion.property).ok_or(BadToken)?.kind;
        keys.push(reader.value(kind)?);
    }
    if reader.rest.is_empty() { Ok(After { keys, id }) } else { Err(BadToken) }
}

fn keyed(scope: &str, payload: &[u8], secret: &[u8; 32]) -> Hmac<Sha256> {
    // A key shorter than the block is padded with zeros (RFC 2104, 2).
    let mut block = [0; 64];
    block[..32].copy_from_slice(secret);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    mac.update(&(scope.len() as u64).to_le_bytes());
    mac.update(scope.as_bytes());
    mac.update(payload);
    mac
}

fn mac(scope: &str, payload: &[u8], secret: &[u8; 32]) -> Vec<u8> {
    keyed(scope, payload, secret).finalize().into_bytes().iter().copied().take(SEAL).collect()
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(text.as_bytes());
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadToken> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(BadToken)?;
        self.rest = rest;
        Ok(*head)
    }

    fn text(&mut self) -> Result<String, BadToken> {
        let length = usize::try_from(u32::from_le_bytes(self.take()?)).map_err(|_| BadToken)?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(BadToken)?;
        self.rest = rest;
        String::from_utf8(head.to_vec()).map_err(|_| BadToken)
    }

    fn value(&mut self, kind: PropertyType) -> Result<Value<'static>, BadToken> {
        let [tag] = self.take()?;
        match (tag, kind) {
            (b'n', _) => Ok(Value::Null),
            (b'b', PropertyType::Boolean) => Ok(Value::Boolean(self.take()? == [1])),
            (b't', PropertyType::String) => Ok(Value::Text(self.text()?.into())),
            (b'd', PropertyType::DateTimeOffset) => {
                Ok(Value::Timestamp(Timestamp::from_ticks(i64::from_le_bytes(self.take()?))))
            }
            (b'e', PropertyType::Enum(kind)) => Ok(Value::Enum(kind, i32::from_le_bytes(self.take()?))),
            _ => Err(BadToken),
        }
    }
}
