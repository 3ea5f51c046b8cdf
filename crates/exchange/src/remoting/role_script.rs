//! The rights that exconn needs, as commands that give them and nothing else.

use crate::quoted::quoted;

/// The commands for the Exchange Management Shell that give an account the rights that exconn needs, and no others: a role
/// group of its own with children of Exchange's roles, reduced to the cmdlets that exconn runs. With `read_only` the account
/// can change nothing at Exchange. The commands are to be run once, by a member of Organization Management; the roles hold
/// after the account's next session begins.
pub fn role_script(account: &str, read_only: bool) -> String {
    let reads = [
        "Get-Command",
        "Get-OrganizationConfig",
        "Get-ExchangeServer",
        "Get-MobileDevice",
        "Get-MobileDeviceStatistics",
        "Set-ADServerSettings",
    ];
    let mut cmdlets = reads.to_vec();
    let mut parents = vec!["Mail Recipients", "View-Only Configuration"];
    if !read_only {
        cmdlets.push("Set-CASMailbox");
        parents.push("Organization Client Access");
    }
    let list = |words: &[&str]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
    let (cmdlets, parents, account) = (list(&cmdlets), list(&parents), quoted(account));
    let mut script = format!(
        "$cmdlets = {cmdlets}\n\
         $roles = foreach ($parent in {parents}) {{\n\
         \x20   $role = New-ManagementRole -Name \"exconn $parent\" -Parent $parent\n\
         \x20   Get-ManagementRoleEntry \"$($role.Name)\\*\" | Where-Object {{ $cmdlets -notcontains $_.Name }} |\n\
         \x20       ForEach-Object {{ Remove-ManagementRoleEntry \"$($_.Role)\\$($_.Name)\" -Confirm:$false }}\n\
         \x20   $role.Name\n\
         }}\n"
    );
    if !read_only {
        script.push_str(
            "foreach ($role in $roles) {\n\
             \x20   Get-ManagementRoleEntry \"$role\\Set-CASMailbox\" -ErrorAction SilentlyContinue | ForEach-Object {\n\
             \x20       Set-ManagementRoleEntry \"$role\\Set-CASMailbox\" -Confirm:$false -Parameters Identity, \
             ActiveSyncAllowedDeviceIDs, ActiveSyncBlockedDeviceIDs, Confirm\n\
             \x20   }\n\
             }\n",
        );
    }
    script.push_str(&format!(
        "New-RoleGroup -Name 'exconn' -Roles $roles -Members {account}\n\
         Set-User -Identity {account} -RemotePowerShellEnabled $true\n"
    ));
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_given() {
        let script = role_script(r"CONTOSO\svc-exconn", false);
        assert!(script.contains("New-RoleGroup -Name 'exconn' -Roles $roles -Members 'CONTOSO\\svc-exconn'"));
        for needed in
            ["'Get-MobileDevice'", "'Set-CASMailbox'", "'Mail Recipients'", "'Organization Client Access'"]
        {
            assert!(script.contains(needed), "{needed} is missing in {script}");
        }
        let script = role_script(r"CONTOSO\svc-exconn", true);
        assert!(
            script.contains("'Get-MobileDeviceStatistics'") && script.contains("'View-Only Configuration'")
        );
        for needless in ["Set-CASMailbox", "Organization Client Access"] {
            assert!(!script.contains(needless), "{needless} is in {script}");
        }
    }

    #[test]
    fn an_account_cannot_end_its_quotes() {
        assert!(role_script("x'; y", true).contains("-Members 'x''; y'\n"));
    }
}
