//! Columns of outer tables: in `SELECT ... FROM emp WHERE EXISTS (SELECT 1 FROM sale WHERE sale.emp = emp.id)` DataFusion
//! takes `emp.id` for a part of the column `sale.emp`. So an outer table gets another name where a column has its own.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

/// What the new names end with, which nobody has a reason to write.
const OUTER: &str = "$outer";

/// Renames the outer tables of a query whose names are in lower case; `columns` are those of all its tables.
pub(super) fn rename(query: &mut Query, columns: &HashMap<String, String>) {
    let mut finder = Finder { columns, scopes: Vec::new(), found: HashSet::new() };
    let _ = query.visit(&mut finder);
    if !finder.found.is_empty() {
        let _ = query.visit(&mut Renamer { names: finder.found, scopes: Vec::new() });
    }
}

/// The tables of each query around an expression, the innermost last.
type Scopes = Vec<HashSet<String>>;

/// Finds outer tables that have the name of a column.
struct Finder<'a> {
    columns: &'a HashMap<String, String>,
    scopes: Scopes,
    found: HashSet<String>,
}

impl VisitorMut for Finder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scopes.push(tables(&query.body));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [table, _] = parts.as_slice()
            && self.columns.contains_key(&table.value)
        {
            let nearest = self.scopes.iter().rposition(|scope| scope.contains(&table.value));
            if nearest.is_some_and(|nearest| nearest + 1 < self.scopes.len()) {
                self.found.insert(table.value.clone());
            }
        }
        ControlFlow::Continue(())
    }
}

/// Renames all tables of these names, so none is taken for another.
struct Renamer {
    names: HashSet<String>,
    scopes: Scopes,
}

impl Renamer {
    /// If it is a table here.
    fn rename(&self, table: &mut Ident) {
        let is_there = || self.scopes.iter().any(|scope| scope.contains(&table.value));
        if self.names.contains(&table.value) && is_there() {
            *table = renamed(&table.value);
        }
    }
}

impl VisitorMut for Renamer {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scopes.push(tables(&query.body));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(kind, _) = item
                && let SelectItemQualifiedWildcardKind::ObjectName(name) = kind
                && let [part] = name.0.as_slice()
                && let Some(table) = part.as_ident()
            {
                let mut table = table.clone();
                self.rename(&mut table);
                *name = table.into();
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let Some(name) = name_of(table).filter(|name| self.names.contains(name)) else {
            return ControlFlow::Continue(());
        };
        if let TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } = table {
            let named = || TableAlias {
                explicit: true,
                name: Ident::new(name.as_str()),
                columns: Vec::new(),
                at: None,
            };
            alias.get_or_insert_with(named).name = renamed(&name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [table, _] = parts.as_mut_slice()
        {
            self.rename(table);
        }
        ControlFlow::Continue(())
    }
}

fn renamed(name: &str) -> Ident {
    Ident::with_quote('`', format!("{name}{OUTER}"))
}

/// The names by which the tables of a query are known in it.
fn tables(body: &SetExpr) -> HashSet<String> {
    match body {
        SetExpr::Select(select) => select.from.iter().flat_map(joined).collect(),
        SetExpr::SetOperation { left, right, .. } => &tables(left) | &tables(right),
        // A query in brackets has its own.
        _ => HashSet::new(),
    }
}

fn joined(from: &TableWithJoins) -> impl Iterator<Item = String> {
    let joins = from.joins.iter().map(|join| &join.relation);
    std::iter::once(&from.relation).chain(joins).filter_map(name_of)
}

fn name_of(table: &TableFactor) -> Option<String> {
    match table {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. } => Some(alias.name.value.clone()),
        TableFactor::Table { name, .. } => Some(name.0.last()?.as_ident()?.value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_outer_tables_with_the_name_of_a_column_are_renamed() {
        let renamed = |sql: &str, columns: &[&str]| {
            let mut query = crate::sql::dialect::query(sql).expect(sql);
            let columns = columns.iter().map(|name| ((*name).to_owned(), (*name).to_owned()));
            rename(&mut query, &columns.collect());
            query.to_string()
        };
        let sql = "SELECT emp.*, emp.id FROM emp WHERE EXISTS (SELECT 1 FROM sale WHERE sale.emp = emp.id)";
        assert_eq!(
            renamed(sql, &["emp", "id"]),
            "SELECT `emp$outer`.*, `emp$outer`.id FROM emp AS `emp$outer` \
             WHERE EXISTS (SELECT 1 FROM sale WHERE sale.emp = `emp$outer`.id)"
        );
        assert_eq!(renamed(sql, &["id"]), sql);
        // A table of its own, and a part of a column.
        let own = "SELECT (SELECT emp.id FROM emp) FROM emp";
        assert_eq!(renamed(own, &["emp"]), own);
        let part = "SELECT (SELECT emp.id FROM sale) FROM lake";
        assert_eq!(renamed(part, &["emp"]), part);
    }
}
