use crate::{
    ConnectorId, GraphEnum, TenantId, Timestamp,
    enumeration::graph_enum,
    schema::{self, Action, Entity, EntityType, Value},
};

/// Longest text that a connector's property may hold, in characters.
pub const MAX_TEXT: usize = 1024;

graph_enum! {
    /// Whether exconn reaches the Exchange organisation behind a connector.
    ConnectorStatus as "deviceManagementExchangeConnectorStatus" sentinel 4 {
        /// No connector exists.
        None = 0 "none",
        /// Created, and Exchange has not been reached yet.
        ConnectionPending = 1 "connectionPending",
        /// The last attempt reached Exchange.
        Connected = 2 "connected",
        /// The last attempt failed; what was known is kept.
        Disconnected = 3 "disconnected",
    }
}

graph_enum! {
    /// The road to Exchange.
    ConnectorType as "deviceManagementExchangeConnectorType" sentinel 4 {
        /// Exchange Server in the organisation's own network.
        OnPremises = 0 "onPremises",
        /// An agent pointed at hosted, multi-tenant Exchange.
        Hosted = 1 "hosted",
        /// Exchange Online, service to service, without an agent.
        ServiceToService = 2 "serviceToService",
        /// A dedicated hosted Exchange.
        Dedicated = 3 "dedicated",
    }
}

graph_enum! {
    /// How much a sync looks at. Closed: it has no placeholder for future members.
    SyncType as "deviceManagementExchangeConnectorSyncType" {
        /// Every device of the organisation; only this kind may remove devices.
        Full = 0 "fullSync",
        /// Only what changed since the last sync.
        Delta = 1 "deltaSync",
    }
}

/// A connection to an Exchange organisation: `microsoft.graph.deviceManagementExchangeConnector`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Identity, given by exconn.
    pub id: ConnectorId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// When the last successful sync ended; [`Timestamp::UNSET`] before the first.
    pub last_sync: Timestamp,
    /// Whether Exchange is reached.
    pub status: ConnectorStatus,
    /// The address that set up a service-to-service connector.
    pub primary_smtp_address: Option<String>,
    /// Name of the Exchange server to talk to.
    pub server_name: Option<String>,
    /// Name of the machine that runs the agent.
    pub connector_server_name: Option<String>,
    /// The road to Exchange.
    pub connector_type: ConnectorType,
    /// Version of the agent.
    pub version: Option<String>,
    /// The administrator's name for the organisation; binds it to a configured connection.
    pub exchange_alias: Option<String>,
    /// The organisation's own name.
    pub exchange_organization: Option<String>,
    /// Counts the changes of this row; the entity tag is made of it.
    pub revision: i64,
}

/// What `GET /deviceManagement/exchangeConnectors` shows.
pub const CONNECTOR: EntityType = EntityType::changeable(
    "deviceManagementExchangeConnector",
    "A connection to an Exchange organisation.",
    &[
        schema::key(),
        schema::moment(
            "lastSyncDateTime",
            "When the last successful sync ended; 0001-01-01T00:00:00Z before the first.",
        ),
        schema::enumeration("status", ConnectorStatus::TYPE, "Whether Exchange is reached."),
        schema::text("primarySmtpAddress", "The address that set up a service-to-service connector."),
        schema::text("serverName", "Name of the Exchange server to talk to."),
        schema::text("connectorServerName", "Name of the machine that runs the agent."),
        schema::enumeration("exchangeConnectorType", ConnectorType::TYPE, "The road to Exchange."),
        schema::text("version", "Version of the agent."),
        schema::text(
            "exchangeAlias",
            "The administrator's name for the organisation; binds the connector to a configured connection.",
        ),
        schema::text("exchangeOrganization", "The organisation's own name."),
    ],
)
.with_actions(&[Action {
    name: "sync",
    documentation: "Queues a sync with Exchange; a run of the same kind that is queued or running covers it.",
    parameters: &[schema::enumeration("syncType", SyncType::TYPE, "How much the sync looks at.")],
}]);

impl Entity for Connector {
    const TYPE: &'static EntityType = &CONNECTOR;

    fn value(&self, position: usize) -> Value<'_> {
        match position {
            0 => Value::Text(self.id.to_string().into()),
            1 => Value::Timestamp(self.last_sync),
            2 => Value::Enum(ConnectorStatus::TYPE, self.status.number()),
            3 => Value::text(self.primary_smtp_address.as_deref()),
            4 => Value::text(self.server_name.as_deref()),
            5 => Value::text(self.connector_server_name.as_deref()),
            6 => Value::Enum(ConnectorType::TYPE, self.connector_type.number()),
            7 => Value::text(self.version.as_deref()),
            8 => Value::text(self.exchange_alias.as_deref()),
            9 => Value::text(self.exchange_organization.as_deref()),
            _ => Value::Null,
        }
    }

    fn revision(&self) -> Option<i64> {
        Some(self.revision)
    }
}

/// A connector about to be created: everything but what exconn itself gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorDraft {
    /// See [`Connector::last_sync`].
    pub last_sync: Timestamp,
    /// See [`Connector::status`].
    pub status: ConnectorStatus,
    /// See [`Connector::primary_smtp_address`].
    pub primary_smtp_address: Option<String>,
    /// See [`Connector::server_name`].
    pub server_name: Option<String>,
    /// See [`Connector::connector_server_name`].
    pub connector_server_name: Option<String>,
    /// See [`Connector::connector_type`].
    pub connector_type: ConnectorType,
    /// See [`Connector::version`].
    pub version: Option<String>,
    /// See [`Connector::exchange_alias`].
    pub exchange_alias: Option<String>,
    /// See [`Connector::exchange_organization`].
    pub exchange_organization: Option<String>,
}

impl Default for ConnectorDraft {
    fn default() -> Self {
        Self {
            last_sync: Timestamp::UNSET,
            status: ConnectorStatus::ConnectionPending,
            primary_smtp_address: None,
            server_name: None,
            connector_server_name: None,
            connector_type: ConnectorType::OnPremises,
            version: None,
            exchange_alias: None,
            exchange_organization: None,
        }
    }
}

impl ConnectorDraft {
    /// The draft with `change` applied.
    pub fn with(mut self, change: ConnectorChange) -> Self {
        let ConnectorChange {
            last_sync,
            status,
            primary_smtp_address,
            server_name,
            connector_server_name,
            connector_type,
            version,
            exchange_alias,
            exchange_organization,
        } = change;
        set(&mut self.last_sync, last_sync);
        set(&mut self.status, status);
        set(&mut self.primary_smtp_address, primary_smtp_address);
        set(&mut self.server_name, server_name);
        set(&mut self.connector_server_name, connector_server_name);
        set(&mut self.connector_type, connector_type);
        set(&mut self.version, version);
        set(&mut self.exchange_alias, exchange_alias);
        set(&mut self.exchange_organization, exchange_organization);
        self
    }
}

impl From<Connector> for ConnectorDraft {
    fn from(connector: Connector) -> Self {
        Self {
            last_sync: connector.last_sync,
            status: connector.status,
            primary_smtp_address: connector.primary_smtp_address,
            server_name: connector.server_name,
            connector_server_name: connector.connector_server_name,
            connector_type: connector.connector_type,
            version: connector.version,
            exchange_alias: connector.exchange_alias,
            exchange_organization: connector.exchange_organization,
        }
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// A partial change of a connector. The outer `None` leaves a property as it is; the inner one clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorChange {
    /// See [`Connector::last_sync`].
    pub last_sync: Option<Timestamp>,
    /// See [`Connector::status`].
    pub status: Option<ConnectorStatus>,
    /// See [`Connector::primary_smtp_address`].
    pub primary_smtp_address: Option<Option<String>>,
    /// See [`Connector::server_name`].
    pub server_name: Option<Option<String>>,
    /// See [`Connector::connector_server_name`].
    pub connector_server_name: Option<Option<String>>,
    /// See [`Connector::connector_type`].
    pub connector_type: Option<ConnectorType>,
    /// See [`Connector::version`].
    pub version: Option<Option<String>>,
    /// See [`Connector::exchange_alias`].
    pub exchange_alias: Option<Option<String>>,
    /// See [`Connector::exchange_organization`].
    pub exchange_organization: Option<Option<String>>,
}

impl ConnectorChange {
    /// Sets the property at `position` of [`CONNECTOR`]; false if `value` is not of the property's type, or if the
    /// property cannot be changed.
    pub fn set(&mut self, position: usize, value: Value<'_>) -> bool {
        match (position, value) {
            (1, Value::Timestamp(value)) => self.last_sync = Some(value),
            (2, Value::Enum(_, number)) => match ConnectorStatus::from_number(number) {
                Some(status) => self.status = Some(status),
                None => return false,
            },
            (6, Value::Enum(_, number)) => match ConnectorType::from_number(number) {
                Some(kind) => self.connector_type = Some(kind),
                None => return false,
            },
            (position, Value::Text(value)) => match self.text(position) {
                Some(slot) => *slot = Some(Some(value.into_owned())),
                None => return false,
            },
            (position, Value::Null) => match self.text(position) {
                Some(slot) => *slot = Some(None),
                None => return false,
            },
            _ => return false,
        }
        true
    }

    fn text(&mut self, position: usize) -> Option<&mut Option<Option<String>>> {
        Some(match position {
            3 => &mut self.primary_smtp_address,
            4 => &mut self.server_name,
            5 => &mut self.connector_server_name,
            7 => &mut self.version,
            8 => &mut self.exchange_alias,
            9 => &mut self.exchange_organization,
            _ => return None,
        })
    }
}
