//! What tools ask of the database `mysql`: who there is, and what is granted table by table (nothing).

use super::{Col, Table, int_or_null, moment_or_null, none, text, text_or_null};
use crate::rows::{Row, Value};
use crate::session::Session;

/// Sorted by name.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "columns_priv",
        columns: &[
            text("Host"),
            text("Db"),
            text("User"),
            text("Table_name"),
            text("Column_name"),
            moment_or_null("Timestamp"),
            text("Column_priv"),
        ],
        rows: none,
    },
    Table {
        name: "db",
        columns: &[
            text("Host"),
            text("Db"),
            text("User"),
            text("Select_priv"),
            text("Insert_priv"),
        ],
        rows: none,
    },
    Table {
        name: "func",
        columns: &[text("name"), int_or_null("ret"), text("dl"), text("type")],
        rows: none,
    },
    Table {
        name: "procs_priv",
        columns: &[
            text("Host"),
            text("Db"),
            text("User"),
            text("Routine_name"),
            text("Routine_type"),
            text("Grantor"),
            text("Proc_priv"),
            moment_or_null("Timestamp"),
        ],
        rows: none,
    },
    Table {
        name: "tables_priv",
        columns: &[
            text("Host"),
            text("Db"),
            text("User"),
            text("Table_name"),
            text("Grantor"),
            moment_or_null("Timestamp"),
            text("Table_priv"),
            text("Column_priv"),
        ],
        rows: none,
    },
    Table {
        name: "time_zone_name",
        columns: &[text("Name"), int_or_null("Time_zone_id")],
        rows: none,
    },
    Table { name: "user", columns: USER, rows: users },
];

/// Of which the first two say who, and those up to `max_questions` what he may.
const USER: &[Col] = &[
    text("Host"),
    text("User"),
    text("Select_priv"),
    text("Insert_priv"),
    text("Update_priv"),
    text("Delete_priv"),
    text("Create_priv"),
    text("Drop_priv"),
    text("Reload_priv"),
    text("Shutdown_priv"),
    text("Process_priv"),
    text("File_priv"),
    text("Grant_priv"),
    text("References_priv"),
    text("Index_priv"),
    text("Alter_priv"),
    text("Show_db_priv"),
    text("Super_priv"),
    text("Create_tmp_table_priv"),
    text("Lock_tables_priv"),
    text("Execute_priv"),
    text("Repl_slave_priv"),
    text("Repl_client_priv"),
    text("Create_view_priv"),
    text("Show_view_priv"),
    text("Create_routine_priv"),
    text("Alter_routine_priv"),
    text("Create_user_priv"),
    text("Event_priv"),
    text("Trigger_priv"),
    text("Create_tablespace_priv"),
    text("Create_role_priv"),
    text("Drop_role_priv"),
    int_or_null("max_questions"),
    int_or_null("max_updates"),
    int_or_null("max_connections"),
    int_or_null("max_user_connections"),
    text("plugin"),
    text_or_null("authentication_string"),
    text("password_expired"),
    text("account_locked"),
];

/// The one who asks; others are in `SHOW USERS`. No hash of a password is ever shown.
fn users(world: &super::World, session: &Session) -> Vec<Row> {
    let privileges = USER.iter().filter(|column| column.0.ends_with("_priv"));
    let mut row: Row = vec!["%".into(), session.peer.user.name.as_str().into()];
    let has = if world.admin { "Y" } else { "N" };
    row.extend(privileges.map(|_| Value::from(has)));
    row.extend(std::iter::repeat_n(Value::UInt(0), 4));
    row.extend([world.plugin.name().into(), Value::Null, "N".into(), "N".into()]);
    vec![row]
}
