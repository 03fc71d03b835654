//! The prepared statements of one connection. Source: the manual's page "Prepared Statements".

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::packet::Fields;
use super::values::ParameterType;
use crate::error::{Error, Result};
use crate::rows::Value;
use crate::session::Prepared;

/// MySQL's `max_prepared_stmt_count`, which counts those of all connections there.
const MAX_STATEMENTS: usize = 16_382;

/// What one connection has prepared.
#[derive(Debug, Default)]
pub(super) struct Statements {
    statements: HashMap<u32, Statement>,
    last_id: u32,
    /// Bytes of their texts.
    text_bytes: usize,
    /// Bytes of long data that wait for an EXECUTE.
    long_bytes: usize,
}

#[derive(Debug)]
struct Statement {
    prepared: Arc<Prepared>,
    /// The types of the last EXECUTE, which the next may leave out.
    types: Vec<ParameterType>,
    long_data: HashMap<u16, BytesMut>,
    /// What was wrong with the long data: it has no answer of its own.
    complaint: Option<Error>,
}

impl Statements {
    /// Keeps a statement, as long as the texts of all have at most `limit` bytes.
    pub(super) fn insert(&mut self, prepared: Arc<Prepared>, limit: usize) -> Result<u32> {
        if self.statements.len() >= MAX_STATEMENTS {
            return Err(too_many(&format!("{MAX_STATEMENTS} prepared statements")));
        }
        if prepared.sql.len() > limit.saturating_sub(self.text_bytes) {
            return Err(too_many(&format!("{limit} bytes of prepared statements")));
        }
        self.text_bytes += prepared.sql.len();
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.statements.contains_key(&self.last_id) {
                break;
            }
        }
        let statement =
            Statement { prepared, types: Vec::new(), long_data: HashMap::new(), complaint: None };
        self.statements.insert(self.last_id, statement);
        Ok(self.last_id)
    }

    /// Forgets a statement.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(mut statement) = self.statements.remove(&id) {
            self.text_bytes -= statement.prepared.sql.len();
            self.long_bytes -=
                statement.take_long_data().values().map(BytesMut::len).sum::<usize>();
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.statements.clear();
        self.text_bytes = 0;
        self.long_bytes = 0;
    }

    /// Forgets the long data of a statement.
    pub(super) fn reset(&mut self, id: u32) -> Result<()> {
        let statement = self.statements.get_mut(&id).ok_or(Error::UnknownPrepared { id })?;
        self.long_bytes -= statement.take_long_data().values().map(BytesMut::len).sum::<usize>();
        statement.complaint = None;
        Ok(())
    }

    /// Adds to the value of a parameter. What is wrong with it is told at the next EXECUTE.
    pub(super) fn long_data(&mut self, id: u32, parameter: u16, data: &[u8], limit: usize) {
        let Some(statement) = self.statements.get_mut(&id) else { return };
        if usize::from(parameter) >= statement.prepared.parameters() {
            statement.complaint = Some(Error::WrongParameters);
        } else if data.len() > limit.saturating_sub(self.long_bytes) {
            statement.complaint = Some(Error::PacketTooLarge { limit });
        } else if statement.complaint.is_none() {
            self.long_bytes += data.len();
            statement.long_data.entry(parameter).or_default().extend_from_slice(data);
        }
    }

    /// The statement and the parameters of a COM_STMT_EXECUTE. Takes the long data.
    pub(super) fn execute(
        &mut self,
        id: u32,
        parameters: &[u8],
    ) -> Result<(Arc<Prepared>, Vec<Value>)> {
        let statement = self.statements.get_mut(&id).ok_or(Error::UnknownPrepared { id })?;
        let long_data = statement.take_long_data();
        self.long_bytes -= long_data.values().map(BytesMut::len).sum::<usize>();
        if let Some(complaint) = statement.complaint.take() {
            return Err(complaint);
        }
        let values = statement.values(parameters, long_data)?;
        Ok((statement.prepared.clone(), values))
    }
}

fn too_many(what: &str) -> Error {
    Error::Unsupported {
        what: format!("More than {what} in one connection"),
        hint: Some("close those that are not needed any more".to_owned()),
    }
}

impl Statement {
    fn take_long_data(&mut self) -> HashMap<u16, BytesMut> {
        std::mem::take(&mut self.long_data)
    }

    /// Source: "COM_STMT_EXECUTE".
    fn values(
        &mut self,
        parameters: &[u8],
        mut long_data: HashMap<u16, BytesMut>,
    ) -> Result<Vec<Value>> {
        let count = self.prepared.parameters();
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut fields = Fields::of(parameters);
        let nulls = fields.take(count.div_ceil(8))?;
        if fields.u8()? == 1 {
            self.types =
                (0..count).map(|_| ParameterType::read(&mut fields)).collect::<Result<_>>()?;
        }
        if self.types.len() != count {
            return Err(Error::WrongParameters);
        }
        let mut values = Vec::with_capacity(count);
        for (index, ty) in self.types.iter().enumerate() {
            let long = u16::try_from(index).ok().and_then(|index| long_data.remove(&index));
            let null = nulls.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0);
            values.push(match long {
                Some(data) => ty.long_value(Bytes::from(data))?,
                None if null => Value::Null,
                None => ty.value(&mut fields)?,
            });
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_parameters(parameters: usize) -> (Statements, u32) {
        let mut statements = Statements::default();
        let prepared = Prepared {
            sql: "SELECT ?".to_owned(),
            places: vec![0; parameters],
            ..Prepared::default()
        };
        let id = statements.insert(Arc::new(prepared), 99).expect("room");
        (statements, id)
    }

    #[test]
    fn types_are_remembered() {
        let (mut statements, id) = with_parameters(2);
        let error = statements.execute(id, b"\0\0").expect_err("no types yet");
        assert!(matches!(error, Error::WrongParameters));
        let (_, values) =
            statements.execute(id, b"\0\x01\x01\0\xFD\0\x07\x01x").expect("two values");
        assert_eq!(values, [Value::Int(7), "x".into()]);
        let (_, values) = statements.execute(id, b"\x02\0\x08").expect("one value, one NULL");
        assert_eq!(values, [Value::Int(8), Value::Null]);
    }

    #[test]
    fn long_data_is_bounded_and_used_once() {
        let (mut statements, id) = with_parameters(1);
        statements.long_data(id, 0, b"ab", 4);
        statements.long_data(id, 0, b"cd", 4);
        let (_, values) = statements.execute(id, b"\0\x01\xFC\0").expect("a value");
        assert_eq!(values, [Value::Bytes(Bytes::from_static(b"abcd"))]);
        statements.long_data(id, 0, b"abcde", 4);
        let error = statements.execute(id, b"\0\x01\xFC\0").expect_err("too long");
        assert!(matches!(error, Error::PacketTooLarge { limit: 4 }));
        assert!(statements.execute(id, b"\0\x01\xFC\0\x01a").is_ok());
        assert_eq!(statements.long_bytes, 0);
    }

    #[test]
    fn texts_are_bounded_together() {
        let mut statements = Statements::default();
        let text = |sql: &str| Arc::new(Prepared { sql: sql.to_owned(), ..Prepared::default() });
        let first = statements.insert(text("SELECT 1"), 10).expect("room");
        assert!(statements.insert(text("SELECT 2"), 10).is_err());
        statements.close(first);
        assert!(statements.insert(text("SELECT 12"), 10).is_ok());
        statements.clear();
        assert!(statements.insert(text("SELECT 123"), 10).is_ok());
    }

    #[test]
    fn unknown_statements_are_errors() {
        let (mut statements, id) = with_parameters(0);
        assert!(statements.execute(id, b"").is_ok());
        statements.close(id);
        assert!(matches!(statements.execute(id, b""), Err(Error::UnknownPrepared { .. })));
        statements.long_data(id, 0, b"x", 9);
    }
}
