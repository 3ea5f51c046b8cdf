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
        let start = match standing.left_at {
            Some(left_at) if now < left_at.after(RETURN_AFTER) => standing.in_use.unwrap_or(0),
            _ => 0,
        };
        let numbered = || self.links.iter().cloned().enumerate();
        numbered().skip(start).chain(numbered().take(start)).collect()
    }

    /// Whether a runspace at this server is to be given up, because the preferred one is worth another try.
    pub(super) fn is_outdated(&self, number: usize, now: Timestamp) -> bool {
        let left_at = self.standing().left_at;
        number != 0 && left_at.is_none_or(|left_at| now >= left_at.after(RETURN_AFTER))
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
