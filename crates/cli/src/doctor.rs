//! `exconn doctor`: tries everything that the configuration names.

use std::{
    fs::OpenOptions,
    io,
    net::{IpAddr, TcpListener},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use exconn_exchange::{
    Finding, Report, Step,
    directory::{DirectoryConfig, directory_rights},
    online,
    remoting::{RemotingConfig, role_script},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    args::{DoctorArgs, OutputFormat},
    config::{self, Config, ConnectionConfig, Road},
    connect::connect,
    failure::CliError,
    output::{self, examination},
    service::create_private,
};

/// How long the end of an examination waits for what was opened to be given back.
const GIVING_BACK: Duration = Duration::from_secs(3);
/// The longest examination of one connection. Each wait of a driver is bounded; this bounds their sum.
const LONGEST: Duration = Duration::from_secs(300);

pub(crate) async fn run(args: DoctorArgs) -> Result<ExitCode, CliError> {
    let config = config::load(args.config.as_deref(), |name| std::env::var(name).ok())?;
    if let Some(name) = &args.connection
        && !config.connections.iter().any(|connection| connection.name == *name)
    {
        let names: Vec<_> = config.connections.iter().map(|connection| connection.name.as_str()).collect();
        let known = if names.is_empty() { "none is configured".to_owned() } else { names.join(", ") };
        return Err(CliError::Usage(format!("there is no connection '{name}'; known are: {known}")));
    }
    let wanted =
        |connection: &&ConnectionConfig| args.connection.as_ref().is_none_or(|name| connection.name == *name);
    if args.rights {
        for connection in config.connections.iter().filter(wanted) {
            output::print(&rights(connection))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut doctor = Doctor { format: args.output.output, examined: Vec::new(), failures: 0, warnings: 0 };
    if args.connection.is_none() {
        doctor.heading("This service")?;
        service(&config, &mut doctor);
    }
    if config.connections.is_empty() {
        let seen = "the configuration names no Exchange organisation".to_owned();
        let cure = "Add an [[exchange]] entry, and give the file with --config.".to_owned();
        doctor.step(Step { name: "Connections".into(), finding: Finding::Failed { seen, cure } });
    }
    for connection in config.connections {
        if args.connection.as_ref().is_none_or(|name| connection.name == *name) {
            doctor.examine(connection).await?;
        }
    }
    doctor.end()
}

/// What exconn needs to be allowed, as commands that allow it.
fn rights(connection: &ConnectionConfig) -> String {
    let mut text = format!("# {}\n", connection.name);
    match &connection.road {
        Road::Remoting(remoting, directory) => {
            text.push_str(&role_script(&remoting.authentication.account().username, connection.read_only));
            if let Some(directory) = directory {
                text.push('\n');
                let account = &directory.authentication.account().username;
                text.push_str(&directory_rights(&domain_of(remoting, directory), account));
            }
        }
        Road::Online(config) => {
            text.push_str(&online::role_script(config, connection.read_only));
        }
    }
    text.push('\n');
    text
}

/// The domain whose rights are meant, by what the configuration says of it.
fn domain_of(remoting: &RemotingConfig, directory: &DirectoryConfig) -> String {
    let realm = remoting.kerberos.realm.as_deref();
    let of_user = directory.authentication.account().username.split_once('@').map(|(_, domain)| domain);
    let of_host = || {
        let host = directory.urls.first()?.split_once("://")?.1.split([':', '/']).next()?;
        host.split_once('.').filter(|_| host.parse::<IpAddr>().is_err()).map(|(_, domain)| domain)
    };
    realm.or(of_user).or_else(of_host).unwrap_or("contoso.com").to_ascii_lowercase()
}

/// What the service itself needs: a data folder and an address.
fn service(config: &Config, doctor: &mut Doctor) {
    let finding = match writable(&config.data) {
        Ok(()) => Finding::Passed(format!("{} can be written", config.data.display())),
        Err(error) => Finding::Failed {
            seen: format!("{}: {error}", config.data.display()),
            cure: format!(
                "Create the folder and give it to the user that exconn runs as:\ninstall -d -m 700 -o exconn {}",
                config.data.display()
            ),
        },
    };
    doctor.step(Step { name: "Data folder".into(), finding });
    let finding = match TcpListener::bind(config.listen) {
        Ok(_) => Finding::Passed(format!("{} is free", config.listen)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::Warned {
            seen: format!("{} is taken", config.listen),
            cure: "If exconn runs already, all is well. Else stop what listens there, or change 'listen'."
                .into(),
        },
        Err(error) => Finding::Failed {
            seen: format!("{}: {error}", config.listen),
            cure: "Change 'listen' to an address of this machine and a port above 1023.".into(),
        },
    };
    doctor.step(Step { name: "Address".into(), finding });
}

/// Whether a file can be made in the folder, which is created if it does not exist, as at a start of the service.
fn writable(folder: &Path) -> io::Result<()> {
    create_private(folder)?;
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    std::fs::remove_file(probe)
}

/// Prints steps as they are done, or keeps them for one JSON document.
struct Doctor {
    format: OutputFormat,
    examined: Vec<(String, Vec<Step>)>,
    failures: usize,
    warnings: usize,
}

impl Doctor {
    fn heading(&mut self, name: &str) -> io::Result<()> {
        let apart = if self.examined.is_empty() { "" } else { "\n" };
        self.examined.push((name.to_owned(), Vec::new()));
        if self.format == OutputFormat::Table { output::print(&format!("{apart}{name}\n")) } else { Ok(()) }
    }

    async fn examine(&mut self, connection: ConnectionConfig) -> Result<(), CliError> {
        self.heading(&format!("{} ({})", connection.name, kind(&connection)))?;
        match connect(connection) {
            Ok(connection) => {
                let examination = connection.exchange.examine(self);
                if timeout(LONGEST, examination).await.is_err() {
                    let seen = format!("the examination did not end within {LONGEST:?}");
                    let cure = "Look at the last step above: what follows it does not answer.".to_owned();
                    self.step(Step { name: "Time".into(), finding: Finding::Failed { seen, cure } });
                }
                // What is left open counts against the account's runspaces; nobody would use it again.
                let _ = timeout(GIVING_BACK, connection.exchange.close()).await;
            }
            Err(error) => {
                let cure = "Correct the configuration, then check it with exconn config check.".to_owned();
                let finding = Finding::Failed { seen: error.to_string(), cure };
                self.step(Step { name: "Configuration".into(), finding });
            }
        }
        Ok(())
    }

    fn end(self) -> Result<ExitCode, CliError> {
        if self.format == OutputFormat::Json {
            let examined = self.examined.iter().map(|(name, steps)| {
                json!({"name": name, "steps": steps.iter().map(examination::json).collect::<Value>()})
            });
            let document = json!({"passed": self.failures == 0, "examined": examined.collect::<Value>()});
            output::print(&format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default()))?;
        } else {
            let verdict = match (self.failures, self.warnings) {
                (0, 0) => "Everything works.".to_owned(),
                (0, 1) => {
                    "Everything works. What could be better stands below the step with WARN.".to_owned()
                }
                (0, _) => {
                    "Everything works. What could be better stands below each step with WARN.".to_owned()
                }
                (1, _) => "1 step failed. What to change stands below it.".to_owned(),
                (more, _) => format!("{more} steps failed. What to change stands below each."),
            };
            output::print(&format!("\n{verdict}\n"))?;
        }
        Ok(if self.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn kind(connection: &ConnectionConfig) -> &'static str {
    exconn_model::GraphEnum::name(connection.connector_type)
}

impl Report for Doctor {
    fn step(&mut self, step: Step) {
        self.failures += usize::from(matches!(step.finding, Finding::Failed { .. }));
        self.warnings += usize::from(matches!(step.finding, Finding::Warned { .. }));
        if self.format == OutputFormat::Table {
            // A closed pipe ends the program; other failures of the terminal have nobody to tell.
            let _ = output::print(&examination::step(&step));
        }
        if let Some((_, steps)) = self.examined.last_mut() {
            steps.push(step);
        }
    }
}
