use std::{
    ffi::OsString,
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// How often a starting KDC is looked at, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS: u32 = 500;

/// A key distribution centre of MIT Kerberos with a realm of its own on loopback. It ends when this value is dropped.
///
/// Needs Debian's `krb5-kdc`, and `faketime` for one whose clock is wrong.
#[derive(Debug)]
pub struct Kdc {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Kdc {
    /// The realm of every one.
    pub const REALM: &str = "EXCONN.TEST";

    /// Starts one with an empty database on a port of its own.
    ///
    /// # Panics
    /// If the programs of Debian's `krb5-kdc` are missing or it does not start.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts one whose clock is this many seconds ahead.
    ///
    /// # Panics
    /// As [`Kdc::start`], and if `faketime` is missing.
    pub fn start_ahead(seconds: i64) -> Self {
        Self::launch(Some(format!("{seconds:+}")))
    }

    fn launch(offset: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        // Between the look for a port and its use another process may take it: then the next one is tried.
        for _ in 0..5 {
            let port = free_port();
            write_configuration(&folder, port);
            if !folder.path().join("principal").exists() {
                let create = ["create", "-s", "-r", Self::REALM, "-P", "master-of-the-tests"];
                run(program("kdb5_util", &folder).args(create));
            }
            let mut command = match &offset {
                None => program("krb5kdc", &folder),
                Some(offset) => {
                    let mut command = Command::new("faketime");
                    command.args(["-f", offset, "/usr/sbin/krb5kdc"]).envs(environment(&folder));
                    command
                }
            };
            let mut child = command
                .args(["-n", "-r", Self::REALM])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("Debian's krb5-kdc (and faketime) is installed");
            if answers(&mut child, port) {
                return Self { child, folder, port };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!(
            "krb5kdc does not start: {}",
            fs::read_to_string(folder.path().join("kdc.log")).unwrap_or_default()
        );
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs commands of `kadmin.local`, one after the other.
    ///
    /// # Panics
    /// If one of them fails.
    pub fn administer(&self, commands: &[&str]) {
        for query in commands {
            let output = program("kadmin.local", &self.folder)
                .args(["-r", Self::REALM, "-q", query])
                .output()
                .expect("Debian's krb5-kdc is installed");
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            let complaints: Vec<_> =
                complaint.lines().filter(|line| !line.contains("No policy specified")).collect();
            assert!(output.status.success() && complaints.is_empty(), "{query}: {complaint}");
        }
    }

    /// Adds a user that must prove the password, with further options of `addprinc`.
    pub fn add_user(&self, name: &str, password: &str, options: &str) {
        self.administer(&[&format!("addprinc +requires_preauth {options} -pw {password} {name}")]);
    }

    /// Adds a service, for instance `HTTP/127.0.0.1`, and gives what a process needs in its environment to be it.
    pub fn add_service(&self, principal: &str) -> Vec<(OsString, OsString)> {
        let keytab = self.folder.path().join(principal.replace('/', "_")).with_extension("keytab");
        let keytab = keytab.to_str().expect("the folder has a plain name");
        self.administer(&[
            &format!("addprinc -randkey {principal}"),
            &format!("ktadd -k {keytab} {principal}"),
        ]);
        let mut environment = self.environment();
        environment.push(("KRB5_KTNAME".into(), keytab.into()));
        environment
    }

    /// Writes the keys of a user into a keytab.
    pub fn keytab_of(&self, user: &str) -> PathBuf {
        let keytab = self.folder.path().join(user).with_extension("keytab");
        self.administer(&[&format!("ktadd -norandkey -k {} {user}", keytab.display())]);
        keytab
    }

    /// What MIT's programs and libraries need in their environment to find this realm.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        environment(&self.folder)
    }

    /// How many requests for tickets there were.
    pub fn requests(&self) -> usize {
        let log = fs::read_to_string(self.folder.path().join("kdc.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("AS_REQ") || line.contains("TGS_REQ")).count()
    }
}

impl Drop for Kdc {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

fn answers(child: &mut Child, port: u16) -> bool {
    for _ in 0..LOOKS {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    false
}

fn write_configuration(folder: &TempDir, port: u16) {
    let (folder, realm) = (folder.path(), Kdc::REALM);
    let place = folder.display();
    let krb5 = format!(
        "[libdefaults]\n default_realm = {realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
         dns_canonicalize_hostname = false\n udp_preference_limit = 1\n\
         [realms]\n {realm} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
         [domain_realm]\n localhost = {realm}\n 127.0.0.1 = {realm}\n"
    );
    let kdc = format!(
        "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
         [realms]\n {realm} = {{\n  database_name = {place}/principal\n  key_stash_file = {place}/stash\n  \
         acl_file = {place}/acl\n  supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal\n }}\n\
         [logging]\n kdc = FILE:{place}/kdc.log\n"
    );
    for (name, content) in [("krb5.conf", krb5), ("kdc.conf", kdc)] {
        let mut file = fs::File::create(folder.join(name)).expect("there is room for a file");
        file.write_all(content.as_bytes()).expect("there is room for a file");
    }
}

fn environment(folder: &TempDir) -> Vec<(OsString, OsString)> {
    let file = |name: &str| folder.path().join(name).into_os_string();
    vec![
        ("KRB5_CONFIG".into(), file("krb5.conf")),
        ("KRB5_KDC_PROFILE".into(), file("kdc.conf")),
        ("KRB5CCNAME".into(), file("ccache")),
        ("KRB5RCACHENAME".into(), "none:".into()),
    ]
}

/// A program of Debian's, which lie where only the administrator looks for them.
fn program(name: &str, folder: &TempDir) -> Command {
    let mut command = Command::new(format!("/usr/sbin/{name}"));
    command.envs(environment(folder));
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("Debian's krb5-kdc is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_knows_its_users_and_services() {
        let kdc = Kdc::start();
        kdc.add_user("svc", "pw", "");
        let environment = kdc.add_service("HTTP/127.0.0.1");
        let keytab = environment.iter().find(|(name, _)| name == "KRB5_KTNAME").unwrap();
        assert!(fs::metadata(&keytab.1).unwrap().len() > 0);
        let mut kinit =
            Command::new("kinit").envs(kdc.environment()).arg("svc").stdin(Stdio::piped()).spawn().unwrap();
        kinit.stdin.take().unwrap().write_all(b"pw\n").unwrap();
        assert!(kinit.wait().unwrap().success());
        assert!(kdc.requests() >= 2);
    }
}
