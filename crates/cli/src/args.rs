//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// The open Exchange connector: finds the mobile devices of an Exchange organisation and serves them in the shape of
/// Microsoft Graph.
#[derive(Debug, Parser)]
#[command(name = "exconn", version, after_help = "To see everything work on this machine:  exconn demo")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// Form of the log lines on standard error. EXCONN_LOG sets how much is logged (error, warn, info, debug, trace)
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "EXCONN_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where client commands find the service.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Address of the service, for client commands
    #[arg(long, global = true, env = "EXCONN_URL", default_value = "http://127.0.0.1:8780")]
    pub(crate) url: String,
    /// Bearer token, for client commands; see `exconn token issue`
    #[arg(long, global = true, env = "EXCONN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// PEM file with the issuer of the service's certificate, if the system does not know it
    #[arg(long, global = true, env = "EXCONN_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole service with a simulated Exchange organisation
    #[command(after_help = "Example:\n    exconn demo --devices 5000\n    exconn demo --once --json")]
    Demo(DemoArgs),
    /// Run the service: the API, and an agent for each configured Exchange organisation
    #[command(after_help = "Example:\n    exconn serve --config /etc/exconn/exconn.toml")]
    Serve(ServeArgs),
    /// Issue bearer tokens with the built-in issuer
    #[command(subcommand)]
    Token(TokenCommand),
    /// List, read, create, change, delete and sync connectors
    #[command(subcommand)]
    Connectors(ConnectorsCommand),
    /// List and read the devices that were found
    #[command(subcommand)]
    Devices(DevicesCommand),
    /// Register programs that sign in with a secret or certificate of their own
    #[command(subcommand)]
    Apps(AppsCommand),
    /// Read who did what
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Try everything that the configuration names, and say what to change where it fails; reads only
    #[command(
        after_help = "Ends with 1 if a step fails.\n\nExample:\n    exconn doctor --config /etc/exconn/exconn.toml"
    )]
    Doctor(DoctorArgs),
    /// Check the configuration, or print its schema
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n    exconn completions bash > /etc/bash_completion.d/exconn")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Devices of the simulated organisation
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    pub(crate) devices: u64,
    /// Address to listen at; port 0 picks one
    #[arg(long, default_value = "127.0.0.1:8780")]
    pub(crate) listen: SocketAddr,
    /// Folder for the data; a temporary one that goes with the demo unless given
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// End after the first sync
    #[arg(long)]
    pub(crate) once: bool,
    /// Print one JSON object about the first sync instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Configuration file (TOML)
    #[arg(long, env = "EXCONN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen at, instead of the configured one; port 0 picks one
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder for the data, instead of the configured one
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Database to use, instead of the configured one. This version keeps its data in SQLite in the data folder only
    #[arg(long)]
    pub(crate) database: Option<String>,
    /// Who may call: everyone with a token of the built-in issuer, or anyone on this machine
    #[arg(long, value_enum)]
    pub(crate) auth: Option<AuthMode>,
    /// PEM file with the service's certificate and its issuers; the service then speaks HTTPS
    #[arg(long, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Configuration file (TOML)
    #[arg(long, env = "EXCONN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Try this connection only
    #[arg(long, value_name = "NAME")]
    pub(crate) connection: Option<String>,
    /// Print the rights that exconn needs at Exchange and in the directory, as commands to give them, and try nothing
    #[arg(long)]
    pub(crate) rights: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Who may call the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthMode {
    /// Bearer tokens of the built-in issuer
    Builtin,
    /// No authentication; loopback listeners only
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Issue a token; prints nothing but the token
    #[command(
        after_help = "Example:\n    export EXCONN_TOKEN=$(exconn token issue --data /var/lib/exconn --expires 8h)"
    )]
    Issue {
        /// Data folder of the service
        #[arg(long, env = "EXCONN_DATA")]
        data: PathBuf,
        /// Permission by its Graph name; may be repeated. By default connectors may be changed and devices read
        #[arg(long = "scope", value_name = "PERMISSION")]
        scopes: Vec<String>,
        /// How long the token is valid: 30m, 12h, 7d; at most 365d
        #[arg(long, default_value = "12h", value_parser = crate::config::duration)]
        expires: Duration,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorsCommand {
    /// List all connectors
    #[command(after_help = "Example:\n    exconn connectors list --output json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show one connector
    #[command(after_help = "Example:\n    exconn connectors get e11c1de8-1de8-4e1c-a81d-1ce1e81d1ce1")]
    Get {
        /// The connector's id
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Create a connector
    #[command(
        after_help = "Example:\n    exconn connectors create --set exchangeAlias=contoso --set exchangeConnectorType=onPremises"
    )]
    Create {
        /// A property and its value; may be repeated. `name=null` clears it
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Change a connector
    #[command(after_help = "Example:\n    exconn connectors update ID --set serverName=ex02.contoso.com")]
    Update {
        /// The connector's id
        id: String,
        /// A property and its value; may be repeated. `name=null` clears it
        #[arg(long = "set", value_name = "NAME=VALUE", required = true)]
        set: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Delete a connector and forget its devices
    #[command(after_help = "Example:\n    exconn connectors delete ID")]
    Delete {
        /// The connector's id
        id: String,
    },
    /// Try a connector's connection to Exchange step by step; reads only. Ends with 1 if a step fails
    #[command(after_help = "Example:\n    exconn connectors test ID")]
    Test {
        /// The connector's id
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Sync a connector's devices
    #[command(after_help = "Example:\n    exconn connectors sync ID --type full --wait")]
    Sync {
        /// The connector's id
        id: String,
        /// How much to look at
        #[arg(long = "type", value_enum, default_value_t = SyncKind::Full)]
        kind: SyncKind,
        /// Wait for the end and show the progress
        #[arg(long)]
        wait: bool,
        /// Longest wait
        #[arg(long, default_value = "1h", value_parser = crate::config::duration)]
        timeout: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncKind {
    /// Every device
    Full,
    /// What is new
    Delta,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// List devices, page by page
    #[command(
        after_help = "Example:\n    exconn devices list --filter \"exchangeAccessState eq 'quarantined'\" --output csv"
    )]
    List {
        /// OData condition
        #[arg(long, value_name = "EXPRESSION")]
        filter: Option<String>,
        /// Properties to sort by, for instance "deviceName desc"
        #[arg(long, value_name = "PROPERTIES")]
        orderby: Option<String>,
        /// At most so many devices
        #[arg(long, value_name = "N")]
        top: Option<u64>,
        /// Form of the output
        #[arg(long, value_enum, default_value_t = ListFormat::Table)]
        output: ListFormat,
    },
    /// Have Exchange let a device read mail, whatever its rules say
    #[command(after_help = "Example:\n    exconn devices allow ID")]
    Allow {
        /// The device's id
        id: String,
    },
    /// Have Exchange keep a device out, whatever its rules say
    #[command(after_help = "Example:\n    exconn devices block ID")]
    Block {
        /// The device's id
        id: String,
    },
    /// Take a device's exemption away: rules and the organisation's default decide
    #[command(after_help = "Example:\n    exconn devices by-rule ID")]
    ByRule {
        /// The device's id
        id: String,
    },
    /// Show one device
    #[command(after_help = "Example:\n    exconn devices get ID --output json")]
    Get {
        /// The device's id
        id: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Columns for people
    Table,
    /// A JSON array
    Json,
    /// Comma-separated values with a header; a text that a spreadsheet would run gets a leading quote
    Csv,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

/// How a command about the service itself proves that it may.
#[derive(Debug, Args)]
pub(crate) struct Bootstrap {
    /// Data folder of the service, on its own machine: whoever can read its keyring needs no token
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppsCommand {
    /// Register an application; prints its secret, which nobody will see again
    #[command(
        after_help = "Example:\n    exconn apps create \"Inventory\" --permission DeviceManagementManagedDevices.Read.All --data /var/lib/exconn"
    )]
    Create {
        /// Its name for people
        name: String,
        /// Permission by its Graph name; may be repeated
        #[arg(long = "permission", value_name = "PERMISSION", required = true)]
        permissions: Vec<String>,
        #[command(flatten)]
        credential: CredentialArgs,
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[command(flatten)]
        output: Output,
    },
    /// List the registered applications
    #[command(after_help = "Example:\n    exconn apps list --output json")]
    List {
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[command(flatten)]
        output: Output,
    },
    /// Change the name or the permissions of an application
    #[command(after_help = "Example:\n    exconn apps update ID --permission AuditLog.Read.All")]
    Update {
        /// The application's id
        id: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        /// What it may do from now on, instead of what it may now; may be repeated
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[command(flatten)]
        output: Output,
    },
    /// Give an application a new secret or certificate; the old ones end
    #[command(after_help = "Example:\n    exconn apps rotate ID --overlap 24h")]
    Rotate {
        /// The application's id
        id: String,
        #[command(flatten)]
        credential: CredentialArgs,
        /// How long the old ones go on; without it they end at once. At most 30d
        #[arg(long, value_parser = crate::config::duration)]
        overlap: Option<Duration>,
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[command(flatten)]
        output: Output,
    },
    /// Remove an application; its tokens stop working at once
    #[command(after_help = "Example:\n    exconn apps delete ID")]
    Delete {
        /// The application's id
        id: String,
        #[command(flatten)]
        bootstrap: Bootstrap,
    },
}

/// What an application is to sign in with.
#[derive(Debug, Args)]
pub(crate) struct CredentialArgs {
    /// PEM file with a certificate to sign in with, instead of a secret
    #[arg(long, value_name = "FILE", conflicts_with = "expires")]
    pub(crate) certificate: Option<PathBuf>,
    /// How long the secret lives: 30d, 365d; at most 730d. Default: 180d
    #[arg(long, value_parser = crate::config::duration)]
    pub(crate) expires: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List entries, the newest first
    #[command(
        after_help = "Example:\n    exconn audit list --filter \"outcome eq 'refused'\" --top 20 --data /var/lib/exconn"
    )]
    List {
        /// OData condition
        #[arg(long, value_name = "EXPRESSION")]
        filter: Option<String>,
        /// At most so many entries
        #[arg(long, value_name = "N", default_value_t = 100)]
        top: u64,
        #[command(flatten)]
        bootstrap: Bootstrap,
        /// Form of the output
        #[arg(long, value_enum, default_value_t = ListFormat::Table)]
        output: ListFormat,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration and print what it comes to, without secrets
    #[command(after_help = "Example:\n    exconn config check --config /etc/exconn/exconn.toml")]
    Check {
        /// Configuration file (TOML)
        #[arg(long, env = "EXCONN_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Print the JSON Schema of the configuration
    #[command(after_help = "Example:\n    exconn config schema > exconn.schema.json")]
    Schema,
}
