use std::{
    collections::VecDeque,
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
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

/// Most secrets that are remembered: somebody who looks for the right one writes a few.
const MOST_TRIED: usize = 16;

/// Remembers what came of secrets, so that one that was refused is tried once an hour and no more: each further try would
/// count towards locking the account out.
#[derive(Default)]
pub(crate) struct TriedSecrets(Mutex<VecDeque<Tried>>);

struct Tried {
    digest: [u8; 32],
    /// Who refused it, and when; `None` if it was accepted.
    refused: Option<(String, Timestamp)>,
}

/// A secret that is to be left alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Who refused it.
    pub(crate) by: String,
    /// The next try.
    pub(crate) until: Timestamp,
}

// A digest would let whoever reads it guess passwords at leisure.
impl fmt::Debug for TriedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriedSecrets").finish_non_exhaustive()
    }
}

impl TriedSecrets {
    /// Whether this secret of this account is to be left alone now.
    pub(crate) fn held(&self, account: &str, secret: &SecretString, now: Timestamp) -> Option<Held> {
        let digest = digest_of(account, secret);
        let mut tried = self.tried();
        let (by, at) = tried.iter_mut().find(|one| one.digest == digest)?.refused.as_mut()?;
        // A clock that goes back, if only by a moment, makes no try come sooner, and none wait for longer than an hour more.
        *at = now.min(*at);
        let until = at.after(REFUSED_FOR);
        (now < until).then(|| Held { by: by.clone(), until })
    }

    /// Whether this secret of this account was accepted when it was tried last.
    pub(crate) fn is_accepted(&self, account: &str, secret: &SecretString) -> bool {
        let digest = digest_of(account, secret);
        self.tried().iter().any(|one| one.digest == digest && one.refused.is_none())
    }

    /// The server refused this secret now.
    pub(crate) fn refused(&self, account: &str, secret: &SecretString, by: &str, now: Timestamp) {
        self.remember(digest_of(account, secret), Some((by.to_owned(), now)));
    }

    /// The server accepted this secret.
    pub(crate) fn accepted(&self, account: &str, secret: &SecretString) {
        self.remember(digest_of(account, secret), None);
    }

    fn remember(&self, digest: [u8; 32], refused: Option<(String, Timestamp)>) {
        let mut tried = self.tried();
        tried.retain(|one| one.digest != digest);
        tried.truncate(MOST_TRIED - 1);
        tried.push_front(Tried { digest, refused });
    }

    fn tried(&self) -> MutexGuard<'_, VecDeque<Tried>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest_of(account: &str, secret: &SecretString) -> [u8; 32] {
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(account.as_bytes());
    // No secret holds it.
    digest.update(&[0]);
    digest.update(secret.expose_secret().as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(digest.finish().as_ref());
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
        let (refused, now) = (TriedSecrets::default(), Timestamp::from_unix_seconds(1_800_000_000));
        let (old, new) = (SecretString::from("old"), SecretString::from("new"));
        let held = |secret, at| refused.held("svc", secret, at).map(|held| held.until);
        assert_eq!(held(&old, now), None);
        refused.refused("svc", &old, "kdc", now);
        let until = now.after(REFUSED_FOR);
        assert_eq!(held(&old, now), Some(until));
        assert_eq!(held(&old, until.before(Duration::from_secs(1))), Some(until));
        assert_eq!(held(&old, until), None);
        assert_eq!(held(&new, now), None);
        refused.accepted("svc", &new);
        assert_eq!(held(&old, now), Some(until), "another one is right, and this one still wrong");
        assert!(refused.is_accepted("svc", &new) && !refused.is_accepted("svc", &old));
        refused.accepted("svc", &old);
        assert_eq!(held(&old, now), None);
    }

    #[test]
    fn a_clock_that_goes_back_brings_no_second_try_and_no_longer_rest() {
        let (refused, now) = (TriedSecrets::default(), Timestamp::from_unix_seconds(1_800_000_000));
        let secret = SecretString::from("old");
        refused.refused("svc", &secret, "kdc", now);
        for back in [1, 7200] {
            let earlier = now.before(Duration::from_secs(back));
            let until = earlier.after(REFUSED_FOR);
            assert_eq!(refused.held("svc", &secret, earlier), Some(Held { by: "kdc".into(), until }));
            assert_eq!(refused.held("svc", &secret, until), None);
        }
    }

    #[test]
    fn refused_secrets_are_few_and_not_shown() {
        let (refused, now) = (TriedSecrets::default(), Timestamp::from_unix_seconds(1_800_000_000));
        for number in 0..1000 {
            refused.refused("svc", &SecretString::from(number.to_string()), "kdc", now);
        }
        assert_eq!(refused.tried().len(), MOST_TRIED);
        assert!(refused.held("svc", &SecretString::from("999"), now).is_some());
        assert_eq!(format!("{refused:?}"), "TriedSecrets { .. }");
    }
}
