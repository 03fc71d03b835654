//! `bob`, `'bob'`, `'bob'@'%'`: a user, or a role, where no stage is meant.

use crate::error::{Error, Result};
use crate::sql::cursor::{Cursor, Token};

/// What MySQL writes for "from every host".
const EVERYWHERE: &str = "%";

/// Reads a user's name. Users are the same wherever they come from, so MySQL's host is taken only if
/// it says that.
pub fn user(cursor: &mut Cursor<'_>) -> Result<String> {
    let (name, host) = name_and_host(cursor)?;
    match host {
        Some(host) if host != EVERYWHERE => Err(Error::Unsupported {
            what: format!("A user of one host ('{host}')"),
            hint: Some("users are the same from everywhere: leave '@' and the host out".to_owned()),
        }),
        Some(_) | None => Ok(name),
    }
}

/// Reads a user's name; the host doesn't count.
pub fn user_of_any_host(cursor: &mut Cursor<'_>) -> Result<String> {
    Ok(name_and_host(cursor)?.0)
}

fn name_and_host(cursor: &mut Cursor<'_>) -> Result<(String, Option<String>)> {
    let name = name(cursor, "a user's name")?;
    let Token::Location(text) = cursor.peek().clone() else { return Ok((name, None)) };
    let host = match (text.strip_prefix('@'), cursor.peek_at(1).clone()) {
        (Some(""), Token::Text(host) | Token::Word(host) | Token::Name(host)) => {
            cursor.advance();
            host
        }
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    cursor.advance();
    Ok((name, Some(host)))
}

/// Reads a role's name.
pub fn role(cursor: &mut Cursor<'_>) -> Result<String> {
    name(cursor, "a role's name")
}

fn name(cursor: &mut Cursor<'_>, what: &str) -> Result<String> {
    if matches!(cursor.peek(), Token::Text(_)) { cursor.text(what) } else { cursor.name(what) }
}
