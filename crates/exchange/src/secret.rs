use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use exconn_model::Timestamp;
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Longest secret, in bytes.
const MAX_SECRET: usize = 4096;

/// How long a secret that was refused is left alone: once an hour is too seldom to lock any account out.
pub(crate) const REFUSED_FOR: Duration = Duration::from_secs(3600);

/// A file that holds a password or another secret of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// The secret in this file, which is read at use.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the secret; one line end at its end is not part of it.
    pub(crate) fn read(&self) -> Result<SecretString, SecretError> {
        let bytes = read_bounded(&self.0)?;
        let text = str::from_utf8(&bytes).map_err(|_| SecretError::Form)?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        let secret = line.strip_suffix('\r').unwrap_or(line);
        if secret.is_empty() || secret.contains(char::is_control) {
            return Err(SecretError::Form);
        }
        Ok(SecretString::from(secret))
    }

    /// Whether the file was written after this moment. A file that cannot be looked at was not.
    pub(crate) fn changed_since(&self, moment: Timestamp) -> bool {
        let written = fs::metadata(&self.0).and_then(|about| about.modified()).ok();
        let since_epoch = written.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        since_epoch.is_some_and(|since| Timestamp::from_unix_seconds(0).after(since) > moment)
    }
}

fn read_bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    // Room for all of it and one byte more: a growing vector would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(vec![0; MAX_SECRET + 1]);
    let mut file = File::open(path)?;
    let mut length = 0;
    while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
        match file.read(room)? {
            0 => break,
            read => length += read,
        }
    }
    if length > MAX_SECRET {
        return Err(SecretError::Form);
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] io::Error),
    /// What it holds is no secret.
    #[error("it holds no password: that is one line of UTF-8 text of at most {MAX_SECRET} bytes")]
    Form,
}

/// Remembers a secret that was refused, so that it is tried once an hour and no more until it changes: each further try
/// would count towards locking the account out.
#[derive(Debug, Default)]
pub(crate) struct RefusedSecret(Mutex<Option<([u8; 32], Timestamp)>>);

impl RefusedSecret {
    /// When this secret may be tried again, if that is later than now.
    pub(crate) fn held_until(&self, secret: &SecretString, now: Timestamp) -> Option<Timestamp> {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (digest, at) = (*refused)?;
        let until = at.after(REFUSED_FOR);
        (digest == digest_of(secret) && at <= now && now < until).then_some(until)
    }

    /// The server refused this secret now.
    pub(crate) fn refused(&self, secret: &SecretString, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((digest_of(secret), now));
    }

    /// The server accepted a secret.
    pub(crate) fn accepted(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn digest_of(secret: &SecretString) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, secret.expose_secret().as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::NamedTempFile, SecretFile) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let secret = SecretFile::new(file.path());
        (file, secret)
    }

    #[test]
    fn a_line_end_is_not_part_of_the_secret() {
        for content in ["päss:word", "päss:word\n", "päss:word\r\n"] {
            let (_file, secret) = file(content.as_bytes());
            assert_eq!(secret.read().unwrap().expose_secret(), "päss:word");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        let long = [b'x'; MAX_SECRET + 1];
        for content in [&b""[..], b"\n", b"two\nlines", b"\xff\xfe", &long] {
            let (_file, secret) = file(content);
            let error = secret.read().unwrap_err();
            assert!(matches!(error, SecretError::Form));
            assert!(!error.to_string().contains("lines"));
        }
        let (file, secret) = file(b"longest");
        drop(file);
        assert!(matches!(secret.read(), Err(SecretError::Unreadable(_))));
    }

    #[test]
    fn a_file_tells_when_it_was_written() {
        let (_file, secret) = file(b"a");
        assert!(secret.changed_since(Timestamp::from_unix_seconds(1_000_000_000)));
        assert!(!secret.changed_since(Timestamp::MAX));
        assert!(!SecretFile::new("/nowhere").changed_since(Timestamp::UNSET));
    }

    #[test]
    fn a_refused_secret_rests_an_hour_unless_it_changes() {
        let (refused, now) = (RefusedSecret::default(), Timestamp::from_unix_seconds(1_800_000_000));
        let (old, new) = (SecretString::from("old"), SecretString::from("new"));
        assert_eq!(refused.held_until(&old, now), None);
        refused.refused(&old, now);
        let until = now.after(REFUSED_FOR);
        assert_eq!(refused.held_until(&old, now), Some(until));
        assert_eq!(refused.held_until(&old, until.before(Duration::from_secs(1))), Some(until));
        assert_eq!(refused.held_until(&old, until), None);
        assert_eq!(refused.held_until(&new, now), None);
        assert_eq!(refused.held_until(&old, now.before(Duration::from_secs(1))), None, "the clock went back");
        refused.accepted();
        assert_eq!(refused.held_until(&old, now), None);
    }
}
