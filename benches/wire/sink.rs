//! The least that a server can do for a file: it asks the client for it, reads its packets and drops them. What a
//! client reaches here, no server can give it more of.
//!
//! Every log-in is taken. A statement that begins with `PUT` asks for the file `BENCH_FILE`; all others do nothing.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, LOCAL_FILES, CONNECT_WITH_DB, TRANSACTIONS.
const CAPABILITIES: u32 = 0x200 | 0x8000 | 0x8_0000 | 0x80 | 0x8 | 0x2000;

/// As many bytes are read at once as packets have at most in one `read` of ours.
const BUFFER: usize = 1 << 20;

fn main() -> std::io::Result<()> {
    let file =
        std::env::var("BENCH_FILE").expect("BENCH_FILE is the name of a file of the client's");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = std::io::stdout();
    writeln!(out, "ready {}", listener.local_addr()?.port())?;
    out.flush()?;
    loop {
        let (client, _) = listener.accept()?;
        client.set_nodelay(true)?;
        // A client that breaks off ends its own connection.
        let file = file.clone();
        std::thread::spawn(move || serve(client, &file));
    }
}

fn serve(mut client: TcpStream, file: &str) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(BUFFER, client.try_clone()?);
    client.write_all(&packet(0, &greeting()))?;
    let (sequence, _) = read(&mut reader)?;
    client.write_all(&packet(sequence + 1, OK))?;
    loop {
        let (_, command) = read(&mut reader)?;
        match command.split_first() {
            Some((0x03, sql)) if sql.starts_with(b"PUT") => {
                client.write_all(&packet(1, &[b"\xFB", file.as_bytes()].concat()))?;
                let last = drop_file(&mut reader)?;
                client.write_all(&packet(last.wrapping_add(1), OK))?;
            }
            Some((0x01, _)) | None => return Ok(()),
            Some(_) => client.write_all(&packet(1, OK))?,
        }
    }
}

/// OK, in autocommit, and nothing else to say.
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

fn greeting() -> Vec<u8> {
    let mut greeting = b"\x0A8.0.0-sink\0\x01\0\0\0saltsalt\0".to_vec();
    let [a, b, c, d] = CAPABILITIES.to_le_bytes();
    greeting.extend([a, b, 33, 2, 0, c, d, 21]);
    greeting.extend([0; 10]);
    greeting.extend(b"saltsaltsalt\0mysql_native_password\0");
    greeting
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

fn head(reader: &mut impl Read) -> std::io::Result<(usize, u8)> {
    let mut head = [0; 4];
    reader.read_exact(&mut head)?;
    let [a, b, c, sequence] = head;
    Ok((usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16, sequence))
}

fn read(reader: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let (length, sequence) = head(reader)?;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload)?;
    Ok((sequence, payload))
}

/// Reads until the empty packet; its number.
fn drop_file(reader: &mut impl Read) -> std::io::Result<u8> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let (mut left, sequence) = head(reader)?;
        if left == 0 {
            return Ok(sequence);
        }
        while left > 0 {
            let part = left.min(BUFFER);
            reader.read_exact(&mut buffer[..part])?;
            left -= part;
        }
    }
}
