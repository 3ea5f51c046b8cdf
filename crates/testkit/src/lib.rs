//! What the test suites share: test peers, a throw-away Active Directory, an OpenID Connect issuer, a clock that is moved
//! by hand, seeded randomness, bounded waiting.
//!
//! Only tests use this crate. Whatever a test needs and does not find ends it with a panic that says what is missing;
//! nothing is skipped.
#![expect(clippy::expect_used, clippy::panic, reason = "in a test a failed expectation is the result")]

mod ambient;
mod control;
#[cfg(unix)]
mod domain;
mod environment;
mod issuer;
mod kdc;
mod online;
mod peer;
mod wait;

pub use ambient::{ManualClock, SeededEntropy};
#[cfg(unix)]
pub use domain::{DirectoryEntry, Domain, DomainOptions, ServerCertificate};
pub use environment::{node, python, repository_root};
pub use issuer::{Behaviour, Issuer, SigningKey};
pub use kdc::Kdc;
pub use online::OnlinePeer;
pub use peer::Peer;
pub use wait::wait_until;
