//! Statements that are not ours, answered as far as clients need it. Queries are read by `sqlparser`;
//! the others are a few words each, and read above it: MySQL has forms of them that it does not know.

use sqlparser::ast::{ObjectType, Query, SetExpr, Statement as Ast, Values};
use sqlparser::parser::ParserError;

use crate::error::{Error, Result};
use crate::sql::Span;
use crate::sql::cursor::{Cursor, excerpt};
use crate::sql::dialect::{self, StageDialect};
use crate::sql::name::QualifiedName;
use crate::sql::scan::Scan;
use crate::statement::create_table::{self, DropTable, TruncateTable};
use crate::statement::create_view::{self, DropView};
use crate::statement::explain::Explain;
use crate::statement::select::{Select, files};
use crate::statement::{Statement, begins, insert, kill, set, show, transaction, unknown};

/// Words that a query begins with.
const QUERIES: &[&str] = &["SELECT", "WITH", "TABLE", "VALUES"];

/// Words that explain a query, or describe a table.
const EXPLAINS: &[&str] = &["DESC", "DESCRIBE", "EXPLAIN"];

/// Reads a statement that no entry of ours begins.
pub fn parse(scan: &Scan<'_>) -> Result<Statement> {
    if !is_read_by_sqlparser(scan) {
        return parse_words(scan);
    }
    if let Some(create) = template(scan)? {
        return Ok(create);
    }
    let dialect = StageDialect::new(scan.sql_mode);
    let broken = |error: &ParserError| dialect::broken(scan.statement, error);
    let tokens = dialect::tokens(&dialect, &scan.masked).map_err(|e| broken(&e))?;
    let texts = dialect::selected(&scan.masked, &tokens);
    let mut parser = dialect::parser_of(&dialect, tokens).map_err(|e| broken(&e))?;
    let ast = parser.parse_statement().map_err(|e| broken(&e))?;
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
    of_ast(ast, scan, &texts)
}

/// Reads what is read above `sqlparser`.
fn parse_words(scan: &Scan<'_>) -> Result<Statement> {
    let first = scan.words.first().map_or("", String::as_str);
    match first {
        "SET" => return set::parse(scan),
        "SHOW" => return show::parse(scan),
        "DESC" | "DESCRIBE" | "EXPLAIN" => return show::parse_describe(scan),
        "KILL" => return kill::parse(scan),
        "CALL" | "EXECUTE" | "DEALLOCATE" => return Err(absent(scan)?),
        _ if transaction::LEADS.contains(&first) => return transaction::parse(scan),
        _ => {}
    }
    if first.is_empty() && Cursor::from_scan(scan.statement, scan)?.at_end() {
        return Err(Error::EmptyQuery);
    }
    if let Some((lead, hint)) = NOT_HERE.iter().find(|(lead, _)| begins(&scan.words, lead)) {
        let hint = (!hint.is_empty()).then(|| (*hint).to_owned());
        return Err(Error::Unsupported { what: (*lead).to_owned(), hint });
    }
    Err(unknown(scan))
}

/// Whether it is a query, or a statement with a query in it.
pub fn is_read_by_sqlparser(scan: &Scan<'_>) -> bool {
    let word = |index: usize| scan.words.get(index).map_or("", String::as_str);
    let first = word(0);
    // `(SELECT 1)` begins with no word.
    QUERIES.contains(&first)
        || (first.is_empty() && scan.masked.trim_start().starts_with('('))
        || (first == "CREATE" && (word(1) == "VIEW" || (word(1) == "OR" && word(3) == "VIEW")))
        || (first == "DROP" && ["VIEW", "TABLE"].contains(&word(1)))
        || (first == "CREATE" && (word(1) == "TABLE" || (word(1) == "OR" && word(3) == "TABLE")))
        || ["INSERT", "REPLACE", "DELETE", "UPDATE", "TRUNCATE"].contains(&first)
        || (EXPLAINS.contains(&first)
            && (QUERIES.contains(&word(1)) && word(1) != "TABLE" || word(1) == "ANALYZE"))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are not ours")]
fn of_ast(ast: Ast, scan: &Scan<'_>, texts: &[String]) -> Result<Statement> {
    let select = |mut query: Query| {
        if !asks_only(&query.body) {
            return Err(unknown(scan));
        }
        files::name_places(&mut query, &scan.places, scan.statement)?;
        Ok(Select { query, texts: texts.to_vec() })
    };
    match ast {
        Ast::Query(query) => Ok(Statement::Select(Box::new(select(*query)?))),
        Ast::CreateView(mut view) => {
            let query = std::mem::replace(&mut *view.query, nothing());
            create_view::of(view, select(query)?)
        }
        Ast::CreateTable(mut table) => {
            let query = table.query.take().map(|query| select(*query)).transpose()?;
            create_table::of(table, query)
        }
        Ast::Insert(insert) => insert::of(insert, select),
        Ast::Delete(delete) => insert::of_delete(delete, select),
        Ast::Update(update) => insert::of_update(update, select),
        Ast::Truncate(truncate) => match truncate.table_names.as_slice() {
            [name] => {
                let name = create_view::name_of(&name.name)?;
                Ok(Statement::TruncateTable(TruncateTable { name }))
            }
            _ => Err(unknown(scan)),
        },
        Ast::Drop {
            object_type: ObjectType::Table, temporary: false, if_exists, names, ..
        } => {
            let names = names.iter().map(create_view::name_of).collect::<Result<_>>()?;
            Ok(Statement::DropTable(DropTable { names, if_exists }))
        }
        Ast::Drop { object_type: ObjectType::View, if_exists, names, .. } => {
            let names = names.iter().map(create_view::name_of).collect::<Result<_>>()?;
            Ok(Statement::DropView(DropView { names, if_exists }))
        }
        Ast::Explain { analyze, statement, format: None, .. } => match *statement {
            Ast::Query(query) => {
                let select = select(*query)?;
                Ok(Statement::Explain(Box::new(Explain { analyze, select })))
            }
            other => Err(Error::Unsupported { what: format!("EXPLAIN of {other}"), hint: None }),
        },
        _ => Err(unknown(scan)),
    }
}

/// `CREATE TABLE <name> USING TEMPLATE (<query>)`: Snowflake's, which no dialect but its own reads.
fn template(scan: &Scan<'_>) -> Result<Option<Statement>> {
    let words: Vec<&str> = scan.words.iter().map(String::as_str).collect();
    if words.first() != Some(&"CREATE")
        || !words.windows(2).any(|pair| pair == ["USING", "TEMPLATE"])
    {
        return Ok(None);
    }
    let upper = scan.masked.to_ascii_uppercase();
    let Some(at) = upper.find("USING") else { return Ok(None) };
    let (head, tail) = scan.masked.split_at(at);
    let (Some(open), Some(close)) = (tail.find('('), tail.rfind(')')) else {
        return Err(unknown(scan));
    };
    let dialect = StageDialect::new(scan.sql_mode);
    let head = format!("{head} (template INT)");
    let mut parser =
        dialect::parser(&dialect, &head).map_err(|e| dialect::broken(scan.statement, &e))?;
    let Ast::CreateTable(mut table) =
        parser.parse_statement().map_err(|e| dialect::broken(scan.statement, &e))?
    else {
        return Err(unknown(scan));
    };
    table.columns.clear();
    let query = tail.get(open + 1..close).unwrap_or_default();
    let mut parser =
        dialect::parser(&dialect, query).map_err(|e| dialect::broken(scan.statement, &e))?;
    let query = *parser.parse_query().map_err(|e| dialect::broken(scan.statement, &e))?;
    let select = Select { query, texts: Vec::new() };
    create_table::of_template(table, select).map(Some)
}

/// Whether a query only asks: `sqlparser` takes `DELETE` for one too.
pub(super) fn asks_only(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Query(query) => asks_only(&query.body),
        SetExpr::SetOperation { left, right, .. } => asks_only(left) && asks_only(right),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

/// A query of nothing.
fn nothing() -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Values(Values {
            explicit_row: false,
            value_keyword: false,
            rows: Vec::new(),
        })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// Statements of MySQL's that are understood so far, each with what to do instead.
const NOT_HERE: &[(&str, &str)] = &[
    ("CREATE TEMPORARY TABLE", TABLES),
    ("CREATE LOCAL TEMPORARY TABLE", TABLES),
    ("CREATE INDEX", ""),
    ("CREATE UNIQUE INDEX", ""),
    ("CREATE PROCEDURE", ""),
    ("CREATE FUNCTION", ""),
    ("CREATE TRIGGER", ""),
    ("CREATE EVENT", ""),
    ("ALTER TABLE", "CREATE OR REPLACE TABLE t AS SELECT ... FROM t makes another one of it"),
    ("ALTER DATABASE", ""),
    ("ALTER VIEW", ""),
    ("DROP TEMPORARY TABLE", TABLES),
    ("DROP INDEX", ""),
    ("DROP PROCEDURE", ""),
    ("DROP FUNCTION", ""),
    ("DROP TRIGGER", ""),
    ("DROP EVENT", ""),
    ("RENAME TABLE", "stages are renamed by ALTER STAGE ... RENAME TO"),
    ("ANALYZE", ""),
    ("CHECK", ""),
    ("CHECKSUM", ""),
    ("FLUSH", ""),
    ("HANDLER", ""),
    ("OPTIMIZE", ""),
    ("PREPARE", "drivers prepare statements by the protocol"),
    ("REPAIR", ""),
    ("XA", ""),
];

const TABLES: &str = "leave TEMPORARY away, and DROP the table when it is done";

/// The error for a procedure, or a statement that was prepared by its name: there are none.
fn absent(scan: &Scan<'_>) -> Result<Error> {
    let mut cursor = Cursor::from_scan(scan.statement, scan)?;
    if cursor.eat("CALL") {
        let name = QualifiedName::parse(&mut cursor)?.name;
        return Ok(Error::UnknownRoutine { what: "PROCEDURE", name });
    }
    let execute = cursor.eat("EXECUTE");
    if !execute {
        cursor.expect("DEALLOCATE")?;
        cursor.expect("PREPARE")?;
    }
    let given_to = if execute { "EXECUTE" } else { "DEALLOCATE PREPARE" };
    Ok(Error::UnknownHandler { name: cursor.name("the name of a statement")?, given_to })
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
