//! A small MySQL client that shows everything: capabilities, numbers, states, raw packets.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls::ClientConfig;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::line::{Line, Method};

/// Capabilities, as in the manual's page "Capabilities Flags".
pub mod cap {
    pub const LONG_PASSWORD: u32 = 1;
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    pub const COMPRESS: u32 = 1 << 5;
    pub const LOCAL_FILES: u32 = 1 << 7;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const SSL: u32 = 1 << 11;
    pub const TRANSACTIONS: u32 = 1 << 13;
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    pub const MULTI_STATEMENTS: u32 = 1 << 16;
    pub const MULTI_RESULTS: u32 = 1 << 17;
    pub const PLUGIN_AUTH: u32 = 1 << 19;
    pub const CONNECT_ATTRS: u32 = 1 << 20;
    pub const SESSION_TRACK: u32 = 1 << 23;
    pub const DEPRECATE_EOF: u32 = 1 << 24;
    pub const ZSTD: u32 = 1 << 26;
    pub const PROGRESS: u32 = 1 << 29;

    /// What most drivers say.
    pub const USUAL: u32 = LONG_PASSWORD
        | LOCAL_FILES
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | MULTI_STATEMENTS
        | MULTI_RESULTS
        | PLUGIN_AUTH
        | CONNECT_ATTRS
        | DEPRECATE_EOF;
}

/// The longest payload of one packet.
pub const MAX_PAYLOAD: usize = 0xFF_FF_FF;

/// `SERVER_MORE_RESULTS_EXISTS`
pub const MORE_RESULTS: u16 = 8;

/// No test waits longer for a byte: a hang is a failure, not a timing.
const PATIENCE: Duration = Duration::from_secs(60);

/// How to connect.
#[derive(Debug, Clone)]
pub struct Options {
    pub user: String,
    pub password: String,
    pub database: Option<String>,
    pub attributes: Vec<(String, String)>,
    pub capabilities: u32,
    /// The authentication method that the client claims to answer with.
    pub plugin: String,
    /// Sent in the place of a right answer.
    pub auth_response: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            user: "root".to_owned(),
            password: super::server::PASSWORD.to_owned(),
            database: None,
            attributes: vec![("_client_name".to_owned(), "libmysql".to_owned())],
            capabilities: cap::USUAL,
            plugin: "mysql_native_password".to_owned(),
            auth_response: None,
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    Ok { affected: u64, info: String, status: u16 },
    Err(Refusal),
    Rows { columns: Vec<Column>, rows: Vec<Vec<Option<String>>>, status: u16 },
}

/// An ERR packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: u16,
    pub state: String,
    pub message: String,
}

/// A column's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub ty: u8,
    pub flags: u16,
    pub decimals: u8,
}

/// A prepared statement.
#[derive(Debug, Clone)]
pub struct Statement {
    pub id: u32,
    pub parameters: u16,
    pub columns: Vec<Column>,
}

/// A parameter of a prepared statement.
#[derive(Debug, Clone)]
pub enum Parameter {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What the server says first.
#[derive(Debug, Clone)]
pub struct Greeting {
    pub version: String,
    pub connection_id: u32,
    pub salt: Vec<u8>,
    pub capabilities: u32,
    pub character_set: u8,
    pub status: u16,
    pub plugin: String,
}

/// Where LOCAL INFILE requests are served from; `None` refuses with an empty packet.
pub type Files = Box<dyn FnMut(&str) -> Option<Vec<u8>> + Send>;

/// One connection.
pub struct Client {
    pub stream: Line,
    pub greeting: Greeting,
    capabilities: u32,
    /// What the last proof was for.
    pub salt: Vec<u8>,
    /// What the server has asked for before it was content.
    pub asked: Vec<String>,
    /// What the log-in's OK says.
    pub welcome: String,
    /// The number of the next packet.
    pub sequence: u8,
    files: Files,
    /// Bytes of one packet of an upload.
    pub upload_packet: usize,
    /// The names that the server has asked for.
    pub requested: Vec<String>,
}

impl Client {
    /// Logs in as `root`.
    pub fn connect(addr: SocketAddr) -> Client {
        Client::with(addr, &Options::default()).expect("a log-in")
    }

    /// Logs in, or says why not.
    pub fn with(addr: SocketAddr, options: &Options) -> Result<Client, Refusal> {
        let mut client = Client::greeted(addr)?;
        client.log_in(options).map(|()| client)
    }

    /// Connects and reads the greeting.
    pub fn greeted(addr: SocketAddr) -> Result<Client, Refusal> {
        let stream = TcpStream::connect(addr).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let mut client = Client {
            stream: Line::Plain(stream),
            greeting: Greeting {
                version: String::new(),
                connection_id: 0,
                salt: Vec::new(),
                capabilities: 0,
                character_set: 0,
                status: 0,
                plugin: String::new(),
            },
            capabilities: cap::PROTOCOL_41,
            salt: Vec::new(),
            asked: Vec::new(),
            welcome: String::new(),
            sequence: 0,
            files: Box::new(|_| None),
            upload_packet: 16 * 1024,
            requested: Vec::new(),
        };
        let payload = client.read();
        if payload[0] == 0xFF {
            return Err(client.refusal(&payload));
        }
        client.greeting = greeting(&payload);
        client.salt.clone_from(&client.greeting.salt);
        Ok(client)
    }

    /// Asks for TLS, in the place of a log-in, and goes on by it.
    pub fn encrypt(&mut self, settings: Arc<ClientConfig>) {
        let request = ssl_request();
        self.write(&request);
        self.stream.encrypt(settings);
    }

    /// Sends the handshake response and reads what follows.
    pub fn log_in(&mut self, options: &Options) -> Result<(), Refusal> {
        self.capabilities = options.capabilities & self.greeting.capabilities;
        let answer = match &options.auth_response {
            Some(answer) => answer.clone(),
            None => proof(&options.plugin, &options.password, &self.greeting.salt),
        };
        self.write(&handshake_response(options, &answer));
        self.prove(&options.password)?;
        let method = match self.capabilities {
            both if both & cap::COMPRESS != 0 => Some(Method::Zlib),
            zstd if zstd & cap::ZSTD != 0 => Some(Method::Zstd),
            _ => None,
        };
        if let Some(method) = method {
            let socket = self.stream.socket().try_clone().expect("a socket");
            let line = std::mem::replace(&mut self.stream, Line::Plain(socket));
            self.stream = line.compress(method);
        }
        Ok(())
    }

    /// COM_CHANGE_USER, by the same options.
    pub fn change_user(&mut self, options: &Options) -> Result<(), Refusal> {
        let answer = match &options.auth_response {
            Some(answer) => answer.clone(),
            None => proof(&options.plugin, &options.password, &self.greeting.salt),
        };
        self.command(&change_user(options, &answer));
        self.prove(&options.password)
    }

    /// Answers whatever the server asks of a log-in, and reads its verdict.
    fn prove(&mut self, password: &str) -> Result<(), Refusal> {
        self.asked.clear();
        loop {
            let payload = self.read();
            match payload[0] {
                0x00 => {
                    if let Response::Ok { info, .. } = ok(&payload) {
                        self.welcome = info;
                    }
                    return Ok(());
                }
                0xFE => {
                    let end = payload[1..].iter().position(|&b| b == 0).expect("a method") + 1;
                    let method = String::from_utf8(payload[1..end].to_vec()).expect("UTF-8");
                    let salt = payload[end + 1..].strip_suffix(b"\0").expect("a salt").to_vec();
                    self.write(&proof(&method, password, &salt));
                    self.salt = salt;
                    self.asked.push(method);
                }
                0x01 if payload[1..] == [3] => self.asked.push("nothing more".to_owned()),
                0x01 if payload[1..] == [4] => {
                    self.asked.push("the password".to_owned());
                    let clear = format!("{password}\0");
                    if matches!(self.stream, Line::Tls(_)) {
                        self.write(clear.as_bytes());
                    } else {
                        self.write(&[0x02]);
                    }
                }
                0x01 if payload[1..].starts_with(b"-----BEGIN PUBLIC KEY-----\n") => {
                    let pem = std::str::from_utf8(&payload[1..]).expect("a text");
                    self.write(&encrypted(pem, password, &self.salt.clone()));
                }
                0xFF => return Err(self.refusal(&payload)),
                other => panic!("unexpected packet {other:#x}"),
            }
        }
    }

    /// Serves LOCAL INFILE requests from here on.
    pub fn serve_files(&mut self, files: impl FnMut(&str) -> Option<Vec<u8>> + Send + 'static) {
        self.files = Box::new(files);
    }

    /// Serves LOCAL INFILE requests from a map.
    pub fn serve_map(&mut self, files: BTreeMap<String, Vec<u8>>) {
        self.serve_files(move |name| files.get(name).cloned());
    }

    /// Runs a text and reads all of its answers.
    pub fn query(&mut self, sql: &str) -> Vec<Response> {
        let mut command = vec![0x03];
        command.extend_from_slice(sql.as_bytes());
        self.command(&command);
        self.responses(false)
    }

    /// Sends a text that has to be answered by a request for a file; the name that was asked for.
    /// What follows are the packets of that file.
    pub fn begin_upload(&mut self, sql: &str) -> String {
        let mut command = vec![0x03];
        command.extend_from_slice(sql.as_bytes());
        self.command(&command);
        let payload = self.read();
        assert_eq!(payload[0], 0xFB, "{}", String::from_utf8_lossy(&payload));
        String::from_utf8(payload[1..].to_vec()).expect("a name")
    }

    /// Sends packets of a file, which goes on.
    pub fn send_part(&mut self, data: &[u8]) {
        for chunk in data.chunks(self.upload_packet) {
            let packet = packet(self.sequence, chunk);
            self.stream.write_all(&packet).expect("a server that reads");
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    /// Ends the file, and reads the answer.
    pub fn end_upload(&mut self) -> Response {
        self.write(b"");
        self.response(false)
    }

    /// Sends a command.
    pub fn command(&mut self, payload: &[u8]) {
        self.command_begins();
        self.write(payload);
    }

    /// Packets, and frames, are numbered from zero on.
    pub fn command_begins(&mut self) {
        self.sequence = 0;
        self.stream.begin_command();
    }

    /// Reads one answer after another until the last.
    pub fn responses(&mut self, binary: bool) -> Vec<Response> {
        let mut responses = Vec::new();
        loop {
            let response = self.response(binary);
            let more = match &response {
                Response::Ok { status, .. } | Response::Rows { status, .. } => {
                    status & MORE_RESULTS != 0
                }
                Response::Err(_) => false,
            };
            responses.push(response);
            if !more {
                return responses;
            }
        }
    }

    /// Reads one answer, sending files in between.
    pub fn response(&mut self, binary: bool) -> Response {
        loop {
            let payload = self.read();
            match payload[0] {
                0x00 => return ok(&payload),
                0xFF => return Response::Err(self.refusal(&payload)),
                0xFB => {
                    let name = String::from_utf8(payload[1..].to_vec()).expect("a name");
                    self.requested.push(name.clone());
                    let data = (self.files)(&name).unwrap_or_default();
                    self.send_file(&data);
                }
                _ => return self.rows(&payload, binary),
            }
        }
    }

    /// Sends a file's bytes, and the empty packet.
    pub fn send_file(&mut self, data: &[u8]) {
        let size = self.upload_packet;
        let mut out = Vec::new();
        for chunk in data.chunks(size) {
            self.append(&mut out, chunk);
            if out.len() > 1 << 20 {
                self.stream.write_all(&out).expect("a server that reads");
                out.clear();
            }
        }
        self.append(&mut out, b"");
        self.stream.write_all(&out).expect("a server that reads");
    }

    fn append(&mut self, out: &mut Vec<u8>, chunk: &[u8]) {
        out.extend_from_slice(&packet(self.sequence, chunk));
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn rows(&mut self, head: &[u8], binary: bool) -> Response {
        let (count, _) = lenenc(head);
        let columns: Vec<Column> = (0..count).map(|_| column(&self.read())).collect();
        self.end_of_columns();
        let mut rows = Vec::new();
        loop {
            let payload = self.read();
            match payload[0] {
                0xFF => return Response::Err(self.refusal(&payload)),
                0xFE if payload.len() < MAX_PAYLOAD && self.is_end(&payload) => {
                    // In both forms of this packet, OK and EOF, it stands at the same place.
                    let status = u16::from_le_bytes([payload[3], payload[4]]);
                    return Response::Rows { columns, rows, status };
                }
                _ if binary => rows.push(binary_row(&columns, &payload)),
                _ => rows.push(text_row(&payload)),
            }
        }
    }

    fn is_end(&self, payload: &[u8]) -> bool {
        self.capabilities & cap::DEPRECATE_EOF != 0 || payload.len() < 9
    }

    fn end_of_columns(&mut self) {
        if self.capabilities & cap::DEPRECATE_EOF == 0 {
            let payload = self.read();
            assert_eq!((payload[0], payload.len()), (0xFE, 5), "an EOF packet");
        }
    }

    /// Prepares a statement.
    pub fn prepare(&mut self, sql: &str) -> Result<Statement, Refusal> {
        let mut command = vec![0x16];
        command.extend_from_slice(sql.as_bytes());
        self.command(&command);
        let payload = self.read();
        if payload[0] == 0xFF {
            return Err(self.refusal(&payload));
        }
        let id = u32::from_le_bytes([payload[1], payload[2], payload[3], payload[4]]);
        let columns = u16::from_le_bytes([payload[5], payload[6]]);
        let parameters = u16::from_le_bytes([payload[7], payload[8]]);
        let mut definitions = |count: u16| {
            let list: Vec<Column> = (0..count).map(|_| column(&self.read())).collect();
            if count > 0 {
                self.end_of_columns();
            }
            list
        };
        definitions(parameters);
        Ok(Statement { id, parameters, columns: definitions(columns) })
    }

    /// Runs a prepared statement.
    pub fn execute(&mut self, statement: &Statement, parameters: &[Parameter]) -> Vec<Response> {
        let mut command = vec![0x17];
        command.extend_from_slice(&statement.id.to_le_bytes());
        command.extend_from_slice(&[0, 1, 0, 0, 0]);
        if !parameters.is_empty() {
            let mut nulls = vec![0; parameters.len().div_ceil(8)];
            let (mut types, mut values) = (Vec::new(), Vec::new());
            for (index, parameter) in parameters.iter().enumerate() {
                match parameter {
                    Parameter::Null => {
                        nulls[index / 8] |= 1 << (index % 8);
                        types.extend_from_slice(&[0x06, 0]);
                    }
                    Parameter::Int(number) => {
                        types.extend_from_slice(&[0x08, 0]);
                        values.extend_from_slice(&number.to_le_bytes());
                    }
                    Parameter::Text(text) => {
                        types.extend_from_slice(&[0xFD, 0]);
                        put_lenenc(&mut values, text.as_bytes());
                    }
                    Parameter::Bytes(bytes) => {
                        types.extend_from_slice(&[0xFC, 0]);
                        put_lenenc(&mut values, bytes);
                    }
                }
            }
            command.extend(nulls);
            command.push(1);
            command.extend(types);
            command.extend(values);
        }
        self.command(&command);
        self.responses(true)
    }

    /// Runs a prepared statement whose only parameter was sent as long data.
    pub fn execute_long(&mut self, statement: &Statement) -> Vec<Response> {
        let mut command = vec![0x17];
        command.extend_from_slice(&statement.id.to_le_bytes());
        // No flags, once; no NULL; new types: a BLOB, whose value is not here.
        command.extend_from_slice(&[0, 1, 0, 0, 0, 0, 1, 0xFC, 0]);
        self.command(&command);
        self.responses(true)
    }

    /// Reads one payload and checks the numbers of its packets.
    pub fn read(&mut self) -> Vec<u8> {
        self.try_read().expect("a packet")
    }

    /// The same; an error when the server has closed the connection.
    pub fn try_read(&mut self) -> io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header)?;
            assert_eq!(header[3], self.sequence, "the number of a packet");
            self.sequence = self.sequence.wrapping_add(1);
            let length =
                usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
            let start = payload.len();
            payload.resize(start + length, 0);
            self.stream.read_exact(&mut payload[start..])?;
            if length < MAX_PAYLOAD {
                return Ok(payload);
            }
        }
    }

    /// Whether the server has closed the connection, without another byte.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sends one payload, in as many packets as it needs.
    pub fn write(&mut self, payload: &[u8]) {
        let mut out = Vec::new();
        let mut rest = payload;
        loop {
            let (chunk, after) = rest.split_at(rest.len().min(MAX_PAYLOAD));
            self.append(&mut out, chunk);
            rest = after;
            if chunk.len() < MAX_PAYLOAD {
                break;
            }
        }
        self.stream.write_all(&out).expect("a server that reads");
    }

    /// Sends bytes as they are.
    pub fn write_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a server that reads");
    }

    /// Reads an ERR packet.
    pub fn read_refusal(&mut self) -> Refusal {
        let payload = self.read();
        self.refusal(&payload)
    }

    fn refusal(&self, payload: &[u8]) -> Refusal {
        assert_eq!(payload[0], 0xFF, "an ERR packet");
        let code = u16::from_le_bytes([payload[1], payload[2]]);
        let (state, message) = match payload[3..].split_first_chunk::<6>() {
            Some((state, message)) if state[0] == b'#' => (&state[1..], message),
            _ => (&b""[..], &payload[3..]),
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Refusal { code, state: text(state), message: text(message) }
    }
}

/// One packet.
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("one packet").to_le_bytes();
    let mut bytes = vec![length[0], length[1], length[2], sequence];
    bytes.extend_from_slice(payload);
    bytes
}

/// A proof of the password; empty for an empty one.
pub fn native_password(password: &str, salt: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password.as_bytes());
    let mut mask = Sha1::new();
    mask.update(salt);
    mask.update(Sha1::digest(once));
    once.iter().zip(mask.finalize()).map(|(a, b)| a ^ b).collect()
}

/// A proof by `caching_sha2_password`; empty for an empty password.
pub fn sha2_password(password: &str, salt: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha256::digest(password.as_bytes());
    let mut mask = Sha256::new();
    mask.update(Sha256::digest(once));
    mask.update(salt);
    once.iter().zip(mask.finalize()).map(|(a, b)| a ^ b).collect()
}

fn proof(method: &str, password: &str, salt: &[u8]) -> Vec<u8> {
    match method {
        "caching_sha2_password" => sha2_password(password, salt),
        _ => native_password(password, salt),
    }
}

/// A password as it goes through a connection that is not encrypted, for the server with this key.
pub fn encrypted(pem: &str, password: &str, salt: &[u8]) -> Vec<u8> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).expect("a key in PEM");
    let key = PublicEncryptingKey::from_der(&key).expect("a key of RSA");
    let key = OaepPublicEncryptingKey::new(key).expect("a key");
    let clear = format!("{password}\0");
    let masked: Vec<u8> = clear.bytes().zip(salt.iter().cycle()).map(|(a, b)| a ^ b).collect();
    let mut text = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA1_MGF1SHA1, &masked, &mut text, None).expect("encrypted").to_vec()
}

/// The payload of a COM_CHANGE_USER.
pub fn change_user(options: &Options, answer: &[u8]) -> Vec<u8> {
    let mut out = vec![0x11];
    out.extend_from_slice(options.user.as_bytes());
    out.push(0);
    out.push(u8::try_from(answer.len()).expect("a short proof"));
    out.extend_from_slice(answer);
    out.extend_from_slice(options.database.as_deref().unwrap_or_default().as_bytes());
    out.extend_from_slice(&[0, 45, 0]);
    out.extend_from_slice(options.plugin.as_bytes());
    out.push(0);
    put_lenenc(&mut out, b"");
    out
}

/// The payload of an SSLRequest.
pub fn ssl_request() -> Vec<u8> {
    let options = Options { capabilities: cap::USUAL | cap::SSL, ..Options::default() };
    handshake_response(&options, b"")[..32].to_vec()
}

/// The payload of a HandshakeResponse41.
pub fn handshake_response(options: &Options, answer: &[u8]) -> Vec<u8> {
    let mut capabilities = options.capabilities;
    if options.database.is_some() {
        capabilities |= cap::CONNECT_WITH_DB;
    }
    let mut out = capabilities.to_le_bytes().to_vec();
    out.extend_from_slice(&0x100_0000_u32.to_le_bytes());
    out.push(45);
    out.extend_from_slice(&[0; 23]);
    out.extend_from_slice(options.user.as_bytes());
    out.push(0);
    out.push(u8::try_from(answer.len()).expect("a short proof"));
    out.extend_from_slice(answer);
    if let Some(database) = &options.database {
        out.extend_from_slice(database.as_bytes());
        out.push(0);
    }
    if capabilities & cap::PLUGIN_AUTH != 0 {
        out.extend_from_slice(options.plugin.as_bytes());
        out.push(0);
    }
    if capabilities & cap::CONNECT_ATTRS != 0 {
        let mut pairs = Vec::new();
        for (name, value) in &options.attributes {
            put_lenenc(&mut pairs, name.as_bytes());
            put_lenenc(&mut pairs, value.as_bytes());
        }
        put_lenenc(&mut out, &pairs);
    }
    if capabilities & cap::ZSTD != 0 {
        out.push(3);
    }
    out
}

fn put_lenenc(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        short @ 0..=250 => out.push(u8::try_from(short).expect("short")),
        long => {
            out.push(0xFE);
            out.extend_from_slice(&(long as u64).to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

fn lenenc(bytes: &[u8]) -> (usize, &[u8]) {
    let (width, start) = match bytes[0] {
        0xFC => (2, 1),
        0xFD => (3, 1),
        0xFE => (8, 1),
        _ => (1, 0),
    };
    let mut number = [0; 8];
    number[..width].copy_from_slice(&bytes[start..start + width]);
    let number = usize::try_from(u64::from_le_bytes(number)).expect("a length");
    (number, &bytes[start + width..])
}

fn lenenc_text(bytes: &[u8]) -> (String, &[u8]) {
    let (length, rest) = lenenc(bytes);
    (String::from_utf8_lossy(&rest[..length]).into_owned(), &rest[length..])
}

fn greeting(payload: &[u8]) -> Greeting {
    assert_eq!(payload[0], 10, "protocol 10");
    let end = payload.iter().position(|&b| b == 0).expect("a version");
    let rest = &payload[end + 1..];
    let mut salt = rest[4..12].to_vec();
    salt.extend_from_slice(&rest[31..43]);
    let number = |bytes: [u8; 4]| u32::from_le_bytes(bytes);
    Greeting {
        version: String::from_utf8(payload[1..end].to_vec()).expect("UTF-8"),
        connection_id: number([rest[0], rest[1], rest[2], rest[3]]),
        salt,
        capabilities: number([rest[13], rest[14], rest[18], rest[19]]),
        character_set: rest[15],
        status: u16::from_le_bytes([rest[16], rest[17]]),
        plugin: String::from_utf8(rest[44..rest.len() - 1].to_vec()).expect("UTF-8"),
    }
}

fn ok(payload: &[u8]) -> Response {
    let (affected, rest) = lenenc(&payload[1..]);
    let (_insert_id, rest) = lenenc(rest);
    let status = u16::from_le_bytes([rest[0], rest[1]]);
    assert_eq!(&rest[2..4], [0, 0], "no warnings");
    let info = if rest.len() > 4 { lenenc_text(&rest[4..]).0 } else { String::new() };
    Response::Ok { affected: affected as u64, info, status }
}

fn column(payload: &[u8]) -> Column {
    let mut rest = payload;
    let mut texts = Vec::new();
    for _ in 0..6 {
        let (text, after) = lenenc_text(rest);
        texts.push(text);
        rest = after;
    }
    assert_eq!((texts[0].as_str(), rest[0], rest.len()), ("def", 0x0C, 13));
    let flags = u16::from_le_bytes([rest[8], rest[9]]);
    Column { name: texts[4].clone(), ty: rest[7], flags, decimals: rest[10] }
}

fn text_row(payload: &[u8]) -> Vec<Option<String>> {
    let mut rest = payload;
    let mut row = Vec::new();
    while !rest.is_empty() {
        if rest[0] == 0xFB {
            row.push(None);
            rest = &rest[1..];
        } else {
            let (text, after) = lenenc_text(rest);
            row.push(Some(text));
            rest = after;
        }
    }
    row
}

/// A day, a moment or a time, with the digits of the second that its column has.
fn timely(column: &Column, part: &[u8]) -> String {
    let byte = |at: usize| part.get(at).copied().unwrap_or_default();
    let four = |at| u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)]);
    let year = u16::from_le_bytes([byte(0), byte(1)]);
    let (text, micros) = match column.ty {
        0x0A => (format!("{year:04}-{:02}-{:02}", byte(2), byte(3)), 0),
        0x0B => {
            let sign = if byte(0) == 1 { "-" } else { "" };
            let hours = four(1) * 24 + u32::from(byte(5));
            (format!("{sign}{hours:02}:{:02}:{:02}", byte(6), byte(7)), four(8))
        }
        _ => {
            let day = format!("{year:04}-{:02}-{:02}", byte(2), byte(3));
            (format!("{day} {:02}:{:02}:{:02}", byte(4), byte(5), byte(6)), four(7))
        }
    };
    match usize::from(column.decimals) {
        0 => text,
        digits => format!("{text}.{}", &format!("{micros:06}")[..digits]),
    }
}

fn binary_row(columns: &[Column], payload: &[u8]) -> Vec<Option<String>> {
    let nulls = (columns.len() + 2).div_ceil(8);
    let mut rest = &payload[1 + nulls..];
    let mut row = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if payload[1 + (index + 2) / 8] & (1 << ((index + 2) % 8)) != 0 {
            row.push(None);
            continue;
        }
        let text = match column.ty {
            0x08 => {
                let (number, after) = rest.split_first_chunk::<8>().expect("8 bytes");
                rest = after;
                if column.flags & 32 != 0 {
                    u64::from_le_bytes(*number).to_string()
                } else {
                    i64::from_le_bytes(*number).to_string()
                }
            }
            0x05 => {
                let (number, after) = rest.split_first_chunk::<8>().expect("8 bytes");
                rest = after;
                f64::from_le_bytes(*number).to_string()
            }
            0x01 => {
                let (number, after) = rest.split_first_chunk::<1>().expect("a byte");
                rest = after;
                i8::from_le_bytes(*number).to_string()
            }
            0x04 => {
                let (number, after) = rest.split_first_chunk::<4>().expect("4 bytes");
                rest = after;
                f32::from_le_bytes(*number).to_string()
            }
            0x07 | 0x0A | 0x0B | 0x0C => {
                let (length, after) = lenenc(rest);
                let (part, after) = after.split_at(length);
                rest = after;
                timely(column, part)
            }
            _ => {
                let (text, after) = lenenc_text(rest);
                rest = after;
                text
            }
        };
        row.push(Some(text));
    }
    row
}
