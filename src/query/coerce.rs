//! Implicit conversions that MySQL makes and DataFusion does not: a text that is computed with is a number.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use sqlparser::ast::BinaryOperator;

use super::flag;
use super::functions::to_number;

/// The planner, which is asked before DataFusion's own.
pub(super) fn planner() -> Arc<dyn ExprPlanner> {
    Arc::new(Coercion)
}

#[derive(Debug)]
struct Coercion;

impl ExprPlanner for Coercion {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if let Some(op) = comparison(&expr.op)
            && let Some((left, right)) = flag::sides(&expr.left, &expr.right, schema)
        {
            let compared = BinaryExpr { left: Box::new(left), op, right: Box::new(right) };
            return Ok(PlannerResult::Planned(Expr::BinaryExpr(compared)));
        }
        let op = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let computed = |side: &Expr| {
            Ok::<_, datafusion::common::DataFusionError>(is_no_number(&side.get_type(schema)?))
        };
        let (left, right) = (computed(&expr.left)?, computed(&expr.right)?);
        // A text and an interval are a moment.
        let apart = |side: &Expr| side.get_type(schema).is_ok_and(|ty| ty.is_temporal());
        if !(left || right) || apart(&expr.left) || apart(&expr.right) {
            return Ok(PlannerResult::Original(expr));
        }
        let RawBinaryExpr { left: a, right: b, .. } = expr;
        let number = |side, text| if text { to_number(side) } else { side };
        let (a, b) = (Box::new(number(a, left)), Box::new(number(b, right)));
        Ok(PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr { left: a, op, right: b })))
    }
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::Spaceship => Operator::IsNotDistinctFrom,
        _ => return None,
    })
}

fn is_no_number(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean)
}
