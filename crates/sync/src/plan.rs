//! Whether what a listing says may become what is stored.

use exconn_model::SyncCounts;

/// How large a loss is still plausible. A loss beyond both bounds is held for a person, because an Exchange that
/// answers with too little by mistake is likelier than that many phones given up at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Share of the stored devices, in percent.
    pub max_loss_percent: u8,
    /// Number of devices.
    pub max_loss_devices: u64,
}

impl Default for Guard {
    fn default() -> Self {
        Self { max_loss_percent: 30, max_loss_devices: 10 }
    }
}

/// What to do with a complete listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make it the stored state.
    Apply,
    /// Change nothing and tell a person.
    Hold,
}

/// Judges a complete listing against the `stored` number of devices.
pub fn judge(guard: Guard, counts: SyncCounts, stored: u64) -> Verdict {
    let beyond_count = counts.removed > guard.max_loss_devices;
    let beyond_share =
        u128::from(counts.removed) * 100 > u128::from(stored) * u128::from(guard.max_loss_percent);
    if beyond_count && beyond_share { Verdict::Hold } else { Verdict::Apply }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_held_only_beyond_both_bounds() {
        for (removed, stored, verdict) in [
            (0, 0, Verdict::Apply),
            (10, 10, Verdict::Apply),
            (11, 11, Verdict::Hold),
            (11, 36, Verdict::Hold),
            (11, 37, Verdict::Apply),
            (3000, 10_000, Verdict::Apply),
            (3001, 10_000, Verdict::Hold),
            (u64::MAX, u64::MAX, Verdict::Hold),
        ] {
            let counts = SyncCounts { removed, ..SyncCounts::default() };
            assert_eq!(judge(Guard::default(), counts, stored), verdict, "{removed} of {stored}");
        }
    }

    #[test]
    fn a_guard_of_a_hundred_percent_holds_nothing() {
        let guard = Guard { max_loss_percent: 100, max_loss_devices: 0 };
        let counts = SyncCounts { removed: 500, ..SyncCounts::default() };
        assert_eq!(judge(guard, counts, 500), Verdict::Apply);
    }
}
