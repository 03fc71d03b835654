//! Who may log in. One user for now: `root`.

use std::net::IpAddr;

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// The only user.
pub const ROOT: &str = "root";

/// The users and their passwords.
#[derive(Debug)]
pub struct Users {
    /// SHA1(SHA1(password)) of `root`; `None` when the password is empty.
    root: Option<[u8; 20]>,
}

impl Users {
    /// `root` with this password.
    pub fn new(root_password: &Secret) -> Users {
        let password = root_password.expose_secret();
        let root = (!password.is_empty()).then(|| sha1(&sha1(password.as_bytes())));
        Users { root }
    }

    /// Whether this answer to `mysql_native_password` is right: for the challenge `salt`,
    /// `SHA1(password) XOR SHA1(salt || SHA1(SHA1(password)))`. An empty password is accepted from
    /// loopback only.
    pub fn verify_native(&self, user: &str, ip: IpAddr, salt: &[u8], answer: &[u8]) -> bool {
        match self.root {
            None => user == ROOT && answer.is_empty() && ip.is_loopback(),
            Some(stored) => {
                let Ok(answer) = <[u8; 20]>::try_from(answer) else { return false };
                let mut hash = Sha1::new();
                hash.update(salt);
                hash.update(stored);
                let mask: [u8; 20] = hash.finalize().into();
                let mut candidate = [0; 20];
                for (out, (a, m)) in candidate.iter_mut().zip(answer.iter().zip(mask)) {
                    *out = a ^ m;
                }
                let same: bool = sha1(&candidate).ct_eq(&stored).into();
                same && user == ROOT
            }
        }
    }

    /// Whether this clear password (HTTP basic authentication) is right.
    pub fn verify_clear(&self, user: &str, ip: IpAddr, password: &str) -> bool {
        match self.root {
            None => user == ROOT && password.is_empty() && ip.is_loopback(),
            Some(stored) => {
                let same: bool = sha1(&sha1(password.as_bytes())).ct_eq(&stored).into();
                same && user == ROOT
            }
        }
    }

    /// Whether requests without any authentication are `root`'s, as they are from loopback while
    /// `root` has no password.
    pub fn admits_without_password(&self, ip: IpAddr) -> bool {
        self.root.is_none() && ip.is_loopback()
    }
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
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
    fn an_empty_password_works_at_home_only() {
        let users = Users::new(&Secret::default());
        assert!(users.verify_native("root", HOME, &[0; 20], b""));
        assert!(!users.verify_native("root", AWAY, &[0; 20], b""));
        assert!(!users.verify_native("root", HOME, &[0; 20], &[0; 20]));
        assert!(users.admits_without_password(HOME));
        assert!(!users.admits_without_password(AWAY));
    }
}
