//! `SELECT` without a table: what clients ask about the server and their connection.
//!
//! ```text
//! > SELECT @@version_comment, DATABASE(), 1 + 1
//! @@version_comment  DATABASE()  1 + 1
//! Stagewire          default     2
//! > SELECT * FROM t
//! ERROR 1146 (42S02): Table 'default.t' doesn't exist
//! ```

use std::fmt;

use sqlparser::ast::{
    Expr, LimitClause, Query, Select as SelectBody, SelectItem, SetExpr, SetOperator, TableFactor,
    TableWithJoins,
};

use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::statement::expression::{Condition, Names, evaluate};

/// `SELECT`
#[derive(Debug, Clone, PartialEq)]
pub struct Select(pub Query);

impl Select {
    /// The columns, with the types that the values have now.
    pub fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        Ok(self.run(session)?.0)
    }

    /// Computes it.
    pub fn execute(&self, session: &Session) -> Result<Outcome> {
        let (columns, rows) = self.run(session)?;
        Ok(Outcome::rows(columns, rows))
    }

    fn run(&self, session: &Session) -> Result<(Vec<Column>, Vec<Row>)> {
        let (columns, mut rows) = body(&self.0.body, session)?;
        if let Some(limit) = &self.0.limit_clause {
            let (offset, count) = limits(limit, session)?;
            rows = rows.into_iter().skip(offset).take(count).collect();
        }
        Ok((columns, rows))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for a query engine")]
fn body(expr: &SetExpr, session: &Session) -> Result<(Vec<Column>, Vec<Row>)> {
    match expr {
        SetExpr::Select(select) => one_select(select, session),
        SetExpr::Query(query) => Select((**query).clone()).run(session),
        SetExpr::SetOperation { op: SetOperator::Union, left, right, .. } => {
            let (columns, rows) = body(left, session)?;
            let (others, more) = body(right, session)?;
            union(columns, rows, others, more)
        }
        other => Err(Error::Unsupported { what: format!("The query {other}"), hint: None }),
    }
}

/// The rows of both, under the names of the first, with types that hold the values of both.
fn union(
    mut columns: Vec<Column>,
    mut rows: Vec<Row>,
    others: Vec<Column>,
    more: Vec<Row>,
) -> Result<(Vec<Column>, Vec<Row>)> {
    if columns.len() != others.len() {
        return Err(Error::DifferentColumns);
    }
    rows.extend(more);
    for (index, (column, other)) in columns.iter_mut().zip(others).enumerate() {
        match (column.ty, other.ty) {
            (ours, theirs) if ours == theirs => {}
            (_, Type::Null) => {}
            (Type::Null, theirs) => column.ty = theirs,
            (_, _) => {
                column.ty = Type::Text;
                for value in rows.iter_mut().filter_map(|row| row.get_mut(index)) {
                    if *value != Value::Null {
                        *value = Value::Text(value.to_string());
                    }
                }
            }
        }
    }
    Ok((columns, rows))
}

fn one_select(select: &SelectBody, session: &Session) -> Result<(Vec<Column>, Vec<Row>)> {
    no_table(&select.from, session)?;
    let names = Names { session, row: None, bare_words: false };
    let (mut columns, mut row) = (Vec::new(), Row::new());
    for item in &select.projection {
        let (name, expr) = match item {
            SelectItem::UnnamedExpr(expr) => (expr_name(expr), expr),
            SelectItem::ExprWithAlias { expr, alias } => (alias.value.clone(), expr),
            SelectItem::ExprWithAliases { .. }
            | SelectItem::QualifiedWildcard(..)
            | SelectItem::Wildcard(_) => {
                return Err(Error::Unsupported {
                    what: format!("{item} without a table"),
                    hint: Some("LIST @stage shows the files of a stage".to_owned()),
                });
            }
        };
        let value = evaluate(expr, names)?;
        columns.push(Column::nullable(name, value.ty()));
        row.push(value);
    }
    let wanted = match &select.selection {
        Some(condition) => Condition::from(condition.clone()).holds(session, &[], &Row::new())?,
        None => true,
    };
    Ok((columns, if wanted { vec![row] } else { Vec::new() }))
}

/// The name of an unaliased column: the text of the expression; of a text literal, the text.
fn expr_name(expr: &Expr) -> String {
    if let Expr::Value(literal) = expr
        && let Some(text) = literal.value.clone().into_string()
    {
        return text;
    }
    expr.to_string()
}

/// Nothing may be selected from but `DUAL`.
fn no_table(from: &[TableWithJoins], session: &Session) -> Result<()> {
    for table in from {
        let TableFactor::Table { name, .. } = &table.relation else {
            return Err(Error::Unsupported { what: format!("FROM {table}"), hint: None });
        };
        let parts: Vec<&str> = name
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .map(|part| part.value.as_str())
            .collect();
        match (parts.as_slice(), &session.database) {
            ([dual], _) if dual.eq_ignore_ascii_case("DUAL") => {}
            ([table], Some(database)) => {
                return Err(Error::UnknownTable { name: format!("{database}.{table}") });
            }
            (parts, _) => return Err(Error::UnknownTable { name: parts.join(".") }),
        }
    }
    Ok(())
}

fn limits(limit: &LimitClause, session: &Session) -> Result<(usize, usize)> {
    let number = |expr: &Expr| {
        let names = Names { session, row: None, bare_words: false };
        let value = evaluate(expr, names)?;
        value.to_string().parse::<usize>().map_err(|_| Error::BadValue {
            option: "LIMIT".to_owned(),
            value: value.to_string(),
            expected: "a whole number".to_owned(),
        })
    };
    match limit {
        LimitClause::LimitOffset { limit, offset, .. } => {
            let count = limit.as_ref().map_or(Ok(usize::MAX), number)?;
            let offset = offset.as_ref().map_or(Ok(0), |offset| number(&offset.value))?;
            Ok((offset, count))
        }
        LimitClause::OffsetCommaLimit { offset, limit } => Ok((number(offset)?, number(limit)?)),
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
