//! A domain takes seconds to provision, so it is made once, kept below `target/`, and copied for each test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use ring::digest;

use super::{
    Domain, DomainOptions, peers_directory,
    programs::{output, output_of_input, population},
};
use crate::repository_root;

/// Mailboxes that are loaded in one transaction.
const USERS_AT_ONCE: u32 = 1000;

/// The data of a domain like this, as it is before it runs for the first time.
pub(super) fn ready(options: &DomainOptions) -> PathBuf {
    // Within a process one is made at a time; of two processes the first to finish wins.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = kept().join(key(options));
    if folder.is_dir() {
        return folder;
    }
    fs::create_dir_all(kept()).expect("the folder of kept domains is made");
    let draft = tempfile::Builder::new().prefix("draft-").tempdir_in(kept()).expect("a folder");
    let data = draft.path().join("data");
    if options.population == (0, 0) {
        provision(options, &data);
    } else {
        drop(_making);
        let empty = ready(&DomainOptions { population: (0, 0), ..options.clone() });
        copy(&empty, &data);
        let (users, per_user) = options.population;
        let base = base(options);
        for first in (0..users).step_by(USERS_AT_ONCE as usize) {
            let some = USERS_AT_ONCE.min(users - first);
            populate(&data, &population(some, per_user, &base, first));
        }
    }
    // Fails if another process was faster, whose result is as good.
    let _ = fs::rename(&data, &folder);
    assert!(folder.is_dir(), "{} cannot be made", folder.display());
    folder
}

fn kept() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository_root().join("target"), PathBuf::from);
    target.join("domains")
}

/// Everything that the data depends on.
fn key(options: &DomainOptions) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for name in ["attributes.ldif", "classes.ldif", "user.ldif", "populate.py"] {
        hash.update(&fs::read(peers_directory().join(name)).expect("the fixture of a directory is read"));
    }
    hash.update(include_bytes!("template.rs"));
    hash.update(output(Command::new("samba").arg("--version")).as_bytes());
    let digest: String = hash.finish().as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let (users, per_user) = options.population;
    format!("{}-{users}x{per_user}-{digest}", options.realm)
}

fn base(options: &DomainOptions) -> String {
    let labels = options.realm.to_lowercase();
    labels.split('.').map(|label| format!("DC={label}")).collect::<Vec<_>>().join(",")
}

fn provision(options: &DomainOptions, data: &Path) {
    let short = options.realm.split('.').next().unwrap_or(options.realm);
    let mut command = Command::new("samba-tool");
    command
        .args(["domain", "provision", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1"])
        .args([&format!("--realm={}", options.realm), &format!("--domain={short}"), "--host-ip=127.0.0.1"])
        .arg(format!("--adminpass={}", Domain::ADMIN_PASSWORD))
        // Whose index finds numbers in a range, as that of Active Directory does: the other store reads every object to find
        // what changed.
        .args(["--backend-store=mdb", "--backend-store-size=2Gb"])
        .arg(format!("--targetdir={}", data.display()));
    output(&mut command);
    let schema = format!("CN=Schema,CN=Configuration,{}", base(options));
    for (file, program) in [("attributes", "ldbadd"), ("classes", "ldbadd"), ("user", "ldbmodify")] {
        let ldif =
            fs::read_to_string(peers_directory().join(format!("{file}.ldif"))).expect("a part of the schema");
        let ldif = ldif.replace("@SCHEMADN@", &schema);
        load(data, program, &["--option=dsdb:schema update allowed=true"], &ldif);
    }
    let tool = |words: &[&str]| {
        let mut command = Command::new("samba-tool");
        command.args(words).arg("-H").arg(data.join("private/sam.ldb"));
        output(command.arg("-s").arg(data.join("etc/smb.conf")));
    };
    tool(&["domain", "passwordsettings", "set", "--complexity=off", "--min-pwd-age=0", "--history-length=0"]);
    tool(&["user", "create", Domain::USER, Domain::PASSWORD]);
    // Where Exchange is set up partnerships can be read; the schema of the fixture has no rights of its own.
    let found = output(
        Command::new("ldbsearch")
            .arg("-H")
            .arg(data.join("private/sam.ldb"))
            .args([&format!("sAMAccountName={}", Domain::USER), "objectSid"]),
    );
    let sid = found.lines().find_map(|line| line.strip_prefix("objectSid: ")).expect("a security identifier");
    tool(&[
        "dsacl",
        "set",
        &format!("--objectdn={}", base(options)),
        &format!("--sddl=(A;CI;RPLCLORC;;;{sid})"),
    ]);
    // A controller that runs gives itself this name some time later, and tests would not wait for it.
    tool(&["spn", "add", &format!("ldap/dc1.{}", options.realm.to_lowercase()), "DC1$"]);
    // Keys of AES are made when a password is set, and only for an account that is marked.
    for (user, password) in [(Domain::USER, Domain::PASSWORD), ("Administrator", Domain::ADMIN_PASSWORD)] {
        let ldif = format!(
            "dn: CN={user},CN=Users,{}\nchangetype: modify\nreplace: msDS-SupportedEncryptionTypes\n\
             msDS-SupportedEncryptionTypes: 24\n",
            base(options)
        );
        load(data, "ldbmodify", &[], &ldif);
        tool(&["user", "setpassword", user, &format!("--newpassword={password}")]);
    }
}

fn load(data: &Path, program: &str, options: &[&str], ldif: &str) {
    let mut command = Command::new(program);
    command.arg("-H").arg(data.join("private/sam.ldb")).args(options);
    output_of_input(&mut command, ldif);
}

/// Loads many records. Debian's own Python, because Samba's modules belong to it.
fn populate(data: &Path, ldif: &str) {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", include_str!("load.py")]).arg(data);
    output_of_input(&mut command, ldif);
}

/// Copies a domain's data to a folder that exists or not; its configuration names the new folder then.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for a domain's data");
    output(Command::new("cp").args(["-a", "--reflink=auto"]).arg(from.join(".")).arg(to));
    let file = to.join("etc/smb.conf");
    let text = fs::read_to_string(&file).expect("Samba's configuration");
    let lines = text.lines().map(|line| match line.split_once(" = ") {
        Some((name, path))
            if name.ends_with(" dir") || name.ends_with(" directory") || name.ends_with("path") =>
        {
            relocated(name, path, to)
        }
        _ => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    fs::write(&file, text).expect("Samba's configuration is written");
}

/// The same folder of the data in its new place.
fn relocated(name: &str, path: &str, to: &Path) -> String {
    const FOLDERS: [&str; 4] = ["bind-dns", "cache", "private", "state"];
    let path = Path::new(path);
    let below: Option<PathBuf> = path.ancestors().find_map(|ancestor| {
        let last = ancestor.file_name()?.to_str()?;
        FOLDERS
            .contains(&last)
            .then(|| Path::new(last).join(path.strip_prefix(ancestor).unwrap_or(Path::new(""))))
    });
    match below {
        Some(below) => format!("{name} = {}", to.join(below).display()),
        None if name.trim() == "lock directory" => format!("{name} = {}", to.display()),
        None => format!("{name} = {}", path.display()),
    }
}
