//! Who may log in. One user for now: `root`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// The only user.
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

impl Stored {
    fn of(password: &str) -> Stored {
        Stored { native: sha1(&sha1(password.as_bytes())) }
    }

    fn is_of(&self, password: &str) -> bool {
        Stored::of(password).native.ct_eq(&self.native).into()
    }
}

/// The users and their passwords.
pub struct Users {
    /// `None` when the password of `root` is empty.
    root: Option<Stored>,
    /// SHA256(SHA256(password)) of those whose password was seen in clear since the start: the
    /// cache of `caching_sha2_password`. It can't be made of what is stored.
    seen: Mutex<HashMap<String, [u8; SHA2_PROOF]>>,
}

impl Users {
    /// `root` with this password.
    pub fn new(root_password: &Secret) -> Users {
        let password = root_password.expose_secret();
        let root = (!password.is_empty()).then(|| Stored::of(password));
        let users = Users { root, seen: Mutex::default() };
        if root.is_some() {
            users.remember(ROOT, password);
        }
        users
    }

    /// Whether this answer to `mysql_native_password` is right: for the challenge `salt`,
    /// `SHA1(password) XOR SHA1(salt || SHA1(SHA1(password)))`. An empty password is accepted from
    /// loopback only.
    pub fn verify_native(&self, user: &str, ip: IpAddr, salt: &[u8], answer: &[u8]) -> bool {
        match self.root {
            None => user == ROOT && answer.is_empty() && ip.is_loopback(),
            Some(Stored { native }) => {
                let Ok(answer) = <[u8; 20]>::try_from(answer) else { return false };
                let once = xor(answer, sha1(&[salt, &native].concat()));
                let same: bool = sha1(&once).ct_eq(&native).into();
                same && user == ROOT
            }
        }
    }

    /// Whether this answer to `caching_sha2_password` is right, as far as that can be told without
    /// the password: for the challenge `salt`,
    /// `SHA256(password) XOR SHA256(SHA256(SHA256(password)) || salt)`.
    pub fn verify_sha2(&self, user: &str, salt: &[u8], answer: &[u8]) -> bool {
        let Ok(answer) = <[u8; SHA2_PROOF]>::try_from(answer) else { return false };
        let seen = self.seen.lock().get(user).copied();
        // As long for users who are not there.
        let twice = seen.unwrap_or_default();
        let once = xor(answer, sha256(&[&twice, salt].concat()));
        let same: bool = sha256(&once).ct_eq(&twice).into();
        same && seen.is_some()
    }

    /// Whether this clear password is right: HTTP's basic authentication, and what
    /// `caching_sha2_password` ends with where its short way is not enough.
    pub fn verify_clear(&self, user: &str, ip: IpAddr, password: &str) -> bool {
        match self.root {
            None => user == ROOT && password.is_empty() && ip.is_loopback(),
            Some(stored) => {
                let right = stored.is_of(password) && user == ROOT;
                if right {
                    self.remember(user, password);
                }
                right
            }
        }
    }

    /// Whether requests without any authentication are `root`'s, as they are from loopback while
    /// `root` has no password.
    pub fn admits_without_password(&self, ip: IpAddr) -> bool {
        self.root.is_none() && ip.is_loopback()
    }

    /// The server's proof towards a user whose password it knows: for the same challenge, that the
    /// certificate with this SHA-256 is its own. As MariaDB's clients want it, in hexadecimal.
    pub fn prove_server(&self, user: &str, salt: &[u8], certificate: &[u8]) -> Option<String> {
        let stored = self.root.filter(|_| user == ROOT)?;
        let proof = sha256(&[&stored.native, salt, certificate].concat());
        Some(proof.iter().map(|byte| format!("{byte:02X}")).collect())
    }

    fn remember(&self, user: &str, password: &str) {
        let twice = sha256(&sha256(password.as_bytes()));
        self.seen.lock().insert(user.to_owned(), twice);
    }
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
        assert!(users.verify_native("root", AWAY, &salt, &answer("pass", &salt)));
        assert!(!users.verify_native("root", AWAY, &salt, &answer("Pass", &salt)));
        assert!(!users.verify_native("root", AWAY, &[8; 20], &answer("pass", &salt)));
        assert!(!users.verify_native("toor", AWAY, &salt, &answer("pass", &salt)));
        assert!(!users.verify_native("root", HOME, &salt, b""));
        assert!(users.verify_clear("root", AWAY, "pass"));
        assert!(!users.verify_clear("root", AWAY, ""));
    }

    #[test]
    fn a_sha2_proof_needs_a_password_that_was_seen() {
        let proof = |password: &str, salt: &[u8]| {
            let once = sha256(password.as_bytes());
            xor(once, sha256(&[&sha256(&once), salt].concat()))
        };
        let (salt, users) = ([7; 20], Users::new(&Secret::new("pass")));
        assert!(users.verify_sha2("root", &salt, &proof("pass", &salt)));
        assert!(!users.verify_sha2("root", &salt, &proof("Pass", &salt)));
        assert!(!users.verify_sha2("root", &[8; 20], &proof("pass", &salt)));
        assert!(!users.verify_sha2("toor", &salt, &proof("pass", &salt)));
        // What a user who is not there is compared with is nobody's proof.
        let nobody = sha256(&[&[0; SHA2_PROOF][..], &salt].concat());
        assert!(!users.verify_sha2("toor", &salt, &nobody));
        users.seen.lock().clear();
        assert!(!users.verify_sha2("root", &salt, &proof("pass", &salt)));
        assert!(users.verify_clear("root", AWAY, "pass"));
        assert!(users.verify_sha2("root", &salt, &proof("pass", &salt)));
        assert!(!users.verify_clear("root", AWAY, "Pass"));
    }

    #[test]
    fn an_empty_password_works_at_home_only() {
        let users = Users::new(&Secret::default());
        assert!(users.verify_native("root", HOME, &[0; 20], b""));
        assert!(!users.verify_native("root", AWAY, &[0; 20], b""));
        assert!(!users.verify_native("root", HOME, &[0; 20], &[0; 20]));
        assert!(users.admits_without_password(HOME));
        assert!(!users.admits_without_password(AWAY));
    }
}
