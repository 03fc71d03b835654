//! `SET` changes variables of the connection.
//!
//! ```text
//! SET { [SESSION | @@] <variable> | @<user variable> } = <expression> [, ...]
//! SET NAMES <character set> [COLLATE <collation>]
//!
//! > SET NAMES utf8mb4, autocommit = ON
//! > SET version = '9'
//! ERROR 1238 (HY000): Variable 'version' is a read only variable
//! ```
//!
//! Read here and not by `sqlparser`, for MySQL allows `NAMES` in a list with others, and drivers
//! send that.

use std::fmt;

use sqlparser::ast::Expr;

use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::scan::Scan;
use crate::statement::Statement;
use crate::statement::expression::{Names, evaluate};
use crate::statement::variables::Scope;

/// `SET`
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    assignments: Vec<Assignment>,
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Assignment {
    System {
        scope: Scope,
        name: String,
        value: Option<Expr>,
    },
    User {
        name: String,
        value: Expr,
    },
    Names {
        charset: Option<String>,
        collation: Option<String>,
    },
    /// `SET TRANSACTION ...`: nothing to isolate.
    Transaction,
}

/// Reads it.
pub fn parse(scan: &Scan<'_>) -> Result<Statement> {
    let mut cursor = Cursor::from_scan(scan.statement, scan)?;
    cursor.expect("SET")?;
    let mut assignments = Vec::new();
    loop {
        assignments.push(Assignment::parse(&mut cursor)?);
        if !cursor.eat_sign(",") {
            break;
        }
    }
    cursor.expect_end("','")?;
    Ok(Statement::Set(Set { assignments, text: scan.statement.trim().to_owned() }))
}

impl Assignment {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Assignment> {
        if cursor.eat("NAMES") {
            return Assignment::parse_names(cursor);
        }
        if cursor.eat_all(&["CHARACTER", "SET"]) || cursor.eat("CHARSET") {
            let charset = charset(cursor)?;
            return Ok(Assignment::Names { charset, collation: None });
        }
        let scope = if cursor.eat("GLOBAL") {
            Scope::Global
        } else {
            let _ = cursor.eat("SESSION") || cursor.eat("LOCAL");
            Scope::Session
        };
        if cursor.eat("TRANSACTION") {
            while !cursor.at_end() {
                cursor.advance();
            }
            return Ok(Assignment::Transaction);
        }
        let name = cursor.name("a variable")?;
        Assignment::parse_value(cursor, scope, name)
    }

    fn parse_names(cursor: &mut Cursor<'_>) -> Result<Assignment> {
        let charset = charset(cursor)?;
        let collation =
            if cursor.eat("COLLATE") { Some(cursor.word_or_text("a collation")?) } else { None };
        Ok(Assignment::Names { charset, collation })
    }

    fn parse_value(cursor: &mut Cursor<'_>, scope: Scope, name: String) -> Result<Assignment> {
        let (scope, name) = match name.to_ascii_lowercase().as_str() {
            "@@session" | "@@local" if cursor.eat_sign(".") => (scope, cursor.name("a variable")?),
            "@@global" if cursor.eat_sign(".") => (Scope::Global, cursor.name("a variable")?),
            _ => (scope, name),
        };
        if !cursor.eat_sign(":=") {
            cursor.expect_sign("=")?;
        }
        if let Some(user) = name.strip_prefix('@')
            && !user.starts_with('@')
        {
            return Ok(Assignment::User { name: user.to_owned(), value: cursor.expression()? });
        }
        let name = name.strip_prefix("@@").unwrap_or(&name).to_owned();
        let value = if cursor.eat("DEFAULT") { None } else { Some(cursor.expression()?) };
        Ok(Assignment::System { scope, name, value })
    }

    fn execute(&self, session: &mut Session) -> Result<()> {
        match self {
            Assignment::System { scope, name, value } => {
                let value = value.as_ref().map(|value| compute(session, value)).transpose()?;
                session.variables.set(*scope, name, value)
            }
            Assignment::User { name, value } => {
                let value = compute(session, value)?;
                session.variables.set_user(name, value);
                Ok(())
            }
            Assignment::Names { charset, collation } => {
                let charset = charset.as_deref().unwrap_or("utf8mb4");
                session.variables.set_names(charset, collation.as_deref())
            }
            Assignment::Transaction => Ok(()),
        }
    }
}

/// A character set; `None` for `DEFAULT`.
fn charset(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.eat("DEFAULT") {
        return Ok(None);
    }
    cursor.word_or_text("a character set").map(Some)
}

fn compute(session: &Session, expr: &Expr) -> Result<crate::rows::Value> {
    evaluate(expr, Names { session, row: None, bare_words: true })
}

impl Set {
    /// Sets them from left to right. If one fails, none is set.
    pub fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let before = session.variables.clone();
        for assignment in &self.assignments {
            if let Err(error) = assignment.execute(session) {
                session.variables = before;
                return Err(error);
            }
        }
        Ok(Outcome::done())
    }
}

impl Assignment {
    /// `SET PASSWORD` is refused, but what it would have set may be one.
    fn is_secret(&self) -> bool {
        matches!(self, Assignment::System { name, .. } if name.eq_ignore_ascii_case("password"))
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.assignments.iter().any(Assignment::is_secret) {
            return f.write_str("SET PASSWORD = '****'");
        }
        f.write_str(&self.text)
    }
}
