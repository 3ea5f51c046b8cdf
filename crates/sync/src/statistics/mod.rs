//! Asking mailboxes what they know of their partnerships.

mod budget;
mod pace;
mod trouble;

use std::{collections::VecDeque, pin::Pin, time::Duration};

use exconn_exchange::ExchangeError;
use exconn_model::{ConnectorId, DeviceStatistics, TenantId, Timestamp};
use exconn_store::{DueMailbox, MailboxAnswer, Store, StoreError};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use self::{
    budget::Budget,
    pace::Pace,
    trouble::{Concerns, Trouble, concerns, mailbox_pause},
};
use crate::Agent;

/// Devices that are looked up in the store at once.
const SLICE: u32 = 64;
/// A mailbox that has not answered by then is passed over.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);
/// A mailbox that is being asked when there is other work has so long to answer; then it is passed over too.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// How mailboxes are asked for what they know of their devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatisticsSettings {
    /// Mailboxes that may be asked in an hour; 0 asks none.
    pub mailboxes_per_hour: u32,
    /// Mailboxes that may be asked at the same time, at least one; the connection may allow fewer.
    pub concurrency: usize,
    /// What is older is asked for again.
    pub max_age: Duration,
}

impl Default for StatisticsSettings {
    /// A mailbox every 0.6 s, and each once a day.
    fn default() -> Self {
        Self { mailboxes_per_hour: 6000, concurrency: 4, max_age: Duration::from_secs(86_400) }
    }
}

/// Keeps the statistics of one connection's devices fresh. Which mailboxes are due is read from the store each time; what
/// is remembered here only says how fast to ask.
#[derive(Debug)]
pub(crate) struct Statistics {
    settings: StatisticsSettings,
    budget: Budget,
    pace: Pace,
    trouble: Trouble,
    asked: u64,
}

/// A question that came to its end.
struct Ended {
    mailbox: DueMailbox,
    asked: Timestamp,
    answer: Result<Vec<DeviceStatistics>, ExchangeError>,
}

impl Statistics {
    pub(crate) fn new(settings: StatisticsSettings, now: Timestamp) -> Self {
        Self {
            settings,
            budget: Budget::new(settings.mailboxes_per_hour, now),
            pace: Pace::new(),
            trouble: Trouble::default(),
            asked: 0,
        }
    }

    /// Asks until nothing is due, nothing may be asked, or `stop` comes; then whatever is being asked is waited for a few
    /// seconds more. Tells whether `stop` came.
    pub(crate) async fn refresh<F: Future<Output = ()>>(
        &mut self,
        agent: &Agent,
        connector: ConnectorId,
        mut stop: Pin<&mut F>,
    ) -> Result<bool, StoreError> {
        loop {
            let now = agent.clock.now();
            if self.settings.mailboxes_per_hour == 0 || self.trouble.holds(&*agent.exchange, now) {
                return Ok(false);
            }
            let due = agent.store.due_statistics(agent.tenant, connector, now, SLICE).await?;
            if due.is_empty() {
                self.tell_progress(&agent.connection.name);
                return Ok(false);
            }
            if self.ask(agent, connector, due.into(), stop.as_mut()).await? {
                return Ok(true);
            }
        }
    }

    /// Asks these mailboxes; ends early if `stop` comes, which it tells, or Exchange has to be left alone.
    async fn ask<F: Future<Output = ()>>(
        &mut self,
        agent: &Agent,
        connector: ConnectorId,
        mut due: VecDeque<DueMailbox>,
        mut stop: Pin<&mut F>,
    ) -> Result<bool, StoreError> {
        let mut questions = JoinSet::new();
        let (hurry, hurried) = watch::channel(false);
        let mut stopped = false;
        loop {
            let now = agent.clock.now();
            let held = stopped || self.trouble.holds(&*agent.exchange, now);
            while !held
                && questions.len() < self.pace.limit(self.bound(agent), now)
                && !due.is_empty()
                && self.budget.take(now)
                && let Some(mailbox) = due.pop_front()
            {
                questions.spawn(question(agent, mailbox, now, hurried.clone()));
            }
            if questions.is_empty() && (held || due.is_empty()) {
                return Ok(stopped);
            }
            let wait = self.budget.wait(now).max(self.pace.pause(now));
            let may_ask_later = !held && !due.is_empty() && !wait.is_zero();
            tokio::select! {
                biased;
                () = stop.as_mut(), if !stopped => {
                    stopped = true;
                    hurry.send_replace(true);
                }
                Some(ended) = questions.join_next() => {
                    // One that panicked has said so; its mailbox stays due.
                    if let Ok(ended) = ended {
                        self.keep(agent, connector, ended).await?;
                    }
                }
                () = sleep(wait), if may_ask_later => {}
            }
        }
    }

    fn bound(&self, agent: &Agent) -> usize {
        self.settings.concurrency.min(agent.exchange.statistics_concurrency()).max(1)
    }

    async fn keep(&mut self, agent: &Agent, connector: ConnectorId, ended: Ended) -> Result<(), StoreError> {
        let Ended { mailbox, asked, answer } = ended;
        let (now, name, bound) = (agent.clock.now(), &agent.connection.name, self.bound(agent));
        let (store, tenant) = (&*agent.store, agent.tenant);
        let error = match answer {
            Ok(statistics) => {
                self.asked += 1;
                self.pace.answered(asked, now, bound);
                self.trouble.over();
                let next = now.after(self.settings.max_age);
                let answer = MailboxAnswer { asked: mailbox.partnerships, statistics, learned: now, next };
                return store.record_statistics(tenant, connector, answer).await;
            }
            Err(error) => error,
        };
        match concerns(&error) {
            Concerns::Pace(after) => {
                tracing::debug!(
                    connection = name,
                    after_ms = after.as_millis(),
                    "statistics wait for Exchange"
                );
                self.pace.throttled(asked, after, now);
                Ok(())
            }
            Concerns::Account => {
                if self.trouble.refused(&error, asked, now) {
                    tracing::warn!(
                        connection = name,
                        error = &error as &dyn std::error::Error,
                        "statistics stop"
                    );
                }
                Ok(())
            }
            Concerns::Connection => {
                if self.trouble.failed(now) {
                    tracing::warn!(
                        connection = name,
                        error = &error as &dyn std::error::Error,
                        "statistics pause"
                    );
                }
                postpone(store, tenant, connector, mailbox, now).await
            }
            Concerns::Mailbox => {
                tracing::debug!(
                    connection = name,
                    failures = mailbox.failures + 1,
                    error = &error as &dyn std::error::Error,
                    "a mailbox is postponed"
                );
                postpone(store, tenant, connector, mailbox, now).await
            }
        }
    }

    fn tell_progress(&mut self, connection: &str) {
        let mailboxes = std::mem::take(&mut self.asked);
        if mailboxes > 0 {
            tracing::info!(connection, mailboxes, "statistics are up to date");
        }
    }
}

/// Asks one mailbox, for so long and no longer; for less once it is `hurried`.
fn question(
    agent: &Agent,
    mailbox: DueMailbox,
    asked: Timestamp,
    mut hurried: watch::Receiver<bool>,
) -> impl Future<Output = Ended> + use<> {
    let exchange = agent.exchange.clone();
    async move {
        let late = async {
            // An error says that nobody is left who could hurry.
            let patience = match timeout(LONGEST_ANSWER, hurried.wait_for(|hurried| *hurried)).await {
                Ok(Ok(_)) => LAST_ANSWERS,
                Ok(Err(_)) | Err(_) => Duration::ZERO,
            };
            sleep(patience).await;
        };
        let answer = tokio::select! {
            biased;
            answer = exchange.statistics(&mailbox.mailbox) => answer,
            () = late => Err(ExchangeError::EndedEarly { reason: "the mailbox did not answer".to_owned() }),
        };
        Ended { mailbox, asked, answer }
    }
}

async fn postpone(
    store: &dyn Store,
    tenant: TenantId,
    connector: ConnectorId,
    mailbox: DueMailbox,
    now: Timestamp,
) -> Result<(), StoreError> {
    let until = now.after(mailbox_pause(mailbox.failures));
    store.postpone_statistics(tenant, connector, mailbox.partnerships, until).await
}
