use std::{fmt, path::PathBuf};

use secrecy::SecretString;

use crate::{SecretError, SecretFile};

/// A user and where the password is. The password itself is read at use and not kept.
#[derive(Clone)]
pub struct Account {
    /// User as the server knows it, for instance `CONTOSO\svc-exconn`.
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
    /// The file of the password.
    pub(crate) fn secret(&self) -> SecretFile {
        SecretFile::new(self.password_file.clone())
    }

    pub(crate) fn read_password(&self) -> Result<SecretString, SecretError> {
        self.secret().read()
    }
}
