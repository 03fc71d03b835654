//! The least of an HTTP client: one request a connection, headers and body as they are given.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What was answered.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends a request whose text is complete but for host and length.
pub fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(addr).expect("a connection");
    stream.write_all(head.as_bytes()).expect("the head is sent");
    // A server that refuses early closes its side before it has read all.
    let _ = stream.write_all(body);
    read_answer(stream)
}

/// Asks for something. `host` is what the request says, whatever the address.
pub fn get(addr: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(addr).expect("a connection");
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("the head is sent");
    read_answer(stream)
}

/// The body of what is there.
pub fn download(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(addr).expect("a connection");
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("the head is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    answer.split_off(end + 4)
}

/// Reads what comes until the end.
pub fn read_answer(mut stream: TcpStream) -> Answer {
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw);
    let text = String::from_utf8_lossy(&raw).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.as_str(), ""));
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// `Authorization` of `root`, with the password of the tests.
pub const ROOT: &str = "Basic cm9vdDpwYXNz";

pub const BOUNDARY: &str = "----stagewire";

/// A form with these files.
pub fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in files {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}
