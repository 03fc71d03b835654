//! System variables, and the values that a session has set. What a client asks for by `SELECT @@x`,
//! `SHOW VARIABLES` and `SET` is all here; the table itself is in `table`.

mod table;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use self::table::{COMBINED_MODES, Default, Kind, MODES, NOT_OBEYED, Scopes, VARIABLES, Variable};
use crate::error::{Error, Result};
use crate::rows::Value;
use crate::session::Session;
use crate::sql::mode::SqlMode;
use crate::statement::charset;

/// Whose value is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This connection's; of a variable that only the server has, the server's.
    Session,
    /// The server's: the default of new connections.
    Global,
}

/// What a session has set.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Variables {
    system: BTreeMap<&'static str, Value>,
    user: BTreeMap<String, Value>,
    /// The system variables that were set since [`Variables::take_set`], be it to what they were.
    set: BTreeSet<&'static str>,
    /// Whether a user variable was.
    user_set: bool,
}

impl Variables {
    /// The value of `@@name`, as a `SELECT` shows it. With a scope that was written, the variable
    /// must have it.
    pub fn get(&self, session: &Session, scope: Option<Scope>, name: &str) -> Result<Value> {
        let variable = find(name)?;
        let other = match (scope, variable.scopes) {
            (Some(Scope::Global), Scopes::Session) => Some("SESSION"),
            (Some(Scope::Session), Scopes::Global) => Some("GLOBAL"),
            (Some(_), _) | (None, _) => None,
        };
        match other {
            Some(scope) => Err(Error::OtherScope { name: variable.name.to_owned(), scope }),
            None => Ok(self.value(session, scope.unwrap_or(Scope::Session), variable)),
        }
    }

    /// How statements are read: asked for each of them.
    pub fn sql_mode(&self) -> SqlMode {
        let set = self.system.get("sql_mode");
        set.map_or_else(SqlMode::default, |value| SqlMode::of(&value.to_string()))
    }

    /// Whether `autocommit` is on: asked for each statement.
    pub fn autocommit(&self) -> bool {
        self.system.get("autocommit") != Some(&Value::Int(0))
    }

    /// The value of `@name`; `NULL` where it was never set.
    pub fn user(&self, name: &str) -> Value {
        self.user.get(&name.to_lowercase()).cloned().unwrap_or(Value::Null)
    }

    /// Every user variable.
    pub fn all_user(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.user.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// `SET @@name = value`. `None` is `DEFAULT`.
    pub fn set(&mut self, scope: Scope, name: &str, value: Option<Value>) -> Result<()> {
        let variable = find(name)?;
        let name = || variable.name.to_owned();
        if !variable.dynamic {
            return Err(Error::ReadOnlyVariable { name: name() });
        }
        match (scope, variable.scopes) {
            (Scope::Session, Scopes::Global) => return Err(Error::GlobalVariable { name: name() }),
            (Scope::Global, Scopes::Session) => {
                return Err(Error::SessionVariable { name: name() });
            }
            (Scope::Session | Scope::Global, _) => {}
        }
        let value = value.map(|value| variable.check(value)).transpose()?;
        if scope == Scope::Global {
            return Err(Error::PrivilegeNeeded {
                privilege: "SUPER or SYSTEM_VARIABLES_ADMIN",
                hint: "the operator sets limits in the configuration file",
            });
        }
        match value {
            Some(value) => self.put(variable.name, value),
            None => {
                self.system.remove(variable.name);
                self.set.insert(variable.name);
            }
        }
        Ok(())
    }

    /// A character set changes its collation, and a collation its character set.
    fn put(&mut self, name: &'static str, value: Value) {
        for (charset_name, collation_name) in PAIRS {
            let text = value.to_string();
            if name == *charset_name
                && let Ok(found) = charset::find(&text)
            {
                self.system.insert(collation_name, found.collation.into());
            } else if name == *collation_name {
                self.system.insert(charset_name, charset::of_collation(&text).into());
            }
        }
        let twin = match name {
            "identity" => Some("last_insert_id"),
            "last_insert_id" => Some("identity"),
            _ => None,
        };
        if let Some(twin) = twin {
            self.system.insert(twin, value.clone());
        }
        self.system.insert(name, value);
        self.set.insert(name);
    }

    /// `SET @name = value`
    pub fn set_user(&mut self, name: &str, value: Value) {
        self.user.insert(name.to_lowercase(), value);
        self.user_set = true;
    }

    /// `SET NAMES charset COLLATE collation`
    pub fn set_names(&mut self, charset: &str, collation: Option<&str>) -> Result<()> {
        let charset = charset::find(charset)?;
        let collation = match collation {
            Some(collation) => charset::find_collation(collation)?,
            None => charset.collation,
        };
        if charset::of_collation(collation) != charset.name {
            let collation = collation.to_owned();
            return Err(Error::CollationMismatch { collation, charset: charset.name });
        }
        for name in ["character_set_client", "character_set_connection", "character_set_results"] {
            self.system.insert(name, charset.name.into());
            self.set.insert(name);
        }
        self.system.insert("collation_connection", collation.into());
        Ok(())
    }

    /// Whether any variable was set since the last call, and which system variables.
    pub fn take_set(&mut self) -> (bool, BTreeSet<&'static str>) {
        let set = std::mem::take(&mut self.set);
        let any = std::mem::take(&mut self.user_set) || !set.is_empty();
        (any, set)
    }

    /// The value of a system variable in a session, as `SHOW VARIABLES` shows it.
    pub fn shown(&self, session: &Session, name: &str) -> Result<String> {
        Ok(self.text(session, Scope::Session, find(name)?))
    }

    /// Every variable of a scope with its value as `SHOW VARIABLES` shows it.
    pub fn all(&self, session: &Session, scope: Scope) -> Vec<(&'static str, String)> {
        VARIABLES
            .iter()
            .filter(|variable| scope == Scope::Session || variable.scopes != Scopes::Session)
            .map(|variable| (variable.name, self.text(session, scope, variable)))
            .collect()
    }

    fn text(&self, session: &Session, scope: Scope, variable: &Variable) -> String {
        match (variable.kind, self.value(session, scope, variable)) {
            (Kind::Flag, Value::Int(0)) => "OFF".to_owned(),
            (Kind::Flag, _) => "ON".to_owned(),
            (_, Value::Null) => String::new(),
            (Kind::Seconds, Value::Double(seconds)) => format!("{seconds:.6}"),
            (_, value) => value.to_string(),
        }
    }

    fn value(&self, session: &Session, scope: Scope, variable: &Variable) -> Value {
        match self.system.get(variable.name) {
            Some(value) if scope == Scope::Session => value.clone(),
            Some(_) | None => variable.default(session),
        }
    }
}

/// Variables that change each other.
const PAIRS: &[(&str, &str)] = &[
    ("character_set_connection", "collation_connection"),
    ("character_set_database", "collation_database"),
    ("character_set_server", "collation_server"),
];

impl Variable {
    fn default(&self, session: &Session) -> Value {
        match &self.default {
            Default::Flag(on) => Value::Int(i64::from(*on)),
            Default::Number(number) => Value::UInt(*number),
            Default::Seconds(seconds) => Value::Double(*seconds),
            Default::Text(text) => (*text).into(),
            Default::Null => Value::Null,
            Default::Of(value) => value(session),
        }
    }

    fn check(&self, value: Value) -> Result<Value> {
        match self.kind {
            Kind::Flag => self.flag(&value),
            Kind::Number { min, max } => self.number(&value, min, max),
            Kind::Seconds => match value {
                Value::Int(number) if number >= 0 => Ok(Value::Double(wide(number.unsigned_abs()))),
                Value::UInt(number) => Ok(Value::Double(wide(number))),
                Value::Double(number) if number >= 0.0 => Ok(value),
                Value::Decimal(number) if number.to_f64() >= 0.0 => {
                    Ok(Value::Double(number.to_f64()))
                }
                Value::Int(_) | Value::Double(_) | Value::Decimal(_) => Err(self.wrong(&value)),
                Value::Null
                | Value::Float(_)
                | Value::Text(_)
                | Value::Bytes(_)
                | Value::Date(_)
                | Value::DateTime(_)
                | Value::Time(_) => Err(self.wrong_type()),
            },
            Kind::Text => Ok(self.text(&value)?.into()),
            Kind::TextOrNull | Kind::Charset { nullable: true } if value == Value::Null => {
                Ok(Value::Null)
            }
            Kind::TextOrNull => Ok(self.text(&value)?.into()),
            Kind::OneOf(allowed) => self.one_of(&value, allowed),
            Kind::Modes => self.modes(&value),
            Kind::Charset { .. } => Ok(charset::find(&self.text(&value)?)?.name.into()),
            Kind::Collation => Ok(charset::find_collation(&self.text(&value)?)?.into()),
            Kind::TimeZone => Ok(time_zone(&self.text(&value)?)?.into()),
        }
    }

    fn wrong(&self, value: &Value) -> Error {
        Error::WrongValue { name: self.name.to_owned(), value: value.to_string() }
    }

    fn wrong_type(&self) -> Error {
        Error::WrongType { name: self.name.to_owned() }
    }

    fn text(&self, value: &Value) -> Result<String> {
        match value {
            Value::Text(_)
            | Value::Bytes(_)
            | Value::Date(_)
            | Value::DateTime(_)
            | Value::Time(_) => Ok(value.to_string()),
            Value::Null => Err(self.wrong(value)),
            Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::Double(_)
            | Value::Decimal(_) => Err(self.wrong_type()),
        }
    }

    fn flag(&self, value: &Value) -> Result<Value> {
        if let Value::Float(_) | Value::Double(_) | Value::Decimal(_) = value {
            return Err(self.wrong_type());
        }
        match value.to_string().to_ascii_uppercase().as_str() {
            "ON" | "TRUE" | "1" => Ok(Value::Int(1)),
            "OFF" | "FALSE" | "0" => Ok(Value::Int(0)),
            _ => Err(self.wrong(value)),
        }
    }

    fn number(&self, value: &Value, min: u64, max: u64) -> Result<Value> {
        let number = match value {
            Value::Int(number) => u64::try_from(*number).unwrap_or(0),
            Value::UInt(number) => *number,
            Value::Null
            | Value::Float(_)
            | Value::Double(_)
            | Value::Decimal(_)
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::Date(_)
            | Value::DateTime(_)
            | Value::Time(_) => return Err(self.wrong_type()),
        };
        Ok(Value::UInt(number.clamp(min, max)))
    }

    fn one_of(&self, value: &Value, allowed: &[&'static str]) -> Result<Value> {
        let found = match value {
            Value::Int(number) => usize::try_from(*number).ok().and_then(|n| allowed.get(n)),
            Value::UInt(number) => usize::try_from(*number).ok().and_then(|n| allowed.get(n)),
            Value::Float(_) | Value::Double(_) | Value::Decimal(_) => {
                return Err(self.wrong_type());
            }
            Value::Null
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::Date(_)
            | Value::DateTime(_)
            | Value::Time(_) => {
                let text = value.to_string();
                allowed.iter().find(|name| name.eq_ignore_ascii_case(&text))
            }
        };
        found.map(|name| (*name).into()).ok_or_else(|| self.wrong(value))
    }

    /// The modes in MySQL's order, each once.
    fn modes(&self, value: &Value) -> Result<Value> {
        let bits = match value {
            Value::Int(number) => u64::try_from(*number).map_err(|_| self.wrong(value))?,
            Value::UInt(number) => *number,
            Value::Float(_) | Value::Double(_) | Value::Decimal(_) => {
                return Err(self.wrong_type());
            }
            Value::Null => return Err(self.wrong(value)),
            Value::Text(_)
            | Value::Bytes(_)
            | Value::Date(_)
            | Value::DateTime(_)
            | Value::Time(_) => {
                let mut bits = 0;
                let text = value.to_string();
                for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    bits |= mode(name).ok_or_else(|| self.wrong(&name.into()))?;
                }
                bits
            }
        };
        let known = MODES.iter().fold(0, |known, (_, bit)| known | (1 << bit));
        if bits & !known != 0 {
            return Err(self.wrong(value));
        }
        let names = MODES.iter().filter(|(_, bit)| bits & (1 << bit) != 0);
        let names: Vec<&str> = names.map(|(name, _)| *name).collect();
        // It would change what statements mean, and nobody here reads them so.
        if let Some(mode) = NOT_OBEYED.iter().find(|mode| names.contains(mode)) {
            return Err(Error::Unsupported { what: format!("The sql_mode {mode}"), hint: None });
        }
        Ok(names.join(",").into())
    }
}

/// The bits of a mode, and of those that it stands for.
fn mode(name: &str) -> Option<u64> {
    let (name, bit) = MODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let parts =
        COMBINED_MODES.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, parts)| parts);
    parts.iter().try_fold(1 << bit, |bits, part| Some(bits | mode(part)?))
}

/// A number as DOUBLE. Seconds are far below what would be rounded.
fn wide(number: u64) -> f64 {
    std::time::Duration::from_secs(number).as_secs_f64()
}

/// A time zone as it is kept: `SYSTEM`, an offset, or a name that the system knows.
fn time_zone(name: &str) -> Result<String> {
    let unknown = || Error::UnknownTimeZone { name: name.to_owned() };
    if name.eq_ignore_ascii_case("SYSTEM") {
        return Ok("SYSTEM".to_owned());
    }
    if name.starts_with(['+', '-']) {
        return offset_minutes(name).map(|_| name.to_owned()).ok_or_else(unknown);
    }
    match TimeZone::get(name) {
        Ok(zone) => Ok(zone.iana_name().unwrap_or(name).to_owned()),
        Err(_) => Err(unknown()),
    }
}

/// `+02:00` in minutes. MySQL takes -13:59 to +14:00.
pub fn offset_minutes(offset: &str) -> Option<i32> {
    let (sign, rest) = match offset.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let digits =
        |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = sign * (hours * 60 + minutes);
    (minutes < 60 && (-839..=840).contains(&total)).then_some(total)
}

fn find(name: &str) -> Result<&'static Variable> {
    let lower = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    };
    VARIABLES
        .binary_search_by(|variable| variable.name.cmp(&lower))
        .ok()
        .and_then(|index| VARIABLES.get(index))
        .ok_or_else(|| Error::UnknownVariable { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: impl Into<Value>) -> Result<String, u16> {
        let mut variables = Variables::default();
        match variables.set(Scope::Session, name, Some(value.into())) {
            Ok(()) => {
                let value = variables.system.get(name.to_ascii_lowercase().as_str());
                Ok(value.map(Value::to_string).unwrap_or_default())
            }
            Err(error) => Err(error.code().number),
        }
    }

    #[test]
    fn the_table_is_sorted_for_the_search() {
        for pair in VARIABLES.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} {}", pair[0].name, pair[1].name);
        }
    }

    #[test]
    fn values_are_checked_as_mysql_does() {
        assert_eq!(set("autocommit", "off").as_deref(), Ok("0"));
        assert_eq!(set("AUTOCOMMIT", Value::Int(1)).as_deref(), Ok("1"));
        assert_eq!(set("autocommit", "maybe"), Err(1231));
        assert_eq!(set("autocommit", Value::Int(2)), Err(1231));
        assert_eq!(set("autocommit", Value::Double(1.0)), Err(1232));
        assert_eq!(set("version", "9"), Err(1238));
        assert_eq!(set("nonsense", "9"), Err(1193));
        assert_eq!(set("max_connections", Value::Int(9)), Err(1229));
        assert_eq!(set("character_set_results", Value::Null).as_deref(), Ok("NULL"));
        assert_eq!(set("character_set_client", "gbk"), Err(1115));
        assert_eq!(set("collation_connection", "utf8mb4_xx"), Err(1273));
        assert_eq!(set("wait_timeout", "10"), Err(1232));
        assert_eq!(set("wait_timeout", Value::Null), Err(1232));
        assert_eq!(set("wait_timeout", Value::Int(0)).as_deref(), Ok("1"));
        assert_eq!(
            set("sql_select_limit", Value::UInt(u64::MAX)).as_deref(),
            Ok("18446744073709551615")
        );
        assert_eq!(set("long_query_time", Value::Int(2)).as_deref(), Ok("2"));
        assert_eq!(set("init_connect", "x"), Err(1229));
        assert_eq!(set("lc_messages", Value::Int(1)), Err(1232));
        assert_eq!(set("transaction_isolation", "read-committed").as_deref(), Ok("READ-COMMITTED"));
        assert_eq!(set("transaction_isolation", Value::Int(3)).as_deref(), Ok("SERIALIZABLE"));
        assert_eq!(set("transaction_isolation", Value::Int(4)), Err(1231));
    }

    #[test]
    fn modes_are_put_in_order() {
        assert_eq!(set("sql_mode", Value::Null), Err(1231));
        assert_eq!(set("sql_mode", Value::Int(0)).as_deref(), Ok(""));
        assert_eq!(set("sql_mode", "").as_deref(), Ok(""));
        let both = set("sql_mode", "strict_trans_tables, PIPES_AS_CONCAT,STRICT_TRANS_TABLES");
        assert_eq!(both.as_deref(), Ok("PIPES_AS_CONCAT,STRICT_TRANS_TABLES"));
        let ansi = "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY,ANSI";
        assert_eq!(set("sql_mode", "ANSI").as_deref(), Ok(ansi));
        assert_eq!(set("sql_mode", "NO_AUTO_CREATE_USER"), Err(1231));
        assert_eq!(set("sql_mode", Value::Int(16)), Err(1231));
        assert_eq!(set("sql_mode", "HIGH_NOT_PRECEDENCE"), Err(1235));
    }

    #[test]
    fn time_zones_are_known_or_refused() {
        assert_eq!(set("time_zone", "system").as_deref(), Ok("SYSTEM"));
        assert_eq!(set("time_zone", "+02:00").as_deref(), Ok("+02:00"));
        for wrong in ["+14:01", "-14:00", "+2", "+a:00", "Nowhere/Land", ""] {
            assert_eq!(set("time_zone", wrong), Err(1298), "{wrong}");
        }
    }
}
