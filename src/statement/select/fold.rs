//! What a query asks about the session, replaced by the answer: the engine knows neither the connection nor its
//! variables.

use std::ops::ControlFlow;

use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, TimezoneInfo,
    TypedString, Value as Literal, VisitorMut,
};

use crate::error::Error;
use crate::rows::Value;
use crate::session::Session;
use crate::statement::expression::{Names, evaluate};

/// Functions that ask about the connection or the moment: the engine knows neither.
const OF_THE_SESSION: &[&str] = &[
    "CONNECTION_ID",
    "CURDATE",
    "CURRENT_DATE",
    "CURRENT_ROLE",
    "CURRENT_ROLES",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "CURTIME",
    "DATABASE",
    "FOUND_ROWS",
    "LAST_INSERT_ID",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NOW",
    "ROW_COUNT",
    "SCHEMA",
    "SESSION_USER",
    "SYSDATE",
    "SYSTEM_USER",
    "USER",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
    "VERSION",
];

/// Replaces what asks about the session by what it says.
pub(super) struct Folder<'a> {
    pub(super) session: &'a Session,
}

impl VisitorMut for Folder<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if !asks_the_session(expr) {
            return ControlFlow::Continue(());
        }
        match evaluate(expr, Names::of(self.session)) {
            Ok(value) => {
                *expr = literal(value);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is the engine's")]
fn asks_the_session(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(ident) => ident.value.starts_with('@') && ident.quote_style.is_none(),
        Expr::CompoundIdentifier(parts) => parts
            .first()
            .is_some_and(|first| first.value.starts_with("@@") && first.quote_style.is_none()),
        Expr::Function(Function { name, args, .. }) => {
            let plain = match args {
                FunctionArguments::None => true,
                FunctionArguments::List(list) => list.args.iter().all(|arg| {
                    matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_))))
                }),
                FunctionArguments::Subquery(_) => false,
            };
            plain && OF_THE_SESSION.contains(&name.to_string().to_uppercase().as_str())
        }
        _ => false,
    }
}

/// A value as it can be written in a query.
fn literal(value: Value) -> Expr {
    let typed = |ty: DataType, text: String| {
        Expr::TypedString(TypedString {
            data_type: ty,
            value: Literal::SingleQuotedString(text).into(),
            uses_odbc_syntax: false,
        })
    };
    let text = value.to_string();
    match value {
        Value::Null => Expr::value(Literal::Null),
        Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Double(_) | Value::Decimal(_) => {
            Expr::value(Literal::Number(text, false))
        }
        Value::Bytes(bytes) => Expr::value(Literal::HexStringLiteral(hex::encode(bytes))),
        Value::Date(_) => typed(DataType::Date, text),
        Value::DateTime(_) => typed(DataType::Timestamp(None, TimezoneInfo::None), text),
        Value::Text(_) | Value::Time(_) => Expr::value(Literal::SingleQuotedString(text)),
    }
}
