//! TLS: the server's certificate, and streams that become encrypted. Alone in naming `rustls`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rcgen::{Certificate, CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{ProtocolVersion, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::config::Config;
use crate::error::{Error, Result};

/// The first byte of every TLS connection: a record of the type "handshake".
pub const FIRST_BYTE: u8 = 0x16;

/// The certificate that is made, in the data directory.
const CERT_FILE: &str = "tls-cert.pem";
const KEY_FILE: &str = "tls-key.pem";

/// The server's side of TLS: its certificate, and whom it takes.
pub struct Tls {
    acceptor: TlsAcceptor,
    /// SHA-256 of the certificate.
    fingerprint: [u8; 32],
}

/// The versions that are spoken, as MySQL names them.
pub const VERSIONS: &str = "TLSv1.2,TLSv1.3";

impl Tls {
    /// Reads the certificate that the configuration names, or the one in the data directory, which
    /// is made on the first start.
    pub fn open(config: &Config) -> Result<Tls> {
        let made = (config.data_dir.join(CERT_FILE), config.data_dir.join(KEY_FILE));
        let (cert, key) = match (&config.tls.cert, &config.tls.key) {
            (Some(cert), Some(key)) => (cert, key),
            _ => {
                make(&made.0, &made.1, config).map_err(|why| unusable(&made.0, &why))?;
                (&made.0, &made.1)
            }
        };
        let chain = certificates(cert)?;
        let fingerprint = chain.first().map(Sha256::digest).unwrap_or_default().into();
        let own = PrivateKeyDer::from_pem_file(key).map_err(|why| unusable(key, &why))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients: Arc<dyn ClientCertVerifier> = match &config.tls.client_ca {
            Some(path) => authorities(path, &provider)?,
            None => Arc::new(NoClientAuth),
        };
        let settings = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| unusable(cert, &why))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, own)
            .map_err(|why| unusable(cert, &why))?;
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(settings)), fingerprint })
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    match chain {
        Ok(chain) if chain.is_empty() => Err(unusable(path, &"there is no certificate in it")),
        Ok(chain) => Ok(chain),
        Err(why) => Err(unusable(path, &why)),
    }
}

/// Says which cryptography the process uses where a library doesn't choose: there are two in the build, and then
/// none is the default. To be called before the first connection.
pub fn choose_provider() {
    // It fails where one was chosen already, which then holds.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn authorities(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|why| unusable(path, &why))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|why| unusable(path, &why))
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Startup {
        what: format!("Can't use {} for TLS: {why}", path.display()),
        hint: "certificates and keys are PEM files: give --tls-cert and --tls-key, or remove \
               tls-cert.pem and tls-key.pem from the data directory to have new ones made"
            .to_owned(),
    }
}

/// Makes a certificate, unless there is one. It signs itself and has no end, for whoever trusts it
/// has a copy of it.
fn make(cert: &Path, key: &Path, config: &Config) -> io::Result<()> {
    if cert.exists() && key.exists() {
        return Ok(());
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.extend([config.mysql_addr, config.http_addr].map(|addr| addr.ip().to_string()));
    names.sort();
    names.dedup();
    let (own, made) = self_signed(names).map_err(io::Error::other)?;
    // The certificate is last: without it both are made again.
    write_whole(key, &own.serialize_pem(), 0o600)?;
    write_whole(cert, &made.pem(), 0o644)
}

fn self_signed(names: Vec<String>) -> Result<(KeyPair, Certificate), rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "Stagewire");
    let own = KeyPair::generate()?;
    let made = parameters.self_signed(&own)?;
    Ok((own, made))
}

/// A file that is there whole or not at all.
pub fn write_whole(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("pem.new");
    // Left by a server that was killed here, perhaps with other rights.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// How a stream is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cipher {
    /// As MySQL names it: `TLSv1.3`.
    pub version: &'static str,
    /// The suite: `TLS_AES_256_GCM_SHA384`.
    pub suite: String,
}

/// A stream that may become encrypted.
pub enum Wire<S> {
    /// As it is.
    Plain(S),
    /// The handshake is under way; whoever reads or writes drives it on.
    Opening(Box<Accept<Ahead<S>>>),
    /// Encrypted.
    Secure(Box<TlsStream<Ahead<S>>>),
    /// The handshake has failed.
    Lost,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// From here on the stream is encrypted. `ahead` has been read from it already, and is the
    /// beginning of the client's handshake: none of it is believed.
    pub fn encrypt(&mut self, tls: &Tls, ahead: Bytes) {
        if let Wire::Plain(stream) = std::mem::replace(self, Wire::Lost) {
            let accept = tls.acceptor.accept(Ahead { ahead, stream });
            *self = Wire::Opening(Box::new(accept));
        }
    }

    /// Whether nobody can listen in.
    pub fn is_secure(&self) -> bool {
        match self {
            Wire::Opening(_) | Wire::Secure(_) => true,
            Wire::Plain(_) | Wire::Lost => false,
        }
    }

    /// What is below, but for a moment during the handshake.
    pub fn socket(&self) -> Option<&S> {
        match self {
            Wire::Plain(stream) => Some(stream),
            Wire::Secure(stream) => Some(&stream.get_ref().0.stream),
            Wire::Opening(_) | Wire::Lost => None,
        }
    }

    /// How it is encrypted, once the handshake is over.
    pub fn cipher(&self) -> Option<Cipher> {
        let Wire::Secure(stream) = self else { return None };
        let (_, session) = stream.get_ref();
        let suite = session.negotiated_cipher_suite()?.suite();
        let version = match session.protocol_version()? == ProtocolVersion::TLSv1_3 {
            true => "TLSv1.3",
            false => "TLSv1.2",
        };
        // rustls says of the newer suites which version they belong to, others don't.
        let suite = suite.as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1);
        Some(Cipher { version, suite })
    }

    /// The end of the handshake, if there is one.
    pub fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Wire::Plain(_) | Wire::Secure(_) => Poll::Ready(Ok(())),
            Wire::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Wire::Opening(accept) => match ready!(Pin::new(accept).poll(cx)) {
                Ok(stream) => {
                    *self = Wire::Secure(Box::new(stream));
                    Poll::Ready(Ok(()))
                }
                Err(error) => {
                    tracing::info!(%error, "a TLS handshake has failed");
                    *self = Wire::Lost;
                    Poll::Ready(Err(error))
                }
            },
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        ready!(wire.poll_open(cx))?;
        match wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, to),
            Wire::Secure(stream) => Pin::new(stream).poll_read(cx, to),
            Wire::Opening(_) | Wire::Lost => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        ready!(wire.poll_open(cx))?;
        match wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Opening(_) | Wire::Lost => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        ready!(wire.poll_open(cx))?;
        match wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Secure(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Opening(_) | Wire::Lost => Poll::Pending,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Opening(_) | Wire::Lost => Poll::Ready(Ok(())),
        }
    }
}

/// A stream of which some bytes have been read ahead.
pub struct Ahead<S> {
    ahead: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, to);
        }
        let bytes = self.ahead.len().min(to.remaining());
        to.put_slice(self.ahead.get(..bytes).unwrap_or_default());
        self.ahead.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
