//! Functions over the rows of a group: `COUNT` and the like.

use std::cmp::Ordering;

use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments,
};

use super::functions::{count, extreme, name_of, unnamed};
use super::operators::{as_number, exact, quotient};
use super::{Frame, Names, compare, evaluate};
use crate::error::{Error, Result};
use crate::rows::Value;
use crate::rows::decimal::Decimal;

/// Functions over the rows of a group.
const AGGREGATES: &[&str] = &["COUNT", "MIN", "MAX", "SUM", "AVG", "GROUP_CONCAT", "ANY_VALUE"];

/// Whether a call is over the rows of a group.
pub fn is_aggregate(function: &Function) -> bool {
    AGGREGATES.contains(&name_of(function).as_str())
}

/// `COUNT(*)`, `MIN(x)`, `GROUP_CONCAT(DISTINCT x ORDER BY y SEPARATOR ';')` ...
pub(super) fn aggregate(name: &str, function: &Function, names: Names<'_>) -> Result<Value> {
    let (Some(group), Some(frame)) = (names.group, names.frame) else { return Err(Error::NoGroup) };
    let FunctionArguments::List(list) = &function.args else {
        return Err(Error::WrongArgumentCount { name: name.to_owned() });
    };
    if name == "COUNT"
        && matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
    {
        return Ok(count(group.len()));
    }
    let exprs = unnamed(&list.args)?;
    // `COUNT(DISTINCT a, b)` and `GROUP_CONCAT(a, b)`
    let several = name == "GROUP_CONCAT"
        || (name == "COUNT" && list.duplicate_treatment == Some(DuplicateTreatment::Distinct));
    if exprs.is_empty() || (exprs.len() > 1 && !several) {
        return Err(Error::WrongArgumentCount { name: name.to_owned() });
    }
    let order = list.clauses.iter().find_map(|clause| {
        if let FunctionArgumentClause::OrderBy(order) = clause { order.first() } else { None }
    });
    let mut found: Vec<(Value, Vec<Value>)> = Vec::new();
    for row in group {
        let frame = Frame { row, ..*frame };
        let names = Names { frame: Some(&frame), group: None, aliases: None, ..names };
        let values = exprs.iter().map(|expr| evaluate(expr, names)).collect::<Result<Vec<_>>>()?;
        let key = order.map_or(Ok(Value::Null), |order| evaluate(&order.expr, names))?;
        if !values.contains(&Value::Null) {
            found.push((key, values));
        }
    }
    if let Some(order) = order {
        found.sort_by(|(a, _), (b, _)| {
            let order_of = compare(a, b).unwrap_or(Ordering::Equal);
            if order.options.asc == Some(false) { order_of.reverse() } else { order_of }
        });
    }
    let mut values: Vec<Vec<Value>> = found.into_iter().map(|(_, values)| values).collect();
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        let mut seen = Vec::new();
        values.retain(|value| {
            let new = !seen.contains(value);
            if new {
                seen.push(value.clone());
            }
            new
        });
    }
    if name == "GROUP_CONCAT" {
        return Ok(joined(list, &values));
    }
    Ok(summed(name, values.into_iter().flatten().collect()))
}

fn joined(list: &FunctionArgumentList, values: &[Vec<Value>]) -> Value {
    if values.is_empty() {
        return Value::Null;
    }
    let separator = list.clauses.iter().find_map(|clause| {
        let FunctionArgumentClause::Separator(text) = clause else { return None };
        text.value.clone().into_string()
    });
    let texts: Vec<String> =
        values.iter().map(|values| values.iter().map(Value::to_string).collect()).collect();
    texts.join(separator.as_deref().unwrap_or(",")).into()
}

/// Exact, if all of them are.
fn sum(values: &[Value]) -> Value {
    let mut numbers = values.iter().map(exact);
    let exactly =
        numbers.try_fold(Decimal::from(0_u64), |sum, number| number.and_then(|n| sum.add(&n)));
    match exactly {
        Some(sum) => Value::Decimal(sum),
        None => Value::Double(values.iter().filter_map(as_number).sum()),
    }
}

fn summed(name: &str, values: Vec<Value>) -> Value {
    match name {
        "COUNT" => count(values.len()),
        "MIN" => extreme(&values, Ordering::Less),
        "MAX" => extreme(&values, Ordering::Greater),
        "ANY_VALUE" => values.into_iter().next().unwrap_or(Value::Null),
        _ if values.is_empty() => Value::Null,
        "AVG" => quotient(&sum(&values), &count(values.len())),
        _ => sum(&values),
    }
}
