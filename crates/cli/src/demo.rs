//! `exconn demo`: the whole service with a simulated Exchange organisation, on one machine, in one command.

use std::{
    io::{IsTerminal, Write, stderr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use exconn_exchange::{
    Account,
    remoting::{Authentication, RemotingConfig, RemotingExchange},
};
use exconn_exchange_sim::{Organisation, SimOptions, SimServer};
use exconn_model::{Connector, ConnectorType, Entropy, GraphEnum, RunState, SyncRun, TenantId};
use exconn_odata::query::Query;
use exconn_server::{Cors, ThrottleLimits, TrustedProxies, auth::Permission};
use exconn_store::{ConnectionIdentity, Store};
use exconn_sync::{StatisticsSettings, plan::Guard, schedule::Intervals};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    args::DemoArgs,
    failure::CliError,
    service::{Connection, Service, ServiceSettings},
    shutdown,
    system::{SystemClock, SystemEntropy},
};

const NAME: &str = "contoso";
const DOMAIN: &str = "contoso.example";
const USER: &str = "svc-exconn";
/// The same organisation in every demo.
const SEED: u64 = 2024;
/// How often the demo looks at its sync.
const LOOK: Duration = Duration::from_millis(50);
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Runs the demo until it is interrupted, or with `--once` until its first sync ends.
pub(crate) async fn run(args: DemoArgs) -> Result<ExitCode, CliError> {
    // Holds the throw-away data directory until the end.
    let (data, _folder) = match args.data {
        Some(data) => (data, None),
        None => {
            let folder = tempfile::Builder::new().prefix("exconn-demo-").tempdir()?;
            (folder.path().to_owned(), Some(folder))
        }
    };
    let password = SystemEntropy.uuid().to_string();
    let mut password_file = tempfile::NamedTempFile::new()?;
    password_file.write_all(password.as_bytes())?;
    let organisation = Arc::new(Organisation::new(SEED, args.devices, "Contoso", DOMAIN));
    let simulated =
        SimServer::start(organisation, SimOptions::new(USER, &password), Arc::new(SystemEntropy)).await?;
    let mut service = Service::open(ServiceSettings {
        data: data.clone(),
        listen: args.listen,
        public_url: None,
        trusted_proxies: TrustedProxies::default(),
        authenticated: true,
        issuers: Vec::new(),
        audit_entries: 10_000,
        throttle: Some(ThrottleLimits::default()),
        cors: Cors::default(),
        tls: None,
    })
    .await?;
    let permissions = [Permission::ServiceConfigReadWrite, Permission::ManagedDevicesRead];
    let token = service.token(&permissions, "demo", TOKEN_LIFETIME)?;
    let account = Account::new(USER, password_file.path());
    let remoting = RemotingConfig::new(simulated.url(), Authentication::Basic(account));
    let exchange = RemotingExchange::new(remoting, Arc::new(SystemEntropy), Arc::new(SystemClock))
        .map_err(|error| CliError::Failed(error.to_string()))?;
    service.connect(Connection {
        identity: ConnectionIdentity {
            name: NAME.to_owned(),
            server: Some(format!("ex01.{DOMAIN}")),
            connector_type: ConnectorType::OnPremises,
            primary_smtp_address: None,
            fingerprint: "demo".to_owned(),
        },
        exchange: Arc::new(exchange),
        read_only: false,
        intervals: Intervals { full: Duration::from_secs(24 * 3600), delta: Duration::from_secs(60) },
        guard: Guard::default(),
        statistics: StatisticsSettings::default(),
    });
    let url = service.url();
    let (store, tenant) = (service.store.clone(), service.tenant());
    let (end, ended) = tokio::sync::oneshot::channel();
    let serving = tokio::spawn(service.until(async {
        tokio::select! {
            () = shutdown::requested() => {}
            _ = ended => {}
        }
    }));
    let first = FirstSync { store: &*store, tenant, devices: args.devices };
    let (connector, run) = first.watch().await?;
    let devices = store.count_devices(tenant, None).await?;
    if args.json {
        let summary = json!({
            "connectorId": connector.id.to_string(),
            "status": connector.status.name(),
            "devices": devices,
            "syncSeconds": seconds(&run),
            "databaseBytes": store.size().await?,
        });
        println!("{summary}");
    } else {
        println!("{devices} devices of the simulated organisation Contoso synced in {:.1} s.", seconds(&run));
    }
    let succeeded = run.state == RunState::Succeeded;
    if args.once {
        // Nobody listens only if the service has ended already.
        let _ = end.send(());
    } else if !args.json {
        teach(&url, &token, &connector)?;
    }
    serving.await.map_err(|error| CliError::Failed(error.to_string()))??;
    simulated.stop().await;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn seconds(run: &SyncRun) -> f64 {
    let (Some(started), Some(finished)) = (run.started_at, run.finished_at) else { return 0.0 };
    (finished.since(started).as_secs_f64() * 1000.0).round() / 1000.0
}

/// The sync that the demo waits for.
struct FirstSync<'a> {
    store: &'a dyn Store,
    tenant: TenantId,
    devices: u64,
}

impl FirstSync<'_> {
    /// Shows the progress of the newest run up to its end.
    async fn watch(&self) -> Result<(Connector, SyncRun), CliError> {
        let bar = if stderr().is_terminal() { ProgressBar::new(self.devices) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} devices");
        bar.set_style(style.map_err(|error| CliError::Failed(error.to_string()))?);
        bar.set_message("first full sync");
        loop {
            if let Some((connector, run)) = self.newest().await? {
                bar.set_position(run.counts.seen);
                if !run.state.is_open() {
                    bar.finish_and_clear();
                    return Ok((connector, run));
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn newest(&self) -> Result<Option<(Connector, SyncRun)>, exconn_store::StoreError> {
        let query = Query { limit: 1, ..Query::default() };
        let Some(connector) = self.store.connectors(self.tenant, &query).await?.items.pop() else {
            return Ok(None);
        };
        let run = self.store.runs(self.tenant, connector.id, 1).await?.pop();
        Ok(run.map(|run| (connector, run)))
    }
}

/// Says what can be tried, in commands that work when they are pasted.
fn teach(url: &str, token: &str, connector: &Connector) -> Result<(), CliError> {
    let program: PathBuf = std::env::current_exe()?;
    let program = program.display();
    let id = connector.id;
    println!(
        "\
The service listens at {url}. In another terminal:

    export EXCONN_URL={url}
    export EXCONN_TOKEN={token}

    {program} connectors list
    {program} connectors sync {id} --wait
    {program} devices list --filter \"exchangeAccessState eq 'quarantined'\"
    curl -H \"Authorization: Bearer $EXCONN_TOKEN\" '{url}/v1.0/deviceManagement/exchangeConnectors'
    curl -H \"Authorization: Bearer $EXCONN_TOKEN\" '{url}/v1.0/deviceManagement/managedDevices?$top=2&$count=true'

Ctrl-C ends the demo."
    );
    Ok(())
}
