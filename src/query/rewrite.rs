//! MySQL's SQL to DataFusion's: what the two write in different ways, and what they mean by it.
//!
//! Names of columns are in lower case on both sides: DataFusion tells `ID` from `id`, MySQL does not.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CharacterLength, DataType, DateTimeField,
    DuplicateTreatment, ExactNumberInfo, ExcludeSelectItem, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident, Interval,
    JoinOperator, JsonPath, JsonPathElem, ObjectName, Query, Select, SelectItem, SetExpr,
    TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::table::METADATA;
use super::{json, rollup, texts};
use crate::error::{Error, Result};

/// Aggregates of numbers, whatever they are given.
const OF_NUMBERS: &[&str] = &[
    "avg",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

/// What is known of the tables of a query.
#[derive(Default)]
pub(super) struct Names {
    /// Tables that are files with names for the columns that `$1`, `$2` ... stand for: by the name of the
    /// table in the query.
    pub(super) columns: HashMap<String, Vec<String>>,
    /// Other tables that are files: there `$1` is the row, and `$1:name` one of these columns.
    pub(super) rows: HashMap<String, Vec<String>>,
    /// The session's time zone, if it is not UTC.
    pub(super) zone: Option<String>,
    /// Whether tables that are files have the columns of [`METADATA`].
    pub(super) metadata: bool,
}

/// Rewrites a query whose names are in lower case.
pub(super) fn rewrite(query: &mut Query, names: &Names) -> Result<()> {
    let mut rewriter = Rewriter { names, aliases: HashMap::new() };
    // Aliases first: an expression stands before the table that it names.
    let _ = query.visit(&mut Aliases { names, found: &mut rewriter.aliases });
    match query.visit(&mut rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Gives what is selected twice another name the second time: MySQL selects it twice, DataFusion refuses to.
/// The names that the answer has are found elsewhere.
pub(super) fn tell_apart(query: &mut Query) {
    let SetExpr::Select(select) = &mut *query.body else { return };
    let spread = |item: &SelectItem| {
        matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
    };
    let all = select.projection.iter().any(spread);
    let mut seen = HashSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        // `t.a` and `a` are the same.
        let (text, column) = match &*expr {
            Expr::Identifier(name) => (name.value.clone(), true),
            Expr::CompoundIdentifier(parts) => {
                (parts.last().map(|last| last.value.clone()).unwrap_or_default(), true)
            }
            other => (other.to_string(), false),
        };
        // A cast has the name of what it casts, which may stand in `ORDER BY`.
        let is_cast = matches!(expr, Expr::Cast { .. });
        let again = !seen.insert(text) || (all && column) || is_cast;
        if again {
            let alias = Ident::new(format!("again${index}"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// Whether a query names a column of [`METADATA`].
pub(super) fn names_metadata(query: &Query) -> bool {
    let text = query.to_string().to_lowercase();
    METADATA.iter().any(|name| text.contains(name))
}

/// Whether a query reads all rows of its tables: `false` if it is plainly content with the first ones.
pub(super) fn reads_all(query: &Query) -> bool {
    let SetExpr::Select(select) = &*query.body else { return true };
    let computed = select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::UnnamedExpr(Expr::Function(_)) | SelectItem::ExprWithAlias { .. }
        )
    });
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    query.limit_clause.is_none() || query.order_by.is_some() || computed || grouped
}

/// Which table is meant by an alias.
struct Aliases<'a> {
    names: &'a Names,
    found: &'a mut HashMap<String, String>,
}

impl VisitorMut for Aliases<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias: Some(alias), .. } = table
            && (self.names.columns.contains_key(&name.to_string())
                || self.names.rows.contains_key(&name.to_string()))
        {
            self.found.insert(alias.name.value.to_lowercase(), name.to_string());
        }
        ControlFlow::Continue(())
    }
}

struct Rewriter<'a> {
    names: &'a Names,
    aliases: HashMap<String, String>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        rollup::in_order(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for condition in [&mut select.selection, &mut select.having].into_iter().flatten() {
            if !is_truth(condition) {
                *condition = truth(nested(condition.clone()));
            }
        }
        // The order of a join is DataFusion's to choose.
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let JoinOperator::StraightJoin(constraint) = &join.join_operator {
                join.join_operator = JoinOperator::Inner(constraint.clone());
            }
        }
        rollup::as_function(select);
        if self.names.metadata && self.reads_files(select) {
            for item in &mut select.projection {
                if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) =
                    item
                {
                    let names =
                        METADATA.iter().map(|name| ObjectName::from(vec![Ident::new(*name)]));
                    options.opt_exclude = Some(ExcludeSelectItem::Multiple(names.collect()));
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::JsonAccess { value, path } = expr else { return ControlFlow::Continue(()) };
        match self.part(value, path) {
            Ok(part) => {
                *expr = part;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match self.expression(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Rewriter<'_> {
    fn reads_files(&self, select: &Select) -> bool {
        let is_file = |table: &TableFactor| {
            matches!(table, TableFactor::Table { name, .. }
                if name.to_string().starts_with(super::FILES))
        };
        select.from.iter().any(|from| {
            is_file(&from.relation) || from.joins.iter().any(|join| is_file(&join.relation))
        })
    }

    fn expression(&self, expr: &mut Expr) -> Result<()> {
        match expr {
            Expr::Identifier(ident) => {
                if let Some(name) = self.positional(None, ident)? {
                    *ident = Ident::new(name);
                } else if let Some(columns) = self.row(None, ident)? {
                    *expr = object(None, columns);
                }
            }
            Expr::CompoundIdentifier(parts) => {
                if let [table, column] = parts.as_mut_slice() {
                    if let Some(name) = self.positional(Some(table), column)? {
                        *column = Ident::new(name);
                    } else if let Some(columns) = self.row(Some(table), column)? {
                        *expr = object(Some(table), columns);
                    }
                }
            }
            Expr::Function(function) => {
                if let Some(other) = self.of_zone(function) {
                    *expr = other;
                } else if let Some(other) = call(function)? {
                    *expr = other;
                }
            }
            Expr::BinaryOp { left, op, right } => {
                if let Some(other) = binary(left, op, right) {
                    *expr = other;
                }
            }
            Expr::RLike { negated, expr: value, pattern, .. } => {
                *expr = matches(value, pattern, *negated);
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::UnaryOp { op: UnaryOperator::Not, expr: value }
            | Expr::IsTrue(value)
            | Expr::IsNotTrue(value)
            | Expr::IsFalse(value)
            | Expr::IsNotFalse(value) => **value = truth(nested((**value).clone())),
            Expr::Substring { expr: value, substring_from: Some(from), substring_for, .. }
                if !is_positive(from) =>
            {
                let length = substring_for.take().map(|length| *length);
                let (value, from) = ((**value).clone(), (**from).clone());
                let arguments = [value, from].into_iter().chain(length);
                *expr = function("mysql_substring", arguments.collect());
            }
            Expr::Extract { field, expr: value, .. } => {
                if let Some(part) = extracted(&field.to_string(), value) {
                    *expr = part;
                }
            }
            Expr::Ceil { expr: value, .. } => {
                let ceil = function("ceil", vec![(**value).clone()]);
                *expr = function("mysql_whole", vec![ceil]);
            }
            Expr::Floor { expr: value, .. } => {
                let floor = function("floor", vec![(**value).clone()]);
                *expr = function("mysql_whole", vec![floor]);
            }
            Expr::Convert { expr: value, data_type: Some(ty), .. } if of_own(ty) => {
                *expr = converted((**value).clone(), ty);
            }
            Expr::Convert { expr: value, data_type: Some(ty), .. } => {
                *expr = cast((**value).clone(), cast_type(ty).unwrap_or_else(|| ty.clone()));
            }
            // All texts are in UTF-8.
            Expr::Convert { expr: value, data_type: None, charset: Some(_), .. } => {
                *expr = as_text((**value).clone());
            }
            Expr::Prefixed { prefix, value } if prefix.value.starts_with('_') => {
                *expr = (**value).clone();
            }
            Expr::Collate { expr: value, collation } if is_binary(collation) => {
                *expr = (**value).clone();
            }
            // `BINARY a = 'x'` is read as one of the whole; bytes are compared anyway.
            Expr::Cast { expr: value, data_type: DataType::Binary(None), .. }
                if is_truth(value) =>
            {
                *expr = (**value).clone();
            }
            Expr::Cast { expr: value, data_type, .. } if of_own(data_type) => {
                *expr = converted((**value).clone(), data_type);
            }
            Expr::Cast { kind, data_type, .. } => {
                // A value that can't be converted is NULL and a warning to MySQL.
                *kind = CastKind::TryCast;
                if let Some(other) = cast_type(data_type) {
                    *data_type = other;
                }
            }
            Expr::Value(value) => {
                if let Value::DoubleQuotedString(text) = &value.value {
                    value.value = Value::SingleQuotedString(text.clone());
                } else if let Value::SingleQuotedByteStringLiteral(bits) = &value.value
                    && let Ok(number) = u64::from_str_radix(bits, 2)
                {
                    // What is compared with a flag.
                    value.value = Value::Number(number.to_string(), false);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A call of what depends on the session's time zone.
    fn of_zone(&self, called: &Function) -> Option<Expr> {
        let mut given = arguments(called)?.into_iter();
        let (value, format) = (given.next()?, given.next());
        let zone = || text(self.names.zone.as_deref().unwrap_or("UTC"));
        match called.name.to_string().to_lowercase().as_str() {
            "unix_timestamp" if format.is_none() => {
                Some(function("mysql_unix_timestamp", vec![value, zone()]))
            }
            "from_unixtime" => {
                let seconds = function("mysql_integer", vec![value]);
                let moment = function("mysql_from_unixtime", vec![seconds, zone()]);
                Some(match format {
                    Some(format) => function("mysql_date_format", vec![moment, format]),
                    None => moment,
                })
            }
            _ => None,
        }
    }

    /// The column that `$2` stands for, where it has another name.
    fn positional(&self, table: Option<&Ident>, column: &Ident) -> Result<Option<String>> {
        let Some(number) = column.value.strip_prefix('$') else { return Ok(None) };
        let Ok(number) = number.parse::<usize>() else { return Ok(None) };
        let columns = match table {
            Some(table) => {
                let alias = self.aliases.get(&table.value.to_lowercase());
                alias.and_then(|name| self.names.columns.get(name))
            }
            None => {
                let mut all = self.names.columns.values();
                let only = all.next();
                if all.next().is_some() {
                    return Err(Error::AmbiguousColumn { name: column.value.clone() });
                }
                only
            }
        };
        let Some(columns) = columns else { return Ok(None) };
        match number.checked_sub(1).and_then(|index| columns.get(index)) {
            Some(name) => Ok(Some(name.to_lowercase())),
            None => Err(Error::UnknownColumn { name: column.value.clone() }),
        }
    }

    /// The columns of the row that `$1` stands for, where it does.
    fn row(&self, table: Option<&Ident>, column: &Ident) -> Result<Option<&Vec<String>>> {
        if column.value != "$1" {
            return Ok(None);
        }
        let Some(table) = table else {
            let mut all = self.names.rows.values();
            let only = all.next();
            return match all.next() {
                Some(_) => Err(Error::AmbiguousColumn { name: column.value.clone() }),
                None => Ok(only),
            };
        };
        let alias = self.aliases.get(&table.value.to_lowercase());
        Ok(alias.and_then(|name| self.names.rows.get(name)))
    }

    /// `value:a.b[0]`; of a row, the first name is that of a column.
    fn part(&self, value: &Expr, path: &JsonPath) -> Result<Expr> {
        let mut parts = path.path.iter().map(place).collect::<Result<Vec<_>>>()?;
        let (table, columns) = match value {
            Expr::Identifier(ident) => (None, self.row(None, ident)?),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [table, column] => (Some(table), self.row(Some(table), column)?),
                _ => (None, None),
            },
            _ => (None, None),
        };
        let mut value = value.clone();
        if let Some(columns) = columns
            && let Some(Ok(name)) = parts.first()
        {
            let Some(known) = columns.iter().find(|column| column.eq_ignore_ascii_case(name))
            else {
                return Ok(cast(Expr::value(Value::Null), DataType::Text));
            };
            value = of_table(table, known);
            parts.drain(..1);
        }
        match parts.is_empty() {
            true => Ok(value),
            false => Ok(function("mysql_part", vec![value, text(&json::path_of(&parts))])),
        }
    }

    /// `INTERVAL 3 DAY` and `INTERVAL '3' DAY` are one text to DataFusion.
    fn interval(&self, interval: &mut Interval) {
        let Some(field) = interval.leading_field.take() else { return };
        let number = match &*interval.value {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => Some(digits.clone()),
                other => other.clone().into_string(),
            },
            _ => None,
        };
        match number {
            Some(number) => *interval.value = text(&format!("{number} {field}")),
            None => interval.leading_field = Some(field),
        }
    }
}

/// A column, perhaps of this table.
fn of_table(table: Option<&Ident>, column: &str) -> Expr {
    let column = Ident::new(column.to_lowercase());
    match table {
        Some(table) => Expr::CompoundIdentifier(vec![table.clone(), column]),
        None => Expr::Identifier(column),
    }
}

/// A row as one value.
fn object(table: Option<&Ident>, columns: &[String]) -> Expr {
    let pairs = columns.iter().flat_map(|column| [text(column), of_table(table, column)]);
    function("named_struct", pairs.collect())
}

/// A name or a number in a path.
fn place(part: &JsonPathElem) -> Result<std::result::Result<String, usize>> {
    let key = match part {
        JsonPathElem::Dot { key, .. } => return Ok(Ok(key.clone())),
        JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => key,
    };
    let refused = || Error::Unsupported {
        what: format!("The path [{key}]"),
        hint: Some("a place is a number from 0, or a name in quotes".to_owned()),
    };
    let Expr::Value(value) = key else { return Err(refused()) };
    match &value.value {
        Value::Number(digits, _) => digits.parse().map(Err).map_err(|_| refused()),
        other => other.clone().into_string().map(Ok).ok_or_else(refused),
    }
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

fn number(value: &str) -> Expr {
    Expr::value(Value::Number(value.to_owned(), false))
}

fn cast(value: Expr, ty: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::TryCast,
        expr: Box::new(value),
        data_type: ty,
        array: false,
        format: None,
    }
}

/// A call of one of DataFusion's functions.
pub(super) fn function(name: &str, arguments: Vec<Expr>) -> Expr {
    let unnamed = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(sqlparser::ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn binary_op(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

/// `REGEXP`: without regard to case, as MySQL's default collation compares.
fn matches(value: &Expr, pattern: &Expr, negated: bool) -> Expr {
    let found = function("regexp_like", vec![value.clone(), pattern.clone(), text("i")]);
    match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested(found)) },
        false => found,
    }
}

fn binary(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    let (left, right) = (left.clone(), right.clone());
    Some(match op {
        // MySQL never divides whole numbers as such, and nothing by zero.
        BinaryOperator::Divide => function("mysql_divide", vec![left, right]),
        BinaryOperator::MyIntegerDivide => {
            let exact = function("mysql_divide", vec![left, right]);
            cast(function("trunc", vec![exact]), DataType::BigInt(None))
        }
        BinaryOperator::Modulo => {
            let zero = number("0");
            let divisor = function("nullif", vec![right, zero]);
            nested(binary_op(left, BinaryOperator::Modulo, divisor))
        }
        BinaryOperator::Plus if matches!(left, Expr::Interval(_)) => {
            moved(right, BinaryOperator::Plus, left)
        }
        BinaryOperator::Plus | BinaryOperator::Minus if matches!(right, Expr::Interval(_)) => {
            moved(left, op.clone(), right)
        }
        BinaryOperator::Arrow => function("mysql_json_extract", vec![left, right]),
        BinaryOperator::LongArrow => function("mysql_json_value", vec![left, right]),
        BinaryOperator::Regexp => matches(&left, &right, false),
        // MySQL takes every value for true or false.
        BinaryOperator::And | BinaryOperator::Or if !(is_truth(&left) && is_truth(&right)) => {
            let side = |side| if is_truth(&side) { side } else { truth(nested(side)) };
            binary_op(side(left), op.clone(), side(right))
        }
        BinaryOperator::Xor => {
            let (left, right) = (truth(left), truth(right));
            nested(binary_op(left, BinaryOperator::NotEq, right))
        }
        _ => return None,
    })
}

/// Values of which one is a text, and so all.
fn alike(values: Vec<Expr>) -> Vec<Expr> {
    let is_text = values.iter().any(|value| literal(value).is_some());
    if is_text { values.into_iter().map(as_text).collect() } else { values }
}

/// Whether an expression is true or false, and nothing else, by its form.
fn is_truth(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_truth(inner),
        Expr::BinaryOp { op, .. } => matches!(
            op,
            BinaryOperator::And
                | BinaryOperator::Or
                | BinaryOperator::Xor
                | BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
                | BinaryOperator::Spaceship
                | BinaryOperator::Regexp
        ),
        Expr::UnaryOp { op: UnaryOperator::Not, .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::RLike { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. }
        | Expr::Exists { .. }
        | Expr::Cast { data_type: DataType::Boolean, .. } => true,
        Expr::Function(called) => called.name.to_string() == "regexp_like",
        Expr::Value(value) => matches!(value.value, Value::Boolean(_) | Value::Null),
        _ => false,
    }
}

/// Whether texts are compared byte by byte by a collation.
fn is_binary(collation: &ObjectName) -> bool {
    let name = collation.to_string().to_lowercase();
    name == "binary" || name.ends_with("_bin")
}

/// Whether a number is one that counts from the beginning of a text.
fn is_positive(number: &Expr) -> bool {
    match number {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<u64>().is_ok_and(|number| number > 0),
            _ => false,
        },
        _ => false,
    }
}

/// A part of a moment, or several of them.
fn extracted(unit: &str, value: &Expr) -> Option<Expr> {
    let value = value.clone();
    let letters = match unit.to_uppercase().as_str() {
        "WEEK" => return Some(function("mysql_week", vec![value])),
        "YEAR_MONTH" => "%Y%m",
        "DAY_HOUR" => "%d%H",
        "DAY_MINUTE" => "%d%H%i",
        "DAY_SECOND" => "%d%H%i%s",
        "HOUR_MINUTE" => "%k%i",
        "HOUR_SECOND" => "%k%i%s",
        "MINUTE_SECOND" => "%i%s",
        unit => return part(&unit.to_lowercase(), value),
    };
    let shown = function("mysql_date_format", vec![value, text(letters)]);
    Some(cast(shown, DataType::BigInt(None)))
}

/// Whether a type of `CAST` is computed by a function of ours.
fn of_own(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Signed
            | DataType::SignedInteger
            | DataType::Char(_)
            | DataType::Character(_)
            | DataType::Datetime(_)
            | DataType::Time(..)
            | DataType::JSON
    )
}

/// `CAST` to one of these types.
fn converted(value: Expr, ty: &DataType) -> Expr {
    match ty {
        DataType::Char(length) | DataType::Character(length) => {
            let value = as_text(value);
            match length {
                Some(CharacterLength::IntegerLength { length, .. }) => {
                    function("left", vec![value, number(&length.to_string())])
                }
                Some(CharacterLength::Max) | None => value,
            }
        }
        DataType::Datetime(digits) => {
            // Whole seconds, unless more are asked for.
            let moment = function("mysql_datetime", vec![value]);
            let digits = match digits.unwrap_or(0) {
                0 => 0,
                1..=3 => 3,
                _ => 6,
            };
            cast(moment, DataType::Timestamp(Some(digits), sqlparser::ast::TimezoneInfo::None))
        }
        DataType::Time(..) => function("mysql_time", vec![value]),
        DataType::JSON => function("mysql_json_extract", vec![value, text("$")]),
        _ => function("mysql_integer", vec![value]),
    }
}

fn as_text(value: Expr) -> Expr {
    function("mysql_text", vec![value])
}

/// Nothing where a condition does not hold.
fn only_if(condition: Expr, result: Expr) -> Expr {
    Expr::Case {
        case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: None,
    }
}

fn truth(value: Expr) -> Expr {
    cast(value, DataType::Boolean)
}

/// The types that MySQL has in `CAST`.
fn cast_type(ty: &DataType) -> Option<DataType> {
    Some(match ty {
        DataType::Unsigned | DataType::UnsignedInteger => DataType::BigIntUnsigned(None),
        DataType::Varchar(Some(CharacterLength::IntegerLength { .. })) => DataType::Text,
        DataType::Binary(_) => DataType::Bytea,
        DataType::Decimal(ExactNumberInfo::None) => {
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(10, 0))
        }
        _ => return None,
    })
}

/// The plain arguments of a call; `None` where one of them is something else.
fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                None
            }
        })
        .collect()
}

/// What a call of one of MySQL's functions is to DataFusion; `None` where it is the same.
fn call(called: &mut Function) -> Result<Option<Expr>> {
    let name = called.name.to_string().to_lowercase();
    if name == "group_concat" {
        return group_concat(called).map(Some);
    }
    if name == "count" {
        count_of_several(called);
    }
    if name == "json_arrayagg" {
        called.name = ObjectName::from(vec![Ident::new("array_agg")]);
        return Ok(None);
    }
    if OF_NUMBERS.contains(&name.as_str())
        && let FunctionArguments::List(list) = &mut called.args
    {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument {
                let number = if name == "avg" { "mysql_average" } else { "mysql_number" };
                *value = function(number, vec![value.clone()]);
            }
        }
    }
    if called.over.is_some() {
        return Ok(None);
    }
    let Some(arguments) = arguments(called) else { return Ok(None) };
    if name.starts_with("json_") && json::is_known(&format!("mysql_{name}")) {
        return Ok(Some(function(&format!("mysql_{name}"), arguments)));
    }
    let own = texts::is_called(&name, arguments.len());
    if own {
        return Ok(Some(function(&format!("mysql_{name}"), arguments)));
    }
    Ok(by_name(&name, arguments))
}

fn by_name(name: &str, arguments: Vec<Expr>) -> Option<Expr> {
    let mut given = arguments.into_iter();
    let (first, second, third) = (given.next(), given.next(), given.next());
    let rest: Vec<Expr> = given.collect();
    Some(match (name, first, second, third) {
        ("ifnull", Some(value), Some(other), None) => {
            function("coalesce", alike(vec![value, other]))
        }
        ("coalesce", Some(first), second, third) => {
            let all = [Some(first), second, third].into_iter().flatten().chain(rest);
            function("coalesce", alike(all.collect()))
        }
        ("if", Some(condition), Some(yes), Some(no)) => Expr::Case {
            case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition: truth(condition), result: yes }],
            else_result: Some(Box::new(no)),
        },
        ("isnull", Some(value), None, None) => {
            cast(nested(Expr::IsNull(Box::new(value))), DataType::BigInt(None))
        }
        // NULL as soon as one of them is.
        ("concat", Some(first), second, third) => {
            let parts = [Some(first), second, third].into_iter().flatten().chain(rest);
            let parts = parts.map(as_text);
            nested(parts.reduce(|all, part| binary_op(all, BinaryOperator::StringConcat, part))?)
        }
        ("length", Some(value), None, None) => function("octet_length", vec![as_text(value)]),
        ("ucase", Some(value), None, None) => function("upper", vec![value]),
        ("lcase", Some(value), None, None) => function("lower", vec![value]),
        ("mid", Some(value), Some(from), length) => {
            function("substr", [value, from].into_iter().chain(length).collect())
        }
        ("locate", Some(part), Some(value), None) => function("strpos", vec![value, part]),
        ("instr", Some(value), Some(part), None) => function("strpos", vec![value, part]),
        ("truncate", Some(value), Some(digits), None) => function("trunc", vec![value, digits]),
        ("rand", None, None, None) => function("random", vec![]),
        ("pow", Some(base), Some(exponent), None) => function("power", vec![base, exponent]),
        ("sign", Some(value), None, None) => {
            cast(function("signum", vec![value]), DataType::BigInt(None))
        }
        ("ceiling", Some(value), None, None) => {
            function("mysql_whole", vec![function("ceil", vec![value])])
        }
        ("sqrt", Some(value), None, None) => only_if(
            binary_op(nested(value.clone()), BinaryOperator::GtEq, number("0")),
            function("sqrt", vec![value]),
        ),
        ("ln" | "log" | "log2" | "log10", Some(value), None, None) => only_if(
            binary_op(nested(value.clone()), BinaryOperator::Gt, number("0")),
            function(if name == "log" { "ln" } else { name }, vec![value]),
        ),
        // NULL as soon as one of them is.
        ("least" | "greatest", Some(first), Some(second), third) => {
            let all: Vec<Expr> = [first, second].into_iter().chain(third).chain(rest).collect();
            let known = all.iter().map(|value| Expr::IsNotNull(Box::new(nested(value.clone()))));
            let known = known.reduce(|all, one| binary_op(all, BinaryOperator::And, one))?;
            only_if(known, function(name, all))
        }
        ("substr" | "substring", Some(value), Some(from), length) if !is_positive(&from) => {
            function("mysql_substring", [value, from].into_iter().chain(length).collect())
        }
        ("regexp_like", Some(value), Some(pattern), Some(how))
            if literal(&how).is_some_and(|how| how == "c") =>
        {
            function("regexp_like", vec![value, pattern])
        }
        ("regexp_like", Some(value), Some(pattern), None) => matches(&value, &pattern, false),
        ("regexp_replace", Some(value), Some(pattern), Some(new)) if rest.is_empty() => {
            function("regexp_replace", vec![value, pattern, new, text("gi")])
        }
        ("timestampadd", Some(unit), Some(by), Some(value)) => {
            function("mysql_shifted", vec![value, by, text(&unit.to_string().to_uppercase())])
        }
        ("timestamp", Some(value), Some(by), None) => {
            function("mysql_addtime", vec![as_text(as_moment(value)), by])
        }
        ("time_format", Some(value), Some(format), None) => {
            function("mysql_date_format", vec![value, format])
        }
        ("convert_tz", Some(value), Some(from), Some(to)) => {
            let whole = literal(&value).is_some_and(|text| !text.contains('.'));
            let moment = function("mysql_convert_tz", vec![value, from, to]);
            match whole {
                true => {
                    cast(moment, DataType::Timestamp(Some(0), sqlparser::ast::TimezoneInfo::None))
                }
                false => moment,
            }
        }
        // The seed makes no sequence again.
        ("rand", ..) => function("random", Vec::new()),
        ("mod", Some(left), Some(right), None) => binary(&left, &BinaryOperator::Modulo, &right)?,
        ("date_format", Some(value), Some(format), None) => {
            function("mysql_date_format", vec![value, format])
        }
        ("str_to_date", Some(value), Some(format), None) => {
            let letters = format.to_string();
            let has =
                |letters_of: &[&str]| letters_of.iter().any(|letter| letters.contains(letter));
            let moment = function("mysql_str_to_date", vec![value, format]);
            let none = sqlparser::ast::TimezoneInfo::None;
            match (
                has(&["%H", "%h", "%I", "%i", "%k", "%l", "%p", "%r", "%S", "%s", "%T"]),
                has(&["%f"]),
            ) {
                (_, true) => moment,
                (true, false) => cast(moment, DataType::Timestamp(Some(0), none)),
                (false, false) => cast(moment, DataType::Date),
            }
        }
        ("date", Some(value), None, None) => {
            cast(function("mysql_moment", vec![value]), DataType::Date)
        }
        ("timestamp", Some(value), None, None) => as_moment(value),
        ("last_day", Some(value), None, None) => {
            let first = function("date_trunc", vec![text("month"), as_moment(value)]);
            let month = nested(binary_op(first, BinaryOperator::Plus, interval("1 MONTH")));
            cast(nested(binary_op(month, BinaryOperator::Minus, interval("1 DAY"))), DataType::Date)
        }
        ("datediff", Some(left), Some(right), None) => {
            let day = |value| cast(function("mysql_moment", vec![value]), DataType::Date);
            let days = |value| cast(day(value), DataType::Int(None));
            cast(
                nested(binary_op(days(left), BinaryOperator::Minus, days(right))),
                DataType::BigInt(None),
            )
        }
        ("date_add" | "adddate", Some(value), Some(by), None) => {
            moved(value, BinaryOperator::Plus, by)
        }
        ("date_sub" | "subdate", Some(value), Some(by), None) => {
            moved(value, BinaryOperator::Minus, by)
        }
        ("timestampdiff", Some(unit), Some(from), Some(to)) => function(
            "mysql_timestampdiff",
            vec![text(&unit.to_string()), as_moment(from), as_moment(to)],
        ),
        // 1 is Sunday to one, 0 Monday to the other.
        ("dayofweek", Some(value), None, None) => part_plus_one("dow", value),
        ("weekday", Some(value), None, None) => part("isodow", value)
            .map(|day| nested(binary_op(day, BinaryOperator::Minus, number("1"))))?,
        ("dayofyear", Some(value), None, None) => part("doy", value)?,
        ("dayofmonth", Some(value), None, None) => part("day", value)?,
        ("weekofyear", Some(value), None, None) => part("week", value)?,
        (
            "year" | "quarter" | "month" | "day" | "hour" | "minute" | "second" | "microsecond",
            Some(value),
            None,
            None,
        ) => part(name, value)?,
        ("monthname", Some(value), None, None) => {
            function("mysql_date_format", vec![value, text("%M")])
        }
        ("dayname", Some(value), None, None) => {
            function("mysql_date_format", vec![value, text("%W")])
        }
        ("any_value", Some(value), None, None) => function("first_value", vec![value]),
        // A pattern's first group is given, if it has one: so the whole is one.
        ("regexp_substr", Some(value), Some(pattern), None) => {
            let whole = function("concat", vec![text("("), pattern, text(")")]);
            let found = function("regexp_match", vec![value, whole, text("i")]);
            function("array_element", vec![found, number("1")])
        }
        ("std" | "stddev", Some(value), None, None) => function("stddev_pop", vec![value]),
        ("variance", Some(value), None, None) => function("var_pop", vec![value]),
        _ => return None,
    })
}

/// What has a date and a time. Of a text that is written so, whole seconds.
fn as_moment(value: Expr) -> Expr {
    let moment = function("mysql_datetime", vec![value.clone()]);
    match literal(&value) {
        Some(text) if !text.contains('.') => {
            cast(moment, DataType::Timestamp(Some(0), sqlparser::ast::TimezoneInfo::None))
        }
        _ => moment,
    }
}

/// A text that is written as such.
fn literal(value: &Expr) -> Option<String> {
    let Expr::Value(value) = value else { return None };
    value.value.clone().into_string()
}

fn interval(value: &str) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(text(value)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

/// A moment that is moved; a plain number counts days.
fn moved(value: Expr, op: BinaryOperator, by: Expr) -> Expr {
    let by = match by {
        Expr::Interval(interval) => match shift(&value, &op, &interval) {
            Some(shifted) => return shifted,
            None => Expr::Interval(interval),
        },
        Expr::Value(ref days) => interval(&format!(
            "{} DAY",
            days.value.clone().into_string().unwrap_or_else(|| days.value.to_string())
        )),
        by => {
            let days = Interval {
                value: Box::new(by),
                leading_field: Some(DateTimeField::Day),
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            };
            match shift(&value, &op, &days) {
                Some(shifted) => return shifted,
                None => Expr::Interval(days),
            }
        }
    };
    nested(binary_op(function("mysql_moment", vec![value]), op, by))
}

/// A moment moved by what DataFusion's intervals are not for: by hours from a day, by an amount that is computed,
/// from a text.
fn shift(value: &Expr, op: &BinaryOperator, by: &Interval) -> Option<Expr> {
    let (amount, unit) = match &by.leading_field {
        Some(unit) => ((*by.value).clone(), unit.to_string().to_uppercase()),
        None => {
            let written = literal(&by.value)?;
            let (amount, unit) = written.rsplit_once(' ')?;
            (text(amount), unit.to_uppercase())
        }
    };
    let of_days = matches!(unit.as_str(), "YEAR" | "MONTH" | "WEEK" | "DAY");
    if of_days && by.leading_field.is_none() && literal(value).is_none() {
        return None;
    }
    let amount = match op {
        BinaryOperator::Minus => match literal(&amount) {
            Some(written) => match written.strip_prefix('-') {
                Some(positive) => text(positive),
                None => text(&format!("-{written}")),
            },
            None => binary_op(number("0"), BinaryOperator::Minus, nested(amount)),
        },
        _ => amount,
    };
    let shifted = function("mysql_shifted", vec![as_text(value.clone()), amount, text(&unit)]);
    Some(match literal(value) {
        // Of a text it is one.
        Some(_) => shifted,
        None if of_days || unit == "QUARTER" => {
            function("mysql_shifted_as", vec![value.clone(), shifted])
        }
        None if unit == "MICROSECOND" => function("mysql_datetime", vec![shifted]),
        // As exact as the value is, and a moment if that is a day.
        None => {
            let moment = function("mysql_datetime", vec![value.clone()]);
            function("mysql_shifted_as", vec![moment, shifted])
        }
    })
}

fn part(name: &str, value: Expr) -> Option<Expr> {
    let value = function("date_part", vec![text(name), as_moment(value)]);
    let value = cast(value, DataType::BigInt(None));
    Some(match name {
        // With the seconds to DataFusion.
        "microsecond" => nested(binary_op(value, BinaryOperator::Modulo, number("1000000"))),
        _ => value,
    })
}

fn part_plus_one(name: &str, value: Expr) -> Expr {
    let value = function("date_part", vec![text(name), as_moment(value)]);
    cast(nested(binary_op(value, BinaryOperator::Plus, number("1"))), DataType::BigInt(None))
}

/// `GROUP_CONCAT(DISTINCT a, b ORDER BY c SEPARATOR ';')`
/// `COUNT(DISTINCT a, b)` counts what is different in one text of all, which is `NULL` if one of them is.
fn count_of_several(called: &mut Function) {
    let Some(values) = arguments(called) else { return };
    let FunctionArguments::List(list) = &mut called.args else { return };
    let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    if values.len() < 2 || !distinct {
        return;
    }
    // With its length before each, so that no two rows give one text.
    let part = |value: Expr| {
        let written = as_text(value);
        let length = as_text(function("character_length", vec![written.clone()]));
        let head = binary_op(length, BinaryOperator::StringConcat, text(":"));
        binary_op(head, BinaryOperator::StringConcat, written)
    };
    let all = values
        .into_iter()
        .map(part)
        .reduce(|all, part| binary_op(all, BinaryOperator::StringConcat, part));
    list.args =
        all.map(|all| FunctionArg::Unnamed(FunctionArgExpr::Expr(all))).into_iter().collect();
}

/// `GROUP_CONCAT(DISTINCT a ORDER BY a)`: in the order of what the values are, not of their texts.
fn concat_in_own_order(called: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &called.args else { return None };
    let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = list.args.as_slice() else {
        return None;
    };
    let (mut separator, mut ordered) = (text(","), false);
    let mut clauses = Vec::new();
    for clause in &list.clauses {
        match clause {
            FunctionArgumentClause::Separator(value) => separator = Expr::Value(value.clone()),
            FunctionArgumentClause::OrderBy(by) => {
                ordered = matches!(by.as_slice(), [only] if only.expr == *value);
                clauses.push(clause.clone());
            }
            _ => return None,
        }
    }
    if !(distinct && ordered) || called.filter.is_some() {
        return None;
    }
    let mut all = called.clone();
    all.name = ObjectName::from(vec![Ident::new("array_agg")]);
    all.filter = Some(Box::new(Expr::IsNotNull(Box::new(nested(value.clone())))));
    if let FunctionArguments::List(list) = &mut all.args {
        list.clauses = clauses;
    }
    Some(function("array_to_string", vec![Expr::Function(all), separator]))
}

fn group_concat(called: &mut Function) -> Result<Expr> {
    if let Some(all) = concat_in_own_order(called) {
        return Ok(all);
    }
    let FunctionArguments::List(list) = &mut called.args else {
        return Err(nothing_to_concatenate());
    };
    let mut separator = text(",");
    list.clauses.retain(|clause| match clause {
        FunctionArgumentClause::Separator(value) => {
            separator = Expr::Value(value.clone());
            false
        }
        FunctionArgumentClause::IgnoreOrRespectNulls(_)
        | FunctionArgumentClause::OrderBy(_)
        | FunctionArgumentClause::Limit(_)
        | FunctionArgumentClause::OnOverflow(_)
        | FunctionArgumentClause::Having(_)
        | FunctionArgumentClause::JsonNullClause(_)
        | FunctionArgumentClause::JsonReturningClause(_) => true,
    });
    let values = list.args.drain(..).filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(as_text(expr)),
        FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => None,
    });
    let value = values
        .reduce(|all, part| binary_op(all, BinaryOperator::StringConcat, part))
        .ok_or_else(nothing_to_concatenate)?;
    let unnamed = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    list.args = vec![unnamed(value), unnamed(separator)];
    called.name = ObjectName::from(vec![Ident::new("string_agg")]);
    Ok(Expr::Function(called.clone()))
}

fn nothing_to_concatenate() -> Error {
    Error::WrongArgumentCount { name: "GROUP_CONCAT".to_owned() }
}
