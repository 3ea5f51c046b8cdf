//! Which of an organisation's servers is asked.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use exconn_model::Timestamp;

use super::link::Link;
use crate::ExchangeError;

/// How long the preferred server is left alone after it failed. It is tried first again after that, whatever came between.
const RETURN_AFTER: Duration = Duration::from_secs(600);

/// The servers of one organisation, the preferred one first, and which of them is in use.
#[derive(Debug)]
pub(super) struct Servers {
    links: Vec<Arc<Link>>,
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    /// The server that the last runspace was opened at.
    in_use: Option<usize>,
    /// When the preferred one failed, until it works again.
    left_at: Option<Timestamp>,
}

impl Standing {
    /// A failure in the future is one from before the clock was set back.
    fn is_preferred_left_alone(&self, now: Timestamp) -> bool {
        self.left_at.is_some_and(|left_at| left_at <= now && now < left_at.after(RETURN_AFTER))
    }
}

impl Servers {
    /// `links` holds at least one.
    pub(super) fn new(links: Vec<Arc<Link>>) -> Self {
        Self { links, standing: Mutex::default() }
    }

    /// All of them, the preferred one first.
    pub(super) fn all(&self) -> &[Arc<Link>] {
        &self.links
    }

    /// In which order to try them for a new runspace.
    pub(super) fn order(&self, now: Timestamp) -> Vec<(usize, Arc<Link>)> {
        let standing = self.standing();
        let start = if standing.is_preferred_left_alone(now) { standing.in_use.unwrap_or(0) } else { 0 };
        let numbered = || self.links.iter().cloned().enumerate();
        numbered().skip(start).chain(numbered().take(start)).collect()
    }

    /// Whether a runspace at this server is to be given up, because the preferred one is worth another try.
    pub(super) fn is_outdated(&self, number: usize, now: Timestamp) -> bool {
        number != 0 && !self.standing().is_preferred_left_alone(now)
    }

    /// A runspace was opened at this server.
    pub(super) fn works(&self, number: usize) {
        let mut standing = self.standing();
        let before = standing.in_use.replace(number);
        if number == 0 {
            standing.left_at = None;
        }
        if let Some(link) = self.links.get(number).filter(|_| before != Some(number)) {
            let server = link.target.endpoint();
            tracing::info!(server, preferred = number == 0, "this Exchange server is in use");
        }
    }

    /// No runspace could be opened at this server.
    pub(super) fn failed(&self, number: usize, now: Timestamp, error: &ExchangeError) {
        if number == 0 {
            self.standing().left_at = Some(now);
        }
        if self.links.len() > 1
            && let Some(link) = self.links.get(number)
        {
            let server = link.target.endpoint();
            tracing::warn!(server, %error, "this Exchange server cannot be used; the next one is tried");
        }
    }

    fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_server_is_left_alone_for_a_while_and_not_for_a_clock_that_was_wrong() {
        let failed = Timestamp::from_unix_seconds(1_800_000_000);
        let standing = Standing { in_use: Some(1), left_at: Some(failed) };
        let is_left_alone = |at| standing.is_preferred_left_alone(at);
        assert!(is_left_alone(failed) && is_left_alone(failed.after(RETURN_AFTER - Duration::from_secs(1))));
        assert!(!is_left_alone(failed.after(RETURN_AFTER)));
        assert!(!is_left_alone(failed.before(Duration::from_secs(86_400))), "the clock was a day ahead");
    }
}
