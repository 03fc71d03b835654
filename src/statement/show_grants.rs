//! `SHOW GRANTS`: what the user of this connection may. There is one kind of user, who may everything;
//! tools refuse to go on without the answer.
//!
//! ```text
//! SHOW GRANTS [FOR { CURRENT_USER[()] | <user> }]
//!
//! > SHOW GRANTS
//! Grants for root@127.0.0.1
//! GRANT ALL PRIVILEGES ON *.* TO `root`@`127.0.0.1` WITH GRANT OPTION
//! ```

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::{Cursor, Token};
use crate::sql::scan::Scan;
use crate::statement::Statement;

/// `SHOW GRANTS`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowGrants {
    /// Another name than the user's own.
    user: Option<String>,
    text: String,
}

impl ShowGrants {
    /// Reads what follows `SHOW GRANTS`.
    pub fn parse(cursor: &mut Cursor<'_>, scan: &Scan<'_>) -> Result<Statement> {
        let mut user = None;
        if cursor.eat("FOR") {
            if cursor.eat("CURRENT_USER") {
                if cursor.eat_sign("(") {
                    cursor.expect_sign(")")?;
                }
            } else {
                user = Some(cursor.word_or_text("a user")?);
                // `@'host'`: users are told apart by their names alone.
                while !cursor.at_end() && !matches!(cursor.peek(), Token::Word(w) if w == "USING") {
                    cursor.advance();
                }
            }
        }
        cursor.expect_end("FOR")?;
        let text = scan.statement.trim().to_owned();
        Ok(Statement::ShowGrants(ShowGrants { user, text }))
    }

    /// MySQL's one column, which is named after the user.
    pub fn columns(session: &Session) -> Vec<Column> {
        let user = session.creator().replace('\'', "");
        vec![Column::new(format!("Grants for {user}"), Type::Text)]
    }

    /// Shows them.
    pub fn execute(&self, session: &Session) -> Result<Outcome> {
        let own = &session.peer.user;
        if let Some(user) = self.user.as_ref().filter(|user| *user != own) {
            return Err(Error::NoSuchGrant { user: user.clone() });
        }
        let user = session.creator().replace('\'', "`");
        let grant = format!("GRANT ALL PRIVILEGES ON *.* TO {user} WITH GRANT OPTION");
        Ok(Outcome::rows(ShowGrants::columns(session), vec![vec![grant.into()]]))
    }
}

impl fmt::Display for ShowGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
