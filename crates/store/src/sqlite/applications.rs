use exconn_model::{
    Application, ApplicationChange, ApplicationId, Credential, CredentialId, CredentialKey, MAX_CREDENTIALS,
    SecretDigest, TenantId, Timestamp,
};
use rusqlite::{Connection, Row, Transaction, params};

use super::{connectors::uuid, failure::failed};
use crate::{MAX_APPLICATIONS, StoreError};

pub(super) fn get(
    connection: &Connection,
    tenant: TenantId,
    id: ApplicationId,
) -> Result<Application, StoreError> {
    const BY_ID: &str = "SELECT id, tenant_id, display_name, permissions, created FROM application \
        WHERE id = ?1 AND tenant_id = ?2";
    let mut statement = connection.prepare_cached(BY_ID).map_err(failed)?;
    let found = statement.query_row(params![id.to_string(), tenant.to_string()], application);
    with_credentials(connection, found.map_err(failed)?)
}

pub(super) fn all(connection: &Connection, tenant: TenantId) -> Result<Vec<Application>, StoreError> {
    const ALL: &str = "SELECT id, tenant_id, display_name, permissions, created FROM application \
        WHERE tenant_id = ?1 ORDER BY display_name, id LIMIT ?2";
    let mut statement = connection.prepare_cached(ALL).map_err(failed)?;
    let rows =
        statement.query_map(params![tenant.to_string(), MAX_APPLICATIONS], application).map_err(failed)?;
    let found = rows.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    found.into_iter().map(|one| with_credentials(connection, one)).collect()
}

pub(super) fn insert(tx: &Transaction<'_>, application: &Application) -> Result<(), StoreError> {
    let tenant = application.tenant.to_string();
    let there: u32 = tx
        .query_row("SELECT count(*) FROM application WHERE tenant_id = ?1", [&tenant], |row| row.get(0))
        .map_err(failed)?;
    if there >= MAX_APPLICATIONS {
        return Err(StoreError::TooMany("applications"));
    }
    tx.execute(
        "INSERT INTO application (id, tenant_id, display_name, permissions, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            application.id.to_string(),
            tenant,
            application.display_name,
            application.permissions.join(" "),
            application.created.ticks(),
        ],
    )
    .map_err(failed)?;
    application.credentials.iter().try_for_each(|one| insert_credential(tx, application.id, one))
}

pub(super) fn update(
    tx: &Transaction<'_>,
    tenant: TenantId,
    id: ApplicationId,
    change: &ApplicationChange,
) -> Result<(), StoreError> {
    let before = get(tx, tenant, id)?;
    tx.execute(
        "UPDATE application SET display_name = ?2, permissions = ?3 WHERE id = ?1",
        params![
            id.to_string(),
            change.display_name.as_ref().unwrap_or(&before.display_name),
            change.permissions.as_ref().unwrap_or(&before.permissions).join(" "),
        ],
    )
    .map_err(failed)?;
    Ok(())
}

pub(super) fn delete(tx: &Transaction<'_>, tenant: TenantId, id: ApplicationId) -> Result<(), StoreError> {
    get(tx, tenant, id)?;
    let id = [id.to_string()];
    tx.execute("DELETE FROM credential WHERE application_id = ?1", id.clone()).map_err(failed)?;
    tx.execute("DELETE FROM application WHERE id = ?1", id).map_err(failed)?;
    Ok(())
}

/// Adds a credential, lets the others end no later than `others_end`, and drops those that have ended by `now`.
pub(super) fn add_credential(
    tx: &Transaction<'_>,
    tenant: TenantId,
    id: ApplicationId,
    credential: &Credential,
    others_end: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    get(tx, tenant, id)?;
    let owner = id.to_string();
    if let Some(end) = others_end {
        tx.execute(
            "UPDATE credential SET expires = min(expires, ?2) WHERE application_id = ?1",
            params![owner, end.ticks()],
        )
        .map_err(failed)?;
    }
    tx.execute(
        "DELETE FROM credential WHERE application_id = ?1 AND expires <= ?2",
        params![owner, now.ticks()],
    )
    .map_err(failed)?;
    insert_credential(tx, id, credential)?;
    if get(tx, tenant, id)?.credentials.len() > MAX_CREDENTIALS {
        return Err(StoreError::TooMany("credentials of an application"));
    }
    Ok(())
}

fn insert_credential(
    tx: &Transaction<'_>,
    owner: ApplicationId,
    credential: &Credential,
) -> Result<(), StoreError> {
    let (digest, hint, certificate) = match &credential.key {
        CredentialKey::Secret { digest, hint } => (Some(digest), Some(hint), None),
        CredentialKey::Certificate(der) => (None, None, Some(der)),
    };
    tx.execute(
        "INSERT INTO credential (id, application_id, created, expires, salt, hash, hint, certificate) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            credential.id.to_string(),
            owner.to_string(),
            credential.created.ticks(),
            credential.expires.ticks(),
            digest.map(|digest| digest.salt),
            digest.map(|digest| digest.hash),
            hint,
            certificate,
        ],
    )
    .map_err(failed)?;
    Ok(())
}

fn with_credentials(
    connection: &Connection,
    mut application: Application,
) -> Result<Application, StoreError> {
    const CREDENTIALS: &str = "SELECT id, created, expires, salt, hash, hint, certificate FROM credential \
        WHERE application_id = ?1 ORDER BY sequence";
    let mut statement = connection.prepare_cached(CREDENTIALS).map_err(failed)?;
    let rows = statement.query_map([application.id.to_string()], credential).map_err(failed)?;
    application.credentials = rows.collect::<Result<_, _>>().map_err(failed)?;
    Ok(application)
}

fn application(row: &Row<'_>) -> rusqlite::Result<Application> {
    let permissions: String = row.get(3)?;
    Ok(Application {
        id: ApplicationId(uuid(row, 0)?),
        tenant: TenantId(uuid(row, 1)?),
        display_name: row.get(2)?,
        permissions: permissions.split_whitespace().map(str::to_owned).collect(),
        created: Timestamp::from_ticks(row.get(4)?),
        credentials: Vec::new(),
    })
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    let key = match row.get::<_, Option<Vec<u8>>>(6)? {
        Some(der) => CredentialKey::Certificate(der),
        None => CredentialKey::Secret {
            digest: SecretDigest { salt: row.get(3)?, hash: row.get(4)? },
            hint: row.get(5)?,
        },
    };
    Ok(Credential {
        id: CredentialId(uuid(row, 0)?),
        created: Timestamp::from_ticks(row.get(1)?),
        expires: Timestamp::from_ticks(row.get(2)?),
        key,
    })
}
