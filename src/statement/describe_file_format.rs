//! `DESCRIBE FILE FORMAT` shows what a named file format says, an option a row.
//!
//! ```text
//! { DESC | DESCRIBE } FILE FORMAT [<database>.]<name>
//!
//! > DESC FILE FORMAT semicolons
//! property         property_type  property_value  property_default
//! FIELD_DELIMITER  String         ;               ,
//! TYPE             String         CSV
//! > DESC FILE FORMAT semicolon
//! ERROR 1305 (42000): File format 'semicolon' doesn't exist. Hint: did you mean 'semicolons'?
//! ```
//!
//! The columns are Snowflake's. Only what is said is shown; what is not has its default.

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::statement::{Statement, file_format, named_formats};

/// The words that it begins with.
pub const LEADS: &[&str] = &["DESC FILE FORMAT", "DESCRIBE FILE FORMAT"];

/// Snowflake's.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("property", Type::Text),
        Column::new("property_type", Type::Text),
        Column::new("property_value", Type::Text),
        Column::new("property_default", Type::Text),
    ]
}

/// `DESCRIBE FILE FORMAT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeFileFormat {
    /// Which.
    pub name: QualifiedName,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    cursor.expect("FILE")?;
    cursor.expect("FORMAT")?;
    let name = QualifiedName::parse_of(cursor, "file format")?;
    Ok(Statement::DescribeFileFormat(DescribeFileFormat { name }))
}

impl DescribeFileFormat {
    /// Shows it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let format = named_formats::find(session, &self.name).await?.format;
        let row = |(key, value): (&String, &String)| {
            vec![
                key.as_str().into(),
                file_format::kind_of(key).into(),
                value.as_str().into(),
                file_format::default_of(key, format.kind()).into(),
            ]
        };
        Ok(Outcome::rows(columns(), format.options.iter().map(row).collect()))
    }
}

impl fmt::Display for DescribeFileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DESCRIBE FILE FORMAT {}", self.name)
    }
}
