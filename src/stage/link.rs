//! URLs of the server's own that need no password: signed for one method, one file and some time.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// What a signature is for.
#[derive(Debug, Clone)]
pub struct Link<'a> {
    /// `GET` or `PUT`.
    pub method: &'a str,
    /// Whose file.
    pub scope: &'a Scope,
    /// Which file.
    pub path: &'a str,
    /// Until when, in seconds since 1970.
    pub expires: u64,
    /// The type that a download is to have; empty for the usual one.
    pub content_type: &'a str,
}

/// An area, by what never becomes another one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A stage: its id, so that a new one of the old name is not meant.
    Stage(Uuid),
    /// A user's own: his name, and his id.
    User(String, Uuid),
    /// A table's: database and table.
    Table(String, String),
}

impl fmt::Display for Scope {
    /// No two scopes look alike: names are in quotes, with those in them escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Stage(id) => write!(f, "stage {id}"),
            Scope::User(name, id) => write!(f, "user {name:?} {id}"),
            Scope::Table(database, name) => write!(f, "table {database:?} {name:?}"),
        }
    }
}

/// Signs links.
#[derive(Clone)]
pub(super) struct Signer {
    key: Hmac<Sha256>,
}

impl Signer {
    /// With a key that is used for nothing else.
    pub(super) fn new(key: [u8; 32]) -> Signer {
        Signer { key: keyed(key) }
    }

    /// In hexadecimal digits.
    pub(super) fn sign(&self, link: &Link<'_>) -> String {
        hex::encode(self.of(link).finalize().into_bytes())
    }

    /// Compared in constant time.
    pub(super) fn is_signed(&self, link: &Link<'_>, signature: &str) -> bool {
        let bytes: Option<Vec<u8>> = (0..signature.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok())
            .collect();
        bytes.is_some_and(|bytes| self.of(link).verify_slice(&bytes).is_ok())
    }

    fn of(&self, link: &Link<'_>) -> Hmac<Sha256> {
        let Link { method, scope, path, expires, content_type } = link;
        let text = format!("{method}\n{scope}\n{expires}\n{content_type:?}\n{path}");
        self.key.clone().chain_update(text.as_bytes())
    }
}

/// HMAC's block is longer than our keys, and filled up with zeros.
pub(super) fn keyed(key: [u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(&key);
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_one_link_alone() {
        let (signer, id) = (Signer::new([1; 32]), Uuid::from_u128);
        let (scope, other) =
            (Scope::User("a".to_owned(), id(1)), Scope::User("b".to_owned(), id(1)));
        // A later user of the name is another one.
        let later = Scope::User("a".to_owned(), id(2));
        let link = Link { method: "GET", scope: &scope, path: "x", expires: 1, content_type: "" };
        let signature = signer.sign(&link);
        assert!(signer.is_signed(&link, &signature));
        for changed in [
            Link { method: "PUT", ..link.clone() },
            Link { scope: &other, ..link.clone() },
            Link { scope: &later, ..link.clone() },
            Link { path: "y", ..link.clone() },
            Link { expires: 2, ..link.clone() },
            Link { content_type: "text/html", ..link.clone() },
        ] {
            assert!(!signer.is_signed(&changed, &signature), "{changed:?}");
        }
        for wrong in ["", "00", "é", &signature[2..], &signature.replace(['0', 'a'], "1")] {
            assert!(!signer.is_signed(&link, wrong), "{wrong}");
        }
        assert!(!Signer::new([2; 32]).is_signed(&link, &signature));
    }
}
