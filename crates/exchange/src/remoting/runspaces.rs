//! The runspaces of one organisation: few, used again, and always given back.
//!
//! An idle runspace is not kept alive by polls. A poll that hangs at the server occupies one of the account's requests there
//! and a connection that front ends cut at will, for nothing: exconn asks at least once within its idle time as long as
//! syncs run, and what rests longer is deleted well before Exchange would end it. A runspace that the server gave up in
//! the meantime is noticed by its next command and replaced.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use exconn_model::{Clock, Entropy, Timestamp};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    cmdlets,
    config::RemotingConfig,
    failure::Setback,
    servers::Servers,
    shell::{Gate, Shell},
    sink::Rows,
};
use crate::{ExchangeError, rows::Ignored};

/// How long anything is held back for shells to be given back.
const GIVING_BACK: Duration = Duration::from_secs(5);
/// The same at the end of the process.
const LAST_GIVING_BACK: Duration = Duration::from_secs(8);

/// All runspaces of one organisation.
pub(super) struct Runspaces {
    pub(super) servers: Servers,
    pub(super) config: RemotingConfig,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) clock: Arc<dyn Clock>,
    gate: Gate,
    /// Gives leases in the order in which they were asked for.
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    next_id: AtomicU64,
    /// How many shells are being deleted, by server.
    closing: Arc<watch::Sender<Vec<usize>>>,
    /// Whether it is known that the account sees one domain only.
    narrow: AtomicBool,
}

/// A runspace that waits for its next use.
struct Idle {
    id: u64,
    shell: Box<Shell>,
    since: Timestamp,
    runtime: Handle,
    /// Deletes it when its time is over.
    timer: AbortHandle,
}

impl fmt::Debug for Runspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runspaces").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Runspaces {
    pub(super) fn new(
        servers: Servers,
        config: RemotingConfig,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let none_closing = vec![0; servers.all().len()];
        Arc::new(Self {
            servers,
            free: Arc::new(Semaphore::new(config.max_runspaces)),
            config,
            entropy,
            clock,
            gate: Gate::default(),
            idle: Mutex::default(),
            next_id: AtomicU64::new(0),
            closing: Arc::new(watch::Sender::new(none_closing)),
            narrow: AtomicBool::new(false),
        })
    }

    /// Waits for a free runspace. What is leased may not be open yet.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, ExchangeError> {
        let waited = self.config.runspace_wait;
        let limit = self.config.max_runspaces;
        let permit = match timeout(waited, self.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(ExchangeError::RunspacesBusy { limit, waited }),
        };
        let shell = self.take_idle();
        Ok(Lease { shell, lost: false, pool: self.clone(), runtime: Handle::current(), _permit: permit })
    }

    /// The runspace that was used last, unless it is too old or at a server that only stands in.
    fn take_idle(self: &Arc<Self>) -> Option<Box<Shell>> {
        let now = self.clock.now();
        loop {
            let idle = self.idle().pop()?;
            idle.timer.abort();
            // A machine that slept has timers that are late; its clock is not.
            let is_old = now.since(idle.since) >= self.config.idle_session;
            if !is_old && !self.servers.is_outdated(idle.shell.server, now) {
                return Some(idle.shell);
            }
            self.delete(idle.shell, &idle.runtime);
        }
    }

    fn keep(self: &Arc<Self>, shell: Box<Shell>, runtime: &Handle) {
        let limit = self.config.idle_session;
        if limit.is_zero() {
            return self.delete(shell, runtime);
        }
        let (id, pool) = (self.next_id.fetch_add(1, Ordering::Relaxed), Arc::downgrade(self));
        let timer = runtime.spawn(expire(pool, id, limit)).abort_handle();
        let since = self.clock.now();
        self.idle().push(Idle { id, shell, since, runtime: runtime.clone(), timer });
    }

    /// Deletes a shell in the background.
    fn delete(&self, shell: Box<Shell>, runtime: &Handle) {
        let underway = Underway::new(self.closing.clone(), shell.server);
        runtime.spawn(async move {
            shell.close().await;
            drop(underway);
        });
    }

    /// Deletes the idle ones in the background.
    fn delete_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for Idle { shell, runtime, timer, .. } in idle {
            timer.abort();
            self.delete(shell, &runtime);
        }
    }

    /// Whether a shell is being deleted at this server.
    fn is_closing(&self, server: usize) -> bool {
        self.closing.borrow().get(server).is_some_and(|count| *count > 0)
    }

    /// Waits until no shell is being deleted at this server.
    async fn deleted(&self, server: usize, bound: Duration) {
        let mut closing = self.closing.subscribe();
        let none = closing.wait_for(|underway| underway.get(server).is_none_or(|count| *count == 0));
        // Nobody can act on a shell that could not be given back in time; the log tells.
        let _ = timeout(bound, none).await;
    }

    /// Deletes what is idle, and waits for that.
    pub(super) async fn close(&self) {
        self.delete_idle();
        let mut closing = self.closing.subscribe();
        let none = closing.wait_for(|underway| underway.iter().all(|count| *count == 0));
        let _ = timeout(LAST_GIVING_BACK, none).await;
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Runspaces {
    fn drop(&mut self) {
        self.delete_idle();
    }
}

/// Deletes a runspace that is still idle after its time.
async fn expire(pool: Weak<Runspaces>, id: u64, limit: Duration) {
    sleep(limit).await;
    let Some(pool) = pool.upgrade() else { return };
    let mut idle = pool.idle();
    let Some(at) = idle.iter().position(|one| one.id == id) else { return };
    let Idle { shell, runtime, .. } = idle.swap_remove(at);
    drop(idle);
    pool.delete(shell, &runtime);
}

/// Counts one shell that is being deleted, for as long as it lives.
struct Underway {
    counts: Arc<watch::Sender<Vec<usize>>>,
    server: usize,
}

impl Underway {
    fn new(counts: Arc<watch::Sender<Vec<usize>>>, server: usize) -> Self {
        counts.send_modify(|counts| counts.iter_mut().skip(server).take(1).for_each(|count| *count += 1));
        Self { counts, server }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let server = self.server;
        self.counts
            .send_modify(|counts| counts.iter_mut().skip(server).take(1).for_each(|count| *count -= 1));
    }
}

/// A runspace in use by one caller. Whatever happens, it goes back: to those that wait if it is free for another command,
/// else it is deleted.
pub(super) struct Lease {
    shell: Option<Box<Shell>>,
    /// Whether a shell was opened for this lease and lost.
    lost: bool,
    pool: Arc<Runspaces>,
    runtime: Handle,
    // Dropped last: who gets it finds the runspace already given back.
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// The shell, if there is one.
    pub(super) fn shell(&mut self) -> Option<&mut Shell> {
        self.shell.as_deref_mut()
    }

    /// The shell; one is opened at the first server that lets us in if there is none.
    pub(super) async fn open(&mut self) -> Result<&mut Shell, Setback> {
        if self.shell.is_none() {
            self.open_anywhere().await?;
        }
        let over = || ExchangeError::EndedEarly { reason: "the runspace was given back".into() };
        self.shell().ok_or_else(|| over().into())
    }

    async fn open_anywhere(&mut self) -> Result<(), Setback> {
        let now = self.pool.clock.now();
        let mut first = None;
        for (number, _) in self.pool.servers.order(now) {
            let setback = match self.open_at(number).await {
                Ok(()) => {
                    self.pool.servers.works(number);
                    return Ok(());
                }
                Err(setback) => setback,
            };
            if !setback.another_server_may_do() {
                self.give_up();
                return Err(setback);
            }
            self.pool.servers.failed(number, now, &setback.error);
            self.give_up();
            first.get_or_insert(setback);
        }
        Err(first.unwrap_or_else(|| {
            let reason = "no server is configured".into();
            ExchangeError::EndedEarly { reason }.into()
        }))
    }

    /// Opens a shell at one server, and nowhere else. On an error the shell, as far as there is one, is still leased.
    pub(super) async fn open_at(&mut self, number: usize) -> Result<(), Setback> {
        // Else there would be more shells at the server than exconn may have.
        self.pool.deleted(number, GIVING_BACK).await;
        let opened = self.try_open_at(number).await;
        if !matches!(opened, Err(Setback { error: ExchangeError::ShellLimit { .. }, .. })) {
            return opened;
        }
        // Own shells come first: those that are idle, and those that are still being deleted.
        self.give_up();
        self.pool.delete_idle();
        if !self.pool.is_closing(number) {
            return opened;
        }
        self.pool.deleted(number, GIVING_BACK).await;
        self.try_open_at(number).await
    }

    async fn try_open_at(&mut self, number: usize) -> Result<(), Setback> {
        let pool = &self.pool;
        let Some(link) = pool.servers.all().get(number).cloned() else {
            let reason = format!("there is no server {number}");
            return Err(ExchangeError::EndedEarly { reason }.into());
        };
        let (entropy, clock) = (pool.entropy.clone(), pool.clock.clone());
        let shell = Shell::new((number, link), &pool.config, entropy, clock, pool.gate.clone());
        // It is leased before it exists at the server, so that it is deleted there even if nobody waits any more.
        let shell = self.shell.insert(Box::new(shell));
        let cmdlet = cmdlets::view_entire_forest();
        let mut rows = Rows::<Ignored>::default();
        shell.invoke(&cmdlet)?;
        while !shell.has_ended() {
            shell.step(&mut rows).await?;
        }
        let outcome = shell.outcome().unwrap_or(Ok(())).and_then(|()| rows.check(cmdlet.name()));
        shell.step(&mut rows).await?;
        match outcome {
            Err(error @ ExchangeError::NotPermitted { .. }) => {
                if !pool.narrow.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "devices of recipients in other domains than the server's own are not seen");
                }
                Ok(())
            }
            // A session that sees one domain by chance would take the devices of all others for removed.
            outcome => {
                pool.narrow.store(false, Ordering::Relaxed);
                outcome.map_err(Setback::from)
            }
        }
    }

    /// Where chance comes from.
    pub(super) fn entropy(&self) -> Arc<dyn Entropy> {
        self.pool.entropy.clone()
    }

    /// Whether the account sees the recipients of one domain only, as far as that is known.
    pub(super) fn is_narrow(&self) -> bool {
        self.pool.narrow.load(Ordering::Relaxed)
    }

    /// Deletes the shell in the background. The lease goes on: the next [`open`](Self::open) opens another one.
    pub(super) fn give_up(&mut self) {
        if let Some(shell) = self.shell.take() {
            self.lost |= shell.is_created();
            self.pool.delete(shell, &self.runtime);
        }
    }

    /// Whether there is or was an open shell, so that what went wrong may be the loss of it.
    pub(super) fn was_open(&self) -> bool {
        self.lost || self.shell.as_ref().is_some_and(|shell| shell.is_created())
    }

    /// Deletes the shell unless it is free, and waits a little for that.
    pub(super) async fn end(&mut self) {
        let busy = self.shell().filter(|shell| !shell.is_free()).map(|shell| shell.server);
        if let Some(server) = busy {
            self.give_up();
            self.pool.deleted(server, GIVING_BACK).await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.shell.take() {
            Some(shell) if shell.is_free() => self.pool.keep(shell, &self.runtime),
            Some(shell) => self.pool.delete(shell, &self.runtime),
            None => {}
        }
    }
}
