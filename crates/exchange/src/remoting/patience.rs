//! How long and how often exconn waits and tries again before it tells whoever asked.

use std::time::Duration;

use exconn_model::Entropy;

/// What Exchange may ask to wait in all before one thing gets done; a longer wait is for the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How many times in a row it may ask to wait.
const MOST_WAITS: u32 = 4;
/// How many times a lost shell is rebuilt for one command.
const MOST_REBUILDS: u32 = 3;
/// The pause before the first rebuild; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Counts waits in a row that Exchange asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    count: u32,
    total: Duration,
}

impl Waits {
    /// Whether one more wait is short enough to be waited out here.
    pub(super) fn admit(&mut self, wait: Duration) -> bool {
        let total = self.total.saturating_add(wait);
        let admitted = self.count < MOST_WAITS && total <= LONGEST_WAIT;
        if admitted {
            (self.count, self.total) = (self.count + 1, total);
        }
        admitted
    }
}

/// Counts how often a shell was rebuilt for one command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rebuilds(u32);

impl Rebuilds {
    /// The pause before the next rebuild, if there is to be one. Half of it is chance, so that several clients of a server
    /// that comes back do not come at the same moment.
    pub(super) fn next(&mut self, entropy: &dyn Entropy) -> Option<Duration> {
        if self.0 >= MOST_REBUILDS {
            return None;
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.0);
        self.0 += 1;
        let mut chance = [0; 4];
        entropy.fill(&mut chance);
        let share = f64::from(u32::from_le_bytes(chance)) / f64::from(u32::MAX);
        Some(pause / 2 + (pause / 2).mul_f64(share))
    }
}

#[cfg(test)]
mod tests {
    use exconn_testkit::SeededEntropy;

    use super::*;

    #[test]
    fn waits_are_bounded_in_number_and_in_sum() {
        let mut waits = Waits::default();
        assert!(!waits.admit(Duration::from_millis(30_001)));
        assert!(waits.admit(Duration::from_secs(20)));
        assert!(!waits.admit(Duration::from_secs(11)));
        assert!(waits.admit(Duration::from_secs(10)));
        let mut waits = Waits::default();
        let admitted = (0..10).filter(|_| waits.admit(Duration::from_millis(1))).count();
        assert_eq!(admitted, 4);
        assert!(!Waits::default().admit(Duration::MAX));
    }

    #[test]
    fn pauses_grow_vary_and_end() {
        let entropy = SeededEntropy::new(3);
        let (mut rebuilds, mut firsts) = (Rebuilds::default(), Vec::new());
        for expected in [250, 500, 1000] {
            let pause = rebuilds.next(&entropy).unwrap();
            let longest = Duration::from_millis(expected);
            assert!(pause >= longest / 2 && pause <= longest, "{pause:?}");
        }
        assert!(rebuilds.next(&entropy).is_none());
        for _ in 0..8 {
            firsts.push(Rebuilds::default().next(&entropy).unwrap());
        }
        firsts.sort();
        firsts.dedup();
        assert!(firsts.len() > 4, "{firsts:?}");
    }
}
