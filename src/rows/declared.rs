//! The types that the columns of tables are declared with.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Column, Type};

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredColumn {
    /// Its name, as it was written.
    pub name: String,
    /// Its type.
    pub ty: Declared,
    /// Whether a row may have `NULL` here.
    pub nullable: bool,
    /// What a row has here that says nothing: an expression. `NULL`, if there is none and it may be.
    #[serde(default)]
    pub default: Option<String>,
    /// What was said of it.
    #[serde(default)]
    pub comment: String,
}

impl DeclaredColumn {
    /// As a result has it.
    pub fn result_column(&self) -> Column {
        Column { name: self.name.clone(), ty: self.ty.ty(), nullable: self.nullable }
    }
}

/// What a column was declared as. Source: MySQL's manual, "Data Types".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Declared {
    /// `BOOLEAN`: true or false, nothing else, unlike MySQL's, which is a `TINYINT`
    Bool,
    /// `TINYINT` to `BIGINT`
    Integer {
        /// How large.
        width: Width,
        /// Whether it has no negative numbers.
        unsigned: bool,
    },
    /// `FLOAT`
    Float,
    /// `DOUBLE`
    Double,
    /// `DECIMAL(precision, scale)`
    Decimal {
        /// All digits, [`MAX_PRECISION`] at most.
        precision: u8,
        /// Those behind the point.
        scale: u8,
    },
    /// `CHAR(n)`: not padded
    Char(u32),
    /// `VARCHAR(n)`, in characters
    VarChar(u32),
    /// `TEXT` of any size
    Text,
    /// `JSON`: a text that is checked
    Json,
    /// `BINARY(n)`, `VARBINARY(n)`: not padded
    VarBinary(u32),
    /// `BLOB` of any size
    Blob,
    /// `DATE`
    Date,
    /// `TIME(n)`: of a day, from 00:00:00 to 23:59:59
    Time(u8),
    /// `DATETIME(n)`
    DateTime(u8),
    /// `TIMESTAMP(n)`: a moment
    Timestamp(u8),
}

/// The digits of a `DECIMAL`: fewer than MySQL's 65, for that is what the files hold.
pub const MAX_PRECISION: u8 = 38;

/// How large an integer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Width {
    /// 1 byte
    Tiny,
    /// 2 bytes
    Small,
    /// 3 bytes
    Medium,
    /// 4 bytes
    Normal,
    /// 8 bytes
    Big,
}

impl Declared {
    /// `BIGINT`
    pub const BIGINT: Declared = Declared::Integer { width: Width::Big, unsigned: false };

    /// What its values are in a result.
    pub fn ty(self) -> Type {
        match self {
            Declared::Bool => Type::Bool,
            Declared::Integer { unsigned: false, .. } => Type::Int,
            Declared::Integer { unsigned: true, .. } => Type::UInt,
            Declared::Float => Type::Float,
            Declared::Double => Type::Double,
            Declared::Decimal { precision, scale } => Type::Decimal { precision, scale },
            Declared::Char(_) | Declared::VarChar(_) | Declared::Text => Type::Text,
            Declared::Json => Type::Json,
            Declared::VarBinary(_) | Declared::Blob => Type::Bytes,
            Declared::Date => Type::Date,
            Declared::Time(fraction) => Type::Time(fraction),
            Declared::DateTime(fraction) => Type::DateTime(fraction),
            Declared::Timestamp(fraction) => Type::Timestamp(fraction),
        }
    }

    /// What a column is declared as that holds the answers of a query.
    pub fn of(ty: Type) -> Declared {
        match ty {
            Type::Bool => Declared::Bool,
            Type::Int => Declared::BIGINT,
            Type::UInt => Declared::Integer { width: Width::Big, unsigned: true },
            Type::Float => Declared::Float,
            Type::Double => Declared::Double,
            Type::Decimal { precision, scale } if precision <= MAX_PRECISION => {
                Declared::Decimal { precision, scale }
            }
            Type::Decimal { .. } => Declared::Double,
            Type::Text | Type::Null => Declared::Text,
            Type::Json => Declared::Json,
            Type::Bytes => Declared::Blob,
            Type::Date => Declared::Date,
            Type::Time(fraction) => Declared::Time(fraction),
            Type::DateTime(fraction) => Declared::DateTime(fraction),
            Type::Timestamp(fraction) => Declared::Timestamp(fraction),
        }
    }

    /// What MySQL calls such a value in an error.
    pub fn noun(self) -> &'static str {
        match self {
            Declared::Bool | Declared::Integer { .. } => "integer",
            Declared::Float | Declared::Double => "double",
            Declared::Decimal { .. } => "decimal",
            Declared::Char(_) | Declared::VarChar(_) | Declared::Text | Declared::Json => "string",
            Declared::VarBinary(_) | Declared::Blob => "binary",
            Declared::Date => "date",
            Declared::Time(_) => "time",
            Declared::DateTime(_) | Declared::Timestamp(_) => "datetime",
        }
    }
}

impl Width {
    fn name(self) -> &'static str {
        match self {
            Width::Tiny => "tinyint",
            Width::Small => "smallint",
            Width::Medium => "mediumint",
            Width::Normal => "int",
            Width::Big => "bigint",
        }
    }
}

/// As `SHOW CREATE TABLE` has it.
impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_fraction = |f: &mut fmt::Formatter<'_>, name: &str, fraction: u8| match fraction {
            0 => f.write_str(name),
            fraction => write!(f, "{name}({fraction})"),
        };
        match *self {
            Declared::Bool => f.write_str("boolean"),
            Declared::Integer { width, unsigned } => {
                write!(f, "{}{}", width.name(), if unsigned { " unsigned" } else { "" })
            }
            Declared::Float => f.write_str("float"),
            Declared::Double => f.write_str("double"),
            Declared::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Declared::Char(chars) => write!(f, "char({chars})"),
            Declared::VarChar(chars) => write!(f, "varchar({chars})"),
            Declared::Text => f.write_str("longtext"),
            Declared::Json => f.write_str("json"),
            Declared::VarBinary(bytes) => write!(f, "varbinary({bytes})"),
            Declared::Blob => f.write_str("longblob"),
            Declared::Date => f.write_str("date"),
            Declared::Time(fraction) => with_fraction(f, "time", fraction),
            Declared::DateTime(fraction) => with_fraction(f, "datetime", fraction),
            Declared::Timestamp(fraction) => with_fraction(f, "timestamp", fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_mysql_names_them() {
        let unsigned = Declared::Integer { width: Width::Medium, unsigned: true };
        assert_eq!(unsigned.to_string(), "mediumint unsigned");
        assert_eq!(Declared::DateTime(0).to_string(), "datetime");
        assert_eq!(Declared::DateTime(3).to_string(), "datetime(3)");
        assert_eq!(Declared::Decimal { precision: 12, scale: 2 }.to_string(), "decimal(12,2)");
    }

    #[test]
    fn a_table_of_a_query_has_its_types() {
        for declared in [
            Declared::Bool,
            Declared::BIGINT,
            Declared::Text,
            Declared::Date,
            Declared::Time(6),
            Declared::Timestamp(3),
        ] {
            assert_eq!(Declared::of(declared.ty()), declared);
        }
    }
}
