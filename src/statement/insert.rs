//! `INSERT` adds rows to a table; `DELETE` removes some, `UPDATE` changes some.
//!
//! ```text
//! INSERT INTO <table> [(<column>, ...)] { VALUES (<value>, ...), ... | <query> | SET <column> = <value>, ... }
//! DELETE FROM <table> [WHERE <condition>]
//! UPDATE <table> SET <column> = <value>, ... [WHERE <condition>]
//!
//! > INSERT INTO books (id, title) VALUES (1, 'Alpha'), (2, 'Beta')
//! > INSERT INTO books SELECT id, title, price FROM @lake/books.parquet
//! > INSERT INTO books (id) VALUES ('x')
//! ERROR 1366 (HY000): Incorrect integer value: 'x' for column 'id' at row 1
//! > DELETE FROM books WHERE price IS NULL
//! ```
//!
//! Each statement is one commit: all of its rows are there, or none. Many rows in one statement are fast, one row a
//! statement is slow, for a commit is a file; rows in many files are loaded by `COPY INTO`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of SQL's tree only a part means something here"
)]

use std::fmt;

use sqlparser::ast::{
    self, AssignmentTarget, CaseWhen, Expr, FromTable, Ident, ObjectName, Query, SelectItem,
    SetExpr, TableFactor, TableObject, Value as Literal,
};

use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::query::{Change, KeptTable};
use crate::rows::Outcome;
use crate::schema::table::Table;
use crate::session::Session;
use crate::sql::name::QualifiedName;
use crate::sql::{dialect, literal};
use crate::statement::create_view::name_of;
use crate::statement::select::{Select, files};
use crate::statement::{Statement, kept};

/// `INSERT`
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: QualifiedName,
    /// Which columns the values are for, if not all.
    pub columns: Vec<String>,
    /// The values.
    pub select: Select,
}

/// Of what `sqlparser` has read. `select` takes a query and reads the rest of it.
pub fn of(insert: ast::Insert, select: impl Fn(Query) -> Result<Select>) -> Result<Statement> {
    let refused = [
        (insert.ignore, "INSERT IGNORE"),
        (insert.replace_into, "REPLACE"),
        (insert.overwrite, "INSERT OVERWRITE"),
        (insert.on.is_some(), "ON DUPLICATE KEY UPDATE"),
        (insert.partitioned.is_some(), "INSERT into partitions"),
        (insert.returning.is_some(), "RETURNING"),
    ];
    if let Some((_, what)) = refused.iter().find(|(is_so, _)| *is_so) {
        let hint = Some("a table here has no keys; DELETE and INSERT do the same".to_owned());
        return Err(Error::Unsupported { what: (*what).to_owned(), hint });
    }
    let TableObject::TableName(table) = &insert.table else {
        return Err(Error::Unsupported {
            what: format!("INSERT INTO {}", insert.table),
            hint: None,
        });
    };
    let table = name_of(table)?;
    let mut columns = insert.columns.iter().map(last_name).collect::<Vec<_>>();
    let source = match insert.source {
        Some(source) => *source,
        None => {
            let set = insert.assignments.iter().map(assignment).collect::<Result<Vec<_>>>()?;
            let (names, values): (Vec<_>, Vec<_>) = set.into_iter().unzip();
            columns = names;
            values_of(values)?
        }
    };
    Ok(Statement::Insert(Box::new(Insert { table, columns, select: select(source)? })))
}

/// `VALUES (...)`
fn values_of(values: Vec<Expr>) -> Result<Query> {
    let values: Vec<String> = values.iter().map(dialect::printed).collect();
    dialect::query(&format!("VALUES ROW({})", values.join(", ")))
}

fn last_name(name: &ObjectName) -> String {
    name.0
        .last()
        .and_then(|part| part.as_ident())
        .map(|part| part.value.clone())
        .unwrap_or_default()
}

fn assignment(assignment: &ast::Assignment) -> Result<(String, Expr)> {
    match &assignment.target {
        AssignmentTarget::ColumnName(name) => Ok((last_name(name), assignment.value.clone())),
        AssignmentTarget::Tuple(_) => {
            Err(Error::Unsupported { what: format!("SET {}", assignment.target), hint: None })
        }
    }
}

/// An expression, as the default of a column is kept.
pub fn expression(text: &str) -> Result<Expr> {
    let query = dialect::query(&format!("SELECT {text}"))?;
    match *query.body {
        SetExpr::Select(select) => match select.projection.into_iter().next() {
            Some(SelectItem::UnnamedExpr(expr)) => Ok(expr),
            _ => Err(no_expression(text)),
        },
        _ => Err(no_expression(text)),
    }
}

fn no_expression(text: &str) -> Error {
    Error::BadValue {
        option: "DEFAULT".to_owned(),
        value: text.to_owned(),
        expected: "a value".to_owned(),
    }
}

impl Insert {
    /// Adds the rows.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let (name, table) = kept::find(session, &self.table, StagePrivilege::Write).await?;
        let mut positions = positions(&table, &self.columns)?;
        let mut select = self.select.clone();
        let defaults = missing(&table, &positions)?;
        // One that is nothing but values is counted there.
        if !defaults.is_empty() && !matches!(&*select.query.body, SetExpr::Values(_)) {
            let query = files::query(&select, session).await?;
            let (expected, found) =
                (positions.len(), session.instance.engine.columns(query).await?.len());
            if expected != found {
                return Err(Error::ColumnCount { expected, found });
            }
        }
        complete(&mut select.query, &table, &mut positions, &defaults)?;
        let query = files::query(&select, session).await?;
        let rows = kept::rows(session, &name, &table, "the_table")?;
        let inserted = session.instance.engine.insert(rows, positions, query).await?;
        Ok(Outcome::affected(inserted))
    }
}

/// Where in the table these columns are; all, if none is named.
pub(super) fn positions(table: &Table, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let mut positions = Vec::new();
    for name in names {
        let at = table.position(name).ok_or_else(|| Error::UnknownColumn { name: name.clone() })?;
        if positions.contains(&at) {
            return Err(Error::DuplicateColumn { name: name.clone() });
        }
        positions.push(at);
    }
    Ok(positions)
}

/// The columns that an `INSERT` doesn't name and that have a default.
fn missing(table: &Table, positions: &[usize]) -> Result<Vec<(usize, Expr)>> {
    let mut defaults = Vec::new();
    for (at, column) in table.columns.iter().enumerate().filter(|(at, _)| !positions.contains(at)) {
        match &column.default {
            Some(default) => defaults.push((at, expression(default)?)),
            None if column.nullable => {}
            None => return Err(Error::NoDefault { column: column.name.clone() }),
        }
    }
    Ok(defaults)
}

/// Adds the defaults to what is inserted, and puts them where `DEFAULT` stands.
fn complete(
    query: &mut Query,
    table: &Table,
    positions: &mut Vec<usize>,
    defaults: &[(usize, Expr)],
) -> Result<()> {
    if let SetExpr::Values(values) = &mut *query.body {
        alike(&mut values.rows);
        for row in &mut values.rows {
            for (at, value) in positions.iter().zip(row.content.iter_mut()) {
                if is_default(value) {
                    *value = default_of(table, *at)?;
                }
            }
            let (expected, found) = (positions.len(), row.content.len());
            if found != expected {
                return Err(Error::ColumnCount { expected, found });
            }
            row.content.extend(defaults.iter().map(|(_, value)| value.clone()));
        }
    } else if !defaults.is_empty() {
        let values: Vec<String> =
            defaults.iter().map(|(_, value)| dialect::printed(value)).collect();
        let inner = std::mem::replace(query, dialect::query("SELECT 1")?);
        let names: Vec<String> =
            (0..positions.len()).map(|number| format!("value_{number}")).collect();
        let around = format!(
            "SELECT *, {} FROM (SELECT 1) AS the_rows ({})",
            values.join(", "),
            names.join(", ")
        );
        *query = dialect::query(&around)?;
        if let SetExpr::Select(select) = &mut *query.body
            && let Some(TableFactor::Derived { subquery, .. }) =
                select.from.first_mut().map(|from| &mut from.relation)
        {
            **subquery = inner;
        }
    }
    positions.extend(defaults.iter().map(|(at, _)| *at));
    Ok(())
}

/// Makes literals of one column alike: where one is a text, all are. Each is fitted into its column then, as MySQL
/// does, while the engine would want one type of all.
fn alike(rows: &mut [ast::Parens<Vec<Expr>>]) {
    let width = rows.iter().map(|row| row.content.len()).max().unwrap_or_default();
    let is_text = |value: &Expr| matches!(value, Expr::Value(value) if matches!(value.value, Literal::SingleQuotedString(_)));
    for column in 0..width {
        let mut values = rows.iter().filter_map(|row| row.content.get(column));
        if !values.any(is_text) {
            continue;
        }
        for value in rows.iter_mut().filter_map(|row| row.content.get_mut(column)) {
            let number = match &*value {
                Expr::Value(literal) if matches!(literal.value, Literal::Number(..)) => {
                    value.to_string()
                }
                Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match &**expr {
                    Expr::Value(literal) if matches!(literal.value, Literal::Number(..)) => {
                        value.to_string()
                    }
                    _ => continue,
                },
                _ => continue,
            };
            *value = Expr::value(Literal::SingleQuotedString(number));
        }
    }
}

fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(Ident { value, quote_style: None, .. }) if value.eq_ignore_ascii_case("DEFAULT"))
}

fn default_of(table: &Table, at: usize) -> Result<Expr> {
    match table.columns.get(at) {
        Some(column) => match &column.default {
            Some(default) => expression(default),
            None if column.nullable => Ok(Expr::value(Literal::Null)),
            None => Err(Error::NoDefault { column: column.name.clone() }),
        },
        None => Ok(Expr::value(Literal::Null)),
    }
}

/// `DELETE`, `UPDATE`
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRows {
    /// The table.
    pub table: QualifiedName,
    /// New values, by column; none to remove the rows.
    pub set: Vec<(String, Expr)>,
    /// Which rows: a query of the condition, and of the new values, from the table. `None`: all go.
    pub which: Option<Select>,
}

/// `DELETE`, of what `sqlparser` has read.
pub fn of_delete(
    delete: ast::Delete,
    select: impl Fn(Query) -> Result<Select>,
) -> Result<Statement> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let single = delete.tables.is_empty() && delete.using.is_none() && delete.limit.is_none();
    let [from] = from.as_slice() else { return Err(several("DELETE")) };
    if !single || !from.joins.is_empty() {
        return Err(several("DELETE"));
    }
    let table = table_of(&from.relation, "DELETE")?;
    let which = match delete.selection {
        None => None,
        Some(condition) => Some(select(query_of(&from.relation, condition, &[])?)?),
    };
    Ok(Statement::ChangeRows(Box::new(ChangeRows { table, set: Vec::new(), which })))
}

/// `UPDATE`, of what `sqlparser` has read.
pub fn of_update(
    update: ast::Update,
    select: impl Fn(Query) -> Result<Select>,
) -> Result<Statement> {
    if !update.table.joins.is_empty() || update.from.is_some() || update.limit.is_some() {
        return Err(several("UPDATE"));
    }
    let table = table_of(&update.table.relation, "UPDATE")?;
    let set = update.assignments.iter().map(assignment).collect::<Result<Vec<_>>>()?;
    let condition = update.selection.unwrap_or_else(|| Expr::value(Literal::Boolean(true)));
    let which = select(query_of(&update.table.relation, condition, &set)?)?;
    Ok(Statement::ChangeRows(Box::new(ChangeRows { table, set, which: Some(which) })))
}

fn several(what: &str) -> Error {
    Error::Unsupported {
        what: format!("{what} of more than one table, or with LIMIT"),
        hint: Some("WHERE may have subqueries".to_owned()),
    }
}

fn table_of(relation: &TableFactor, what: &str) -> Result<QualifiedName> {
    match relation {
        TableFactor::Table { name, args: None, .. } => name_of(name),
        _ => Err(several(what)),
    }
}

/// `SELECT <condition>, <value>, ... FROM <table>`
fn query_of(table: &TableFactor, condition: Expr, set: &[(String, Expr)]) -> Result<Query> {
    let mut query = dialect::query("SELECT 1 FROM t")?;
    let SetExpr::Select(select) = &mut *query.body else { return Err(several("A change")) };
    let truth = |value| Expr::value(Literal::Boolean(value));
    let condition = Expr::Case {
        case_token: ast::helpers::attached_token::AttachedToken::empty(),
        end_token: ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: truth(true) }],
        else_result: Some(Box::new(truth(false))),
    };
    select.projection = std::iter::once(condition)
        .chain(set.iter().map(|(_, value)| value.clone()))
        .map(SelectItem::UnnamedExpr)
        .collect();
    if let Some(from) = select.from.first_mut() {
        from.relation = table.clone();
    }
    Ok(query)
}

impl ChangeRows {
    /// Changes or removes the rows.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let (name, table) = kept::find(session, &self.table, StagePrivilege::Write).await?;
        let Some(which) = &self.which else {
            let rows = kept::rows(session, &name, &table, "the_table")?;
            let removed = session.instance.engine.rewrite(rows, Change::RemoveAll).await?;
            return Ok(Outcome::affected(removed));
        };
        let names: Vec<String> = self.set.iter().map(|(name, _)| name.clone()).collect();
        let positions = if names.is_empty() { Vec::new() } else { positions(&table, &names)? };
        let mut query = files::query(which, session).await?;
        let target = target(&mut query)?;
        let change = match self.set.is_empty() {
            true => Change::Remove(query),
            false => Change::Set(positions, query),
        };
        Ok(Outcome::affected(session.instance.engine.rewrite(target, change).await?))
    }
}

/// Takes the table out of the query that is to be changed: what else names it means its rows as they were.
fn target(query: &mut crate::query::Query) -> Result<KeptTable> {
    let internal = || Error::Internal { what: "a change of no table".to_owned() };
    let SetExpr::Select(select) = &*query.ast.body else { return Err(internal()) };
    let Some(TableFactor::Table { name, .. }) = select.from.first().map(|from| &from.relation)
    else {
        return Err(internal());
    };
    let name = name.to_string();
    let at = query.kept.iter().position(|table| table.name == name).ok_or_else(internal)?;
    Ok(query.kept.remove(at))
}

impl fmt::Display for Insert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INSERT INTO {}", self.table)?;
        if !self.columns.is_empty() {
            let columns: Vec<String> =
                self.columns.iter().map(|name| literal::name(name)).collect();
            write!(f, " ({})", columns.join(", "))?;
        }
        write!(f, " {}", self.select)
    }
}

impl fmt::Display for ChangeRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = self.which.as_ref().and_then(|which| match &*which.query.body {
            SetExpr::Select(select) => select.projection.first().cloned(),
            _ => None,
        });
        let condition = match which {
            Some(SelectItem::UnnamedExpr(Expr::Case { conditions, .. })) => {
                conditions.into_iter().next().map(|when| format!(" WHERE {}", when.condition))
            }
            _ => None,
        };
        let set: Vec<String> = self
            .set
            .iter()
            .map(|(name, value)| format!("{} = {value}", literal::name(name)))
            .collect();
        match set.as_slice() {
            [] => write!(f, "DELETE FROM {}", self.table)?,
            set => write!(f, "UPDATE {} SET {}", self.table, set.join(", "))?,
        }
        f.write_str(&condition.unwrap_or_default())
    }
}
