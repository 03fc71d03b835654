//! Functions that are computed row by row, from texts to a text: those that are too rare for more.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::json::writer::{EncoderOptions, make_encoder};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;

/// One argument in one row.
#[derive(Clone, Copy)]
pub(super) struct Argument<'a> {
    /// What it says; `None` for `NULL`. What has parts is JSON.
    pub(super) text: Option<&'a str>,
    /// Whether it is a number, or has parts.
    pub(super) is_json: bool,
}

impl Argument<'_> {
    /// A whole number, rounded.
    pub(super) fn int(&self) -> Option<i64> {
        let text = self.text?.trim();
        text.parse().ok().or_else(|| {
            let number = format!("{:.0}", text.parse::<f64>().ok()?.round());
            number.parse().ok()
        })
    }
}

/// How it is computed; `None` is `NULL`.
pub(super) type Compute = fn(&[Argument<'_>]) -> Option<String>;

/// A function: its name, what it gives, and how.
pub(super) type ByRow = (&'static str, DataType, Compute);

/// Makes functions known.
pub(super) fn register(context: &SessionContext, functions: &[ByRow]) {
    for (name, gives, compute) in functions {
        let signature = Signature::variadic_any(Volatility::Immutable);
        let function = Called { name, gives: gives.clone(), compute: *compute, signature };
        context.register_udf(ScalarUDF::from(function));
    }
}

/// A column as texts: what has parts is JSON.
pub(super) fn texts(column: &ArrayRef) -> Result<StringArray> {
    if column.data_type().is_nested() {
        let options = EncoderOptions::default().with_explicit_nulls(true);
        let field: FieldRef = Arc::new(Field::new("value", column.data_type().clone(), true));
        let mut encoder = make_encoder(&field, column, &options)?;
        let mut text = |row: usize| {
            let mut out = Vec::new();
            encoder.encode(row, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        return Ok((0..column.len()).map(|row| column.is_valid(row).then(|| text(row))).collect());
    }
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// One of them.
#[derive(Debug)]
struct Called {
    name: &'static str,
    gives: DataType,
    compute: Compute,
    signature: Signature,
}

impl PartialEq for Called {
    fn eq(&self, other: &Called) -> bool {
        self.name == other.name
    }
}

impl Eq for Called {}

impl std::hash::Hash for Called {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Called {
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
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| arg.to_array(rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let is_json = |ty: &DataType| ty.is_nested() || ty.is_numeric();
        let texts: Vec<(StringArray, bool)> = columns
            .iter()
            .map(|column| Ok((texts(column)?, is_json(column.data_type()))))
            .collect::<Result<_>>()?;
        let found = (0..rows).map(|row| {
            let arguments: Vec<Argument<'_>> = texts
                .iter()
                .map(|(texts, is_json)| Argument {
                    text: texts.is_valid(row).then(|| texts.value(row)),
                    is_json: *is_json,
                })
                .collect();
            (self.compute)(&arguments)
        });
        let found: ArrayRef = Arc::new(found.collect::<StringArray>());
        let lenient = CastOptions { safe: true, ..CastOptions::default() };
        let found = cast_with_options(&found, &self.gives, &lenient)?;
        match scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?)),
            false => Ok(ColumnarValue::Array(found)),
        }
    }
}
