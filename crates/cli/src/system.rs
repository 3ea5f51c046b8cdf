//! The only place that reads the machine's clock and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use exconn_model::{Clock, Entropy, Timestamp};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the wiring that everything else gets its clock from"
    )]
    fn now(&self) -> Timestamp {
        let ticks = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_nanos() / 100).unwrap_or(i64::MAX),
        };
        Timestamp::from_ticks(ticks)
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the wiring that everything else gets its randomness from"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Keys made of anything weaker would be worse than no service.
            tracing::error!(%error, "the operating system gives no randomness");
            std::process::abort();
        }
    }
}
