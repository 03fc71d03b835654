//! `stage`, `db.stage`: a name where no file is meant.

use std::fmt;

use crate::error::Result;
use crate::sql::cursor::{Cursor, Token};
use crate::sql::literal;

/// A stage's name, perhaps with its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    /// The database, where one is named.
    pub database: Option<String>,
    /// The stage.
    pub name: String,
}

impl QualifiedName {
    /// Reads a name, each part perhaps in backticks or double quotes.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<QualifiedName> {
        if let Token::Location(text) = cursor.peek() {
            let bare = text.trim_start_matches('@');
            let hint = format!("the '@' belongs to locations; here the name alone stands: {bare}");
            return Err(cursor.expected_hinting("a stage name", Some(hint)));
        }
        let first = cursor.name("a stage name")?;
        if !cursor.eat_sign(".") {
            QualifiedName::expect_whole(cursor)?;
            return Ok(QualifiedName { database: None, name: first });
        }
        let name = cursor.name("a stage name after the database and '.'")?;
        QualifiedName::expect_whole(cursor)?;
        Ok(QualifiedName { database: Some(first), name })
    }

    /// `my-stage` without quotes is three tokens: say so where it is seen.
    fn expect_whole(cursor: &Cursor<'_>) -> Result<()> {
        let Token::Sign(sign) = cursor.peek() else { return Ok(()) };
        if !matches!(sign.as_str(), "-" | "." | "/" | ":") {
            return Ok(());
        }
        let hint = "a name with other characters than letters, digits, '_' and '$' needs backticks \
                    or double quotes";
        Err(cursor.expected_hinting("the end of the stage's name", Some(hint.to_owned())))
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(database) = &self.database {
            write!(f, "{}.", literal::name(database))?;
        }
        f.write_str(&literal::name(&self.name))
    }
}
