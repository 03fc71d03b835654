//! Values of a CSV that are not simply what they say: what stands for `NULL`, blanks around them, dates in
//! another form.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::sql::date_format;

/// What values of a file mean.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Convert {
    /// Whether blanks around a value are no part of it.
    pub(in super::super) trim: bool,
    /// Texts that are `NULL`.
    pub(in super::super) nulls: Vec<String>,
    /// Whether these are the usual ones, which are texts in quotes.
    pub(in super::super) usual_nulls: bool,
    /// Whether a text of no characters is one, not `NULL`.
    pub(in super::super) empty_is_text: bool,
    /// Whether a quoted text of no characters is `NULL` too.
    pub(in super::super) quoted_is_null: bool,
    /// How dates are written, in the letters of `DATE_FORMAT`.
    pub(in super::super) dates: Option<String>,
    /// How times of the day are.
    pub(in super::super) times: Option<String>,
    /// How moments are.
    pub(in super::super) moments: Option<String>,
}

/// What a form is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Form {
    Date,
    Time,
    Moment,
}

impl Convert {
    /// Whether Arrow's reader reads the values rightly, or fails for what it does not know.
    pub(super) fn is_plain(&self) -> bool {
        let no_value = |text: &String| {
            text.is_empty() || text.starts_with(|c: char| !c.is_alphanumeric() && c != '-')
        };
        let formats = [&self.dates, &self.times, &self.moments];
        !self.trim
            && !self.empty_is_text
            && formats.iter().all(|format| format.is_none())
            && self.nulls.iter().all(no_value)
    }

    /// Whether a quoted text of no characters is one.
    pub(super) fn keeps_empty(&self) -> bool {
        !self.quoted_is_null && !self.nulls.iter().any(String::is_empty)
    }

    /// What a value of a column of text is, if it is one.
    pub(in super::super) fn text_of<'a>(&self, text: &'a str) -> Option<&'a str> {
        let clean = self.clean(text);
        let is_null = || self.nulls.iter().any(String::is_empty);
        match clean {
            None if self.empty_is_text && text.trim().is_empty() && !is_null() => Some(""),
            clean => clean,
        }
    }

    /// A moment, day or time that is written as the options say, in the usual form.
    pub(in super::super) fn usual_form(&self, text: &str, of: Form) -> Option<String> {
        Some(match of {
            Form::Date => parse(text, self.dates.as_deref()?, true)?.date().to_string(),
            Form::Moment => parse(text, self.moments.as_deref()?, true)?.to_string(),
            Form::Time => parse(text, self.times.as_deref()?, false)?.time().to_string(),
        })
    }

    /// What a value is, if it is one.
    pub(in super::super) fn clean<'a>(&self, text: &'a str) -> Option<&'a str> {
        let text = if self.trim { text.trim() } else { text };
        let null = text.is_empty() || self.nulls.iter().any(|null| null == text);
        (!null).then_some(text)
    }

    /// A column of texts without those that are no values.
    fn cleaned(&self, texts: &StringArray) -> StringArray {
        let touched = |text: &str| self.clean(text).is_none_or(|clean| clean.len() != text.len());
        if !texts.iter().flatten().any(touched) {
            return texts.clone();
        }
        texts.iter().map(|text| text.and_then(|text| self.clean(text))).collect()
    }

    /// A column of texts as what it is to be; fails with the row of a text that can't be one.
    pub(super) fn column(&self, texts: &StringArray, ty: &DataType) -> Result<ArrayRef, usize> {
        let cleaned = self.cleaned(texts);
        if *ty == DataType::Utf8 {
            return Ok(Arc::new(if self.empty_is_text {
                self.with_empty(texts, &cleaned)
            } else {
                cleaned
            }));
        }
        let known = match (ty, &self.dates, &self.times, &self.moments) {
            (DataType::Date32, Some(format), _, _) => dates(&cleaned, format),
            (DataType::Time64(TimeUnit::Microsecond), _, Some(format), _) => {
                times(&cleaned, format)
            }
            (DataType::Timestamp(..), _, _, Some(format)) => moments(&cleaned, format),
            _ => Arc::new(cleaned.clone()),
        };
        let lenient = CastOptions { safe: true, ..CastOptions::default() };
        let column = cast_with_options(&known, ty, &lenient).map_err(|_| 0_usize)?;
        match (0..column.len()).find(|row| column.is_null(*row) && !cleaned.is_null(*row)) {
            Some(row) => Err(row),
            None => Ok(column),
        }
    }

    /// The same texts, with those of no characters that `NULL_IF` doesn't name.
    fn with_empty(&self, texts: &StringArray, cleaned: &StringArray) -> StringArray {
        let is_null = self.nulls.iter().any(String::is_empty);
        let empty = |text: Option<&str>| {
            let text = text.unwrap_or_default();
            (if self.trim { text.trim() } else { text }).is_empty()
        };
        let both = texts.iter().zip(cleaned.iter());
        both.map(|(text, clean)| match clean {
            None if empty(text) && !is_null => Some(""),
            clean => clean,
        })
        .collect()
    }

    /// The type that all texts of a column have in the forms that are given.
    pub(super) fn formed<'a>(
        &self,
        texts: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<DataType> {
        let fits = |format: &Option<String>, has_date: bool| {
            format.as_ref().is_some_and(|format| {
                texts.clone().all(|text| parse(text, format, has_date).is_some())
            })
        };
        if texts.clone().next().is_none() {
            None
        } else if fits(&self.dates, true) {
            Some(DataType::Date32)
        } else if fits(&self.moments, true) {
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        } else if fits(&self.times, false) {
            Some(DataType::Time64(TimeUnit::Microsecond))
        } else {
            None
        }
    }
}

fn parse(text: &str, format: &str, has_date: bool) -> Option<DateTime> {
    if has_date {
        return date_format::parse(text, format);
    }
    // Any day serves: only the time is asked for.
    date_format::parse(&format!("1970-01-01 {text}"), &format!("%Y-%m-%d {format}"))
}

fn micros(moment: DateTime) -> Option<i64> {
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

const DAY: i64 = 86_400_000_000;

fn dates(texts: &StringArray, format: &str) -> ArrayRef {
    let day = |text: Option<&str>| {
        let micros = micros(parse(text?, format, true)?)?;
        i32::try_from(micros.div_euclid(DAY)).ok()
    };
    Arc::new(texts.iter().map(day).collect::<Date32Array>())
}

fn times(texts: &StringArray, format: &str) -> ArrayRef {
    let time = |text: Option<&str>| Some(micros(parse(text?, format, false)?)?.rem_euclid(DAY));
    Arc::new(texts.iter().map(time).collect::<Time64MicrosecondArray>())
}

fn moments(texts: &StringArray, format: &str) -> ArrayRef {
    let moment = |text: Option<&str>| micros(parse(text?, format, true)?);
    Arc::new(texts.iter().map(moment).collect::<TimestampMicrosecondArray>())
}

/// The texts of a column that was read as text.
pub(super) fn texts(column: &ArrayRef) -> Option<&StringArray> {
    column.as_string_opt::<i32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(convert: &Convert, texts: &[&str], ty: &DataType) -> Result<Vec<String>, usize> {
        let texts: StringArray =
            texts.iter().map(|text| (!text.is_empty()).then_some(*text)).collect();
        let column = convert.column(&texts, ty)?;
        let shown = datafusion::arrow::compute::cast(&column, &DataType::Utf8).expect("text");
        Ok(shown.as_string::<i32>().iter().map(|text| text.unwrap_or("NULL").to_owned()).collect())
    }

    #[test]
    fn values_are_what_the_options_say() {
        let nulls = || vec!["\\N".to_owned(), "-".to_owned()];
        let convert = Convert { trim: true, nulls: nulls(), ..Convert::default() };
        assert_eq!(
            column(&convert, &[" 1", "- ", "", "\\N"], &DataType::Int64).as_deref(),
            Ok(&["1", "NULL", "NULL", "NULL"].map(str::to_owned)[..])
        );
        assert_eq!(column(&convert, &["1", "x"], &DataType::Int64), Err(1));
        let convert = Convert { empty_is_text: true, nulls: nulls(), ..Convert::default() };
        assert_eq!(
            column(&convert, &["a", "", "-"], &DataType::Utf8).as_deref(),
            Ok(&["a", "", "NULL"].map(str::to_owned)[..])
        );
        let convert = Convert { dates: Some("%d.%m.%Y".to_owned()), ..Convert::default() };
        assert_eq!(
            column(&convert, &["31.01.2024", ""], &DataType::Date32).as_deref(),
            Ok(&["2024-01-31", "NULL"].map(str::to_owned)[..])
        );
        assert_eq!(column(&convert, &["31.01.2024", "32.01.2024"], &DataType::Date32), Err(1));
        assert_eq!(convert.formed(["01.02.2024"].into_iter()), Some(DataType::Date32));
        assert_eq!(convert.formed(["2024-01-01"].into_iter()), None);
    }

    #[test]
    fn arrow_reads_what_has_no_options() {
        let plain = |nulls: &[&str]| {
            Convert {
                nulls: nulls.iter().map(|null| (*null).to_owned()).collect(),
                ..Convert::default()
            }
            .is_plain()
        };
        assert!(plain(&["\\N", ""]) || plain(&["\\N"]));
        // These are values to Arrow's reader.
        assert!(!plain(&["-1"]) && !plain(&["true"]) && !plain(&["0"]));
    }
}
