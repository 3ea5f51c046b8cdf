use std::{
    path::Path,
    time::{Duration, Instant},
};

use exconn_model::{
    AuditActor, AuditOutcome, Clock, ConnectorStatus, ConnectorType, Entropy, GraphEnum, SyncType, Timestamp,
};
use exconn_store::{SqliteOptions, SqliteStore};
use rusqlite::{Connection, TransactionBehavior, params};
use tempfile::TempDir;

use crate::{load, median::median, report::Section, service::Service, system::System};

const WRITERS: usize = 16;
/// Short and many: a disk's mood changes within seconds.
const ROUND: Duration = Duration::from_secs(1);
const ROUNDS: usize = 15;
const BODY: &str =
    r#"{"serverName":"ex01.contoso.com","exchangeAlias":"contoso","exchangeOrganization":"Contoso"}"#;

/// `POST` of connectors, one by one and many at once, beside a bare writer that commits the same rows.
pub(crate) fn run() -> Result<Section, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    // Each grows a database of its own: who wrote more before would pay for it later.
    let folders = [tempfile::tempdir(), tempfile::tempdir(), tempfile::tempdir()];
    let [bare, one, many] = folders.map(|folder| folder.map_err(|error| error.to_string()));
    let (bare, one, many) = (bare?, one?, many?);
    let post = |folder: &TempDir| {
        let service = runtime.block_on(Service::start(folder.path()))?;
        Ok::<_, String>(service.post("/exchangeConnectors", BODY))
    };
    let (post_one, post_many) = (post(&one)?, post(&many)?);
    let mut bare = Bare::open(bare.path())?;
    let (mut alone, mut together, mut bare_rates) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let figures = (bare.run()?, load::run(&post_one, 1, ROUND)?, load::run(&post_many, WRITERS, ROUND)?);
        // The first round grows the files.
        if round > 0 {
            bare_rates.push(figures.0);
            alone.push(figures.1.per_second);
            together.push(figures.2.per_second);
        }
    }
    let (alone, together, bare) = (median(alone), median(together), median(bare_rates));
    let mut section = Section::new("Creating connectors, each durable before it is answered");
    section.note("a bare SQLite writer, one commit each", format!("{bare:.0} commits/s"));
    section.note("POST by one client", format!("{alone:.0}/s"));
    section.at_least("that is, of the bare writer's", alone / bare * 100.0, 60.0, " %");
    section.note(format!("POST by {WRITERS} clients"), format!("{together:.0}/s"));
    section.at_least("that is, times one client's", together / alone, 1.0, "");
    section.note("that is, of the bare writer's", format!("{:.0} %", together / bare * 100.0));
    Ok(section)
}

/// One connection with the store's settings, on a database that the store made.
struct Bare(Connection);

impl Bare {
    fn open(folder: &Path) -> Result<Self, String> {
        drop(SqliteStore::open(folder, SqliteOptions::default()).map_err(|error| error.to_string())?);
        let set_up = || {
            let connection = Connection::open(folder.join("exconn.db"))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "cache_size", -i64::from(SqliteOptions::default().cache_kib))?;
            Ok(Self(connection))
        };
        set_up().map_err(|error: rusqlite::Error| error.to_string())
    }

    /// Commits for a while, and returns how many a second.
    fn run(&mut self) -> Result<f64, String> {
        let began = Instant::now();
        let mut commits = 0_u32;
        while began.elapsed() < ROUND {
            self.create().map_err(|error| error.to_string())?;
            commits += 1;
        }
        Ok(f64::from(commits) / began.elapsed().as_secs_f64())
    }

    fn create(&mut self) -> rusqlite::Result<()> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (tenant, id, run) = (uuid::Uuid::nil().to_string(), System.uuid().to_string(), System.uuid());
        transaction
            .prepare_cached(
                "INSERT INTO connector (id, tenant_id, last_sync, status, primary_smtp_address, server_name, \
                 connector_server_name, connector_type, version, exchange_alias, exchange_organization, revision, \
                 fence, device_generation) VALUES (?1, ?2, ?3, ?4, NULL, ?5, NULL, ?6, NULL, ?7, ?8, 1, 0, 0)",
            )?
            .execute(params![
                id,
                tenant,
                Timestamp::UNSET.ticks(),
                ConnectorStatus::ConnectionPending.number(),
                "ex01.contoso.com",
                ConnectorType::OnPremises.number(),
                "contoso",
                "Contoso",
            ])?;
        transaction
            .prepare_cached(
                "INSERT INTO run (id, tenant_id, connector_id, kind, state, requested_at) \
                 VALUES (?1, ?2, ?3, ?4, 'queued', ?5)",
            )?
            .execute(params![run.to_string(), tenant, id, SyncType::Full.number(), System.now().ticks()])?;
        transaction
            .prepare_cached(
                "INSERT INTO audit (id, tenant_id, at, actor, subject, action, method, resource, created, outcome, \
                 status, address, request_id, client_request_id, kind, number) \
                 SELECT ?1, ?2, ?3, ?4, 'ann', 'createConnector', 'POST', \
                 '/v1.0/deviceManagement/exchangeConnectors', ?5, ?6, 201, '127.0.0.1', ?7, ?7, 0, \
                 ifnull(max(number), 0) + 1 FROM audit WHERE tenant_id = ?2 AND kind = 0",
            )?
            .execute(params![
                System.uuid().to_string(),
                tenant,
                System.now().ticks(),
                AuditActor::User.number(),
                id,
                AuditOutcome::Done.number(),
                System.uuid().to_string(),
            ])?;
        transaction.commit()
    }
}
