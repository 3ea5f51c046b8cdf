//! Following a run to its end.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::{client::Client, failure::CliError, output};

const LOOK: Duration = Duration::from_millis(300);

pub(super) fn is_open(run: &Value) -> bool {
    run["state"] == "queued" || run["state"] == "running"
}

/// Waits until the connector's newest run, if it is not the one that `ended` before, has come to its end.
pub(super) async fn follow(
    client: &mut Client,
    connector: &str,
    ended: Option<&Value>,
    longest: Duration,
) -> Result<Value, CliError> {
    let display = Display::new()?;
    let following = async {
        loop {
            let runs = client.get(&format!("/exconn/v1/connectors/{connector}/runs?limit=1")).await?;
            let run = runs["value"].get(0).cloned().unwrap_or_default();
            if !run.is_null() && Some(&run["id"]) != ended {
                display.show(&run);
                if !is_open(&run) {
                    return Ok(run);
                }
            }
            sleep(LOOK).await;
        }
    };
    match timeout(longest, following).await {
        Ok(run) => {
            display.bar.finish_and_clear();
            run
        }
        Err(_) => Err(CliError::Failed(format!(
            "the sync has not ended within {} s; it goes on, look at it with `exconn connectors sync {connector} --wait`",
            longest.as_secs()
        ))),
    }
}

/// A spinner on a terminal, plain lines elsewhere.
struct Display {
    bar: ProgressBar,
    is_terminal: bool,
    last: std::cell::RefCell<String>,
}

impl Display {
    fn new() -> Result<Self, CliError> {
        let is_terminal = stderr().is_terminal();
        let bar = if is_terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {msg}");
        bar.set_style(style.map_err(|error| CliError::Failed(error.to_string()))?);
        Ok(Self { bar, is_terminal, last: std::cell::RefCell::default() })
    }

    fn show(&self, run: &Value) {
        let mut line = format!(
            "{}, {} devices seen",
            output::text(&run["state"]),
            run["counts"]["seen"].as_u64().unwrap_or(0)
        );
        if run["waitingFor"] == "agent" {
            line.push_str(", waiting for an agent: no configured connection serves this connector");
        }
        if self.is_terminal {
            self.bar.set_message(line);
            self.bar.tick();
        } else if self.last.replace(line.clone()) != line {
            eprintln!("{line}");
        }
    }
}
