use std::time::Duration;

/// How often a request is sent again that was refused for the moment. The interface's own client repeats three times.
pub(super) const MAX_REPETITIONS: u32 = 3;
/// The longest wait in the middle of a request. Whoever is to wait longer ends and comes back.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(60);

/// The wait before a repetition (the first is 1): it doubles each time, and a random half of it keeps clients that were
/// refused together from coming back together.
pub(super) fn wait(first: Duration, repetition: u32, random: u32) -> Duration {
    let doubled = first.saturating_mul(1 << repetition.saturating_sub(1).min(16));
    let most = doubled.min(MAX_WAIT);
    let half = most / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_within_its_bound_and_half_of_it_is_random() {
        let first = Duration::from_secs(1);
        for (repetition, seconds) in [(0, 1), (1, 1), (2, 2), (3, 4), (7, 60), (u32::MAX, 60)] {
            let most = Duration::from_secs(seconds);
            assert_eq!(wait(first, repetition, u32::MAX), most, "{repetition}");
            assert_eq!(wait(first, repetition, 0), most / 2, "{repetition}");
        }
        assert_eq!(wait(Duration::MAX, u32::MAX, u32::MAX), MAX_WAIT);
        assert_eq!(wait(Duration::ZERO, 3, 7), Duration::ZERO);
    }
}
