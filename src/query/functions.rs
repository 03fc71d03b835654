//! Functions that MySQL has and DataFusion has not, or means otherwise. Their names begin with `mysql_`:
//! `rewrite` calls them, users don't.

use std::sync::Arc;

use datafusion::arrow::array::types::{
    Float32Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampSecondArray,
};
use datafusion::arrow::compute::kernels::numeric::div;
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options, nullif};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::values::zone_named;
use crate::rows::Value;
use crate::sql::date_format;

/// Digits that a quotient has more than its dividend (`div_precision_increment`).
const DIVISION_DIGITS: i8 = 4;

const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Makes them known.
pub(super) fn register(context: &SessionContext) {
    context.register_udf(ScalarUDF::from(Divide {
        signature: Signature::any(2, Volatility::Immutable),
    }));
    let signature = Signature::any(2, Volatility::Immutable);
    context.register_udf(ScalarUDF::from(As { signature }));
    for (name, gives, compute) in TYPED {
        let signature = Signature::any(1, Volatility::Immutable);
        context.register_udf(ScalarUDF::from(Typed { name, gives, compute, signature }));
    }
    for (name, takes, gives, compute) in OTHERS {
        let signature = Signature::any(takes.len(), Volatility::Immutable);
        context.register_udf(ScalarUDF::from(Other { name, takes, gives, compute, signature }));
    }
}

/// A function of values of these types, or of what can become one of them.
type Computed = (&'static str, &'static [DataType], DataType, Compute);

type Compute = fn(&[ColumnarValue]) -> Result<ColumnarValue>;

const OTHERS: [Computed; 6] = [
    ("mysql_convert_tz", &[MOMENT, DataType::Utf8, DataType::Utf8], MOMENT, converted),
    (
        "mysql_from_unixtime",
        &[DataType::Int64, DataType::Utf8],
        DataType::Timestamp(TimeUnit::Second, None),
        from_unixtime,
    ),
    ("mysql_unix_timestamp", &[MOMENT, DataType::Utf8], DataType::Int64, unix_timestamp),
    ("mysql_date_format", &[MOMENT, DataType::Utf8], DataType::Utf8, formatted),
    ("mysql_str_to_date", &[DataType::Utf8, DataType::Utf8], MOMENT, parsed),
    ("mysql_timestampdiff", &[DataType::Utf8, MOMENT, MOMENT], DataType::Int64, difference),
];

/// One of [`OTHERS`].
#[derive(Debug)]
struct Other {
    name: &'static str,
    takes: &'static [DataType],
    gives: DataType,
    compute: Compute,
    signature: Signature,
}

impl PartialEq for Other {
    fn eq(&self, other: &Other) -> bool {
        self.name == other.name
    }
}

impl Eq for Other {}

impl std::hash::Hash for Other {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Other {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.gives.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // What can't become a moment is NULL, as to MySQL.
        let lenient = CastOptions { safe: true, ..CastOptions::default() };
        let cast = |(value, ty): (&ColumnarValue, &DataType)| match (value, ty) {
            (ColumnarValue::Array(column), ty) if *ty == MOMENT => {
                ColumnarValue::Array(datetime(column)?).cast_to(ty, Some(&lenient))
            }
            (ColumnarValue::Scalar(value), ty) if *ty == MOMENT => {
                let column = datetime(&value.to_array()?)?;
                let value = ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?);
                value.cast_to(ty, Some(&lenient))
            }
            _ => value.cast_to(ty, Some(&lenient)),
        };
        let args: Vec<_> = args.args.iter().zip(self.takes).map(cast).collect::<Result<_>>()?;
        (self.compute)(&args)
    }
}

/// `a / b`: exact numbers stay exact, with four digits more, rounded; nothing is divided by zero.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Divide {
    signature: Signature,
}

impl ScalarUDFImpl for Divide {
    fn name(&self) -> &'static str {
        "mysql_divide"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else { return exec_err!("a division has two sides") };
        Ok(match (exact(left), exact(right)) {
            (Some((_, scale)), Some(_)) => quotient(scale),
            _ => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else { return exec_err!("a division has two sides") };
        let result = divide(left, right)?;
        match scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

/// Digits of an exact number, and how many of them are behind the point.
fn exact(ty: &DataType) -> Option<(u8, i8)> {
    match ty {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        DataType::Null | DataType::Boolean => Some((1, 0)),
        ty if ty.is_integer() => Some((20, 0)),
        _ => None,
    }
}

fn quotient(scale: i8) -> DataType {
    DataType::Decimal128(38, (scale + DIVISION_DIGITS).min(30))
}

fn divide(left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let (Some((_, scale)), Some((precision, right_scale))) =
        (exact(left.data_type()), exact(right.data_type()))
    else {
        let left = cast(left, &DataType::Float64)?;
        let right = without_zeros(&cast(right, &DataType::Float64)?)?;
        return Ok(div(&left, &right)?);
    };
    // One digit more than asked for, to round by.
    let left = cast(left, &DataType::Decimal128(38, (scale + 1).min(30)))?;
    let right = cast(right, &DataType::Decimal128(precision, right_scale))?;
    let result = div(&left, &without_zeros(&right)?)?;
    Ok(cast(&result, &quotient(scale))?)
}

fn without_zeros(array: &ArrayRef) -> Result<ArrayRef> {
    let zero = ScalarValue::new_zero(array.data_type())?.to_scalar()?;
    let zeros = datafusion::arrow::compute::kernels::cmp::eq(array, &zero)?;
    Ok(nullif(array, &zeros)?)
}

/// A function of one value whose type tells what it gives.
#[derive(Debug)]
struct Typed {
    name: &'static str,
    gives: fn(&DataType) -> DataType,
    compute: fn(&ArrayRef) -> Result<ArrayRef>,
    signature: Signature,
}

/// A function of one value: its name, what it gives for which type, and how. A value that has the type already
/// stays as it is.
type OfOne = (&'static str, fn(&DataType) -> DataType, fn(&ArrayRef) -> Result<ArrayRef>);

const TYPED: [OfOne; 7] = [
    // What is computed with: a text is the number that it begins with.
    ("mysql_number", number_type, |value| number(value, &number_type(value.data_type()))),
    // What an average is taken of: that of exact numbers is exact.
    ("mysql_average", average_type, |value| number(value, &average_type(value.data_type()))),
    // A whole number, without zeros behind the point.
    ("mysql_whole", whole_type, |value| Ok(cast(value, &whole_type(value.data_type()))?)),
    // `CAST(... AS SIGNED)`
    ("mysql_integer", |_| DataType::Int64, integer),
    // `CAST(... AS CHAR)`
    ("mysql_text", |_| DataType::Utf8, as_text),
    // What `DATE_ADD` adds to: a date stays one, a text becomes a moment.
    ("mysql_moment", moment_type, |value| match value.data_type() {
        DataType::Date32 => Ok(value.clone()),
        _ => datetime(value),
    }),
    // What has a date and a time.
    ("mysql_datetime", datetime_type, datetime),
];

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn number_type(ty: &DataType) -> DataType {
    match ty {
        ty if is_text(ty) => DataType::Float64,
        DataType::Boolean => DataType::Int64,
        ty => ty.clone(),
    }
}

fn average_type(ty: &DataType) -> DataType {
    match number_type(ty) {
        ty if ty.is_integer() => DataType::Decimal128(20, 0),
        ty => ty,
    }
}

fn whole_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Decimal128(..) => DataType::Decimal128(38, 0),
        ty => ty.clone(),
    }
}

fn datetime_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Timestamp(_, Some(_)) => MOMENT,
        DataType::Timestamp(..) => ty.clone(),
        DataType::Date32 => DataType::Timestamp(TimeUnit::Second, None),
        _ => MOMENT,
    }
}

fn moment_type(ty: &DataType) -> DataType {
    if *ty == DataType::Date32 { DataType::Date32 } else { datetime_type(ty) }
}

/// How many bytes of a text are a number.
fn number_in(text: &str, whole: bool) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(bytes.first().is_some_and(|byte| matches!(byte, b'+' | b'-')));
    let mut end = sign + digits(sign);
    if whole {
        return end;
    }
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if bytes.get(end).is_some_and(|byte| matches!(byte, b'e' | b'E')) {
        let signed = bytes.get(end + 1).is_some_and(|byte| matches!(byte, b'+' | b'-'));
        let from = end + 1 + usize::from(signed);
        if digits(from) > 0 {
            end = from + digits(from);
        }
    }
    end
}

/// The number that a text begins with; 0 for none.
fn leading(text: &str) -> f64 {
    let text = text.trim_start();
    text.get(..number_in(text, false)).and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start();
    let digits = text.get(..number_in(text, true)).unwrap_or_default();
    digits.parse().unwrap_or_else(|_| match digits.len() > 18 {
        true if digits.starts_with('-') => i64::MIN,
        true => i64::MAX,
        false => 0,
    })
}

fn number(value: &ArrayRef, ty: &DataType) -> Result<ArrayRef> {
    if is_text(value.data_type()) {
        let texts = cast(value, &DataType::Utf8)?;
        let numbers = texts.as_string::<i32>().iter().map(|text| text.map(leading));
        return Ok(Arc::new(numbers.collect::<Float64Array>()));
    }
    Ok(cast(value, ty)?)
}

fn integer(value: &ArrayRef) -> Result<ArrayRef> {
    let lenient = CastOptions { safe: true, ..CastOptions::default() };
    let to = |value: &ArrayRef, ty: &DataType| cast_with_options(value, ty, &lenient);
    Ok(match value.data_type() {
        ty if is_text(ty) => {
            let texts = cast(value, &DataType::Utf8)?;
            let numbers = texts.as_string::<i32>().iter().map(|text| text.map(leading_integer));
            Arc::new(numbers.collect::<Int64Array>())
        }
        DataType::Float32 | DataType::Float64 => {
            let floats = cast(value, &DataType::Float64)?;
            let rounded: Float64Array = floats.as_primitive::<Float64Type>().unary(f64::round);
            to(&(Arc::new(rounded) as ArrayRef), &DataType::Int64)?
        }
        DataType::Decimal128(..) => {
            to(&to(value, &DataType::Decimal128(38, 0))?, &DataType::Int64)?
        }
        _ => to(value, &DataType::Int64)?,
    })
}

fn as_text(value: &ArrayRef) -> Result<ArrayRef> {
    let moments = match value.data_type() {
        DataType::Timestamp(..) => datetime(value)?,
        DataType::Boolean => return Ok(cast(&cast(value, &DataType::Int64)?, &DataType::Utf8)?),
        DataType::Float32 => {
            let numbers = value.as_primitive::<Float32Type>().iter();
            let texts = numbers.map(|number| number.map(|number| Value::Float(number).to_string()));
            return Ok(Arc::new(texts.collect::<StringArray>()));
        }
        DataType::Float64 => {
            let numbers = value.as_primitive::<Float64Type>().iter();
            let texts =
                numbers.map(|number| number.map(|number| Value::Double(number).to_string()));
            return Ok(Arc::new(texts.collect::<StringArray>()));
        }
        ty if ty.is_nested() => return Ok(Arc::new(super::row::texts(value)?)),
        _ => return Ok(cast(value, &DataType::Utf8)?),
    };
    let shown = cast(&moments, &DataType::Utf8)?;
    let shown = shown.as_string::<i32>().iter();
    Ok(Arc::new(shown.map(|text| text.map(|text| text.replace('T', " "))).collect::<StringArray>()))
}

/// What has a date and a time: of a time zone, as the clock there shows it; of a text, what it says.
fn datetime(value: &ArrayRef) -> Result<ArrayRef> {
    let lenient = CastOptions { safe: true, ..CastOptions::default() };
    let ty = datetime_type(value.data_type());
    Ok(match value.data_type() {
        DataType::Timestamp(_, Some(zone)) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.clone()));
            let local = super::values::local(&cast(value, &micros)?);
            local.map_err(|error| DataFusionError::External(Box::new(error)))?
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let micros = cast(value, &DataType::Time64(TimeUnit::Microsecond))?;
            cast(&cast(&micros, &DataType::Int64)?, &MOMENT)?
        }
        ty if is_text(ty) => {
            // A time alone is one of some day.
            let texts = cast(value, &DataType::Utf8)?;
            let dated = texts.as_string::<i32>().iter().map(|text| {
                text.map(|text| match text.get(1..3).is_some_and(|sign| sign.contains(':')) {
                    true => format!("1970-01-01 {text:0>8}"),
                    false => text.to_owned(),
                })
            });
            let dated: ArrayRef = Arc::new(dated.collect::<StringArray>());
            cast_with_options(&dated, &MOMENT, &lenient)?
        }
        _ => cast_with_options(value, &ty, &lenient)?,
    })
}

impl PartialEq for Typed {
    fn eq(&self, other: &Typed) -> bool {
        self.name == other.name
    }
}

impl Eq for Typed {}

impl std::hash::Hash for Typed {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Typed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().map_or(DataType::Null, self.gives))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(value) if (self.gives)(&value.data_type()) == value.data_type() => {
                Ok(value.clone())
            }
            Some(ColumnarValue::Array(column)) => Ok(ColumnarValue::Array((self.compute)(column)?)),
            Some(ColumnarValue::Scalar(value)) => {
                let column = (self.compute)(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?))
            }
            None => exec_err!("{} needs a value", self.name),
        }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // Most values have the type already, and statistics know them only without a function around.
        match args.as_slice() {
            [value] => {
                let ty = info.get_data_type(value)?;
                if (self.gives)(&ty) == ty {
                    return Ok(ExprSimplifyResult::Simplified(value.clone()));
                }
                Ok(ExprSimplifyResult::Original(args))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }
}

/// What was moved, as what it was before: a day, or a moment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct As {
    signature: Signature,
}

impl ScalarUDFImpl for As {
    fn name(&self) -> &'static str {
        "mysql_shifted_as"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types.first() {
            Some(ty) if !is_text(ty) => moment_type(ty),
            Some(_) | None => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [was, moved] = args.args.as_slice() else { return exec_err!("nothing was moved") };
        let lenient = CastOptions { safe: true, ..CastOptions::default() };
        moved.cast_to(&self.return_type(&[was.data_type()])?, Some(&lenient))
    }
}

/// A text as the number that it begins with, or `TRUE` as 1.
pub(super) fn to_number(value: Expr) -> Expr {
    ScalarUDF::from(Typed {
        name: "mysql_number",
        gives: number_type,
        compute: |value| number(value, &number_type(value.data_type())),
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![value])
}

/// Calls a function a row, on rows that have everything.
fn each<T>(
    args: &[ColumnarValue],
    value: impl Fn(&[ArrayRef], usize) -> Option<T>,
) -> Result<(Vec<Option<T>>, bool)> {
    let scalar = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let arrays = ColumnarValue::values_to_arrays(args)?;
    let rows = arrays.first().map_or(0, |array| array.len());
    let values = (0..rows).map(|row| {
        let known = arrays.iter().all(|array| !array.is_null(row));
        known.then(|| value(&arrays, row)).flatten()
    });
    Ok((values.collect(), scalar))
}

fn answer(array: ArrayRef, scalar: bool) -> Result<ColumnarValue> {
    match scalar {
        true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)),
        false => Ok(ColumnarValue::Array(array)),
    }
}

fn moment_at(array: &ArrayRef, row: usize) -> Option<Timestamp> {
    Timestamp::from_microsecond(array.as_primitive::<TimestampMicrosecondType>().value(row)).ok()
}

fn text_at(array: &ArrayRef, row: usize) -> &str {
    array.as_string::<i32>().value(row)
}

fn formatted(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let (values, scalar) = each(args, |arrays, row| match arrays {
        [moment, format] => {
            Some(date_format::format(moment_at(moment, row)?, text_at(format, row)))
        }
        _ => None,
    })?;
    answer(Arc::new(StringArray::from(values)), scalar)
}

fn parsed(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let (values, scalar) = each(args, |arrays, row| match arrays {
        [text, format] => {
            let moment = date_format::parse(text_at(text, row), text_at(format, row))?;
            Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
        }
        _ => None,
    })?;
    answer(Arc::new(TimestampMicrosecondArray::from(values)), scalar)
}

/// `CONVERT_TZ(moment, from, to)`
fn converted(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let (values, scalar) = each(args, |arrays, row| match arrays {
        [moment, from, to] => {
            let (from, to) = (zone_named(text_at(from, row))?, zone_named(text_at(to, row))?);
            let clock = moment_at(moment, row)?.to_zoned(TimeZone::UTC).datetime();
            let at = clock.to_zoned(from).ok()?.timestamp().to_zoned(to).datetime();
            Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
        }
        _ => None,
    })?;
    answer(Arc::new(TimestampMicrosecondArray::from(values)), scalar)
}

/// `FROM_UNIXTIME(seconds)` in a time zone.
fn from_unixtime(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let (values, scalar) = each(args, |arrays, row| match arrays {
        [seconds, zone] => {
            let seconds = seconds.as_primitive::<Int64Type>().value(row);
            let at = Timestamp::from_second(seconds).ok().filter(|_| seconds >= 0)?;
            let offset = zone_named(text_at(zone, row))?.to_offset(at);
            Some(seconds + i64::from(offset.seconds()))
        }
        _ => None,
    })?;
    answer(Arc::new(TimestampSecondArray::from(values)), scalar)
}

/// `UNIX_TIMESTAMP(moment)` in a time zone.
fn unix_timestamp(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let (values, scalar) = each(args, |arrays, row| match arrays {
        [moment, zone] => {
            let clock = moment_at(moment, row)?.to_zoned(TimeZone::UTC).datetime();
            Some(clock.to_zoned(zone_named(text_at(zone, row))?).ok()?.timestamp().as_second())
        }
        _ => None,
    })?;
    answer(Arc::new(Int64Array::from(values)), scalar)
}

/// `TIMESTAMPDIFF(unit, from, to)`: whole units, towards zero.
fn difference(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let (values, scalar) = each(args, |arrays, row| match arrays {
        [unit, from, to] => between(text_at(unit, row), moment_at(from, row)?, moment_at(to, row)?),
        _ => None,
    })?;
    answer(Arc::new(Int64Array::from(values)), scalar)
}

fn between(unit: &str, from: Timestamp, to: Timestamp) -> Option<i64> {
    let micros = to.as_microsecond() - from.as_microsecond();
    let second = 1_000_000;
    let months = || {
        let zone = TimeZone::UTC;
        let (from, to) = (from.to_zoned(zone.clone()).datetime(), to.to_zoned(zone).datetime());
        let span = from.until((jiff::Unit::Month, to)).ok()?;
        Some(i64::from(span.get_months()))
    };
    Some(match unit.to_uppercase().as_str() {
        "MICROSECOND" => micros,
        "SECOND" => micros / second,
        "MINUTE" => micros / (60 * second),
        "HOUR" => micros / (3600 * second),
        "DAY" => micros / (86_400 * second),
        "WEEK" => micros / (7 * 86_400 * second),
        "MONTH" => months()?,
        "QUARTER" => months()? / 3,
        "YEAR" => months()? / 12,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, Float64Array};

    use super::*;

    #[test]
    fn division_is_exact_and_rounded() {
        let int = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let result = divide(
            &int(vec![Some(2), Some(-2), Some(1), None]),
            &int(vec![Some(3), Some(3), Some(0), Some(1)]),
        );
        let result = result.expect("a quotient");
        assert_eq!(result.data_type(), &DataType::Decimal128(38, 4));
        let result = result.as_primitive::<datafusion::arrow::array::types::Decimal128Type>();
        assert_eq!((result.value(0), result.value(1)), (6667, -6667));
        assert!(result.is_null(2) && result.is_null(3));
        let decimal =
            Decimal128Array::from(vec![100]).with_precision_and_scale(10, 2).expect("one");
        let float = Arc::new(Float64Array::from(vec![0.5])) as ArrayRef;
        let result = divide(&(Arc::new(decimal) as ArrayRef), &float).expect("a quotient");
        assert_eq!(result.as_primitive::<Float64Type>().value(0), 2.0);
    }

    #[test]
    fn a_text_is_the_number_that_it_begins_with() {
        for (text, number, whole) in [
            ("12abc", 12.0, 12),
            (" -1.5e2x", -150.0, -1),
            ("abc", 0.0, 0),
            ("1e", 1.0, 1),
            (".5", 0.5, 0),
            ("99999999999999999999", 1e20, i64::MAX),
        ] {
            assert_eq!((leading(text), leading_integer(text)), (number, whole), "{text}");
        }
    }

    #[test]
    fn spans_are_counted_in_whole_units() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a moment");
        let (from, to) = (at("2024-01-31T12:00:00Z"), at("2025-02-28T11:59:59Z"));
        for (unit, expected) in
            [("month", 12), ("YEAR", 1), ("DAY", 393), ("QUARTER", 4), ("WEEK", 56)]
        {
            assert_eq!(between(unit, from, to), Some(expected), "{unit}");
        }
        assert_eq!(between("HOUR", to, from), Some(-9455));
        assert_eq!(between("FORTNIGHT", from, to), None);
    }
}
