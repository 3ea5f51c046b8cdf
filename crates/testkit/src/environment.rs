use std::path::{Path, PathBuf};

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
