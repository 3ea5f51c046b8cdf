use std::time::Duration;

use exconn_model::Timestamp;

/// An answer that takes less says that Exchange could bear more questions.
const QUICK: Duration = Duration::from_secs(5);
/// An answer that takes longer says that Exchange is asked too much.
const SLOW: Duration = Duration::from_secs(15);
/// The longest pause that Exchange is granted at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How many questions Exchange bears at the same time: one more after as many quick answers in a row as there are
/// questions, half as many when it slows down or asks to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    limit: usize,
    quick: usize,
    /// Slowness of questions from before says nothing of the lower limit.
    halved: Timestamp,
    resume: Timestamp,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { limit: 1, quick: 0, halved: Timestamp::UNSET, resume: Timestamp::UNSET }
    }

    /// Questions that may be under way now, at most `bound`.
    pub(super) fn limit(&self, bound: usize, now: Timestamp) -> usize {
        if self.pause(now).is_zero() { self.limit.min(bound) } else { 0 }
    }

    /// How long Exchange wants to be left alone.
    pub(super) fn pause(&self, now: Timestamp) -> Duration {
        let pause = self.resume.since(now);
        // What is longer was granted by a clock that has been set back since.
        if pause > LONGEST_PAUSE { Duration::ZERO } else { pause }
    }

    /// A question was answered; there may be `bound` at the same time.
    pub(super) fn answered(&mut self, asked: Timestamp, now: Timestamp, bound: usize) {
        let took = now.since(asked);
        if took >= SLOW {
            self.halve(asked, now);
        } else if took >= QUICK {
            self.quick = 0;
        } else {
            self.quick += 1;
            if self.quick >= self.limit && self.limit < bound {
                self.limit += 1;
                self.quick = 0;
            }
        }
    }

    /// Exchange asked to wait.
    pub(super) fn throttled(&mut self, asked: Timestamp, after: Duration, now: Timestamp) {
        self.halve(asked, now);
        self.resume = self.resume.max(now.after(after.min(LONGEST_PAUSE)));
    }

    fn halve(&mut self, asked: Timestamp, now: Timestamp) {
        self.quick = 0;
        if asked >= self.halved {
            self.limit = (self.limit / 2).max(1);
            self.halved = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    /// An answer that took so many seconds.
    fn answered(pace: &mut Pace, took: i64, now: i64, bound: usize) {
        pace.answered(at(now - took), at(now), bound);
    }

    #[test]
    fn quick_answers_let_it_grow_up_to_the_bound() {
        let mut pace = Pace::new();
        let mut limits = Vec::new();
        for number in 0..12 {
            limits.push(pace.limit(4, at(number)));
            answered(&mut pace, 1, number, 4);
        }
        assert_eq!(limits, [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4]);
        assert_eq!(pace.limit(2, at(20)), 2, "a bound that was lowered holds at once");
    }

    #[test]
    fn each_answer_has_its_effect() {
        for (took, limit_after_three) in [(0, 5), (4, 5), (5, 4), (14, 4), (15, 2), (600, 2)] {
            let mut pace = Pace { limit: 4, quick: 3, ..Pace::new() };
            answered(&mut pace, took, 1000, 8);
            assert_eq!(pace.limit(8, at(1000)), limit_after_three, "{took} s");
        }
    }

    #[test]
    fn what_was_asked_together_halves_once() {
        let mut pace = Pace { limit: 8, ..Pace::new() };
        for _ in 0..8 {
            pace.answered(at(0), at(20), 8);
        }
        assert_eq!(pace.limit(8, at(20)), 4);
        pace.answered(at(20), at(40), 8);
        assert_eq!(pace.limit(8, at(40)), 2);
        for asked in [40, 60, 80] {
            pace.answered(at(asked), at(asked + 20), 8);
        }
        assert_eq!(pace.limit(8, at(100)), 1, "never less than one");
    }

    #[test]
    fn it_waits_as_long_as_exchange_asks() {
        let mut pace = Pace { limit: 8, ..Pace::new() };
        pace.throttled(at(0), Duration::from_secs(90), at(10));
        pace.throttled(at(0), Duration::from_secs(5), at(11));
        assert_eq!(pace.limit(8, at(99)), 0);
        assert_eq!(pace.pause(at(99)), Duration::from_secs(1));
        assert_eq!(pace.limit(8, at(100)), 4);
        assert_eq!(pace.pause(at(100)), Duration::ZERO);
        pace.throttled(at(100), Duration::MAX, at(101));
        assert_eq!(pace.pause(at(101)), LONGEST_PAUSE);
        assert_eq!(
            (pace.pause(at(0)), pace.limit(8, at(0))),
            (Duration::ZERO, 2),
            "a clock that was set back"
        );
    }
}
