//! `COPY INTO`: what follows tells which of two statements it is. Into a location go the rows of a query
//! ([`copy_into_location`]), into a table those of files ([`copy_into_table`]).

use crate::error::Result;
use crate::sql::cursor::{Cursor, Token};
use crate::statement::{Statement, copy_into_location, copy_into_table};

/// The words that it begins with.
pub const LEADS: &[&str] = &["COPY INTO"];

/// Reads either.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    match cursor.peek_at(2) {
        Token::Location(_) => copy_into_location::parse(cursor),
        Token::Text(text) if text.starts_with('@') => copy_into_location::parse(cursor),
        Token::Text(_) | Token::Word(_) | Token::Name(_) => copy_into_table::parse(cursor),
        Token::Number(_) | Token::Uri(_) | Token::Sign(_) | Token::End => {
            cursor.expect("COPY")?;
            cursor.expect("INTO")?;
            Err(cursor.expected("a stage location or a table after COPY INTO"))
        }
    }
}
