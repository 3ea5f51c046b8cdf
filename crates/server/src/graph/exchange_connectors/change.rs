use exconn_model::{CONNECTOR, ConnectorChange, GraphEnum, SyncType, schema::Value};

use exconn_odata::body::{self, Sentinel};

use crate::failure::Failure;

/// The properties of a connector about to be created.
pub(super) fn for_create(body: &[u8]) -> Result<ConnectorChange, Failure> {
    let mut change = ConnectorChange::default();
    for (position, value) in body::entity(body, &CONNECTOR, Sentinel::Refuse)? {
        // Its id is given by exconn.
        if position == 0 || !change.set(position, value) {
            return Err(Failure::bad("The property 'id' is given by the service; leave it out."));
        }
    }
    Ok(change)
}

/// The change of the connector with this id; a body that changes nothing is refused.
pub(super) fn for_update(body: &[u8], id: &str) -> Result<ConnectorChange, Failure> {
    let mut change = ConnectorChange::default();
    for (position, value) in body::entity(body, &CONNECTOR, Sentinel::Leave)? {
        match value {
            Value::Text(given) if position == 0 && given == id => {}
            value => {
                if !change.set(position, value) {
                    return Err(Failure::bad(format!(
                        "The property 'id' cannot be changed; leave it out, or repeat '{id}'."
                    )));
                }
            }
        }
    }
    if change == ConnectorChange::default() {
        return Err(Failure::bad("Invalid patch, at least 1 property must be changed"));
    }
    Ok(change)
}

/// What a sync is asked to look at.
pub(super) fn sync_type(body: &[u8]) -> Result<SyncType, Failure> {
    let number = body::enum_parameter(body, "syncType", SyncType::TYPE)?;
    SyncType::from_number(number).ok_or_else(|| Failure::bad("The parameter 'syncType' is not known."))
}
