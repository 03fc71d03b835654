//! `GROUP BY a, b WITH ROLLUP`: a function to DataFusion, which gives the rows in any order. MySQL's stand in the order
//! of the groups, each group of groups with its own row behind it.

use sqlparser::ast::{
    Expr, GroupByExpr, GroupByWithModifier, OrderBy, OrderByExpr, OrderByKind, OrderByOptions,
    Query, Select, SelectItem, SetExpr, Value,
};

use super::rewrite::function;

/// Makes it a function.
pub(super) fn as_function(select: &mut Select) {
    if let GroupByExpr::Expressions(by, modifiers) = &mut select.group_by
        && modifiers.as_slice() == [GroupByWithModifier::Rollup]
    {
        modifiers.clear();
        let sets = by.drain(..).map(|key| vec![meant(&key, &select.projection)]).collect();
        by.push(Expr::Rollup(sets));
    }
}

/// Orders the rows of such a query, if it has no order of its own.
pub(super) fn in_order(query: &mut Query) {
    let SetExpr::Select(select) = &*query.body else { return };
    let GroupByExpr::Expressions(by, modifiers) = &select.group_by else { return };
    if query.order_by.is_some() || modifiers.as_slice() != [GroupByWithModifier::Rollup] {
        return;
    }
    let keys = by.iter().map(|key| meant(key, &select.projection));
    let exprs = keys.flat_map(|key| [function("grouping", vec![key.clone()]), key]);
    let ascending = |expr| OrderByExpr {
        expr,
        options: OrderByOptions { asc: None, nulls_first: None },
        with_fill: None,
    };
    let kind = OrderByKind::Expressions(exprs.map(ascending).collect());
    query.order_by = Some(OrderBy { kind, interpolate: None });
}

/// What a key stands for: the number or the alias of what is selected, or itself.
fn meant(key: &Expr, selected: &[SelectItem]) -> Expr {
    let number = match key {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<usize>().ok(),
            _ => None,
        },
        _ => None,
    };
    let by_number = number.and_then(|number| selected.get(number.checked_sub(1)?));
    let by_alias = || {
        selected.iter().find(|item| {
            matches!((item, key), (SelectItem::ExprWithAlias { alias, .. }, Expr::Identifier(name))
                if alias.value.eq_ignore_ascii_case(&name.value))
        })
    };
    match by_number.or_else(by_alias) {
        Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => {
            expr.clone()
        }
        _ => key.clone(),
    }
}
