//! The table of all system variables: MySQL's names, types, defaults and scopes, and what stands in
//! the manual's page "Server System Variables". What is about parts that this server does not have
//! (InnoDB, replication) is left out.

use crate::instance::SERVER_VERSION;
use crate::rows::Value;
use crate::session::Session;
use crate::tls::VERSIONS;

/// A row of the table.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    pub(super) scopes: Scopes,
    /// Whether it can be set while the server runs.
    pub(super) dynamic: bool,
}

/// What values it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ON`, `OFF`, `TRUE`, `FALSE`, `1`, `0`; 1 or 0 in a `SELECT`
    Flag,
    /// A whole number. One outside of the bounds becomes the next inside.
    Number {
        min: u64,
        max: u64,
    },
    /// Seconds with a fraction.
    Seconds,
    Text,
    /// A text or `NULL`
    TextOrNull,
    /// One of these, or its number.
    OneOf(&'static [&'static str]),
    /// `sql_mode`
    Modes,
    /// A character set, `nullable` for `character_set_results`.
    Charset {
        nullable: bool,
    },
    /// A collation.
    Collation,
    /// `SYSTEM`, `+02:00` or a name
    TimeZone,
}

/// Where the default comes from.
#[derive(Debug)]
pub(super) enum Default {
    Flag(bool),
    Number(u64),
    Seconds(f64),
    Text(&'static str),
    Null,
    /// From the server or the connection.
    Of(fn(&Session) -> Value),
}

/// Who has a value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scopes {
    /// The server, and each session one of its own.
    Both,
    /// The server alone.
    Global,
    /// Each session alone.
    Session,
}

impl Variable {
    const fn new(name: &'static str, kind: Kind, default: Default) -> Variable {
        Variable { name, kind, default, scopes: Scopes::Both, dynamic: true }
    }

    const fn global(self) -> Variable {
        Variable { scopes: Scopes::Global, ..self }
    }

    const fn session(self) -> Variable {
        Variable { scopes: Scopes::Session, ..self }
    }

    const fn fixed(self) -> Variable {
        Variable { dynamic: false, ..self }
    }
}

const fn flag(name: &'static str, default: bool) -> Variable {
    Variable::new(name, Kind::Flag, Default::Flag(default))
}

const fn number(name: &'static str, default: u64) -> Variable {
    Variable::new(name, Kind::Number { min: 0, max: u64::MAX }, Default::Number(default))
}

const fn bounded(name: &'static str, default: u64, min: u64, max: u64) -> Variable {
    Variable::new(name, Kind::Number { min, max }, Default::Number(default))
}

const fn seconds(name: &'static str, value: fn(&Session) -> Value) -> Variable {
    Variable::new(name, Kind::Number { min: 1, max: 31_536_000 }, Default::Of(value))
}

const fn text(name: &'static str, default: &'static str) -> Variable {
    Variable::new(name, Kind::Text, Default::Text(default))
}

const fn null(name: &'static str) -> Variable {
    Variable::new(name, Kind::TextOrNull, Default::Null)
}

const fn one_of(
    name: &'static str,
    default: &'static str,
    values: &'static [&'static str],
) -> Variable {
    Variable::new(name, Kind::OneOf(values), Default::Text(default))
}

const fn charset(name: &'static str, default: &'static str) -> Variable {
    Variable::new(name, Kind::Charset { nullable: false }, Default::Text(default))
}

const fn collation(name: &'static str, default: &'static str) -> Variable {
    Variable::new(name, Kind::Collation, Default::Text(default))
}

const fn of(name: &'static str, value: fn(&Session) -> Value) -> Variable {
    Variable::new(name, Kind::Text, Default::Of(value)).fixed()
}

/// How users who are made prove their passwords.
fn plugin(session: &Session) -> &'static str {
    session.instance.config.default_authentication_plugin.name()
}

fn to_uint(number: usize) -> Value {
    Value::UInt(u64::try_from(number).unwrap_or(u64::MAX))
}

/// Levels of isolation, as `transaction_isolation` has them.
pub(super) const ISOLATION: &[&str] =
    &["READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"];

const SQL_MODE: &str = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                        ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// The modes of `sql_mode`, each with its bit: a number can be set too.
pub(super) const MODES: &[(&str, u32)] = &[
    ("REAL_AS_FLOAT", 0),
    ("PIPES_AS_CONCAT", 1),
    ("ANSI_QUOTES", 2),
    ("IGNORE_SPACE", 3),
    ("ONLY_FULL_GROUP_BY", 5),
    ("NO_UNSIGNED_SUBTRACTION", 6),
    ("NO_DIR_IN_CREATE", 7),
    ("ANSI", 18),
    ("NO_AUTO_VALUE_ON_ZERO", 19),
    ("NO_BACKSLASH_ESCAPES", 20),
    ("STRICT_TRANS_TABLES", 21),
    ("STRICT_ALL_TABLES", 22),
    ("NO_ZERO_IN_DATE", 23),
    ("NO_ZERO_DATE", 24),
    ("ALLOW_INVALID_DATES", 25),
    ("ERROR_FOR_DIVISION_BY_ZERO", 26),
    ("TRADITIONAL", 27),
    ("HIGH_NOT_PRECEDENCE", 29),
    ("NO_ENGINE_SUBSTITUTION", 30),
    ("PAD_CHAR_TO_FULL_LENGTH", 31),
    ("TIME_TRUNCATE_FRACTIONAL", 32),
];

/// Modes of MySQL's that are refused.
pub(super) const NOT_OBEYED: &[&str] = &["HIGH_NOT_PRECEDENCE"];

/// Modes that stand for several.
pub(super) const COMBINED_MODES: &[(&str, &[&str])] = &[
    (
        "ANSI",
        &["REAL_AS_FLOAT", "PIPES_AS_CONCAT", "ANSI_QUOTES", "IGNORE_SPACE", "ONLY_FULL_GROUP_BY"],
    ),
    (
        "TRADITIONAL",
        &[
            "STRICT_TRANS_TABLES",
            "STRICT_ALL_TABLES",
            "NO_ZERO_IN_DATE",
            "NO_ZERO_DATE",
            "ERROR_FOR_DIVISION_BY_ZERO",
            "NO_ENGINE_SUBSTITUTION",
        ],
    ),
];

const OPTIMIZER_SWITCH: &str = "index_merge=on,index_merge_union=on,index_merge_sort_union=on,index_merge_intersection=on,\
     engine_condition_pushdown=on,index_condition_pushdown=on,mrr=on,mrr_cost_based=on,\
     block_nested_loop=on,batched_key_access=off,materialization=on,semijoin=on,loosescan=on,\
     firstmatch=on,duplicateweedout=on,subquery_materialization_cost_based=on,\
     use_index_extensions=on,condition_fanout_filter=on,derived_merge=on,use_invisible_indexes=off,\
     skip_scan=on,hash_join=on,subquery_to_derived=off,prefer_ordering_index=on,\
     hypergraph_optimizer=off,derived_condition_pushdown=on,hash_set_operations=on";

/// Sorted by name. `local_infile` is `OFF`, for loading rows into tables is what it promises;
/// stages take files whatever it says.
pub(super) const VARIABLES: &[Variable] = &[
    flag("activate_all_roles_on_login", true).global(),
    of("authentication_policy", |session| format!("*:{},,", plugin(session)).into()).global(),
    bounded("auto_increment_increment", 1, 1, 65_535),
    bounded("auto_increment_offset", 1, 1, 65_535),
    flag("autocommit", true),
    flag("automatic_sp_privileges", true).global(),
    number("back_log", 151).global().fixed(),
    flag("big_tables", false),
    text("block_encryption_mode", "aes-128-ecb"),
    number("bulk_insert_buffer_size", 8_388_608),
    charset("character_set_client", "utf8mb4"),
    charset("character_set_connection", "utf8mb4"),
    charset("character_set_database", "utf8mb4"),
    charset("character_set_filesystem", "binary"),
    Variable::new(
        "character_set_results",
        Kind::Charset { nullable: true },
        Default::Text("utf8mb4"),
    ),
    charset("character_set_server", "utf8mb4"),
    charset("character_set_system", "utf8mb3").global().fixed(),
    collation("collation_connection", "utf8mb4_0900_ai_ci"),
    collation("collation_database", "utf8mb4_0900_ai_ci"),
    collation("collation_server", "utf8mb4_0900_ai_ci"),
    one_of("completion_type", "NO_CHAIN", &["NO_CHAIN", "CHAIN", "RELEASE"]),
    seconds("connect_timeout", |session| {
        Value::UInt(session.instance.config.limits.connect_timeout_s)
    })
    .global(),
    number("cte_max_recursion_depth", 1000),
    of("default_authentication_plugin", |session| plugin(session).into()).global(),
    one_of(
        "default_collation_for_utf8mb4",
        "utf8mb4_0900_ai_ci",
        &["utf8mb4_0900_ai_ci", "utf8mb4_general_ci"],
    ),
    bounded("default_password_lifetime", 0, 0, 65_535).global(),
    text("default_storage_engine", "STAGE"),
    text("default_tmp_storage_engine", "STAGE"),
    bounded("default_week_format", 0, 0, 7),
    bounded("div_precision_increment", 4, 0, 30),
    flag("end_markers_in_json", false),
    number("eq_range_index_dive_limit", 200),
    of("error_count", |session| to_uint(session.warnings.len())).session(),
    one_of("event_scheduler", "OFF", &["OFF", "ON", "DISABLED"]).global(),
    flag("explicit_defaults_for_timestamp", true),
    null("external_user").session().fixed(),
    flag("foreign_key_checks", true),
    flag("general_log", false).global(),
    bounded("generated_random_password_length", 20, 5, 255),
    bounded("group_concat_max_len", 1024, 4, u64::MAX),
    text("gtid_executed", "").global().fixed(),
    one_of("gtid_mode", "OFF", &["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"]).global(),
    text("gtid_purged", "").global(),
    text("have_compress", "YES").global().fixed(),
    text("have_dynamic_loading", "NO").global().fixed(),
    text("have_geometry", "NO").global().fixed(),
    text("have_openssl", "YES").global().fixed(),
    text("have_profiling", "NO").global().fixed(),
    text("have_query_cache", "NO").global().fixed(),
    text("have_ssl", "YES").global().fixed(),
    text("have_statement_timeout", "NO").global().fixed(),
    text("have_symlink", "DISABLED").global().fixed(),
    text("hostname", "stagewire").global().fixed(),
    number("identity", 0).session(),
    number("information_schema_stats_expiry", 86_400),
    text("init_connect", "").global(),
    number("insert_id", 0).session(),
    seconds("interactive_timeout", |session| {
        Value::UInt(session.instance.config.limits.wait_timeout_s)
    }),
    bounded("join_buffer_size", 262_144, 128, u64::MAX),
    flag("keep_files_on_create", false),
    number("key_buffer_size", 8_388_608).global(),
    flag("large_files_support", true).global().fixed(),
    number("last_insert_id", 0).session(),
    text("lc_messages", "en_US"),
    text("lc_time_names", "en_US"),
    text("license", "Apache-2.0").global().fixed(),
    flag("local_infile", false).global(),
    bounded("lock_wait_timeout", 31_536_000, 1, 31_536_000),
    flag("log_bin", false).global().fixed(),
    flag("log_bin_trust_function_creators", false).global(),
    text("log_output", "FILE").global(),
    flag("log_queries_not_using_indexes", false).global(),
    one_of("log_timestamps", "UTC", &["UTC", "SYSTEM"]).global(),
    Variable::new("long_query_time", Kind::Seconds, Default::Seconds(10.0)),
    flag("low_priority_updates", false),
    flag("lower_case_file_system", false).global().fixed(),
    number("lower_case_table_names", 0).global().fixed(),
    text("mandatory_roles", "").global(),
    Variable::new(
        "max_allowed_packet",
        Kind::Number { min: 1024, max: 1_073_741_824 },
        Default::Of(|session| to_uint(session.instance.config.limits.max_allowed_packet)),
    )
    .fixed(),
    number("max_connect_errors", 100).global(),
    Variable::new(
        "max_connections",
        Kind::Number { min: 1, max: 100_000 },
        Default::Of(|session| to_uint(session.instance.config.limits.max_connections)),
    )
    .global(),
    bounded("max_error_count", 1024, 0, 65_535),
    Variable::new(
        "max_execution_time",
        Kind::Number { min: 0, max: 4_294_967_295 },
        Default::Of(|session| {
            Value::UInt(session.instance.config.limits.max_execution_time_ms.into())
        }),
    ),
    bounded("max_heap_table_size", 16_777_216, 16_384, u64::MAX),
    bounded("max_join_size", u64::MAX, 1, u64::MAX),
    bounded("max_length_for_sort_data", 4096, 4, 8_388_608),
    bounded("max_points_in_geometry", 65_536, 3, 1_048_576),
    bounded("max_prepared_stmt_count", 16_382, 0, 4_194_304).global(),
    bounded("max_seeks_for_key", u64::MAX, 1, u64::MAX),
    bounded("max_sort_length", 1024, 4, 8_388_608),
    bounded("max_sp_recursion_depth", 0, 0, 255),
    bounded("max_user_connections", 0, 0, 4_294_967_295).fixed(),
    bounded("net_buffer_length", 16_384, 1024, 1_048_576),
    seconds("net_read_timeout", |session| {
        Value::UInt(session.instance.config.limits.net_timeout_s)
    }),
    bounded("net_retry_count", 10, 1, u64::MAX),
    seconds("net_write_timeout", |session| {
        Value::UInt(session.instance.config.limits.net_timeout_s)
    }),
    flag("new", false),
    flag("offline_mode", false).global(),
    flag("old_alter_table", false),
    bounded("optimizer_prune_level", 1, 0, 1),
    bounded("optimizer_search_depth", 62, 0, 62),
    text("optimizer_switch", OPTIMIZER_SWITCH),
    text("optimizer_trace", "enabled=off,one_line=off"),
    flag("partial_revokes", false).global(),
    bounded("password_history", 0, 0, 4_294_967_295).global(),
    bounded("password_reuse_interval", 0, 0, 4_294_967_295).global(),
    flag("performance_schema", false).global().fixed(),
    of("port", |session| Value::UInt(u64::from(session.instance.config.mysql_addr.port())))
        .global(),
    number("preload_buffer_size", 32_768),
    flag("print_identified_with_as_hex", false),
    flag("profiling", false),
    bounded("profiling_history_size", 15, 0, 100),
    of("protocol_compression_algorithms", |session| {
        let allowed = &session.instance.config.protocol_compression_algorithms;
        let names = allowed.iter().map(|algorithm| algorithm.name()).chain(["uncompressed"]);
        names.collect::<Vec<_>>().join(",").into()
    })
    .global(),
    number("protocol_version", 10).global().fixed(),
    null("proxy_user").session().fixed(),
    of("pseudo_thread_id", |session| Value::UInt(u64::from(session.peer.connection_id))).session(),
    number("query_alloc_block_size", 8192),
    number("query_prealloc_size", 8192),
    number("rand_seed1", 0).session(),
    number("rand_seed2", 0).session(),
    number("range_alloc_block_size", 4096),
    number("range_optimizer_max_mem_size", 8_388_608),
    bounded("read_buffer_size", 131_072, 8192, 2_147_479_552),
    flag("read_only", false).global(),
    bounded("read_rnd_buffer_size", 262_144, 1, 2_147_483_647),
    Variable::new(
        "require_secure_transport",
        Kind::Flag,
        Default::Of(|session| {
            Value::Int(i64::from(session.instance.config.require_secure_transport))
        }),
    )
    .global()
    .fixed(),
    one_of("resultset_metadata", "FULL", &["NONE", "FULL"]).session(),
    null("secure_file_priv").global().fixed(),
    bounded("server_id", 1, 0, 4_294_967_295).global(),
    one_of("session_track_gtids", "OFF", &["OFF", "OWN_GTID", "ALL_GTIDS"]),
    flag("session_track_schema", true),
    flag("session_track_state_change", false),
    text(
        "session_track_system_variables",
        "time_zone,autocommit,character_set_client,character_set_results,character_set_connection",
    ),
    one_of("session_track_transaction_info", "OFF", &["OFF", "STATE", "CHARACTERISTICS"]),
    flag("show_create_table_verbosity", false),
    flag("show_gipk_in_create_table_and_information_schema", true),
    flag("skip_external_locking", true).global().fixed(),
    flag("skip_name_resolve", true).global().fixed(),
    flag("skip_networking", false).global().fixed(),
    flag("skip_show_database", false).global().fixed(),
    flag("slow_query_log", false).global(),
    text("socket", "").global().fixed(),
    bounded("sort_buffer_size", 262_144, 32_768, u64::MAX),
    flag("sql_auto_is_null", false),
    flag("sql_big_selects", true),
    flag("sql_buffer_result", false),
    flag("sql_generate_invisible_primary_key", false),
    flag("sql_log_bin", false).session(),
    flag("sql_log_off", false),
    Variable::new("sql_mode", Kind::Modes, Default::Text(SQL_MODE)),
    flag("sql_notes", true),
    flag("sql_quote_show_create", true),
    flag("sql_require_primary_key", false),
    flag("sql_safe_updates", false),
    number("sql_select_limit", u64::MAX),
    flag("sql_warnings", false),
    number("stored_program_cache", 256).global(),
    flag("super_read_only", false).global(),
    text("system_time_zone", "UTC").global().fixed(),
    number("table_definition_cache", 2000).global(),
    number("table_open_cache", 4000).global(),
    number("thread_cache_size", 9).global(),
    number("thread_stack", 1_048_576).global().fixed(),
    Variable::new("time_zone", Kind::TimeZone, Default::Text("SYSTEM")),
    Variable::new(
        "timestamp",
        Kind::Seconds,
        Default::Of(|session| {
            let micros = session.now.as_microsecond();
            // As DOUBLE, which is exact up to the year 2255.
            Value::Double(std::time::Duration::from_micros(micros.unsigned_abs()).as_secs_f64())
        }),
    )
    .session(),
    text("tls_version", VERSIONS).global().fixed(),
    bounded("tmp_table_size", 16_777_216, 1024, u64::MAX),
    number("transaction_alloc_block_size", 8192),
    one_of("transaction_isolation", "REPEATABLE-READ", ISOLATION),
    number("transaction_prealloc_size", 4096),
    flag("transaction_read_only", false),
    flag("unique_checks", true),
    one_of("updatable_views_with_limit", "YES", &["NO", "YES"]),
    one_of("use_secondary_engine", "ON", &["OFF", "ON", "FORCED"]).session(),
    text("version", SERVER_VERSION).global().fixed(),
    text("version_comment", "Stagewire").global().fixed(),
    text("version_compile_machine", std::env::consts::ARCH).global().fixed(),
    text("version_compile_os", std::env::consts::OS).global().fixed(),
    seconds("wait_timeout", |session| Value::UInt(session.instance.config.limits.wait_timeout_s)),
    of("warning_count", |session| to_uint(session.warnings.len())).session(),
    flag("windowing_use_high_precision", true),
];
