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
        &[&["PROFILE"]],
        "PROFILE",
        &[("Status", "STATUS"), ("Duration", "DURATION")],
        Of::Server,
        "STATUS",
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
    kind(
        &[&["REPLICA", "STATUS"]],
        "REPLICA_STATUS",
        &[
            ("Replica_IO_State", "REPLICA_IO_STATE"),
            ("Source_Host", "SOURCE_HOST"),
            ("Source_User", "SOURCE_USER"),
            ("Source_Port", "SOURCE_PORT"),
            ("Connect_Retry", "CONNECT_RETRY"),
            ("Source_Log_File", "SOURCE_LOG_FILE"),
            ("Read_Source_Log_Pos", "READ_SOURCE_LOG_POS"),
            ("Relay_Log_File", "RELAY_LOG_FILE"),
            ("Relay_Log_Pos", "RELAY_LOG_POS"),
            ("Relay_Source_Log_File", "RELAY_SOURCE_LOG_FILE"),
            ("Replica_IO_Running", "REPLICA_IO_RUNNING"),
            ("Replica_SQL_Running", "REPLICA_SQL_RUNNING"),
            ("Replicate_Do_DB", "REPLICATE_DO_DB"),
            ("Replicate_Ignore_DB", "REPLICATE_IGNORE_DB"),
            ("Replicate_Do_Table", "REPLICATE_DO_TABLE"),
            ("Replicate_Ignore_Table", "REPLICATE_IGNORE_TABLE"),
            ("Replicate_Wild_Do_Table", "REPLICATE_WILD_DO_TABLE"),
            ("Replicate_Wild_Ignore_Table", "REPLICATE_WILD_IGNORE_TABLE"),
            ("Last_Errno", "LAST_ERRNO"),
            ("Last_Error", "LAST_ERROR"),
            ("Skip_Counter", "SKIP_COUNTER"),
            ("Exec_Source_Log_Pos", "EXEC_SOURCE_LOG_POS"),
            ("Relay_Log_Space", "RELAY_LOG_SPACE"),
            ("Until_Condition", "UNTIL_CONDITION"),
            ("Until_Log_File", "UNTIL_LOG_FILE"),
            ("Until_Log_Pos", "UNTIL_LOG_POS"),
            ("Source_SSL_Allowed", "SOURCE_SSL_ALLOWED"),
            ("Source_SSL_CA_File", "SOURCE_SSL_CA_FILE"),
            ("Source_SSL_CA_Path", "SOURCE_SSL_CA_PATH"),
            ("Source_SSL_Cert", "SOURCE_SSL_CERT"),
            ("Source_SSL_Cipher", "SOURCE_SSL_CIPHER"),
            ("Source_SSL_Key", "SOURCE_SSL_KEY"),
            ("Seconds_Behind_Source", "SECONDS_BEHIND_SOURCE"),
            ("Source_SSL_Verify_Server_Cert", "SOURCE_SSL_VERIFY_SERVER_CERT"),
            ("Last_IO_Errno", "LAST_IO_ERRNO"),
            ("Last_IO_Error", "LAST_IO_ERROR"),
            ("Last_SQL_Errno", "LAST_SQL_ERRNO"),
            ("Last_SQL_Error", "LAST_SQL_ERROR"),
            ("Replicate_Ignore_Server_Ids", "REPLICATE_IGNORE_SERVER_IDS"),
            ("Source_Server_Id", "SOURCE_SERVER_ID"),
            ("Source_UUID", "SOURCE_UUID"),
            ("Source_Info_File", "SOURCE_INFO_FILE"),
            ("SQL_Delay", "SQL_DELAY"),
            ("SQL_Remaining_Delay", "SQL_REMAINING_DELAY"),
            ("Replica_SQL_Running_State", "REPLICA_SQL_RUNNING_STATE"),
            ("Source_Retry_Count", "SOURCE_RETRY_COUNT"),
            ("Source_Bind", "SOURCE_BIND"),
            ("Last_IO_Error_Timestamp", "LAST_IO_ERROR_TIMESTAMP"),
            ("Last_SQL_Error_Timestamp", "LAST_SQL_ERROR_TIMESTAMP"),
            ("Source_SSL_Crl", "SOURCE_SSL_CRL"),
            ("Source_SSL_Crlpath", "SOURCE_SSL_CRLPATH"),
            ("Retrieved_Gtid_Set", "RETRIEVED_GTID_SET"),
            ("Executed_Gtid_Set", "EXECUTED_GTID_SET"),
            ("Auto_Position", "AUTO_POSITION"),
            ("Replicate_Rewrite_DB", "REPLICATE_REWRITE_DB"),
            ("Channel_Name", "CHANNEL_NAME"),
            ("Source_TLS_Version", "SOURCE_TLS_VERSION"),
            ("Source_public_key_path", "SOURCE_PUBLIC_KEY_PATH"),
            ("Get_Source_public_key", "GET_SOURCE_PUBLIC_KEY"),
            ("Network_Namespace", "NETWORK_NAMESPACE"),
        ],
        Of::Server,
        "CHANNEL_NAME",
    ),
    kind(
        &[&["REPLICAS"]],
        "REPLICAS",
        &[
            ("Server_Id", "SERVER_ID"),
            ("Host", "HOST"),
            ("Port", "PORT"),
            ("Source_Id", "SOURCE_ID"),
            ("Replica_UUID", "REPLICA_UUID"),
        ],
        Of::Server,
        "HOST",
    ),
    kind(
        &[&["BINLOG", "EVENTS"], &["RELAYLOG", "EVENTS"]],
        "LOG_EVENTS",
        &[
            ("Log_name", "LOG_NAME"),
            ("Pos", "POS"),
            ("Event_type", "EVENT_TYPE"),
            ("Server_id", "SERVER_ID"),
            ("End_log_pos", "END_LOG_POS"),
            ("Info", "INFO"),
        ],
        Of::Server,
        "LOG_NAME",
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
