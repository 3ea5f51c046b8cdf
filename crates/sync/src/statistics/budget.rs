use std::time::Duration;

use exconn_model::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);
/// What a sync or a pause left unused may be made up for, up to so much time's worth.
const SAVED: Duration = Duration::from_secs(60);

/// So many questions an hour, spread evenly: a token bucket, told as the moment at which it would be full again.
///
/// It starts empty. A process that ends and begins again and again asks no more than one that stays, and nothing needs to
/// be stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    interval: Duration,
    full: Timestamp,
}

impl Budget {
    /// An empty one, with room for `per_hour` questions an hour, at least one.
    pub(super) fn new(per_hour: u32, now: Timestamp) -> Self {
        let interval = HOUR / per_hour.max(1);
        Self { interval, full: now.after(SAVED).after(interval) }
    }

    /// How long until the next question may be asked.
    pub(super) fn wait(&mut self, now: Timestamp) -> Duration {
        // A clock that was set back is not waited for.
        self.full = self.full.min(now.after(SAVED).after(self.interval));
        self.full.since(now.after(SAVED))
    }

    /// Takes the right to ask one question, if there is one.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let may = self.wait(now).is_zero();
        if may {
            self.full = self.full.max(now).after(self.interval);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000).after(Duration::from_millis(millis))
    }

    /// How many questions can be asked at this moment.
    fn drain(budget: &mut Budget, now: Timestamp) -> usize {
        (0..1_000_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn questions_are_spread_evenly() {
        let mut budget = Budget::new(6000, at(0));
        assert_eq!(budget.wait(at(0)), Duration::from_millis(600));
        let asked: Vec<u64> = (0..30).map(|step| step * 100).filter(|now| budget.take(at(*now))).collect();
        assert_eq!(asked, [600, 1200, 1800, 2400]);
    }

    #[test]
    fn an_hour_holds_as_many_as_it_should_however_often_it_begins_anew() {
        for per_hour in [1, 60, 6000] {
            let mut budget = Budget::new(per_hour, at(0));
            let asked: usize = (0..=3600).map(|second| drain(&mut budget, at(second * 1000))).sum();
            assert_eq!(asked, per_hour as usize);
            let restarted = |second: u64| {
                let begun = second / 90 * 90;
                let mut budget = Budget::new(per_hour, at(begun * 1000));
                let asked = (begun..=second).map(|second| drain(&mut budget, at(second * 1000)));
                asked.last().unwrap_or(0)
            };
            assert!((0..=3600).map(restarted).sum::<usize>() <= per_hour as usize);
        }
    }

    #[test]
    fn what_was_not_used_is_saved_for_a_minute() {
        let mut budget = Budget::new(6000, at(0));
        assert_eq!(drain(&mut budget, at(7_200_000)), 101);
        assert_eq!(drain(&mut budget, at(7_200_600)), 1);
        let mut seldom = Budget::new(1, at(0));
        assert_eq!(drain(&mut seldom, at(36_000_000)), 1);
    }

    #[test]
    fn a_clock_that_is_set_stops_nothing() {
        let mut budget = Budget::new(6000, at(100_000_000));
        assert_eq!(budget.wait(at(0)), Duration::from_millis(600));
        assert!(budget.take(at(600)));
        assert!(budget.take(at(200_000_000)));
    }
}
