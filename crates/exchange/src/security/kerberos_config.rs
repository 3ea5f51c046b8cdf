/// Where Kerberos finds its way. What is not said comes from `krb5.conf`, else from the user's name and DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KerberosConfig {
    /// Realm of the account, for instance `CONTOSO.COM`. If none is given it is the domain in the user's name.
    pub realm: Option<String>,
    /// Key distribution centres of that realm, `host` or `host:port`, tried in this order; the port is 88 unless said
    /// otherwise. If none is given they are those of the realm in `krb5.conf`, else whatever the realm's own name resolves
    /// to: in Active Directory, the domain controllers.
    pub kdcs: Vec<String>,
}
