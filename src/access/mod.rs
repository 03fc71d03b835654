//! Who may log in, and what he may do then: [`people`].

pub mod audit;
pub mod directory;
pub mod password;
pub mod people;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::access::password::{Hasher, Kept, native_digest, sha1, sha256};
use crate::access::people::Identity;
use crate::config::{Plugin, Secret};
use crate::error::Result;

/// The user that is always there.
pub const ROOT: &str = "root";

/// How long a client waits for a refusal: long for who guesses, short for who has mistyped.
pub const REFUSAL_DELAY: Duration = Duration::from_millis(300);

/// Bytes of a proof by `caching_sha2_password`.
pub const SHA2_PROOF: usize = 32;

/// What is known of a user's name.
#[derive(Debug, Clone)]
pub struct Known {
    /// How this user proves a password. For a name that nobody has it is one that somebody has.
    pub plugin: Plugin,
    /// The user's id, and what is kept of the password; `None` if nobody has the name.
    pub user: Option<(Uuid, Kept)>,
}

/// A password that was seen in clear.
#[derive(Clone, Copy)]
struct Seen {
    /// Which one it is: [`Kept::mark`].
    of: [u8; 32],
    /// SHA256(SHA256(password))
    twice: [u8; SHA2_PROOF],
}

/// The users and their passwords.
pub struct Users {
    /// `None` when the password of `root` is empty.
    root: Option<Kept>,
    /// How `root` proves it.
    root_plugin: Plugin,
    /// Those whose password was seen in clear since the start: the cache of `caching_sha2_password`.
    /// It can't be made of what is stored.
    seen: Mutex<HashMap<String, Seen>>,
    hasher: Hasher,
}

impl Users {
    /// `root` with this password.
    pub fn new(root_password: &Secret, root_plugin: Plugin) -> Users {
        let password = root_password.expose_secret();
        let root = (!password.is_empty()).then(|| Kept::Native(native_digest(password)));
        let users = Users { root, root_plugin, seen: Mutex::default(), hasher: Hasher::new() };
        if let Some(kept) = &users.root {
            users.remember(ROOT, kept, password);
        }
        users
    }

    /// Who wants to log in under this name. What is known of `root` is not asked for.
    pub fn account<'u>(&'u self, name: &'u str, known: Known) -> Account<'u> {
        let (plugin, id, kept) = match (name, known.user) {
            (ROOT, _) => (self.root_plugin, Uuid::nil(), self.root.clone()),
            (_, Some((id, kept))) => (known.plugin, id, Some(kept)),
            (_, None) => (known.plugin, Uuid::nil(), None),
        };
        let open = name == ROOT && kept.is_none();
        Account { users: self, name, id, plugin, kept, open }
    }

    /// What is to be kept of a password.
    pub async fn keep(&self, plugin: Plugin, password: &Secret) -> Result<Kept> {
        self.hasher.keep(plugin, password).await
    }

    /// Whether requests without any authentication are `root`'s, as they are from loopback while
    /// `root` has no password.
    pub fn admits_without_password(&self, ip: IpAddr) -> bool {
        self.root.is_none() && ip.is_loopback()
    }

    fn remember(&self, user: &str, kept: &Kept, password: &str) {
        let seen = Seen { of: kept.mark(), twice: twice(password) };
        self.seen.lock().insert(user.to_owned(), seen);
    }
}

/// Who wants to log in. One who is not there has no password that is right.
#[derive(Clone)]
pub struct Account<'u> {
    users: &'u Users,
    name: &'u str,
    id: Uuid,
    plugin: Plugin,
    kept: Option<Kept>,
    /// `root` without a password, who comes in from loopback.
    open: bool,
}

impl Account<'_> {
    /// Who it is, once that is proved.
    pub fn identity(&self) -> Identity {
        Identity { name: self.name.to_owned(), id: self.id }
    }

    /// How the password is to be proved. One of `mysql_native_password` takes the other proof too.
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// Whether this answer to `mysql_native_password` is right: for the challenge `salt`,
    /// `SHA1(password) XOR SHA1(salt || SHA1(SHA1(password)))`. An empty password is accepted from
    /// loopback only.
    pub fn verify_native(&self, ip: IpAddr, salt: &[u8], answer: &[u8]) -> bool {
        if self.open {
            return answer.is_empty() && ip.is_loopback();
        }
        let Ok(answer) = <[u8; 20]>::try_from(answer) else { return false };
        // As long for users who are not there.
        let known = self.native();
        let native = known.unwrap_or_default();
        let once = xor(answer, sha1(&[salt, &native].concat()));
        let same: bool = sha1(&once).ct_eq(&native).into();
        same && known.is_some()
    }

    /// Whether this answer to `caching_sha2_password` is right, as far as that can be told without
    /// the password: for the challenge `salt`,
    /// `SHA256(password) XOR SHA256(SHA256(SHA256(password)) || salt)`.
    pub fn verify_sha2(&self, salt: &[u8], answer: &[u8]) -> bool {
        let Ok(answer) = <[u8; SHA2_PROOF]>::try_from(answer) else { return false };
        let seen = self.seen();
        let twice = seen.unwrap_or_default();
        let once = xor(answer, sha256(&[&twice, salt].concat()));
        let same: bool = sha256(&once).ct_eq(&twice).into();
        same && seen.is_some()
    }

    /// Whether this clear password is right: HTTP's basic authentication, and what
    /// `caching_sha2_password` ends with where its short way is not enough. A password that was right
    /// before is known again at once; one that is wrong takes as long as one that is seen for the first
    /// time, and as for a user who is not there.
    pub async fn verify_clear(&self, ip: IpAddr, password: &str) -> bool {
        if self.open {
            return password.is_empty() && ip.is_loopback();
        }
        let right = match (&self.kept, self.plugin) {
            (Some(Kept::Native(native)), _) => native_digest(password).ct_eq(native).into(),
            (None, Plugin::Native) => {
                // As long, and never the same.
                let same: bool = native_digest(password).ct_eq(&[0; 20]).into();
                same && self.kept.is_some()
            }
            (Some(Kept::Slow(hash)), _) => {
                self.was_right(password) || self.users.hasher.is_right(Some(hash), password).await
            }
            (None, Plugin::Sha2) => self.users.hasher.is_right(None, password).await,
        };
        if let (true, Some(kept)) = (right, &self.kept) {
            self.users.remember(self.name, kept, password);
        }
        right
    }

    /// The server's proof towards a user whose password it knows: for the same challenge, that the
    /// certificate with this SHA-256 is its own. As MariaDB's clients want it, in hexadecimal.
    pub fn prove_server(&self, salt: &[u8], certificate: &[u8]) -> Option<String> {
        let proof = sha256(&[&self.native()?, salt, certificate].concat());
        Some(hex::encode_upper(proof))
    }

    fn native(&self) -> Option<[u8; 20]> {
        match self.kept {
            Some(Kept::Native(digest)) => Some(digest),
            Some(Kept::Slow(_)) | None => None,
        }
    }

    fn was_right(&self, password: &str) -> bool {
        self.seen().is_some_and(|seen| seen.ct_eq(&twice(password)).into())
    }

    /// SHA256(SHA256(password)), if it was seen. A password that was changed since is none.
    fn seen(&self) -> Option<[u8; SHA2_PROOF]> {
        let seen = self.users.seen.lock().get(self.name).copied()?;
        let kept = self.kept.as_ref()?;
        (kept.mark() == seen.of).then_some(seen.twice)
    }
}

fn twice(password: &str) -> [u8; SHA2_PROOF] {
    sha256(&sha256(password.as_bytes()))
}

fn xor<const N: usize>(mut left: [u8; N], right: [u8; N]) -> [u8; N] {
    left.iter_mut().zip(right).for_each(|(left, right)| *left ^= right);
    left
}

#[cfg(test)]
mod tests {
    use sha1::{Digest, Sha1};

    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn unknown() -> Known {
        Known { plugin: Plugin::Native, user: None }
    }

    fn somebody(kept: Kept) -> Known {
        Known { plugin: kept.plugin(), user: Some((Uuid::from_u128(1), kept)) }
    }

    fn native(password: &str) -> Known {
        somebody(Kept::Native(native_digest(password)))
    }

    fn with_password(password: &str) -> Users {
        Users::new(&Secret::new(password), Plugin::Native)
    }

    fn answer(password: &str, salt: &[u8]) -> Vec<u8> {
        let once = sha1(password.as_bytes());
        let mut hash = Sha1::new();
        hash.update(salt);
        hash.update(sha1(&once));
        let mask: [u8; 20] = hash.finalize().into();
        once.iter().zip(mask).map(|(a, m)| a ^ m).collect()
    }

    #[tokio::test]
    async fn a_password_is_proved_without_being_sent() {
        let users = with_password("pass");
        let salt = [7; 20];
        assert!(users.account("root", unknown()).verify_native(
            AWAY,
            &salt,
            &answer("pass", &salt)
        ));
        assert!(!users.account("root", unknown()).verify_native(
            AWAY,
            &salt,
            &answer("Pass", &salt)
        ));
        assert!(!users.account("root", unknown()).verify_native(
            AWAY,
            &[8; 20],
            &answer("pass", &salt)
        ));
        assert!(!users.account("toor", unknown()).verify_native(
            AWAY,
            &salt,
            &answer("pass", &salt)
        ));
        assert!(!users.account("root", unknown()).verify_native(HOME, &salt, b""));
        assert!(users.account("root", unknown()).verify_clear(AWAY, "pass").await);
        assert!(!users.account("root", unknown()).verify_clear(AWAY, "").await);
    }

    #[tokio::test]
    async fn others_have_the_password_that_is_kept() {
        let (salt, users) = ([7; 20], with_password("pass"));
        let bob = users.account("bob", native("word"));
        assert!(bob.verify_native(AWAY, &salt, &answer("word", &salt)));
        assert!(!bob.verify_native(AWAY, &salt, &answer("pass", &salt)));
        assert!(!bob.verify_native(HOME, &salt, b"") && !bob.verify_clear(HOME, "").await);
        assert!(bob.verify_clear(AWAY, "word").await);
        // Neither one who is not there, nor the digest of somebody else as root's.
        let nobody = users.account("eve", unknown());
        assert!(!nobody.verify_native(AWAY, &salt, &answer("", &salt)));
        assert!(!nobody.verify_clear(HOME, "").await && nobody.prove_server(&salt, b"").is_none());
        let root = users.account("root", native("word"));
        assert!(!root.verify_clear(AWAY, "word").await);
        // The short way ends when the password is another one.
        let once = sha256(b"word");
        let proof = xor(once, sha256(&[&sha256(&once), &salt[..]].concat()));
        assert!(bob.verify_sha2(&salt, &proof));
        let changed = users.account("bob", native("new"));
        assert!(!changed.verify_sha2(&salt, &proof));
    }

    #[tokio::test]
    async fn a_sha2_proof_needs_a_password_that_was_seen() {
        let proof = |password: &str, salt: &[u8]| {
            let once = sha256(password.as_bytes());
            xor(once, sha256(&[&sha256(&once), salt].concat()))
        };
        let (salt, users) = ([7; 20], with_password("pass"));
        assert!(users.account("root", unknown()).verify_sha2(&salt, &proof("pass", &salt)));
        assert!(!users.account("root", unknown()).verify_sha2(&salt, &proof("Pass", &salt)));
        assert!(!users.account("root", unknown()).verify_sha2(&[8; 20], &proof("pass", &salt)));
        assert!(!users.account("toor", unknown()).verify_sha2(&salt, &proof("pass", &salt)));
        // What a user who is not there is compared with is nobody's proof.
        let nobody = sha256(&[&[0; SHA2_PROOF][..], &salt].concat());
        assert!(!users.account("toor", unknown()).verify_sha2(&salt, &nobody));
        users.seen.lock().clear();
        assert!(!users.account("root", unknown()).verify_sha2(&salt, &proof("pass", &salt)));
        assert!(users.account("root", unknown()).verify_clear(AWAY, "pass").await);
        assert!(users.account("root", unknown()).verify_sha2(&salt, &proof("pass", &salt)));
        assert!(!users.account("root", unknown()).verify_clear(AWAY, "Pass").await);
    }

    #[tokio::test]
    async fn an_empty_password_works_at_home_only() {
        let users = with_password("");
        assert!(users.account("root", unknown()).verify_native(HOME, &[0; 20], b""));
        assert!(!users.account("root", unknown()).verify_native(AWAY, &[0; 20], b""));
        assert!(!users.account("root", unknown()).verify_native(HOME, &[0; 20], &[0; 20]));
        assert!(users.admits_without_password(HOME));
        assert!(!users.admits_without_password(AWAY));
    }

    #[tokio::test]
    async fn a_slow_hash_needs_the_password_once() {
        let (salt, users) = ([7; 20], with_password("pass"));
        let kept = users.keep(Plugin::Sha2, &Secret::new("word")).await.expect("a hash");
        let bob = users.account("bob", somebody(kept));
        let once = sha256(b"word");
        let proof = xor(once, sha256(&[&sha256(&once), &salt[..]].concat()));
        assert_eq!(bob.plugin(), Plugin::Sha2);
        assert!(!bob.verify_native(AWAY, &salt, &answer("word", &salt)));
        assert!(!bob.verify_native(AWAY, &salt, &answer("", &salt)));
        assert!(bob.prove_server(&salt, b"").is_none());
        assert!(!bob.verify_sha2(&salt, &proof) && !bob.verify_clear(AWAY, "Word").await);
        assert!(!bob.verify_sha2(&salt, &proof) && bob.verify_clear(AWAY, "word").await);
        assert!(bob.verify_sha2(&salt, &proof) && !bob.verify_clear(AWAY, "Word").await);
        // Known again without a hash: there is no turn for one.
        let all = users.hasher.all_turns().await;
        assert!(bob.verify_clear(AWAY, "word").await);
        drop(all);
        // The same password, kept anew, is another one.
        let kept = users.keep(Plugin::Sha2, &Secret::new("word")).await.expect("a hash");
        assert!(!users.account("bob", somebody(kept)).verify_sha2(&salt, &proof));
        let eve = Known { plugin: Plugin::Sha2, user: None };
        assert!(!users.account("eve", eve).verify_clear(HOME, "").await);
    }
}
