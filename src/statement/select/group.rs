//! `GROUP BY`, and `COUNT` and the like without it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{Expr, GroupByExpr, OrderByExpr, Query, Select, SelectItem, Visit, Visitor};

use super::from::Relation;
use super::{Context, Item, position, unsupported};
use crate::error::{Error, Result};
use crate::rows::{Row, Value};
use crate::statement::expression::{Frame, evaluate, find_field, is_aggregate};

/// Rows that give one row of the answer.
pub(super) struct Group<'a> {
    pub(super) rows: Vec<&'a Row>,
    /// Whether `COUNT` and the like are over them.
    pub(super) aggregated: bool,
}

/// What makes two rows the same: their values, without regard to case.
pub(super) fn identity(values: &[Value]) -> String {
    format!("{values:?}").to_lowercase()
}

impl Context<'_> {
    /// The rows of a relation, each for itself, or grouped as a query asks.
    pub(super) fn groups<'r>(
        &self,
        select: &Select,
        order: &[OrderByExpr],
        items: &[Item],
        relation: &'r Relation,
    ) -> Result<Vec<Group<'r>>> {
        let by = match &select.group_by {
            GroupByExpr::Expressions(by, modifiers) if modifiers.is_empty() => by.as_slice(),
            GroupByExpr::Expressions(..) | GroupByExpr::All(_) => {
                return Err(unsupported("GROUP BY ... WITH ROLLUP"));
            }
        };
        if by.is_empty() && !has_aggregate(select, order) {
            let rows = relation.rows.iter();
            return Ok(rows.map(|row| Group { rows: vec![row], aggregated: false }).collect());
        }
        if by.is_empty() {
            return Ok(vec![Group { rows: relation.rows.iter().collect(), aggregated: true }]);
        }
        let by =
            by.iter().map(|by| spelled_out(by, items, relation)).collect::<Result<Vec<_>>>()?;
        let mut groups: Vec<Group<'r>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in &relation.rows {
            let frame = Frame { fields: &relation.fields, row, outer: self.outer };
            let key =
                by.iter().map(|by| evaluate(by, self.names(&frame))).collect::<Result<Row>>()?;
            let place = *places.entry(identity(&key)).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { rows: vec![row], aggregated: true }),
            }
        }
        Ok(groups)
    }
}

/// `GROUP BY 1` and `GROUP BY alias` mean what is selected there.
fn spelled_out<'e>(by: &'e Expr, items: &'e [Item], relation: &Relation) -> Result<&'e Expr> {
    if let Some(position) = position(by) {
        let item = items.get(position).map(|item| &item.expr);
        return item.ok_or_else(|| Error::UnknownColumn { name: (position + 1).to_string() });
    }
    if let Expr::Identifier(name) = by
        && find_field(&relation.fields, &[name])?.is_none()
        && let Some(item) = items.iter().find(|item| item.name.eq_ignore_ascii_case(&name.value))
    {
        return Ok(&item.expr);
    }
    Ok(by)
}

/// Whether a query has `COUNT` or the like, not counting the queries inside it.
fn has_aggregate(select: &Select, order: &[OrderByExpr]) -> bool {
    let mut search = Search { depth: 0 };
    let mut found = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            expr.visit(&mut search).is_break()
        }
        SelectItem::ExprWithAliases { .. }
        | SelectItem::QualifiedWildcard(..)
        | SelectItem::Wildcard(_) => false,
    });
    found |= select.having.as_ref().is_some_and(|having| having.visit(&mut search).is_break());
    found || order.iter().any(|by| by.expr.visit(&mut search).is_break())
}

struct Search {
    depth: usize,
}

impl Visitor for Search {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && self.depth == 0
            && is_aggregate(function)
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
