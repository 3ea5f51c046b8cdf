use std::io;

use serde_json::{Value, json};

use super::{encoded, segment};
use crate::{
    args::{DevicesCommand, ListFormat, OutputFormat},
    client::Client,
    failure::CliError,
    output,
};

const SET: &str = "/v1.0/deviceManagement/managedDevices";
const PAGE: u64 = 1000;
/// What fits beside each other on a screen.
const COLUMNS: [&str; 7] = [
    "deviceName",
    "userDisplayName",
    "operatingSystem",
    "osVersion",
    "exchangeAccessState",
    "exchangeAccessStateReason",
    "easDeviceId",
];

pub(crate) async fn run(mut client: Client, command: DevicesCommand) -> Result<(), CliError> {
    match command {
        DevicesCommand::Allow { id } => decide(&mut client, &id, "allow", "allowed").await,
        DevicesCommand::Block { id } => decide(&mut client, &id, "block", "blocked").await,
        DevicesCommand::ByRule { id } => decide(&mut client, &id, "byRule", "left to the rules").await,
        DevicesCommand::Get { id, output } => {
            let device = client.get(&format!("{SET}/{}", segment(&id)?)).await?;
            let text = match output.output {
                OutputFormat::Json => format!("{}\n", output::json(&device)),
                OutputFormat::Table => output::record(&device),
            };
            Ok(output::print(&text)?)
        }
        DevicesCommand::List { filter, orderby, top, output } => {
            let mut query = vec![format!("$top={}", top.unwrap_or(PAGE).min(PAGE))];
            query.extend(filter.map(|filter| format!("$filter={}", encoded(&filter))));
            query.extend(orderby.map(|orderby| format!("$orderby={}", encoded(&orderby))));
            list(&mut client, format!("{SET}?{}", query.join("&")), top, output).await
        }
    }
}

/// Has Exchange decide about a device.
async fn decide(client: &mut Client, id: &str, decision: &str, done: &str) -> Result<(), CliError> {
    let path = format!("/exconn/v1/devices/{}/access", segment(id)?);
    client.post(&path, &json!({"decision": decision})).await?;
    Ok(output::print(&format!("{id} is {done}; its access state follows when its mailbox was asked\n"))?)
}

/// Prints page by page: a listing is never held as a whole.
async fn list(
    client: &mut Client,
    first: String,
    top: Option<u64>,
    format: ListFormat,
) -> Result<(), CliError> {
    let mut left = top.unwrap_or(u64::MAX);
    let mut next = Some(first);
    let mut printer = Printer { format, printed: 0 };
    while let Some(path) = next.filter(|_| left > 0) {
        let page = client.get(&path).await?;
        let devices = page["value"].as_array().map(Vec::as_slice).unwrap_or_default();
        let wanted =
            devices.get(..usize::try_from(left).unwrap_or(usize::MAX).min(devices.len())).unwrap_or(devices);
        printer.page(wanted)?;
        left -= wanted.len() as u64;
        next = page["@odata.nextLink"].as_str().map(Client::path_of).transpose()?;
    }
    printer.end()
}

struct Printer {
    format: ListFormat,
    printed: u64,
}

impl Printer {
    fn page(&mut self, devices: &[Value]) -> Result<(), CliError> {
        match self.format {
            ListFormat::Table => {
                if !devices.is_empty() || self.printed == 0 {
                    let row =
                        |device: &Value| COLUMNS.iter().map(|name| output::text(&device[*name])).collect();
                    output::print(&format!("{}\n", output::table(&COLUMNS, devices.iter().map(row))))?;
                }
            }
            ListFormat::Json => {
                for (number, device) in (self.printed..).zip(devices) {
                    let before = if number == 0 { "[\n" } else { ",\n" };
                    output::print(&format!("{before}{}", output::without_annotations(device)))?;
                }
            }
            ListFormat::Csv => self.csv(devices)?,
        }
        self.printed += devices.len() as u64;
        Ok(())
    }

    fn csv(&self, devices: &[Value]) -> Result<(), CliError> {
        let names: Vec<&str> =
            exconn_model::MANAGED_DEVICE.properties.iter().map(|property| property.name).collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let written = (|| {
            if self.printed == 0 {
                writer.write_record(&names)?;
            }
            for device in devices {
                writer.write_record(names.iter().map(|name| output::cell(&device[*name])))?;
            }
            writer.flush()?;
            Ok::<_, csv::Error>(())
        })();
        written.map_err(io::Error::other)?;
        let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        Ok(output::print(&String::from_utf8_lossy(&bytes))?)
    }

    fn end(&self) -> Result<(), CliError> {
        if self.format == ListFormat::Json {
            output::print(if self.printed == 0 { "[]\n" } else { "\n]\n" })?;
        }
        Ok(())
    }
}
