use std::{fmt, str::FromStr};

use uuid::Uuid;

/// A text that is not a lower-case, hyphenated GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is a lower-case GUID such as e11c1de8-1de8-4e1c-a81d-1ce1e81d1ce1")]
pub struct NotAnId;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            /// Reads the hyphenated lower-case form only: resource ids are compared exactly.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let id = Uuid::try_parse(text).map_err(|_| NotAnId)?;
                let mut canonical = Uuid::encode_buffer();
                if id.as_hyphenated().encode_lower(&mut canonical) == text { Ok(Self(id)) } else { Err(NotAnId) }
            }
        }
    };
}

identifier! {
    /// Identifies a connector; written as a lower-case GUID.
    ConnectorId
}
identifier! {
    /// Identifies a managed device as the Graph shows it. Not the id that the device sent to Exchange.
    DeviceId
}
identifier! {
    /// Identifies one run of a sync.
    RunId
}
identifier! {
    /// Identifies the tenant that a row belongs to.
    TenantId
}
identifier! {
    /// Identifies an application that is registered with the built-in issuer; its `client_id`.
    ApplicationId
}
identifier! {
    /// Identifies one secret or certificate of an application.
    CredentialId
}
identifier! {
    /// Identifies one entry of the audit.
    AuditId
}
