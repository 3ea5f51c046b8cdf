use crate::{args::ConfigCommand, config, failure::CliError, output, serve};

pub(crate) fn run(command: ConfigCommand) -> Result<(), CliError> {
    let text = match command {
        ConfigCommand::Schema => serde_json::to_string_pretty(&config::schema()).unwrap_or_default(),
        ConfigCommand::Check { config } => {
            let config = config::load(config.as_deref(), |name| std::env::var(name).ok())?;
            let text = config.to_string();
            serve::check(config)?;
            text
        }
    };
    Ok(output::print(&format!("{}\n", text.trim_end()))?)
}
