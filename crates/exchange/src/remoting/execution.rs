//! One cmdlet on its way: begun, begun again where that is safe, and ended.

use exconn_psrp::Sink;
use tokio::time::sleep;

use super::{
    cmdlets::Cmdlet,
    failure::{Remedy, Setback},
    patience::{Rebuilds, Waits},
    runspaces::Lease,
    sink::Rows,
};
use crate::{ExchangeError, rows::Mapper};

/// A cmdlet that runs in a leased runspace.
pub(super) struct Execution<M: Mapper> {
    pub(super) lease: Lease,
    pub(super) rows: Rows<M>,
    cmdlet: Cmdlet,
    begun: bool,
    rebuilds: Rebuilds,
    waits: Waits,
}

impl<M> Execution<M>
where
    M: Mapper + Send,
    M::Row: Send,
{
    pub(super) fn new(lease: Lease, cmdlet: Cmdlet) -> Self {
        Self {
            lease,
            rows: Rows::default(),
            cmdlet,
            begun: false,
            rebuilds: Rebuilds::default(),
            waits: Waits::default(),
        }
    }

    /// Takes one answer. A shell or connection that is lost before the cmdlet brought anything is replaced, and the cmdlet
    /// begun again, if it only reads or the server cannot have started it.
    pub(super) async fn step(&mut self) -> Result<(), ExchangeError> {
        loop {
            let Err(setback) = self.attempt().await else { return Ok(()) };
            self.recover(setback).await?;
        }
    }

    async fn attempt(&mut self) -> Result<(), Setback> {
        let shell = self.lease.open().await?;
        if !self.begun {
            shell.invoke(&self.cmdlet)?;
            self.begun = true;
        }
        shell.step(&mut self.rows).await
    }

    /// Makes ready for another attempt, or tells why there is none.
    async fn recover(&mut self, setback: Setback) -> Result<(), ExchangeError> {
        let may_have_run = self.begun && self.lease.shell().is_some_and(|shell| shell.may_have_run());
        let repeatable = self.rows.taken == 0 && (self.cmdlet.reads() || !may_have_run);
        let pause = match setback.remedy {
            Remedy::Later(wait) if repeatable && self.waits.admit(wait) => Some(wait),
            // A server that never let us in is left to whoever asks next: nothing was lost there.
            Remedy::Rebuild | Remedy::Elsewhere if repeatable && self.lease.was_open() => {
                let entropy = self.lease.entropy();
                self.rebuilds.next(entropy.as_ref())
            }
            _ => None,
        };
        let Some(pause) = pause else {
            self.lease.end().await;
            return Err(setback.error);
        };
        tracing::debug!(error = %setback.error, cmdlet = self.cmdlet.name(), ?pause, "the cmdlet is begun again");
        self.lease.give_up();
        self.begun = false;
        self.rows = Rows::default();
        sleep(pause).await;
        Ok(())
    }

    /// Whether the cmdlet has ended.
    ///
    /// # Errors
    /// If it did not end well, or reported an error or a cut on its way.
    pub(super) fn has_ended(&mut self) -> Result<bool, ExchangeError> {
        self.rows.check(self.cmdlet.name())?;
        let outcome = self.lease.shell().filter(|_| self.begun).and_then(|shell| shell.outcome());
        outcome.transpose().map(|outcome| outcome.is_some())
    }

    /// Sends the next request without waiting for its answer.
    pub(super) fn send(&mut self) {
        if let Some(shell) = self.lease.shell() {
            shell.send();
        }
    }

    /// Makes the runspace free for the next cmdlet after this one has ended. If that fails, it is deleted instead.
    pub(super) async fn free(&mut self) {
        let Some(shell) = self.lease.shell() else { return };
        if shell.has_ended()
            && let Err(setback) = shell.step(&mut self.rows).await
        {
            tracing::debug!(error = %setback.error, "a runspace cannot be used again");
        }
    }

    /// Runs a cmdlet that returns few objects to its end, also after it reported an error, so that the runspace can be used
    /// again.
    pub(super) async fn complete(&mut self) -> Result<Vec<M::Row>, ExchangeError> {
        loop {
            self.step().await?;
            if self.lease.shell().is_some_and(|shell| shell.has_ended()) {
                break;
            }
        }
        let failure = self.lease.shell().and_then(|shell| shell.failure().cloned());
        if let Some(record) = failure {
            self.rows.error_record(record);
        }
        let ended = self.has_ended();
        self.free().await;
        ended.map(|_| std::mem::take(&mut self.rows.rows))
    }
}
