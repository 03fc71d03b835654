//! MySQL's SQL to DataFusion's: what the two write in different ways, and what they mean by it.
//!
//! Names of columns are in lower case on both sides: DataFusion tells `ID` from `id`, MySQL does not.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CharacterLength, DataType, ExactNumberInfo,
    ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, GroupByExpr, Ident, Interval, JsonPath, JsonPathElem, ObjectName, Query,
    Select, SelectItem, SetExpr, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::json;
use super::table::METADATA;
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
        let again = !seen.insert(text) || (all && column);
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

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
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
                if let Some(other) = call(function)? {
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
                }
            }
            _ => {}
        }
        Ok(())
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
            parts.remove(0);
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
fn function(name: &str, arguments: Vec<Expr>) -> Expr {
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
        BinaryOperator::Arrow => function("mysql_json_extract", vec![left, right]),
        BinaryOperator::LongArrow => function("mysql_json_value", vec![left, right]),
        BinaryOperator::Regexp => matches(&left, &right, false),
        BinaryOperator::Xor => {
            let (left, right) = (truth(left), truth(right));
            nested(binary_op(left, BinaryOperator::NotEq, right))
        }
        _ => return None,
    })
}

fn truth(value: Expr) -> Expr {
    cast(value, DataType::Boolean)
}

/// The types that MySQL has in `CAST`.
fn cast_type(ty: &DataType) -> Option<DataType> {
    Some(match ty {
        DataType::Signed | DataType::SignedInteger => DataType::BigInt(None),
        DataType::Unsigned | DataType::UnsignedInteger => DataType::BigIntUnsigned(None),
        DataType::Char(_) | DataType::Character(_) => DataType::Text,
        DataType::Varchar(Some(CharacterLength::IntegerLength { .. })) => DataType::Text,
        DataType::Datetime(_) => DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::None),
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
    if OF_NUMBERS.contains(&name.as_str())
        && let FunctionArguments::List(list) = &mut called.args
    {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument {
                *value = function("mysql_number", vec![value.clone()]);
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
    Ok(by_name(&name, arguments))
}

fn by_name(name: &str, arguments: Vec<Expr>) -> Option<Expr> {
    let mut given = arguments.into_iter();
    let (first, second, third) = (given.next(), given.next(), given.next());
    let rest: Vec<Expr> = given.collect();
    Some(match (name, first, second, third) {
        ("ifnull", Some(value), Some(other), None) => function("coalesce", vec![value, other]),
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
            let parts = parts.map(|part| cast(part, DataType::Text));
            nested(parts.reduce(|all, part| binary_op(all, BinaryOperator::StringConcat, part))?)
        }
        ("length", Some(value), None, None) => {
            function("octet_length", vec![cast(value, DataType::Text)])
        }
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
        ("mod", Some(left), Some(right), None) => binary(&left, &BinaryOperator::Modulo, &right)?,
        ("log", Some(value), None, None) => function("ln", vec![value]),
        ("date_format", Some(value), Some(format), None) => {
            function("mysql_date_format", vec![value, format])
        }
        ("str_to_date", Some(value), Some(format), None) => {
            function("mysql_str_to_date", vec![value, format])
        }
        ("unix_timestamp", Some(value), None, None) => {
            function("date_part", vec![text("epoch"), as_moment(value)])
        }
        ("from_unixtime", Some(value), None, None) => function("to_timestamp_seconds", vec![value]),
        ("date", Some(value), None, None) => cast(value, DataType::Date),
        ("timestamp", Some(value), None, None) => as_moment(value),
        ("last_day", Some(value), None, None) => {
            let first = function("date_trunc", vec![text("month"), as_moment(value)]);
            let month = nested(binary_op(first, BinaryOperator::Plus, interval("1 MONTH")));
            cast(nested(binary_op(month, BinaryOperator::Minus, interval("1 DAY"))), DataType::Date)
        }
        ("datediff", Some(left), Some(right), None) => {
            let days = |value| cast(cast(value, DataType::Date), DataType::Int(None));
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
            "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second"
            | "microsecond",
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
        ("std" | "stddev", Some(value), None, None) => function("stddev_pop", vec![value]),
        ("variance", Some(value), None, None) => function("var_pop", vec![value]),
        _ => return None,
    })
}

fn as_moment(value: Expr) -> Expr {
    cast(value, DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::None))
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
        Expr::Interval(_) => by,
        Expr::Value(ref days) => interval(&format!(
            "{} DAY",
            days.value.clone().into_string().unwrap_or_else(|| days.value.to_string())
        )),
        by => nested(binary_op(interval("1 DAY"), BinaryOperator::Multiply, by)),
    };
    nested(binary_op(function("mysql_moment", vec![value]), op, by))
}

fn part(name: &str, value: Expr) -> Option<Expr> {
    let value = function("date_part", vec![text(name), as_moment(value)]);
    Some(cast(value, DataType::BigInt(None)))
}

fn part_plus_one(name: &str, value: Expr) -> Expr {
    let value = function("date_part", vec![text(name), as_moment(value)]);
    cast(nested(binary_op(value, BinaryOperator::Plus, number("1"))), DataType::BigInt(None))
}

/// `GROUP_CONCAT(DISTINCT a, b ORDER BY c SEPARATOR ';')`
fn group_concat(called: &mut Function) -> Result<Expr> {
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
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(cast(expr, DataType::Text)),
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
