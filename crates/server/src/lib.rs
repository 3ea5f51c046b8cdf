//! The HTTP side of exconn: Graph routes, exconn's own routes, authentication, and the only map from errors to HTTP.

mod agents;
mod answer;
mod app;
mod audit;
pub mod auth;
mod carry_through;
mod cors;
mod exconn;
mod failure;
mod finish;
mod graph;
mod identity;
mod protocol;
mod reply;
pub mod routes;
mod serve;
mod throttle;
pub mod tls;
#[cfg(feature = "untrusted")]
pub mod untrusted;
mod wire;

pub use agents::{AgentRefusal, AgentRegistry, NoAgents};
pub use app::{App, AppConfig, AppError};
pub use cors::Cors;
pub use serve::{ServeError, serve};
pub use throttle::ThrottleLimits;
pub use wire::TrustedProxies;
