//! DataFusion's errors to ours.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

use super::sparing;
use crate::error::Error;

/// What went wrong, perhaps while a file was read: its location and its path.
pub(super) fn of(error: &DataFusionError, file: Option<(&str, &str)>) -> Error {
    if let Some(ours) = ours(error) {
        return ours;
    }
    let root = error.find_root();
    let unreadable = |why: String| match file {
        Some((location, path)) => {
            Error::UnreadableFile { location: location.to_owned(), path: path.to_owned(), why }
        }
        None => Error::Query { what: why },
    };
    match root {
        DataFusionError::SchemaError(schema, _) => of_schema(schema),
        DataFusionError::NotImplemented(what) => {
            Error::Unsupported { what: first_line(what), hint: None }
        }
        DataFusionError::Internal(why) if sparing::is_exhausted(root) => {
            Error::OutOfMemory { why: first_line(why) }
        }
        DataFusionError::ResourcesExhausted(why) => {
            // Who else holds memory is for the log.
            let (why, _) = why.split_once(" with top memory consumers").unwrap_or((why, ""));
            Error::OutOfMemory { why: first_line(why) }
        }
        DataFusionError::ArrowError(arrow, _) => unreadable(of_arrow(arrow)),
        DataFusionError::ParquetError(parquet) => unreadable(first_line(&parquet.to_string())),
        DataFusionError::Plan(why) if why.starts_with("Invalid function '") => {
            let name = why.split('\'').nth(1).unwrap_or_default();
            Error::UnknownFunction { name: name.to_owned() }
        }
        other if file.is_some() => unreadable(first_line(&bare(other))),
        other => Error::Query { what: first_line(&bare(other)) },
    }
}

/// What went wrong while rows came; `only` is the location and the path of the one file that is read.
pub(super) fn of_rows(error: &DataFusionError, only: Option<&(String, String)>) -> Error {
    let root = error.find_root();
    let of_file = match root {
        DataFusionError::ParquetError(_) => true,
        DataFusionError::ArrowError(arrow, _) => matches!(**arrow, ArrowError::ParquetError(_)),
        _ => false,
    };
    let file = only.filter(|_| of_file);
    of(error, file.map(|(location, path)| (location.as_str(), path.as_str())))
}

/// One of ours that went through DataFusion.
fn ours(error: &DataFusionError) -> Option<Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours.clone());
        }
        next = error.source();
    }
    None
}

fn of_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            Error::UnknownColumn { name: field.flat_name().replace('"', "") }
        }
        SchemaError::AmbiguousReference { field } => {
            Error::AmbiguousColumn { name: field.name().to_owned() }
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::Query { what: format!("Duplicate column name '{name}'") }
        }
    }
}

fn of_arrow(error: &ArrowError) -> String {
    match error {
        ArrowError::CsvError(why)
        | ArrowError::JsonError(why)
        | ArrowError::ParquetError(why)
        | ArrowError::ParseError(why)
        | ArrowError::CastError(why)
        | ArrowError::ComputeError(why)
        | ArrowError::InvalidArgumentError(why)
        | ArrowError::SchemaError(why) => first_line(why),
        other => first_line(&other.to_string()),
    }
}

/// The sentence, without the kind of error before it.
fn bare(error: &DataFusionError) -> String {
    error.message().into_owned()
}

/// The most characters of a sentence of DataFusion's: some list all that would have been right.
const SENTENCE: usize = 300;

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.');
    match line.char_indices().nth(SENTENCE) {
        Some((end, _)) => format!("{} ...", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}
