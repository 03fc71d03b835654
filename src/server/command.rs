//! What a client can ask for, once it has logged in. Source: the manual's page "Command Phase".

use bytes::Bytes;

use super::packet::Fields;
use crate::error::{Error, Result};

/// One command, as it came.
#[derive(Debug)]
pub(super) enum Command {
    /// `COM_QUIT`, or the end of the stream.
    Quit,
    /// `COM_INIT_DB`
    InitDb(Bytes),
    /// `COM_QUERY`
    Query(Bytes),
    /// `COM_FIELD_LIST`: the table's name.
    FieldList(Bytes),
    /// `COM_STATISTICS`
    Statistics,
    /// `COM_PROCESS_KILL`
    ProcessKill(u32),
    /// `COM_PING`
    Ping,
    /// `COM_CHANGE_USER`: a log-in in a form of its own.
    ChangeUser(Bytes),
    /// `COM_STMT_PREPARE`
    Prepare(Bytes),
    /// `COM_STMT_EXECUTE`: null bitmap, types and values of the parameters.
    Execute { id: u32, parameters: Bytes },
    /// `COM_STMT_SEND_LONG_DATA`
    SendLongData { id: u32, parameter: u16, data: Bytes },
    /// `COM_STMT_CLOSE`
    CloseStatement(u32),
    /// `COM_STMT_RESET`
    ResetStatement(u32),
    /// `COM_SET_OPTION`
    SetOption(u16),
    /// `COM_STMT_FETCH`
    Fetch(u32),
    /// `COM_RESET_CONNECTION`
    ResetConnection,
    /// Any other.
    Unknown(u8),
    /// No command at all; the connection lives on.
    Malformed(Error),
}

impl Command {
    /// Reads the command of a whole packet.
    pub(super) fn parse(payload: Bytes) -> Command {
        Command::try_parse(payload).unwrap_or_else(Command::Malformed)
    }

    fn try_parse(payload: Bytes) -> Result<Command> {
        let mut fields = Fields::of(&payload);
        let command = match fields.u8()? {
            0x01 => Command::Quit,
            0x02 => Command::InitDb(payload.slice(1..)),
            0x03 => Command::Query(payload.slice(1..)),
            0x04 => Command::FieldList(payload.slice_ref(fields.until_nul_or_end())),
            0x09 => Command::Statistics,
            0x0C => Command::ProcessKill(fields.u32()?),
            0x0E => Command::Ping,
            0x11 => Command::ChangeUser(payload.slice(1..)),
            0x16 => Command::Prepare(payload.slice(1..)),
            0x17 => {
                let id = fields.u32()?;
                let _cursor = fields.u8()?;
                let _iterations = fields.u32()?;
                Command::Execute { id, parameters: payload.slice_ref(fields.rest()) }
            }
            0x18 => {
                let (id, parameter) = (fields.u32()?, fields.u16()?);
                Command::SendLongData { id, parameter, data: payload.slice_ref(fields.rest()) }
            }
            0x19 => Command::CloseStatement(fields.u32()?),
            0x1A => Command::ResetStatement(fields.u32()?),
            0x1B => Command::SetOption(fields.u16()?),
            0x1C => Command::Fetch(fields.u32()?),
            0x1F => Command::ResetConnection,
            other => Command::Unknown(other),
        };
        Ok(command)
    }
}

/// What people call the commands that this server does not have.
pub(super) fn name(command: u8) -> String {
    let name = match command {
        0x00 => "COM_SLEEP",
        0x05 => "COM_CREATE_DB",
        0x06 => "COM_DROP_DB",
        0x07 => "COM_REFRESH",
        0x08 => "COM_SHUTDOWN",
        0x0A => "COM_PROCESS_INFO",
        0x0B => "COM_CONNECT",
        0x0D => "COM_DEBUG",
        0x0F => "COM_TIME",
        0x10 => "COM_DELAYED_INSERT",
        0x12 => "COM_BINLOG_DUMP",
        0x13 => "COM_TABLE_DUMP",
        0x14 => "COM_CONNECT_OUT",
        0x15 => "COM_REGISTER_SLAVE",
        0x1D => "COM_DAEMON",
        0x1E => "COM_BINLOG_DUMP_GTID",
        0x20 => "COM_CLONE",
        0xFA => "COM_STMT_BULK_EXECUTE",
        _ => return format!("command 0x{command:02X}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_some_command() {
        for first in 0..=u8::MAX {
            for length in 0..12 {
                let mut payload = vec![first];
                payload.resize(1 + length, 0);
                let _ = Command::parse(Bytes::from(payload));
            }
        }
        assert!(matches!(Command::parse(Bytes::new()), Command::Malformed(_)));
        assert!(matches!(Command::parse(Bytes::from_static(b"\x19\0")), Command::Malformed(_)));
    }

    #[test]
    fn a_query_is_the_rest_of_its_packet() {
        let command = Command::parse(Bytes::from_static(b"\x03SELECT 1"));
        assert!(matches!(command, Command::Query(sql) if sql == "SELECT 1"));
    }
}
