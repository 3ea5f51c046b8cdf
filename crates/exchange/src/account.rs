use std::{fmt, path::PathBuf};

use exconn_model::Timestamp;
use secrecy::SecretString;

use crate::{SecretError, SecretFile};

/// A user and where the password is. The password itself is read at use and not kept.
#[derive(Clone)]
pub struct Account {
    /// User as the server knows it, for instance `CONTOSO\svc-exconn`. May be empty where there is no password.
    pub username: String,
    /// File that holds the password; one line end at its end is not part of it. Where none is named, Kerberos uses what this
    /// machine has: a credential cache, or a keytab that `KRB5_CLIENT_KTNAME` names. Only a build with the feature `gssapi`
    /// can.
    pub password_file: Option<PathBuf>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Account {
    /// A user with a password in a file.
    pub fn new(username: impl Into<String>, password_file: impl Into<PathBuf>) -> Self {
        Self { password_file: Some(password_file.into()), ..Self::without_password(username) }
    }

    /// A user whom this machine's Kerberos knows, or nobody if the name is empty: see [`Account::password_file`].
    pub fn without_password(username: impl Into<String>) -> Self {
        Self { username: username.into(), password_file: None }
    }

    /// The file of the password.
    pub(crate) fn secret(&self) -> Option<SecretFile> {
        self.password_file.clone().map(SecretFile::new)
    }

    /// Reads the password; `None` if the account has none.
    pub(crate) fn read_password(&self) -> Result<Option<SecretString>, SecretError> {
        self.secret().map(|secret| secret.read()).transpose()
    }

    /// Whether the password was written after this moment.
    pub(crate) fn changed_since(&self, moment: Timestamp) -> bool {
        self.secret().is_some_and(|secret| secret.changed_since(moment))
    }
}
