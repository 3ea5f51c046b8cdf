//! When a connector's next sync is due.

use std::time::Duration;

use exconn_model::{SyncType, Timestamp};
use exconn_store::SyncHistory;

/// How often a connector is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// From one full sync to the next.
    pub full: Duration,
    /// From one sync to the next delta sync.
    pub delta: Duration,
}

/// What the scheduler does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Queue a sync of this kind now.
    Request(SyncType),
    /// Nothing before this moment.
    Wait(Timestamp),
    /// Nothing before the open run has ended.
    RunIsOpen,
}

const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The longest that a run's end lets Exchange be left alone.
pub(crate) const LONGEST_REST: Duration = Duration::from_secs(3600);
/// What is further ahead than it can be was told by a clock that has been set back since. By so little it does not matter.
const SET_BACK: Duration = Duration::from_secs(5 * 60);

/// How long to leave Exchange alone after so many failures in a row: 10 s, doubling up to 15 min.
pub fn pause_after(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => FIRST_PAUSE.saturating_mul(1 << (n - 1).min(10)).min(LONGEST_PAUSE),
    }
}

/// Decides from a connector's past alone, so that a restart or another process decides the same.
///
/// A full sync that fails, or is held for a person, does not stop delta syncs: each kind has its own pause. What a refused
/// account waits for is over when its secret was renewed; the pause after so many failures is not. Nothing is waited for on
/// the word of a clock that has been set back: what was done after now may be due again at once.
pub fn next(history: &SyncHistory, intervals: Intervals, secret_renewed: bool, now: Timestamp) -> Next {
    if history.open {
        return Next::RunIsOpen;
    }
    let latest_believed = now.after(SET_BACK);
    let past = |moment: Option<Timestamp>| moment.filter(|at| *at <= latest_believed);
    let full =
        due(past(history.last_full), intervals.full, past(history.last_full_finished), history.full_failures);
    let delta = history.last_full.map(|_| {
        due(past(history.last_success), intervals.delta, past(history.last_finished), history.failures)
    });
    let not_before = history
        .not_before
        .filter(|at| !secret_renewed && *at <= latest_believed.after(LONGEST_REST))
        .unwrap_or(Timestamp::UNSET);
    let (full, delta) = (full.max(not_before), delta.map(|at| at.max(not_before)));
    if full <= now {
        Next::Request(SyncType::Full)
    } else if let Some(delta) = delta {
        if delta <= now { Next::Request(SyncType::Delta) } else { Next::Wait(full.min(delta)) }
    } else {
        Next::Wait(full)
    }
}

fn due(
    success: Option<Timestamp>,
    interval: Duration,
    finished: Option<Timestamp>,
    failures: u32,
) -> Timestamp {
    let by_interval = success.map_or(Timestamp::UNSET, |at| at.after(interval));
    let by_pause = finished.map_or(Timestamp::UNSET, |at| at.after(pause_after(failures)));
    by_interval.max(by_pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVALS: Intervals =
        Intervals { full: Duration::from_secs(86_400), delta: Duration::from_secs(60) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    fn synced() -> SyncHistory {
        SyncHistory {
            last_full: Some(at(0)),
            last_success: Some(at(0)),
            last_finished: Some(at(0)),
            last_full_finished: Some(at(0)),
            ..SyncHistory::default()
        }
    }

    #[test]
    fn a_new_connector_gets_a_full_sync_at_once() {
        assert_eq!(next(&SyncHistory::default(), INTERVALS, false, at(0)), Next::Request(SyncType::Full));
    }

    #[test]
    fn deltas_follow_their_interval_and_a_full_one_its_own() {
        assert_eq!(next(&synced(), INTERVALS, false, at(59)), Next::Wait(at(60)));
        assert_eq!(next(&synced(), INTERVALS, false, at(60)), Next::Request(SyncType::Delta));
        let history = SyncHistory { last_success: Some(at(86_390)), ..synced() };
        assert_eq!(next(&history, INTERVALS, false, at(86_391)), Next::Wait(at(86_400)));
        assert_eq!(next(&history, INTERVALS, false, at(86_400)), Next::Request(SyncType::Full));
    }

    #[test]
    fn an_open_run_is_waited_for() {
        let history = SyncHistory { open: true, ..synced() };
        assert_eq!(next(&history, INTERVALS, false, at(1_000_000)), Next::RunIsOpen);
    }

    #[test]
    fn failures_are_followed_by_growing_pauses() {
        let failed = SyncHistory {
            last_finished: Some(at(0)),
            failures: 2,
            last_full_finished: Some(at(0)),
            full_failures: 2,
            ..SyncHistory::default()
        };
        assert_eq!(next(&failed, INTERVALS, false, at(0)), Next::Wait(at(20)));
        assert_eq!(next(&failed, INTERVALS, false, at(20)), Next::Request(SyncType::Full));
        assert_eq!(pause_after(1), Duration::from_secs(10));
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_held_full_sync_does_not_stop_deltas() {
        let held = SyncHistory {
            last_success: Some(at(86_400)),
            last_full_finished: Some(at(86_410)),
            full_failures: 3,
            last_finished: Some(at(86_410)),
            failures: 1,
            ..synced()
        };
        assert_eq!(next(&held, INTERVALS, false, at(86_430)), Next::Wait(at(86_450)));
        let later = SyncHistory { last_success: Some(at(86_380)), ..held };
        assert_eq!(next(&later, INTERVALS, false, at(86_445)), Next::Request(SyncType::Delta));
    }

    #[test]
    fn exchange_is_left_alone_as_long_as_it_asked() {
        let history = SyncHistory { not_before: Some(at(500)), ..synced() };
        assert_eq!(next(&history, INTERVALS, false, at(100)), Next::Wait(at(500)));
        assert_eq!(next(&history, INTERVALS, false, at(500)), Next::Request(SyncType::Delta));
    }

    #[test]
    fn nothing_waits_for_a_clock_that_was_set_back() {
        let year = 365 * 86_400;
        let ahead = SyncHistory {
            last_full: Some(at(year)),
            last_success: Some(at(year)),
            last_finished: Some(at(year)),
            last_full_finished: Some(at(year)),
            ..SyncHistory::default()
        };
        assert_eq!(next(&ahead, INTERVALS, false, at(0)), Next::Request(SyncType::Full));
        let failed = SyncHistory { failures: 9, full_failures: 9, not_before: Some(at(year)), ..ahead };
        assert_eq!(next(&failed, INTERVALS, false, at(0)), Next::Request(SyncType::Full));
        let a_little = SyncHistory { last_full: Some(at(2)), last_success: Some(at(2)), ..synced() };
        assert_eq!(
            next(&a_little, INTERVALS, false, at(0)),
            Next::Wait(at(62)),
            "clocks are corrected every day"
        );
    }

    #[test]
    fn a_renewed_secret_is_tried_at_once() {
        let refused =
            SyncHistory { not_before: Some(at(3700)), failures: 3, last_finished: Some(at(100)), ..synced() };
        assert_eq!(next(&refused, INTERVALS, false, at(200)), Next::Wait(at(3700)));
        assert_eq!(next(&refused, INTERVALS, true, at(139)), Next::Wait(at(140)), "one that helps nothing");
        assert_eq!(next(&refused, INTERVALS, true, at(140)), Next::Request(SyncType::Delta));
    }
}
