//! Exchange Online by its admin REST interface.
//!
//! A cmdlet is a `POST` to `InvokeCommand` and its objects come as pages of JSON. This is the interface of Microsoft's own
//! PowerShell module; it is not documented, so where it lives can be configured. `token` signs the application in, `api`
//! runs a cmdlet with all that may go wrong, `pages` follows a listing, `client` is the transport.

mod access;
mod answer;
mod api;
mod assertion;
mod backoff;
mod client;
mod config;
mod examine;
mod exchange;
mod failure;
mod inflate;
mod invocation;
mod json;
mod listing;
mod origin;
mod pace;
mod page;
mod pages;
mod role_script;
mod token;
mod token_answer;
#[cfg(feature = "untrusted")]
pub mod untrusted;

pub use assertion::CertificateError;
pub use config::{ClientCredential, Cloud, ConfigError, OnlineConfig};
pub use exchange::OnlineExchange;
pub use origin::OriginError;
pub use role_script::role_script;
