//! System variables: one table with MySQL's names, types and defaults, and the values that a session
//! has set. What a client asks for by `SELECT @@x`, `SHOW VARIABLES` and `SET` is all here.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::instance::SERVER_VERSION;
use crate::rows::Value;
use crate::session::Session;
use crate::tls::VERSIONS;

/// Whose value is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This connection's.
    Session,
    /// The server's: the default of new connections.
    Global,
}

/// A row of the table.
struct Variable {
    name: &'static str,
    default: Default,
    set: Settable,
}

/// Where the default comes from.
enum Default {
    /// `ON` or `OFF`; 1 or 0 in a `SELECT`.
    Flag(bool),
    Number(u64),
    Text(&'static str),
    Null,
    /// From the server or the connection.
    Of(fn(&Session) -> Value),
}

/// Whether and to what a session can set it.
#[derive(Clone, Copy)]
enum Settable {
    No,
    /// `ON`, `OFF`, `TRUE`, `FALSE`, `1`, `0`
    Flag,
    Number,
    Text,
    /// A text or `NULL`
    TextOrNull,
    OneOf(&'static [&'static str]),
}

const ISOLATION: &[&str] =
    &["READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"];

const SQL_MODE: &str = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                        ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

const fn fixed(name: &'static str, default: Default) -> Variable {
    Variable { name, default, set: Settable::No }
}

const fn flag(name: &'static str, default: bool) -> Variable {
    Variable { name, default: Default::Flag(default), set: Settable::Flag }
}

const fn number(name: &'static str, default: u64) -> Variable {
    Variable { name, default: Default::Number(default), set: Settable::Number }
}

const fn text(name: &'static str, default: &'static str) -> Variable {
    Variable { name, default: Default::Text(default), set: Settable::Text }
}

/// Sorted by name. `local_infile` is `OFF`, for loading rows into tables is what it promises;
/// stages take files whatever it says.
const VARIABLES: &[Variable] = &[
    number("auto_increment_increment", 1),
    number("auto_increment_offset", 1),
    flag("autocommit", true),
    text("character_set_client", "utf8mb4"),
    text("character_set_connection", "utf8mb4"),
    text("character_set_database", "utf8mb4"),
    text("character_set_filesystem", "binary"),
    Variable {
        name: "character_set_results",
        default: Default::Text("utf8mb4"),
        set: Settable::TextOrNull,
    },
    text("character_set_server", "utf8mb4"),
    fixed("character_set_system", Default::Text("utf8mb3")),
    text("collation_connection", "utf8mb4_0900_ai_ci"),
    text("collation_database", "utf8mb4_0900_ai_ci"),
    text("collation_server", "utf8mb4_0900_ai_ci"),
    text("default_storage_engine", "STAGE"),
    number("error_count", 0),
    flag("foreign_key_checks", true),
    number("group_concat_max_len", 1024),
    fixed("have_openssl", Default::Text("YES")),
    fixed("have_ssl", Default::Text("YES")),
    fixed("hostname", Default::Text("stagewire")),
    text("init_connect", ""),
    Variable {
        name: "interactive_timeout",
        default: Default::Of(|session| Value::UInt(session.instance.config.limits.wait_timeout_s)),
        set: Settable::Number,
    },
    number("last_insert_id", 0),
    text("lc_messages", "en_US"),
    text("lc_time_names", "en_US"),
    fixed("license", Default::Text("Apache-2.0")),
    fixed("local_infile", Default::Flag(false)),
    number("lock_wait_timeout", 31_536_000),
    fixed("lower_case_file_system", Default::Flag(false)),
    fixed("lower_case_table_names", Default::Number(0)),
    fixed(
        "max_allowed_packet",
        Default::Of(|session| to_uint(session.instance.config.limits.max_allowed_packet)),
    ),
    fixed(
        "max_connections",
        Default::Of(|session| to_uint(session.instance.config.limits.max_connections)),
    ),
    number("max_execution_time", 0),
    number("net_buffer_length", 16_384),
    Variable {
        name: "net_read_timeout",
        default: Default::Of(|session| Value::UInt(session.instance.config.limits.net_timeout_s)),
        set: Settable::Number,
    },
    Variable {
        name: "net_write_timeout",
        default: Default::Of(|session| Value::UInt(session.instance.config.limits.net_timeout_s)),
        set: Settable::Number,
    },
    fixed("performance_schema", Default::Flag(false)),
    fixed(
        "port",
        Default::Of(|session| Value::UInt(u64::from(session.instance.config.mysql_addr.port()))),
    ),
    flag("profiling", false),
    fixed("protocol_version", Default::Number(10)),
    fixed("read_only", Default::Flag(false)),
    fixed("secure_file_priv", Default::Null),
    fixed("server_id", Default::Number(1)),
    flag("session_track_schema", true),
    flag("session_track_state_change", false),
    text("session_track_system_variables", ""),
    fixed("skip_networking", Default::Flag(false)),
    fixed("socket", Default::Text("")),
    flag("sql_auto_is_null", false),
    flag("sql_big_selects", true),
    flag("sql_log_bin", false),
    text("sql_mode", SQL_MODE),
    flag("sql_notes", true),
    flag("sql_quote_show_create", true),
    flag("sql_safe_updates", false),
    number("sql_select_limit", u64::MAX),
    flag("sql_warnings", false),
    fixed("system_time_zone", Default::Text("UTC")),
    text("time_zone", "SYSTEM"),
    fixed("tls_version", Default::Text(VERSIONS)),
    Variable {
        name: "transaction_isolation",
        default: Default::Text("REPEATABLE-READ"),
        set: Settable::OneOf(ISOLATION),
    },
    flag("transaction_read_only", false),
    flag("unique_checks", true),
    fixed("version", Default::Text(SERVER_VERSION)),
    fixed("version_comment", Default::Text("Stagewire")),
    fixed("version_compile_machine", Default::Text(std::env::consts::ARCH)),
    fixed("version_compile_os", Default::Text(std::env::consts::OS)),
    Variable {
        name: "wait_timeout",
        default: Default::Of(|session| Value::UInt(session.instance.config.limits.wait_timeout_s)),
        set: Settable::Number,
    },
    number("warning_count", 0),
];

fn to_uint(number: usize) -> Value {
    Value::UInt(u64::try_from(number).unwrap_or(u64::MAX))
}

/// What a session has set.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Variables {
    system: BTreeMap<&'static str, Value>,
    user: BTreeMap<String, Value>,
}

impl Variables {
    /// The value of `@@name`, as a `SELECT` shows it.
    pub fn get(&self, session: &Session, scope: Scope, name: &str) -> Result<Value> {
        Ok(self.value(session, scope, find(name)?))
    }

    /// The value of `@name`; `NULL` where it was never set.
    pub fn user(&self, name: &str) -> Value {
        self.user.get(&name.to_lowercase()).cloned().unwrap_or(Value::Null)
    }

    /// `SET @@name = value`. `None` is `DEFAULT`.
    pub fn set(&mut self, scope: Scope, name: &str, value: Option<Value>) -> Result<()> {
        let variable = find(name)?;
        if scope == Scope::Global {
            return Err(Error::Unsupported {
                what: format!("SET GLOBAL {}", variable.name),
                hint: Some("the operator sets limits in the configuration file".to_owned()),
            });
        }
        let checked = match value {
            None => {
                self.system.remove(variable.name);
                return Ok(());
            }
            Some(value) => variable.check(value)?,
        };
        self.system.insert(variable.name, checked);
        Ok(())
    }

    /// `SET @name = value`
    pub fn set_user(&mut self, name: &str, value: Value) {
        self.user.insert(name.to_lowercase(), value);
    }

    /// `SET NAMES charset`
    pub fn set_names(&mut self, charset: &str, collation: Option<&str>) -> Result<()> {
        let known = CHARSETS.iter().find(|(name, _)| name.eq_ignore_ascii_case(charset));
        let Some((charset, default)) = known else {
            return Err(Error::WrongValue {
                name: "character_set_client".into(),
                value: charset.into(),
            });
        };
        for name in ["character_set_client", "character_set_connection", "character_set_results"] {
            self.system.insert(name, (*charset).into());
        }
        self.system.insert("collation_connection", collation.unwrap_or(default).into());
        Ok(())
    }

    /// Every variable with its value as `SHOW VARIABLES` shows it.
    pub fn all(&self, session: &Session, scope: Scope) -> Vec<(&'static str, String)> {
        VARIABLES
            .iter()
            .map(|variable| {
                let value = self.value(session, scope, variable);
                let text = match (&variable.default, &value) {
                    (Default::Flag(_), value) => {
                        if *value == Value::Int(0) { "OFF" } else { "ON" }.to_owned()
                    }
                    (_, Value::Null) => String::new(),
                    (_, value) => value.to_string(),
                };
                (variable.name, text)
            })
            .collect()
    }

    fn value(&self, session: &Session, scope: Scope, variable: &Variable) -> Value {
        match self.system.get(variable.name) {
            Some(value) if scope == Scope::Session => value.clone(),
            Some(_) | None => variable.default(session),
        }
    }
}

/// Character sets that clients name, with their default collations. Everything is UTF-8 here; the
/// ASCII part of the others is the same.
const CHARSETS: &[(&str, &str)] = &[
    ("utf8mb4", "utf8mb4_0900_ai_ci"),
    ("utf8mb3", "utf8mb3_general_ci"),
    ("utf8", "utf8mb3_general_ci"),
    ("latin1", "latin1_swedish_ci"),
    ("ascii", "ascii_general_ci"),
    ("binary", "binary"),
];

impl Variable {
    fn default(&self, session: &Session) -> Value {
        match &self.default {
            Default::Flag(on) => Value::Int(i64::from(*on)),
            Default::Number(number) => Value::UInt(*number),
            Default::Text(text) => (*text).into(),
            Default::Null => Value::Null,
            Default::Of(value) => value(session),
        }
    }

    fn check(&self, value: Value) -> Result<Value> {
        let text = value.to_string();
        let wrong = || Error::WrongValue { name: self.name.to_owned(), value: text.clone() };
        match self.set {
            Settable::No => Err(Error::ReadOnlyVariable { name: self.name.to_owned() }),
            Settable::Flag => match text.to_ascii_uppercase().as_str() {
                "ON" | "TRUE" | "1" => Ok(Value::Int(1)),
                "OFF" | "FALSE" | "0" => Ok(Value::Int(0)),
                _ => Err(wrong()),
            },
            Settable::Number => text.parse().map(Value::UInt).map_err(|_| wrong()),
            Settable::TextOrNull if value == Value::Null => Ok(Value::Null),
            Settable::Text | Settable::TextOrNull if value == Value::Null => Err(wrong()),
            Settable::Text | Settable::TextOrNull => Ok(text.into()),
            Settable::OneOf(allowed) => {
                let upper = text.to_ascii_uppercase();
                if allowed.contains(&upper.as_str()) { Ok(upper.into()) } else { Err(wrong()) }
            }
        }
    }
}

fn find(name: &str) -> Result<&'static Variable> {
    let lower = name.to_ascii_lowercase();
    VARIABLES
        .binary_search_by(|variable| variable.name.cmp(&lower))
        .ok()
        .and_then(|index| VARIABLES.get(index))
        .ok_or_else(|| Error::UnknownVariable { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_the_search() {
        assert!(VARIABLES.is_sorted_by_key(|variable| variable.name));
    }

    #[test]
    fn values_are_checked() {
        let mut variables = Variables::default();
        let mut set = |name, value: Value| variables.set(Scope::Session, name, Some(value));
        assert!(set("autocommit", "off".into()).is_ok());
        assert!(set("AUTOCOMMIT", Value::Int(1)).is_ok());
        assert!(set("autocommit", "maybe".into()).is_err());
        assert!(set("version", "9".into()).is_err());
        assert!(set("nonsense", "9".into()).is_err());
        assert!(set("character_set_results", Value::Null).is_ok());
        assert!(set("sql_mode", Value::Null).is_err());
        assert!(set("wait_timeout", "soon".into()).is_err());
        assert!(set("transaction_isolation", "read-committed".into()).is_ok());
    }
}
