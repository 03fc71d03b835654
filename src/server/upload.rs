//! The client, as a statement sees it: files from its side, by LOCAL INFILE (source: the manual's
//! page "LOCAL INFILE Request"), and how far the statement is.

use std::io;

use async_trait::async_trait;

use super::gate::{GateHandle, Stream};
use super::reply::{self, Reply};
use crate::error::{Error, Result};
use crate::rows::Done;
use crate::session::{ClientFiles, Fed, Progress};

/// The client at the other end of a gate.
pub(super) struct Client<S>(pub(super) GateHandle<S>);

#[async_trait]
impl<S: Stream> ClientFiles for Client<S> {
    async fn request(&mut self, name: &str) -> Result<()> {
        if self.0.uploading() {
            return Err(Error::Internal { what: "a file was asked for inside another".to_owned() });
        }
        self.0.request_file(name).await.map_err(gone)
    }

    async fn acknowledge(&mut self, done: &Done) -> Result<()> {
        // Sent with the next request.
        Reply::new(&self.0).more(true).ok(done);
        Ok(())
    }

    async fn next(&mut self) -> Result<Fed> {
        self.0.next_of_file().await.map_err(gone)
    }

    fn report(&mut self, progress: &Progress) {
        if self.0.client().shows_progress() {
            self.0.aside(|out| reply::put_progress(out, progress));
        }
    }

    fn is_there(&mut self) -> bool {
        self.0.is_there()
    }
}

impl<S: Stream> Client<S> {
    /// Reads what a statement has left of its file, before anything is answered.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        while self.0.uploading() {
            self.0.next_of_file().await?;
        }
        Ok(())
    }
}

fn gone(error: io::Error) -> Error {
    tracing::debug!(%error, "an upload has ended before its file");
    Error::Disconnected { during: "an upload" }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::config::Limits;
    use crate::server::capability::Capabilities;
    use crate::server::command::Command;
    use crate::server::handshake::HandshakeResponse;
    use crate::server::packet::packet;
    use crate::server::packet::{HEADER, Header, MAX_PAYLOAD};

    fn pair(client_name: &str) -> (Client<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(1 << 20);
        let mut client = HandshakeResponse::default();
        client.attributes.insert("_client_name".to_owned(), client_name.to_owned());
        let limits = Limits { net_timeout_s: 1, ..Limits::default() };
        (Client(GateHandle::logged_in(near, &limits, client)), far)
    }

    /// What the server asks for, as the client sees it.
    async fn asked(far: &mut DuplexStream) -> (u8, String) {
        let mut header = [0; HEADER];
        far.read_exact(&mut header).await.expect("a packet");
        let header = Header::of(&header).expect("a header");
        let mut payload = vec![0; header.length];
        far.read_exact(&mut payload).await.expect("a payload");
        assert_eq!(payload.remove(0), 0xFB);
        (header.sequence, String::from_utf8(payload).expect("a name"))
    }

    async fn receive(files: &mut Client<DuplexStream>) -> (Vec<u8>, Fed) {
        let mut bytes = Vec::new();
        loop {
            match files.next().await.expect("a client that goes on") {
                Fed::Data(data) => bytes.extend_from_slice(&data),
                end @ (Fed::End | Fed::Declined) => return (bytes, end),
            }
        }
    }

    #[tokio::test]
    async fn a_file_of_many_packets_comes_whole() {
        let (mut files, mut far) = pair("libmysql");
        let file: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
        for size in [4092, 65_535, 1 << 20] {
            let sent = file.clone();
            let client = tokio::spawn(async move {
                let (mut sequence, name) = asked(&mut far).await;
                assert_eq!(name, "/tmp/a b.csv");
                for chunk in sent.chunks(size).chain([&[][..]]) {
                    sequence = sequence.wrapping_add(1);
                    far.write_all(&packet(sequence, chunk)).await.expect("a server that reads");
                }
                (far, sequence)
            });
            files.request("/tmp/a b.csv").await.expect("asked");
            let (bytes, end) = receive(&mut files).await;
            assert!(bytes == file && matches!(end, Fed::End), "{size}");
            let last;
            (far, last) = client.await.expect("no panic");
            // The answer has the number after the last packet's.
            files.0.packet(|out| out.extend_from_slice(b"done"));
            files.0.flush().await.expect("sent");
            let mut answer = [0; 8];
            far.read_exact(&mut answer).await.expect("an answer");
            assert_eq!(answer[3], last.wrapping_add(1));
        }
    }

    #[tokio::test]
    async fn the_next_command_declines_the_file() {
        let (mut files, mut far) = pair("rust-mysql-simple");
        far.write_all(&packet(0, b"\x03PUT")).await.expect("sent");
        assert!(matches!(files.0.next_command().await, Some(Command::Query(sql)) if sql == "PUT"));
        files.request("a").await.expect("asked");
        far.write_all(&packet(0, b"\x03SELECT 1")).await.expect("sent");
        assert!(matches!(files.next().await, Ok(Fed::Declined)));
        assert!(files.0.declined() && !files.0.uploading());
        let next = files.0.next_command().await;
        assert!(matches!(next, Some(Command::Query(sql)) if sql == "SELECT 1"));
        assert!(!files.0.declined());
    }

    #[tokio::test]
    async fn progress_is_told_behind_a_file_and_never_inside() {
        let (near, mut far) = duplex(1 << 20);
        let mut client = HandshakeResponse {
            capabilities: Capabilities::PROGRESS,
            ..HandshakeResponse::default()
        };
        client.attributes.insert("_client_name".to_owned(), "libmariadb".to_owned());
        let mut files = Client(GateHandle::logged_in(near, &Limits::default(), client));
        files.request("a").await.expect("asked");
        files.report(&Progress::of((1, 2), "inside"));
        assert_eq!(asked(&mut far).await, (1, "a".to_owned()));
        far.write_all(&packet(2, b"")).await.expect("sent");
        assert!(matches!(files.next().await, Ok(Fed::End)));
        files.report(&Progress::of((1, 2), "behind"));
        let report = packet(3, b"\xFF\xFF\xFF\x01\x01\x01\x50\xC3\0\x06behind");
        let mut sent = vec![0; report.len()];
        far.read_exact(&mut sent).await.expect("a report");
        assert_eq!(sent, report);
    }

    #[tokio::test]
    async fn an_empty_file_has_no_data() {
        let (mut files, mut far) = pair("libmysql");
        files.request("a").await.expect("asked");
        far.write_all(&packet(2, b"")).await.expect("sent");
        assert!(matches!(files.next().await, Ok(Fed::End)));
        // And once more is no mistake.
        assert!(matches!(files.next().await, Ok(Fed::End)));
        // PHP looks at the number of the answer.
        assert_eq!(asked(&mut far).await, (1, "a".to_owned()));
        files.request("b").await.expect("asked");
        assert_eq!(asked(&mut far).await, (3, "b".to_owned()));
    }

    #[tokio::test]
    async fn what_a_statement_leaves_is_read_before_the_answer() {
        let (mut files, mut far) = pair("libmysql");
        files.request("a").await.expect("asked");
        far.write_all(&packet(2, b"abc")).await.expect("sent");
        far.write_all(&packet(3, b"")).await.expect("sent");
        files.finish().await.expect("drained");
        assert!(!files.0.uploading());
    }

    #[tokio::test]
    async fn a_client_that_leaves_or_falls_silent_ends_the_upload() {
        let (mut files, mut far) = pair("libmysql");
        files.request("a").await.expect("asked");
        far.write_all(&packet(2, b"abc")[..5]).await.expect("sent");
        let error = files.next().await.expect_err("nothing for a second");
        assert!(matches!(error, Error::Disconnected { .. }));
        assert!(files.finish().await.is_err(), "the connection is over");
        // But the client may read why: 1159.
        files.0.flush().await.expect("sent");
        let mut said = vec![0; 512];
        let bytes = far.read(&mut said).await.expect("an answer");
        assert!(
            said[..bytes].ends_with(b"\x87\x04#08S01Got timeout reading communication packets")
        );

        let (mut files, mut far) = pair("libmysql");
        files.request("a").await.expect("asked");
        far.write_all(&packet(2, b"abc")).await.expect("sent");
        drop(far);
        assert!(matches!(files.next().await, Err(Error::Disconnected { .. })));
        assert!(files.finish().await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_ends_with_a_full_packet_ends_as_its_client_does() {
        let full = vec![b'x'; MAX_PAYLOAD];
        for (name, ends) in [("aiomysql", 1), ("libmysql", 2), ("libmysql", 1)] {
            let (mut files, mut far) = pair(name);
            files.request("a").await.expect("asked");
            let bytes = packet(2, &full);
            let client = tokio::spawn(async move {
                far.write_all(&bytes).await.expect("sent");
                for end in 0..ends {
                    far.write_all(&packet(3 + end, b"")).await.expect("sent");
                }
                far
            });
            let (bytes, end) = receive(&mut files).await;
            assert!(bytes == full && matches!(end, Fed::End), "{name} {ends}");
            drop(client);
        }
    }
}
