//! `SELECT` over the tables that describe the server, and over none: what clients ask about the server,
//! its stages and their connection.
//!
//! ```text
//! > SELECT @@version_comment, DATABASE(), 1 + 1
//! @@version_comment  DATABASE()  1 + 1
//! Stagewire          default     2
//! > SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
//! TABLE_NAME
//! lake
//! > SELECT * FROM t
//! ERROR 1146 (42S02): Table 'default.t' doesn't exist
//! ```
//!
//! A stage stands for the table of its files. Small on purpose: everything is in memory, and queries of
//! what is *in* files are for an engine (`files`). `from` makes the rows, `group` puts them together.

mod calls;
pub mod files;
mod fold;
mod from;
mod group;
mod template;
mod wanted;

pub use template::template;
pub(super) use wanted::Wanted;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

use sqlparser::ast::{
    Distinct, Expr, LimitClause, OrderByExpr, OrderByKind, Query, Select as SelectBody, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Value as Literal,
};

use self::from::Relation;
use crate::error::{Error, Result};
use crate::query::Engine;
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::sql::dialect;
use crate::statement::expression::{
    Field, Frame, Names, compare, evaluate, find_field, name_parts, truth, types, with_stack,
};
use crate::statement::tables::World;

/// `SELECT`
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// What is asked.
    pub query: Query,
    /// What is selected, each as it was written.
    pub texts: Vec<String>,
}

/// Columns and rows.
type Table = (Vec<Column>, Vec<Row>);

impl Select {
    /// All of a table, by its name as SQL has it; a location in single quotes is one.
    pub fn of_all(name: &str) -> Result<Select> {
        let query = dialect::query(&format!("SELECT * FROM {name}"))?;
        Ok(Select { query, texts: vec!["*".to_owned()] })
    }

    /// The columns, as far as they are known before the tables are.
    pub fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        let (mut columns, _) = run(&self.query, session, Some(&World::blank()), None)?;
        self.name(&mut columns);
        Ok(columns)
    }

    /// What is wrong with a query whose columns are not to be had: without a look at the catalog every
    /// table was taken for a stage, and that there is none comes before the names of columns.
    async fn wrong(&self, session: &Session, error: Error) -> Error {
        let Ok(world) = World::without_files(session, &self.query).await else { return error };
        match run(&self.query, session, Some(&world), None) {
            Err(
                missing @ (Error::UnknownTable { .. }
                | Error::UnknownView { .. }
                | Error::UnknownDatabase { .. }),
            ) => missing,
            Ok(_) | Err(_) => error,
        }
    }

    /// The columns, wherever they come from.
    pub async fn known_columns(&self, session: &Session) -> Result<Vec<Column>> {
        if files::are_in(&self.query, session).await? {
            return self.columns_by_engine(session).await;
        }
        match self.columns(session) {
            Err(Error::Unsupported { .. }) if Engine::IS_THERE => {
                self.columns_by_engine(session).await
            }
            // It knows more functions.
            Err(error @ Error::UnknownFunction { .. }) if Engine::IS_THERE => {
                match self.columns_by_engine(session).await {
                    Ok(columns) => Ok(columns),
                    Err(_) => Err(self.wrong(session, error).await),
                }
            }
            Err(error) => Err(self.wrong(session, error).await),
            known => known,
        }
    }

    async fn columns_by_engine(&self, session: &Session) -> Result<Vec<Column>> {
        let query = files::query(self, session).await?;
        session.instance.engine.columns(query).await
    }

    /// Computes it. What most queries don't come to is on the heap: a future is moved when it is made, and one that has
    /// room for all of this has many KiB.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        if files::are_in(&self.query, session).await? {
            return Box::pin(self.by_engine(session)).await;
        }
        match self.by_ourselves(session).await {
            Err(Error::Unsupported { .. }) if Engine::IS_THERE => {
                Box::pin(self.by_engine(session)).await
            }
            Err(error @ Error::UnknownFunction { .. }) if Engine::IS_THERE => {
                Box::pin(self.by_engine(session)).await.map_err(|_| error)
            }
            computed => computed,
        }
    }

    async fn by_engine(&self, session: &mut Session) -> Result<Outcome> {
        let query = files::query(self, session).await?;
        let (columns, rows) = session.instance.engine.run(query).await?;
        Ok(Outcome::Rows { columns, rows })
    }

    async fn by_ourselves(&self, session: &mut Session) -> Result<Outcome> {
        let world = World::of_query(session, &self.query).await?;
        let (mut columns, mut rows) = run(&self.query, session, Some(&world), None)?;
        self.name(&mut columns);
        if self.query.limit_clause.is_none()
            && let Value::UInt(limit) = session.variables.get(session, None, "sql_select_limit")?
        {
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        session.found_rows = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(Outcome::rows(columns, rows))
    }

    /// Names what has no name of its own as it was written.
    fn name(&self, columns: &mut [Column]) {
        let Some(projection) = projection(&self.query.body) else { return };
        if projection.len() != columns.len() || projection.len() != self.texts.len() {
            return;
        }
        for ((column, item), text) in columns.iter_mut().zip(projection).zip(&self.texts) {
            if let SelectItem::UnnamedExpr(expr) = item
                && name_parts(expr).is_none()
                && text_of(expr).is_none()
            {
                column.name.clone_from(text);
            }
        }
    }
}

/// Computes a query, which may see the row of one around it.
pub fn run(
    query: &Query,
    session: &Session,
    world: Option<&World>,
    outer: Option<&Frame<'_>>,
) -> Result<Table> {
    if query.with.is_some() {
        return Err(unsupported("WITH"));
    }
    let context = Context { session, world, outer };
    let order = match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(order)) => order.as_slice(),
        Some(OrderByKind::All(_)) | None => &[],
    };
    let (mut columns, mut rows) = if let SetExpr::Select(select) = &*query.body {
        context.select(select, order)?
    } else {
        let (columns, rows) = context.body(&query.body)?;
        let rows = context.sorted(&columns, rows, order)?;
        (columns, rows)
    };
    if let Some(limit) = &query.limit_clause {
        let (offset, count) = context.limits(limit)?;
        rows = rows.into_iter().skip(offset).take(count).collect();
    }
    types::fit(&mut columns, &mut rows);
    Ok((columns, rows))
}

/// What the first part of a query selects.
#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for a query engine")]
fn projection(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::Query(query) => projection(&query.body),
        SetExpr::SetOperation { left, .. } => projection(left),
        _ => None,
    }
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::Unsupported { what: what.into(), hint: None }
}

/// What a query is computed in.
#[derive(Clone, Copy)]
struct Context<'a> {
    session: &'a Session,
    world: Option<&'a World>,
    outer: Option<&'a Frame<'a>>,
}

/// A column of the answer.
struct Item {
    name: String,
    expr: Expr,
}

impl Context<'_> {
    fn names<'b>(&'b self, frame: &'b Frame<'b>) -> Names<'b> {
        Names { world: self.world, frame: Some(frame), ..Names::of(self.session) }
    }

    fn body(&self, body: &SetExpr) -> Result<Table> {
        with_stack(|| self.part(body))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for a query engine")]
    fn part(&self, body: &SetExpr) -> Result<Table> {
        match body {
            SetExpr::Select(select) => self.select(select, &[]),
            SetExpr::Query(query) => run(query, self.session, self.world, self.outer),
            SetExpr::SetOperation { op: SetOperator::Union, left, right, set_quantifier } => {
                let (columns, rows) = self.body(left)?;
                let (columns, mut rows) = union(columns, rows, self.body(right)?)?;
                if *set_quantifier != SetQuantifier::All {
                    distinct(&mut rows);
                }
                Ok((columns, rows))
            }
            other => Err(unsupported(format!("The query {other}"))),
        }
    }

    fn select(&self, select: &SelectBody, order: &[OrderByExpr]) -> Result<Table> {
        if select.into.is_some() {
            return Err(unsupported("SELECT ... INTO"));
        }
        let mut relation = self.relation(&select.from, select.selection.as_ref())?;
        if let Some(condition) = &select.selection {
            relation.rows = self.filtered(&relation, condition)?;
        }
        let items = items(&select.projection, &relation.fields)?;
        let columns = self.columns(&items, &relation.fields)?;
        let groups = self.groups(select, order, &items, &relation)?;
        let nothing: Row = relation.fields.iter().map(|_| Value::Null).collect();
        let (mut rows, mut keys) = (Vec::new(), Vec::new());
        for group in &groups {
            self.session.go_on()?;
            let first: &Row = group.rows.first().copied().unwrap_or(&nothing);
            let frame = Frame { fields: &relation.fields, row: first, outer: self.outer };
            let grouped = group.aggregated.then_some(group.rows.as_slice());
            let names = Names { group: grouped, ..self.names(&frame) };
            let row =
                items.iter().map(|item| evaluate(&item.expr, names)).collect::<Result<Row>>()?;
            let names = Names { aliases: Some((&columns, &row)), ..names };
            if let Some(having) = &select.having
                && truth(&evaluate(having, names)?) != Some(true)
            {
                continue;
            }
            keys.push(order.iter().map(|by| key(&by.expr, names)).collect::<Result<Row>>()?);
            rows.push(row);
        }
        let mut rows = in_order(rows, keys, order);
        if matches!(select.distinct, Some(Distinct::Distinct)) {
            distinct(&mut rows);
        }
        Ok((columns, rows))
    }

    fn filtered(&self, relation: &Relation, condition: &Expr) -> Result<Vec<Row>> {
        let mut kept = Vec::new();
        for row in &relation.rows {
            self.session.go_on()?;
            let frame = Frame { fields: &relation.fields, row, outer: self.outer };
            if truth(&evaluate(condition, self.names(&frame))?) == Some(true) {
                kept.push(row.clone());
            }
        }
        Ok(kept)
    }

    fn columns(&self, items: &[Item], fields: &[Field]) -> Result<Vec<Column>> {
        let samples: Row = fields.iter().map(|field| types::sample(field.column.ty)).collect();
        let sample = Frame { fields, row: &samples, outer: self.outer };
        // So that COUNT is one of them too.
        let group = [&samples];
        let names = Names { group: Some(&group), ..self.names(&sample) };
        items
            .iter()
            .map(|item| Ok(Column::nullable(item.name.clone(), types::of(&item.expr, names)?)))
            .collect()
    }

    /// The rows of a `UNION`: only the names of its columns are known behind it.
    fn sorted(
        &self,
        columns: &[Column],
        rows: Vec<Row>,
        order: &[OrderByExpr],
    ) -> Result<Vec<Row>> {
        let keys = rows
            .iter()
            .map(|row| {
                let frame = Frame { fields: &[], row: &[], outer: self.outer };
                let names = Names { aliases: Some((columns, row)), ..self.names(&frame) };
                order.iter().map(|by| key(&by.expr, names)).collect::<Result<Row>>()
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(in_order(rows, keys, order))
    }

    fn limits(&self, limit: &LimitClause) -> Result<(usize, usize)> {
        let number = |expr: &Expr| {
            let value = evaluate(expr, Names::of(self.session))?;
            // The parameter of a statement that is being prepared.
            if value == Value::Null && self.world.is_some_and(World::is_blank) {
                return Ok(0);
            }
            value.to_string().parse::<usize>().map_err(|_| Error::Syntax {
                expected: "a whole number after LIMIT".to_owned(),
                found: format!("'{value}'"),
                at: None,
                hint: None,
            })
        };
        match limit {
            LimitClause::LimitOffset { limit, offset, .. } => {
                let count = limit.as_ref().map_or(Ok(usize::MAX), number)?;
                let offset = offset.as_ref().map_or(Ok(0), |offset| number(&offset.value))?;
                Ok((offset, count))
            }
            LimitClause::OffsetCommaLimit { offset, limit } => {
                Ok((number(offset)?, number(limit)?))
            }
        }
    }
}

/// What `ORDER BY` sorts by: a column by its number, else an expression.
fn key(expr: &Expr, names: Names<'_>) -> Result<Value> {
    match (position(expr), names.aliases) {
        (Some(position), Some((_, row))) => row
            .get(position)
            .cloned()
            .ok_or_else(|| Error::UnknownColumn { name: (position + 1).to_string() }),
        _ => evaluate(expr, names),
    }
}

/// The column that `ORDER BY 2` and `GROUP BY 2` mean, from 0.
fn position(expr: &Expr) -> Option<usize> {
    let Expr::Value(literal) = expr else { return None };
    let Literal::Number(digits, _) = &literal.value else { return None };
    digits.parse::<usize>().ok()?.checked_sub(1)
}

fn in_order(rows: Vec<Row>, keys: Vec<Row>, order: &[OrderByExpr]) -> Vec<Row> {
    if order.is_empty() {
        return rows;
    }
    let mut keyed: Vec<(Row, Row)> = keys.into_iter().zip(rows).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let parts = order.iter().zip(a.iter().zip(b)).map(|(by, (a, b))| {
            let order = nulls_first(a, b);
            if by.options.asc == Some(false) { order.reverse() } else { order }
        });
        parts.fold(Ordering::Equal, Ordering::then)
    });
    keyed.into_iter().map(|(_, row)| row).collect()
}

fn nulls_first(a: &Value, b: &Value) -> Ordering {
    compare(a, b).unwrap_or_else(|| (*a != Value::Null).cmp(&(*b != Value::Null)))
}

/// Leaves each row once, without regard to case.
fn distinct(rows: &mut Vec<Row>) {
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(group::identity(row)));
}

/// The rows of both, under the names of the first, with types that hold the values of both.
fn union(mut columns: Vec<Column>, mut rows: Vec<Row>, (others, more): Table) -> Result<Table> {
    if columns.len() != others.len() {
        return Err(Error::DifferentColumns);
    }
    rows.extend(more);
    for (index, (column, other)) in columns.iter_mut().zip(others).enumerate() {
        let ty = types::merge(column.ty, other.ty);
        if ty == Type::Text && (column.ty != ty || other.ty != ty) {
            for value in rows.iter_mut().filter_map(|row| row.get_mut(index)) {
                *value = types::convert(std::mem::replace(value, Value::Null), ty);
            }
        }
        column.ty = ty;
    }
    Ok((columns, rows))
}

/// What is selected, with each `*` spelled out.
fn items(projection: &[SelectItem], fields: &[Field]) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for item in projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                items.push(Item { name: name(expr, fields), expr: expr.clone() });
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                items.push(Item { name: alias.value.clone(), expr: expr.clone() });
            }
            SelectItem::Wildcard(_) if !fields.is_empty() => {
                items.extend(fields.iter().filter(|field| !field.merged).map(Item::of_field));
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(table),
                _,
            ) => {
                let table = table.0.last().and_then(|part| part.as_ident());
                let table = table.map_or("", |table| table.value.as_str());
                let of_table = |field: &&Field| field.table.eq_ignore_ascii_case(table);
                let before = items.len();
                items.extend(fields.iter().filter(of_table).map(Item::of_field));
                if items.len() == before {
                    return Err(Error::UnlistedTable { name: table.to_owned() });
                }
            }
            SelectItem::Wildcard(_) => return Err(Error::NoTables),
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) => {
                return Err(unsupported(item.to_string()));
            }
        }
    }
    Ok(items)
}

impl Item {
    fn of_field(field: &Field) -> Item {
        let name = field.column.name.clone();
        let parts = vec![field.table.as_str().into(), name.as_str().into()];
        Item { name, expr: Expr::CompoundIdentifier(parts) }
    }
}

/// The name of an unaliased column: of a column, its own; of a text literal, the text; else the
/// expression as it is written.
fn name(expr: &Expr, fields: &[Field]) -> String {
    if let Some(text) = text_of(expr) {
        return text;
    }
    let Some(parts) = name_parts(expr) else { return expr.to_string() };
    let field = find_field(fields, &parts).ok().flatten().and_then(|index| fields.get(index));
    field.map_or_else(|| expr.to_string(), |field| field.column.name.clone())
}

/// The text of a text literal.
fn text_of(expr: &Expr) -> Option<String> {
    let Expr::Value(literal) = expr else { return None };
    literal.value.clone().into_string()
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dialect::printed(&self.query))
    }
}
