//! Statements that are not ours: read by `sqlparser`, and answered as far as clients need it.

use sqlparser::ast::{ShowStatementFilter, Statement as Ast};
use sqlparser::parser::{Parser, ParserError};

use crate::error::{Error, Result};
use crate::sql::Span;
use crate::sql::cursor::{Cursor, excerpt};
use crate::sql::dialect::StageDialect;
use crate::sql::scan::Scan;
use crate::statement::select::Select;
use crate::statement::show_diagnostics::ShowDiagnostics;
use crate::statement::show_stages::Filter;
use crate::statement::show_tables::ShowTables;
use crate::statement::show_variables::ShowVariables;
use crate::statement::variables::Scope;
use crate::statement::{Statement, set, unknown};

/// Words that `sqlparser` begins statements with that we answer.
const ANSWERED: &[&str] =
    &["SELECT", "SHOW", "BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"];

/// Reads a statement that no entry of ours begins.
pub fn parse(scan: &Scan<'_>) -> Result<Statement> {
    let first = scan.words.first().map_or("", String::as_str);
    if first == "SET" {
        return set::parse(scan);
    }
    if first.is_empty() && Cursor::from_scan(scan.statement, scan)?.at_end() {
        return Err(Error::EmptyQuery);
    }
    // `(SELECT 1)` begins with no word.
    if !ANSWERED.contains(&first) && !scan.masked.trim_start().starts_with('(') {
        return Err(unknown(scan));
    }
    let dialect = StageDialect::default();
    let mut parser =
        Parser::new(&dialect).try_with_sql(&scan.masked).map_err(|e| broken(scan, &e))?;
    let ast = parser.parse_statement().map_err(|e| broken(scan, &e))?;
    let next = parser.peek_token();
    if next.token != sqlparser::tokenizer::Token::EOF {
        let (line, column) = (to_usize(next.span.start.line), to_usize(next.span.start.column));
        return Err(Error::Syntax {
            expected: "the end of the statement".to_owned(),
            found: format!("'{}'", next.token),
            at: Some(Box::new(excerpt(scan.statement, Span { line, column, length: 1 }))),
            hint: None,
        });
    }
    answer(ast, scan)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is not answered")]
fn answer(ast: Ast, scan: &Scan<'_>) -> Result<Statement> {
    Ok(match ast {
        Ast::Query(query) => Statement::Select(Box::new(Select(*query))),
        Ast::ShowVariables { filter, global, .. } => {
            Statement::ShowVariables(show(false, global, filter)?)
        }
        Ast::ShowStatus { filter, global, .. } => {
            Statement::ShowVariables(show(true, global, filter)?)
        }
        Ast::ShowTables { full, show_options, .. } => {
            let named = show_options.show_in.and_then(|show_in| show_in.parent_name);
            let database = named.and_then(|name| {
                name.0.last().and_then(|part| part.as_ident()).map(|part| part.value.clone())
            });
            Statement::ShowTables(ShowTables { full, database })
        }
        Ast::ShowVariable { variable } => {
            let words: Vec<String> =
                variable.iter().map(|word| word.value.to_ascii_uppercase()).collect();
            match words.first().map(String::as_str) {
                Some("WARNINGS") => Statement::ShowDiagnostics(ShowDiagnostics::Warnings),
                Some("ERRORS") => Statement::ShowDiagnostics(ShowDiagnostics::Errors),
                Some(_) | None => return Err(unknown(scan)),
            }
        }
        Ast::StartTransaction { .. }
        | Ast::Commit { .. }
        | Ast::Rollback { .. }
        | Ast::Savepoint { .. }
        | Ast::ReleaseSavepoint { .. } => Statement::Transaction,
        _ => return Err(unknown(scan)),
    })
}

fn show(status: bool, global: bool, filter: Option<ShowStatementFilter>) -> Result<ShowVariables> {
    let filter = match filter {
        None => None,
        Some(ShowStatementFilter::Like(pattern) | ShowStatementFilter::ILike(pattern)) => {
            Some(Filter::Like(pattern))
        }
        Some(ShowStatementFilter::Where(condition)) => Some(Filter::Where(condition.into())),
        Some(ShowStatementFilter::NoKeyword(text)) => {
            return Err(Error::Syntax {
                expected: "LIKE or WHERE".to_owned(),
                found: format!("'{text}'"),
                at: None,
                hint: None,
            });
        }
    };
    let scope = if global { Scope::Global } else { Scope::Session };
    Ok(ShowVariables { status, scope, filter })
}

/// `sqlparser` says "Expected: x, found: y at Line: 1, Column: 8"; this is our form of it.
pub fn broken(scan: &Scan<'_>, error: &ParserError) -> Error {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "less nesting".to_owned(),
    };
    let (said, place) = match message.rsplit_once(" at Line: ") {
        Some((said, place)) => (said, place.split_once(", Column: ")),
        None => (message.as_str(), None),
    };
    let at = place.and_then(|(line, column)| {
        let span =
            Span { line: line.parse().ok()?, column: column.trim().parse().ok()?, length: 1 };
        Some(Box::new(excerpt(scan.statement, span)))
    });
    let (expected, found) =
        match said.strip_prefix("Expected: ").and_then(|said| said.split_once(", found: ")) {
            Some((expected, "EOF")) => (expected, "the end of the statement".to_owned()),
            Some((expected, found)) => (expected, format!("'{found}'")),
            None => ("valid SQL", said.to_owned()),
        };
    Error::Syntax { expected: expected.to_owned(), found, at, hint: None }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
