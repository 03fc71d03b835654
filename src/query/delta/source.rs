//! What is in one file, row by row, for a load: each row with its line, and rows that can't be read beside those
//! that can. What a reader of whole columns can't tell is told here; so CSV and lines of JSON are read in this
//! place, as texts, and all other formats by the engine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringBuilder};
use datafusion::common::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::error::{Error, Result};
use crate::query::format::{Kind, Reader, Reading};
use crate::query::text::{self, Dialect, Form, Shape};
use crate::query::{Case, FileTable, KeptTable, Load, LoadError, Query, engine};
use crate::rows::declared::{Declared, DeclaredColumn};
use crate::stage::files::Entry;
use crate::stage::name::StagePath;

/// Rows that are fitted at once.
const ROWS: usize = 8192;

/// Text of so many bytes is fitted at once, however few rows it is.
const TEXT: usize = 16 << 20;

/// So many bytes of a file are forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 1 << 20;

/// The longest line of JSON: 64 MiB.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// Rows of a file.
pub(super) struct Chunk {
    /// One for each column of the table; `None` where the file has none.
    pub(super) arrays: Vec<Option<ArrayRef>>,
    /// How many rows there are.
    pub(super) rows: usize,
    /// The line of each, or its number; empty, if they are numbered from `first` on.
    pub(super) lines: Vec<u64>,
    /// The number of the first.
    pub(super) first: u64,
    /// What the rows were read from, if that is CSV.
    records: Option<Records>,
    /// Rows that could not be read.
    pub(super) broken: Vec<LoadError>,
}

/// Records of CSV as they were written.
struct Records {
    dialect: Dialect,
    /// Which column of the table each value goes to.
    places: Vec<Option<usize>>,
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Chunk {
    /// The line of a row.
    pub(super) fn line(&self, row: usize) -> u64 {
        let number = self.first + u64::try_from(row).unwrap_or_default();
        self.lines.get(row).copied().unwrap_or(number)
    }

    /// The character of a row's record that the value of a column of the table begins with.
    pub(super) fn character(&self, row: usize, place: usize) -> Option<u64> {
        let records = self.records.as_ref()?;
        let column = records.places.iter().position(|found| *found == Some(place))?;
        Some(text::character(&records.dialect, records.of(row)?, column))
    }
}

impl Records {
    fn new(dialect: &Dialect, places: &[Option<usize>]) -> Records {
        let (dialect, places) = (dialect.clone(), places.to_vec());
        Records { dialect, places, text: Vec::new(), ends: Vec::new() }
    }

    fn push(&mut self, record: &[u8]) {
        self.text.extend_from_slice(record);
        self.ends.push(self.text.len());
    }

    fn of(&self, row: usize) -> Option<&[u8]> {
        let begins = row.checked_sub(1).and_then(|last| self.ends.get(last).copied());
        self.text.get(begins.unwrap_or(0)..*self.ends.get(row)?)
    }
}

/// Reads a file.
pub(super) async fn open(
    engine: &engine::Engine,
    kept: &KeptTable,
    load: &Load,
    entry: &Entry,
) -> Result<stream::BoxStream<'static, Result<Chunk>>> {
    if let Some(select) = &load.select {
        return selected(engine, kept, load, select, entry).await;
    }
    let options = Arc::new(load.files.options.clone());
    let reading = Reading::of(&entry.path, &options)?;
    if let Reader::Text(how, shape) = reading.reader()? {
        return lines(kept, load, entry, reading.kind, how, shape).await;
    }
    let one = FileTable { entries: vec![entry.clone()], ..load.files.clone() };
    let batches = engine.stream_of(Query::of_all(one)?).await?;
    let places: Vec<_> = match load.by_name {
        None => load.positions.iter().copied().map(Some).collect(),
        Some(case) => {
            let names: Vec<String> =
                batches.schema().fields().iter().map(|field| field.name().clone()).collect();
            by_name(&kept.columns, &names, case, &entry.path)?
        }
    };
    Ok(placed(batches, places, kept.columns.len(), load, entry))
}

/// What a query makes of the rows of a file.
async fn selected(
    engine: &engine::Engine,
    kept: &KeptTable,
    load: &Load,
    select: &Query,
    entry: &Entry,
) -> Result<stream::BoxStream<'static, Result<Chunk>>> {
    let one = FileTable { entries: vec![entry.clone()], ..load.files.clone() };
    let batches = engine.stream_by_row(Query { files: vec![one], ..select.clone() }).await?;
    let (expected, found) = (load.positions.len(), batches.schema().fields().len());
    if expected != found {
        return Err(Error::ColumnCount { expected, found });
    }
    let places = load.positions.iter().copied().map(Some).collect();
    Ok(placed(batches, places, kept.columns.len(), load, entry))
}

/// Rows whose columns go to these places of the table.
fn placed(
    batches: SendableRecordBatchStream,
    places: Vec<Option<usize>>,
    width: usize,
    load: &Load,
    entry: &Entry,
) -> stream::BoxStream<'static, Result<Chunk>> {
    let mut first = 1;
    let file = (load.files.location.clone(), entry.path.clone());
    batches
        .map(move |batch| {
            let batch = batch.map_err(|error| crate::query::fault::of_rows(&error, Some(&file)))?;
            let mut arrays = vec![None; width];
            for (place, array) in places.iter().zip(batch.columns()) {
                if let Some(slot) = place.and_then(|place| arrays.get_mut(place)) {
                    *slot = Some(array.clone());
                }
            }
            let (rows, broken) = (batch.num_rows(), Vec::new());
            let chunk = Chunk { arrays, rows, lines: Vec::new(), first, records: None, broken };
            first += u64::try_from(rows).unwrap_or_default();
            Ok(chunk)
        })
        .boxed()
}

/// Where in the table each column of the file goes. One of them at least.
fn by_name(
    columns: &[DeclaredColumn],
    names: &[String],
    case: Case,
    path: &str,
) -> Result<Vec<Option<usize>>> {
    let places: Vec<Option<usize>> = names
        .iter()
        .map(|name| columns.iter().position(|column| is_same(&column.name, name, case)))
        .collect();
    match places.iter().any(Option::is_some) {
        true => Ok(places),
        false => Err(Error::LoadFailed {
            path: path.to_owned(),
            line: 1,
            why: format!("none of its columns ({}) is one of the table's", names.join(", ")),
        }),
    }
}

fn is_same(name: &str, other: &str, case: Case) -> bool {
    match case {
        Case::Sensitive => name == other,
        Case::Insensitive => name.to_lowercase() == other.to_lowercase(),
    }
}

/// A file of text, read on a thread that may wait.
async fn lines(
    kept: &KeptTable,
    load: &Load,
    entry: &Entry,
    kind: Kind,
    how: text::How,
    shape: Shape,
) -> Result<stream::BoxStream<'static, Result<Chunk>>> {
    let path = StagePath::new(&entry.path)?;
    let blocks = load.files.files.read_version(&path, 0..entry.size, entry).await?;
    let external = |error: Error| DataFusionError::External(Box::new(error));
    let text = text::text(blocks.map_err(external).boxed(), &how, &shape);
    let file = SyncIoBridge::new(StreamReader::new(text.map_err(std::io::Error::other)));
    let (sender, receiver) = mpsc::channel(2);
    let reader = Lines {
        columns: kept.columns.clone(),
        positions: load.positions.clone(),
        by_name: load.by_name,
        kind,
        skipped: how.skip,
        path: entry.path.clone(),
        sender,
    };
    tokio::task::spawn_blocking(move || {
        let failed = reader.sender.clone();
        if let Err(error) = reader.run(file, &shape) {
            // Whoever doesn't listen any more needs no error.
            let _ = failed.blocking_send(Err(error));
        }
    });
    Ok(chunks(receiver).boxed())
}

fn chunks(receiver: mpsc::Receiver<Result<Chunk>>) -> impl Stream<Item = Result<Chunk>> {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    })
}

struct Lines {
    columns: Vec<DeclaredColumn>,
    positions: Vec<usize>,
    by_name: Option<Case>,
    kind: Kind,
    /// Lines at the beginning that are no part of the text.
    skipped: u64,
    path: String,
    sender: mpsc::Sender<Result<Chunk>>,
}

/// Rows on their way into a chunk.
struct Building {
    texts: Vec<Option<StringBuilder>>,
    lines: Vec<u64>,
    records: Option<Records>,
    broken: Vec<LoadError>,
    /// So many bytes were read for them.
    read: usize,
}

impl Building {
    fn new(places: &[Option<usize>], width: usize) -> Building {
        let mut texts: Vec<Option<StringBuilder>> = (0..width).map(|_| None).collect();
        for place in places.iter().flatten() {
            if let Some(slot) = texts.get_mut(*place) {
                *slot = Some(StringBuilder::new());
            }
        }
        Building { texts, lines: Vec::new(), records: None, broken: Vec::new(), read: 0 }
    }

    fn breaks(&mut self, line: u64, character: Option<u64>, why: String) {
        self.broken.push(LoadError { line, character, column: None, why });
    }

    fn is_full(&self) -> bool {
        self.lines.len() + self.broken.len() >= ROWS || self.read >= TEXT
    }

    fn take(&mut self) -> Chunk {
        let array = |texts: &mut StringBuilder| -> ArrayRef { Arc::new(texts.finish()) };
        let lines = std::mem::take(&mut self.lines);
        let empty = self.records.as_ref().map(|all| Records::new(&all.dialect, &all.places));
        self.read = 0;
        Chunk {
            arrays: self.texts.iter_mut().map(|texts| texts.as_mut().map(array)).collect(),
            rows: lines.len(),
            lines,
            first: 1,
            records: std::mem::replace(&mut self.records, empty),
            broken: std::mem::take(&mut self.broken),
        }
    }
}

impl Lines {
    fn run(self, file: impl Read, shape: &Shape) -> Result<()> {
        match shape {
            Shape::Csv(dialect) => self.csv(file, dialect),
            Shape::Json if self.kind == Kind::Json => self.objects(file),
            Shape::Json => self.json(BufReader::with_capacity(1 << 18, file)),
        }
    }

    /// A failure of the storage is that; anything else is the file's.
    fn unreadable(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(ours) = error.downcast_ref::<Error>() {
                return ours.clone();
            }
            if let Some(io) = error.downcast_ref::<std::io::Error>()
                && let Some(ours) = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
            {
                return ours.clone();
            }
            next = error.source();
        }
        Error::LoadFailed { path: self.path.clone(), line: 1, why: error.to_string() }
    }

    /// Sends the rows; `false` when nobody waits for them any more.
    fn send(&self, building: &mut Building) -> bool {
        self.sender.blocking_send(Ok(building.take())).is_ok()
    }

    fn csv(&self, file: impl Read, dialect: &Dialect) -> Result<()> {
        let mut reader = dialect.records(Kept::new(file));
        let mut record = csv::ByteRecord::new();
        let next = |reader: &mut csv::Reader<_>, record: &mut csv::ByteRecord| {
            reader.read_byte_record(record).map_err(|error| self.unreadable(&error))
        };
        let mut places: Vec<Option<usize>> = self.positions.iter().copied().map(Some).collect();
        if dialect.named {
            next(&mut reader, &mut record)?;
            let names: Vec<String> =
                record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
            if let Some(case) = self.by_name {
                places = by_name(&self.columns, &names, case, &self.path)?;
            }
        }
        let mut building = Building::new(&places, self.columns.len());
        building.records = Some(Records::new(dialect, &places));
        loop {
            let begins = reader.position().byte();
            if !next(&mut reader, &mut record)? {
                break;
            }
            let ends = reader.position().byte();
            let line = self.skipped + record.position().map_or(0, csv::Position::line);
            let written = reader.get_ref().between(begins, ends);
            building.read += written.len();
            if let Err(why) = dialect.check_width(&record, places.len()) {
                let character = text::character(dialect, written, places.len());
                building.breaks(line, Some(character), why);
            } else if record.iter().any(|field| std::str::from_utf8(field).is_err()) {
                let character = text::not_utf8(dialect, written);
                building.breaks(line, character, "it is not UTF-8".to_owned());
            } else {
                let is_null =
                    |field: &[u8]| field.is_empty() || field == text::USUAL_NULL.as_bytes();
                let quoted = match record.iter().any(is_null) {
                    true => text::quoted(dialect, written),
                    false => Vec::new(),
                };
                for (index, place) in places.iter().enumerate() {
                    let Some(place) = *place else { continue };
                    let field = record.get(index).and_then(|field| std::str::from_utf8(field).ok());
                    if let (Some(Some(texts)), Some(column)) =
                        (building.texts.get_mut(place), self.columns.get(place))
                    {
                        let quoted = quoted.iter().find(|quoted| quoted.column == index);
                        match quoted.filter(|_| is_text(column.ty)) {
                            Some(quoted) => texts.append_value(quoted.text),
                            None => append(texts, field, dialect, column.ty),
                        }
                    }
                }
                building.lines.push(line);
                if let Some(records) = &mut building.records {
                    records.push(written);
                }
            }
            reader.get_mut().forget(ends);
            if building.is_full() && !self.send(&mut building) {
                return Ok(());
            }
        }
        self.send(&mut building);
        Ok(())
    }

    /// Objects one behind the other, in any form: behind a broken one nothing can be read.
    fn objects(&self, file: impl Read) -> Result<()> {
        let names = self.names();
        let mut building = Building::new(&self.all(), self.columns.len());
        let file = BufReader::with_capacity(1 << 18, file);
        let mut number = 0;
        for value in serde_json::Deserializer::from_reader(file).into_iter::<Value>() {
            number += 1;
            match value {
                Ok(Value::Object(object)) => self.object(object, &names, number, &mut building),
                Ok(_) => building.breaks(number, None, "it is no object of JSON".to_owned()),
                Err(error) if error.is_io() => return Err(self.unreadable(&error)),
                Err(error) => {
                    let line = u64::try_from(error.line()).unwrap_or(number);
                    building.breaks(line, column_of(&error), of_serde(&error));
                    break;
                }
            }
            if building.is_full() && !self.send(&mut building) {
                return Ok(());
            }
        }
        self.send(&mut building);
        Ok(())
    }

    /// The columns of the table by their names in JSON.
    fn names(&self) -> HashMap<String, usize> {
        let places = self.columns.iter().enumerate();
        places.map(|(place, column)| (self.name_of(&column.name), place)).collect()
    }

    fn name_of(&self, name: &str) -> String {
        match self.by_name {
            Some(Case::Sensitive) => name.to_owned(),
            Some(Case::Insensitive) | None => name.to_lowercase(),
        }
    }

    fn all(&self) -> Vec<Option<usize>> {
        (0..self.columns.len()).map(Some).collect()
    }

    fn object(
        &self,
        object: Map<String, Value>,
        names: &HashMap<String, usize>,
        line: u64,
        building: &mut Building,
    ) {
        let mut texts: Vec<Option<String>> = vec![None; self.columns.len()];
        for (name, value) in object {
            let place = names.get(&self.name_of(&name));
            if let Some(slot) = place.and_then(|place| texts.get_mut(*place)) {
                *slot = text_of(value);
            }
        }
        for (builder, text) in building.texts.iter_mut().zip(&texts) {
            if let Some(builder) = builder {
                builder.append_option(text.as_deref());
            }
        }
        building.lines.push(line);
    }

    fn json(&self, mut file: impl BufRead) -> Result<()> {
        let names = self.names();
        let mut building = Building::new(&self.all(), self.columns.len());
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            let mut limited = (&mut file).take(MAX_LINE);
            let read = limited.read_until(b'\n', &mut line);
            let read = read.map_err(|error| self.unreadable(&error))?;
            if read == 0 {
                break;
            }
            number += 1;
            building.read += read;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Value>(line.trim_ascii_end()) {
                Ok(Value::Object(object)) => self.object(object, &names, number, &mut building),
                Ok(_) => building.breaks(number, None, "it is no object of JSON".to_owned()),
                Err(error) => building.breaks(number, column_of(&error), of_serde(&error)),
            }
            if building.is_full() && !self.send(&mut building) {
                return Ok(());
            }
        }
        self.send(&mut building);
        Ok(())
    }
}

/// Where in its line, in bytes: 0 stands for before it.
fn column_of(error: &serde_json::Error) -> Option<u64> {
    u64::try_from(error.column()).ok().filter(|column| *column > 0)
}

/// Without the line: it is told beside, and counts from elsewhere.
fn of_serde(error: &serde_json::Error) -> String {
    let why = error.to_string();
    format!("it is no JSON: {}", why.split(" at line ").next().unwrap_or_default())
}

/// A file whose newest bytes can be looked at again.
struct Kept<R> {
    file: R,
    bytes: Vec<u8>,
    /// Where in the file they begin.
    begins: u64,
}

impl<R> Kept<R> {
    fn new(file: R) -> Kept<R> {
        Kept { file, bytes: Vec::new(), begins: 0 }
    }

    fn place(&self, at: u64) -> usize {
        usize::try_from(at.saturating_sub(self.begins)).unwrap_or(usize::MAX)
    }

    fn between(&self, from: u64, to: u64) -> &[u8] {
        self.bytes.get(self.place(from)..self.place(to)).unwrap_or_default()
    }

    /// What stands before this place isn't needed any more. Not each time: what follows has to be moved.
    fn forget(&mut self, before: u64) {
        let place = self.place(before);
        if place >= FORGOTTEN_AT_ONCE && place <= self.bytes.len() {
            self.bytes.drain(..place);
            self.begins = before;
        }
    }
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(to)?;
        self.bytes.extend_from_slice(to.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn is_text(ty: Declared) -> bool {
    matches!(ty, Declared::Char(_) | Declared::VarChar(_) | Declared::Text)
}

/// Adds a field of CSV to its column.
fn append(texts: &mut StringBuilder, field: Option<&str>, dialect: &Dialect, ty: Declared) {
    let convert = &dialect.convert;
    if is_text(ty) {
        texts.append_option(field.and_then(|field| convert.text_of(field)));
        return;
    }
    let field = field.and_then(|field| convert.clean(field));
    let form = match ty {
        Declared::Date => Some(Form::Date),
        Declared::Time(_) => Some(Form::Time),
        Declared::DateTime(_) | Declared::Timestamp(_) => Some(Form::Moment),
        _ => None,
    };
    // What is not in that form is told by who fits it into the column.
    match form.zip(field).and_then(|(form, field)| convert.usual_form(field, form)) {
        Some(usual) => texts.append_value(usual),
        None => texts.append_option(field),
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}
