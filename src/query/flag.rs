//! Comparisons of what is true or false with numbers and texts. To MySQL `BOOLEAN` is a number: `flag = 1`,
//! `flag IN (0, 1)` and `flag <> '0'` are what drivers and tools write. DataFusion compares no such two.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::expr::{Case, InList};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Between, Expr, ExprSchemable, cast};
use datafusion::prelude::SessionContext;

use super::functions::to_number;

/// Both sides of a comparison, if one of them is true or false and the other is not: as numbers; or both as true or
/// false, where the other is 1 or 0, for the sake of who passes over files by that.
pub(super) fn sides(left: &Expr, right: &Expr, schema: &DFSchema) -> Option<(Expr, Expr)> {
    match (is_flag(left, schema)?, is_flag(right, schema)?) {
        (true, false) => match truth(right) {
            Some(right) => Some((left.clone(), right)),
            None => Some((number(left, schema), number(right, schema))),
        },
        (false, true) => sides(right, left, schema).map(|(right, left)| (left, right)),
        _ => None,
    }
}

/// Does the same for lists and ranges.
pub(super) fn register(context: &mut SessionContext) -> Result<()> {
    context.register_function_rewrite(Arc::new(Flags))
}

#[derive(Debug)]
struct Flags;

impl FunctionRewrite for Flags {
    fn name(&self) -> &'static str {
        "flags"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        Ok(match &expr {
            Expr::InList(list) => match in_list(list, schema) {
                Some(list) => Transformed::yes(Expr::InList(list)),
                None => Transformed::no(expr),
            },
            Expr::Case(case) => match compared(case, schema) {
                Some(case) => Transformed::yes(Expr::Case(case)),
                None => Transformed::no(expr),
            },
            Expr::Between(Between { expr: value, negated, low, high })
                if is_flag(value, schema) == Some(true) =>
            {
                let [value, low, high] =
                    [value, low, high].map(|side| Box::new(number(side, schema)));
                Transformed::yes(Expr::Between(Between {
                    expr: value,
                    negated: *negated,
                    low,
                    high,
                }))
            }
            _ => Transformed::no(expr),
        })
    }
}

fn in_list(list: &InList, schema: &DFSchema) -> Option<InList> {
    let others = list.list.iter().any(|one| is_flag(one, schema) == Some(false));
    if !others || is_flag(&list.expr, schema) != Some(true) {
        return None;
    }
    if let Some(truths) = list.list.iter().map(truth).collect() {
        return Some(InList { list: truths, ..list.clone() });
    }
    let expr = Box::new(number(&list.expr, schema));
    let numbers = list.list.iter().map(|one| number(one, schema)).collect();
    Some(InList { expr, list: numbers, negated: list.negated })
}

/// `CASE flag WHEN 1 THEN ...`
fn compared(case: &Case, schema: &DFSchema) -> Option<Case> {
    let operand = case.expr.as_ref().filter(|expr| is_flag(expr, schema) == Some(true))?;
    if !case.when_then_expr.iter().any(|(when, _)| is_flag(when, schema) == Some(false)) {
        return None;
    }
    let whens = case.when_then_expr.iter();
    Some(Case {
        expr: Some(Box::new(number(operand, schema))),
        when_then_expr: whens
            .map(|(when, then)| (Box::new(number(when, schema)), then.clone()))
            .collect(),
        else_expr: case.else_expr.clone(),
    })
}

/// `None` for `NULL` and for what has no type yet.
fn is_flag(expr: &Expr, schema: &DFSchema) -> Option<bool> {
    match expr.get_type(schema).ok()? {
        DataType::Boolean => Some(true),
        ty if ty.is_numeric() || ty.is_string() => Some(false),
        _ => None,
    }
}

/// 1 and 0 as true and false.
fn truth(expr: &Expr) -> Option<Expr> {
    let Expr::Literal(value, _) = expr else { return None };
    let flag = match value {
        ScalarValue::Int64(Some(1)) | ScalarValue::UInt64(Some(1)) => true,
        ScalarValue::Int64(Some(0)) | ScalarValue::UInt64(Some(0)) => false,
        ScalarValue::Boolean(Some(flag)) => *flag,
        _ => return None,
    };
    Some(Expr::Literal(ScalarValue::Boolean(Some(flag)), None))
}

fn number(expr: &Expr, schema: &DFSchema) -> Expr {
    match expr.get_type(schema) {
        Ok(DataType::Boolean) => cast(expr.clone(), DataType::Int64),
        Ok(ty) if ty.is_string() => to_number(expr.clone()),
        _ => expr.clone(),
    }
}
