//! `SET` changes variables of the connection.
//!
//! ```text
//! SET { [SESSION | @@] <variable> | @<user variable> } = <expression> [, ...]
//! SET NAMES <character set> [COLLATE <collation>]
//! SET [SESSION] TRANSACTION ISOLATION LEVEL <level>
//!
//! > SET NAMES utf8mb4, autocommit = ON
//! > SET version = '9'
//! ERROR 1238 (HY000): Variable 'version' is a read only variable
//! ```
//!
//! Values are checked as MySQL checks them. `SET GLOBAL` is refused, as by a server that somebody else
//! runs: what limits all connections is in the configuration file.
//!
//! Read here and not by `sqlparser`, for MySQL allows `NAMES` in a list with others, and drivers
//! send that.

use std::fmt;

use sqlparser::ast::{Expr, Ident};

use crate::error::Result;
use crate::rows::{Outcome, Value};
use crate::session::Session;
use crate::sql::cursor::{Cursor, Token};
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
    /// `SET TRANSACTION ...`: for each variable the value. `None` is the next transaction's, and
    /// there is none.
    Transaction {
        scope: Option<Scope>,
        isolation: Option<&'static str>,
        read_only: Option<bool>,
    },
}

/// Reads it.
pub fn parse(scan: &Scan<'_>) -> Result<Statement> {
    let mut cursor = Cursor::from_scan(scan.statement, scan)?;
    cursor.expect("SET")?;
    let mut assignments = Vec::new();
    // A scope also holds for what follows without one.
    let mut scope = None;
    loop {
        assignments.push(Assignment::parse(&mut cursor, &mut scope)?);
        if !cursor.eat_sign(",") {
            break;
        }
    }
    cursor.expect_end("','")?;
    Ok(Statement::Set(Set { assignments, text: scan.statement.trim().to_owned() }))
}

impl Assignment {
    fn parse(cursor: &mut Cursor<'_>, last: &mut Option<Scope>) -> Result<Assignment> {
        if cursor.eat("NAMES") {
            return Assignment::parse_names(cursor);
        }
        if cursor.eat_all(&["CHARACTER", "SET"]) || cursor.eat("CHARSET") {
            let charset = charset(cursor)?;
            return Ok(Assignment::Names { charset, collation: None });
        }
        if cursor.eat("GLOBAL") || cursor.eat("PERSIST") || cursor.eat("PERSIST_ONLY") {
            *last = Some(Scope::Global);
        } else if cursor.eat("SESSION") || cursor.eat("LOCAL") {
            *last = Some(Scope::Session);
        }
        if cursor.eat("TRANSACTION") {
            return Assignment::parse_transaction(cursor, *last);
        }
        let name = cursor.name("a variable")?;
        Assignment::parse_value(cursor, last.unwrap_or(Scope::Session), name)
    }

    /// `ISOLATION LEVEL ...`, `READ ONLY`, `READ WRITE`, with a comma between them.
    fn parse_transaction(cursor: &mut Cursor<'_>, scope: Option<Scope>) -> Result<Assignment> {
        let (mut isolation, mut read_only) = (None, None);
        loop {
            if isolation.is_none() && cursor.eat_all(&["ISOLATION", "LEVEL"]) {
                let (_, level) = LEVELS
                    .iter()
                    .find(|(words, _)| cursor.eat_all(words))
                    .ok_or_else(|| cursor.expected("a level, as in READ COMMITTED"))?;
                isolation = Some(*level);
            } else if read_only.is_none() && cursor.eat_all(&["READ", "ONLY"]) {
                read_only = Some(true);
            } else if read_only.is_none() && cursor.eat_all(&["READ", "WRITE"]) {
                read_only = Some(false);
            } else {
                return Err(cursor.expected("ISOLATION LEVEL, READ ONLY or READ WRITE"));
            }
            if !cursor.eat_sign(",") {
                return Ok(Assignment::Transaction { scope, isolation, read_only });
            }
        }
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
            "@@global" | "@@persist" | "@@persist_only" if cursor.eat_sign(".") => {
                (Scope::Global, cursor.name("a variable")?)
            }
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
        let value = match bare_word(cursor) {
            Some(word) if word.eq_ignore_ascii_case("DEFAULT") => None,
            Some(word) => Some(Expr::Identifier(Ident::new(word))),
            None => Some(cursor.expression()?),
        };
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
            Assignment::Transaction { scope: None, .. } => Ok(()),
            Assignment::Transaction { scope: Some(scope), isolation, read_only } => {
                let variables = &mut session.variables;
                if let Some(level) = isolation {
                    variables.set(*scope, "transaction_isolation", Some((*level).into()))?;
                }
                if let Some(read_only) = read_only {
                    let value = Value::Int(i64::from(*read_only));
                    variables.set(*scope, "transaction_read_only", Some(value))?;
                }
                Ok(())
            }
        }
    }
}

/// Levels of isolation, as `SET TRANSACTION` and as `transaction_isolation` have them.
const LEVELS: &[(&[&str], &str)] = &[
    (&["READ", "UNCOMMITTED"], "READ-UNCOMMITTED"),
    (&["READ", "COMMITTED"], "READ-COMMITTED"),
    (&["REPEATABLE", "READ"], "REPEATABLE-READ"),
    (&["SERIALIZABLE"], "SERIALIZABLE"),
];

/// A word that is the whole value, as in `SET x = binary`. Not every such word is an expression.
fn bare_word(cursor: &mut Cursor<'_>) -> Option<String> {
    let word = cursor.keyword()?;
    let is_whole = match cursor.peek_at(1) {
        Token::End => true,
        Token::Sign(sign) => sign == ",",
        Token::Word(_)
        | Token::Name(_)
        | Token::Text(_)
        | Token::Number(_)
        | Token::Location(_)
        | Token::Uri(_) => false,
    };
    let is_expression = word.starts_with('@') || matches!(word.as_str(), "TRUE" | "FALSE" | "NULL");
    if !is_whole || is_expression {
        return None;
    }
    cursor.name("a value").ok()
}

/// A character set; `None` for `DEFAULT`.
fn charset(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.eat("DEFAULT") {
        return Ok(None);
    }
    cursor.word_or_text("a character set").map(Some)
}

fn compute(session: &Session, expr: &Expr) -> Result<Value> {
    evaluate(expr, Names { bare_words: true, ..Names::of(session) })
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
