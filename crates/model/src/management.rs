//! What is above connectors and devices: the service itself, and the devices counted.

use crate::{
    CONNECTOR, MANAGED_DEVICE, TenantId,
    schema::{self, ComplexType, Entity, EntityContainer, EntityType, NavigationProperty, Singleton, Value},
};

/// All that the Graph's part of the service offers.
pub const GRAPH_SERVICE: EntityContainer = EntityContainer {
    name: "GraphService",
    singletons: &[Singleton { name: "deviceManagement", kind: &DEVICE_MANAGEMENT }],
};

/// What `GET /deviceManagement` shows.
pub const DEVICE_MANAGEMENT: EntityType = EntityType::read_only(
    "deviceManagement",
    "What the tenant has: its connectors and the devices that they found. Its id is the tenant's.",
    &[schema::key()],
)
.with_navigation(&[
    NavigationProperty {
        name: "exchangeConnectors",
        documentation: "The tenant's connections to Exchange organisations.",
        target: &CONNECTOR,
        is_collection: true,
    },
    NavigationProperty {
        name: "managedDevices",
        documentation: "The mobile devices that syncs found.",
        target: &MANAGED_DEVICE,
        is_collection: true,
    },
    NavigationProperty {
        name: "managedDeviceOverview",
        documentation: "The devices, counted.",
        target: &MANAGED_DEVICE_OVERVIEW,
        is_collection: false,
    },
]);

/// `deviceManagement` of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceManagement {
    /// The tenant.
    pub tenant: TenantId,
}

impl Entity for DeviceManagement {
    const TYPE: &'static EntityType = &DEVICE_MANAGEMENT;

    fn value(&self, position: usize) -> Value<'_> {
        match position {
            0 => Value::Text(self.tenant.to_string().into()),
            _ => Value::Null,
        }
    }
}

/// What `GET /deviceManagement/managedDeviceOverview` shows.
pub const MANAGED_DEVICE_OVERVIEW: EntityType = EntityType::read_only(
    "managedDeviceOverview",
    "The tenant's devices, counted. Its id is the tenant's.",
    &[
        schema::key(),
        schema::number("enrolledDeviceCount", "All devices."),
        schema::complex(
            "deviceExchangeAccessStateSummary",
            &ACCESS_STATE_SUMMARY,
            "The devices by what Exchange lets them do.",
        ),
    ],
);

const ACCESS_STATE_SUMMARY: ComplexType = ComplexType {
    name: "deviceExchangeAccessStateSummary",
    documentation: "Devices counted by access state.",
    properties: &[
        schema::number("allowedDeviceCount", "Devices with access."),
        schema::number("blockedDeviceCount", "Devices refused."),
        schema::number("quarantinedDeviceCount", "Devices waiting for a decision."),
        schema::number("unknownDeviceCount", "Devices that Exchange has not decided about."),
        schema::number("unavailableDeviceCount", "Devices for which no state was found."),
    ],
};

/// Devices counted by access state, for `managedDeviceOverview`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceOverview {
    /// Devices with access.
    pub allowed: u64,
    /// Devices refused.
    pub blocked: u64,
    /// Devices waiting for a decision.
    pub quarantined: u64,
    /// Devices that Exchange has not decided about.
    pub unknown: u64,
    /// Devices for which no state was found.
    pub unavailable: u64,
}

impl DeviceOverview {
    /// All devices.
    pub fn total(&self) -> u64 {
        self.allowed + self.blocked + self.quarantined + self.unknown + self.unavailable
    }
}

/// `managedDeviceOverview` of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedDeviceOverview {
    /// The tenant.
    pub tenant: TenantId,
    /// Its devices.
    pub devices: DeviceOverview,
}

impl Entity for ManagedDeviceOverview {
    const TYPE: &'static EntityType = &MANAGED_DEVICE_OVERVIEW;

    fn value(&self, position: usize) -> Value<'_> {
        let devices = &self.devices;
        match position {
            0 => Value::Text(self.tenant.to_string().into()),
            1 => Value::count(devices.total()),
            2 => {
                let counts = [
                    devices.allowed,
                    devices.blocked,
                    devices.quarantined,
                    devices.unknown,
                    devices.unavailable,
                ];
                Value::Complex(&ACCESS_STATE_SUMMARY, counts.into_iter().map(Value::count).collect())
            }
            _ => Value::Null,
        }
    }
}
