//! What the application needs to be allowed, as the commands that allow it.

use super::config::{Cloud, OnlineConfig};

/// Holds `Get-OrganizationConfig`.
pub(super) const ORGANIZATION_ROLE: &str = "View-Only Configuration";
/// Holds `Get-MobileDevice`, `Get-MobileDeviceStatistics` and `Get-CASMailbox`.
pub(super) const READING_ROLE: &str = "View-Only Recipients";
/// Holds `Set-CASMailbox`.
pub(super) const DECIDING_ROLE: &str = "Organization Client Access";

/// PowerShell that gives the application the permission and the roles that it needs, for an administrator with the modules
/// `Microsoft.Graph` and `ExchangeOnlineManagement`. Without `read_only` it may also decide about devices.
pub fn role_script(config: &OnlineConfig, read_only: bool) -> String {
    let (graph, exchange) = match config.cloud {
        Cloud::Worldwide => ("Global", "O365Default"),
        Cloud::UsGovernment => ("USGov", "O365USGovGCCHigh"),
        Cloud::UsGovernmentDod => ("USGovDoD", "O365USGovDoD"),
        Cloud::China => ("China", "O365China"),
    };
    let (tenant, client) = (config.tenant_id, config.client_id);
    let mut roles = format!("'{READING_ROLE}', '{ORGANIZATION_ROLE}'");
    if !read_only {
        roles.push_str(&format!(", '{DECIDING_ROLE}'"));
    }
    format!(
        "Connect-MgGraph -TenantId {tenant} -Environment {graph} -Scopes Application.ReadWrite.All, AppRoleAssignment.ReadWrite.All\n\
         $principal = Get-MgServicePrincipal -Filter \"appId eq '{client}'\"\n\
         if (-not $principal) {{ $principal = New-MgServicePrincipal -AppId {client} }}\n\
         $exchange = Get-MgServicePrincipal -Filter \"appId eq '00000002-0000-0ff1-ce00-000000000000'\"\n\
         # Exchange.ManageAsApp\n\
         New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -PrincipalId $principal.Id \
         -ResourceId $exchange.Id -AppRoleId dc50a0fb-09a3-484d-be87-e023b12c6440\n\
         Connect-ExchangeOnline -ExchangeEnvironmentName {exchange}\n\
         New-ServicePrincipal -AppId {client} -ObjectId $principal.Id -DisplayName exconn\n\
         New-RoleGroup -Name exconn -Roles {roles}\n\
         Add-RoleGroupMember -Identity exconn -Member $principal.Id\n"
    )
}
