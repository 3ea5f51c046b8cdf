use std::{fs, path::Path};

use exconn_server::auth::Permission;
use serde_json::{Map, Value, json};

use super::{bootstrap, segment};
use crate::{
    args::{AppsCommand, CredentialArgs, OutputFormat, ServiceArgs},
    failure::CliError,
    output,
};

const PATH: &str = "/exconn/v1/apps";
const COLUMNS: [&str; 5] = ["id", "displayName", "permissions", "credentials", "createdDateTime"];
/// Bytes of a certificate's file.
const MAX_FILE: u64 = 64 * 1024;

pub(crate) async fn run(service: &ServiceArgs, command: AppsCommand) -> Result<(), CliError> {
    let bootstrap = match &command {
        AppsCommand::Create { bootstrap, .. }
        | AppsCommand::List { bootstrap, .. }
        | AppsCommand::Update { bootstrap, .. }
        | AppsCommand::Rotate { bootstrap, .. }
        | AppsCommand::Delete { bootstrap, .. } => bootstrap,
    };
    let permission = match command {
        AppsCommand::List { .. } => Permission::ApplicationRead,
        _ => Permission::ApplicationReadWrite,
    };
    let mut client = bootstrap::client(service, bootstrap, permission, "exconn apps")?;
    match command {
        AppsCommand::Create { name, permissions, credential, output, .. } => {
            let mut body = body(&credential)?;
            body.insert("displayName".into(), name.into());
            body.insert("permissions".into(), permissions.into());
            show(&client.post(PATH, &Value::Object(body)).await?, output.output)
        }
        AppsCommand::List { output, .. } => list(&client.get(PATH).await?, output.output),
        AppsCommand::Update { id, name, permissions, output, .. } => {
            let mut body = Map::new();
            if let Some(name) = name {
                body.insert("displayName".into(), name.into());
            }
            if !permissions.is_empty() {
                body.insert("permissions".into(), permissions.into());
            }
            let path = format!("{PATH}/{}", segment(&id)?);
            show(&client.patch(&path, &Value::Object(body)).await?, output.output)
        }
        AppsCommand::Rotate { id, credential, overlap, output, .. } => {
            let mut body = body(&credential)?;
            if let Some(overlap) = overlap {
                body.insert("overlapSeconds".into(), overlap.as_secs().into());
            }
            let path = format!("{PATH}/{}/rotate", segment(&id)?);
            show(&client.post(&path, &Value::Object(body)).await?, output.output)
        }
        AppsCommand::Delete { id, .. } => {
            client.delete(&format!("{PATH}/{}", segment(&id)?)).await?;
            Ok(output::print(&format!("deleted {id}\n"))?)
        }
    }
}

fn body(credential: &CredentialArgs) -> Result<Map<String, Value>, CliError> {
    let mut body = Map::new();
    if let Some(path) = &credential.certificate {
        body.insert("certificate".into(), pem(path)?.into());
    }
    if let Some(expires) = credential.expires {
        body.insert("lifetimeSeconds".into(), expires.as_secs().into());
    }
    Ok(body)
}

/// The certificates of a PEM file. A private key beside them stays here.
fn pem(path: &Path) -> Result<String, CliError> {
    let failed = |reason: String| CliError::Failed(format!("cannot read {}: {reason}", path.display()));
    let length = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if length > MAX_FILE {
        return Err(failed("it is larger than 64 KiB".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let mut certificates = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.starts_with("-----BEGIN CERTIFICATE-----");
        if inside {
            certificates.push_str(line.trim_end());
            certificates.push('\n');
        }
        inside &= !line.starts_with("-----END CERTIFICATE-----");
    }
    if certificates.is_empty() {
        return Err(failed("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(certificates)
}

/// An application, and its secret where it is new.
fn show(app: &Value, format: OutputFormat) -> Result<(), CliError> {
    let text = match format {
        OutputFormat::Json => format!("{}\n", output::json(app)),
        OutputFormat::Table => {
            let mut shown = json!({
                "id": app["id"],
                "displayName": app["displayName"],
                "permissions": permissions(app),
                "credentials": credentials(app),
            });
            if let (Some(secret), Some(members)) = (app.get("secretText"), shown.as_object_mut()) {
                members.insert("secret".into(), secret.clone());
            }
            output::record(&shown)
        }
    };
    output::print(&text)?;
    if format == OutputFormat::Table && app.get("secretText").is_some() {
        output::print("\nKeep the secret now: it is not stored, and nobody can show it again.\n")?;
    }
    Ok(())
}

fn list(apps: &Value, format: OutputFormat) -> Result<(), CliError> {
    let apps = apps["value"].as_array().cloned().unwrap_or_default();
    let text = match format {
        OutputFormat::Json => serde_json::to_string_pretty(&apps).unwrap_or_default(),
        OutputFormat::Table => {
            let row = |app: &Value| {
                let [id, name, created] =
                    ["id", "displayName", "createdDateTime"].map(|at| output::text(&app[at]));
                vec![id, name, permissions(app), credentials(app), created]
            };
            output::table(&COLUMNS, apps.iter().map(row))
        }
    };
    Ok(output::print(&format!("{text}\n"))?)
}

fn permissions(app: &Value) -> String {
    let names = app["permissions"].as_array().into_iter().flatten();
    names.map(output::text).collect::<Vec<_>>().join(" ")
}

/// By what people tell credentials from each other, and until when they are good.
fn credentials(app: &Value) -> String {
    let one = |credential: &Value| {
        let name = match credential["hint"].as_str() {
            Some(hint) => format!("{hint}…"),
            None => output::text(&credential["thumbprint"]),
        };
        format!("{name} until {}", output::text(&credential["expiresDateTime"]))
    };
    let credentials = app["credentials"].as_array().into_iter().flatten();
    credentials.map(one).collect::<Vec<_>>().join(", ")
}
