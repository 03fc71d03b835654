//! What a statement answers: columns, values and a stream of rows. Knows no wire format.

use std::fmt;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub mod decimal;
pub mod declared;
pub mod moment;

use self::decimal::Decimal;
use self::moment::{DateTime, Time};
use crate::error::Result;

/// The type of a column, in MySQL's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    /// `TINYINT(1)`: true or false, as the numbers 1 and 0.
    Bool,
    /// `BIGINT`
    Int,
    /// `BIGINT UNSIGNED`
    UInt,
    /// `FLOAT`
    Float,
    /// `DOUBLE`
    Double,
    /// `DECIMAL(precision, scale)`
    Decimal {
        /// All digits.
        precision: u8,
        /// Those behind the point.
        scale: u8,
    },
    /// `VARCHAR` in utf8mb4
    Text,
    /// `JSON`: a text
    Json,
    /// `LONGBLOB`
    Bytes,
    /// `DATE`
    Date,
    /// `TIME`, with this many digits of a second
    Time(u8),
    /// `DATETIME`, with this many digits of a second
    DateTime(u8),
    /// `TIMESTAMP`: on the wire it has a type of its own
    Timestamp(u8),
    /// The type of `NULL` in an expression.
    Null,
}

impl Type {
    /// What the server itself shows moments with: `DATETIME(3)`, in UTC.
    pub const MOMENT: Type = Type::DateTime(3);
}

/// One column of a result set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name that clients show.
    pub name: String,
    /// The type.
    pub ty: Type,
    /// Whether a row may have `NULL` here.
    pub nullable: bool,
}

impl Column {
    /// A column that never holds `NULL`.
    pub fn new(name: impl Into<String>, ty: Type) -> Column {
        Column { name: name.into(), ty, nullable: false }
    }

    /// A column that may hold `NULL`.
    pub fn nullable(name: impl Into<String>, ty: Type) -> Column {
        Column { name: name.into(), ty, nullable: true }
    }
}

/// One value. It fits the type of its column, or is `Null`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `NULL`
    Null,
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    UInt(u64),
    /// A floating point number of 32 bits.
    Float(f32),
    /// A floating point number.
    Double(f64),
    /// An exact number.
    Decimal(Decimal),
    /// A text.
    Text(String),
    /// Bytes that need not be a text.
    Bytes(Bytes),
    /// A day.
    Date(Date),
    /// A span of time.
    Time(Time),
    /// A moment.
    DateTime(DateTime),
}

impl Value {
    /// The column type that holds this value.
    pub fn ty(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Int(_) => Type::Int,
            Value::UInt(_) => Type::UInt,
            Value::Float(_) => Type::Float,
            Value::Double(_) => Type::Double,
            Value::Decimal(number) => {
                Type::Decimal { precision: number.precision(), scale: number.scale() }
            }
            Value::Text(_) => Type::Text,
            Value::Bytes(_) => Type::Bytes,
            Value::Date(_) => Type::Date,
            Value::Time(time) => Type::Time(time.fraction),
            Value::DateTime(moment) => Type::DateTime(moment.fraction),
        }
    }

    /// A moment as the server itself shows them: see [`Type::MOMENT`].
    pub fn moment(at: Timestamp) -> Value {
        Value::DateTime(DateTime::new(at, 3))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::UInt(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl fmt::Display for Value {
    /// The text protocol's form; `NULL` for `Null`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Int(number) => write!(f, "{number}"),
            Value::UInt(number) => write!(f, "{number}"),
            Value::Float(number) => write_float(f, f64::from(*number), number),
            Value::Double(number) => write_float(f, *number, number),
            Value::Decimal(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Value::Date(day) => write!(f, "{day}"),
            Value::Time(time) => write!(f, "{time}"),
            Value::DateTime(moment) => write!(f, "{moment}"),
        }
    }
}

/// Numbers that would be long are written with an exponent, as MySQL does: `1e20`, `1e-16`.
fn write_float<T>(f: &mut fmt::Formatter<'_>, number: f64, shown: &T) -> fmt::Result
where
    T: fmt::Display + fmt::LowerExp,
{
    let size = number.abs();
    if size != 0.0 && size.is_finite() && !(1e-15..1e15).contains(&size) {
        return write!(f, "{shown:e}");
    }
    write!(f, "{shown}")
}

/// One row: a value a column.
pub type Row = Vec<Value>;

/// Rows as they come. The first `Err` ends the stream and becomes the ERR packet.
pub type RowStream = BoxStream<'static, Result<Row>>;

/// Rows that are there already.
pub fn ready(rows: Vec<Row>) -> RowStream {
    stream::iter(rows.into_iter().map(Ok)).boxed()
}

/// What a statement answers.
pub enum Outcome {
    /// No rows: an OK packet.
    Done(Done),
    /// Rows, described before the first one is known.
    Rows {
        /// What each row holds.
        columns: Vec<Column>,
        /// The rows.
        rows: RowStream,
    },
    /// Nothing at all: the client has gone on to its next command, which is the answer it wants.
    Nothing,
}

/// The contents of an OK packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows, stages or files that were changed.
    pub affected: u64,
    /// A sentence for people, such as `1 file, 16 bytes -> @s/a.csv`.
    pub info: String,
}

impl Outcome {
    /// Done, with nothing to tell.
    pub fn done() -> Outcome {
        Outcome::Done(Done::default())
    }

    /// Done, with a sentence for people.
    pub fn done_with(info: impl Into<String>) -> Outcome {
        Outcome::Done(Done { affected: 0, info: info.into() })
    }

    /// Done, with a number of things changed.
    pub fn affected(affected: u64) -> Outcome {
        Outcome::Done(Done { affected, info: String::new() })
    }

    /// Rows that are there already.
    pub fn rows(columns: Vec<Column>, rows: Vec<Row>) -> Outcome {
        Outcome::Rows { columns, rows: ready(rows) }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done(done) => done.fmt(f),
            Outcome::Rows { columns, .. } => f.debug_tuple("Rows").field(columns).finish(),
            Outcome::Nothing => f.write_str("Nothing"),
        }
    }
}
