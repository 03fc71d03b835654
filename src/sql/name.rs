//! `stage`, `db.stage`: a name where no file is meant. File formats have such names too.

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
        QualifiedName::parse_of(cursor, "stage")
    }

    /// The same of what is not a stage: `file format`.
    pub fn parse_of(cursor: &mut Cursor<'_>, what: &str) -> Result<QualifiedName> {
        if let Token::Location(text) = cursor.peek() {
            let bare = text.trim_start_matches('@');
            let hint = format!("the '@' belongs to locations; here the name alone stands: {bare}");
            return Err(cursor.expected_hinting(format_args!("a {what} name"), Some(hint)));
        }
        let first = cursor.name(&format!("a {what} name"))?;
        if !cursor.eat_sign(".") {
            QualifiedName::expect_whole(cursor, what)?;
            return Ok(QualifiedName { database: None, name: first });
        }
        let name = cursor.name(&format!("a {what} name after the database and '.'"))?;
        QualifiedName::expect_whole(cursor, what)?;
        Ok(QualifiedName { database: Some(first), name })
    }

    /// The name that a text is: `fmt`, `db.fmt`, each part perhaps in backticks; one without a dot or a quote
    /// is taken as it is.
    pub fn of_text(text: &str, what: &str) -> Result<QualifiedName> {
        if !text.contains(['.', '`', '"']) {
            return Ok(QualifiedName { database: None, name: text.to_owned() });
        }
        let mut cursor = Cursor::new(text)?;
        let name = QualifiedName::parse_of(&mut cursor, what)?;
        cursor.expect_end("")?;
        Ok(name)
    }

    /// `my-stage` without quotes is three tokens: say so where it is seen.
    fn expect_whole(cursor: &Cursor<'_>, what: &str) -> Result<()> {
        let Token::Sign(sign) = cursor.peek() else { return Ok(()) };
        if !matches!(sign.as_str(), "-" | "." | "/" | ":") {
            return Ok(());
        }
        let hint = "a name with other characters than letters, digits, '_' and '$' needs backticks \
                    or double quotes";
        Err(cursor
            .expected_hinting(format_args!("the end of the {what}'s name"), Some(hint.to_owned())))
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
