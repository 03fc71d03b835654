//! A client's stream, which may become encrypted and compressed.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Plain, encrypted, or either of them compressed.
pub enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Packed(Box<Packed>),
}

/// How a line is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Zlib,
    Zstd,
}

impl Method {
    /// What the other side sends for these bytes.
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Method::Zlib => {
                let mut out = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(bytes).expect("packed");
                out.finish().expect("packed")
            }
            Method::Zstd => zstd::bulk::compress(bytes, 1).expect("packed"),
        }
    }

    fn unpack(self, bytes: &[u8], becomes: usize) -> Vec<u8> {
        let unpacked = match self {
            Method::Zlib => {
                let mut out = Vec::new();
                ZlibDecoder::new(bytes).read_to_end(&mut out).expect("unpacked");
                out
            }
            Method::Zstd => zstd::bulk::decompress(bytes, becomes).expect("unpacked"),
        };
        assert_eq!(unpacked.len(), becomes);
        unpacked
    }
}

/// A frame, whatever is in it.
pub fn frame(number: u8, becomes: usize, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, ..] = payload.len().to_le_bytes();
    let [d, e, f, ..] = becomes.to_le_bytes();
    [&[a, b, c, number, d, e, f], payload].concat()
}

/// A line whose both sides send frames.
pub struct Packed {
    below: Line,
    method: Method,
    /// Unpacked, and not read yet.
    ahead: VecDeque<u8>,
    /// The number of the next frame, of whichever side.
    pub number: u8,
    /// The most bytes that go into one frame.
    pub most: usize,
    /// How many frames came packed, and how many as they are.
    pub came: (usize, usize),
}

impl Packed {
    /// Reads a frame. `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut header = [0; 7];
        if self.below.read(&mut header[..1])? == 0 {
            return Ok(false);
        }
        self.below.read_exact(&mut header[1..])?;
        let [a, b, c, number, d, e, f] = header;
        assert_eq!(number, self.number, "the number of a frame");
        self.number = number.wrapping_add(1);
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        let becomes = usize::from(d) | usize::from(e) << 8 | usize::from(f) << 16;
        let mut payload = vec![0; length];
        self.below.read_exact(&mut payload)?;
        if becomes == 0 {
            self.came.1 += 1;
            self.ahead.extend(payload);
        } else {
            self.came.0 += 1;
            assert!(length < becomes, "packed to be longer");
            self.ahead.extend(self.method.unpack(&payload, becomes));
        }
        Ok(true)
    }
}

impl Read for Packed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.ahead.is_empty() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        self.ahead.read(to)
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(self.most)];
        let frame = match bytes.len() < 50 {
            true => frame(self.number, 0, bytes),
            false => frame(self.number, bytes.len(), &self.method.pack(bytes)),
        };
        self.number = self.number.wrapping_add(1);
        self.below.write_all(&frame)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.below.flush()
    }
}

impl Line {
    pub fn socket(&self) -> &TcpStream {
        match self {
            Line::Plain(socket) => socket,
            Line::Tls(stream) => &stream.sock,
            Line::Packed(packed) => packed.below.socket(),
        }
    }

    /// The same stream, encrypted from here on. The handshake comes with the first byte.
    pub fn encrypt(&mut self, settings: Arc<ClientConfig>) {
        let socket = self.socket().try_clone().expect("a socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(settings, name).expect("a session");
        *self = Line::Tls(Box::new(StreamOwned::new(session, socket)));
    }

    /// The same stream, compressed from here on.
    pub fn compress(self, method: Method) -> Line {
        let ahead = VecDeque::new();
        let (number, most) = (0, 16 * 1024);
        Line::Packed(Box::new(Packed { below: self, method, ahead, number, most, came: (0, 0) }))
    }

    /// The frames, of a compressed one.
    pub fn packed(&mut self) -> &mut Packed {
        match self {
            Line::Packed(packed) => packed,
            Line::Plain(_) | Line::Tls(_) => panic!("a compressed line"),
        }
    }

    /// A command begins: so do the numbers of frames.
    pub fn begin_command(&mut self) {
        if let Line::Packed(packed) = self {
            packed.number = 0;
        }
    }

    /// Writes below the frames.
    pub fn write_below(&mut self, bytes: &[u8]) {
        self.packed().below.write_all(bytes).expect("a server that reads");
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
            Line::Packed(packed) => packed.read(to),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
            Line::Packed(packed) => packed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(socket) => socket.flush(),
            Line::Tls(stream) => stream.flush(),
            Line::Packed(packed) => packed.flush(),
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
