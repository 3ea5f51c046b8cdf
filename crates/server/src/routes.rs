//! The table of everything that can be asked for. A route that is not in it does not exist, and each demands what its
//! line says.

use http::Method;

use crate::auth::Need;

/// What a route demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// A valid token.
    Token,
    /// A valid token with one of the permissions that the need accepts.
    Needs(Need),
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    ListConnectors,
    CreateConnector,
    CountConnectors,
    GetConnector,
    UpdateConnector,
    DeleteConnector,
    SyncConnector,
    TestConnector,
    ListDevices,
    CountDevices,
    GetDevice,
    GetDeviceOverview,
    SetDeviceAccess,
    Batch,
    GetDeviceManagement,
    GetServiceDocument,
    GetMetadata,
    GetGraphDescription,
    ListRuns,
    GetRun,
    GetObservedDevice,
    GetDescription,
    ListAudit,
    ListApps,
    CreateApp,
    GetApp,
    UpdateApp,
    DeleteApp,
    RotateApp,
    IssueToken,
    IssueTokenOfVersionOne,
    GetOpenIdConfiguration,
    GetSigningKeys,
    Live,
    Ready,
}

/// Where something can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Connectors,
    ConnectorsCount,
    Connector,
    ConnectorSync,
    Devices,
    DevicesCount,
    Device,
    DeviceOverview,
    Batch,
    DeviceManagement,
    ServiceDocument,
    Metadata,
    GraphDescription,
    ConnectorRuns,
    ConnectorTest,
    DeviceAccess,
    Run,
    ObservedDevice,
    Description,
    Audit,
    Apps,
    App,
    AppRotation,
    Token,
    TokenOfVersionOne,
    OpenIdConfiguration,
    SigningKeys,
    Liveness,
    Readiness,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method. What `GET` answers, `HEAD` answers without a body.
    pub method: Method,
    /// The path, with `{version}` for `v1.0` and `beta`, `{id}` for an id and `{tenant}` for a tenant's.
    pub path: &'static str,
    /// What it demands.
    pub access: Access,
    pub(crate) place: Place,
    pub(crate) operation: Operation,
}

const fn route(
    method: Method,
    path: &'static str,
    access: Access,
    place: Place,
    operation: Operation,
) -> Route {
    Route { method, path, access, place, operation }
}

const READ: Access = Access::Needs(Need::ReadConnectors);
const CHANGE: Access = Access::Needs(Need::ChangeConnectors);
const DEVICES: Access = Access::Needs(Need::ReadDevices);
const CHANGE_DEVICES: Access = Access::Needs(Need::ChangeDevices);
const READ_APPS: Access = Access::Needs(Need::ReadApplications);
const CHANGE_APPS: Access = Access::Needs(Need::ChangeApplications);
const READ_AUDIT: Access = Access::Needs(Need::ReadAudit);

const SERVICE: &str = "/{version}/";
const METADATA: &str = "/{version}/$metadata";
const GRAPH_DESCRIPTION: &str = "/{version}/openapi.json";
const MANAGEMENT: &str = "/{version}/deviceManagement";
const CONNECTORS: &str = "/{version}/deviceManagement/exchangeConnectors";
const CONNECTORS_COUNT: &str = "/{version}/deviceManagement/exchangeConnectors/$count";
const CONNECTOR: &str = "/{version}/deviceManagement/exchangeConnectors/{id}";
const SYNC: &str = "/{version}/deviceManagement/exchangeConnectors/{id}/sync";
const MANAGED_DEVICES: &str = "/{version}/deviceManagement/managedDevices";
const MANAGED_DEVICES_COUNT: &str = "/{version}/deviceManagement/managedDevices/$count";
const MANAGED_DEVICE: &str = "/{version}/deviceManagement/managedDevices/{id}";
const OVERVIEW: &str = "/{version}/deviceManagement/managedDeviceOverview";
const BATCH: &str = "/{version}/$batch";
pub(crate) const RUNS: &str = "/exconn/v1/connectors/{id}/runs";
const TEST: &str = "/exconn/v1/connectors/{id}/test";
const DEVICE_ACCESS: &str = "/exconn/v1/devices/{id}/access";
pub(crate) const RUN: &str = "/exconn/v1/runs/{id}";
const OBSERVED_DEVICE: &str = "/exconn/v1/devices/{id}";
pub(crate) const DESCRIPTION: &str = "/exconn/v1/openapi.json";
const AUDIT: &str = "/exconn/v1/audit";
pub(crate) const APPS: &str = "/exconn/v1/apps";
const APP: &str = "/exconn/v1/apps/{id}";
const APP_ROTATION: &str = "/exconn/v1/apps/{id}/rotate";
const TOKEN: &str = "/{tenant}/oauth2/v2.0/token";
const TOKEN_OF_VERSION_ONE: &str = "/{tenant}/oauth2/token";
const OPENID_CONFIGURATION: &str = "/{tenant}/v2.0/.well-known/openid-configuration";
const SIGNING_KEYS: &str = "/{tenant}/discovery/v2.0/keys";
pub(crate) const HEALTH: &str = "/healthz";
pub(crate) const READINESS: &str = "/readyz";

/// Every route.
pub static ROUTES: [Route; 35] = [
    route(Method::GET, SERVICE, Access::Token, Place::ServiceDocument, Operation::GetServiceDocument),
    // What everyone can read in the source tells nothing about anyone's data, and generators send no token.
    route(Method::GET, METADATA, Access::Open, Place::Metadata, Operation::GetMetadata),
    route(
        Method::GET,
        GRAPH_DESCRIPTION,
        Access::Open,
        Place::GraphDescription,
        Operation::GetGraphDescription,
    ),
    route(Method::GET, MANAGEMENT, READ, Place::DeviceManagement, Operation::GetDeviceManagement),
    route(Method::GET, CONNECTORS, READ, Place::Connectors, Operation::ListConnectors),
    route(Method::POST, CONNECTORS, CHANGE, Place::Connectors, Operation::CreateConnector),
    route(Method::GET, CONNECTORS_COUNT, READ, Place::ConnectorsCount, Operation::CountConnectors),
    route(Method::GET, CONNECTOR, READ, Place::Connector, Operation::GetConnector),
    route(Method::PATCH, CONNECTOR, CHANGE, Place::Connector, Operation::UpdateConnector),
    route(Method::DELETE, CONNECTOR, CHANGE, Place::Connector, Operation::DeleteConnector),
    route(Method::POST, SYNC, CHANGE, Place::ConnectorSync, Operation::SyncConnector),
    route(Method::GET, MANAGED_DEVICES, DEVICES, Place::Devices, Operation::ListDevices),
    route(Method::GET, MANAGED_DEVICES_COUNT, DEVICES, Place::DevicesCount, Operation::CountDevices),
    route(Method::GET, MANAGED_DEVICE, DEVICES, Place::Device, Operation::GetDevice),
    route(Method::GET, OVERVIEW, DEVICES, Place::DeviceOverview, Operation::GetDeviceOverview),
    route(Method::POST, BATCH, Access::Token, Place::Batch, Operation::Batch),
    route(Method::GET, RUNS, READ, Place::ConnectorRuns, Operation::ListRuns),
    route(Method::POST, TEST, CHANGE, Place::ConnectorTest, Operation::TestConnector),
    route(Method::POST, DEVICE_ACCESS, CHANGE_DEVICES, Place::DeviceAccess, Operation::SetDeviceAccess),
    route(Method::GET, RUN, READ, Place::Run, Operation::GetRun),
    route(Method::GET, OBSERVED_DEVICE, DEVICES, Place::ObservedDevice, Operation::GetObservedDevice),
    route(Method::GET, DESCRIPTION, Access::Token, Place::Description, Operation::GetDescription),
    route(Method::GET, AUDIT, READ_AUDIT, Place::Audit, Operation::ListAudit),
    route(Method::GET, APPS, READ_APPS, Place::Apps, Operation::ListApps),
    route(Method::POST, APPS, CHANGE_APPS, Place::Apps, Operation::CreateApp),
    route(Method::GET, APP, READ_APPS, Place::App, Operation::GetApp),
    route(Method::PATCH, APP, CHANGE_APPS, Place::App, Operation::UpdateApp),
    route(Method::DELETE, APP, CHANGE_APPS, Place::App, Operation::DeleteApp),
    route(Method::POST, APP_ROTATION, CHANGE_APPS, Place::AppRotation, Operation::RotateApp),
    route(Method::POST, TOKEN, Access::Open, Place::Token, Operation::IssueToken),
    route(
        Method::POST,
        TOKEN_OF_VERSION_ONE,
        Access::Open,
        Place::TokenOfVersionOne,
        Operation::IssueTokenOfVersionOne,
    ),
    route(
        Method::GET,
        OPENID_CONFIGURATION,
        Access::Open,
        Place::OpenIdConfiguration,
        Operation::GetOpenIdConfiguration,
    ),
    route(Method::GET, SIGNING_KEYS, Access::Open, Place::SigningKeys, Operation::GetSigningKeys),
    route(Method::GET, HEALTH, Access::Open, Place::Liveness, Operation::Live),
    route(Method::GET, READINESS, Access::Open, Place::Readiness, Operation::Ready),
];

/// The route of a method at a place; `HEAD` goes where `GET` goes.
pub(crate) fn find(place: Place, method: &Method) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    ROUTES.iter().find(|route| route.place == place && route.method == *method)
}

/// The methods that there are at a place, as `Allow` lists them; of all places where none is given.
pub(crate) fn methods(place: Option<Place>) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for route in ROUTES.iter().filter(|route| place.is_none_or(|place| place == route.place)) {
        if !methods.contains(&route.method.as_str()) {
            methods.push(route.method.as_str());
        }
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// Whether nothing at a place demands a token.
pub(crate) fn is_open(place: Place) -> bool {
    ROUTES.iter().filter(|route| route.place == place).all(|route| route.access == Access::Open)
}

impl Operation {
    /// Its name in the audit.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListConnectors => "listConnectors",
            Self::CreateConnector => "createConnector",
            Self::CountConnectors => "countConnectors",
            Self::GetConnector => "getConnector",
            Self::UpdateConnector => "updateConnector",
            Self::DeleteConnector => "deleteConnector",
            Self::SyncConnector => "syncConnector",
            Self::TestConnector => "testConnector",
            Self::ListDevices => "listDevices",
            Self::CountDevices => "countDevices",
            Self::GetDevice => "getDevice",
            Self::GetDeviceOverview => "getDeviceOverview",
            Self::SetDeviceAccess => "setDeviceAccess",
            Self::ListRuns => "listRuns",
            Self::GetRun => "getRun",
            Self::GetObservedDevice => "getObservedDevice",
            Self::GetDescription => "getDescription",
            Self::Batch => "batch",
            Self::GetDeviceManagement => "getDeviceManagement",
            Self::GetServiceDocument => "getServiceDocument",
            Self::GetMetadata => "getMetadata",
            Self::GetGraphDescription => "getGraphDescription",
            Self::ListAudit => "listAudit",
            Self::ListApps => "listApplications",
            Self::CreateApp => "createApplication",
            Self::GetApp => "getApplication",
            Self::UpdateApp => "updateApplication",
            Self::DeleteApp => "deleteApplication",
            Self::RotateApp => "rotateApplication",
            Self::IssueToken | Self::IssueTokenOfVersionOne => "issueToken",
            Self::GetOpenIdConfiguration => "getOpenIdConfiguration",
            Self::GetSigningKeys => "getSigningKeys",
            Self::Live => "live",
            Self::Ready => "ready",
        }
    }

    /// Whether the audit has a line for each use.
    pub(crate) fn is_change(self) -> bool {
        matches!(
            self,
            Self::CreateConnector
                | Self::UpdateConnector
                | Self::DeleteConnector
                | Self::SyncConnector
                | Self::TestConnector
                | Self::SetDeviceAccess
                | Self::CreateApp
                | Self::UpdateApp
                | Self::DeleteApp
                | Self::RotateApp
        )
    }
}
