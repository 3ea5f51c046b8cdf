use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use exconn_model::{Entropy, TenantId};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FILE: &str = "keyring.json";
const FORMAT: u32 = 1;
const MAX_FILE: u64 = 64 * 1024;

/// What an installation must keep secret and keep at all: its tenant's id, the built-in issuer's signing key and the
/// secret that authenticates paging tokens. Lives in `keyring.json` in the data directory, readable by its owner only.
#[derive(Clone)]
pub struct Keyring {
    pub(crate) tenant: TenantId,
    pub(crate) key_id: String,
    pub(crate) signing: EncodingKey,
    pub(crate) verifying: DecodingKey,
    /// The signing key's public half: an uncompressed point of P-256 (SEC 1, 2.3.3).
    pub(crate) public_point: Vec<u8>,
    paging_secret: [u8; 32],
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("tenant", &self.tenant)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// Why the keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("cannot use the keyring {path}: {source}")]
    Io {
        /// The keyring's path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("{path} is readable by others than its owner: run `chmod 600 {path}` and issue new tokens")]
    Exposed {
        /// The keyring's path.
        path: PathBuf,
    },
    /// The file is not a keyring, or was damaged.
    #[error("{path} is not a keyring: {reason}; restore it from a backup (tokens that it signed stay valid)")]
    Malformed {
        /// The keyring's path.
        path: PathBuf,
        /// What is wrong with it; holds nothing of its content.
        reason: &'static str,
    },
    /// No key could be made.
    #[error("the system's randomness failed")]
    Randomness,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    format: u32,
    tenant: Uuid,
    key_id: String,
    private_key: String,
    paging_secret: String,
}

impl Keyring {
    /// Opens the keyring of a data directory, or makes one with a new tenant and new keys. Two processes that start at
    /// once end with the same keyring.
    pub fn open_or_create(data_dir: &Path, entropy: &dyn Entropy) -> Result<Self, KeyringError> {
        let path = data_dir.join(FILE);
        match Self::open(data_dir) {
            Err(KeyringError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let content = new_file(entropy)?;
        match write_new(data_dir, &path, &content, entropy) {
            // Another process was first; its keyring is the one that counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(KeyringError::Io { path, source }),
            Ok(()) => {}
        }
        Self::open(data_dir)
    }

    /// Opens the keyring of a data directory.
    pub fn open(data_dir: &Path) -> Result<Self, KeyringError> {
        let path = data_dir.join(FILE);
        let io_error = |source| KeyringError::Io { path: path.clone(), source };
        let metadata = fs::metadata(&path).map_err(io_error)?;
        if is_exposed(&metadata) {
            return Err(KeyringError::Exposed { path });
        }
        if metadata.len() > MAX_FILE {
            return Err(KeyringError::Malformed { path, reason: "it is too large" });
        }
        let content = fs::read(&path).map_err(io_error)?;
        parse(&content).map_err(|reason| KeyringError::Malformed { path, reason })
    }

    /// The tenant that this installation serves.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The secret that authenticates paging tokens.
    pub fn paging_secret(&self) -> &[u8; 32] {
        &self.paging_secret
    }

    /// The `iss` of the tokens that [`issue_token`](crate::auth::issue_token) signs. Made of the tenant's id, so that it
    /// outlives a change of the public address.
    pub fn issuer(&self) -> String {
        format!("urn:exconn:{}", self.tenant)
    }

    /// Whether `iss` is a name of this issuer: the one that stays, or the one of a tenant's discovery document, whose
    /// beginning is the service's public address and may change.
    pub(crate) fn is_issuer(&self, iss: &str, tenant: TenantId) -> bool {
        if iss == self.issuer() {
            return true;
        }
        let origin = iss.strip_suffix(&format!("/{tenant}/v2.0"));
        origin.is_some_and(|origin| origin.starts_with("https://") || origin.starts_with("http://"))
    }

    /// The `aud` of those tokens.
    pub fn audience(&self) -> String {
        format!("urn:exconn:{}:api", self.tenant)
    }
}

fn new_file(entropy: &dyn Entropy) -> Result<Vec<u8>, KeyringError> {
    // ring accepts no other source of randomness than the system's.
    let private_key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| KeyringError::Randomness)?;
    let mut paging_secret = [0; 32];
    entropy.fill(&mut paging_secret);
    let file = File {
        format: FORMAT,
        tenant: entropy.uuid(),
        key_id: entropy.uuid().to_string(),
        private_key: STANDARD.encode(private_key.as_ref()),
        paging_secret: STANDARD.encode(paging_secret),
    };
    serde_json::to_vec_pretty(&file).map_err(|_| KeyringError::Randomness)
}

/// Writes the whole file under another name first: a reader finds all of it or nothing, also after a crash.
fn write_new(dir: &Path, path: &Path, content: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
    let draft = dir.join(format!(".{FILE}.{}", entropy.uuid()));
    let written = write_private(&draft, content).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    written?;
    removed?;
    fs::File::open(dir)?.sync_all()
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(unix)]
fn is_exposed(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &fs::Metadata) -> bool {
    false
}

fn parse(content: &[u8]) -> Result<Keyring, &'static str> {
    let file: File = serde_json::from_slice(content).map_err(|_| "its JSON is not that of a keyring")?;
    if file.format != FORMAT {
        return Err("another version of exconn wrote it");
    }
    let private_key = STANDARD.decode(&file.private_key).map_err(|_| "its key is not Base64")?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private_key, &SystemRandom::new())
        .map_err(|_| "its key is not a P-256 key")?;
    let paging_secret = STANDARD
        .decode(&file.paging_secret)
        .ok()
        .and_then(|secret| secret.try_into().ok())
        .ok_or("its paging secret is not 32 bytes in Base64")?;
    Ok(Keyring {
        tenant: TenantId(file.tenant),
        key_id: file.key_id,
        verifying: DecodingKey::from_ec_der(pair.public_key().as_ref()),
        public_point: pair.public_key().as_ref().to_vec(),
        signing: EncodingKey::from_ec_der(&private_key),
        paging_secret,
    })
}
