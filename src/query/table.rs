//! The files of one location as a table.
//!
//! Files that are read in one way are one scan; a location with several ways (a `.csv` beside a
//! `.csv.gz`, CSV files with other columns) is the union of several scans, its columns matched by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, DataFusionError, Result as PlanResult, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::provider_as_source;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, cast, lit,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use tokio_util::task::AbortOnDropHandle;

use super::FileTable;
use super::engine::threads;
use super::format::{Compression, Kind, Reader, Reading};
use super::named::naming;
use super::prune;
use super::rewrite::Names;
use super::seen::{Found, Seen};
use super::store::Store;
use super::text::{TextSource, sample};
use super::unify::unify;
use crate::error::{Error, Result};
use crate::stage::files::Entry;

/// How many files are looked into at once.
const LOOKS: usize = 16;

/// Bytes of a CSV file that is worth cutting: what DataFusion cuts into parts by default.
const GREAT: u64 = 10 << 20;

/// The columns that tell where a row comes from. They are there when a query names one.
pub(super) const METADATA: [&str; 4] = [
    "metadata$filename",
    "metadata$file_row_number",
    "metadata$file_last_modified",
    "metadata$file_size",
];

/// A location as DataFusion sees it.
pub(super) struct Located {
    /// What to scan. Its columns have names in lower case.
    pub(super) plan: LogicalPlan,
    /// The names of its columns as the files have them, without those of [`METADATA`].
    pub(super) names: Vec<String>,
    /// What its files are.
    pub(super) positional: bool,
}

/// What a query wants of its locations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Whether it names a column of [`METADATA`].
    pub(super) metadata: bool,
    /// Whether it reads all of their rows, as far as it looks.
    pub(super) all: bool,
}

/// One file, before it is part of a scan.
struct Member {
    entry: Entry,
    meta: ObjectMeta,
    reading: Reading,
    /// What is in it.
    schema: SchemaRef,
}

/// Looks into the files of a location.
pub(super) async fn locate(
    table: &FileTable,
    known: Vec<ObjectMeta>,
    store: &Arc<Store>,
    seen: &Arc<Seen>,
    session: &SessionState,
    names: &Names,
    asked: Asked,
) -> Result<Located> {
    let with_metadata = asked.metadata;
    let options = Arc::new(table.options.clone());
    let looks = table.entries.iter().cloned().zip(known).map(|(entry, meta)| {
        let (location, options) = (meta.location.clone(), options.clone());
        let known = seen.get(&location, &options);
        let look =
            look(entry.path.clone(), meta.clone(), options.clone(), store.clone(), session.clone());
        async move {
            if let Some(Found { reading, schema }) = known {
                return Ok(Member { entry, meta, reading, schema });
            }
            // A reader that a damaged file brings down takes nobody along.
            let looking = AbortOnDropHandle::new(threads()?.spawn(look));
            let broken = |why: String| Error::UnreadableFile {
                location: table.location.clone(),
                path: entry.path.clone(),
                why,
            };
            let (reading, schema) = match looking.await {
                Ok(seen) => seen.map_err(|error| unreadable(table, &entry.path, &error))?,
                Err(_) => return Err(broken("it is damaged".to_owned())),
            };
            let schema = named(schema, &reading);
            if schema.fields().is_empty() {
                return Err(broken("it has no columns".to_owned()));
            }
            let found = Found { reading: reading.clone(), schema: schema.clone() };
            seen.put(location, options, found);
            Ok::<_, Error>(Member { entry, meta, reading, schema })
        }
    });
    let mut members: Vec<Member> = stream::iter(looks).buffered(LOOKS).try_collect().await?;
    if members.is_empty() {
        return Err(Error::NoFiles { location: table.location.clone() });
    }
    if asked.all {
        for member in &mut members {
            look_for_lines(member, &options, store, seen).await;
        }
    }
    let schemas: Vec<SchemaRef> = members.iter().map(|member| member.schema.clone()).collect();
    let all = Arc::new(in_zone(unify(&schemas), names.zone.as_deref()));
    let partitions = Partitions::of(&members);
    let positional = members.iter().all(|member| member.reading.kind.is_positional());
    let mut plan: Option<LogicalPlan> = None;
    for (number, group) in groups(members, &all, with_metadata).into_iter().enumerate() {
        let source = (store.clone(), Arc::from(table.location.as_str()));
        let scan = scan(group, number, &all, &partitions, with_metadata, source);
        let scan = scan.map_err(|error| super::fault::of(&error, None))?;
        plan = Some(match plan {
            None => scan,
            Some(plan) => LogicalPlanBuilder::from(plan)
                .union(scan)
                .and_then(LogicalPlanBuilder::build)
                .map_err(|error| super::fault::of(&error, None))?,
        });
    }
    let plan = plan.ok_or_else(|| Error::NoFiles { location: table.location.clone() })?;
    let mut names: Vec<String> = all.fields().iter().map(|field| field.name().clone()).collect();
    names.extend(partitions.fields.iter().map(|field| field.name().clone()));
    Ok(Located { plan, names, positional })
}

/// Moments of time zones, as the clock of the session shows them.
fn in_zone(schema: Schema, zone: Option<&str>) -> Schema {
    let Some(zone) = zone else { return schema };
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            let ty = DataType::Timestamp(*unit, Some(zone.into()));
            Arc::new(Field::new(field.name(), ty, true))
        }
        _ => field.clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// What is in a file, and how it is read.
async fn look(
    path: String,
    meta: ObjectMeta,
    options: Arc<BTreeMap<String, String>>,
    store: Arc<Store>,
    session: SessionState,
) -> PlanResult<(Reading, SchemaRef)> {
    let external = |error: Error| DataFusionError::External(Box::new(error));
    let mut reading = Reading::of(&path, &options).map_err(external)?;
    let store: Arc<dyn ObjectStore> = store;
    match reading.reader().map_err(external)? {
        Reader::Format(format) => {
            let schema = format.infer_schema(&session, &store, std::slice::from_ref(&meta)).await?;
            Ok((reading, schema))
        }
        Reader::Text(how, shape) => {
            let raw = store.get_opts(&meta.location, GetOptions::default()).await?;
            let raw = raw.into_stream().map_err(DataFusionError::from).boxed();
            let sample = sample(raw, &how, &shape).await?;
            reading.by_line = sample.by_line;
            Ok((reading, sample.schema))
        }
    }
}

/// Finds out whether a great CSV file can be cut at its lines, so that all processors read it.
async fn look_for_lines(
    member: &mut Member,
    options: &Arc<BTreeMap<String, String>>,
    store: &Store,
    seen: &Seen,
) {
    let Some(marks) = member.reading.marks().filter(|_| member.meta.size >= GREAT) else { return };
    // One that can't be read is an error when it is read.
    if let Ok(Some(rows)) = store.are_lines_rows(&member.meta.location, marks).await {
        member.reading.lines_are_rows = Some(rows);
        let found = Found { reading: member.reading.clone(), schema: member.schema.clone() };
        seen.put(member.meta.location.clone(), options.clone(), found);
    }
}

fn unreadable(table: &FileTable, path: &str, error: &DataFusionError) -> Error {
    super::fault::of(error, Some((&table.location, path)))
}

/// Files without names in them have `$1`, `$2` ...
fn named(schema: SchemaRef, reading: &Reading) -> SchemaRef {
    let unnamed = reading.kind.is_positional() && !reading.named;
    let mut seen: Vec<String> = Vec::new();
    let fields = schema.fields().iter().enumerate().map(|(index, field)| {
        let mut name = if unnamed { format!("${}", index + 1) } else { field.name().clone() };
        // What differs in case alone would be one column to MySQL.
        while seen.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            name.push_str("_1");
        }
        seen.push(name.clone());
        let renamed = reading.kind.is_positional();
        let name = if renamed { name } else { field.name().clone() };
        Field::new(name, field.data_type().clone(), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Files that one scan can read: in one way, with columns that are told by one schema.
fn groups(members: Vec<Member>, all: &Schema, single: bool) -> Vec<Vec<Member>> {
    let mut groups: BTreeMap<_, Vec<Member>> = BTreeMap::new();
    for member in members {
        let spelling = |field: &&FieldRef| all.field_with_name(field.name()).is_err();
        let typed = |field: &&FieldRef| {
            let unified = all.field_with_name(field.name());
            unified.is_ok_and(|unified| unified.data_type() != field.data_type())
                && field.data_type() != &DataType::Null
        };
        let fields = member.schema.fields().iter();
        let differs: Vec<String> = match member.reading.kind {
            Kind::Csv | Kind::Tsv => fields.map(|field| field.name().clone()).collect(),
            Kind::Json | Kind::Ndjson => fields
                .filter(|field| spelling(field) || typed(field))
                .map(|field| format!("{} {}", field.name(), field.data_type()))
                .collect(),
            Kind::Arrow | Kind::Avro | Kind::Parquet => {
                fields.filter(spelling).map(|field| field.name().clone()).collect()
            }
        };
        // Rows are numbered file by file, where the reader does not do it.
        let alone = match single && member.reading.kind != Kind::Parquet {
            true => member.entry.path.clone(),
            false => String::new(),
        };
        let key = (member.reading.kind, member.reading.compression, differs, alone);
        groups.entry(key).or_default().push(member);
    }
    groups.into_values().collect()
}

/// `year=2024/month=1/`: columns that the directories of all files tell.
struct Partitions {
    fields: Vec<Field>,
}

impl Partitions {
    fn of(members: &[Member]) -> Partitions {
        let mut keys: Option<Vec<&str>> = None;
        for member in members {
            let found: Vec<&str> = pairs(&member.entry.path).map(|(key, _)| key).collect();
            match &keys {
                None => keys = Some(found),
                Some(known) if *known == found => {}
                Some(_) => return Partitions { fields: Vec::new() },
            }
        }
        let clashes = |key: &str| {
            members.iter().any(|member| {
                member.schema.fields().iter().any(|field| field.name().eq_ignore_ascii_case(key))
            })
        };
        let keys = keys.unwrap_or_default().into_iter().filter(|key| !clashes(key));
        let fields = keys.map(|key| {
            let values = members.iter().flat_map(|member| {
                pairs(&member.entry.path).filter(|(known, _)| *known == key).map(|(_, value)| value)
            });
            Field::new(key, type_of(values), true)
        });
        Partitions { fields: fields.collect() }
    }

    fn values(&self, path: &str) -> PlanResult<Vec<ScalarValue>> {
        let value = |field: &Field| {
            let mut pairs = pairs(path);
            let value =
                pairs.find(|(key, _)| *key == field.name()).map(|(_, value)| decoded(value));
            match value.as_deref() {
                None | Some("__HIVE_DEFAULT_PARTITION__" | "_NULL_") => {
                    ScalarValue::try_from(field.data_type())
                }
                Some(value) => ScalarValue::try_from_string(value.to_owned(), field.data_type()),
            }
        };
        self.fields.iter().map(value).collect()
    }
}

/// The `key=value` among the directories of a path.
fn pairs(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let dirs = path.rsplit_once('/').map_or("", |(dirs, _)| dirs);
    dirs.split('/').filter_map(|dir| dir.split_once('=')).filter(|(key, _)| !key.is_empty())
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

/// The type that holds all values of a partition's key.
fn type_of<'a>(values: impl Iterator<Item = &'a str>) -> DataType {
    let (mut ints, mut dates) = (true, true);
    for value in values.filter(|value| *value != "__HIVE_DEFAULT_PARTITION__" && *value != "_NULL_")
    {
        // `007` is a text: it would come back as another one.
        ints &= value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
        dates &= value.len() == 10 && value.parse::<jiff::civil::Date>().is_ok();
    }
    match (ints, dates) {
        (true, _) => DataType::Int64,
        (false, true) => DataType::Date32,
        (false, false) => DataType::Utf8,
    }
}

/// One group of files, with the columns of the whole location in lower case.
fn scan(
    group: Vec<Member>,
    number: usize,
    all: &SchemaRef,
    partitions: &Partitions,
    with_metadata: bool,
    (store, location): (Arc<Store>, Arc<str>),
) -> PlanResult<LogicalPlan> {
    let Some(first) = group.first() else {
        return LogicalPlanBuilder::empty(false).build();
    };
    let reading = first.reading.clone();
    let file_schema = group_schema(&group, all, reading.kind);
    let numbered = with_metadata && reading.kind == Kind::Parquet;
    let whole = with_metadata && !numbered;
    let mut extra: Vec<FieldRef> = partitions.fields.iter().cloned().map(Arc::new).collect();
    if with_metadata {
        extra.extend(metadata_fields());
    }
    let files = group.iter().map(|member| {
        let mut values = partitions.values(&member.entry.path)?;
        if with_metadata {
            values.extend(metadata_values(&member.entry));
        }
        let file =
            PartitionedFile::new_from_meta(member.meta.clone()).with_partition_values(values);
        let size = i64::try_from(member.meta.size).unwrap_or(i64::MAX);
        // What is compressed is never cut, and would not be read from the middle.
        let plain = reading.compression == Compression::None;
        Ok(if whole && plain { file.with_range(0, size) } else { file })
    });
    let files = files.collect::<PlanResult<Vec<_>>>()?;
    let mut builder = TableSchema::builder(file_schema.clone()).with_table_partition_cols(extra);
    if numbered {
        builder = builder.with_virtual_columns(vec![row_number_field()]);
    }
    let reader = reading.reader().map_err(|error| DataFusionError::External(Box::new(error)))?;
    let may_be_cut = group.iter().all(|member| member.reading.may_be_cut());
    let schema = builder.build();
    let scan = Scan { reader, may_be_cut, kind: reading.kind, schema, files, store, location };
    let name = format!("files_{number}");
    let plan = LogicalPlanBuilder::scan(name.as_str(), provider_as_source(Arc::new(scan)), None)?;
    let plan = if whole { with_row_numbers(plan)? } else { plan };
    plan.project(projection(&file_schema, all, partitions, with_metadata, numbered))?.build()
}

/// What is read of each file of a group.
fn group_schema(group: &[Member], all: &SchemaRef, kind: Kind) -> SchemaRef {
    let own =
        |name: &str| all.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name));
    let schemas: Vec<SchemaRef> = group.iter().map(|member| member.schema.clone()).collect();
    let merged = unify(&schemas);
    let fields = merged.fields().iter().map(|field| {
        let ty = match kind {
            // Read as what all files of the location have there.
            Kind::Csv | Kind::Tsv => {
                own(field.name()).map_or(field.data_type(), |own| own.data_type())
            }
            Kind::Arrow | Kind::Avro | Kind::Json | Kind::Ndjson | Kind::Parquet => {
                field.data_type()
            }
        };
        let ty = if *ty == DataType::Null { DataType::Utf8 } else { ty.clone() };
        Field::new(field.name(), ty, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn metadata_fields() -> Vec<FieldRef> {
    let ty = |name: &str| match name {
        "metadata$filename" => DataType::Utf8,
        "metadata$file_last_modified" => moment(),
        _ => DataType::UInt64,
    };
    let names = METADATA.iter().filter(|name| !name.ends_with("row_number"));
    names.map(|name| Arc::new(Field::new(*name, ty(name), true))).collect()
}

fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn metadata_values(entry: &Entry) -> [ScalarValue; 3] {
    let micros = entry.last_modified.map(jiff::Timestamp::as_microsecond);
    [
        ScalarValue::Utf8(Some(entry.path.clone())),
        ScalarValue::TimestampMicrosecond(micros, None),
        ScalarValue::UInt64(Some(entry.size)),
    ]
}

/// A column that Parquet's reader fills.
const READ_NUMBER: &str = "read$row_number";

fn row_number_field() -> FieldRef {
    use datafusion::parquet::arrow::RowNumber;
    Arc::new(Field::new(READ_NUMBER, DataType::Int64, true).with_extension_type(RowNumber))
}

/// Numbers the rows of a scan of one file, which is read in one piece.
fn with_row_numbers(plan: LogicalPlanBuilder) -> PlanResult<LogicalPlanBuilder> {
    use datafusion::functions_window::expr_fn::row_number;
    plan.window(vec![row_number().alias(READ_NUMBER)])
}

/// The columns of the location, of what a scan of some of its files gives.
fn projection(
    file_schema: &Schema,
    all: &Schema,
    partitions: &Partitions,
    with_metadata: bool,
    from_zero: bool,
) -> Vec<Expr> {
    let own = |name: &str| {
        let mut fields = file_schema.fields().iter();
        fields.find(|field| field.name().eq_ignore_ascii_case(name))
    };
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let mut columns: Vec<Expr> = all
        .fields()
        .iter()
        .map(|field| {
            let ty = match field.data_type() {
                DataType::Null => &DataType::Utf8,
                ty => ty,
            };
            let value = match own(field.name()) {
                Some(own) if own.data_type() == ty => column(own.name()),
                Some(own) => cast(column(own.name()), ty.clone()),
                None => cast(lit(ScalarValue::Null), ty.clone()),
            };
            named_so(value, &field.name().to_lowercase())
        })
        .collect();
    let of_directories = partitions.fields.iter();
    columns.extend(
        of_directories.map(|field| named_so(column(field.name()), &field.name().to_lowercase())),
    );
    if with_metadata {
        columns.extend(METADATA.iter().map(|name| match name.ends_with("row_number") {
            true if from_zero => {
                (cast(column(READ_NUMBER), DataType::UInt64) + lit(1_u64)).alias(*name)
            }
            true => cast(column(READ_NUMBER), DataType::UInt64).alias(*name),
            false => column(name),
        }));
    }
    columns
}

/// A value under a name. A column that has it already is left alone: an alias of the same name beside it is
/// ambiguous to the rules that push the parts of structs into scans.
fn named_so(value: Expr, name: &str) -> Expr {
    match &value {
        Expr::Column(column) if column.name == name => value,
        _ => value.alias(name),
    }
}

/// A scan of files that are read in one way.
struct Scan {
    reader: Reader,
    may_be_cut: bool,
    schema: TableSchema,
    files: Vec<PartitionedFile>,
    kind: Kind,
    store: Arc<Store>,
    location: Arc<str>,
}

/// Where the files of a query are registered.
pub(super) fn store_url() -> PlanResult<ObjectStoreUrl> {
    ObjectStoreUrl::parse("stage://query")
}

impl Scan {
    /// Files with what is known of their rows, which decides how tables are joined.
    async fn files(
        &self,
        session: &dyn Session,
        filters: &[Expr],
    ) -> PlanResult<Vec<PartitionedFile>> {
        let told = self.schema.table_partition_cols();
        let files = prune::fulfilling(session, self.files.clone(), told, filters)?;
        if self.kind != Kind::Parquet || !session.config().collect_statistics() {
            return Ok(files);
        }
        let looks = files.into_iter().map(|file| async move {
            let statistics = self.statistics(session, &file.object_meta).await?;
            Ok::<_, DataFusionError>(file.with_statistics(statistics))
        });
        stream::iter(looks).buffered(LOOKS).try_collect().await
    }

    /// What is known of the rows of all files.
    fn summary(&self, files: &[PartitionedFile]) -> PlanResult<Statistics> {
        let schema = self.schema.table_schema();
        let known: Option<Vec<&Statistics>> =
            files.iter().map(|file| file.statistics.as_deref()).collect();
        let fits = |all: &Vec<&Statistics>| {
            all.iter().all(|one| one.column_statistics.len() == schema.fields().len())
        };
        match known.filter(fits) {
            Some(all) => Statistics::try_merge_iter(all, schema),
            None => Ok(Statistics::new_unknown(schema)),
        }
    }

    async fn statistics(
        &self,
        session: &dyn Session,
        meta: &ObjectMeta,
    ) -> PlanResult<Arc<Statistics>> {
        let store = session.runtime_env().object_store(store_url()?)?;
        let schema = self.schema.file_schema().clone();
        match &self.reader {
            Reader::Format(format) => {
                format.infer_stats(session, &store, schema, meta).await.map(Arc::new)
            }
            Reader::Text(..) => Ok(Arc::new(Statistics::new_unknown(&schema))),
        }
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files of {}", self.files.len(), self.location)
    }
}

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let files = self.files(session, filters).await?;
        if files.is_empty() {
            let schema = datafusion::physical_plan::project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let statistics = self.summary(&files)?;
        let groups = FileGroup::new(files).split_files(session.config().target_partitions());
        let source = match &self.reader {
            Reader::Format(format) => format.file_source(self.schema.clone()),
            Reader::Text(how, shape) => Arc::new(TextSource::new(
                how.clone(),
                shape.clone(),
                self.may_be_cut,
                self.schema.clone(),
            )),
        };
        let config = FileScanConfigBuilder::new(store_url()?, source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        let plan = match &self.reader {
            Reader::Format(format) => format.create_physical_plan(session, config).await?,
            Reader::Text(..) => DataSourceExec::from_data_source(config),
        };
        Ok(naming(plan, &self.store, &self.location))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let told = self.schema.table_partition_cols();
        let exact = |filter: &&Expr| match prune::is_of_files(filter, told) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(exact).collect())
    }
}
