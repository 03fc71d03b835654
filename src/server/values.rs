//! Values as bytes: rows in both protocols, and the parameters of prepared statements. Source: the
//! manual's pages "Text Resultset Row" and "Binary Protocol Value".

use std::fmt::Write;

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::packet::{Fields, put_lenenc, put_lenenc_bytes};
use crate::error::{Error, Result};
use crate::rows::decimal::Decimal;
use crate::rows::{Column, Row, Type, Value, moment};

/// What stands for NULL in a row of the text protocol.
const NULL: u8 = 0xFB;

/// Appends a row of the text protocol.
pub(super) fn put_text_row(out: &mut BytesMut, row: &Row) {
    for value in row {
        match value {
            Value::Null => out.put_u8(NULL),
            Value::Text(text) => put_lenenc_bytes(out, text.as_bytes()),
            Value::Bytes(bytes) => put_lenenc_bytes(out, bytes),
            // The others are never so long.
            Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::Double(_)
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::DateTime(_)
            | Value::Time(_) => put_short(out, value),
        }
    }
}

/// Appends a value that is printed in less than 251 characters, whose length is one byte.
fn put_short(out: &mut BytesMut, value: &Value) {
    let start = out.len();
    out.put_u8(0);
    // Writing to a buffer can't fail.
    let _ = write!(out, "{value}");
    let length = u8::try_from(out.len() - start - 1).unwrap_or_default();
    if let Some(place) = out.get_mut(start) {
        *place = length;
    }
}

/// The first two bits of a row's null bitmap are not used.
const ROW_NULL_OFFSET: usize = 2;

/// Appends a row of the binary protocol.
pub(super) fn put_binary_row(out: &mut BytesMut, columns: &[Column], row: &Row) -> Result<()> {
    out.put_u8(0);
    let bitmap = out.len();
    out.put_bytes(0, (row.len() + ROW_NULL_OFFSET).div_ceil(8));
    for (index, (column, value)) in columns.iter().zip(row).enumerate() {
        if *value == Value::Null {
            let bit = index + ROW_NULL_OFFSET;
            if let Some(byte) = out.get_mut(bitmap + bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        } else {
            put_binary(out, column, value)?;
        }
    }
    Ok(())
}

fn put_binary(out: &mut BytesMut, column: &Column, value: &Value) -> Result<()> {
    match (column.ty, value) {
        (Type::Bool, Value::Int(number)) => out.put_i8(i8::from(*number != 0)),
        (Type::Int | Type::UInt, Value::Int(number)) => out.put_i64_le(*number),
        (Type::Int | Type::UInt, Value::UInt(number)) => out.put_u64_le(*number),
        (Type::Float, Value::Float(number)) => out.put_f32_le(*number),
        (Type::Double, Value::Double(number)) => out.put_f64_le(*number),
        (Type::Decimal { .. }, Value::Decimal(_)) => put_short(out, value),
        (Type::Date, Value::Date(day)) => put_date(out, *day),
        (Type::DateTime(_) | Type::Timestamp(_), Value::DateTime(moment)) => {
            put_datetime(out, moment.at);
        }
        (Type::Time(_), Value::Time(time)) => put_time(out, time.micros),
        (Type::Text | Type::Json | Type::Bytes, Value::Text(text)) => {
            put_lenenc_bytes(out, text.as_bytes());
        }
        (Type::Text | Type::Json | Type::Bytes, Value::Bytes(bytes)) => {
            put_lenenc_bytes(out, bytes);
        }
        (Type::Text, other) => put_lenenc_bytes(out, other.to_string().as_bytes()),
        (ty, other) => {
            let what = format!("{:?} in column {} of {ty:?}", other.ty(), column.name);
            return Err(Error::Internal { what });
        }
    }
    Ok(())
}

fn put_date(out: &mut BytesMut, day: Date) {
    put_lenenc(out, 4);
    put_day(out, day);
}

fn put_day(out: &mut BytesMut, day: Date) {
    out.put_u16_le(u16::try_from(day.year()).unwrap_or_default());
    out.put_u8(u8::try_from(day.month()).unwrap_or_default());
    out.put_u8(u8::try_from(day.day()).unwrap_or_default());
}

/// Zeros at the end are not sent.
fn put_datetime(out: &mut BytesMut, moment: Timestamp) {
    let at = moment.to_zoned(TimeZone::UTC).datetime();
    let micros = u32::try_from(at.subsec_nanosecond() / 1000).unwrap_or_default();
    put_lenenc(out, if micros == 0 { 7 } else { 11 });
    put_day(out, at.date());
    for part in [at.hour(), at.minute(), at.second()] {
        out.put_u8(u8::try_from(part).unwrap_or_default());
    }
    if micros != 0 {
        out.put_u32_le(micros);
    }
}

fn put_time(out: &mut BytesMut, micros: i64) {
    let (all, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let byte = |part: u64| u8::try_from(part).unwrap_or_default();
    put_lenenc(
        out,
        match (all, fraction) {
            (0, 0) => 0,
            (_, 0) => 8,
            (_, _) => 12,
        },
    );
    if micros == 0 {
        return;
    }
    out.put_u8(u8::from(micros < 0));
    out.put_u32_le(u32::try_from(all / 86_400).unwrap_or(u32::MAX));
    for part in [all / 3600 % 24, all / 60 % 60, all % 60] {
        out.put_u8(byte(part));
    }
    if fraction != 0 {
        out.put_u32_le(u32::try_from(fraction).unwrap_or_default());
    }
}

/// The type of a parameter, as COM_STMT_EXECUTE names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParameterType {
    code: u8,
    unsigned: bool,
}

impl ParameterType {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<ParameterType> {
        let (code, flags) = (fields.u8()?, fields.u8()?);
        Ok(ParameterType { code, unsigned: flags & 0x80 != 0 })
    }

    /// Reads a value of this type. The codes are those of `enum_field_types`.
    pub(super) fn value(self, fields: &mut Fields<'_>) -> Result<Value> {
        let signed = !self.unsigned;
        Ok(match self.code {
            0x01 if signed => Value::Int(i64::from(i8::from_le_bytes([fields.u8()?]))),
            0x01 => Value::UInt(u64::from(fields.u8()?)),
            0x02 | 0x0D if signed => {
                Value::Int(i64::from(i16::from_le_bytes(fields.u16()?.to_le_bytes())))
            }
            0x02 | 0x0D => Value::UInt(u64::from(fields.u16()?)),
            0x03 | 0x09 if signed => {
                Value::Int(i64::from(i32::from_le_bytes(fields.u32()?.to_le_bytes())))
            }
            0x03 | 0x09 => Value::UInt(u64::from(fields.u32()?)),
            0x08 if signed => Value::Int(i64::from_le_bytes(fields.u64()?.to_le_bytes())),
            0x08 => Value::UInt(fields.u64()?),
            0x04 => Value::Float(f32::from_bits(fields.u32()?)),
            0x05 => Value::Double(f64::from_bits(fields.u64()?)),
            0x06 => Value::Null,
            0x07 | 0x0C => datetime(fields)?,
            0x0A => read_date(fields)?,
            0x0B => time(fields)?,
            _ => self.long_value(Bytes::copy_from_slice(fields.lenenc_bytes()?))?,
        })
    }

    /// The value of a parameter that came by COM_STMT_SEND_LONG_DATA, or with its length before
    /// it.
    pub(super) fn long_value(self, bytes: Bytes) -> Result<Value> {
        match self.code {
            // BIT, the blobs, GEOMETRY.
            0x10 | 0xF9..=0xFC | 0xFF => Ok(Value::Bytes(bytes)),
            0x00 | 0xF6 => {
                let number = str::from_utf8(&bytes).ok().and_then(Decimal::parse);
                number.map(Value::Decimal).ok_or(Error::WrongParameters)
            }
            // VARCHAR, JSON, ENUM, SET, VAR_STRING, STRING: some drivers send bytes as one of these.
            0x0F | 0xF5 | 0xF7 | 0xF8 | 0xFD | 0xFE => Ok(match str::from_utf8(&bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::Bytes(bytes),
            }),
            _ => Err(Error::WrongParameters),
        }
    }
}

struct Moment {
    date: (u16, u8, u8),
    clock: (u8, u8, u8),
    micros: u32,
}

/// DATE, DATETIME and TIMESTAMP: zeros at the end are not sent.
fn read_moment(fields: &mut Fields<'_>) -> Result<Moment> {
    let length = fields.u8()?;
    let mut parts = Fields::of(fields.take(usize::from(length))?);
    let mut moment = Moment { date: (0, 0, 0), clock: (0, 0, 0), micros: 0 };
    if length >= 4 {
        moment.date = (parts.u16()?, parts.u8()?, parts.u8()?);
    }
    if length >= 7 {
        moment.clock = (parts.u8()?, parts.u8()?, parts.u8()?);
    }
    if length >= 11 {
        moment.micros = parts.u32()?;
    }
    match length {
        0 | 4 | 7 | 11 => Ok(moment),
        _ => Err(Error::MalformedPacket),
    }
}

fn datetime(fields: &mut Fields<'_>) -> Result<Value> {
    let Moment { date: (year, month, day), clock: (hour, minute, second), micros } =
        read_moment(fields)?;
    let small = |part: u8| i8::try_from(part).ok();
    let known = || {
        let nanos = i32::try_from(micros).ok()?.checked_mul(1000)?;
        let year = i16::try_from(year).ok()?;
        let (month, day) = (small(month)?, small(day)?);
        let (hour, minute, second) = (small(hour)?, small(minute)?, small(second)?);
        let at = DateTime::new(year, month, day, hour, minute, second, nanos).ok()?;
        Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    // MySQL allows moments that no calendar has, such as 0000-00-00.
    Ok(known().map_or_else(
        || {
            Value::Text(format!(
                "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"
            ))
        },
        |at| Value::DateTime(moment::DateTime::new(at, if micros == 0 { 0 } else { 6 })),
    ))
}

fn read_date(fields: &mut Fields<'_>) -> Result<Value> {
    let (year, month, day) = read_moment(fields)?.date;
    let known = || {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        Date::new(i16::try_from(year).ok()?, month, day).ok()
    };
    // As above.
    Ok(known().map_or_else(|| format!("{year:04}-{month:02}-{day:02}").into(), Value::Date))
}

fn time(fields: &mut Fields<'_>) -> Result<Value> {
    let length = fields.u8()?;
    let mut parts = Fields::of(fields.take(usize::from(length))?);
    if !matches!(length, 0 | 8 | 12) {
        return Err(Error::MalformedPacket);
    }
    let (mut negative, mut hours, mut minute, mut second, mut micros) = (false, 0, 0, 0, 0);
    if length >= 8 {
        negative = parts.u8()? != 0;
        hours = i64::from(parts.u32()?) * 24;
        hours += i64::from(parts.u8()?);
        (minute, second) = (i64::from(parts.u8()?), i64::from(parts.u8()?));
    }
    if length == 12 {
        micros = i64::from(parts.u32()?);
    }
    let fraction = if micros == 0 { 0 } else { 6 };
    let all = (hours * 3600 + minute * 60 + second) * 1_000_000 + micros;
    Ok(Value::Time(moment::Time::new(if negative { -all } else { all }, fraction)))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn value(code: u8, unsigned: bool, bytes: &[u8]) -> Result<Value> {
        let mut fields = Fields::of(bytes);
        let value = ParameterType { code, unsigned }.value(&mut fields);
        assert!(value.is_err() || fields.is_empty());
        value
    }

    #[test]
    fn a_text_row_has_lengths_and_null() {
        let mut out = BytesMut::new();
        let row = vec![Value::Int(-5), Value::Null, "é".into(), Value::Double(0.5)];
        put_text_row(&mut out, &row);
        assert_eq!(&out[..], b"\x02-5\xFB\x02\xC3\xA9\x030.5");
        let moment: Timestamp = "2024-05-06T07:08:09.010Z".parse().expect("a moment");
        out.clear();
        put_text_row(&mut out, &vec![Value::moment(moment)]);
        assert_eq!(&out[..], b"\x172024-05-06 07:08:09.010");
    }

    #[test]
    fn a_binary_row_has_a_bitmap_and_typed_values() {
        let columns = [
            Column::nullable("a", Type::UInt),
            Column::nullable("b", Type::Text),
            Column::new("c", Type::MOMENT),
        ];
        let moment: Timestamp = "2024-05-06T07:08:09.010Z".parse().expect("a moment");
        let row = vec![Value::UInt(1), Value::Null, Value::moment(moment)];
        let mut out = BytesMut::new();
        put_binary_row(&mut out, &columns, &row).expect("a row");
        assert_eq!(
            &out[..],
            b"\0\x08\x01\0\0\0\0\0\0\0\x0B\xE8\x07\x05\x06\x07\x08\x09\x10\x27\0\0"
        );
        let wrong = put_binary_row(&mut out, &columns, &vec!["x".into(), Value::Null, Value::Null]);
        assert!(wrong.is_err());
    }

    #[test]
    fn a_binary_row_has_every_type() {
        let at: Timestamp = "2024-05-06T07:08:09.01Z".parse().expect("a moment");
        let moment = |fraction| Value::DateTime(moment::DateTime::new(at, fraction));
        let time = |micros, fraction| Value::Time(moment::Time::new(micros, fraction));
        let cases: Vec<(Type, Value, &[u8])> = vec![
            (Type::Bool, Value::Int(1), b"\x01"),
            (Type::Int, Value::Int(-2), b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
            (Type::UInt, Value::UInt(u64::MAX), &[0xFF; 8]),
            (Type::Float, Value::Float(0.5), b"\0\0\0\x3F"),
            (Type::Double, Value::Double(0.5), b"\0\0\0\0\0\0\xE0\x3F"),
            (
                Type::Decimal { precision: 3, scale: 2 },
                Value::Decimal(Decimal::new(-5, 2)),
                b"\x05-0.05",
            ),
            (Type::Json, "{}".into(), b"\x02{}"),
            (Type::Date, Value::Date(date(2024, 5, 6)), b"\x04\xE8\x07\x05\x06"),
            (Type::DateTime(0), moment(0), b"\x07\xE8\x07\x05\x06\x07\x08\x09"),
            (Type::Timestamp(2), moment(2), b"\x0B\xE8\x07\x05\x06\x07\x08\x09\x10\x27\0\0"),
            (Type::Time(0), time(0, 0), b"\0"),
            (Type::Time(0), time(-90_061_000_000, 0), b"\x08\x01\x01\0\0\0\x01\x01\x01"),
            (Type::Time(6), time(1_000_001, 6), b"\x0C\0\0\0\0\0\0\0\x01\x01\0\0\0"),
        ];
        for (ty, value, bytes) in cases {
            let mut out = BytesMut::new();
            put_binary(&mut out, &Column::new("c", ty), &value).expect("a value");
            assert_eq!(&out[..], bytes, "{ty:?} {value}");
        }
    }

    #[test]
    fn parameters_of_every_type_are_read() {
        let cases: [(u8, bool, &[u8], Value); 15] = [
            (0x01, false, b"\xFF", Value::Int(-1)),
            (0x01, true, b"\xFF", Value::UInt(255)),
            (0x02, false, b"\xFE\xFF", Value::Int(-2)),
            (0x03, false, b"\xFD\xFF\xFF\xFF", Value::Int(-3)),
            (0x08, true, &[0xFF; 8], Value::UInt(u64::MAX)),
            (0x04, false, &0.5_f32.to_le_bytes(), Value::Float(0.5)),
            (0x05, false, &0.1_f64.to_le_bytes(), Value::Double(0.1)),
            (0x06, false, b"", Value::Null),
            (0xFD, false, b"\x02ab", "ab".into()),
            (0xFE, false, b"\x01\xFF", Value::Bytes(Bytes::from_static(b"\xFF"))),
            (0xFC, false, b"\x01a", Value::Bytes(Bytes::from_static(b"a"))),
            (0xF6, false, b"\x041.50", Value::Decimal(Decimal::new(150, 2))),
            (0x0A, false, b"\x04\xE8\x07\x05\x06", Value::Date(date(2024, 5, 6))),
            (0x0A, false, b"\0", "0000-00-00".into()),
            (
                0x0B,
                false,
                b"\x08\x01\x01\0\0\0\x02\x03\x04",
                Value::Time(moment::Time::of_seconds(-(26 * 3600 + 3 * 60 + 4))),
            ),
        ];
        for (code, unsigned, bytes, expected) in cases {
            assert_eq!(value(code, unsigned, bytes).expect("a value"), expected, "{code:#x}");
        }
        let Ok(Value::DateTime(at)) = value(0x0C, false, b"\x07\xE8\x07\x05\x06\x07\x08\x09")
        else {
            panic!("a moment");
        };
        assert_eq!(at.to_string(), "2024-05-06 07:08:09");
        assert_eq!(
            value(0x0C, false, b"\0").expect("a value"),
            "0000-00-00 00:00:00.000000".into()
        );
    }

    #[test]
    fn parameters_that_are_cut_short_are_errors() {
        for code in 0..=u8::MAX {
            for length in 0..14 {
                let _ = value_or_rest(code, &vec![length; usize::from(length)]);
            }
        }
    }

    fn value_or_rest(code: u8, bytes: &[u8]) -> Result<Value> {
        ParameterType { code, unsigned: false }.value(&mut Fields::of(bytes))
    }
}
