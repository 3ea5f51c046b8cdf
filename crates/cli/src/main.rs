//! `exconn`: the open Exchange connector.

mod args;
mod client;
mod commands;
mod config;
mod connect;
mod demo;
mod doctor;
mod failure;
mod logging;
mod output;
mod registry;
mod renewal;
mod serve;
mod service;
mod shutdown;
mod system;

use std::{io::Write, process::ExitCode};

use clap::{CommandFactory, Parser};

use crate::{
    args::{Cli, Command},
    client::Client,
    failure::CliError,
};

/// Threads for blocking work: the store's readers, its writer and stages.
const BLOCKING_THREADS: usize = 16;

fn main() -> ExitCode {
    if std::env::args_os().len() == 1 {
        // Only a closed standard error could fail this, and then nobody reads it.
        let _ = writeln!(std::io::stderr(), "{}", Cli::command().render_long_help());
        return ExitCode::from(2);
    }
    let cli = Cli::parse();
    let level = match cli.command {
        Command::Serve(_) => "info",
        Command::Demo(_) => "warn",
        _ => "error",
    };
    logging::start(cli.log_format, level);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(CliError::from);
    match runtime.and_then(|runtime| runtime.block_on(run(cli))) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("exconn: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, CliError> {
    match cli.command {
        Command::Demo(args) => return demo::run(args).await,
        Command::Serve(args) => return serve::run(args).await,
        Command::Doctor(args) => return doctor::run(args).await,
        Command::Token(command) => commands::token::run(command)?,
        Command::Config(command) => commands::config::run(command)?,
        Command::Connectors(command) => {
            commands::connectors::run(Client::new(&cli.service)?, command).await?
        }
        Command::Devices(command) => commands::devices::run(Client::new(&cli.service)?, command).await?,
        Command::Apps(command) => commands::apps::run(&cli.service, command).await?,
        Command::Audit(command) => commands::audit::run(&cli.service, command).await?,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "exconn", &mut std::io::stdout());
        }
    }
    Ok(ExitCode::SUCCESS)
}
