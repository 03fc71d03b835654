//! The key pair that hides a password on its way through a connection that is not encrypted: what
//! `caching_sha2_password` ends with there. Alone in naming `aws_lc_rs::rsa`.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::tls::write_whole;

/// As MySQL names them, in the data directory.
const PRIVATE_FILE: &str = "private_key.pem";
const PUBLIC_FILE: &str = "public_key.pem";

/// What the texts are called inside PEM.
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// Characters of a line of PEM.
const LINE: usize = 64;

/// The key pair, made or read when it is needed first: making one takes half a second, and most
/// servers never need it.
pub struct Exchange {
    dir: PathBuf,
    pair: OnceCell<Pair>,
}

/// A key pair.
struct Pair {
    private: OaepPrivateDecryptingKey,
    public_pem: String,
}

impl Exchange {
    /// With the key that is in this directory, or will be.
    pub fn new(dir: &Path) -> Exchange {
        Exchange { dir: dir.to_owned(), pair: OnceCell::new() }
    }

    /// The public key as PEM.
    pub async fn public_key(&self) -> Result<&str> {
        Ok(&self.pair().await?.public_pem)
    }

    /// What somebody has encrypted with the public key; `None` if nobody has. It costs what a TLS
    /// handshake costs.
    pub async fn decrypt(&self, text: &[u8]) -> Result<Option<Vec<u8>>> {
        let private = &self.pair().await?.private;
        let mut clear = vec![0; private.min_output_size()];
        let clear = private.decrypt(&OAEP_SHA1_MGF1SHA1, text, &mut clear, None);
        Ok(clear.ok().map(|clear| clear.to_vec()))
    }

    async fn pair(&self) -> Result<&Pair> {
        let open = || async {
            let dir = self.dir.clone();
            let opened = tokio::task::spawn_blocking(move || open(&dir)).await;
            opened.map_err(|_| Error::Internal { what: "no key pair was made".to_owned() })?
        };
        self.pair.get_or_try_init(open).await
    }
}

fn open(dir: &Path) -> Result<Pair> {
    let path = dir.join(PRIVATE_FILE);
    let unusable = |why: &dyn std::fmt::Display| Error::Internal {
        what: format!("{} can't be used: {why}", path.display()),
    };
    if !path.exists() {
        make(&path).map_err(|why| unusable(&why))?;
    }
    let text = std::fs::read_to_string(&path).map_err(|why| unusable(&why))?;
    let der = from_pem(PRIVATE, &text).ok_or_else(|| unusable(&"it is no PEM of PKCS #8"))?;
    let private = PrivateDecryptingKey::from_pkcs8(&der).map_err(|why| unusable(&why))?;
    let public: PublicKeyX509Der<'_> =
        private.public_key().as_der().map_err(|why| unusable(&why))?;
    let public_pem = to_pem(PUBLIC, public.as_ref());
    // Of no use to the server: clients get a copy.
    write_whole(&dir.join(PUBLIC_FILE), &public_pem, 0o644).map_err(|why| unusable(&why))?;
    let private = OaepPrivateDecryptingKey::new(private).map_err(|why| unusable(&why))?;
    Ok(Pair { private, public_pem })
}

fn make(path: &Path) -> std::io::Result<()> {
    let made = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(std::io::Error::other)?;
    let der: Pkcs8V1Der<'_> = made.as_der().map_err(std::io::Error::other)?;
    write_whole(path, &to_pem(PRIVATE, der.as_ref()), 0o600)
}

fn to_pem(what: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {what}-----\n");
    let mut rest = BASE64_STANDARD.encode(der);
    while !rest.is_empty() {
        let next = rest.split_off(rest.len().min(LINE));
        text.push_str(&rest);
        text.push('\n');
        rest = next;
    }
    text.push_str(&format!("-----END {what}-----\n"));
    text
}

fn from_pem(what: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {what}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {what}-----"))?;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};

    use super::*;

    #[tokio::test]
    async fn the_key_stays_and_opens_what_was_encrypted_for_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let exchange = Exchange::new(dir.path());
        let pem = exchange.public_key().await.expect("a key").to_owned();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a file");
        assert_eq!(pem, read(PUBLIC_FILE));
        assert!(pem.lines().all(|line| line.len() <= LINE));
        let der = from_pem(PUBLIC, &pem).expect("PEM");
        let public = PublicEncryptingKey::from_der(&der).expect("a key");
        let public = OaepPublicEncryptingKey::new(public).expect("a key");
        let mut text = vec![0; public.ciphertext_size()];
        let text = public.encrypt(&OAEP_SHA1_MGF1SHA1, b"word", &mut text, None).expect("text");
        // After a restart, too.
        let again = Exchange::new(dir.path());
        assert_eq!(again.decrypt(text).await.expect("a key").as_deref(), Some(&b"word"[..]));
        for wrong in [&b""[..], &[0x02], &[7; 256], &text[1..]] {
            assert_eq!(again.decrypt(wrong).await.expect("a key"), None);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let about = std::fs::metadata(dir.path().join(PRIVATE_FILE)).expect("a file");
            assert_eq!(about.permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(dir.path().join(PRIVATE_FILE), "nonsense").expect("written");
        assert!(Exchange::new(dir.path()).public_key().await.is_err());
    }
}
