use std::time::Duration;

use serde_json::{Value, json};

use super::{progress, property, segment};
use crate::{
    args::{ConnectorsCommand, OutputFormat, SyncKind},
    client::{Client, ClientError},
    failure::CliError,
    output::{self, examination},
};

const SET: &str = "/v1.0/deviceManagement/exchangeConnectors";
const COLUMNS: [&str; 6] =
    ["id", "exchangeAlias", "status", "exchangeConnectorType", "serverName", "lastSyncDateTime"];

pub(crate) async fn run(mut client: Client, command: ConnectorsCommand) -> Result<(), CliError> {
    match command {
        ConnectorsCommand::List { output } => list(&mut client, output.output).await,
        ConnectorsCommand::Get { id, output } => {
            let connector = client.get(&format!("{SET}/{}", segment(&id)?)).await?;
            show(&connector, output.output)
        }
        ConnectorsCommand::Create { set, output } => {
            let connector = client.post(SET, &property::body(&set)?).await?;
            show(&connector, output.output)
        }
        ConnectorsCommand::Update { id, set, output } => {
            let connector = client.patch(&format!("{SET}/{}", segment(&id)?), &property::body(&set)?).await?;
            show(&connector, output.output)
        }
        ConnectorsCommand::Delete { id } => {
            client.delete(&format!("{SET}/{}", segment(&id)?)).await?;
            Ok(output::print(&format!("deleted {id}\n"))?)
        }
        ConnectorsCommand::Test { id, output } => test(&mut client, &id, output.output).await,
        ConnectorsCommand::Sync { id, kind, wait, timeout } => {
            sync(&mut client, &id, kind, wait, timeout).await
        }
    }
}

async fn list(client: &mut Client, format: OutputFormat) -> Result<(), CliError> {
    let mut connectors: Vec<Value> = Vec::new();
    let mut next = Some(format!("{SET}?$orderby=exchangeAlias&$top=1000"));
    while let Some(path) = next {
        let mut page = client.get(&path).await?;
        if let Some(items) = page["value"].as_array_mut() {
            connectors.append(items);
        }
        next = page["@odata.nextLink"].as_str().map(Client::path_of).transpose()?;
    }
    let text = match format {
        OutputFormat::Json => {
            let plain: Value = connectors.iter().map(output::without_annotations).collect();
            serde_json::to_string_pretty(&plain).unwrap_or_default()
        }
        OutputFormat::Table => {
            let row =
                |connector: &Value| COLUMNS.iter().map(|name| output::text(&connector[*name])).collect();
            output::table(&COLUMNS, connectors.iter().map(row))
        }
    };
    Ok(output::print(&format!("{text}\n"))?)
}

fn show(connector: &Value, format: OutputFormat) -> Result<(), CliError> {
    let text = match format {
        OutputFormat::Json => format!("{}\n", output::json(connector)),
        OutputFormat::Table => output::record(connector),
    };
    Ok(output::print(&text)?)
}

async fn test(client: &mut Client, id: &str, format: OutputFormat) -> Result<(), CliError> {
    let path = format!("/exconn/v1/connectors/{}/test", segment(id)?);
    let examination = client.post(&path, &Value::Null).await?;
    let text = match format {
        OutputFormat::Json => format!("{}\n", output::json(&examination)),
        OutputFormat::Table => {
            let steps = examination["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
            let line = |step: &Value| {
                let cure = step["cure"].as_str();
                examination::line(
                    &output::text(&step["name"]),
                    &output::text(&step["finding"]),
                    &output::text(&step["seen"]),
                    cure,
                )
            };
            steps.iter().map(line).collect()
        }
    };
    output::print(&text)?;
    if examination["passed"] == true {
        return Ok(());
    }
    Err(CliError::Failed("the connection does not work as it is; see the failed steps".into()))
}

async fn sync(
    client: &mut Client,
    id: &str,
    kind: SyncKind,
    wait: bool,
    timeout: Duration,
) -> Result<(), CliError> {
    let id = segment(id)?;
    let name = match kind {
        SyncKind::Full => "fullSync",
        SyncKind::Delta => "deltaSync",
    };
    let before = newest_run(client, id).await?;
    client.post(&format!("{SET}/{id}/sync"), &json!({"syncType": name})).await?;
    if !wait {
        return Ok(output::print("queued\n")?);
    }
    // A run that was open before covers the request; one that had ended does not.
    let ended_before = before.filter(|run| !progress::is_open(run)).map(|run| run["id"].clone());
    let run = progress::follow(client, id, ended_before.as_ref(), timeout).await?;
    let count = |name: &str| run["counts"][name].as_u64().unwrap_or(0);
    let summary = format!(
        "{}: {} seen, {} added, {} changed, {} removed",
        output::text(&run["state"]),
        count("seen"),
        count("added"),
        count("changed"),
        count("removed")
    );
    if run["state"] == "succeeded" {
        return Ok(output::print(&format!("{summary}\n"))?);
    }
    let why = [&run["failure"], &run["detail"]].map(output::text).join(": ");
    Err(CliError::Failed(format!("{summary}. {why}")))
}

/// The newest run of a connector, if it has any.
async fn newest_run(client: &mut Client, id: &str) -> Result<Option<Value>, ClientError> {
    let mut runs = client.get(&format!("/exconn/v1/connectors/{id}/runs?limit=1")).await?;
    Ok(runs["value"].as_array_mut().and_then(|runs| runs.pop()))
}
