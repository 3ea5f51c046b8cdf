//! A throw-away Active Directory: Debian's Samba as a domain controller on a loopback address of its own, so that the
//! standard ports of LDAP and Kerberos are free there.

mod certificate;
mod ldif;
mod port;
mod programs;
mod template;

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

pub use certificate::ServerCertificate;
pub use ldif::DirectoryEntry;
use tempfile::TempDir;

use crate::repository_root;

/// How often a controller that starts is looked at before it is given up.
const LOOKS: u32 = 300;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What kind of domain is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainOptions {
    /// The realm, in capitals, for instance `CONTOSO.TEST`.
    pub realm: &'static str,
    /// What the controller shows to those who want TLS.
    pub certificate: ServerCertificate,
    /// Whether a password over a plain connection is refused, as by the controllers of today.
    pub strong_authentication: bool,
    /// Mailboxes of `peers/directory/populate.py`, and partnerships of each. Kept for the next domain of the same size, so
    /// that large ones are made once.
    pub population: (u32, u32),
}

impl Default for DomainOptions {
    fn default() -> Self {
        Self {
            realm: "CONTOSO.TEST",
            certificate: ServerCertificate::Right,
            strong_authentication: false,
            population: (0, 0),
        }
    }
}

/// A domain with Exchange's classes in its schema, no mailboxes at first, and the user [`Domain::USER`]. It ends when this
/// value is dropped.
#[derive(Debug)]
pub struct Domain {
    options: DomainOptions,
    folder: TempDir,
    address: Ipv4Addr,
    child: Option<Child>,
}

impl Domain {
    /// The administrator's password.
    pub const ADMIN_PASSWORD: &'static str = "Admin-of-the-tests-1";
    /// An ordinary user, who may read what every user may.
    pub const USER: &'static str = "svc-exconn";
    /// The password of [`Self::USER`]; long enough to be found wherever it leaks.
    pub const PASSWORD: &'static str = "hunter2-of-the-tests";

    /// A running domain.
    ///
    /// # Panics
    /// If Samba is not installed or does not start.
    pub fn start() -> Self {
        let mut domain = Self::prepare(DomainOptions::default());
        domain.run();
        domain
    }

    /// A domain that does not run yet, so that much can be loaded fast ([`load`](Self::load)).
    pub fn prepare(options: DomainOptions) -> Self {
        let template = template::ready(&options);
        let domain = Self::copy_of(&template, options);
        certificate::write(&domain);
        domain
    }

    /// The same domain as it was restored from a copy of its data to another controller: its numbers of changes mean
    /// something else than before (`invocationId`).
    ///
    /// # Panics
    /// If this one runs.
    pub fn restored(&self) -> Self {
        assert!(self.child.is_none(), "a running controller's data cannot be copied");
        let domain = Self::copy_of(self.folder.path(), self.options.clone());
        certificate::write(&domain);
        let mut id = [0; 16];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut id).expect("randomness");
        let configuration = format!("CN=Configuration,{}", self.base());
        let ldif = format!(
            "dn: CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,{configuration}\nchangetype: \
             modify\nreplace: invocationId\ninvocationId:: {}\n",
            ldif::base64(&id)
        );
        domain.modify_below(&configuration, &ldif);
        domain
    }

    fn copy_of(data: &Path, options: DomainOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("exconn-domain-").tempdir().expect("a folder");
        template::copy(data, folder.path());
        let address = port::free_address();
        Self { options, folder, address, child: None }
    }

    /// Starts the controller on the address that it always had and waits until it answers.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "the controller runs already");
        let folder = self.folder.path();
        let option = |name: &str, value: &str| format!("--option={name}={value}");
        let file = |name: &str| folder.join(name).display().to_string();
        let mut command = Command::new("samba");
        command
            .args(["-i", "-M", "single", "-s"])
            .arg(folder.join("etc/smb.conf"))
            .arg(option("interfaces", &format!("{}/8", self.address)))
            .arg(option("bind interfaces only", "yes"))
            .arg(option("server services", "rpc, ldap, kdc"))
            .arg(option("pid directory", &file("")))
            .arg(option("ncalrpc dir", &file("ncalrpc")))
            .arg(option("log file", &file("samba.log")))
            .arg(option("tls certfile", &file("server.pem")))
            .arg(option("tls keyfile", &file("server.key")))
            .arg(option("tls cafile", &file("authority.pem")))
            .arg(option(
                "ldap server require strong auth",
                if self.options.strong_authentication { "yes" } else { "no" },
            ));
        let log = fs::File::create(folder.join("samba.out")).expect("a file for Samba's words");
        command.stdout(log.try_clone().expect("the same file")).stderr(log);
        // It ends by itself when its standard input does, and so with this process however that ends.
        command.stdin(Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.child = Some(command.spawn().expect("Samba starts: install Debian's package samba"));
        for _ in 0..LOOKS {
            thread::sleep(LOOK_EVERY);
            if self.answers() {
                return;
            }
            if self.child.as_mut().is_some_and(|child| child.try_wait().ok().flatten().is_some()) {
                break;
            }
        }
        let said = fs::read_to_string(folder.join("samba.out")).unwrap_or_default();
        panic!("Samba does not answer at {}: {said}", self.address);
    }

    fn answers(&self) -> bool {
        // The KDC opens last.
        TcpStream::connect((self.address, 88)).is_ok()
            && programs::succeeds(
                Command::new("ldapsearch")
                    .args(["-x", "-H", &self.url(), "-b", "", "-s", "base", "namingContexts"])
                    .args(["-o", "nettimeout=2"]),
            )
    }

    /// Ends the controller; its data stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its helpers too; it leads their group.
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
        }
    }

    /// Where it listens.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// `ldap://…`
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// `ldaps://…`
    pub fn secure_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// The authority that vouches for the certificate, in PEM.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The domain's name in DNS, for instance `contoso.test`.
    pub fn name(&self) -> String {
        self.options.realm.to_lowercase()
    }

    /// The realm, for instance `CONTOSO.TEST`.
    pub fn realm(&self) -> &'static str {
        self.options.realm
    }

    /// The controller's name in DNS, which nothing resolves.
    pub fn host_name(&self) -> String {
        format!("dc1.{}", self.name())
    }

    /// The domain's head, for instance `DC=contoso,DC=test`.
    pub fn base(&self) -> String {
        self.name().split('.').map(|label| format!("DC={label}")).collect::<Vec<_>>().join(",")
    }

    /// The distinguished name of a user.
    pub fn user_dn(&self, name: &str) -> String {
        format!("CN={name},CN=Users,{}", self.base())
    }

    /// The administrator's distinguished name.
    pub fn admin_dn(&self) -> String {
        self.user_dn("Administrator")
    }

    /// The controller's folder of data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A Kerberos configuration in which this domain's KDC is the only one and nothing is asked of DNS.
    pub fn krb5_conf(&self) -> PathBuf {
        let (realm, name, address) = (self.realm(), self.name(), self.address);
        let text = format!(
            "[libdefaults]\n default_realm = {realm}\n dns_lookup_realm = false\n dns_lookup_kdc = false\n rdns = \
             false\n dns_canonicalize_hostname = false\n udp_preference_limit = 1\n[realms]\n {realm} = {{\n  kdc = \
             {address}:88\n  kpasswd_server = {address}:464\n }}\n[domain_realm]\n .{name} = {realm}\n {name} = \
             {realm}\n"
        );
        let file = self.folder.path().join("client-krb5.conf");
        fs::write(&file, text).expect("the configuration of Kerberos is written");
        file
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        self.stop();
    }
}

fn peers_directory() -> PathBuf {
    repository_root().join("peers/directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_starts_changes_answers_and_starts_again() {
        let mut domain = Domain::prepare(DomainOptions { population: (3, 2), ..DomainOptions::default() });
        domain.load(&format!("dn: OU=Büro,{}\nobjectClass: organizationalUnit\n", domain.base()));
        domain.run();
        let devices = domain.search("(objectClass=msExchActiveSyncDevice)", &["msExchDeviceID"]);
        assert_eq!(devices.len(), 6);
        assert!(
            devices.iter().all(|device| device.dn.contains("§") && device.text("msExchDeviceID").is_some())
        );
        domain.modify(&format!(
            "dn: {}\nchangetype: modify\nreplace: mail\nmail: a@b\n",
            domain.user_dn("user000001")
        ));
        assert_eq!(domain.search("(mail=a@b)", &["mail"]).len(), 1);
        domain.stop();
        let mut restored = domain.restored();
        domain.run();
        restored.run();
        let id = |domain: &Domain| {
            let base = format!("CN=Configuration,{}", domain.base());
            domain.search_below(&base, "(invocationId=*)", &["invocationId"]).remove(0).values("invocationId")
                [0]
            .clone()
        };
        assert_ne!(id(&domain), id(&restored));
        assert_eq!(restored.search("(mail=a@b)", &["mail"]).len(), 1);
    }

    #[test]
    fn keys_of_kerberos_can_be_taken_and_used() {
        let domain = Domain::start();
        domain.add_service("HTTP/ex01.contoso.test", Domain::USER);
        let keytab = domain.export_keytab("HTTP/ex01.contoso.test");
        assert!(fs::metadata(keytab).unwrap().len() > 0);
        let cache = domain.folder().join("cache-of-tickets");
        let mut child = Command::new("kinit")
            .arg(format!("{}@{}", Domain::USER, domain.realm()))
            .env("KRB5_CONFIG", domain.krb5_conf())
            .env("KRB5CCNAME", &cache)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(
            child.stdin.as_mut().unwrap(),
            format!("{}\n", Domain::PASSWORD).as_bytes(),
        )
        .unwrap();
        assert!(child.wait().unwrap().success());
    }
}
