//! The nouns of exconn: connectors, mobile devices, sync runs, applications, the audit, their enumerations and ids.
//!
//! Nothing here does I/O, reads a clock or draws a random number: both come in as [`Clock`] and [`Entropy`].

mod access;
mod ambient;
mod application;
mod audit;
mod connector;
mod device;
mod enumeration;
mod examination;
mod ids;
mod management;
mod observation;
mod run;
pub mod schema;
mod timestamp;

pub use access::{AccessState, AccessStateReason, access};
pub use ambient::{Clock, Entropy};
pub use application::{
    Application, ApplicationChange, Credential, CredentialKey, CredentialKind, MAX_CREDENTIALS, SecretDigest,
};
pub use audit::{AUDIT_ENTRY, AuditActor, AuditEntry, AuditOutcome};
pub use connector::{
    CONNECTOR, Connector, ConnectorChange, ConnectorDraft, ConnectorStatus, ConnectorType, MAX_TEXT, SyncType,
};
pub use device::{
    LearnedStatistics, MANAGED_DEVICE, ManagementAgent, MobileDevice, ObservedDevice, Organization,
};
pub use enumeration::GraphEnum;
pub use examination::{Finding, Step};
pub use ids::{ApplicationId, AuditId, ConnectorId, CredentialId, DeviceId, NotAnId, RunId, TenantId};
pub use management::{
    DEVICE_MANAGEMENT, DeviceManagement, DeviceOverview, GRAPH_SERVICE, MANAGED_DEVICE_OVERVIEW,
    ManagedDeviceOverview,
};
pub use observation::{AccessDecision, DeviceChange, DeviceStatistics, SyncCookie};
pub use run::{FailureKind, RunOutcome, RunState, SyncCounts, SyncRun};
pub use timestamp::{Timestamp, TimestampError};
