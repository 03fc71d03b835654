//! `CREATE TABLE` makes a table, whose rows the server keeps; `DROP TABLE` and `TRUNCATE` undo it and empty it.
//!
//! ```text
//! CREATE [OR REPLACE] TABLE [IF NOT EXISTS] <name> (<column> <type> [<option> ...], ...)
//! CREATE [OR REPLACE] TABLE [IF NOT EXISTS] <name> [(<column> ...)] AS <query>
//! CREATE [OR REPLACE] TABLE [IF NOT EXISTS] <name> LIKE <table>
//! CREATE [OR REPLACE] TABLE [IF NOT EXISTS] <name> USING TEMPLATE (... INFER_SCHEMA(...) ...)
//! DROP TABLE [IF EXISTS] <name>, ...
//! TRUNCATE [TABLE] <name>
//!
//! option: [NOT] NULL | DEFAULT <value> | COMMENT '<text>'
//!
//! > CREATE TABLE books (id INT NOT NULL, title VARCHAR(100), price DECIMAL(8,2) DEFAULT 0)
//! > CREATE TABLE old AS SELECT * FROM @lake/old/ (TYPE => 'PARQUET')
//! > CREATE TABLE books (id INT)
//! ERROR 1050 (42S01): Table 'books' already exists
//! > CREATE TABLE t (id INT AUTO_INCREMENT)
//! ERROR 1235 (42000): AUTO_INCREMENT of a column is not supported
//! ```
//!
//! The rows are Delta Lake's: Parquet files and a log of commits, each a change that is seen whole or not at all, by
//! every server of the catalog. Keys and indexes are read and not kept: nothing here enforces one.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of SQL's tree only a part means something here"
)]

use std::fmt;

use jiff::Timestamp;
use sqlparser::ast::{
    self, ColumnDef, ColumnOption, CommentDef, CreateTableLikeKind, CreateTableOptions, DataType,
    ExactNumberInfo, Expr, SqlOption, TableConstraint, TimezoneInfo,
};
use uuid::Uuid;

use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::rows::declared::{Declared, DeclaredColumn, MAX_PRECISION, Width};
use crate::rows::{Column, Done, Outcome};
use crate::schema::Taken;
use crate::schema::table::Table;
use crate::session::Session;
use crate::sql::name::QualifiedName;
use crate::sql::{dialect, literal};
use crate::stage::name::StageName;
use crate::statement::create_view::name_of;
use crate::statement::kept;
use crate::statement::select::{Select, files, template};
use crate::statement::{Statement, insert};

/// MySQL's digits of a `DECIMAL` that says nothing.
const USUAL_PRECISION: u8 = 10;

/// The longest `VARCHAR`, in characters.
const MAX_CHARS: u64 = 16_777_215;

/// `CREATE TABLE`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: QualifiedName,
    /// What to do where there is one.
    pub taken: Taken,
    /// Its columns, as far as they are named.
    pub columns: Vec<DeclaredColumn>,
    /// Where the other columns come from, and the rows.
    pub from: Source,
    /// What was said of it.
    pub comment: String,
    /// Whether it declares keys, which nobody enforces.
    pub keyed: bool,
}

/// What is told of them.
const KEYS: &str = "Keys are not enforced: rows may have the same ones";

/// Where columns come from that are not named.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// There are none.
    Nothing,
    /// From a query, with its rows.
    Query(Box<Select>),
    /// From another table.
    Like(QualifiedName),
    /// From what is in files: a query of `INFER_SCHEMA`.
    Template(Box<Select>),
}

/// Of what `sqlparser` has read, but for its query.
pub fn of(table: ast::CreateTable, select: Option<Select>) -> Result<Statement> {
    refuse(&table)?;
    let taken = match (table.or_replace, table.if_not_exists) {
        (true, _) => Taken::Replace,
        (false, true) => Taken::Keep,
        (false, false) => Taken::Fail,
    };
    let from = match (select, &table.like) {
        (Some(select), _) => Source::Query(Box::new(select)),
        (
            None,
            Some(CreateTableLikeKind::Plain(like) | CreateTableLikeKind::Parenthesized(like)),
        ) => Source::Like(name_of(&like.name)?),
        (None, None) => Source::Nothing,
    };
    let mut columns = table.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
    for key in table.constraints.iter().filter_map(|constraint| match constraint {
        TableConstraint::PrimaryKey(key) => Some(key),
        _ => None,
    }) {
        let names: Vec<String> =
            key.columns.iter().map(|column| column.column.expr.to_string()).collect();
        for column in &mut columns {
            let same = |name: &String| name.trim_matches('`').eq_ignore_ascii_case(&column.name);
            column.nullable &= !names.iter().any(same);
        }
    }
    if columns.is_empty() && from == Source::Nothing {
        return Err(Error::NoColumns);
    }
    let of_keys = |option: &ast::ColumnOptionDef| {
        matches!(option.option, ColumnOption::PrimaryKey(_) | ColumnOption::Unique(_))
    };
    let of_keys = |column: &ColumnDef| column.options.iter().any(of_keys);
    // An index that is no key promises nothing.
    let unique = |constraint: &TableConstraint| {
        matches!(constraint, TableConstraint::PrimaryKey(_) | TableConstraint::Unique(_))
    };
    let keyed = table.constraints.iter().any(unique) || table.columns.iter().any(of_keys);
    let comment = comment_of(&table);
    let name = name_of(&table.name)?;
    let create = CreateTable { name, taken, columns, from, comment, keyed };
    Ok(Statement::CreateTable(Box::new(create)))
}

/// The same with the columns that files have.
pub fn of_template(table: ast::CreateTable, select: Select) -> Result<Statement> {
    let like = Some(Select::clone(&select));
    match of(table, like)? {
        Statement::CreateTable(mut create) => {
            create.from = Source::Template(Box::new(select));
            Ok(Statement::CreateTable(create))
        }
        other => Ok(other),
    }
}

fn refuse(table: &ast::CreateTable) -> Result<()> {
    let refused = [
        (table.temporary || table.volatile, "A temporary table"),
        (table.external, "An external table"),
        (table.partition_by.is_some(), "A table in partitions"),
        (table.clone.is_some(), "A clone of a table"),
    ];
    if let Some((_, what)) = refused.iter().find(|(is_so, _)| *is_so) {
        let hint = table.temporary.then(|| "leave TEMPORARY away and DROP it".to_owned());
        return Err(Error::Unsupported { what: (*what).to_owned(), hint });
    }
    let wrong = table.constraints.iter().find(|constraint| {
        matches!(constraint, TableConstraint::ForeignKey(_) | TableConstraint::Check(_))
    });
    match wrong {
        Some(wrong) => Err(Error::Unsupported { what: wrong.to_string(), hint: None }),
        None => Ok(()),
    }
}

fn comment_of(table: &ast::CreateTable) -> String {
    let plain = match &table.table_options {
        CreateTableOptions::Plain(options) => options.iter().find_map(|option| match option {
            SqlOption::Comment(CommentDef::WithEq(text) | CommentDef::WithoutEq(text)) => {
                Some(text)
            }
            _ => None,
        }),
        _ => None,
    };
    let own =
        table.comment.as_ref().map(|(CommentDef::WithEq(text) | CommentDef::WithoutEq(text))| text);
    plain.or(own).cloned().unwrap_or_default()
}

/// A column as it was declared.
fn column(column: &ColumnDef) -> Result<DeclaredColumn> {
    let mut declared = DeclaredColumn {
        name: column.name.value.clone(),
        ty: declared(&column.data_type)?,
        nullable: true,
        default: None,
        comment: String::new(),
    };
    for option in &column.options {
        match &option.option {
            ColumnOption::Null
            | ColumnOption::Unique(_)
            | ColumnOption::CharacterSet(_)
            | ColumnOption::Collation(_) => {}
            ColumnOption::NotNull | ColumnOption::PrimaryKey(_) => declared.nullable = false,
            ColumnOption::Default(Expr::Value(value)) if value.value == ast::Value::Null => {}
            ColumnOption::Default(value) => declared.default = Some(dialect::printed(value)),
            ColumnOption::Comment(text) => declared.comment.clone_from(text),
            other => {
                return Err(Error::Unsupported {
                    what: format!("{other} of a column"),
                    hint: None,
                });
            }
        }
    }
    Ok(declared)
}

/// A type as it was declared.
pub fn declared(ty: &DataType) -> Result<Declared> {
    let integer = |width, unsigned| Ok(Declared::Integer { width, unsigned });
    match ty {
        DataType::Bool | DataType::Boolean => Ok(Declared::Bool),
        DataType::TinyInt(_) => integer(Width::Tiny, false),
        DataType::TinyIntUnsigned(_) => integer(Width::Tiny, true),
        DataType::SmallInt(_) | DataType::Int2(_) => integer(Width::Small, false),
        DataType::SmallIntUnsigned(_) | DataType::Int2Unsigned(_) => integer(Width::Small, true),
        DataType::MediumInt(_) => integer(Width::Medium, false),
        DataType::MediumIntUnsigned(_) => integer(Width::Medium, true),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => {
            integer(Width::Normal, false)
        }
        DataType::IntUnsigned(_) | DataType::IntegerUnsigned(_) | DataType::Int4Unsigned(_) => {
            integer(Width::Normal, true)
        }
        DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 | DataType::SignedInteger => {
            integer(Width::Big, false)
        }
        DataType::BigIntUnsigned(_) | DataType::Int8Unsigned(_) | DataType::UnsignedInteger => {
            integer(Width::Big, true)
        }
        DataType::Float(_) | DataType::Float4 => Ok(Declared::Float),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Real | DataType::Float8 => {
            Ok(Declared::Double)
        }
        DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => decimal(*info),
        DataType::Char(length) | DataType::Character(length) => {
            Ok(Declared::Char(characters(length.as_ref())?.unwrap_or(1)))
        }
        DataType::Varchar(length)
        | DataType::Nvarchar(length)
        | DataType::CharVarying(length)
        | DataType::CharacterVarying(length) => {
            Ok(characters(length.as_ref())?.map_or(Declared::Text, Declared::VarChar))
        }
        DataType::Text
        | DataType::TinyText
        | DataType::MediumText
        | DataType::LongText
        | DataType::String(_) => Ok(Declared::Text),
        DataType::JSON => Ok(Declared::Json),
        DataType::Binary(length) => Ok(Declared::VarBinary(short(length.unwrap_or(1))?)),
        DataType::Varbinary(Some(ast::BinaryLength::IntegerLength { length })) => {
            Ok(Declared::VarBinary(short(*length)?))
        }
        DataType::Varbinary(_)
        | DataType::Blob(_)
        | DataType::TinyBlob
        | DataType::MediumBlob
        | DataType::LongBlob => Ok(Declared::Blob),
        DataType::Date => Ok(Declared::Date),
        DataType::Time(fraction, TimezoneInfo::None) => Ok(Declared::Time(digits(*fraction)?)),
        DataType::Datetime(fraction) => Ok(Declared::DateTime(digits(*fraction)?)),
        DataType::Timestamp(fraction, _) => Ok(Declared::Timestamp(digits(*fraction)?)),
        other => Err(Error::Unsupported {
            what: format!("A column of the type {other}"),
            hint: Some(
                "BOOLEAN, TINYINT to BIGINT, FLOAT, DOUBLE, DECIMAL, CHAR, VARCHAR, TEXT, JSON, \
                 VARBINARY, BLOB, DATE, TIME, DATETIME and TIMESTAMP are there"
                    .to_owned(),
            ),
        }),
    }
}

fn decimal(info: ExactNumberInfo) -> Result<Declared> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (u64::from(USUAL_PRECISION), 0),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision), Ok(scale))
            if (1..=MAX_PRECISION).contains(&precision) && scale <= precision =>
        {
            Ok(Declared::Decimal { precision, scale })
        }
        _ => Err(Error::BadValue {
            option: "DECIMAL".to_owned(),
            value: format!("{precision},{scale}"),
            expected: format!(
                "at most {MAX_PRECISION} digits, and no more of them behind the point"
            ),
        }),
    }
}

fn characters(length: Option<&ast::CharacterLength>) -> Result<Option<u32>> {
    match length {
        Some(ast::CharacterLength::IntegerLength { length, .. }) => short(*length).map(Some),
        Some(ast::CharacterLength::Max) | None => Ok(None),
    }
}

fn short(length: u64) -> Result<u32> {
    u32::try_from(length).ok().filter(|_| length <= MAX_CHARS).ok_or_else(|| Error::BadValue {
        option: "the length of a column".to_owned(),
        value: length.to_string(),
        expected: format!("at most {MAX_CHARS}; TEXT and BLOB have no limit"),
    })
}

fn digits(fraction: Option<u64>) -> Result<u8> {
    match fraction.unwrap_or_default() {
        digits @ 0..=6 => Ok(u8::try_from(digits).unwrap_or(6)),
        more => Err(Error::BadValue {
            option: "the digits of a second".to_owned(),
            value: more.to_string(),
            expected: "0 to 6".to_owned(),
        }),
    }
}

impl CreateTable {
    /// Makes it. Nobody sees it before its rows are there.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let name = session.new_stage_name(&self.name)?;
        if let Some(outcome) = self.check_name(session, &name).await? {
            return Ok(outcome);
        }
        let schema = session.instance.schemas.read().await?;
        let old = schema.table(&name).map(|table| table.id);
        let table = Table {
            id: Uuid::new_v4(),
            columns: self.all_columns(session).await?,
            comment: self.comment.clone(),
            creator: session.creator(),
            owner: session.peer.user.id,
            created_at: Timestamp::now(),
        };
        let stages = &session.instance.stages;
        let mut discard = Discard { session, table: table.id, name: &name, wanted: true };
        let rows = kept::rows(session, &name, &table, "the_table")?;
        session.instance.engine.create_table(rows.clone()).await?;
        let mut affected = 0;
        if let Source::Query(select) = &self.from {
            let query = files::query(select, session).await?;
            let selected = session.instance.engine.columns(query.clone()).await?.len();
            // Files may have changed since: then the numbers differ, and that is an error.
            let first = table.columns.len().saturating_sub(selected);
            let positions = (first..table.columns.len()).collect();
            affected = session.instance.engine.insert(rows, positions, query).await?;
        }
        let made = session.instance.schemas.create_table(&name, &table, self.taken, old).await?;
        if !made {
            return Ok(Outcome::done_with(format!("Table '{}' already exists", name.name)));
        }
        discard.wanted = false;
        if let Some(old) = old {
            stages.discard_rows(old, &name.name).await;
        }
        let info = if self.keyed { KEYS.to_owned() } else { String::new() };
        Ok(Outcome::Done(Done { affected, info }))
    }

    /// Whoever may make stages may make tables; a table of somebody else is not replaced. An answer, if one is
    /// there and is kept.
    async fn check_name(&self, session: &Session, name: &StageName) -> Result<Option<Outcome>> {
        let rights = session.rights().await?;
        rights.need_stages_in(&name.database)?;
        if !session.instance.stages.database_exists(&name.database).await? {
            return Err(Error::UnknownDatabase { name: name.database.clone() });
        }
        let exists = || Error::TableExists { name: name.name.clone() };
        let schema = session.instance.schemas.read().await?;
        if let Some(table) = schema.table(name) {
            return match self.taken {
                Taken::Fail => Err(exists()),
                Taken::Keep => Ok(Some(Outcome::done_with(exists().to_string()))),
                Taken::Replace => {
                    let owned = kept::need(session, name, table, StagePrivilege::Ownership).await;
                    owned.map(|()| None).map_err(|_| exists())
                }
            };
        }
        if schema.view(name).is_some() {
            return Err(exists());
        }
        match session.stage(name).await {
            Ok(_) => Err(exists()),
            Err(Error::UnknownStage { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn all_columns(&self, session: &Session) -> Result<Vec<DeclaredColumn>> {
        let mut columns = self.columns.clone();
        let more = match &self.from {
            Source::Nothing => Vec::new(),
            Source::Query(select) => of_result(&select.known_columns(session).await?),
            Source::Template(select) => of_result(&template(select, session).await?),
            Source::Like(other) => {
                kept::find(session, other, StagePrivilege::Usage).await?.1.columns
            }
        };
        // What is named in both is declared, and filled by the query.
        let named = |name: &str| more.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let declared: Vec<DeclaredColumn> =
            columns.iter().filter(|column| named(&column.name)).cloned().collect();
        columns.retain(|column| !named(&column.name));
        columns.extend(more.into_iter().map(|column| {
            let same = |known: &&DeclaredColumn| known.name.eq_ignore_ascii_case(&column.name);
            declared.iter().find(same).cloned().unwrap_or(column)
        }));
        for (index, column) in columns.iter().enumerate() {
            crate::stage::name::check_name("column", &column.name)?;
            let same = |other: &DeclaredColumn| other.name.eq_ignore_ascii_case(&column.name);
            if columns.iter().skip(index + 1).any(same) {
                return Err(Error::DuplicateColumn { name: column.name.clone() });
            }
            if let Some(default) = &column.default {
                insert::expression(default)?;
            }
        }
        Ok(columns)
    }
}

fn of_result(columns: &[Column]) -> Vec<DeclaredColumn> {
    let of = |column: &Column| DeclaredColumn {
        name: column.name.clone(),
        ty: Declared::of(column.ty),
        nullable: true,
        default: None,
        comment: String::new(),
    };
    columns.iter().map(of).collect()
}

/// Removes the rows of a table that was not made after all.
struct Discard<'a> {
    session: &'a Session,
    table: Uuid,
    name: &'a StageName,
    wanted: bool,
}

impl Drop for Discard<'_> {
    fn drop(&mut self) {
        if self.wanted {
            let (stages, id) = (self.session.instance.stages.clone(), self.table);
            let name = self.name.name.clone();
            tokio::spawn(async move { stages.discard_rows(id, &name).await });
        }
    }
}

/// Forgets tables, with their rows and the files of their stages: `DROP TABLE [IF EXISTS] <name>, ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropTable {
    /// Which.
    pub names: Vec<QualifiedName>,
    /// Whether a missing one is no error.
    pub if_exists: bool,
}

impl DropTable {
    /// Drops them. One that is missing keeps none of the others.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let mut missing = None;
        for name in &self.names {
            match self.drop(session, name).await {
                Err(Error::UnknownTable { .. }) if self.if_exists => {}
                Err(error @ Error::UnknownTable { .. }) => missing = missing.or(Some(error)),
                dropped => dropped?,
            }
        }
        match missing {
            Some(Error::UnknownTable { name }) => Err(Error::CantDropTable { name }),
            Some(error) => Err(error),
            None => Ok(Outcome::done()),
        }
    }

    async fn drop(&self, session: &Session, name: &QualifiedName) -> Result<()> {
        let (name, table) = kept::find(session, name, StagePrivilege::Ownership).await?;
        session.instance.schemas.drop_table(&name, table.id).await?;
        session.instance.stages.discard_rows(table.id, &name.name).await;
        session.instance.stages.discard_table_files(&name.database, &name.name).await;
        Ok(())
    }
}

/// Removes all rows of a table: `TRUNCATE [TABLE] <name>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncateTable {
    /// Which.
    pub name: QualifiedName,
}

impl TruncateTable {
    /// Empties it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let (name, table) = kept::find(session, &self.name, StagePrivilege::Write).await?;
        let rows = kept::rows(session, &name, &table, "the_table")?;
        session.instance.engine.rewrite(rows, crate::query::Change::RemoveAll).await?;
        // As MySQL answers.
        Ok(Outcome::done())
    }
}

impl fmt::Display for CreateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.taken {
            Taken::Replace => "CREATE OR REPLACE TABLE ",
            Taken::Keep => "CREATE TABLE IF NOT EXISTS ",
            Taken::Fail => "CREATE TABLE ",
        })?;
        self.name.fmt(f)?;
        if !self.columns.is_empty() {
            let columns: Vec<String> = self.columns.iter().map(print_column).collect();
            write!(f, " ({})", columns.join(", "))?;
        }
        if !self.comment.is_empty() {
            write!(f, " COMMENT = {}", literal::text(&self.comment))?;
        }
        match &self.from {
            Source::Nothing => Ok(()),
            Source::Query(select) => write!(f, " AS {select}"),
            Source::Like(name) => write!(f, " LIKE {name}"),
            Source::Template(select) => write!(f, " USING TEMPLATE ({select})"),
        }
    }
}

/// A column as `CREATE TABLE` takes it.
pub fn print_column(column: &DeclaredColumn) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    let default = column.default.as_ref().map(|value| format!(" DEFAULT {value}"));
    let comment = match column.comment.as_str() {
        "" => String::new(),
        comment => format!(" COMMENT {}", literal::text(comment)),
    };
    let name = literal::name(&column.name);
    format!("{name} {}{null}{}{comment}", column.ty, default.unwrap_or_default())
}

impl fmt::Display for DropTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP TABLE {if_exists}{}", names.join(", "))
    }
}

impl fmt::Display for TruncateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TRUNCATE TABLE {}", self.name)
    }
}
