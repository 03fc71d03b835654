//! The greeting and the client's answer to it. Source: the manual's pages
//! "Protocol::HandshakeV10" and "Protocol::HandshakeResponse41".

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::capability::Capabilities;
use super::packet::{Fields, HEADER, Header};
use super::reply::AUTOCOMMIT;
use crate::compressed::Compression;
use crate::config::Algorithm;
use crate::error::{Error, Result};

/// The method that every client knows.
pub(super) const NATIVE_PASSWORD: &str = "mysql_native_password";

/// The method that clients of MySQL 8 and later use where they may.
pub(super) const SHA2_PASSWORD: &str = "caching_sha2_password";

/// Bytes of the challenge.
pub(super) const SALT: usize = 20;

/// `utf8mb4_0900_ai_ci`, as MySQL 8 greets.
const CHARACTER_SET: u8 = 255;

/// Longest user name, and longest proof of a password, that is looked at. MySQL's own names end at
/// 32 characters, and a proof has 20 bytes.
const MAX_CREDENTIAL: usize = 255;

/// Completes the greeting that opensrv has written: it announces six capabilities, the character
/// set `utf8_general_ci` and no status.
pub(super) fn complete_greeting(payload: &mut [u8], offered: Capabilities) -> Result<()> {
    let unexpected = || Error::Internal { what: "opensrv's greeting has another form".to_owned() };
    let version_end = payload.iter().position(|&byte| byte == 0).ok_or_else(unexpected)?;
    // After the version: NUL, connection id (4), first part of the salt (8), filler (1).
    let fields = payload.get_mut(version_end + 14..version_end + 21).ok_or_else(unexpected)?;
    let [low, low_high, high, high_high] = offered.0.to_le_bytes();
    let [status, status_high] = AUTOCOMMIT.to_le_bytes();
    fields.copy_from_slice(&[low, low_high, CHARACTER_SET, status, status_high, high, high_high]);
    Ok(())
}

/// Bytes of a request for TLS: the beginning of a log-in.
const SSL_REQUEST: usize = 32;

/// Whether this is no log-in, but a request for TLS. Source: "Protocol::SSLRequest".
pub(super) fn asks_for_tls(payload: &[u8]) -> bool {
    let bits = Fields::of(payload).u32().map(Capabilities).unwrap_or_default();
    payload.len() == SSL_REQUEST && bits.has(Capabilities::SSL | Capabilities::PROTOCOL_41)
}

/// A challenge for one log-in. Its bytes are printable, as MySQL's are: clients read it up to a
/// NUL, and '$' separates the parts of stored passwords.
pub(super) fn salt() -> Result<[u8; SALT], getrandom::Error> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt)?;
    for byte in &mut salt {
        *byte &= 0x7F;
        if matches!(*byte, 0 | b'$') {
            *byte += 1;
        }
    }
    Ok(salt)
}

/// Asks for a proof by another method. Source: "Protocol::AuthSwitchRequest".
pub(super) fn put_auth_switch(out: &mut BytesMut, method: &str, salt: &[u8; SALT]) {
    out.put_u8(0xFE);
    out.put_slice(method.as_bytes());
    out.put_u8(0);
    out.put_slice(salt);
    out.put_u8(0);
}

/// What a client says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HandshakeResponse {
    /// What both sides can do.
    pub(super) capabilities: Capabilities,
    /// The user's name.
    pub(super) user: String,
    /// The proof of the password, in the form of `plugin`; empty for none.
    pub(super) auth_response: Vec<u8>,
    /// The database to start in.
    pub(super) database: Option<String>,
    /// The authentication method of `auth_response`.
    pub(super) plugin: String,
    /// `_client_name`, `program_name` ...
    pub(super) attributes: BTreeMap<String, String>,
    /// How the connection becomes compressed, if it does.
    pub(super) compression: Option<Compression>,
}

impl HandshakeResponse {
    /// Reads the packet. Capabilities that were not offered are not believed, but for one.
    pub(super) fn parse(payload: &[u8], offered: Capabilities) -> Result<HandshakeResponse> {
        HandshakeResponse::read(payload, offered).map_err(|error| {
            if matches!(error, Error::MalformedPacket) { Error::BadHandshake } else { error }
        })
    }

    fn read(payload: &[u8], offered: Capabilities) -> Result<HandshakeResponse> {
        let mut fields = Fields::of(payload);
        let wanted = match fields.clone().u32() {
            Ok(bits) => Capabilities(bits),
            Err(_) => Capabilities(u32::from(fields.clone().u16()?)),
        };
        if !wanted.has(Capabilities::PROTOCOL_41) {
            return Err(unsupported("The protocol before MySQL 4.1", "use a newer client"));
        }
        fields.u32()?;
        let capabilities = wanted.common(offered | Capabilities::PROGRESS);
        let _largest_packet = fields.u32()?;
        let _character_set = fields.u8()?;
        let _filler = fields.take(23)?;
        let user = text(fields.until_nul()?)?;
        let auth_response = auth_response(&mut fields, capabilities)?.to_vec();
        if user.len() > MAX_CREDENTIAL || auth_response.len() > MAX_CREDENTIAL {
            return Err(Error::MalformedPacket);
        }
        let mut response = HandshakeResponse {
            capabilities,
            user,
            auth_response,
            plugin: NATIVE_PASSWORD.to_owned(),
            ..HandshakeResponse::default()
        };
        if capabilities.has(Capabilities::CONNECT_WITH_DB) {
            response.database = database(&mut fields)?;
        }
        response.read_rest(&mut fields)?;
        response.compression = compression(&mut fields, capabilities)?;
        Ok(response)
    }

    /// The method, and what the client says of itself.
    fn read_rest(&mut self, fields: &mut Fields<'_>) -> Result<()> {
        if self.capabilities.has(Capabilities::PLUGIN_AUTH) && !fields.is_empty() {
            let plugin = text(fields.until_nul_or_end())?;
            if !plugin.is_empty() {
                self.plugin = plugin;
            }
        }
        if self.capabilities.has(Capabilities::CONNECT_ATTRS) && !fields.is_empty() {
            self.attributes = attributes(fields.lenenc_bytes()?)?;
        }
        Ok(())
    }

    /// What the client says when it wants to be somebody else: the payload of COM_CHANGE_USER
    /// behind its first byte. Attributes stay where no others are sent.
    pub(super) fn changed(&self, payload: &[u8]) -> Result<HandshakeResponse> {
        let mut fields = Fields::of(payload);
        let user = text(fields.until_nul()?)?;
        let auth_response = match self.capabilities.has(Capabilities::SECURE_CONNECTION) {
            true => {
                let length = fields.u8()?;
                fields.take(usize::from(length))?
            }
            false => fields.until_nul()?,
        };
        if user.len() > MAX_CREDENTIAL {
            return Err(Error::MalformedPacket);
        }
        let mut response = HandshakeResponse {
            capabilities: self.capabilities,
            user,
            auth_response: auth_response.to_vec(),
            database: database(&mut fields)?,
            plugin: NATIVE_PASSWORD.to_owned(),
            attributes: self.attributes.clone(),
            compression: self.compression,
        };
        if !fields.is_empty() {
            let _character_set = fields.u16()?;
            response.read_rest(&mut fields)?;
        }
        Ok(response)
    }

    /// Whether the client understands reports of progress. Programs of MariaDB's that are older than
    /// `libmariadb` say so too, but take the reports for errors, as the server has offered none.
    pub(super) fn shows_progress(&self) -> bool {
        self.capabilities.has(Capabilities::PROGRESS)
            && self.attributes.get("_client_name").is_some_and(|name| name == "libmariadb")
    }

    /// The same, as opensrv is sure to understand it: a whole packet. It always names a database,
    /// so that opensrv calls `on_init` between the log-in and its answer.
    pub(super) fn normalised(&self) -> Bytes {
        let mut packet = BytesMut::with_capacity(128);
        packet.put_slice(&[0; HEADER]);
        let capabilities = Capabilities::PROTOCOL_41
            | Capabilities::SECURE_CONNECTION
            | Capabilities::PLUGIN_AUTH
            | Capabilities::CONNECT_WITH_DB;
        packet.put_u32_le(capabilities.0);
        packet.put_u32_le(0);
        packet.put_u8(CHARACTER_SET);
        packet.put_slice(&[0; 23]);
        packet.put_slice(self.user.as_bytes());
        packet.put_u8(0);
        // The proof is not its business; without one it would ask for another.
        packet.put_slice(b"\x01?");
        packet.put_slice(b"?\0");
        packet.put_slice(NATIVE_PASSWORD.as_bytes());
        packet.put_u8(0);
        let header = Header { length: packet.len() - HEADER, sequence: 1 };
        if let Some(start) = packet.first_chunk_mut() {
            *start = header.bytes();
        }
        packet.freeze()
    }
}

fn auth_response<'a>(fields: &mut Fields<'a>, capabilities: Capabilities) -> Result<&'a [u8]> {
    if capabilities.has(Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA) {
        fields.lenenc_bytes()
    } else if capabilities.has(Capabilities::SECURE_CONNECTION) {
        let length = fields.u8()?;
        fields.take(usize::from(length))
    } else {
        fields.until_nul()
    }
}

/// A client may know both ways; zlib goes first, as with MySQL.
fn compression(fields: &mut Fields<'_>, capabilities: Capabilities) -> Result<Option<Compression>> {
    let zstd = match capabilities.has(Capabilities::ZSTD) {
        true => Some(fields.u8()?),
        false => None,
    };
    if capabilities.has(Capabilities::COMPRESS) {
        let level = Compression::ZLIB_LEVEL;
        return Ok(Some(Compression { algorithm: Algorithm::Zlib, level }));
    }
    match zstd {
        Some(level @ 1..=Compression::MAX_ZSTD_LEVEL) => {
            Ok(Some(Compression { algorithm: Algorithm::Zstd, level }))
        }
        Some(_) => Err(Error::MalformedPacket),
        None => Ok(None),
    }
}

fn database(fields: &mut Fields<'_>) -> Result<Option<String>> {
    let database = text(fields.until_nul_or_end())?;
    Ok((!database.is_empty()).then_some(database))
}

fn attributes(pairs: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut fields = Fields::of(pairs);
    let mut attributes = BTreeMap::new();
    while !fields.is_empty() {
        let name = String::from_utf8_lossy(fields.lenenc_bytes()?).into_owned();
        let value = String::from_utf8_lossy(fields.lenenc_bytes()?).into_owned();
        attributes.insert(name, value);
    }
    Ok(attributes)
}

/// Names are UTF-8: the client's own character set is not asked for.
fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::MalformedPacket)
}

fn unsupported(what: &str, hint: &str) -> Error {
    Error::Unsupported { what: what.to_owned(), hint: Some(hint.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::packet::put_lenenc_bytes;

    fn start(capabilities: Capabilities) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u32_le(capabilities.0);
        out.put_u32_le(1 << 24);
        out.put_u8(45);
        out.put_slice(&[0; 23]);
        out.put_slice(b"root\0");
        out
    }

    fn parse(payload: &[u8]) -> Result<HandshakeResponse> {
        let both = Capabilities::compression(&[Algorithm::Zlib, Algorithm::Zstd]);
        HandshakeResponse::parse(payload, Capabilities::SERVER | both)
    }

    #[test]
    fn every_encoding_of_the_proof_is_read() {
        let base = Capabilities::PROTOCOL_41 | Capabilities::CONNECT_WITH_DB;
        let cases: [(Capabilities, &[u8]); 3] = [
            (Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA, b"\x03abc"),
            (Capabilities::SECURE_CONNECTION, b"\x03abc"),
            (Capabilities::default(), b"abc\0"),
        ];
        for (way, bytes) in cases {
            let mut out = start(base | way);
            out.put_slice(bytes);
            out.put_slice(b"lake\0");
            let response = parse(&out).expect("understood");
            assert_eq!(response.auth_response, b"abc");
            assert_eq!(response.database.as_deref(), Some("lake"));
            assert_eq!(response.plugin, NATIVE_PASSWORD);
        }
    }

    #[test]
    fn attributes_and_plugin_are_read_and_cutting_anywhere_never_panics() {
        let mut out = start(Capabilities::SERVER);
        out.put_slice(b"\0\0caching_sha2_password\0");
        let mut pairs = BytesMut::new();
        put_lenenc_bytes(&mut pairs, b"_client_name");
        put_lenenc_bytes(&mut pairs, b"libmysql");
        put_lenenc_bytes(&mut out, &pairs);
        let response = parse(&out).expect("understood");
        assert_eq!(response.plugin, "caching_sha2_password");
        assert_eq!(response.attributes["_client_name"], "libmysql");
        assert_eq!(response.database, None);
        for end in 0..out.len() {
            let _ = parse(&out[..end]);
        }
    }

    #[test]
    fn a_request_for_tls_is_the_beginning_of_a_log_in() {
        let out = start(Capabilities::PROTOCOL_41 | Capabilities::SSL);
        assert!(asks_for_tls(&out[..SSL_REQUEST]));
        assert!(!asks_for_tls(&out) && !asks_for_tls(&out[..SSL_REQUEST - 1]));
        assert!(!asks_for_tls(&start(Capabilities::PROTOCOL_41)[..SSL_REQUEST]));
        let error = parse(&out[..SSL_REQUEST]).expect_err("no user");
        assert!(matches!(error, Error::BadHandshake));
    }

    #[test]
    fn zlib_goes_before_zstd_whose_level_is_the_last_byte() {
        let base = Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION;
        let zlib = Some((Algorithm::Zlib, 6));
        for (asked, level, expected) in [
            (Capabilities::default(), &b""[..], Some(None)),
            (Capabilities::COMPRESS, b"", Some(zlib)),
            (Capabilities::COMPRESS | Capabilities::ZSTD, b"\x03", Some(zlib)),
            (Capabilities::ZSTD, b"\x16", Some(Some((Algorithm::Zstd, 22)))),
            (Capabilities::ZSTD, b"\0", None),
            (Capabilities::ZSTD, b"\x17", None),
            (Capabilities::ZSTD, b"", None),
        ] {
            let mut out = start(base | asked);
            out.put_slice(b"\0");
            out.put_slice(level);
            let found = parse(&out).map(|response| response.compression);
            let found = found.map(|way| way.map(|way| (way.algorithm, way.level)));
            assert_eq!(found.ok(), expected, "{asked:?} {level:?}");
            // What was not offered is not believed.
            let plain = HandshakeResponse::parse(&out, Capabilities::SERVER).expect("understood");
            assert_eq!(plain.compression, None);
        }
    }
}
