//! `information_schema`, with the columns of MySQL 8.

use super::{
    Col, Table, TypeName, World, int, int_or_null, keywords, moment_or_null, name_of, none, text,
    text_or_null, yes_or_no,
};
use crate::rows::{Column, Row, Type, Value};
use crate::session::Session;
use crate::stage::Listed;
use crate::statement::{charset, show_stages};

/// What every catalog is called.
const CATALOG: &str = "def";

/// The collation of what has one.
const COLLATION: &str = "utf8mb4_0900_ai_ci";

/// What a privilege of the server lets one do: all that there are, for there is nobody who may less.
pub(super) const PRIVILEGES: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "RELOAD",
    "SHUTDOWN",
    "PROCESS",
    "FILE",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "SHOW DATABASES",
    "SUPER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "REPLICATION SLAVE",
    "REPLICATION CLIENT",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "CREATE USER",
    "EVENT",
    "TRIGGER",
    "CREATE TABLESPACE",
    "CREATE ROLE",
    "DROP ROLE",
];

/// Sorted by name.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "APPLICABLE_ROLES",
        columns: &[
            text_or_null("USER"),
            text_or_null("HOST"),
            text_or_null("GRANTEE"),
            text_or_null("GRANTEE_HOST"),
            text_or_null("ROLE_NAME"),
            text_or_null("ROLE_HOST"),
            text("IS_GRANTABLE"),
            text_or_null("IS_DEFAULT"),
            text("IS_MANDATORY"),
        ],
        rows: none,
    },
    Table {
        name: "CHARACTER_SETS",
        columns: &[
            text("CHARACTER_SET_NAME"),
            text("DEFAULT_COLLATE_NAME"),
            text("DESCRIPTION"),
            int("MAXLEN"),
        ],
        rows: character_sets,
    },
    Table {
        name: "CHECK_CONSTRAINTS",
        columns: &[
            text("CONSTRAINT_CATALOG"),
            text("CONSTRAINT_SCHEMA"),
            text("CONSTRAINT_NAME"),
            text("CHECK_CLAUSE"),
        ],
        rows: none,
    },
    Table {
        name: "COLLATIONS",
        columns: &[
            text("COLLATION_NAME"),
            text("CHARACTER_SET_NAME"),
            int("ID"),
            text("IS_DEFAULT"),
            text("IS_COMPILED"),
            int("SORTLEN"),
            text("PAD_ATTRIBUTE"),
        ],
        rows: collations,
    },
    Table {
        name: "COLLATION_CHARACTER_SET_APPLICABILITY",
        columns: &[text("COLLATION_NAME"), text("CHARACTER_SET_NAME")],
        rows: applicability,
    },
    Table {
        name: "COLUMNS",
        columns: &[
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text_or_null("COLUMN_NAME"),
            int("ORDINAL_POSITION"),
            text_or_null("COLUMN_DEFAULT"),
            text("IS_NULLABLE"),
            text_or_null("DATA_TYPE"),
            int_or_null("CHARACTER_MAXIMUM_LENGTH"),
            int_or_null("CHARACTER_OCTET_LENGTH"),
            int_or_null("NUMERIC_PRECISION"),
            int_or_null("NUMERIC_SCALE"),
            int_or_null("DATETIME_PRECISION"),
            text_or_null("CHARACTER_SET_NAME"),
            text_or_null("COLLATION_NAME"),
            text("COLUMN_TYPE"),
            text("COLUMN_KEY"),
            text_or_null("EXTRA"),
            text_or_null("PRIVILEGES"),
            text("COLUMN_COMMENT"),
            text("GENERATION_EXPRESSION"),
            int_or_null("SRS_ID"),
        ],
        rows: columns,
    },
    Table {
        name: "COLUMN_PRIVILEGES",
        columns: &[
            text("GRANTEE"),
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text("COLUMN_NAME"),
            text("PRIVILEGE_TYPE"),
            text("IS_GRANTABLE"),
        ],
        rows: none,
    },
    Table {
        name: "COLUMN_STATISTICS",
        columns: &[text("SCHEMA_NAME"), text("TABLE_NAME"), text("COLUMN_NAME"), text("HISTOGRAM")],
        rows: none,
    },
    Table {
        name: "ENABLED_ROLES",
        columns: &[
            text_or_null("ROLE_NAME"),
            text_or_null("ROLE_HOST"),
            text_or_null("IS_DEFAULT"),
            text("IS_MANDATORY"),
        ],
        rows: none,
    },
    Table {
        name: "ENGINES",
        columns: &[
            text("ENGINE"),
            text("SUPPORT"),
            text("COMMENT"),
            text_or_null("TRANSACTIONS"),
            text_or_null("XA"),
            text_or_null("SAVEPOINTS"),
        ],
        rows: engines,
    },
    Table {
        name: "EVENTS",
        columns: &[
            text("EVENT_CATALOG"),
            text("EVENT_SCHEMA"),
            text("EVENT_NAME"),
            text("DEFINER"),
            text("TIME_ZONE"),
            text("EVENT_BODY"),
            text("EVENT_DEFINITION"),
            text("EVENT_TYPE"),
            moment_or_null("EXECUTE_AT"),
            text_or_null("INTERVAL_VALUE"),
            text_or_null("INTERVAL_FIELD"),
            text("SQL_MODE"),
            moment_or_null("STARTS"),
            moment_or_null("ENDS"),
            text("STATUS"),
            text("ON_COMPLETION"),
            moment_or_null("CREATED"),
            moment_or_null("LAST_ALTERED"),
            moment_or_null("LAST_EXECUTED"),
            text("EVENT_COMMENT"),
            int("ORIGINATOR"),
            text("CHARACTER_SET_CLIENT"),
            text("COLLATION_CONNECTION"),
            text("DATABASE_COLLATION"),
        ],
        rows: none,
    },
    Table {
        name: "FILES",
        columns: &[
            int_or_null("FILE_ID"),
            text_or_null("FILE_NAME"),
            text_or_null("FILE_TYPE"),
            text("TABLESPACE_NAME"),
            text("TABLE_CATALOG"),
            text_or_null("TABLE_SCHEMA"),
            text_or_null("TABLE_NAME"),
            text_or_null("LOGFILE_GROUP_NAME"),
            int_or_null("LOGFILE_GROUP_NUMBER"),
            text("ENGINE"),
            text_or_null("FULLTEXT_KEYS"),
            int_or_null("DELETED_ROWS"),
            int_or_null("UPDATE_COUNT"),
            int_or_null("FREE_EXTENTS"),
            int_or_null("TOTAL_EXTENTS"),
            int_or_null("EXTENT_SIZE"),
            int_or_null("INITIAL_SIZE"),
            int_or_null("MAXIMUM_SIZE"),
            int_or_null("AUTOEXTEND_SIZE"),
            moment_or_null("CREATION_TIME"),
            moment_or_null("LAST_UPDATE_TIME"),
            moment_or_null("LAST_ACCESS_TIME"),
            int_or_null("RECOVER_TIME"),
            int_or_null("TRANSACTION_COUNTER"),
            int_or_null("VERSION"),
            text_or_null("ROW_FORMAT"),
            int_or_null("TABLE_ROWS"),
            int_or_null("AVG_ROW_LENGTH"),
            int_or_null("DATA_LENGTH"),
            int_or_null("MAX_DATA_LENGTH"),
            int_or_null("INDEX_LENGTH"),
            int_or_null("DATA_FREE"),
            moment_or_null("CREATE_TIME"),
            moment_or_null("UPDATE_TIME"),
            moment_or_null("CHECK_TIME"),
            int_or_null("CHECKSUM"),
            text_or_null("STATUS"),
            text_or_null("EXTRA"),
        ],
        rows: none,
    },
    Table {
        name: "KEYWORDS",
        columns: &[text_or_null("WORD"), int_or_null("RESERVED")],
        rows: keywords,
    },
    Table {
        name: "KEY_COLUMN_USAGE",
        columns: &[
            text("CONSTRAINT_CATALOG"),
            text("CONSTRAINT_SCHEMA"),
            text_or_null("CONSTRAINT_NAME"),
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text_or_null("COLUMN_NAME"),
            int("ORDINAL_POSITION"),
            int_or_null("POSITION_IN_UNIQUE_CONSTRAINT"),
            text_or_null("REFERENCED_TABLE_SCHEMA"),
            text_or_null("REFERENCED_TABLE_NAME"),
            text_or_null("REFERENCED_COLUMN_NAME"),
        ],
        rows: none,
    },
    Table {
        name: "PARAMETERS",
        columns: &[
            text("SPECIFIC_CATALOG"),
            text("SPECIFIC_SCHEMA"),
            text("SPECIFIC_NAME"),
            int("ORDINAL_POSITION"),
            text_or_null("PARAMETER_MODE"),
            text_or_null("PARAMETER_NAME"),
            text_or_null("DATA_TYPE"),
            int_or_null("CHARACTER_MAXIMUM_LENGTH"),
            int_or_null("CHARACTER_OCTET_LENGTH"),
            int_or_null("NUMERIC_PRECISION"),
            int_or_null("NUMERIC_SCALE"),
            int_or_null("DATETIME_PRECISION"),
            text_or_null("CHARACTER_SET_NAME"),
            text_or_null("COLLATION_NAME"),
            text("DTD_IDENTIFIER"),
            text("ROUTINE_TYPE"),
        ],
        rows: none,
    },
    Table {
        name: "PARTITIONS",
        columns: &[
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text_or_null("PARTITION_NAME"),
            text_or_null("SUBPARTITION_NAME"),
            int_or_null("PARTITION_ORDINAL_POSITION"),
            int_or_null("SUBPARTITION_ORDINAL_POSITION"),
            text_or_null("PARTITION_METHOD"),
            text_or_null("SUBPARTITION_METHOD"),
            text_or_null("PARTITION_EXPRESSION"),
            text_or_null("SUBPARTITION_EXPRESSION"),
            text_or_null("PARTITION_DESCRIPTION"),
            int_or_null("TABLE_ROWS"),
            int_or_null("AVG_ROW_LENGTH"),
            int_or_null("DATA_LENGTH"),
            int_or_null("MAX_DATA_LENGTH"),
            int_or_null("INDEX_LENGTH"),
            int_or_null("DATA_FREE"),
            moment_or_null("CREATE_TIME"),
            moment_or_null("UPDATE_TIME"),
            moment_or_null("CHECK_TIME"),
            int_or_null("CHECKSUM"),
            text("PARTITION_COMMENT"),
            text_or_null("NODEGROUP"),
            text_or_null("TABLESPACE_NAME"),
        ],
        rows: none,
    },
    Table {
        name: "PLUGINS",
        columns: &[
            text("PLUGIN_NAME"),
            text("PLUGIN_VERSION"),
            text("PLUGIN_STATUS"),
            text("PLUGIN_TYPE"),
            text("PLUGIN_TYPE_VERSION"),
            text_or_null("PLUGIN_LIBRARY"),
            text_or_null("PLUGIN_LIBRARY_VERSION"),
            text_or_null("PLUGIN_AUTHOR"),
            text_or_null("PLUGIN_DESCRIPTION"),
            text_or_null("PLUGIN_LICENSE"),
            text("LOAD_OPTION"),
        ],
        rows: plugins,
    },
    Table {
        name: "PROCESSLIST",
        columns: &[
            int("ID"),
            text("USER"),
            text("HOST"),
            text_or_null("DB"),
            text("COMMAND"),
            int("TIME"),
            text_or_null("STATE"),
            text_or_null("INFO"),
        ],
        rows: processes,
    },
    Table {
        name: "PROFILING",
        columns: &[
            int("QUERY_ID"),
            int("SEQ"),
            text("STATE"),
            Col("DURATION", Type::Double, false),
        ],
        rows: none,
    },
    Table {
        name: "REFERENTIAL_CONSTRAINTS",
        columns: &[
            text("CONSTRAINT_CATALOG"),
            text("CONSTRAINT_SCHEMA"),
            text_or_null("CONSTRAINT_NAME"),
            text("UNIQUE_CONSTRAINT_CATALOG"),
            text("UNIQUE_CONSTRAINT_SCHEMA"),
            text_or_null("UNIQUE_CONSTRAINT_NAME"),
            text("MATCH_OPTION"),
            text("UPDATE_RULE"),
            text("DELETE_RULE"),
            text("TABLE_NAME"),
            text("REFERENCED_TABLE_NAME"),
        ],
        rows: none,
    },
    Table {
        name: "ROUTINES",
        columns: &[
            text("SPECIFIC_NAME"),
            text("ROUTINE_CATALOG"),
            text("ROUTINE_SCHEMA"),
            text("ROUTINE_NAME"),
            text("ROUTINE_TYPE"),
            text_or_null("DATA_TYPE"),
            int_or_null("CHARACTER_MAXIMUM_LENGTH"),
            int_or_null("CHARACTER_OCTET_LENGTH"),
            int_or_null("NUMERIC_PRECISION"),
            int_or_null("NUMERIC_SCALE"),
            int_or_null("DATETIME_PRECISION"),
            text_or_null("CHARACTER_SET_NAME"),
            text_or_null("COLLATION_NAME"),
            text_or_null("DTD_IDENTIFIER"),
            text("ROUTINE_BODY"),
            text_or_null("ROUTINE_DEFINITION"),
            text_or_null("EXTERNAL_NAME"),
            text("EXTERNAL_LANGUAGE"),
            text("PARAMETER_STYLE"),
            text("IS_DETERMINISTIC"),
            text("SQL_DATA_ACCESS"),
            text_or_null("SQL_PATH"),
            text("SECURITY_TYPE"),
            moment_or_null("CREATED"),
            moment_or_null("LAST_ALTERED"),
            text("SQL_MODE"),
            text("ROUTINE_COMMENT"),
            text("DEFINER"),
            text("CHARACTER_SET_CLIENT"),
            text("COLLATION_CONNECTION"),
            text("DATABASE_COLLATION"),
        ],
        rows: none,
    },
    Table {
        name: "SCHEMATA",
        columns: &[
            text("CATALOG_NAME"),
            text("SCHEMA_NAME"),
            text("DEFAULT_CHARACTER_SET_NAME"),
            text("DEFAULT_COLLATION_NAME"),
            text_or_null("SQL_PATH"),
            text("DEFAULT_ENCRYPTION"),
        ],
        rows: schemata,
    },
    Table {
        name: "SCHEMA_PRIVILEGES",
        columns: &[
            text("GRANTEE"),
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("PRIVILEGE_TYPE"),
            text("IS_GRANTABLE"),
        ],
        rows: none,
    },
    Table {
        name: "STAGES",
        columns: &[
            text("STAGE_CATALOG"),
            text("STAGE_SCHEMA"),
            text("STAGE_NAME"),
            text("STAGE_TYPE"),
            text_or_null("STORAGE_TYPE"),
            text_or_null("STAGE_URL"),
            text_or_null("ENDPOINT"),
            text("HAS_CREDENTIALS"),
            text_or_null("STORAGE_PARAMS"),
            text("FILE_FORMAT_OPTIONS"),
            text_or_null("CREATOR"),
            moment_or_null("CREATED"),
            text("COMMENT"),
        ],
        rows: stages,
    },
    Table {
        name: "STATISTICS",
        columns: &[
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            int("NON_UNIQUE"),
            text("INDEX_SCHEMA"),
            text_or_null("INDEX_NAME"),
            int("SEQ_IN_INDEX"),
            text_or_null("COLUMN_NAME"),
            text_or_null("COLLATION"),
            int_or_null("CARDINALITY"),
            int_or_null("SUB_PART"),
            text_or_null("PACKED"),
            text("NULLABLE"),
            text("INDEX_TYPE"),
            text("COMMENT"),
            text("INDEX_COMMENT"),
            text("IS_VISIBLE"),
            text_or_null("EXPRESSION"),
        ],
        rows: none,
    },
    Table {
        name: "TABLES",
        columns: &[
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text("TABLE_TYPE"),
            text_or_null("ENGINE"),
            int_or_null("VERSION"),
            text_or_null("ROW_FORMAT"),
            int_or_null("TABLE_ROWS"),
            int_or_null("AVG_ROW_LENGTH"),
            int_or_null("DATA_LENGTH"),
            int_or_null("MAX_DATA_LENGTH"),
            int_or_null("INDEX_LENGTH"),
            int_or_null("DATA_FREE"),
            int_or_null("AUTO_INCREMENT"),
            moment_or_null("CREATE_TIME"),
            moment_or_null("UPDATE_TIME"),
            moment_or_null("CHECK_TIME"),
            text_or_null("TABLE_COLLATION"),
            int_or_null("CHECKSUM"),
            text_or_null("CREATE_OPTIONS"),
            text_or_null("TABLE_COMMENT"),
        ],
        rows: tables,
    },
    Table {
        name: "TABLE_CONSTRAINTS",
        columns: &[
            text("CONSTRAINT_CATALOG"),
            text("CONSTRAINT_SCHEMA"),
            text_or_null("CONSTRAINT_NAME"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text("CONSTRAINT_TYPE"),
            text("ENFORCED"),
        ],
        rows: none,
    },
    Table {
        name: "TABLE_PRIVILEGES",
        columns: &[
            text("GRANTEE"),
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text("PRIVILEGE_TYPE"),
            text("IS_GRANTABLE"),
        ],
        rows: none,
    },
    Table {
        name: "TRIGGERS",
        columns: &[
            text("TRIGGER_CATALOG"),
            text("TRIGGER_SCHEMA"),
            text("TRIGGER_NAME"),
            text("EVENT_MANIPULATION"),
            text("EVENT_OBJECT_CATALOG"),
            text("EVENT_OBJECT_SCHEMA"),
            text("EVENT_OBJECT_TABLE"),
            int("ACTION_ORDER"),
            text_or_null("ACTION_CONDITION"),
            text("ACTION_STATEMENT"),
            text("ACTION_ORIENTATION"),
            text("ACTION_TIMING"),
            text_or_null("ACTION_REFERENCE_OLD_TABLE"),
            text_or_null("ACTION_REFERENCE_NEW_TABLE"),
            text("ACTION_REFERENCE_OLD_ROW"),
            text("ACTION_REFERENCE_NEW_ROW"),
            moment_or_null("CREATED"),
            text("SQL_MODE"),
            text("DEFINER"),
            text("CHARACTER_SET_CLIENT"),
            text("COLLATION_CONNECTION"),
            text("DATABASE_COLLATION"),
        ],
        rows: none,
    },
    Table {
        name: "USER_ATTRIBUTES",
        columns: &[text("USER"), text("HOST"), text_or_null("ATTRIBUTE")],
        rows: |_, session| {
            vec![vec![session.peer.user.name.clone().into(), "%".into(), Value::Null]]
        },
    },
    Table {
        name: "USER_PRIVILEGES",
        columns: &[
            text("GRANTEE"),
            text("TABLE_CATALOG"),
            text("PRIVILEGE_TYPE"),
            text("IS_GRANTABLE"),
        ],
        rows: user_privileges,
    },
    Table {
        name: "VIEWS",
        columns: &[
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text_or_null("VIEW_DEFINITION"),
            text_or_null("CHECK_OPTION"),
            text_or_null("IS_UPDATABLE"),
            text_or_null("DEFINER"),
            text_or_null("SECURITY_TYPE"),
            text("CHARACTER_SET_CLIENT"),
            text("COLLATION_CONNECTION"),
        ],
        rows: none,
    },
];

fn character_sets(_: &World, _: &Session) -> Vec<Row> {
    let sets = charset::CHARSETS.iter();
    sets.map(|set| {
        vec![set.name.into(), set.collation.into(), set.description.into(), set.max_length.into()]
    })
    .collect()
}

fn collations(_: &World, _: &Session) -> Vec<Row> {
    let row = |(name, id): &(&'static str, u64)| {
        let charset = charset::of_collation(name);
        let default = charset::CHARSETS.iter().any(|charset| charset.collation == *name);
        vec![
            (*name).into(),
            charset.into(),
            (*id).into(),
            if default { "Yes" } else { "" }.into(),
            "Yes".into(),
            charset::sort_length(name).into(),
            charset::pad_attribute(name).into(),
        ]
    };
    charset::COLLATIONS.iter().map(row).collect()
}

fn applicability(_: &World, _: &Session) -> Vec<Row> {
    let names = charset::COLLATIONS.iter().map(|(name, _)| *name);
    names.map(|name| vec![name.into(), charset::of_collation(name).into()]).collect()
}

fn columns(world: &World, _: &Session) -> Vec<Row> {
    let mut rows = Vec::new();
    for (schema, table, columns) in world.all_tables() {
        let numbered = (1..).zip(&columns);
        rows.extend(numbered.map(|(place, column)| column_row(schema, table, place, column)));
    }
    rows
}

fn column_row(schema: &str, table: &str, place: u64, column: &Column) -> Row {
    let ty = TypeName::of(column.ty);
    let is_text = matches!(column.ty, Type::Text | Type::Null);
    let octets = ty.characters.map(|characters| if is_text { characters * 4 } else { characters });
    vec![
        CATALOG.into(),
        schema.into(),
        table.into(),
        column.name.as_str().into(),
        place.into(),
        Value::Null,
        yes_or_no(column.nullable),
        ty.data_type.into(),
        ty.characters.into(),
        octets.into(),
        ty.precision.into(),
        ty.scale.into(),
        ty.fraction.into(),
        is_text.then_some("utf8mb4").into(),
        is_text.then_some(COLLATION).into(),
        ty.column_type.into(),
        "".into(),
        "".into(),
        "select".into(),
        "".into(),
        "".into(),
        Value::Null,
    ]
}

fn engines(_: &World, _: &Session) -> Vec<Row> {
    let engine = |name: &str, support: &str, comment: &str| {
        vec![name.into(), support.into(), comment.into(), "NO".into(), "NO".into(), "NO".into()]
    };
    vec![
        engine("STAGE", "DEFAULT", "Files on any storage, by their names"),
        engine("MEMORY", "YES", "Tables that describe the server"),
    ]
}

fn keywords(_: &World, _: &Session) -> Vec<Row> {
    let words = keywords::RESERVED.iter();
    words.map(|word| vec![(*word).into(), Value::UInt(1)]).collect()
}

fn plugins(_: &World, _: &Session) -> Vec<Row> {
    let plugin = |name: &str, kind: &str, description: &str| {
        vec![
            name.into(),
            "1.0".into(),
            "ACTIVE".into(),
            kind.into(),
            "1.0".into(),
            Value::Null,
            Value::Null,
            Value::Null,
            description.into(),
            "Apache-2.0".into(),
            "FORCE".into(),
        ]
    };
    vec![
        plugin("caching_sha2_password", "AUTHENTICATION", "Caching sha2 authentication"),
        plugin("mysql_native_password", "AUTHENTICATION", "Native MySQL authentication"),
        plugin("STAGE", "STORAGE ENGINE", "Files on any storage, by their names"),
    ]
}

pub(super) fn processes(world: &World, _: &Session) -> Vec<Row> {
    let row = |process: &super::Shown| {
        let running = process.statement.is_some();
        vec![
            Value::UInt(u64::from(process.id)),
            process.who.user.as_str().into(),
            process.who.host.as_str().into(),
            process.database.clone().into(),
            if running { "Query" } else { "Sleep" }.into(),
            process.time.as_secs().into(),
            if running { "executing" } else { "" }.into(),
            process.statement.clone().into(),
        ]
    };
    world.processes.iter().map(row).collect()
}

fn schemata(world: &World, _: &Session) -> Vec<Row> {
    let row = |name: &String| {
        vec![
            CATALOG.into(),
            name.as_str().into(),
            "utf8mb4".into(),
            COLLATION.into(),
            Value::Null,
            "NO".into(),
        ]
    };
    world.databases.iter().map(row).collect()
}

fn stages(world: &World, _: &Session) -> Vec<Row> {
    let row = |listed: &Listed| {
        // SHOW STAGES has the name before the database.
        let mut row = show_stages::listed_row(listed);
        row.swap(0, 1);
        row.insert(0, CATALOG.into());
        row
    };
    world.stages.iter().map(row).collect()
}

fn tables(world: &World, _: &Session) -> Vec<Row> {
    let mut rows: Vec<Row> = world.stages.iter().map(stage_as_table).collect();
    for (schema, tables) in super::SCHEMAS {
        let (kind, engine) = match *schema {
            "information_schema" => ("SYSTEM VIEW", None),
            "performance_schema" => ("BASE TABLE", Some("MEMORY")),
            _ => ("BASE TABLE", Some("MEMORY")),
        };
        rows.extend(
            tables.iter().map(|table| {
                table_row(schema, table.name, kind, engine, Value::Null, String::new())
            }),
        );
    }
    rows
}

fn stage_as_table(listed: &Listed) -> Row {
    let name = name_of(listed);
    let (engine, created, comment) = match listed {
        Listed::Stage(stage) => {
            (Some("STAGE"), Value::moment(stage.created_at), stage.comment.clone())
        }
        Listed::Damaged { why, .. } => (None, Value::Null, why.clone()),
    };
    table_row(&name.database, &name.name, "BASE TABLE", engine, created, comment)
}

fn table_row(
    schema: &str,
    name: &str,
    kind: &'static str,
    engine: Option<&'static str>,
    created: Value,
    comment: String,
) -> Row {
    let mut row: Row = vec![
        CATALOG.into(),
        schema.into(),
        name.into(),
        kind.into(),
        engine.into(),
        Value::UInt(10),
        engine.map(|_| "Dynamic").into(),
    ];
    // TABLE_ROWS to AUTO_INCREMENT: nobody counts.
    row.extend(std::iter::repeat_n(Value::Null, 7));
    row.extend([created, Value::Null, Value::Null]);
    row.extend([engine.map(|_| COLLATION).into(), Value::Null, "".into(), comment.into()]);
    row
}

/// In MySQL's words; what somebody may do with stages has no word there.
fn user_privileges(world: &World, session: &Session) -> Vec<Row> {
    let grantee = session.creator();
    let row = |privilege: &str, grantable: &str| -> Row {
        vec![grantee.as_str().into(), CATALOG.into(), privilege.into(), grantable.into()]
    };
    match world.admin {
        true => PRIVILEGES.iter().map(|privilege| row(privilege, "YES")).collect(),
        false => vec![row("USAGE", "NO")],
    }
}
