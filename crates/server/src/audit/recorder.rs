use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use exconn_model::{AuditActor, AuditEntry, AuditId, AuditOutcome, Clock, Entropy, TenantId, Timestamp};
use exconn_store::Store;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

/// Entries that wait to be written.
const MAX_WAITING: usize = 1024;
/// Entries of one transaction.
const BATCH: usize = 256;
/// Entries of one source that are recorded at once.
const BURST: u64 = 200;
/// Entries of one source that are recorded each second in the long run.
const RATE: u64 = 20;
/// How long entries gather before the next transaction: under a flood, a few writes a second and not one for each.
const GATHERING: Duration = Duration::from_millis(250);
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Failures of the store after which the last entries are given up.
const LAST_ATTEMPTS: u32 = 3;

/// Writes entries that belong to no change, behind the requests' backs. A flood of refusals neither waits for the
/// database nor fills it: what is too much is counted, and the count is written instead.
pub(crate) struct Recorder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tenant: TenantId,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

enum Written {
    Nothing,
    /// A batch, and more may wait.
    Batch,
    /// The store failed: the batch is lost, and counted.
    Failed,
}

struct Waiting {
    entries: VecDeque<AuditEntry>,
    /// Entries that were too many since the last note.
    dropped: u64,
    strangers: Allowance,
    callers: Allowance,
    sign_ins: Allowance,
}

/// Where an entry comes from. Each has its own allowance, so that a flood of one hides nothing of the others.
#[derive(Clone, Copy)]
enum Source {
    /// A refusal of someone without a valid token.
    Stranger,
    /// A refusal of someone with one.
    Caller,
    SignIn,
}

/// What may still be recorded at once, and when that was last counted up.
#[derive(Clone, Copy)]
struct Allowance {
    left: u64,
    counted: Timestamp,
}

impl Recorder {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        tenant: TenantId,
    ) -> Self {
        let full = Allowance { left: BURST, counted: clock.now() };
        let entries = VecDeque::new();
        let waiting = Waiting { entries, dropped: 0, strangers: full, callers: full, sign_ins: full };
        Self { store, clock, entropy, tenant, waiting: Mutex::new(waiting), wake: Notify::new() }
    }

    /// Takes the entry of a refusal and writes its line into the log, unless there are too many.
    pub(crate) fn refusal(&self, entry: AuditEntry) {
        let source = if entry.actor == AuditActor::Unknown { Source::Stranger } else { Source::Caller };
        self.take(entry, source);
    }

    /// Takes the entry of a sign-in and writes its line into the log, unless there are too many.
    pub(crate) fn sign_in(&self, entry: AuditEntry) {
        self.take(entry, Source::SignIn);
    }

    fn take(&self, entry: AuditEntry, source: Source) {
        let mut waiting = self.waiting();
        let has_room = waiting.entries.len() < MAX_WAITING;
        if has_room && waiting.allowance(source).take(self.clock.now()) {
            super::log(&entry);
            waiting.entries.push_back(entry);
        } else {
            waiting.dropped = waiting.dropped.saturating_add(1);
        }
        self.wake.notify_one();
    }

    /// Writes until `ending` holds true or has no sender any more, and then what still waits.
    pub(crate) async fn run(&self, mut ending: watch::Receiver<bool>) {
        // Only pauses are cut short, never a write: one that is dropped before its turn is not carried out.
        let mut ended = pin!(async move { drop(ending.wait_for(|ending| *ending).await) });
        loop {
            let pause = match self.write().await {
                Written::Nothing => None,
                Written::Batch => Some(GATHERING),
                Written::Failed => Some(PAUSE),
            };
            let more = async {
                match pause {
                    None => self.wake.notified().await,
                    Some(pause) => sleep(pause).await,
                }
            };
            tokio::select! {
                () = &mut ended => break,
                () = more => {}
            }
        }
        let mut attempts = LAST_ATTEMPTS;
        while attempts > 0 {
            match self.write().await {
                Written::Nothing => return,
                Written::Batch => {}
                Written::Failed => {
                    attempts -= 1;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Writes a batch.
    async fn write(&self) -> Written {
        let (mut batch, dropped) = {
            let mut waiting = self.waiting();
            let batch: Vec<_> = {
                let number = waiting.entries.len().min(BATCH);
                waiting.entries.drain(..number).collect()
            };
            // The note is one more entry, so it waits until a flood has ebbed away.
            let dropped = if waiting.entries.is_empty() { std::mem::take(&mut waiting.dropped) } else { 0 };
            (batch, dropped)
        };
        let lost = batch.len() as u64;
        if dropped > 0 {
            batch.push(self.note(dropped));
        }
        if batch.is_empty() {
            return Written::Nothing;
        }
        match self.store.record(batch).await {
            Ok(()) => Written::Batch,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "audit entries could not be written"
                );
                self.waiting().dropped += dropped + lost;
                Written::Failed
            }
        }
    }

    fn note(&self, dropped: u64) -> AuditEntry {
        let id = AuditId(self.entropy.uuid());
        let entry = AuditEntry {
            action: Some("notRecorded".to_owned()),
            outcome: AuditOutcome::Refused,
            detail: Some(format!("{dropped} entries were not recorded: there were too many at once")),
            ..AuditEntry::new(id, self.tenant, self.clock.now(), AuditActor::Service)
        };
        super::log(&entry);
        entry
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn allowance(&mut self, source: Source) -> &mut Allowance {
        match source {
            Source::Stranger => &mut self.strangers,
            Source::Caller => &mut self.callers,
            Source::SignIn => &mut self.sign_ins,
        }
    }
}

impl Allowance {
    /// Takes one, if one is left. Counts up by whole seconds.
    fn take(&mut self, now: Timestamp) -> bool {
        let seconds = now.unix_seconds().saturating_sub(self.counted.unix_seconds());
        if seconds != 0 {
            let more = u64::try_from(seconds).unwrap_or(0).saturating_mul(RATE);
            self.left = self.left.saturating_add(more).min(BURST);
            self.counted = now;
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}
