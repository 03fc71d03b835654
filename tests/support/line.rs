//! A client's stream, which may become encrypted.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Plain or encrypted.
pub enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Line {
    fn socket(&self) -> &TcpStream {
        match self {
            Line::Plain(socket) => socket,
            Line::Tls(stream) => &stream.sock,
        }
    }

    /// The same stream, encrypted from here on. The handshake comes with the first byte.
    pub fn encrypt(&mut self, settings: Arc<ClientConfig>) {
        let socket = self.socket().try_clone().expect("a socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(settings, name).expect("a session");
        *self = Line::Tls(Box::new(StreamOwned::new(session, socket)));
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket().shutdown(how)
    }

    /// Waits for a byte and leaves it there.
    pub fn peek(&self) -> io::Result<usize> {
        self.socket().peek(&mut [0])
    }
}

impl Read for Line {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.read(to),
            Line::Tls(stream) => stream.read(to),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(socket) => socket.flush(),
            Line::Tls(stream) => stream.flush(),
        }
    }
}

/// Trusts this certificate and no other.
pub fn trusting(certificate: &Path) -> Arc<ClientConfig> {
    Arc::new(roots(certificate).with_no_client_auth())
}

/// The same, and shows a certificate of the client's own.
pub fn trusting_as(certificate: &Path, own: &Path, key: &Path) -> Arc<ClientConfig> {
    let chain = vec![CertificateDer::from_pem_file(own).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    Arc::new(roots(certificate).with_client_auth_cert(chain, key).expect("a pair"))
}

fn roots(
    certificate: &Path,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).expect("a certificate")).expect("a root");
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
}
