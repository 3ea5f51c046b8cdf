use std::{fmt, str::FromStr};

/// A permission of the Graph that opens something here, as it stands in a token's `scp` or `roles`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read connectors and runs.
    ServiceConfigRead,
    /// Change connectors, start syncs.
    ServiceConfigReadWrite,
    /// The older name that reads connectors too.
    ConfigurationRead,
    /// The older name that changes connectors too.
    ConfigurationReadWrite,
    /// Read devices.
    ManagedDevicesRead,
    /// Read devices and decide about their access.
    ManagedDevicesReadWrite,
    /// See the applications that are registered with the built-in issuer.
    ApplicationRead,
    /// Register, change and remove applications. Whoever has it can give an application every permission.
    ApplicationReadWrite,
    /// Read the audit.
    AuditLogRead,
}

/// A text that names no permission which exconn knows: its first 100 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a permission that exconn knows; known are {names}", names = Permission::names())]
pub struct UnknownPermission(pub String);

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 9] = [
        Self::ServiceConfigRead,
        Self::ServiceConfigReadWrite,
        Self::ConfigurationRead,
        Self::ConfigurationReadWrite,
        Self::ManagedDevicesRead,
        Self::ManagedDevicesReadWrite,
        Self::ApplicationRead,
        Self::ApplicationReadWrite,
        Self::AuditLogRead,
    ];

    /// The Graph's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceConfigRead => "DeviceManagementServiceConfig.Read.All",
            Self::ServiceConfigReadWrite => "DeviceManagementServiceConfig.ReadWrite.All",
            Self::ConfigurationRead => "DeviceManagementConfiguration.Read.All",
            Self::ConfigurationReadWrite => "DeviceManagementConfiguration.ReadWrite.All",
            Self::ManagedDevicesRead => "DeviceManagementManagedDevices.Read.All",
            Self::ManagedDevicesReadWrite => "DeviceManagementManagedDevices.ReadWrite.All",
            Self::ApplicationRead => "Application.Read.All",
            Self::ApplicationReadWrite => "Application.ReadWrite.All",
            Self::AuditLogRead => "AuditLog.Read.All",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    fn bit(self) -> u16 {
        match self {
            Self::ServiceConfigRead => 1,
            Self::ServiceConfigReadWrite => 2,
            Self::ConfigurationRead => 4,
            Self::ConfigurationReadWrite => 8,
            Self::ManagedDevicesRead => 16,
            Self::ManagedDevicesReadWrite => 32,
            Self::ApplicationRead => 64,
            Self::ApplicationReadWrite => 128,
            Self::AuditLogRead => 256,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| UnknownPermission(text.chars().take(100).collect()))
    }
}

/// The known permissions of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u16);

impl PermissionSet {
    /// Adds the permission of this name; names that mean nothing here are left out.
    pub fn add_name(&mut self, name: &str) {
        if let Ok(permission) = name.parse::<Permission>() {
            self.0 |= permission.bit();
        }
    }

    /// Every permission.
    pub fn all() -> Self {
        Self(u16::MAX)
    }

    /// Those that are in both sets.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether one of the permissions that `need` accepts is in the set.
    pub fn satisfies(self, need: Need) -> bool {
        need.accepted().iter().any(|permission| self.0 & permission.bit() != 0)
    }
}

/// What a route demands of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// To see connectors and their runs.
    ReadConnectors,
    /// To change connectors and to start a sync.
    ChangeConnectors,
    /// To see devices.
    ReadDevices,
    /// To decide whether devices may read mail.
    ChangeDevices,
    /// To see applications.
    ReadApplications,
    /// To register, change and remove applications.
    ChangeApplications,
    /// To read the audit.
    ReadAudit,
}

impl Need {
    /// The permissions of which one is enough, the weakest first.
    pub fn accepted(self) -> &'static [Permission] {
        match self {
            Self::ReadConnectors => &[
                Permission::ServiceConfigRead,
                Permission::ServiceConfigReadWrite,
                Permission::ConfigurationRead,
                Permission::ConfigurationReadWrite,
            ],
            Self::ChangeConnectors => {
                &[Permission::ServiceConfigReadWrite, Permission::ConfigurationReadWrite]
            }
            Self::ReadDevices => &[Permission::ManagedDevicesRead, Permission::ManagedDevicesReadWrite],
            Self::ChangeDevices => &[Permission::ManagedDevicesReadWrite],
            Self::ReadApplications => &[Permission::ApplicationRead, Permission::ApplicationReadWrite],
            Self::ChangeApplications => &[Permission::ApplicationReadWrite],
            Self::ReadAudit => &[Permission::AuditLogRead],
        }
    }
}
