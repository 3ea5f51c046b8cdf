use super::config::OnlineConfig;

/// What an administrator of the tenant runs so that the application may do what exconn needs, and no more: commands for
/// Exchange Online PowerShell. The application and its permission `Exchange.ManageAsApp` come first, in Entra. The commands
/// follow the vendor's documentation.
pub fn role_script(config: &OnlineConfig, read_only: bool) -> String {
    let client = config.client_id;
    let mut text = format!(
        "# In Entra: give the application {client} the application permission Exchange.ManageAsApp of\n\
         # Office 365 Exchange Online, and consent to it for the organisation. Then, in Exchange Online PowerShell\n\
         # (OBJECT-ID is the object id of the application's enterprise application):\n\
         New-ServicePrincipal -AppId {client} -ObjectId OBJECT-ID -DisplayName \"exconn\"\n"
    );
    let mut roles = vec![("exconn Configuration", "View-Only Configuration", "Get-OrganizationConfig")];
    roles.push((
        "exconn Devices",
        "View-Only Recipients",
        "Get-MobileDevice|Get-MobileDeviceStatistics|Get-CASMailbox",
    ));
    if !read_only {
        roles.push(("exconn Access", "Mail Recipients", "Set-CASMailbox"));
    }
    for (role, parent, cmdlets) in &roles {
        text.push_str(&format!(
            "New-ManagementRole -Name \"{role}\" -Parent \"{parent}\"\n\
             Get-ManagementRoleEntry \"{role}\\*\" | Where-Object Name -NotMatch '^({cmdlets})$' | ForEach-Object {{\n    \
             Remove-ManagementRoleEntry -Identity \"$($_.Role)\\$($_.Name)\" -Confirm:$false }}\n"
        ));
    }
    let names = roles.iter().map(|(role, ..)| format!("\"{role}\"")).collect::<Vec<_>>().join(",");
    text.push_str(&format!("New-RoleGroup -Name \"exconn\" -Roles {names} -Members {client}\n"));
    text
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{SecretFile, online::ClientCredential};

    #[test]
    fn only_who_may_write_gets_a_role_that_does() {
        let secret = ClientCredential::Secret(SecretFile::new("/nowhere"));
        let config = OnlineConfig::new(Uuid::from_u128(1), Uuid::from_u128(2), secret);
        let reads = role_script(&config, true);
        assert!(reads.contains("-AppId 00000000-0000-0000-0000-000000000002"), "{reads}");
        assert!(reads.contains("Get-MobileDeviceStatistics") && !reads.contains("Set-CASMailbox"), "{reads}");
        assert!(role_script(&config, false).contains("'^(Set-CASMailbox)$'"));
    }
}
