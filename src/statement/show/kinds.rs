//! The table of what `SHOW` shows of the tables that describe the server.

/// A column that is shown, and the one of the table that it is.
pub(super) type Shown = (&'static str, &'static str);

/// One kind of `SHOW`.
#[derive(Debug, PartialEq)]
pub(super) struct Kind {
    /// What it may be called.
    pub(super) words: &'static [&'static [&'static str]],
    /// The table of `information_schema`, or one that is only shown.
    pub(super) table: &'static str,
    pub(super) columns: &'static [Shown],
    /// With `FULL`; empty where that is the same.
    pub(super) full: &'static [Shown],
    pub(super) of: Of,
    /// The column of the table that `LIKE` is over.
    pub(super) like: &'static str,
}

/// What it shows a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Server,
    /// The database in this column of the table: the one that is named, else the current one.
    Database(&'static str),
    /// The database in this column, if one is named.
    AnyDatabase(&'static str),
    /// One table, whose name is in `TABLE_NAME`.
    Table,
}

const fn kind(
    words: &'static [&'static [&'static str]],
    table: &'static str,
    columns: &'static [Shown],
    of: Of,
    like: &'static str,
) -> Kind {
    Kind { words, table, columns, full: &[], of, like }
}

const ROUTINE: &[Shown] = &[
    ("Db", "ROUTINE_SCHEMA"),
    ("Name", "ROUTINE_NAME"),
    ("Type", "ROUTINE_TYPE"),
    ("Definer", "DEFINER"),
    ("Modified", "LAST_ALTERED"),
    ("Created", "CREATED"),
    ("Security_type", "SECURITY_TYPE"),
    ("Comment", "ROUTINE_COMMENT"),
    ("character_set_client", "CHARACTER_SET_CLIENT"),
    ("collation_connection", "COLLATION_CONNECTION"),
    ("Database Collation", "DATABASE_COLLATION"),
];

/// The first column of `SHOW TABLES`; the database's name follows.
pub(super) const TABLES_IN: &str = "Tables_in_";

pub(super) const KINDS: &[Kind] = &[
    Kind {
        full: &[(TABLES_IN, "TABLE_NAME"), ("Table_type", "TABLE_TYPE")],
        ..kind(
            &[&["TABLES"]],
            "TABLES",
            &[(TABLES_IN, "TABLE_NAME")],
            Of::Database("TABLE_SCHEMA"),
            "TABLE_NAME",
        )
    },
    kind(
        &[&["TABLE", "STATUS"]],
        "TABLES",
        &[
            ("Name", "TABLE_NAME"),
            ("Engine", "ENGINE"),
            ("Version", "VERSION"),
            ("Row_format", "ROW_FORMAT"),
            ("Rows", "TABLE_ROWS"),
            ("Avg_row_length", "AVG_ROW_LENGTH"),
            ("Data_length", "DATA_LENGTH"),
            ("Max_data_length", "MAX_DATA_LENGTH"),
            ("Index_length", "INDEX_LENGTH"),
            ("Data_free", "DATA_FREE"),
            ("Auto_increment", "AUTO_INCREMENT"),
            ("Create_time", "CREATE_TIME"),
            ("Update_time", "UPDATE_TIME"),
            ("Check_time", "CHECK_TIME"),
            ("Collation", "TABLE_COLLATION"),
            ("Checksum", "CHECKSUM"),
            ("Create_options", "CREATE_OPTIONS"),
            ("Comment", "TABLE_COMMENT"),
        ],
        Of::Database("TABLE_SCHEMA"),
        "TABLE_NAME",
    ),
    Kind {
        full: &[
            ("Field", "COLUMN_NAME"),
            ("Type", "COLUMN_TYPE"),
            ("Collation", "COLLATION_NAME"),
            ("Null", "IS_NULLABLE"),
            ("Key", "COLUMN_KEY"),
            ("Default", "COLUMN_DEFAULT"),
            ("Extra", "EXTRA"),
            ("Privileges", "PRIVILEGES"),
            ("Comment", "COLUMN_COMMENT"),
        ],
        ..kind(
            &[&["COLUMNS"], &["FIELDS"]],
            "COLUMNS",
            &[
                ("Field", "COLUMN_NAME"),
                ("Type", "COLUMN_TYPE"),
                ("Null", "IS_NULLABLE"),
                ("Key", "COLUMN_KEY"),
                ("Default", "COLUMN_DEFAULT"),
                ("Extra", "EXTRA"),
            ],
            Of::Table,
            "COLUMN_NAME",
        )
    },
    kind(
        &[&["INDEX"], &["INDEXES"], &["KEYS"]],
        "STATISTICS",
        &[
            ("Table", "TABLE_NAME"),
            ("Non_unique", "NON_UNIQUE"),
            ("Key_name", "INDEX_NAME"),
            ("Seq_in_index", "SEQ_IN_INDEX"),
            ("Column_name", "COLUMN_NAME"),
            ("Collation", "COLLATION"),
            ("Cardinality", "CARDINALITY"),
            ("Sub_part", "SUB_PART"),
            ("Packed", "PACKED"),
            ("Null", "NULLABLE"),
            ("Index_type", "INDEX_TYPE"),
            ("Comment", "COMMENT"),
            ("Index_comment", "INDEX_COMMENT"),
            ("Visible", "IS_VISIBLE"),
            ("Expression", "EXPRESSION"),
        ],
        Of::Table,
        "INDEX_NAME",
    ),
    kind(
        &[&["ENGINES"], &["STORAGE", "ENGINES"]],
        "ENGINES",
        &[
            ("Engine", "ENGINE"),
            ("Support", "SUPPORT"),
            ("Comment", "COMMENT"),
            ("Transactions", "TRANSACTIONS"),
            ("XA", "XA"),
            ("Savepoints", "SAVEPOINTS"),
        ],
        Of::Server,
        "ENGINE",
    ),
    kind(
        &[&["PLUGINS"]],
        "PLUGINS",
        &[
            ("Name", "PLUGIN_NAME"),
            ("Status", "PLUGIN_STATUS"),
            ("Type", "PLUGIN_TYPE"),
            ("Library", "PLUGIN_LIBRARY"),
            ("License", "PLUGIN_LICENSE"),
        ],
        Of::Server,
        "PLUGIN_NAME",
    ),
    kind(
        &[&["CHARACTER", "SET"], &["CHARSET"], &["CHAR", "SET"]],
        "CHARACTER_SETS",
        &[
            ("Charset", "CHARACTER_SET_NAME"),
            ("Description", "DESCRIPTION"),
            ("Default collation", "DEFAULT_COLLATE_NAME"),
            ("Maxlen", "MAXLEN"),
        ],
        Of::Server,
        "CHARACTER_SET_NAME",
    ),
    kind(
        &[&["COLLATION"]],
        "COLLATIONS",
        &[
            ("Collation", "COLLATION_NAME"),
            ("Charset", "CHARACTER_SET_NAME"),
            ("Id", "ID"),
            ("Default", "IS_DEFAULT"),
            ("Compiled", "IS_COMPILED"),
            ("Sortlen", "SORTLEN"),
            ("Pad_attribute", "PAD_ATTRIBUTE"),
        ],
        Of::Server,
        "COLLATION_NAME",
    ),
    kind(
        &[&["PROCESSLIST"]],
        "PROCESSLIST",
        &[
            ("Id", "ID"),
            ("User", "USER"),
            ("Host", "HOST"),
            ("db", "DB"),
            ("Command", "COMMAND"),
            ("Time", "TIME"),
            ("State", "STATE"),
            ("Info", "INFO"),
        ],
        Of::Server,
        "USER",
    ),
    kind(
        &[&["TRIGGERS"]],
        "TRIGGERS",
        &[
            ("Trigger", "TRIGGER_NAME"),
            ("Event", "EVENT_MANIPULATION"),
            ("Table", "EVENT_OBJECT_TABLE"),
            ("Statement", "ACTION_STATEMENT"),
            ("Timing", "ACTION_TIMING"),
            ("Created", "CREATED"),
            ("sql_mode", "SQL_MODE"),
            ("Definer", "DEFINER"),
            ("character_set_client", "CHARACTER_SET_CLIENT"),
            ("collation_connection", "COLLATION_CONNECTION"),
            ("Database Collation", "DATABASE_COLLATION"),
        ],
        Of::Database("TRIGGER_SCHEMA"),
        "EVENT_OBJECT_TABLE",
    ),
    kind(
        &[&["EVENTS"]],
        "EVENTS",
        &[
            ("Db", "EVENT_SCHEMA"),
            ("Name", "EVENT_NAME"),
            ("Definer", "DEFINER"),
            ("Time zone", "TIME_ZONE"),
            ("Type", "EVENT_TYPE"),
            ("Execute at", "EXECUTE_AT"),
            ("Interval value", "INTERVAL_VALUE"),
            ("Interval field", "INTERVAL_FIELD"),
            ("Starts", "STARTS"),
            ("Ends", "ENDS"),
            ("Status", "STATUS"),
            ("Originator", "ORIGINATOR"),
            ("character_set_client", "CHARACTER_SET_CLIENT"),
            ("collation_connection", "COLLATION_CONNECTION"),
            ("Database Collation", "DATABASE_COLLATION"),
        ],
        Of::Database("EVENT_SCHEMA"),
        "EVENT_NAME",
    ),
    kind(&[&["PROCEDURE", "STATUS"]], "ROUTINES", ROUTINE, Of::Server, "ROUTINE_NAME"),
    kind(&[&["FUNCTION", "STATUS"]], "ROUTINES", ROUTINE, Of::Server, "ROUTINE_NAME"),
    kind(
        &[&["PRIVILEGES"]],
        "PRIVILEGES",
        &[("Privilege", "PRIVILEGE"), ("Context", "CONTEXT"), ("Comment", "COMMENT")],
        Of::Server,
        "PRIVILEGE",
    ),
    kind(
        &[&["OPEN", "TABLES"]],
        "OPEN_TABLES",
        &[
            ("Database", "DATABASE"),
            ("Table", "TABLE"),
            ("In_use", "IN_USE"),
            ("Name_locked", "NAME_LOCKED"),
        ],
        Of::AnyDatabase("DATABASE"),
        "TABLE",
    ),
    kind(
        &[&["PROFILES"]],
        "PROFILES",
        &[("Query_ID", "QUERY_ID"), ("Duration", "DURATION"), ("Query", "QUERY")],
        Of::Server,
        "QUERY",
    ),
    kind(
        &[&["BINARY", "LOG", "STATUS"], &["MASTER", "STATUS"]],
        "BINARY_LOG_STATUS",
        &[
            ("File", "FILE"),
            ("Position", "POSITION"),
            ("Binlog_Do_DB", "BINLOG_DO_DB"),
            ("Binlog_Ignore_DB", "BINLOG_IGNORE_DB"),
            ("Executed_Gtid_Set", "EXECUTED_GTID_SET"),
        ],
        Of::Server,
        "FILE",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tables::Table;

    #[test]
    fn every_kind_has_its_table_and_columns() {
        for kind in KINDS {
            let columns = Table::shown(kind.table).expect(kind.table).columns();
            let shown = kind.columns.iter().chain(kind.full).map(|(_, name)| *name);
            let of = match kind.of {
                Of::Server => None,
                Of::Database(column) | Of::AnyDatabase(column) => Some(column),
                Of::Table => Some("TABLE_NAME"),
            };
            for name in shown.chain([kind.like]).chain(of) {
                assert!(columns.iter().any(|column| column.name == name), "{} {name}", kind.table);
            }
        }
    }
}
