//! A location of a query with what stands behind it: which files are meant, and how they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr};

use super::files::read;
use crate::error::{Error, Result};
use crate::query::FileTable;
use crate::session::Session;
use crate::sql::location::Location;
use crate::sql::name::QualifiedName;
use crate::stage::files::{Entry, Files};
use crate::stage::pattern::Pattern;
use crate::statement::{file_format, named_formats};

/// More files than one location of a query may have.
const MAX_FILES: usize = 100_000;

/// A location, and what the query says of it.
#[derive(Debug, PartialEq)]
pub(in crate::statement) struct Wanted {
    /// Where.
    pub(in crate::statement) location: Location,
    /// `PATTERN`
    pub(in crate::statement) pattern: Option<String>,
    /// `FILES`
    pub(in crate::statement) files: Vec<String>,
    /// The options of `FILE_FORMAT`.
    pub(in crate::statement) options: BTreeMap<String, String>,
    /// The named format.
    pub(in crate::statement) format: Option<QualifiedName>,
}

impl Wanted {
    /// Of a location and the arguments behind it.
    pub(super) fn of(text: &str, args: &[FunctionArg]) -> Result<Wanted> {
        let location = read(text)?;
        let (files, options) = (Vec::new(), BTreeMap::new());
        let mut wanted = Wanted { location, pattern: None, files, format: None, options };
        let mut pairs = Vec::new();
        for arg in args {
            let (name, value) = named(arg)?;
            match name.as_str() {
                "PATTERN" => wanted.pattern = Some(text_of(&name, value)?),
                "FILES" => wanted.files = texts_of(&name, value)?,
                "FILE_FORMAT" => match text_of(&name, value)? {
                    ty if file_format::is_type(&ty) => pairs.push(("TYPE".to_owned(), ty)),
                    format => wanted.format = Some(named_formats::named(&format)?),
                },
                _ => {
                    let value = option_of(&name, value)?;
                    pairs.push((name, value));
                }
            }
        }
        wanted.options = file_format::check_pairs(pairs)?;
        Ok(wanted)
    }

    /// The files, for the engine.
    pub(in crate::statement) async fn table(
        &self,
        name: String,
        session: &Session,
    ) -> Result<FileTable> {
        let (files, home, stage) = session.source_at(&self.location.area).await?;
        // A format that the query names is in the place of the stage's.
        let below = self.format(session).await?.unwrap_or(stage);
        let options = named_formats::over(below, self.options.clone());
        let mut entries = self.entries(&files).await?;
        entries.retain(|entry| entry.size > 0);
        let location = self.location.to_string();
        if entries.is_empty() {
            return Err(Error::NoFiles { location });
        }
        Ok(FileTable { name, location, home, files, entries, options })
    }

    /// The options of the format that the query names.
    pub(super) async fn format(
        &self,
        session: &Session,
    ) -> Result<Option<BTreeMap<String, String>>> {
        let Some(name) = &self.format else { return Ok(None) };
        Ok(Some(named_formats::find(session, name).await?.format.options))
    }

    /// Which files are meant, even if they are empty.
    pub(super) async fn entries(&self, files: &Arc<Files>) -> Result<Vec<Entry>> {
        let pattern = self.pattern.as_deref().map(Pattern::new).transpose()?;
        let mut found = files.list(&self.location.path);
        let mut entries = Vec::new();
        while let Some(entry) = found.try_next().await? {
            if entry.path == self.location.path.as_str() {
                return Ok(vec![entry]);
            }
            if self.takes(&entry, pattern.as_ref()) {
                entries.push(entry);
            }
            if entries.len() > MAX_FILES {
                return Err(Error::Unsupported {
                    what: format!("A query of more than {MAX_FILES} files"),
                    hint: Some("a longer path, PATTERN or FILES make it fewer".to_owned()),
                });
            }
        }
        self.check_all_found(&entries)?;
        Ok(entries)
    }

    /// Whether a file that the path begins is one of those that are meant.
    fn takes(&self, entry: &Entry, pattern: Option<&Pattern>) -> bool {
        if !self.files.is_empty() && !self.files.iter().any(|name| self.full(name) == entry.path) {
            return false;
        }
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        let hidden = name.starts_with(['_', '.']) && self.files.is_empty();
        !hidden && pattern.is_none_or(|pattern| pattern.matches(&entry.path))
    }

    /// A name of `FILES`, which are below the path.
    fn full(&self, name: &str) -> String {
        match self.location.path.as_str() {
            "" => name.to_owned(),
            path if path.ends_with('/') => format!("{path}{name}"),
            path => format!("{path}/{name}"),
        }
    }

    fn check_all_found(&self, entries: &[Entry]) -> Result<()> {
        let missing = |name: &&String| entries.iter().all(|entry| entry.path != self.full(name));
        match self.files.iter().find(missing) {
            Some(name) => Err(Error::UnknownFile { path: self.full(name) }),
            None => Ok(()),
        }
    }
}

pub(super) fn named(arg: &FunctionArg) -> Result<(String, &Expr)> {
    match arg {
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
            Ok((name.value.to_uppercase(), value))
        }
        FunctionArg::ExprNamed {
            name: Expr::Identifier(name),
            arg: FunctionArgExpr::Expr(value),
            ..
        } => Ok((name.value.to_uppercase(), value)),
        other @ (FunctionArg::Named { .. }
        | FunctionArg::ExprNamed { .. }
        | FunctionArg::Unnamed(_)) => Err(Error::BadValue {
            option: "FROM @stage (...)".to_owned(),
            value: other.to_string(),
            expected: "options as in PATTERN => '.*[.]csv'".to_owned(),
        }),
    }
}

fn wrong(name: &str, value: &Expr, expected: &str) -> Error {
    Error::BadValue {
        option: name.to_owned(),
        value: value.to_string(),
        expected: expected.to_owned(),
    }
}

fn literal_of(value: &Expr) -> Option<String> {
    let Expr::Value(value) = value else { return None };
    value.value.clone().into_string()
}

pub(super) fn text_of(name: &str, value: &Expr) -> Result<String> {
    literal_of(value).ok_or_else(|| wrong(name, value, "a text in quotes"))
}

fn texts_of(name: &str, value: &Expr) -> Result<Vec<String>> {
    if let Expr::Tuple(values) = value {
        return values.iter().map(|value| text_of(name, value)).collect();
    }
    let value = if let Expr::Nested(value) = value { value } else { value };
    Ok(vec![text_of(name, value)?])
}

/// The value of an option of `FILE_FORMAT`, as its own clause would have it.
fn option_of(name: &str, value: &Expr) -> Result<String> {
    if let Some(text) = literal_of(value) {
        return Ok(text);
    }
    if let Expr::Identifier(word) = value {
        return Ok(word.value.to_uppercase());
    }
    if let Expr::Value(literal) = value {
        // TRUE, FALSE and numbers.
        return Ok(literal.value.to_string().to_uppercase());
    }
    let texts = texts_of(name, value)?;
    let texts: Vec<String> = texts.iter().map(|text| crate::sql::literal::text(text)).collect();
    Ok(format!("({})", texts.join(", ")))
}
