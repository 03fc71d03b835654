//! What is kept of passwords: a digest that every client can prove, or a salted hash that is slow to
//! guess at.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::config::{Plugin, Secret};
use crate::error::{Error, Result};

/// Bytes of a hash's salt.
const SALT: usize = 16;

/// What is kept of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// SHA1(SHA1(password)): what `mysql_native_password` can be checked against. It is no use to log
    /// in with, but words are tried on it fast.
    Native([u8; 20]),
    /// Argon2id with a salt, as a PHC string: what a password in clear can be checked against, at the
    /// price of some 20 MB and 40 ms.
    Slow(Secret),
}

impl Kept {
    /// By which method it is proved.
    pub fn plugin(&self) -> Plugin {
        match self {
            Kept::Native(_) => Plugin::Native,
            Kept::Slow(_) => Plugin::Sha2,
        }
    }

    /// Tells it from every other one, without telling it.
    pub(super) fn mark(&self) -> [u8; 32] {
        match self {
            Kept::Native(digest) => sha256(digest),
            Kept::Slow(hash) => sha256(hash.expose_secret().as_bytes()),
        }
    }

    /// As text, to be sealed.
    pub(super) fn to_text(&self) -> Secret {
        match self {
            Kept::Native(digest) => Secret::new(hex::encode(digest)),
            Kept::Slow(hash) => hash.clone(),
        }
    }

    /// Reads [`Kept::to_text`].
    pub(super) fn from_text(plugin: Plugin, text: Secret) -> Option<Kept> {
        match plugin {
            Plugin::Native => from_hex(text.expose_secret()).map(Kept::Native),
            Plugin::Sha2 => Some(Kept::Slow(text)),
        }
    }
}

/// Makes and checks slow hashes: beside the threads that serve, and few at a time, so that a flood of
/// log-ins takes neither all processors nor all memory.
pub(super) struct Hasher {
    turns: Arc<Semaphore>,
}

impl Hasher {
    /// For this machine: half of its processors.
    pub(super) fn new() -> Hasher {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Hasher { turns: Arc::new(Semaphore::new((processors / 2).max(1))) }
    }

    /// What is to be kept of a password.
    pub(super) async fn keep(&self, plugin: Plugin, password: &Secret) -> Result<Kept> {
        match plugin {
            Plugin::Native => Ok(Kept::Native(native_digest(password.expose_secret()))),
            Plugin::Sha2 => {
                let password = password.clone();
                let hash = self.in_turn(move || hash(password.expose_secret())).await?;
                Ok(Kept::Slow(Secret::new(hash?)))
            }
        }
    }

    /// Whether a password is the one of the hash. It takes as long if there is none.
    pub(super) async fn is_right(&self, kept: Option<&Secret>, password: &str) -> bool {
        let (kept, password) = (kept.cloned(), Secret::new(password));
        let verdict = self.in_turn(move || match kept {
            Some(kept) => verify(kept.expose_secret(), password.expose_secret()),
            None => hash(password.expose_secret()).is_err(),
        });
        verdict.await.unwrap_or(false)
    }

    /// All turns: nobody hashes until it is dropped.
    #[cfg(test)]
    pub(super) async fn all_turns(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.turns.available_permits()).expect("a few");
        Arc::clone(&self.turns).acquire_many_owned(all).await.expect("open")
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let lost = |what: &str| Error::Internal { what: what.to_owned() };
        let turns = Arc::clone(&self.turns);
        let turn = turns.acquire_owned().await.map_err(|_| lost("no turn"))?;
        // The turn ends with the work, even if nobody waits for it any more.
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        work.await.map_err(|_| lost("a password's hash was not finished"))
    }
}

fn hash(password: &str) -> Result<String> {
    let broken = |what: &str| Error::Internal { what: what.to_owned() };
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| broken("the system gives no random bytes"))?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hash.map_err(|_| broken("a password can't be hashed"))?.to_string())
}

fn verify(kept: &str, password: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &kept).is_ok()
}

/// SHA1(SHA1(password)), as `mysql_native_password` has it.
pub(super) fn native_digest(password: &str) -> [u8; 20] {
    sha1(&sha1(password.as_bytes()))
}

pub(super) fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn from_hex(digits: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    if digits.len() != 40 {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_salted_and_knows_its_password_alone() {
        let (hasher, password) = (Hasher::new(), Secret::new("word"));
        let Kept::Slow(one) = hasher.keep(Plugin::Sha2, &password).await.expect("a hash") else {
            panic!("no hash");
        };
        assert!(one.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let other = hasher.keep(Plugin::Sha2, &password).await.expect("a hash");
        assert_ne!(Kept::Slow(one.clone()), other);
        assert!(hasher.is_right(Some(&one), "word").await);
        assert!(!hasher.is_right(Some(&one), "Word").await);
        assert!(!hasher.is_right(None, "word").await);
        assert!(!hasher.is_right(Some(&Secret::new("$argon2id$")), "word").await);
    }

    #[tokio::test]
    async fn what_is_kept_is_read_again() {
        let (hasher, password) = (Hasher::new(), Secret::new("word"));
        for plugin in [Plugin::Native, Plugin::Sha2] {
            let kept = hasher.keep(plugin, &password).await.expect("kept");
            assert_eq!(kept.plugin(), plugin);
            assert_eq!(Kept::from_text(plugin, kept.to_text()), Some(kept));
        }
        assert_eq!(Kept::from_text(Plugin::Native, Secret::new("00")), None);
    }
}
