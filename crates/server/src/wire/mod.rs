//! What is HTTP and not Graph: connections, the request's identity, bodies, preferences.

mod accept;
mod accepted_format;
mod activity;
mod body;
mod compression;
mod connection;
mod forwarded;
mod identity;
mod odata_version;
mod origin;
mod outgoing;
mod patience;
mod preface;
mod prefer;

pub(crate) use accept::{Acceptable, Form};
pub(crate) use accepted_format::accepted_format;
pub(crate) use activity::Activity;
pub(crate) use body::{BodyError, RequestBody, read_form, read_json};
pub(crate) use compression::{Accepted, Compressor};
pub(crate) use connection::{Connection, names_its_host};
pub use forwarded::TrustedProxies;
pub(crate) use identity::Identity;
pub(crate) use odata_version::{VersionError, check_odata_version};
pub(crate) use origin::Origin;
pub(crate) use outgoing::Outgoing;
pub(crate) use patience::Patience;
pub(crate) use preface::{Protocol, Rewound};
pub(crate) use prefer::Preferences;
