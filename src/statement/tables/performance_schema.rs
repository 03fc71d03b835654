//! What tools ask of `performance_schema`: variables, counters, connection attributes, connections.

use super::{Table, World, information_schema, int, int_or_null, text, text_or_null};
use crate::rows::{Row, Type, Value};
use crate::session::Session;
use crate::statement::expression::types;
use crate::statement::show_variables;
use crate::statement::variables::Scope;

const PAIR: &[super::Col] = &[text("VARIABLE_NAME"), text_or_null("VARIABLE_VALUE")];

const ATTRIBUTE: &[super::Col] = &[
    int("PROCESSLIST_ID"),
    text("ATTR_NAME"),
    text_or_null("ATTR_VALUE"),
    int_or_null("ORDINAL_POSITION"),
];

/// Sorted by name.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "global_status",
        columns: PAIR,
        rows: |_, session| pairs(show_variables::status(session)),
    },
    Table {
        name: "global_variables",
        columns: PAIR,
        rows: |_, session| pairs(session.variables.all(session, Scope::Global)),
    },
    Table {
        name: "processlist",
        columns: &[
            int("ID"),
            text_or_null("USER"),
            text_or_null("HOST"),
            text_or_null("DB"),
            text_or_null("COMMAND"),
            int_or_null("TIME"),
            text_or_null("STATE"),
            text_or_null("INFO"),
        ],
        rows: information_schema::processes,
    },
    Table { name: "session_account_connect_attrs", columns: ATTRIBUTE, rows: attributes },
    Table { name: "session_connect_attrs", columns: ATTRIBUTE, rows: attributes },
    Table {
        name: "session_status",
        columns: PAIR,
        rows: |_, session| pairs(show_variables::status(session)),
    },
    Table {
        name: "session_variables",
        columns: PAIR,
        rows: |_, session| pairs(session.variables.all(session, Scope::Session)),
    },
    Table {
        name: "user_variables_by_thread",
        columns: &[int("THREAD_ID"), text("VARIABLE_NAME"), text_or_null("VARIABLE_VALUE")],
        rows: user_variables,
    },
];

fn pairs(pairs: Vec<(&'static str, String)>) -> Vec<Row> {
    pairs.into_iter().map(|(name, value)| vec![name.into(), value.into()]).collect()
}

/// Of this connection alone.
fn attributes(_: &World, session: &Session) -> Vec<Row> {
    let id = u64::from(session.peer.connection_id);
    let attributes = (0_u64..).zip(&session.peer.attributes);
    attributes
        .map(|(place, (name, value))| {
            vec![id.into(), name.as_str().into(), value.as_str().into(), place.into()]
        })
        .collect()
}

fn user_variables(_: &World, session: &Session) -> Vec<Row> {
    let id = u64::from(session.peer.connection_id);
    let text = |value: &Value| types::convert(value.clone(), Type::Text);
    let variables = session.variables.all_user();
    variables.map(|(name, value)| vec![id.into(), name.into(), text(value)]).collect()
}
