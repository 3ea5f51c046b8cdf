//! What runs the test peers and the vendor's client libraries: a Python, and a Node.js beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{process, root};

/// Requirement files, relative to the workspace.
const REQUIREMENTS: [&str; 4] = [
    "peers/requirements.txt",
    "crates/cli/tests/vendor/python/requirements.txt",
    "crates/cli/tests/vendor/javascript/requirements.txt",
    "crates/cli/tests/openapi/requirements.txt",
];

/// The folder with the package.json, the lock file and the settings that npm follows.
const NODE: &str = "crates/cli/tests/vendor/javascript";
const NODE_FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Debian packages without which the requirements cannot be installed or a test not run, each with a probe that tells whether
/// what it brings is there.
const PACKAGES: [(&str, &str, &[&str]); 18] = [
    ("curl", "curl", &["--version"]),
    // The page about Exchange Online makes a certificate with it, and a test does what the page says.
    ("openssl", "openssl", &["version"]),
    ("gcc", "cc", &["--version"]),
    ("python3-venv", "python3", &["-c", "import venv, ensurepip"]),
    (
        "python3-dev",
        "python3",
        &["-c", "import os, sysconfig; os.stat(os.path.join(sysconfig.get_path('include'), 'Python.h'))"],
    ),
    ("libkrb5-dev", "krb5-config", &["--libs", "gssapi"]),
    // What the feature `gssapi` is built with.
    ("pkgconf", "pkg-config", &["--version"]),
    ("libclang-dev", "sh", &["-c", "ls /usr/lib/llvm-*/lib/libclang.so"]),
    ("krb5-kdc", "test", &["-x", "/usr/sbin/krb5kdc"]),
    ("krb5-admin-server", "test", &["-x", "/usr/sbin/kadmin.local"]),
    ("faketime", "faketime", &["--version"]),
    // A domain controller on loopback, and the clients that stand beside exconn's own.
    ("samba", "samba", &["--version"]),
    ("samba-ad-provision", "test", &["-e", "/usr/share/samba/setup/provision.ldif"]),
    ("samba-dsdb-modules", "sh", &["-c", "ls /usr/lib/*/samba/ldb/samldb.so"]),
    ("samba-vfs-modules", "sh", &["-c", "ls /usr/lib/*/samba/vfs/acl_xattr.so"]),
    ("krb5-user", "klist", &["-V"]),
    ("ldap-utils", "ldapsearch", &["-VV"]),
    ("ldb-tools", "ldbadd", &["--help"]),
];

/// The Python of the peers' own environment below `target/`, made or brought up to date if need be. Node.js comes from a
/// Python package, and what npm installs lies in `node_modules` of the same environment.
pub(crate) fn python() -> Result<PathBuf, String> {
    install_packages()?;
    let folder = target().join("peers-venv");
    let python = folder.join("bin/python");
    let wanted = wanted()?;
    let stamp = folder.join("installed");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]);
    for file in REQUIREMENTS {
        pip.arg("-r").arg(root().join(file));
    }
    process::run(&mut pip)?;
    // The vendor's library has tens of thousands of modules, of which the tests load few: those are compiled then.
    let compile = ["-m", "compileall", "-q", "-j", "0", "-x", "msgraph/generated"];
    process::run(Command::new(&python).args(compile).arg(folder.join("lib")))?;
    install_node_modules(&folder)?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn wanted() -> Result<String, String> {
    let read = |file: &str| {
        let path = root().join(file);
        fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let node_files = NODE_FILES.map(|file| format!("{NODE}/{file}"));
    REQUIREMENTS.into_iter().chain(node_files.iter().map(String::as_str)).map(read).collect()
}

/// Installs exactly what the lock file says, and runs nothing that the packages bring.
fn install_node_modules(environment: &Path) -> Result<(), String> {
    for file in NODE_FILES {
        let from = root().join(NODE).join(file);
        fs::copy(&from, environment.join(file))
            .map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    }
    // npm is a script that looks for `node` in the path.
    let programs = environment.join("bin");
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs.clone()).chain(std::env::split_paths(&others)))
        .map_err(|error| format!("cannot put {} into the path: {error}", programs.display()))?;
    process::run(
        Command::new(programs.join("npm"))
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(environment)
            .env("PATH", path),
    )
}

fn install_packages() -> Result<(), String> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, program, arguments)| !process::succeeds(program, arguments))
        .map(|(package, ..)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    process::run(&mut as_root(&["apt-get", "update", "-qq"]))?;
    let mut words = vec!["apt-get", "install", "-y", "-qq", "--no-install-recommends"];
    words.extend(missing);
    process::run(&mut as_root(&words))
}

fn as_root(words: &[&str]) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| owner(&process) == 0);
    let mut command = if is_root || !Path::new("/usr/bin/sudo").exists() {
        Command::new("env")
    } else {
        Command::new("sudo")
    };
    command.arg("DEBIAN_FRONTEND=noninteractive").args(words);
    command
}

#[cfg(unix)]
fn owner(of: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(of)
}

#[cfg(not(unix))]
fn owner(_: &fs::Metadata) -> u32 {
    0
}
