//! Locations in the place of tables: which files they mean, and what a query says of how to read them. The
//! engine computes the rest.
//!
//! ```text
//! <location> [( { FILE_FORMAT | PATTERN | FILES | <option of FILE_FORMAT> } => <value>, ... )] [[AS] <alias>]
//!
//! > SELECT title FROM @lake/books.parquet WHERE id < 10
//! > SELECT $1, $3 FROM @lake/2024/ (TYPE => 'CSV', SKIP_HEADER => 1, PATTERN => '.*[.]csv[.]gz') t
//! > SELECT COUNT(*), METADATA$FILENAME FROM '@lake/logs' (FILES => ('a.json', 'b.json')) GROUP BY 2
//! ```
//!
//! The path is a prefix, as in `LIST`; but a file of this very name is meant alone. Files that are empty, and
//! those whose name begins with `_` or `.` (`_SUCCESS`), are passed over, unless they are named.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, TableAlias,
    TableAliasColumnDef, TableFactor, TableFunctionArgs, Value as Literal, Visit, VisitMut,
    Visitor, VisitorMut, visit_relations,
};

use super::Select;
use super::calls::Call;
use super::fold::Folder;
use super::wanted::Wanted;
use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::query::{self, FileTable, RowTable};
use crate::rows::Column;
use crate::schema::{Schema, View};
use crate::session::Session;
use crate::sql::Span;
use crate::sql::cursor::excerpt;
use crate::sql::location::{Area, Fault, Location};
use crate::sql::name::QualifiedName;
use crate::sql::scan::Place;
use crate::stage::name::StageName;
use crate::statement::tables::{World, is_schema};
use crate::statement::{Statement, create_view, file_format, kept, named_formats};

/// More views than one query needs, each counted as often as it is named.
const MAX_VIEWS: usize = 100;

/// The quote by which a table is known for a location.
const QUOTE: char = '\'';

/// Names the locations again that the scan has masked.
pub fn name_places(query: &mut Query, places: &[Place<'_>], statement: &str) -> Result<()> {
    for place in places {
        if let Err(fault) = Location::parse(place.text) {
            return Err(broken(statement, place, fault));
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    let _ = VisitMut::visit(query, &mut Namer { places });
    Ok(())
}

fn broken(statement: &str, place: &Place<'_>, fault: Fault) -> Error {
    let length = place.text.chars().count();
    match fault {
        Fault::Path(error) => error,
        Fault::Form(expected) => Error::Syntax {
            expected: expected.to_owned(),
            found: format!("'{}'", place.text),
            at: Some(Box::new(excerpt(
                statement,
                Span { line: place.line, column: place.column, length },
            ))),
            hint: None,
        },
    }
}

struct Namer<'a> {
    places: &'a [Place<'a>],
}

impl Namer<'_> {
    fn place(&self, ident: &Ident) -> Option<&str> {
        let start = ident.span.start;
        let at = |place: &&Place<'_>| {
            u64::try_from(place.line) == Ok(start.line)
                && u64::try_from(place.column) == Ok(start.column)
        };
        self.places.iter().find(at).map(|place| place.text)
    }
}

impl VisitorMut for Namer<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice()
            && let Some(text) = self.place(ident)
        {
            *ident = Ident::with_quote(QUOTE, text);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && let Some(text) = self.place(ident)
        {
            *expr = Expr::value(Literal::SingleQuotedString(text.to_owned()));
        }
        ControlFlow::Continue(())
    }
}

/// Whether a query reads files, or a view: what that reads is for the engine, whatever it is.
pub(super) async fn are_in(query: &Query, session: &Session) -> Result<bool> {
    let mut finder = Finder(Vec::new());
    if Visit::visit(query, &mut finder).is_break() {
        return Ok(true);
    }
    let mut names = finder.0;
    names.retain(|name| name.database.as_deref().is_none_or(|database| !is_schema(database)));
    if names.is_empty() {
        return Ok(false);
    }
    let schema = session.instance.schemas.read().await?;
    let is_there = |name: &StageName| schema.view(name).is_some() || schema.table(name).is_some();
    Ok(names.iter().any(|name| session.stage_name(name).is_ok_and(|name| is_there(&name))))
}

/// The names of a query's tables; breaks off at the first location or function.
struct Finder(Vec<QualifiedName>);

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args, .. } = factor else {
            return ControlFlow::Continue(());
        };
        if args.is_some() || location(name).is_some() {
            return ControlFlow::Break(());
        }
        self.0.extend(create_view::name_of(name));
        ControlFlow::Continue(())
    }
}

/// The same query with a database before each name, as a view keeps it.
pub fn qualified(query: &Query, session: &Session) -> Result<Query> {
    let mut query = query.clone();
    let own = own_names(&query);
    match VisitMut::visit(&mut query, &mut Qualifier { session, own }) {
        ControlFlow::Continue(()) => Ok(query),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Qualifier<'a> {
    session: &'a Session,
    own: BTreeSet<String>,
}

impl Qualifier<'_> {
    fn location(&self, text: &str) -> Result<String> {
        let mut place = read(text)?;
        if let Area::Stage { database: database @ None, .. }
        | Area::Table { database: database @ None, .. } = &mut place.area
        {
            *database = Some(self.session.database.clone().ok_or(Error::NoDatabase)?);
        }
        Ok(place.text())
    }

    fn name(&self, name: &mut ObjectName) -> Result<()> {
        let current = || self.session.database.clone().ok_or(Error::NoDatabase);
        if let Some(text) = location(name) {
            let text = self.location(text)?;
            *name = ObjectName::from(vec![Ident::with_quote(QUOTE, text)]);
            return Ok(());
        }
        let [ObjectNamePart::Identifier(table)] = name.0.as_slice() else { return Ok(()) };
        if self.own.contains(&table.value.to_lowercase())
            || table.value.eq_ignore_ascii_case("DUAL")
        {
            return Ok(());
        }
        *name = ObjectName::from(vec![Ident::with_quote('`', current()?), table.clone()]);
        Ok(())
    }

    /// What the arguments behind a location or of a function name: locations and formats.
    fn arg(&self, arg: &mut FunctionArg) -> Result<()> {
        let (name, value) = match arg {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                (name.value.to_uppercase(), value)
            }
            FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (name.value.to_uppercase(), value),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => ("LOCATION".to_owned(), value),
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } | FunctionArg::Unnamed(_) => {
                return Ok(());
            }
        };
        let Expr::Value(value) = value else { return Ok(()) };
        let (Literal::SingleQuotedString(text) | Literal::DoubleQuotedString(text)) =
            &mut value.value
        else {
            return Ok(());
        };
        match name.as_str() {
            "LOCATION" => *text = self.location(text)?,
            "FILE_FORMAT" if !file_format::is_type(text) => {
                let name = self.session.stage_name(&named_formats::named(text)?)?;
                *text = named_formats::written(&name);
            }
            _ => {}
        }
        Ok(())
    }
}

impl VisitorMut for Qualifier<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { args: Some(args), .. } = factor else {
            return ControlFlow::Continue(());
        };
        match args.args.iter_mut().try_for_each(|arg| self.arg(arg)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<Error> {
        match self.name(name) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// The location that a text is.
pub(super) fn read(text: &str) -> Result<Location> {
    Location::parse(text).map_err(|fault| match fault {
        Fault::Path(error) => error,
        Fault::Form(expected) => Error::BadValue {
            option: "FROM".to_owned(),
            value: text.to_owned(),
            expected: expected.to_owned(),
        },
    })
}

/// The location that stands for a table: a name in single quotes that begins with `@`.
fn location(name: &ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)]
            if ident.quote_style == Some(QUOTE) && ident.value.starts_with('@') =>
        {
            Some(&ident.value)
        }
        _ => None,
    }
}

/// A query as the engine takes it: with its files, and with what it asks of the session.
pub async fn query(select: &Select, session: &Session) -> Result<query::Query> {
    let mut ast = select.query.clone();
    let schema = session.instance.schemas.read().await?;
    let own = own_names(&ast);
    for name in views_in(&ast, &own, &schema, session) {
        let view = schema.view(&name);
        if let Some(view) = view
            && !create_view::is_seen(session, &name.database, view).await?
        {
            return Err(Error::UnknownTable { name: format!("{}.{}", name.database, name.name) });
        }
    }
    let mut tables = Tables::of(session, &schema, own);
    if let ControlFlow::Break(error) = VisitMut::visit(&mut ast, &mut tables) {
        return Err(error);
    }
    if let ControlFlow::Break(error) = VisitMut::visit(&mut ast, &mut Folder { session }) {
        return Err(error);
    }
    let mut files = Vec::new();
    for (index, wanted) in tables.files.iter().enumerate() {
        files.push(wanted.table(FileTable::name_of(index), session).await?);
    }
    let mut rows = Vec::new();
    if !tables.rows.is_empty() {
        let asked: Vec<&StageName> = tables.rows.iter().map(|(_, table)| table).collect();
        let world = World::of_tables(session, &asked).await?;
        for (name, table) in &tables.rows {
            let (columns, known) = world.table(session, &table.database, &table.name)?;
            rows.push(RowTable { name: name.clone(), columns, rows: known });
        }
    }
    for (name, call) in tables.calls {
        rows.push(call.table(name, session).await?);
    }
    let mut tables_kept = Vec::new();
    for (in_query, name) in &tables.kept {
        let table = schema.table(name).ok_or_else(|| kept::unknown(name))?;
        kept::need(session, name, table, StagePrivilege::Read).await?;
        tables_kept.push(kept::rows(session, name, table, in_query)?);
    }
    let (texts, spellings) = (select.texts.clone(), tables.spellings);
    let (kept, zone) = (tables_kept, zone_of(session)?);
    Ok(query::Query { ast, texts, spellings, files, rows, kept, zone })
}

/// The same for a query of the files of one location: without them, and what it wants of them.
pub(in crate::statement) async fn of_one(
    select: &Select,
    session: &Session,
) -> Result<(query::Query, Wanted)> {
    let mut ast = select.query.clone();
    let schema = session.instance.schemas.read().await?;
    let mut tables = Tables::of(session, &schema, own_names(&ast));
    if let ControlFlow::Break(error) = VisitMut::visit(&mut ast, &mut tables) {
        return Err(error);
    }
    if let ControlFlow::Break(error) = VisitMut::visit(&mut ast, &mut Folder { session }) {
        return Err(error);
    }
    let others = tables.rows.len() + tables.kept.len() + tables.calls.len() + tables.views;
    let (1, 0, Some(wanted)) = (tables.files.len(), others, tables.files.pop()) else {
        return Err(Error::Unsupported {
            what: "A load from anything but the files of one location".to_owned(),
            hint: Some("INSERT INTO <table> SELECT ... takes every query".to_owned()),
        });
    };
    let (texts, spellings) = (select.texts.clone(), Vec::new());
    let (files, rows, kept) = (Vec::new(), Vec::new(), Vec::new());
    let zone = zone_of(session)?;
    Ok((query::Query { ast, texts, spellings, files, rows, kept, zone }, wanted))
}

/// An expression with what it asks of the session.
pub fn folded(mut expr: Expr, session: &Session) -> Result<Expr> {
    match VisitMut::visit(&mut expr, &mut Folder { session }) {
        ControlFlow::Continue(()) => Ok(expr),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The session's time zone, if it is not UTC.
pub fn zone_of(session: &Session) -> Result<Option<String>> {
    let zone = session.variables.get(session, None, "time_zone")?.to_string();
    let is_utc =
        ["SYSTEM", "UTC", "+00:00", "-00:00"].iter().any(|utc| zone.eq_ignore_ascii_case(utc));
    Ok((!is_utc).then_some(zone))
}

/// The views that a query names.
fn views_in(
    query: &Query,
    own: &BTreeSet<String>,
    schema: &Schema,
    session: &Session,
) -> Vec<StageName> {
    let mut names = Vec::new();
    // Never breaks off.
    let _ = visit_relations(query, |name| {
        if let Ok(name) = create_view::name_of(name)
            && (name.database.is_some() || !own.contains(&name.name.to_lowercase()))
            && let Ok(name) = session.stage_name(&name)
            && schema.view(&name).is_some()
        {
            names.push(name);
        }
        ControlFlow::<()>::Continue(())
    });
    names
}

/// The stages whose files a query reads, by itself and by views.
pub async fn stages_in(select: &Select, session: &Session) -> Result<Vec<StageName>> {
    let schema = session.instance.schemas.read().await?;
    let mut ast = select.query.clone();
    let mut tables = Tables::of(session, &schema, own_names(&ast));
    if let ControlFlow::Break(error) = VisitMut::visit(&mut ast, &mut tables) {
        return Err(error);
    }
    let calls = tables.calls.iter().map(|(_, call)| call.location());
    let locations = tables.files.iter().map(|wanted| &wanted.location).chain(calls);
    let mut stages = Vec::new();
    for location in locations {
        if let Area::Stage { database, name } = &location.area {
            let (database, name) = (database.clone(), name.clone());
            stages.push(session.stage_name(&QualifiedName { database, name })?);
        }
    }
    let tables = tables.rows.into_iter().chain(tables.kept).map(|(_, table)| table);
    stages.extend(tables.filter(|table| !is_schema(&table.database)));
    Ok(stages)
}

/// The names that `WITH` gives.
fn own_names(query: &Query) -> BTreeSet<String> {
    let mut own = Own(BTreeSet::new());
    // Never breaks off.
    let _ = Visit::visit(query, &mut own);
    own.0
}

struct Own(BTreeSet<String>);

impl Visitor for Own {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(tables.map(|table| table.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}

/// Finds the tables of a query, and gives each a name that the engine knows.
struct Tables<'a> {
    session: &'a Session,
    schema: &'a Schema,
    files: Vec<Wanted>,
    /// Each under its name in the query.
    rows: Vec<(String, StageName)>,
    /// Tables whose rows are kept, each under its name in the query.
    kept: Vec<(String, StageName)>,
    /// Functions in the place of tables, each under its name in the query.
    calls: Vec<(String, Call)>,
    own: BTreeSet<String>,
    /// The names of the columns of views.
    spellings: Vec<String>,
    /// How many views were opened.
    views: usize,
}

impl VisitorMut for Tables<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, alias, args, .. } = factor else {
            return ControlFlow::Continue(());
        };
        match self.table(name, alias, args) {
            Ok(None) => ControlFlow::Continue(()),
            // What is in it is visited next.
            Ok(Some(view)) => {
                *factor = view;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl<'a> Tables<'a> {
    fn of(session: &'a Session, schema: &'a Schema, own: BTreeSet<String>) -> Tables<'a> {
        let (files, rows, calls) = (Vec::new(), Vec::new(), Vec::new());
        let (kept, spellings) = (Vec::new(), Vec::new());
        Tables { session, schema, files, rows, kept, calls, own, spellings, views: 0 }
    }

    /// Gives a table its name; a view is what it stands for.
    fn table(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        args: &mut Option<TableFunctionArgs>,
    ) -> Result<Option<TableFactor>> {
        if let Some(text) = location(name) {
            let given = args.take().map(|args| args.args).unwrap_or_default();
            let wanted = Wanted::of(text, &given)?;
            let index = self.files.iter().position(|known| *known == wanted).unwrap_or_else(|| {
                self.files.push(wanted);
                self.files.len() - 1
            });
            *name = ObjectName::from(vec![Ident::new(FileTable::name_of(index))]);
            return Ok(None);
        }
        let [parts @ .., last] = name.0.as_slice() else { return Ok(None) };
        let table = last.as_ident().map(|ident| ident.value.clone()).unwrap_or_default();
        let is_own = self.own.contains(&table.to_lowercase()) || table.eq_ignore_ascii_case("DUAL");
        if parts.is_empty() && is_own {
            return Ok(None);
        }
        if let Some(args) = args.take() {
            let call = Call::of(&table, &args.args)?;
            let own = format!("calls_{}", self.calls.len());
            *name = ObjectName::from(vec![Ident::new(own.as_str())]);
            alias.get_or_insert_with(|| named_so(&table));
            self.calls.push((own, call));
            return Ok(None);
        }
        let meant = self.session.stage_name(&create_view::name_of(name)?)?;
        if let Some(view) = self.schema.view(&meant) {
            return self.view(view, &table, alias.take()).map(Some);
        }
        if self.schema.table(&meant).is_some() {
            // Each time under another name: one of them may be about to change.
            let own = format!("kept_{}", self.kept.len());
            *name = ObjectName::from(vec![Ident::new(own.as_str())]);
            alias.get_or_insert_with(|| named_so(&table));
            self.kept.push((own, meant));
            return Ok(None);
        }
        let own = format!("rows_of_{}", self.rows.len());
        *name = ObjectName::from(vec![Ident::new(own.as_str())]);
        alias.get_or_insert_with(|| named_so(&table));
        self.rows.push((own, meant));
        Ok(None)
    }

    /// What a view stands for, under the name that the query has for it.
    fn view(&mut self, view: &View, name: &str, alias: Option<TableAlias>) -> Result<TableFactor> {
        self.views += 1;
        if self.views > MAX_VIEWS {
            return Err(Error::Unsupported {
                what: format!("A query of more than {MAX_VIEWS} views"),
                hint: Some("a view must not read itself".to_owned()),
            });
        }
        let Statement::Select(select) = Statement::parse(&view.query)? else {
            return Err(Error::Internal { what: format!("the view {name} is no query") });
        };
        let mut alias = alias.unwrap_or_else(|| named_so(name));
        if alias.columns.is_empty() {
            // In quotes: a column of a file may have any name.
            let column = |column: &Column| TableAliasColumnDef {
                name: Ident::with_quote('`', column.name.as_str()),
                data_type: None,
            };
            alias.columns = view.columns.iter().map(column).collect();
        }
        self.spellings.extend(view.columns.iter().map(|column| column.name.clone()));
        self.own.extend(own_names(&select.query));
        Ok(TableFactor::Derived {
            lateral: false,
            subquery: Box::new(select.query),
            alias: Some(alias),
            sample: None,
        })
    }
}

fn named_so(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::with_quote('`', name), columns: Vec::new(), at: None }
}
