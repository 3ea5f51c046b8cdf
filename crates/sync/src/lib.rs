//! What a sync is: when it is due, how it runs, and what it may change.
//!
//! [`plan`] and [`schedule`] decide and do no I/O; [`Agent`] serves one configured connection with them.

mod agent;
mod failure;
pub mod plan;
pub mod schedule;
mod signals;
mod statistics;
mod worker;

pub use agent::{Agent, AgentSettings};
pub use signals::Signals;
pub use statistics::StatisticsSettings;
