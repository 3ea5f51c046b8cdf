//! Entity tags. They are weak: entities are equal in meaning, not byte by byte (RFC 9110, section 8.8.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_model::schema::Entity;
use sha2::{Digest, Sha256};

use crate::render::{self, Metadata, View};

/// Bytes of a digest that a tag shows: enough that no two states of an entity meet.
const SHOWN: usize = 12;

/// The tag of an entity: its revision, or a digest of all its properties where changes are not counted. It is the same
/// in every form of the entity, so caches must keep the forms apart by `Vary`.
pub fn entity_tag<E: Entity>(item: &E) -> String {
    match item.revision() {
        Some(revision) => format!("W/\"{revision}\""),
        None => format!("W/\"{}\"", digest(item)),
    }
}

fn digest<E: Entity>(item: &E) -> String {
    let everything = View {
        root: "",
        set: E::TYPE.name,
        metadata: Metadata::None,
        select: None,
        unknown_members: true,
        ieee754_compatible: false,
    };
    let digest = Sha256::digest(render::entity(everything, item));
    URL_SAFE_NO_PAD.encode(digest.get(..SHOWN).unwrap_or(&digest))
}
