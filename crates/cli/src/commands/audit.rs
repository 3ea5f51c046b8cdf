use exconn_server::auth::Permission;
use serde_json::Value;

use super::{bootstrap, encoded};
use crate::{
    args::{AuditCommand, ListFormat, ServiceArgs},
    client::Client,
    failure::CliError,
    output,
};

const PATH: &str = "/exconn/v1/audit";
/// Entries of a page.
const PAGE: u64 = 1000;
const COLUMNS: [&str; 8] =
    ["dateTime", "actor", "subject", "action", "resource", "outcome", "status", "address"];

pub(crate) async fn run(service: &ServiceArgs, command: AuditCommand) -> Result<(), CliError> {
    let AuditCommand::List { filter, top, bootstrap, output } = command;
    let mut client = bootstrap::client(service, &bootstrap, Permission::AuditLogRead, "exconn audit")?;
    let mut path = format!("{PATH}?$top={}", top.min(PAGE));
    if let Some(filter) = filter {
        path.push_str(&format!("&$filter={}", encoded(&filter)));
    }
    let wanted = usize::try_from(top).unwrap_or(usize::MAX);
    let mut entries: Vec<Value> = Vec::new();
    let mut next = Some(path);
    while let Some(path) = next.filter(|_| entries.len() < wanted) {
        let mut page = client.get(&path).await?;
        if let Some(items) = page["value"].as_array_mut() {
            entries.append(items);
        }
        next = page["@odata.nextLink"].as_str().map(Client::path_of).transpose()?;
    }
    entries.truncate(wanted);
    let row = |entry: &Value| COLUMNS.iter().map(|name| shown(entry, name)).collect::<Vec<_>>();
    let text = match output {
        ListFormat::Json => {
            let plain: Value = entries.iter().map(output::without_annotations).collect();
            serde_json::to_string_pretty(&plain).unwrap_or_default()
        }
        ListFormat::Table => output::table(&COLUMNS, entries.iter().map(row)),
        ListFormat::Csv => return csv(&entries),
    };
    Ok(output::print(&format!("{text}\n"))?)
}

/// A member for people: who, by the name that they know.
fn shown(entry: &Value, name: &str) -> String {
    match (name, entry["subjectName"].as_str()) {
        ("subject", Some(_)) => output::text(&entry["subjectName"]),
        _ => output::text(&entry[name]),
    }
}

/// Every member.
fn csv(entries: &[Value]) -> Result<(), CliError> {
    let names: Vec<String> = entries
        .first()
        .map(output::without_annotations)
        .and_then(|first| first.as_object().map(|members| members.keys().cloned().collect()))
        .unwrap_or_else(|| COLUMNS.map(str::to_owned).to_vec());
    let failed = |error: csv::Error| CliError::Failed(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&names).map_err(failed)?;
    for entry in entries {
        writer.write_record(names.iter().map(|name| output::cell(&entry[name.as_str()]))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| CliError::Failed(error.to_string()))?;
    Ok(output::print(&String::from_utf8_lossy(&bytes))?)
}
