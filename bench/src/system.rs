//! The machine's clock and randomness, for the parts that are measured.

use std::time::SystemTime;

use exconn_model::{AuditActor, AuditEntry, AuditId, Clock, Entropy, TenantId, Timestamp};

#[derive(Clone, Copy, Debug)]
pub(crate) struct System;

impl System {
    /// The audit entry that a change of the benchmark's own needs.
    pub(crate) fn audit(self, tenant: TenantId) -> AuditEntry {
        AuditEntry::new(AuditId(self.uuid()), tenant, self.now(), AuditActor::Service)
    }
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ticks(i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX))
    }
}

impl Entropy for System {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(16) {
            let random = uuid::Uuid::new_v4();
            chunk.iter_mut().zip(random.as_bytes()).for_each(|(to, from)| *to = *from);
        }
    }
}
