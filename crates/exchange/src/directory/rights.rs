/// The rights in a domain that reading devices from it needs, as commands for an administrator of the domain, for `account`
/// (for instance `CONTOSO\svc-exconn`). `domain` is its name in DNS.
///
/// Every account may read users and the configuration. Partnerships can be read where Exchange's own setup or the domain's
/// lets every account read; the first command is for where it does not. Without the second, devices that are deleted are found
/// by full syncs alone. Without the third, changes are found among what the account may read, which is the same for devices.
pub fn directory_rights(domain: &str, account: &str) -> String {
    let head = domain.split('.').map(|label| format!("DC={label}")).collect::<Vec<_>>().join(",");
    format!(
        "rem Read partnerships, and the containers that they are in:\n\
         dsacls \"{head}\" /I:S /G \"{account}:GR;;msExchActiveSyncDevice\" \"{account}:GR;;msExchActiveSyncDevices\"\n\
         rem See which partnerships were deleted:\n\
         dsacls \"CN=Deleted Objects,{head}\" /takeownership\n\
         dsacls \"CN=Deleted Objects,{head}\" /G \"{account}:LCRP\"\n\
         rem Optional: find changes by DirSync without a check of each object's rights. With it the account can read the \
         whole domain but for its secrets:\n\
         dsacls \"{head}\" /G \"{account}:CA;Replicating Directory Changes\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_name_the_domain_and_the_account() {
        let text = directory_rights("contoso.test", "CONTOSO\\svc-exconn");
        assert!(
            text.contains("dsacls \"CN=Deleted Objects,DC=contoso,DC=test\" /G \"CONTOSO\\svc-exconn:LCRP\"")
        );
        assert!(text.contains("CONTOSO\\svc-exconn:CA;Replicating Directory Changes"));
    }
}
