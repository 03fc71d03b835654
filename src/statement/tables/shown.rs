//! What `SHOW` shows and no table has.

use super::{Col, Table, World, int, none, text};
use crate::rows::{Row, Type};
use crate::session::Session;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "BINARY_LOG_STATUS",
        columns: &[
            text("FILE"),
            int("POSITION"),
            text("BINLOG_DO_DB"),
            text("BINLOG_IGNORE_DB"),
            text("EXECUTED_GTID_SET"),
        ],
        rows: none,
    },
    Table {
        name: "OPEN_TABLES",
        columns: &[text("DATABASE"), text("TABLE"), int("IN_USE"), int("NAME_LOCKED")],
        rows: none,
    },
    Table {
        name: "PRIVILEGES",
        columns: &[text("PRIVILEGE"), text("CONTEXT"), text("COMMENT")],
        rows: privileges,
    },
    Table {
        name: "PROFILES",
        columns: &[int("QUERY_ID"), Col("DURATION", Type::Double, false), text("QUERY")],
        rows: none,
    },
];

/// Name, what it can be granted on, what it lets one do.
const PRIVILEGES: &[(&str, &str, &str)] = &[
    ("Alter", "Tables", "To alter stages"),
    ("Create", "Databases,Tables,Indexes", "To create databases and stages"),
    ("Create temporary tables", "Databases", "To create temporary stages"),
    ("Create user", "Server Admin", "To create users"),
    ("Delete", "Tables", "To remove files"),
    ("Drop", "Databases,Tables", "To drop databases and stages"),
    ("File", "File access on server", "To read files on the server"),
    ("Grant option", "Databases,Tables,Functions,Procedures", "To give what one has to others"),
    ("Insert", "Tables", "To put files"),
    ("Process", "Server Admin", "To see what others run"),
    ("Select", "Tables", "To list and get files"),
    ("Show databases", "Server Admin", "To see all databases"),
    ("Super", "Server Admin", "To kill what others run"),
    ("Update", "Tables", "To replace files"),
    ("Usage", "Server Admin", "No privileges - allow connect only"),
];

fn privileges(_: &World, _: &Session) -> Vec<Row> {
    let privileges = PRIVILEGES.iter();
    privileges.map(|(name, on, what)| vec![(*name).into(), (*on).into(), (*what).into()]).collect()
}
