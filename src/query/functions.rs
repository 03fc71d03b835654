//! Functions that MySQL has and DataFusion has not, or means otherwise. Their names begin with `mysql_`:
//! `rewrite` calls them, users don't.

use std::sync::Arc;

use datafusion::arrow::array::types::TimestampMicrosecondType;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::kernels::numeric::div;
use datafusion::arrow::compute::{CastOptions, cast, nullif};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use jiff::Timestamp;

use crate::sql::date_format;

/// Digits that a quotient has more than its dividend (`div_precision_increment`).
const DIVISION_DIGITS: i8 = 4;

const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Makes them known.
pub(super) fn register(context: &SessionContext) {
    context.register_udf(ScalarUDF::from(Divide {
        signature: Signature::any(2, Volatility::Immutable),
    }));
    context.register_udf(ScalarUDF::from(Moment {
        signature: Signature::any(1, Volatility::Immutable),
    }));
    context.register_udf(ScalarUDF::from(Number {
        signature: Signature::any(1, Volatility::Immutable),
    }));
    for (name, takes, gives, compute) in OTHERS {
        let signature = Signature::any(takes.len(), Volatility::Immutable);
        context.register_udf(ScalarUDF::from(Other { name, takes, gives, compute, signature }));
    }
}

/// A function of values of these types, or of what can become one of them.
type Computed = (&'static str, &'static [DataType], DataType, Compute);

type Compute = fn(&[ColumnarValue]) -> Result<ColumnarValue>;

const OTHERS: [Computed; 3] = [
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
        let cast = |(value, ty): (&ColumnarValue, &DataType)| value.cast_to(ty, Some(&lenient));
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

/// What `DATE_ADD` adds to: a date stays one, a text becomes a moment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Moment {
    signature: Signature,
}

impl ScalarUDFImpl for Moment {
    fn name(&self) -> &'static str {
        "mysql_moment"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types {
            [ty @ (DataType::Date32 | DataType::Timestamp(..))] => ty.clone(),
            _ => MOMENT,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(value) => match value.data_type() {
                DataType::Date32 | DataType::Timestamp(..) => Ok(value.clone()),
                _ => value.cast_to(&MOMENT, None),
            },
            None => exec_err!("no moment"),
        }
    }
}

/// What an aggregate computes with: a text becomes a number, everything else stays what it is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Number {
    signature: Signature,
}

impl ScalarUDFImpl for Number {
    fn name(&self) -> &'static str {
        "mysql_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types {
            [DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View] => DataType::Float64,
            [DataType::Boolean] => DataType::Int64,
            [ty] => ty.clone(),
            _ => DataType::Null,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first() else { return exec_err!("no number") };
        let lenient = CastOptions { safe: true, ..CastOptions::default() };
        let ty = self.return_type(&[value.data_type()])?;
        if ty == value.data_type() { Ok(value.clone()) } else { value.cast_to(&ty, Some(&lenient)) }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // Most values are numbers already, and statistics know them only without a function around.
        match args.as_slice() {
            [value] => {
                let ty = info.get_data_type(value)?;
                if self.return_type(std::slice::from_ref(&ty))? == ty {
                    return Ok(ExprSimplifyResult::Simplified(value.clone()));
                }
                Ok(ExprSimplifyResult::Original(args))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }
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
            Some(moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
        }
        _ => None,
    })?;
    answer(Arc::new(TimestampMicrosecondArray::from(values)), scalar)
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
        let zone = jiff::tz::TimeZone::UTC;
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
        assert_eq!(
            result.as_primitive::<datafusion::arrow::array::types::Float64Type>().value(0),
            2.0
        );
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
