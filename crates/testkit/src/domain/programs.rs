use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{Domain, ldif, peers_directory};
use crate::DirectoryEntry;

impl Domain {
    /// Loads records without the controller, which is fast. A record may have an `objectGUID` of the test's choice.
    ///
    /// # Panics
    /// If it runs, or does not take the records.
    pub fn load(&self, ldif: &str) {
        assert!(self.child.is_none(), "a running controller takes changes over LDAP only");
        let mut command = Command::new("ldbadd");
        command.arg("-H").arg(self.database()).args(["--relax"]);
        output_of_input(&mut command, ldif);
    }

    /// Adds, changes or removes what these records say, over LDAP, as the administrator. A record without `changetype` is
    /// added.
    pub fn modify(&self, ldif: &str) {
        output_of_input(self.client("ldapmodify").arg("-a"), ldif);
    }

    /// Removes an object and all below it.
    pub fn delete(&self, dn: &str) {
        output(self.client("ldapdelete").args(["-r", dn]));
    }

    /// Adds mailboxes with partnerships, over LDAP if it runs.
    pub fn populate(&self, users: u32, per_user: u32) {
        let ldif = population(users, per_user, &self.base(), 0);
        if self.child.is_some() { self.modify(&ldif) } else { self.load(&ldif) }
    }

    /// What OpenLDAP's `ldapsearch` finds in the domain as the administrator.
    pub fn search(&self, filter: &str, attributes: &[&str]) -> Vec<DirectoryEntry> {
        self.search_below(&self.base(), filter, attributes)
    }

    /// What OpenLDAP's `ldapsearch` finds below a base.
    pub fn search_below(&self, base: &str, filter: &str, attributes: &[&str]) -> Vec<DirectoryEntry> {
        let mut command = self.client("ldapsearch");
        command.args(["-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-b", base, filter]);
        ldif::read(&output(command.args(attributes)))
    }

    /// What the controller says of itself.
    pub fn search_at_root(&self, attributes: &[&str]) -> DirectoryEntry {
        let mut command = self.client("ldapsearch");
        command.args(["-LLL", "-o", "ldif-wrap=no", "-b", "", "-s", "base", "(objectClass=*)"]);
        // The empty name of the root has no value after its colon.
        ldif::read(&output(command.args(attributes))).remove(0)
    }

    /// Adds a user with this password.
    pub fn add_user(&self, name: &str, password: &str) {
        self.tool(&["user", "create", name, password]);
    }

    /// Gives a user another password.
    pub fn set_password(&self, name: &str, password: &str) {
        self.tool(&["user", "setpassword", name, &format!("--newpassword={password}")]);
    }

    /// The user must choose another password before anything else.
    pub fn demand_new_password(&self, name: &str) {
        self.set_attribute(name, "pwdLastSet", "0");
    }

    /// The user's password was set long before it expired.
    ///
    /// # Panics
    /// If the controller runs.
    pub fn expire_password(&self, name: &str) {
        assert!(self.child.is_none(), "a running controller does not let anyone set this");
        // A moment of the year 2012.
        let ldif = format!(
            "dn: {}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 130000000000000000\n",
            self.user_dn(name)
        );
        self.modify_below(&self.base(), &ldif);
    }

    /// Changes a part of the directory below Samba's own modules, which do not let anyone change everything.
    pub(super) fn modify_below(&self, part: &str, ldif: &str) {
        let file = self.folder.path().join("private/sam.ldb.d").join(part.to_uppercase() + ".ldb");
        output_of_input(Command::new("ldbmodify").arg("-H").arg(format!("mdb://{}", file.display())), ldif);
    }

    /// The user's account ended long ago.
    pub fn expire_account(&self, name: &str) {
        self.set_attribute(name, "accountExpires", "126227808000000000");
    }

    /// The user may not sign in.
    pub fn disable_account(&self, name: &str) {
        self.set_attribute(name, "userAccountControl", "514");
    }

    /// The user may sign in again.
    pub fn enable_account(&self, name: &str) {
        self.set_attribute(name, "userAccountControl", "512");
    }

    /// So many wrong passwords lock an account.
    pub fn lock_accounts_after(&self, attempts: u32) {
        self.tool(&["domain", "passwordsettings", "set", &format!("--account-lockout-threshold={attempts}")]);
    }

    /// Lets a user see all objects of the domain. [`Domain::USER`] may already.
    pub fn permit_reading(&self, name: &str) {
        self.permit(name, "(A;CI;RPLCLORC;;;SID)");
    }

    /// Lets a user read all changes of the domain (the right "Replicating Directory Changes").
    pub fn permit_replication(&self, name: &str) {
        self.permit(name, "(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;SID)");
    }

    fn permit(&self, name: &str, entry: &str) {
        let entry = entry.replace("SID", &self.sid(name));
        self.tool(&["dsacl", "set", &format!("--objectdn={}", self.base()), &format!("--sddl={entry}")]);
    }

    /// Lets a user see what was deleted.
    pub fn permit_deleted_objects(&self, name: &str) {
        let entry = format!("(A;CI;RPLC;;;{})", self.sid(name));
        let folder = format!("CN=Deleted Objects,{}", self.base());
        let mut command = Command::new("ldbsearch");
        command.arg("-H").arg(self.database()).args(["--show-deleted", "-b", &folder, "-s", "base"]);
        // Its own access control list, with the new entry in front of the others.
        let printed = output(command.arg("nTSecurityDescriptor")).replace("\n ", "");
        let found =
            ldif::read(&printed).remove(0).text("nTSecurityDescriptor").expect("a security descriptor");
        let at = found.find("D:").and_then(|at| found[at..].find('(').map(|open| at + open));
        let (before, after) = found.split_at(at.expect("an access control list"));
        let ldif = format!(
            "dn: {folder}\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor: {before}{entry}{after}\n"
        );
        let mut command = Command::new("ldbmodify");
        output_of_input(command.arg("-H").arg(self.database()).args(["--show-deleted", "--relax"]), &ldif);
    }

    fn sid(&self, name: &str) -> String {
        let mut command = Command::new("ldbsearch");
        command.arg("-H").arg(self.database()).arg(format!("sAMAccountName={name}"));
        let found = ldif::read(&output(command.arg("objectSid"))).remove(0);
        found.text("objectSid").expect("a security identifier")
    }

    /// Gives a user a service principal name.
    pub fn add_service(&self, principal: &str, user: &str) {
        self.tool(&["spn", "add", principal, user]);
    }

    /// The keys of a principal in a file.
    pub fn export_keytab(&self, principal: &str) -> PathBuf {
        let file = self.folder.path().join(format!("{}.keytab", principal.replace('/', "-")));
        let mut command = Command::new("samba-tool");
        command.args(["domain", "exportkeytab"]).arg(&file).arg(format!("--principal={principal}"));
        output(command.arg("-s").arg(self.folder.path().join("etc/smb.conf")));
        file
    }

    /// Sets an attribute of a user.
    pub fn set_attribute(&self, user: &str, attribute: &str, value: &str) {
        let dn = self.user_dn(user);
        self.modify(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"));
    }

    /// Runs `samba-tool` on the data itself, whether the controller runs or not.
    fn tool(&self, words: &[&str]) {
        let mut command = Command::new("samba-tool");
        command.args(words).arg("-H").arg(self.database());
        output(command.arg("-s").arg(self.folder.path().join("etc/smb.conf")));
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("private/sam.ldb")
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.secure_url(), "-D", &self.admin_dn(), "-w", Self::ADMIN_PASSWORD]);
        // The certificate may be a wrong one, for the client that is tested.
        command.env("LDAPTLS_REQCERT", "never");
        command
    }
}

/// Mailboxes with partnerships as LDIF.
pub(super) fn population(users: u32, per_user: u32, base: &str, first: u32) -> String {
    let mut command = Command::new("python3");
    command.arg(peers_directory().join("populate.py"));
    output(command.args([&users.to_string(), &per_user.to_string(), base, &first.to_string()]))
}

/// What a program prints.
pub(super) fn output(command: &mut Command) -> String {
    output_of_input(command, "")
}

/// What a program prints that reads this.
pub(super) fn output_of_input(command: &mut Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("standard input was piped");
    let input = input.to_owned();
    // What it prints is read at the same time, so that neither waits for the other.
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let done = child.wait_with_output().expect("its output is read");
    let written = writing.join().expect("the writer ends");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && written.is_ok(), "{name} failed: {said}");
    String::from_utf8(done.stdout).unwrap_or_else(|_| panic!("{name} does not print UTF-8"))
}

/// Whether a program that prints nothing of interest succeeds.
pub(super) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|end| end.success())
}
