//! Secrets at rest: AES-256-GCM under one key that never enters the catalog.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::Mac;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::{Config, Secret};
use crate::error::{Error, Result};
use crate::stage::link;

/// The size that AES-256 has.
const KEY_BYTES: usize = 32;

/// The size that GCM is made for. Random ones may not repeat within 2^32 values of one key, which
/// no catalog comes near.
const NONCE_BYTES: usize = 12;

/// The file in the data directory where the key is kept when the operator gives none.
const KEY_FILE: &str = "secret.key";

/// The key that seals secrets. Cheap to clone.
#[derive(Clone)]
pub(super) struct Seal {
    cipher: Aes256Gcm,
    fingerprint: String,
    signing_key: [u8; KEY_BYTES],
}

/// A sealed text, as a revision keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Base64 of nonce and ciphertext.
    sealed: String,
    /// Which key opens it.
    key: String,
}

impl Seal {
    /// A seal with a given key.
    pub(super) fn new(key: [u8; KEY_BYTES]) -> Seal {
        let digest = Sha256::new().chain_update(b"stagewire key id").chain_update(key).finalize();
        Seal {
            cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)),
            signing_key: derived(key),
            fingerprint: hex::encode(digest.get(..4).unwrap_or_default()),
        }
    }

    /// The operator's key; else the one in the data directory, made on the first start.
    pub(super) fn of(config: &Config) -> Result<Seal> {
        if let Some(key) = &config.secret_key {
            return parse(key.expose_secret()).map(Seal::new).ok_or_else(|| Error::Startup {
                what: "The secret key is not 64 hexadecimal digits".to_owned(),
                hint: "'openssl rand -hex 32' makes one for STAGEWIRE_SECRET_KEY".to_owned(),
            });
        }
        match &config.secret_key_file {
            Some(path) => read(path),
            None => {
                let path = config.data_dir.join(KEY_FILE);
                make(&path).map_err(|error| unreadable(&path, &error))?;
                read(&path)
            }
        }
    }

    /// Names the key without telling it.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// A key for signatures, which tells nothing of the one that seals.
    pub(super) fn signing_key(&self) -> [u8; KEY_BYTES] {
        self.signing_key
    }

    /// Bytes that nobody without the key can foresee. No signed URL begins as this text does.
    pub(super) fn tag(&self, what: &str, text: &str) -> [u8; 32] {
        let keyed = link::keyed(self.signing_key).chain_update(b"stagewire tag\n");
        keyed.chain_update(format!("{what}\n{text}")).finalize().into_bytes().into()
    }

    /// Seals a text. It opens only for the same stage and option.
    pub(super) fn close(&self, secret: &Secret, stage: Uuid, option: &str) -> Result<Sealed> {
        let broken = |what: &str| Error::Internal { what: what.to_owned() };
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| broken("the system gives no random bytes"))?;
        let aad = associated(stage, option);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &aad };
        let text = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| broken("a secret can't be sealed"))?;
        let sealed = BASE64.encode([nonce.as_slice(), &text].concat());
        Ok(Sealed { sealed, key: self.fingerprint.clone() })
    }

    /// Opens a sealed text; the error is the reason why not.
    pub(super) fn open(
        &self,
        sealed: &Sealed,
        stage: Uuid,
        option: &str,
    ) -> Result<Secret, String> {
        if sealed.key != self.fingerprint {
            return Err(format!(
                "its secrets are sealed with the key {}, this server has the key {}",
                sealed.key, self.fingerprint
            ));
        }
        let forged = || format!("the secret '{option}' was changed");
        let bytes = BASE64.decode(&sealed.sealed).map_err(|_| forged())?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(forged)?;
        let aad = associated(stage, option);
        let clear = self
            .cipher
            .decrypt(&Nonce::from(*nonce), Payload { msg: text, aad: &aad })
            .map_err(|_| forged())?;
        String::from_utf8(clear).map(Secret::new).map_err(|_| forged())
    }
}

fn derived(key: [u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
    link::keyed(key).chain_update(b"stagewire signed urls").finalize().into_bytes().into()
}

fn associated(stage: Uuid, option: &str) -> Vec<u8> {
    [stage.as_bytes().as_slice(), option.as_bytes()].concat()
}

fn parse(text: &str) -> Option<[u8; KEY_BYTES]> {
    let text = text.trim().as_bytes();
    let mut key = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

fn read(path: &Path) -> Result<Seal> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    warn_if_shared(path);
    parse(&text).map(Seal::new).ok_or_else(|| Error::Startup {
        what: format!("The key file {} doesn't hold 64 hexadecimal digits", path.display()),
        hint: "restore it from a backup: stages with credentials can't be used without it"
            .to_owned(),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Startup {
        what: format!("Can't read the key file {}: {error}", path.display()),
        hint: "make it readable for the server, or name another by 'secret_key_file'".to_owned(),
    }
}

#[cfg(unix)]
fn warn_if_shared(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0) {
        tracing::warn!("the key file {} can be read by other users", path.display());
    }
}

#[cfg(not(unix))]
fn warn_if_shared(_path: &Path) {}

/// Makes a key file, unless there is one. It appears whole: a server killed here leaves no half key.
fn make(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let text = hex::encode(key);
    let unfinished = path.with_extension("key.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    super::lock::sync_dir(path.parent().unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_stage_and_option_only() {
        let seal = Seal::new([7; KEY_BYTES]);
        let (stage, secret) = (Uuid::from_u128(1), Secret::new("hush"));
        let sealed = seal.close(&secret, stage, "secret_access_key").expect("sealed");
        assert!(!format!("{sealed:?}").contains("hush"));
        assert_eq!(seal.open(&sealed, stage, "secret_access_key"), Ok(secret.clone()));
        assert!(seal.open(&sealed, stage, "session_token").is_err());
        assert!(seal.open(&sealed, Uuid::from_u128(2), "secret_access_key").is_err());
        let again = seal.close(&secret, stage, "secret_access_key").expect("sealed");
        assert_ne!(sealed, again, "a nonce was used twice");
    }

    #[test]
    fn a_wrong_key_is_named() {
        let (seal, other) = (Seal::new([7; KEY_BYTES]), Seal::new([8; KEY_BYTES]));
        let sealed = seal.close(&Secret::new("hush"), Uuid::nil(), "k").expect("sealed");
        let why = other.open(&sealed, Uuid::nil(), "k").expect_err("other key");
        assert!(why.contains(seal.fingerprint()) && why.contains(other.fingerprint()), "{why}");
    }

    #[test]
    fn garbage_is_refused() {
        let seal = Seal::new([7; KEY_BYTES]);
        for text in ["", "!", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let sealed = Sealed { sealed: text.to_owned(), key: seal.fingerprint.clone() };
            assert!(seal.open(&sealed, Uuid::nil(), "k").is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_file_is_made_once() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join(KEY_FILE);
        make(&path).expect("made");
        let first = read(&path).expect("valid");
        make(&path).expect("kept");
        assert_eq!(read(&path).expect("valid").fingerprint(), first.fingerprint());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).expect("metadata").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
