use std::time::Duration;

use exconn_exchange::{Exchange, ExchangeError};
use exconn_model::Timestamp;

use crate::{
    failure::REFUSED_PAUSE,
    schedule::{LONGEST_REST, pause_after},
};

const FIRST_MAILBOX_PAUSE: Duration = Duration::from_secs(5 * 60);
const BUSY_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_MAILBOX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// What a failed question says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concerns {
    /// Exchange wants to be asked later.
    Pace(Duration),
    /// The account is not let in; trying on could lock it out.
    Account,
    /// Nothing can be asked through this connection.
    Connection,
    /// This mailbox alone, for instance because there is none, or its server is away.
    Mailbox,
}

pub(super) fn concerns(error: &ExchangeError) -> Concerns {
    match error {
        ExchangeError::Throttled { after } => Concerns::Pace(*after),
        // Others hold the runspaces, for a while that nobody knows.
        ExchangeError::ShellLimit { .. } | ExchangeError::RunspacesBusy { .. } => Concerns::Pace(BUSY_PAUSE),
        ExchangeError::CredentialsRefused { .. }
        | ExchangeError::CredentialsHeld { .. }
        | ExchangeError::PasswordExpired { .. }
        | ExchangeError::AccountLocked { .. }
        | ExchangeError::PasswordUnavailable { .. } => Concerns::Account,
        ExchangeError::Unreachable { .. }
        | ExchangeError::Tls { .. }
        | ExchangeError::ClockSkew { .. }
        | ExchangeError::ServiceUnknown { .. }
        | ExchangeError::TicketRefused { .. }
        | ExchangeError::ApplicationRefused { .. }
        | ExchangeError::WrongEndpoint { .. }
        | ExchangeError::NotPermitted { .. }
        | ExchangeError::ReadOnly => Concerns::Connection,
        ExchangeError::CookieRefused { .. }
        | ExchangeError::ProtocolViolated { .. }
        | ExchangeError::EndedEarly { .. } => Concerns::Mailbox,
    }
}

/// How long a mailbox that could not be asked is left alone, after so many failures before: 5 min, doubling up to a day.
pub(super) fn mailbox_pause(failures_before: u32) -> Duration {
    FIRST_MAILBOX_PAUSE.saturating_mul(1 << failures_before.min(16)).min(LONGEST_MAILBOX_PAUSE)
}

/// Why no mailbox is asked at all for a while.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    failures: u32,
    until: Option<Timestamp>,
    /// When the question was asked whose account was refused.
    refused: Option<Timestamp>,
}

impl Trouble {
    /// Whether nothing may be asked now. A secret that was renewed ends what a refused one began.
    pub(super) fn holds(&mut self, exchange: &dyn Exchange, now: Timestamp) -> bool {
        let renewed = || self.refused.is_some_and(|refused| exchange.secrets_changed_since(refused));
        // What lies further ahead was told by a clock that has been set back since.
        let is_ahead = |until: Timestamp| now < until && until <= now.after(LONGEST_REST);
        let holds = self.until.is_some_and(is_ahead) && !renewed();
        if !holds {
            (self.until, self.refused) = (None, None);
        }
        holds
    }

    /// The account was refused; tells whether that is news.
    pub(super) fn refused(&mut self, error: &ExchangeError, asked: Timestamp, now: Timestamp) -> bool {
        let is_news = self.until.is_none();
        let until = match error {
            ExchangeError::CredentialsHeld { until, .. } => (*until).min(now.after(LONGEST_REST)),
            ExchangeError::PasswordUnavailable { .. } => now.after(pause_after(1)),
            _ => now.after(REFUSED_PAUSE),
        };
        (self.until, self.refused) = (Some(until), Some(asked));
        is_news
    }

    /// The connection failed; tells whether that is news.
    pub(super) fn failed(&mut self, now: Timestamp) -> bool {
        let is_news = self.failures == 0;
        // What was asked together fails together, and counts once.
        if self.until.is_none() {
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now.after(pause_after(self.failures)));
        }
        is_news
    }

    /// A question was answered.
    pub(super) fn over(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_asked_ever_more_seldom() {
        let minutes: Vec<u64> = (0..10).map(|before| mailbox_pause(before).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440]);
        assert_eq!(mailbox_pause(u32::MAX), LONGEST_MAILBOX_PAUSE);
    }
}
