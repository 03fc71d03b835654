//! The only writer of answers. Source: the manual's pages "Generic Response Packets",
//! "Text Resultset" and "Binary Protocol Resultset".

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::{BufMut, BytesMut};
use futures::StreamExt;

use super::capability::Capabilities;
use super::gate::{GateHandle, Stream};
use super::packet::{put_lenenc, put_lenenc_bytes};
use super::values::{put_binary_row, put_text_row};
use crate::error::{Error, Result};
use crate::rows::{Column, Done, Outcome, Row, RowStream, Type};
use crate::session::{Changes, Prepared, Progress};

/// `SERVER_STATUS_AUTOCOMMIT`
pub(super) const AUTOCOMMIT: u16 = 0x0002;

/// `SERVER_MORE_RESULTS_EXISTS`
const MORE_RESULTS: u16 = 0x0008;

/// `SERVER_SESSION_STATE_CHANGED`
const STATE_CHANGED: u16 = 0x4000;

/// How rows are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// For COM_QUERY.
    Text,
    /// For COM_STMT_EXECUTE.
    Binary,
}

/// Writes the answer to one statement.
pub(super) struct Reply<'g, S> {
    gate: &'g GateHandle<S>,
    capabilities: Capabilities,
    status: u16,
    changes: Changes,
}

impl<'g, S: Stream> Reply<'g, S> {
    /// To the client of this gate.
    pub(super) fn new(gate: &'g GateHandle<S>) -> Reply<'g, S> {
        let (capabilities, changes) = (gate.capabilities(), Changes::default());
        Reply { gate, capabilities, status: AUTOCOMMIT, changes }
    }

    /// Says what the session's `autocommit` is: drivers believe the answers, not the variable.
    pub(super) fn autocommit(self, on: bool) -> Reply<'g, S> {
        self.with(AUTOCOMMIT, on)
    }

    /// Says whether the answer to another statement follows.
    pub(super) fn more(self, more: bool) -> Reply<'g, S> {
        self.with(MORE_RESULTS, more)
    }

    /// Tells what has changed in the session, to a client that understands it.
    pub(super) fn changes(self, changes: Changes) -> Reply<'g, S> {
        match self.capabilities.has(Capabilities::SESSION_TRACK) {
            true => Reply { changes, ..self },
            false => self,
        }
    }

    fn with(self, flag: u16, on: bool) -> Reply<'g, S> {
        let status = if on { self.status | flag } else { self.status & !flag };
        Reply { status, ..self }
    }

    /// Writes what a statement answers; `false` if that is an ERR, after which nothing follows.
    /// `Err` if the socket has failed.
    pub(super) async fn outcome(
        &self,
        outcome: Result<Outcome>,
        protocol: Protocol,
    ) -> io::Result<bool> {
        match outcome {
            Ok(Outcome::Done(done)) => self.ok(&done),
            Ok(Outcome::Rows { columns, rows }) => {
                return self.rows(&columns, rows, protocol).await;
            }
            Ok(Outcome::Nothing) => {}
            Err(error) => {
                self.err(&error);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An OK packet.
    pub(super) fn ok(&self, done: &Done) {
        self.gate.packet(|out| put_ok(out, 0x00, done, self.status, &self.changes));
    }

    /// An ERR packet.
    pub(super) fn err(&self, error: &Error) {
        self.gate.packet(|out| put_err(out, error));
    }

    /// An EOF packet of the old form, for the one command that is answered by one.
    pub(super) fn eof(&self) {
        self.gate.packet(|out| put_eof(out, self.status));
    }

    /// A text and nothing else: the answer to COM_STATISTICS.
    pub(super) fn text(&self, text: &str) {
        self.gate.packet(|out| out.put_slice(text.as_bytes()));
    }

    /// The answer to COM_FIELD_LIST: columns, each with its default, which is NULL here.
    pub(super) fn fields(&self, columns: &[Column]) {
        for column in columns {
            self.gate.packet(|out| {
                put_column(out, column);
                out.put_u8(0xFB);
            });
        }
        self.end_of_rows();
    }

    /// The answer to COM_STMT_PREPARE. Source: "COM_STMT_PREPARE Response".
    pub(super) fn prepared(&self, id: u32, prepared: &Prepared) -> Result<()> {
        let too_many = |_| Error::WrongParameters;
        let columns = u16::try_from(prepared.columns.len()).map_err(too_many)?;
        let parameters = u16::try_from(prepared.parameters()).map_err(too_many)?;
        self.gate.packet(|out| {
            out.put_u8(0x00);
            out.put_u32_le(id);
            out.put_u16_le(columns);
            out.put_u16_le(parameters);
            out.put_u8(0);
            out.put_u16_le(0);
        });
        if parameters > 0 {
            // MySQL doesn't know their types either.
            let parameter = Column::nullable("?", Type::Text);
            (0..parameters).for_each(|_| self.column(&parameter));
            self.end_of_columns();
        }
        if columns > 0 {
            prepared.columns.iter().for_each(|column| self.column(column));
            self.end_of_columns();
        }
        Ok(())
    }

    /// Rows, as they come. The columns don't wait for the first row, nor does a row for the next.
    async fn rows(
        &self,
        columns: &[Column],
        mut rows: RowStream,
        protocol: Protocol,
    ) -> io::Result<bool> {
        self.gate.packet(|out| put_lenenc(out, columns.len() as u64));
        columns.iter().for_each(|column| self.column(column));
        self.end_of_columns();
        let mut left = pin!(self.gate.left());
        loop {
            let next = poll_fn(|cx| match rows.poll_next_unpin(cx) {
                Poll::Ready(row) => Poll::Ready(Ok(row)),
                Poll::Pending => match self.gate.poll_flush(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                },
            });
            let next = tokio::select! {
                biased;
                next = next => next?,
                () = &mut left => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
            let Some(row) = next else { break };
            if let Err(error) = row.and_then(|row| self.row(columns, &row, protocol)) {
                // The session has said what came of the statement before this came of its rows.
                match error.is_ours() {
                    true => tracing::error!(?error, "rows have ended early"),
                    false => tracing::info!(%error, "rows have ended early"),
                }
                self.err(&error);
                return Ok(false);
            }
            if self.gate.is_full() {
                self.gate.flush().await?;
            }
        }
        self.end_of_rows();
        Ok(true)
    }

    fn row(&self, columns: &[Column], row: &Row, protocol: Protocol) -> Result<()> {
        if row.len() != columns.len() {
            let what = format!("a row of {} values for {} columns", row.len(), columns.len());
            return Err(Error::Internal { what });
        }
        self.gate.try_packet(|out| match protocol {
            Protocol::Text => {
                put_text_row(out, row);
                Ok(())
            }
            Protocol::Binary => put_binary_row(out, columns, row),
        })
    }

    fn column(&self, column: &Column) {
        self.gate.packet(|out| put_column(out, column));
    }

    fn end_of_columns(&self) {
        if !self.capabilities.has(Capabilities::DEPRECATE_EOF) {
            self.gate.packet(|out| put_eof(out, self.status));
        }
    }

    fn end_of_rows(&self) {
        if self.capabilities.has(Capabilities::DEPRECATE_EOF) {
            let (done, changes) = (Done::default(), Changes::default());
            self.gate.packet(|out| put_ok(out, 0xFE, &done, self.status, &changes));
        } else {
            self.gate.packet(|out| put_eof(out, self.status));
        }
    }
}

/// Source: "OK_Packet". The info has its length before it, whatever that page says of clients
/// without SESSION_TRACK: so do real servers, and Connector/C fails without.
fn put_ok(out: &mut BytesMut, header: u8, done: &Done, status: u16, changes: &Changes) {
    let told = *changes != Changes::default();
    out.put_u8(header);
    put_lenenc(out, done.affected);
    put_lenenc(out, 0);
    out.put_u16_le(if told { status | STATE_CHANGED } else { status });
    // No warnings, else some clients ask for them after every statement.
    out.put_u16_le(0);
    if told || !done.info.is_empty() {
        put_lenenc_bytes(out, done.info.as_bytes());
    }
    if told {
        let mut blocks = BytesMut::new();
        put_changes(&mut blocks, changes);
        put_lenenc_bytes(out, &blocks);
    }
}

/// Source: "Session State Information".
fn put_changes(out: &mut BytesMut, changes: &Changes) {
    let mut block = |kind: u8, texts: &[&str]| {
        let mut data = BytesMut::new();
        texts.iter().for_each(|text| put_lenenc_bytes(&mut data, text.as_bytes()));
        out.put_u8(kind);
        put_lenenc_bytes(out, &data);
    };
    for (name, value) in &changes.variables {
        block(0, &[name, value]);
    }
    if let Some(database) = &changes.database {
        block(1, &[database]);
    }
    if changes.state {
        block(2, &["1"]);
    }
}

/// Source: "ERR_Packet".
pub(super) fn put_err(out: &mut BytesMut, error: &Error) {
    let code = error.code();
    out.put_u8(0xFF);
    out.put_u16_le(code.number);
    out.put_u8(b'#');
    out.put_slice(code.state.as_bytes());
    out.put_slice(error.message().as_bytes());
}

/// How far a statement is, as an ERR that is none. Source: MariaDB's page "Progress Reporting".
pub(super) fn put_progress(out: &mut BytesMut, progress: &Progress) {
    out.put_u8(0xFF);
    out.put_u16_le(u16::MAX);
    // The number of texts.
    out.put_u8(1);
    out.put_u8(progress.stage.0);
    out.put_u8(progress.stage.1);
    out.put_uint_le(u64::from(progress.millipercent()), 3);
    put_lenenc_bytes(out, progress.what.as_bytes());
}

/// Source: "EOF_Packet".
fn put_eof(out: &mut BytesMut, status: u16) {
    out.put_u8(0xFE);
    out.put_u16_le(0);
    out.put_u16_le(status);
}

/// How a type looks in a column definition. Source: "Column Definition", `enum_field_types`.
struct Shape {
    character_set: u16,
    length: u32,
    ty: u8,
    flags: u16,
    decimals: u8,
}

const NOT_NULL: u16 = 1;
const BLOB: u16 = 16;
const UNSIGNED: u16 = 32;
const BINARY: u16 = 128;

/// `utf8mb4_0900_ai_ci`
const UTF8MB4: u16 = 255;
/// `binary`, also for whatever is not text.
const NO_TEXT: u16 = 63;

/// As many decimals as there are.
const ANY_DECIMALS: u8 = 31;

impl Shape {
    fn of(ty: Type) -> Shape {
        let number = |length, flags| Shape {
            character_set: NO_TEXT,
            length,
            ty: 0x08,
            flags: BINARY | flags,
            decimals: 0,
        };
        let timed = |ty, length, fraction: u8| {
            let point = u32::from(fraction > 0);
            Shape { ty, decimals: fraction, ..number(length + point + u32::from(fraction), 0) }
        };
        match ty {
            Type::Bool => Shape { ty: 0x01, ..number(1, 0) },
            Type::Int => number(20, 0),
            Type::UInt => number(20, UNSIGNED),
            Type::Float => Shape { ty: 0x04, decimals: ANY_DECIMALS, ..number(12, 0) },
            Type::Double => Shape { ty: 0x05, decimals: ANY_DECIMALS, ..number(22, 0) },
            // The digits, a sign, and a point.
            Type::Decimal { precision, scale } => {
                let length = u32::from(precision) + 1 + u32::from(scale > 0);
                Shape { ty: 0xF6, decimals: scale, ..number(length, 0) }
            }
            // `YYYY-MM-DD`
            Type::Date => Shape { ty: 0x0A, ..number(10, 0) },
            // `YYYY-MM-DD hh:mm:ss`
            Type::DateTime(fraction) => timed(0x0C, 19, fraction),
            Type::Timestamp(fraction) => timed(0x07, 19, fraction),
            // `-838:59:59`
            Type::Time(fraction) => timed(0x0B, 10, fraction),
            Type::Null => Shape { ty: 0x06, ..number(0, 0) },
            // The longest VARCHAR that MySQL has.
            Type::Text => Shape {
                character_set: UTF8MB4,
                length: 65_532,
                ty: 0xFD,
                flags: 0,
                decimals: ANY_DECIMALS,
            },
            Type::Json => Shape { ty: 0xF5, decimals: ANY_DECIMALS, ..number(u32::MAX, 0) },
            // A LONGBLOB; on the wire all blobs have the type of the plain one.
            Type::Bytes => Shape { ty: 0xFC, ..number(u32::MAX, BLOB) },
        }
    }
}

/// Source: "Column Definition". The values of an expression have neither schema nor table.
fn put_column(out: &mut BytesMut, column: &Column) {
    let shape = Shape::of(column.ty);
    put_lenenc_bytes(out, b"def");
    // Schema, table, original table.
    out.put_slice(&[0, 0, 0]);
    put_lenenc_bytes(out, column.name.as_bytes());
    // Original name, and the length of what follows.
    out.put_slice(&[0, 0x0C]);
    out.put_u16_le(shape.character_set);
    out.put_u32_le(shape.length);
    out.put_u8(shape.ty);
    out.put_u16_le(shape.flags | if column.nullable { 0 } else { NOT_NULL });
    out.put_u8(shape.decimals);
    out.put_u16_le(0);
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;
    use crate::config::Limits;
    use crate::rows::Value;
    use crate::server::handshake::HandshakeResponse;
    use crate::server::packet::{HEADER, Header};

    fn bytes(put: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out);
        out.to_vec()
    }

    #[test]
    fn an_ok_has_the_length_of_its_info() {
        let done = Done { affected: 300, info: "1 file".to_owned() };
        let none = Changes::default();
        let packet = bytes(|out| put_ok(out, 0, &done, AUTOCOMMIT, &none));
        assert_eq!(packet, b"\0\xFC\x2C\x01\0\x02\0\0\0\x061 file");
        assert_eq!(
            bytes(|out| put_ok(out, 0xFE, &Done::default(), 2, &none)),
            b"\xFE\0\0\x02\0\0\0"
        );
    }

    #[test]
    fn an_ok_tells_what_has_changed() {
        let mut changes = Changes { database: Some("db".to_owned()), ..Changes::default() };
        let packet = |changes: &Changes, info: &str| {
            let done = Done { affected: 0, info: info.to_owned() };
            bytes(|out| put_ok(out, 0, &done, AUTOCOMMIT, changes))
        };
        assert_eq!(packet(&changes, ""), b"\0\0\0\x02\x40\0\0\0\x05\x01\x03\x02db");
        changes.variables = vec![("autocommit", "OFF".to_owned())];
        changes.state = true;
        let all =
            b"\0\0\0\x02\x40\0\0\x01x\x1A\0\x0F\x0Aautocommit\x03OFF\x01\x03\x02db\x02\x02\x011";
        assert_eq!(packet(&changes, "x"), all);
    }

    #[test]
    fn an_err_has_number_state_and_text() {
        let packet = bytes(|out| put_err(out, &Error::Shutdown));
        assert_eq!(packet, b"\xFF\x1D\x04#08S01Server shutdown in progress");
    }

    #[test]
    fn progress_is_told_in_thousandths_of_a_percent() {
        let packet = |part| bytes(|out| put_progress(out, &Progress::of(part, "copying")));
        assert_eq!(packet((1, 3)), b"\xFF\xFF\xFF\x01\x01\x01\x35\x82\0\x07copying");
        for (part, share) in [((0, 0), 0), ((5, 0), 0), ((9, 3), 100_000), ((1, u64::MAX), 0)] {
            assert_eq!(Progress::of(part, "").millipercent(), share);
        }
    }

    #[test]
    fn a_column_is_described_as_mysql_does() {
        let packet = bytes(|out| put_column(out, &Column::new("size", Type::UInt)));
        assert_eq!(packet, b"\x03def\0\0\0\x04size\0\x0C\x3F\0\x14\0\0\0\x08\xA1\0\0\0\0");
    }

    /// What a client gets as the answer: the payloads, whose numbers are checked.
    async fn answer(
        outcome: Result<Outcome>,
        capabilities: Capabilities,
        protocol: Protocol,
    ) -> Vec<Vec<u8>> {
        let (near, mut far) = duplex(1000);
        let client = HandshakeResponse { capabilities, ..HandshakeResponse::default() };
        let gate = GateHandle::logged_in(near, &Limits::default(), client);
        let reader = tokio::spawn(async move {
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).await.expect("bytes");
            bytes
        });
        Reply::new(&gate).outcome(outcome, protocol).await.expect("a client that reads");
        gate.farewell().await;
        drop(gate);
        let bytes = reader.await.expect("no panic");
        let (mut rest, mut payloads, mut sequence) = (&bytes[..], Vec::new(), 1_u8);
        while let Some(header) = Header::of(rest) {
            assert_eq!(header.sequence, sequence);
            sequence = sequence.wrapping_add(1);
            let (payload, after) = rest[HEADER..].split_at(header.length);
            payloads.push(payload.to_vec());
            rest = after;
        }
        payloads
    }

    fn numbers(count: u64) -> Outcome {
        let rows = (0..count).map(|n| vec![Value::UInt(n)]).collect();
        Outcome::rows(vec![Column::new("n", Type::UInt)], rows)
    }

    #[tokio::test]
    async fn rows_end_as_the_client_knows_it() {
        let new = answer(Ok(numbers(2)), Capabilities::SERVER, Protocol::Text).await;
        assert_eq!(new.len(), 5);
        assert_eq!(new[2..], [&b"\x010"[..], b"\x011", b"\xFE\0\0\x02\0\0\0"]);
        let old = answer(Ok(numbers(0)), Capabilities::PROTOCOL_41, Protocol::Text).await;
        assert_eq!(old.len(), 4);
        assert_eq!(old[2..], [b"\xFE\0\0\x02\0", b"\xFE\0\0\x02\0"]);
        let binary = answer(Ok(numbers(1)), Capabilities::SERVER, Protocol::Binary).await;
        assert_eq!(binary[2], [0; 10]);
    }

    #[tokio::test]
    async fn many_rows_pass_through_a_small_pipe() {
        let payloads = answer(Ok(numbers(50_000)), Capabilities::SERVER, Protocol::Text).await;
        assert_eq!(payloads.len(), 50_003);
        assert_eq!(payloads[50_001], b"\x0549999");
    }

    #[tokio::test]
    async fn a_failure_half_way_is_an_err_in_the_place_of_a_row() {
        let columns = vec![Column::new("n", Type::UInt)];
        let rows = stream::iter([Ok(vec![Value::UInt(1)]), Err(Error::Shutdown)]).boxed();
        let outcome = Ok(Outcome::Rows { columns: columns.clone(), rows });
        let payloads = answer(outcome, Capabilities::SERVER, Protocol::Text).await;
        assert_eq!((payloads.len(), payloads[3][0]), (4, 0xFF));
        // A row that has another form than the columns is our mistake, and no reason to hang.
        let outcome = Ok(Outcome::rows(columns, vec![vec![]]));
        let payloads = answer(outcome, Capabilities::SERVER, Protocol::Text).await;
        assert!(payloads[2].starts_with(b"\xFF\x51\x04#HY000Internal error"));
    }

    #[tokio::test]
    async fn columns_do_not_wait_for_rows() {
        let (near, mut far) = duplex(1000);
        let client = HandshakeResponse {
            capabilities: Capabilities::SERVER,
            ..HandshakeResponse::default()
        };
        let gate = GateHandle::logged_in(near, &Limits::default(), client);
        let rows = stream::pending().boxed();
        let outcome = Ok(Outcome::Rows { columns: vec![Column::new("n", Type::UInt)], rows });
        let answer =
            tokio::spawn(async move { Reply::new(&gate).outcome(outcome, Protocol::Text).await });
        let mut head = [0; 5];
        far.read_exact(&mut head).await.expect("a head");
        assert_eq!(head, [1, 0, 0, 1, 1]);
        answer.abort();
    }

    #[tokio::test]
    async fn the_last_of_several_answers_is_marked() {
        let (near, mut far) = duplex(1000);
        let gate = GateHandle::logged_in(near, &Limits::default(), HandshakeResponse::default());
        for more in [true, false] {
            let done = Ok(Outcome::done());
            let reply = Reply::new(&gate).more(more);
            assert!(reply.outcome(done, Protocol::Text).await.expect("written"));
        }
        gate.flush().await.expect("sent");
        let mut bytes = [0; 22];
        far.read_exact(&mut bytes).await.expect("two packets");
        assert_eq!(bytes, *b"\x07\0\0\x01\0\0\0\x0A\0\0\0\x07\0\0\x02\0\0\0\x02\0\0\0");
    }
}
