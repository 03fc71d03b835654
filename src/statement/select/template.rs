//! `USING TEMPLATE`: the columns that files have, asked for in Snowflake's way.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of SQL's tree only a part means something here"
)]

use sqlparser::ast::{Expr, FunctionArg, FunctionArguments, SetExpr, TableFactor};

use super::Select;
use super::calls::Call;
use crate::error::{Error, Result};
use crate::rows::Column;
use crate::session::Session;

/// The columns that a query of `INFER_SCHEMA` tells.
pub async fn template(select: &Select, session: &Session) -> Result<Vec<Column>> {
    let (name, args) = call(select).ok_or_else(|| Error::BadValue {
        option: "USING TEMPLATE".to_owned(),
        value: select.to_string(),
        expected: "SELECT ARRAY_AGG(OBJECT_CONSTRUCT(*)) FROM TABLE(INFER_SCHEMA(LOCATION => '@stage/path'))"
            .to_owned(),
    })?;
    Call::of(&name, &args)?.columns(session).await
}

/// The function in the place of the only table.
fn call(select: &Select) -> Option<(String, Vec<FunctionArg>)> {
    let SetExpr::Select(body) = &*select.query.body else { return None };
    match body.from.as_slice() {
        [from] => match &from.relation {
            TableFactor::Table { name, args: Some(args), .. } => {
                Some((name.to_string(), args.args.clone()))
            }
            TableFactor::TableFunction { expr: Expr::Function(function), .. } => {
                match &function.args {
                    FunctionArguments::List(list) => {
                        Some((function.name.to_string(), list.args.clone()))
                    }
                    FunctionArguments::None | FunctionArguments::Subquery(_) => None,
                }
            }
            _ => None,
        },
        _ => None,
    }
}
