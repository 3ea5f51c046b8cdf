use std::fmt::Debug;

use uuid::Uuid;

use crate::Timestamp;

/// Where the time comes from. The binary passes the system's clock; tests move theirs by hand.
pub trait Clock: Debug + Send + Sync {
    /// The present moment in UTC.
    fn now(&self) -> Timestamp;
}

/// Where randomness comes from. The binary passes the operating system's; tests pass a seeded one.
pub trait Entropy: Debug + Send + Sync {
    /// Fills `bytes` with random data fit for keys and identifiers.
    fn fill(&self, bytes: &mut [u8]);

    /// A random version-4 identifier (RFC 9562, section 5.4).
    fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
