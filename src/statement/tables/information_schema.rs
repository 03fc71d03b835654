//! `information_schema`, with the columns of MySQL 8.

use super::{
    Table, TypeName, World, int, int_or_null, keywords, moment_or_null, name_of, signed,
    signed_or_null, text, text_or_null, yes_or_no,
};
use crate::rows::declared::DeclaredColumn;
use crate::rows::{Column, Row, Type, Value};
use crate::schema::View;
use crate::session::Session;
use crate::stage::Listed;
use crate::stage::name::StageName;
use crate::statement::named_formats::Seen;
use crate::statement::{charset, show_file_formats, show_stages};

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
            signed_or_null("CHARACTER_MAXIMUM_LENGTH"),
            signed_or_null("CHARACTER_OCTET_LENGTH"),
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
        name: "CONNECTIONS",
        columns: &[
            text("CONNECTION_NAME"),
            text_or_null("STORAGE_TYPE"),
            text_or_null("STORAGE_PARAMS"),
            text_or_null("CREATOR"),
            moment_or_null("CREATED"),
            text("COMMENT"),
        ],
        rows: |world, _| world.connections.clone(),
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
        name: "FILE_FORMATS",
        columns: &[
            text("FILE_FORMAT_CATALOG"),
            text("FILE_FORMAT_SCHEMA"),
            text("FILE_FORMAT_NAME"),
            text("FILE_FORMAT_TYPE"),
            text("FORMAT_OPTIONS"),
            text("IS_TEMPORARY"),
            text("CREATOR"),
            moment_or_null("CREATED"),
            text("COMMENT"),
        ],
        rows: file_formats,
    },
    Table {
        name: "KEYWORDS",
        columns: &[text_or_null("WORD"), signed_or_null("RESERVED")],
        rows: keywords,
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
            signed("TIME"),
            text_or_null("STATE"),
            text_or_null("INFO"),
        ],
        rows: processes,
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
        name: "TABLES",
        columns: &[
            text("TABLE_CATALOG"),
            text("TABLE_SCHEMA"),
            text("TABLE_NAME"),
            text("TABLE_TYPE"),
            text_or_null("ENGINE"),
            signed_or_null("VERSION"),
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
            signed_or_null("CHECKSUM"),
            text_or_null("CREATE_OPTIONS"),
            text_or_null("TABLE_COMMENT"),
        ],
        rows: tables,
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
        rows: views,
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
        let declared = world.kept(schema, table).map(|table| table.columns.as_slice());
        let mut declared = declared.unwrap_or_default().iter();
        for (place, column) in (1..).zip(&columns) {
            rows.push(column_row(schema, table, place, column, declared.next()));
        }
    }
    rows
}

fn column_row(
    schema: &str,
    table: &str,
    place: u64,
    column: &Column,
    declared: Option<&DeclaredColumn>,
) -> Row {
    let ty = declared
        .map_or_else(|| TypeName::of(column.ty), |declared| TypeName::of_declared(declared.ty));
    let default = declared.and_then(|declared| declared.default.as_deref());
    let comment = declared.map_or("", |declared| declared.comment.as_str());
    let is_text = matches!(column.ty, Type::Text | Type::Null);
    let octets = ty.characters.map(|characters| if is_text { characters * 4 } else { characters });
    vec![
        CATALOG.into(),
        schema.into(),
        table.into(),
        column.name.as_str().into(),
        place.into(),
        default.map(|text| text.trim_matches('\'').to_owned()).into(),
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
        comment.into(),
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
        let command = if running { process.came.to_string() } else { "Sleep".to_owned() };
        vec![
            Value::UInt(u64::from(process.id)),
            process.who.user.as_str().into(),
            process.who.host.as_str().into(),
            process.database.clone().into(),
            command.into(),
            process.time.as_secs().into(),
            process.state.to_string().into(),
            process.statement.as_deref().map(str::to_owned).into(),
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

fn file_formats(world: &World, _: &Session) -> Vec<Row> {
    let row = |seen: &Seen| {
        // SHOW FILE FORMATS has the name before the database.
        let mut row = show_file_formats::row(seen);
        row.swap(0, 1);
        row.insert(0, CATALOG.into());
        row
    };
    world.formats.iter().map(row).collect()
}

fn tables(world: &World, _: &Session) -> Vec<Row> {
    let mut rows: Vec<Row> = world.stages.iter().map(stage_as_table).collect();
    rows.extend(world.views.iter().map(|(name, view)| {
        let created = Value::moment(view.created_at);
        // MySQL says so in the place of a comment.
        table_row(&name.database, &name.name, "VIEW", None, created, "VIEW".to_owned())
    }));
    rows.extend(world.tables.iter().map(|(name, table)| {
        let created = Value::moment(table.created_at);
        let comment = table.comment.clone();
        table_row(&name.database, &name.name, "BASE TABLE", Some("DELTA"), created, comment)
    }));
    for (schema, tables) in super::SCHEMAS {
        let (kind, engine) = match *schema {
            "information_schema" => ("SYSTEM VIEW", None),
            "performance_schema" => ("BASE TABLE", Some("MEMORY")),
            _ => ("BASE TABLE", Some("MEMORY")),
        };
        rows.extend(
            tables.iter().copied().flatten().map(|table| {
                table_row(schema, table.name, kind, engine, Value::Null, String::new())
            }),
        );
    }
    rows
}

fn views(world: &World, _: &Session) -> Vec<Row> {
    let row = |(name, view): &(StageName, View)| {
        vec![
            CATALOG.into(),
            name.database.as_str().into(),
            name.name.as_str().into(),
            view.query.as_str().into(),
            "NONE".into(),
            "NO".into(),
            view.creator.replace('\'', "").into(),
            // It is read with the rights of who asks.
            "INVOKER".into(),
            "utf8mb4".into(),
            COLLATION.into(),
        ]
    };
    world.views.iter().map(row).collect()
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
