use std::{
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

/// The slowest pace, in requests per second.
const SLOWEST: f64 = 1.0 / 60.0;
/// The fastest pace, as a multiple of the first one.
const FASTEST: f64 = 10.0;
/// What a success adds, as a share of the first pace.
const STEP: f64 = 0.02;

/// A pace that finds its measure: a refusal halves it, each success adds a little (additive increase, multiplicative
/// decrease). The service publishes no number.
#[derive(Debug)]
struct Pace {
    first: f64,
    per_second: f64,
}

impl Pace {
    fn new(per_second: f64) -> Self {
        Self { first: per_second, per_second }
    }

    fn succeeded(&mut self) {
        self.per_second = (self.per_second + self.first * STEP).min(self.first * FASTEST);
    }

    fn refused(&mut self) {
        self.per_second = (self.per_second / 2.0).max(SLOWEST);
    }

    /// Time between the starts of two requests.
    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second)
    }
}

/// Lets requests about single mailboxes through: so many at a time, and each some time after the one before.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    turn: Arc<Mutex<()>>,
    pace: StdMutex<Pace>,
}

impl Gate {
    pub(super) fn new(concurrency: usize, per_second: f64) -> Self {
        Self {
            places: Arc::new(Semaphore::new(concurrency)),
            turn: Arc::default(),
            pace: StdMutex::new(Pace::new(per_second)),
        }
    }

    /// A place among the requests under way, which is given back when it is dropped.
    pub(super) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.places.clone().acquire_owned().await.ok()
    }

    /// Waits until the next request may start.
    pub(super) async fn turn(&self) {
        let turn = self.turn.clone().lock_owned().await;
        let interval = self.pace.lock().unwrap_or_else(PoisonError::into_inner).interval();
        // The turn is kept until the next one may begin, so no clock needs to be read.
        tokio::spawn(async move {
            sleep(interval).await;
            drop(turn);
        });
    }

    /// A request was answered.
    pub(super) fn succeeded(&self) {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).succeeded();
    }

    /// A request was refused because there were too many.
    pub(super) fn refused(&self) {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).refused();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_halves_the_pace_and_success_raises_it_within_bounds() {
        let mut pace = Pace::new(1.0);
        assert_eq!(pace.interval(), Duration::from_secs(1));
        pace.refused();
        assert_eq!(pace.interval(), Duration::from_secs(2));
        for _ in 0..25 {
            pace.succeeded();
        }
        assert!((pace.per_second - 1.0).abs() < 1e-9);
        for _ in 0..1000 {
            pace.succeeded();
        }
        assert_eq!(pace.interval(), Duration::from_millis(100));
        for _ in 0..100 {
            pace.refused();
        }
        assert_eq!(pace.interval(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn turns_keep_their_distance_and_places_are_few() {
        let gate = Gate::new(2, 4.0);
        gate.turn().await;
        let soon = tokio::time::timeout(Duration::from_millis(10), gate.turn()).await;
        assert!(soon.is_err());
        gate.turn().await;
        let (first, second) = (gate.enter().await, gate.enter().await);
        assert!(first.is_some() && second.is_some());
        assert!(tokio::time::timeout(Duration::from_millis(10), gate.enter()).await.is_err());
        drop(first);
        assert!(gate.enter().await.is_some());
    }
}
