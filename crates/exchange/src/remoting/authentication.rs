use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Longest password, in bytes.
const MAX_PASSWORD: usize = 4096;

/// How a connection proves who asks.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// HTTP Basic (RFC 7617). Refused over plain HTTP, except to this machine itself.
    Basic(Account),
}

impl Authentication {
    /// Whether a message would carry the password in a form that whoever sees the network can read.
    pub(super) fn needs_secrecy(&self) -> bool {
        match self {
            Self::Basic(_) => true,
        }
    }

    /// Whose name and password are used.
    pub fn account(&self) -> &Account {
        match self {
            Self::Basic(account) => account,
        }
    }

    /// The `Authorization` header of each request of a connection. Reads the password.
    pub(super) fn authorization(&self) -> Result<HeaderValue, SecretError> {
        let Self::Basic(account) = self;
        let password = account.read_password()?;
        let pair = Zeroizing::new(format!("{}:{}", account.username, password.expose_secret()));
        let header = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
        let mut value = HeaderValue::from_str(&header).map_err(|_| SecretError::Form)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// A user and where the password is. The password itself is read at use and not kept.
#[derive(Clone)]
pub struct Account {
    /// User as Exchange knows it, for instance `CONTOSO\svc-exconn`.
    pub username: String,
    /// File that holds the password; one line end at its end is not part of it.
    pub password_file: PathBuf,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Account {
    pub(super) fn read_password(&self) -> Result<SecretString, SecretError> {
        let bytes = read_bounded(&self.password_file)?;
        let text = str::from_utf8(&bytes).map_err(|_| SecretError::Form)?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        let password = line.strip_suffix('\r').unwrap_or(line);
        if password.is_empty() || password.contains(char::is_control) {
            return Err(SecretError::Form);
        }
        Ok(SecretString::from(password))
    }
}

fn read_bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    // Room for all of it and one byte more: a growing vector would leave copies of the password behind.
    let mut bytes = Zeroizing::new(vec![0; MAX_PASSWORD + 1]);
    let mut file = File::open(path)?;
    let mut length = 0;
    while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
        match file.read(room)? {
            0 => break,
            read => length += read,
        }
    }
    if length > MAX_PASSWORD {
        return Err(SecretError::Form);
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] io::Error),
    /// What it holds is no password.
    #[error("it holds no password: that is one line of UTF-8 text of at most {MAX_PASSWORD} bytes")]
    Form,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn account(content: &[u8]) -> (tempfile::NamedTempFile, Authentication) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let account = Account { username: r"CONTOSO\svc".into(), password_file: file.path().to_owned() };
        (file, Authentication::Basic(account))
    }

    #[test]
    fn a_line_end_is_not_part_of_the_password() {
        for content in ["päss:word", "päss:word\n", "päss:word\r\n"] {
            let (_file, basic) = account(content.as_bytes());
            let header = basic.authorization().unwrap();
            let decoded =
                BASE64_STANDARD.decode(header.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
            assert_eq!(decoded, "CONTOSO\\svc:päss:word".as_bytes());
        }
    }

    #[test]
    fn what_is_no_password_is_refused_without_being_shown() {
        let long = [b'x'; MAX_PASSWORD + 1];
        for content in [&b""[..], b"\n", b"two\nlines", b"\xff\xfe", &long] {
            let (_file, basic) = account(content);
            let error = basic.authorization().unwrap_err();
            assert!(matches!(error, SecretError::Form));
            assert!(!error.to_string().contains("lines"));
        }
        let (file, basic) = account(b"longest");
        drop(file);
        assert!(matches!(basic.authorization(), Err(SecretError::Unreadable(_))));
    }

    #[test]
    fn debug_shows_no_secret() {
        let (_file, basic) = account(b"hunter2");
        let header = basic.authorization().unwrap();
        let shown = format!("{basic:?} {header:?} {:?}", basic.account().read_password().unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVy"), "{shown}");
    }
}
