//! Tables that describe the server: `information_schema`, and what tools ask of `performance_schema`
//! and `mysql`. Each is a list of columns, as MySQL 8 has them, and a function that makes its rows.
//!
//! A stage is a table too: of its files, with the columns of `LIST`.

mod absent;
mod information_schema;
mod keywords;
mod mysql;
mod performance_schema;
mod shown;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use futures::TryStreamExt;
use sqlparser::ast::{ObjectName, Query, visit_relations};

use crate::access::people::{ServerPrivilege, StagePrivilege};
use crate::config::Plugin;
use crate::error::{Error, Result};
use crate::processes::Shown;
use crate::rows::declared::{Declared, Width};
use crate::rows::{Column, Row, Type, Value};
use crate::schema::View;
use crate::schema::table::Table as KeptTable;
use crate::session::Session;
use crate::stage::Listed;
use crate::stage::name::{StageName, StagePath};
use crate::statement::named_formats::Seen;
use crate::statement::{create_view, kept, list, named_formats, show_connections};

/// More files of one stage than a query is to sort in memory.
const MAX_FILES: usize = 1_000_000;

/// A table that describes the server.
pub struct Table {
    /// Its name, in upper case in `information_schema`.
    pub name: &'static str,
    /// Its columns.
    columns: &'static [Col],
    /// Makes its rows.
    rows: fn(&World, &Session) -> Vec<Row>,
}

/// A column: name, type, and whether it may be `NULL`.
#[derive(Debug, Clone, Copy)]
struct Col(&'static str, Type, bool);

const fn text(name: &'static str) -> Col {
    Col(name, Type::Text, false)
}

const fn text_or_null(name: &'static str) -> Col {
    Col(name, Type::Text, true)
}

const fn int(name: &'static str) -> Col {
    Col(name, Type::UInt, false)
}

const fn int_or_null(name: &'static str) -> Col {
    Col(name, Type::UInt, true)
}

const fn signed(name: &'static str) -> Col {
    Col(name, Type::Int, false)
}

const fn signed_or_null(name: &'static str) -> Col {
    Col(name, Type::Int, true)
}

const fn moment_or_null(name: &'static str) -> Col {
    Col(name, Type::MOMENT, true)
}

/// The databases that describe the server, each with its tables.
const SCHEMAS: &[(&str, &[&[Table]])] = &[
    ("information_schema", &[information_schema::TABLES, absent::TABLES]),
    ("mysql", &[mysql::TABLES]),
    ("performance_schema", &[performance_schema::TABLES]),
];

/// Whether a database describes the server. Its name may be written in any case.
pub fn is_schema(name: &str) -> bool {
    SCHEMAS.iter().any(|(schema, _)| schema.eq_ignore_ascii_case(name))
}

/// The names of the databases that describe the server.
pub fn schemas() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(schema, _)| *schema)
}

impl Table {
    /// The table of this name, in any case.
    pub fn find(schema: &str, name: &str) -> Option<&'static Table> {
        let (_, tables) = SCHEMAS.iter().find(|(known, _)| known.eq_ignore_ascii_case(schema))?;
        let mut tables = tables.iter().copied().flatten();
        tables.find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// The table behind a `SHOW`: one of `information_schema`, or one that no query can name.
    pub fn shown(name: &str) -> Option<&'static Table> {
        let shown = shown::TABLES.iter().find(|table| table.name == name);
        shown.or_else(|| Table::find("information_schema", name))
    }

    /// Whether its rows are of databases and stages.
    fn is_of_catalog(&self) -> bool {
        matches!(self.name, "COLUMNS" | "SCHEMATA" | "STAGES" | "TABLES" | "VIEWS")
    }

    /// What a row of it holds.
    pub fn columns(&self) -> Vec<Column> {
        let column = |Col(name, ty, nullable): &Col| Column {
            name: (*name).to_owned(),
            ty: *ty,
            nullable: *nullable,
        };
        self.columns.iter().map(column).collect()
    }

    /// Its rows.
    pub fn rows(&self, world: &World, session: &Session) -> Vec<Row> {
        (self.rows)(world, session)
    }
}

async fn plugin(session: &Session) -> Result<Plugin> {
    let instance = &session.instance;
    let known = instance.directory.plugin(&session.peer.user).await?;
    Ok(known.unwrap_or(instance.config.default_authentication_plugin))
}

/// What the tables of one statement are made of, read before it is computed.
#[derive(Debug, Default)]
pub struct World {
    databases: Vec<String>,
    stages: Vec<Listed>,
    views: Vec<(StageName, View)>,
    tables: Vec<(StageName, KeptTable)>,
    /// Named file formats, where a query asks for them.
    formats: Vec<Seen>,
    /// Connections, where a query asks for them: rows of `SHOW CONNECTIONS`.
    connections: Vec<Row>,
    processes: Vec<Shown>,
    /// Whether the one who asks may do everything.
    admin: bool,
    /// How the one who asks proves a password.
    plugin: Plugin,
    files: BTreeMap<StageName, Vec<Row>>,
    /// Nothing was read: any stage may be there.
    blank: bool,
}

impl World {
    /// One in which every table is empty: for the columns of a prepared statement.
    pub fn blank() -> World {
        World { blank: true, ..World::default() }
    }

    /// Whether it is one of [`World::blank`].
    pub fn is_blank(&self) -> bool {
        self.blank
    }

    /// As the server is.
    pub async fn of_server(session: &Session) -> Result<World> {
        let stages = &session.instance.stages;
        let mut databases = stages.databases().await?;
        databases.extend(schemas().map(str::to_owned));
        databases.sort();
        databases.dedup();
        let schema = session.instance.schemas.read().await?;
        let mut views = Vec::new();
        for (database, name, view) in schema.views() {
            if create_view::is_seen(session, database, view).await? {
                views.push((StageName::new(database, name), view.clone()));
            }
        }
        let mut tables = Vec::new();
        for (database, name, table) in schema.tables() {
            let name = StageName::new(database, name);
            if kept::is_seen(session, &name, table).await? {
                tables.push((name, table.clone()));
            }
        }
        Ok(World {
            databases,
            views,
            tables,
            formats: Vec::new(),
            connections: Vec::new(),
            stages: session.list_stages(None).await?,
            processes: session.processes().await?,
            admin: session.rights().await?.has(ServerPrivilege::Admin),
            plugin: plugin(session).await?,
            files: BTreeMap::new(),
            blank: false,
        })
    }

    /// As the server is, but for what has to be read from the catalog.
    async fn of_connections(session: &Session) -> Result<World> {
        let admin = session.rights().await?.has(ServerPrivilege::Admin);
        let (processes, plugin) = (session.processes().await?, plugin(session).await?);
        Ok(World { processes, admin, plugin, ..World::default() })
    }

    /// As far as a table asks.
    pub async fn of_table(session: &Session, table: &Table) -> Result<World> {
        if table.is_of_catalog() {
            return World::of_server(session).await;
        }
        World::of_connections(session).await
    }

    /// Every stage as it is, but those of a query without their files: for what is wrong with it.
    pub async fn without_files(session: &Session, query: &Query) -> Result<World> {
        let mut world = World::of_server(session).await?;
        for name in names_in(session, query) {
            if world.stages.iter().any(|listed| *name_of(listed) == name) {
                world.files.insert(name, Vec::new());
            }
        }
        Ok(world)
    }

    /// As far as a query asks.
    pub async fn of_query(session: &Session, query: &Query) -> Result<World> {
        let names = names_in(session, query);
        World::with_files(session, &names.iter().collect::<Vec<_>>(), wanted(query)).await
    }

    /// As far as these tables ask.
    pub async fn of_tables(session: &Session, names: &[&StageName]) -> Result<World> {
        World::with_files(session, names, None).await
    }

    async fn with_files(
        session: &Session,
        names: &[&StageName],
        wanted: Option<usize>,
    ) -> Result<World> {
        if names.is_empty() {
            return Ok(World::default());
        }
        let of_catalog = |name: &&StageName| {
            Table::find(&name.database, &name.name).is_none_or(Table::is_of_catalog)
        };
        if !names.iter().any(of_catalog) {
            let world = Box::pin(World::of_connections(session)).await?;
            return Box::pin(world.with_named(session, names)).await;
        }
        let world = Box::pin(World::of_server(session)).await?;
        let mut world = Box::pin(world.with_named(session, names)).await?;
        for name in names {
            let known = world.stages.iter().any(|listed| name_of(listed) == *name);
            if known && !world.files.contains_key(*name) {
                let rows = Box::pin(files(session, name, wanted)).await?;
                world.files.insert((*name).clone(), rows);
            }
        }
        Ok(world)
    }

    /// With what is kept apart from databases and stages, as far as these tables are of it.
    async fn with_named(mut self, session: &Session, names: &[&StageName]) -> Result<World> {
        let asks = |table: &str| {
            let found = |name: &&StageName| Table::find(&name.database, &name.name);
            names.iter().filter_map(found).any(|found| found.name == table)
        };
        if asks("FILE_FORMATS") {
            self.formats = named_formats::all(session, None).await?;
        }
        if asks("CONNECTIONS") {
            self.connections = show_connections::rows(session).await?;
        }
        Ok(self)
    }

    /// The columns and rows of a table.
    pub fn table(
        &self,
        session: &Session,
        schema: &str,
        name: &str,
    ) -> Result<(Vec<Column>, Vec<Row>)> {
        if let Some(table) = Table::find(schema, name) {
            return Ok((table.columns(), table.rows(self, session)));
        }
        let unknown = || Error::UnknownTable { name: format!("{schema}.{name}") };
        if schema.eq_ignore_ascii_case("information_schema") {
            return Err(Error::UnknownView { name: name.to_uppercase() });
        }
        if is_schema(schema) {
            return Err(unknown());
        }
        if !self.blank && !self.has_database(schema) {
            return Err(Error::UnknownDatabase { name: schema.to_owned() });
        }
        match self.files.get(&StageName::new(schema.to_owned(), name.to_owned())) {
            Some(rows) => Ok((list::columns(), rows.clone())),
            None if self.blank => Ok((list::columns(), Vec::new())),
            None => Err(unknown()),
        }
    }

    /// What was said of a stage when it was made.
    pub fn comment(&self, schema: &str, name: &str) -> Option<&str> {
        self.stages.iter().find_map(|listed| match listed {
            Listed::Stage(stage) if stage.name.database == schema && stage.name.name == name => {
                Some(stage.comment.as_str())
            }
            Listed::Stage(_) | Listed::Damaged { .. } => None,
        })
    }

    /// The columns of a table, if there is such a one.
    pub fn columns(&self, schema: &str, name: &str) -> Option<Vec<Column>> {
        if let Some(table) = Table::find(schema, name) {
            return Some(table.columns());
        }
        if let Some(view) = self.view(schema, name) {
            return Some(view.columns.clone());
        }
        if let Some(table) = self.kept(schema, name) {
            return Some(table.result_columns());
        }
        let mut names = self.stages.iter().map(name_of);
        names.any(|known| known.database == schema && known.name == name).then(list::columns)
    }

    /// The view of this name.
    pub fn view(&self, schema: &str, name: &str) -> Option<&View> {
        let mut views = self.views.iter();
        let found = views.find(|(known, _)| known.database == schema && known.name == name);
        found.map(|(_, view)| view)
    }

    /// The table of this name whose rows are kept.
    pub fn kept(&self, schema: &str, name: &str) -> Option<&KeptTable> {
        let mut tables = self.tables.iter();
        let found = tables.find(|(known, _)| known.database == schema && known.name == name);
        found.map(|(_, table)| table)
    }

    /// Whether there is such a database.
    pub fn has_database(&self, name: &str) -> bool {
        self.databases.iter().any(|known| known == name) || is_schema(name)
    }

    /// Every table: its database, its name and its columns.
    fn all_tables(&self) -> impl Iterator<Item = (&str, &str, Vec<Column>)> {
        let own = SCHEMAS.iter().flat_map(|(schema, tables)| {
            let tables = tables.iter().copied().flatten();
            tables.map(move |table| (*schema, table.name, table.columns()))
        });
        let stages = self.stages.iter().map(name_of);
        stages
            .map(|stage| (stage.database.as_str(), stage.name.as_str(), list::columns()))
            .chain(self.views.iter().map(|(name, view)| {
                (name.database.as_str(), name.name.as_str(), view.columns.clone())
            }))
            .chain(self.tables.iter().map(|(name, table)| {
                (name.database.as_str(), name.name.as_str(), table.result_columns())
            }))
            .chain(own)
    }
}

/// What may be stages in a query.
fn names_in(session: &Session, query: &Query) -> Vec<StageName> {
    let mut names = Vec::new();
    // Never breaks off.
    let _ = visit_relations(query, |name: &ObjectName| {
        names.extend(stage_name(session, name));
        ControlFlow::<()>::Continue(())
    });
    names
}

fn name_of(listed: &Listed) -> &StageName {
    match listed {
        Listed::Stage(definition) => &definition.name,
        Listed::Damaged { name, .. } => name,
    }
}

/// The stage that a table's name would mean.
fn stage_name(session: &Session, name: &ObjectName) -> Option<StageName> {
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    let parts: Vec<&str> = parts.map(|part| part.value.as_str()).collect();
    match (parts.as_slice(), &session.database) {
        ([database, name], _) => Some(StageName::new((*database).to_owned(), (*name).to_owned())),
        ([name], Some(database)) => Some(StageName::new(database.clone(), (*name).to_owned())),
        _ => None,
    }
}

/// How many files of a stage a query can use, where it just takes the first ones: tools show a table so.
fn wanted(query: &Query) -> Option<usize> {
    use sqlparser::ast::{Expr, GroupByExpr, LimitClause, SetExpr, Value as Literal};
    let SetExpr::Select(select) = &*query.body else { return None };
    let plain = query.order_by.is_none()
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && select.group_by == GroupByExpr::Expressions(Vec::new(), Vec::new())
        && select.projection.iter().all(|item| !item.to_string().contains('('))
        && matches!(select.from.as_slice(), [one] if one.joins.is_empty());
    let Some(LimitClause::LimitOffset { limit: Some(Expr::Value(limit)), offset: None, .. }) =
        query.limit_clause.as_ref().filter(|_| plain)
    else {
        return None;
    };
    let Literal::Number(digits, _) = &limit.value else { return None };
    digits.parse().ok()
}

async fn files(session: &Session, name: &StageName, wanted: Option<usize>) -> Result<Vec<Row>> {
    let definition = session.stage_for(name, StagePrivilege::Read).await?;
    let files = session.instance.stages.open_files(&definition).await?;
    let mut entries = files.list(&StagePath::root());
    let mut rows = Vec::new();
    while wanted.is_none_or(|wanted| rows.len() < wanted) {
        let Some(entry) = entries.try_next().await? else { break };
        if rows.len() == MAX_FILES {
            return Err(Error::Unsupported {
                what: format!("A query over more than {MAX_FILES} files"),
                hint: Some(format!("LIST @{name} shows them one by one")),
            });
        }
        rows.push(list::row(entry));
    }
    Ok(rows)
}

/// What MySQL says of a column's type.
pub struct TypeName {
    /// `varchar`
    pub data_type: &'static str,
    /// `varchar(1024)`
    pub column_type: String,
    /// The most characters.
    pub characters: Option<u64>,
    /// The digits of a number.
    pub precision: Option<u64>,
    /// Those of them behind the point, of an exact number.
    pub scale: Option<u64>,
    /// The digits of a moment's fraction.
    pub fraction: Option<u64>,
}

impl TypeName {
    /// Of a type as a column of a table was declared.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have what their results have")]
    pub fn of_declared(ty: Declared) -> TypeName {
        let base = TypeName::of(ty.ty());
        let column_type = match ty {
            Declared::Bool => "tinyint(1)".to_owned(),
            ty => ty.to_string(),
        };
        let (data_type, precision) = match ty {
            Declared::Integer { width: Width::Tiny, .. } => ("tinyint", Some(3)),
            Declared::Integer { width: Width::Small, .. } => ("smallint", Some(5)),
            Declared::Integer { width: Width::Medium, .. } => ("mediumint", Some(7)),
            Declared::Integer { width: Width::Normal, .. } => ("int", Some(10)),
            Declared::Char(_) => ("char", None),
            Declared::Text => ("longtext", None),
            Declared::VarBinary(_) => ("varbinary", None),
            _ => (base.data_type, base.precision),
        };
        let characters = match ty {
            Declared::Char(length) | Declared::VarChar(length) | Declared::VarBinary(length) => {
                Some(u64::from(length))
            }
            Declared::Text => Some(u64::from(u32::MAX)),
            _ => base.characters,
        };
        TypeName { data_type, column_type, characters, precision, ..base }
    }

    /// Of a type.
    pub fn of(ty: Type) -> TypeName {
        let named = |data_type: &'static str, column_type: &str| TypeName {
            data_type,
            column_type: column_type.to_owned(),
            characters: None,
            precision: None,
            scale: None,
            fraction: None,
        };
        let timed = |data_type: &'static str, fraction: u8| {
            let column_type = match fraction {
                0 => data_type.to_owned(),
                digits => format!("{data_type}({digits})"),
            };
            TypeName { fraction: Some(u64::from(fraction)), ..named(data_type, &column_type) }
        };
        match ty {
            Type::Bool => {
                TypeName { precision: Some(3), scale: Some(0), ..named("tinyint", "tinyint(1)") }
            }
            Type::Int => {
                TypeName { precision: Some(19), scale: Some(0), ..named("bigint", "bigint") }
            }
            Type::UInt => {
                let named = named("bigint", "bigint unsigned");
                TypeName { precision: Some(20), scale: Some(0), ..named }
            }
            Type::Float => TypeName { precision: Some(12), ..named("float", "float") },
            Type::Double => TypeName { precision: Some(22), ..named("double", "double") },
            Type::Decimal { precision, scale } => TypeName {
                precision: Some(u64::from(precision)),
                scale: Some(u64::from(scale)),
                ..named("decimal", &format!("decimal({precision},{scale})"))
            },
            Type::Text | Type::Null => {
                TypeName { characters: Some(1024), ..named("varchar", "varchar(1024)") }
            }
            Type::Json => named("json", "json"),
            Type::Bytes => {
                TypeName { characters: Some(4_294_967_295), ..named("longblob", "longblob") }
            }
            Type::Date => named("date", "date"),
            Type::Time(fraction) => timed("time", fraction),
            Type::DateTime(fraction) => timed("datetime", fraction),
            Type::Timestamp(fraction) => timed("timestamp", fraction),
        }
    }
}

/// `YES` or `NO`
fn yes_or_no(yes: bool) -> Value {
    if yes { "YES" } else { "NO" }.into()
}

/// No rows.
fn none(_: &World, _: &Session) -> Vec<Row> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_names_of_their_own() {
        for (schema, tables) in SCHEMAS {
            for part in *tables {
                assert!(part.is_sorted_by(|a, b| a.name < b.name), "{schema}");
            }
            let mut all: Vec<_> =
                tables.iter().copied().flatten().map(|table| table.name).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count, "{schema}");
            for table in tables.iter().copied().flatten() {
                let mut names: Vec<_> = table.columns.iter().map(|column| column.0).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), table.columns.len(), "{schema}.{}", table.name);
            }
        }
    }
}
