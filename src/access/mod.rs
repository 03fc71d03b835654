//! Who may log in, and what he may do then: [`people`].

pub mod audit;
pub mod directory;
pub mod people;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::access::people::Identity;
use crate::config::Secret;

/// The user that is always there.
pub const ROOT: &str = "root";

/// How long a client waits for a refusal: long for who guesses, short for who has mistyped.
pub const REFUSAL_DELAY: Duration = Duration::from_millis(300);

/// Bytes of a proof by `caching_sha2_password`.
pub const SHA2_PROOF: usize = 32;

/// What is kept of a password: enough to check it, and no use to log in with.
#[derive(Clone, Copy)]
struct Stored {
    /// SHA1(SHA1(password)), as `mysql_native_password` has it.
    native: [u8; 20],
}

/// A password that was seen in clear.
#[derive(Clone, Copy)]
struct Seen {
    /// Which one it is: see [`Stored::native`].
    of: [u8; 20],
    /// SHA256(SHA256(password))
    twice: [u8; SHA2_PROOF],
}

/// The users and their passwords.
pub struct Users {
    /// `None` when the password of `root` is empty.
    root: Option<Stored>,
    /// Those whose password was seen in clear since the start: the cache of `caching_sha2_password`.
    /// It can't be made of what is stored.
    seen: Mutex<HashMap<String, Seen>>,
}

impl Users {
    /// `root` with this password.
    pub fn new(root_password: &Secret) -> Users {
        let password = root_password.expose_secret();
        let root = (!password.is_empty()).then(|| Stored { native: native_digest(password) });
        let users = Users { root, seen: Mutex::default() };
        if root.is_some() {
            users.remember(ROOT, password);
        }
        users
    }

    /// Who wants to log in under this name. `digest` is what is kept of the password of others than
    /// `root`; `None` for who is not there.
    pub fn account<'u>(&'u self, name: &'u str, digest: Option<(Uuid, [u8; 20])>) -> Account<'u> {
        let (id, stored) = match (name, digest) {
            (ROOT, _) => (Uuid::nil(), self.root),
            (_, Some((id, native))) => (id, Some(Stored { native })),
            (_, None) => (Uuid::nil(), None),
        };
        Account { users: self, name, id, stored, open: name == ROOT && stored.is_none() }
    }

    /// Whether requests without any authentication are `root`'s, as they are from loopback while
    /// `root` has no password.
    pub fn admits_without_password(&self, ip: IpAddr) -> bool {
        self.root.is_none() && ip.is_loopback()
    }

    fn remember(&self, user: &str, password: &str) {
        let twice = sha256(&sha256(password.as_bytes()));
        let seen = Seen { of: native_digest(password), twice };
        self.seen.lock().insert(user.to_owned(), seen);
    }
}

/// Who wants to log in. One who is not there has no password that is right.
#[derive(Clone, Copy)]
pub struct Account<'u> {
    users: &'u Users,
    name: &'u str,
    id: Uuid,
    stored: Option<Stored>,
    /// `root` without a password, who comes in from loopback.
    open: bool,
}

impl Account<'_> {
    /// Who it is, once that is proved.
    pub fn identity(&self) -> Identity {
        Identity { name: self.name.to_owned(), id: self.id }
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
        let native = self.stored.map(|stored| stored.native).unwrap_or_default();
        let once = xor(answer, sha1(&[salt, &native].concat()));
        let same: bool = sha1(&once).ct_eq(&native).into();
        same && self.stored.is_some()
    }

    /// Whether this answer to `caching_sha2_password` is right, as far as that can be told without
    /// the password: for the challenge `salt`,
    /// `SHA256(password) XOR SHA256(SHA256(SHA256(password)) || salt)`.
    pub fn verify_sha2(&self, salt: &[u8], answer: &[u8]) -> bool {
        let Ok(answer) = <[u8; SHA2_PROOF]>::try_from(answer) else { return false };
        // A password that was changed since is none.
        let seen = self.users.seen.lock().get(self.name).copied();
        let seen = seen.filter(|seen| self.stored.is_some_and(|now| now.native == seen.of));
        let twice = seen.map(|seen| seen.twice).unwrap_or_default();
        let once = xor(answer, sha256(&[&twice, salt].concat()));
        let same: bool = sha256(&once).ct_eq(&twice).into();
        same && seen.is_some()
    }

    /// Whether this clear password is right: HTTP's basic authentication, and what
    /// `caching_sha2_password` ends with where its short way is not enough.
    pub fn verify_clear(&self, ip: IpAddr, password: &str) -> bool {
        if self.open {
            return password.is_empty() && ip.is_loopback();
        }
        let native = self.stored.map(|stored| stored.native).unwrap_or_default();
        let same: bool = native_digest(password).ct_eq(&native).into();
        let right = same && self.stored.is_some();
        if right {
            self.users.remember(self.name, password);
        }
        right
    }

    /// The server's proof towards a user whose password it knows: for the same challenge, that the
    /// certificate with this SHA-256 is its own. As MariaDB's clients want it, in hexadecimal.
    pub fn prove_server(&self, salt: &[u8], certificate: &[u8]) -> Option<String> {
        let proof = sha256(&[&self.stored?.native, salt, certificate].concat());
        Some(proof.iter().map(|byte| format!("{byte:02X}")).collect())
    }
}

/// SHA1(SHA1(password)), as `mysql_native_password` has it.
fn native_digest(password: &str) -> [u8; 20] {
    sha1(&sha1(password.as_bytes()))
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

fn sha256(bytes: &[u8]) -> [u8; SHA2_PROOF] {
    Sha256::digest(bytes).into()
}

fn xor<const N: usize>(mut left: [u8; N], right: [u8; N]) -> [u8; N] {
    left.iter_mut().zip(right).for_each(|(left, right)| *left ^= right);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn answer(password: &str, salt: &[u8]) -> Vec<u8> {
        let once = sha1(password.as_bytes());
        let mut hash = Sha1::new();
        hash.update(salt);
        hash.update(sha1(&once));
        let mask: [u8; 20] = hash.finalize().into();
        once.iter().zip(mask).map(|(a, m)| a ^ m).collect()
    }

    #[test]
    fn a_password_is_proved_without_being_sent() {
        let users = Users::new(&Secret::new("pass"));
        let salt = [7; 20];
        assert!(users.account("root", None).verify_native(AWAY, &salt, &answer("pass", &salt)));
        assert!(!users.account("root", None).verify_native(AWAY, &salt, &answer("Pass", &salt)));
        assert!(!users.account("root", None).verify_native(AWAY, &[8; 20], &answer("pass", &salt)));
        assert!(!users.account("toor", None).verify_native(AWAY, &salt, &answer("pass", &salt)));
        assert!(!users.account("root", None).verify_native(HOME, &salt, b""));
        assert!(users.account("root", None).verify_clear(AWAY, "pass"));
        assert!(!users.account("root", None).verify_clear(AWAY, ""));
    }

    #[test]
    fn others_have_the_password_that_is_kept() {
        let (salt, users) = ([7; 20], Users::new(&Secret::new("pass")));
        let bob = users.account("bob", Some((Uuid::nil(), native_digest("word"))));
        assert!(bob.verify_native(AWAY, &salt, &answer("word", &salt)));
        assert!(!bob.verify_native(AWAY, &salt, &answer("pass", &salt)));
        assert!(!bob.verify_native(HOME, &salt, b"") && !bob.verify_clear(HOME, ""));
        assert!(bob.verify_clear(AWAY, "word"));
        // Neither one who is not there, nor the digest of somebody else as root's.
        let nobody = users.account("eve", None);
        assert!(!nobody.verify_native(AWAY, &salt, &answer("", &salt)));
        assert!(!nobody.verify_clear(HOME, "") && nobody.prove_server(&salt, b"").is_none());
        let root = users.account("root", Some((Uuid::nil(), native_digest("word"))));
        assert!(!root.verify_clear(AWAY, "word"));
        // The short way ends when the password is another one.
        let once = sha256(b"word");
        let proof = xor(once, sha256(&[&sha256(&once), &salt[..]].concat()));
        assert!(bob.verify_sha2(&salt, &proof));
        let changed = users.account("bob", Some((Uuid::nil(), native_digest("new"))));
        assert!(!changed.verify_sha2(&salt, &proof));
    }

    #[test]
    fn a_sha2_proof_needs_a_password_that_was_seen() {
        let proof = |password: &str, salt: &[u8]| {
            let once = sha256(password.as_bytes());
            xor(once, sha256(&[&sha256(&once), salt].concat()))
        };
        let (salt, users) = ([7; 20], Users::new(&Secret::new("pass")));
        assert!(users.account("root", None).verify_sha2(&salt, &proof("pass", &salt)));
        assert!(!users.account("root", None).verify_sha2(&salt, &proof("Pass", &salt)));
        assert!(!users.account("root", None).verify_sha2(&[8; 20], &proof("pass", &salt)));
        assert!(!users.account("toor", None).verify_sha2(&salt, &proof("pass", &salt)));
        // What a user who is not there is compared with is nobody's proof.
        let nobody = sha256(&[&[0; SHA2_PROOF][..], &salt].concat());
        assert!(!users.account("toor", None).verify_sha2(&salt, &nobody));
        users.seen.lock().clear();
        assert!(!users.account("root", None).verify_sha2(&salt, &proof("pass", &salt)));
        assert!(users.account("root", None).verify_clear(AWAY, "pass"));
        assert!(users.account("root", None).verify_sha2(&salt, &proof("pass", &salt)));
        assert!(!users.account("root", None).verify_clear(AWAY, "Pass"));
    }

    #[test]
    fn an_empty_password_works_at_home_only() {
        let users = Users::new(&Secret::default());
        assert!(users.account("root", None).verify_native(HOME, &[0; 20], b""));
        assert!(!users.account("root", None).verify_native(AWAY, &[0; 20], b""));
        assert!(!users.account("root", None).verify_native(HOME, &[0; 20], &[0; 20]));
        assert!(users.admits_without_password(HOME));
        assert!(!users.admits_without_password(AWAY));
    }
}
