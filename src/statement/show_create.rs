//! `SHOW CREATE TABLE` and `SHOW CREATE DATABASE`: drivers read columns and character sets out of what
//! they show. What makes a stage is shown by `SHOW CREATE STAGE`.
//!
//! ```text
//! SHOW CREATE TABLE [<database>.]<name>
//! SHOW CREATE { DATABASE | SCHEMA } [IF NOT EXISTS] <name>
//!
//! > SHOW CREATE DATABASE sales
//! Database  Create Database
//! sales     CREATE DATABASE `sales` /*!40100 DEFAULT CHARACTER SET utf8mb4 ... */
//! > SHOW CREATE DATABASE slaes
//! ERROR 1049 (42000): Unknown database 'slaes'. Hint: SHOW DATABASES lists what exists
//! ```

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::declared::DeclaredColumn;
use crate::rows::{Column, Outcome, Type};
use crate::schema::table::Table;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::name::QualifiedName;
use crate::stage::name::StageName;
use crate::statement::Statement;
use crate::statement::tables::{TypeName, World, is_schema};

/// `SHOW CREATE TABLE`, `SHOW CREATE DATABASE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowCreate {
    /// Of this table.
    Table(QualifiedName),
    /// Of this view.
    View(QualifiedName),
    /// Of this database.
    Database {
        /// Its name.
        name: String,
        /// Whether to show `IF NOT EXISTS`.
        if_not_exists: bool,
    },
    /// Of a kind of thing that MySQL has and this server has not.
    Absent(Absent, QualifiedName),
}

/// What there is none of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// `EVENT`
    Event,
    /// `FUNCTION`
    Function,
    /// `PROCEDURE`
    Procedure,
    /// `TRIGGER`
    Trigger,
}

const ABSENT: &[(&str, Absent)] = &[
    ("EVENT", Absent::Event),
    ("FUNCTION", Absent::Function),
    ("PROCEDURE", Absent::Procedure),
    ("TRIGGER", Absent::Trigger),
];

impl ShowCreate {
    /// Reads what follows `SHOW CREATE`.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
        let show = if cursor.eat("TABLE") {
            ShowCreate::Table(QualifiedName::parse(cursor)?)
        } else if cursor.eat("VIEW") {
            ShowCreate::View(QualifiedName::parse(cursor)?)
        } else if cursor.eat("DATABASE") || cursor.eat("SCHEMA") {
            let if_not_exists = cursor.eat_all(&["IF", "NOT", "EXISTS"]);
            ShowCreate::Database { name: cursor.name("a database")?, if_not_exists }
        } else if let Some((_, absent)) = ABSENT.iter().find(|(word, _)| cursor.eat(word)) {
            ShowCreate::Absent(*absent, QualifiedName::parse(cursor)?)
        } else {
            return Err(cursor.expected("STAGE, TABLE or DATABASE"));
        };
        cursor.expect_end("")?;
        Ok(Statement::ShowCreate(show))
    }

    /// MySQL's two columns.
    pub fn columns(&self) -> Vec<Column> {
        let text = |name: &str| Column::new(name, Type::Text);
        match self {
            ShowCreate::Table(_) => vec![text("Table"), text("Create Table")],
            ShowCreate::View(_) => vec![
                text("View"),
                text("Create View"),
                text("character_set_client"),
                text("collation_connection"),
            ],
            ShowCreate::Database { .. } => vec![text("Database"), text("Create Database")],
            ShowCreate::Absent(..) => Vec::new(),
        }
    }

    /// Shows it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let world = World::of_server(session).await?;
        let (name, text) = match self {
            ShowCreate::Table(table) => {
                let name = session.stage_name(table)?;
                let unknown =
                    || Error::UnknownTable { name: format!("{}.{}", name.database, name.name) };
                if world.view(&name.database, &name.name).is_some() {
                    return show_view(&world, &name);
                }
                if let Some(table) = world.kept(&name.database, &name.name) {
                    let text = create_kept(&name.name, table);
                    let row = vec![name.name.as_str().into(), text.into()];
                    return Ok(Outcome::rows(self.columns(), vec![row]));
                }
                let columns = world.columns(&name.database, &name.name).ok_or_else(unknown)?;
                let engine = if is_schema(&name.database) { "MEMORY" } else { "STAGE" };
                let comment = world.comment(&name.database, &name.name).unwrap_or_default();
                (name.name.clone(), create_table(&name.name, &columns, engine, comment))
            }
            ShowCreate::Absent(what, name) => return Err(what.missing(name)?),
            ShowCreate::View(view) => return show_view(&world, &session.stage_name(view)?),
            ShowCreate::Database { name, if_not_exists } => {
                if !world.has_database(name) {
                    return Err(Error::UnknownDatabase { name: name.clone() });
                }
                (name.clone(), create_database(name, *if_not_exists))
            }
        };
        Ok(Outcome::rows(self.columns(), vec![vec![name.into(), text.into()]]))
    }
}

impl Absent {
    /// MySQL's error for a name that nothing has.
    fn missing(self, name: &QualifiedName) -> Result<Error> {
        let routine = |what| Error::UnknownRoutine { what, name: name.name.clone() };
        Ok(match self {
            Absent::Event => Error::UnknownEvent { name: name.name.clone() },
            Absent::Function => routine("FUNCTION"),
            Absent::Procedure => routine("PROCEDURE"),
            Absent::Trigger => Error::UnknownTrigger,
        })
    }
}

/// As MySQL shows a view, whether it was asked for as one or as a table.
fn show_view(world: &World, name: &StageName) -> Result<Outcome> {
    let Some(view) = world.view(&name.database, &name.name) else {
        let full = format!("{}.{}", name.database, name.name);
        return Err(match world.columns(&name.database, &name.name) {
            Some(_) => Error::NotAView { name: full },
            None => Error::UnknownTable { name: full },
        });
    };
    let text = format!("CREATE VIEW {} AS {}", quoted(&name.name), view.query);
    let columns = ShowCreate::View(QualifiedName { database: None, name: name.name.clone() });
    let row =
        vec![name.name.as_str().into(), text.into(), "utf8mb4".into(), "utf8mb4_0900_ai_ci".into()];
    Ok(Outcome::rows(columns.columns(), vec![row]))
}

/// Always in backticks: that is what drivers look for.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn create_table(name: &str, columns: &[Column], engine: &str, comment: &str) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| {
            let null = if column.nullable { "DEFAULT NULL" } else { "NOT NULL" };
            let ty = TypeName::of(column.ty).column_type;
            format!("  {} {ty} {null}", quoted(&column.name))
        })
        .collect();
    let comment = match comment {
        "" => String::new(),
        comment => format!(" COMMENT={}", literal::text(comment)),
    };
    format!(
        "CREATE TABLE {} (\n{}\n) ENGINE={engine} DEFAULT CHARSET=utf8mb4 \
         COLLATE=utf8mb4_0900_ai_ci{comment}",
        quoted(name),
        columns.join(",\n")
    )
}

/// A table as it was made.
fn create_kept(name: &str, table: &Table) -> String {
    let column = |column: &DeclaredColumn| {
        let name = quoted(&column.name);
        let null = if column.nullable { "" } else { " NOT NULL" };
        let default = match (&column.default, column.nullable) {
            (Some(default), _) => format!(" DEFAULT {default}"),
            (None, true) => " DEFAULT NULL".to_owned(),
            (None, false) => String::new(),
        };
        let comment = match column.comment.as_str() {
            "" => String::new(),
            comment => format!(" COMMENT {}", literal::text(comment)),
        };
        format!("  {name} {}{null}{default}{comment}", column.ty)
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let comment = match table.comment.as_str() {
        "" => String::new(),
        comment => format!(" COMMENT={}", literal::text(comment)),
    };
    format!(
        "CREATE TABLE {} (\n{}\n) ENGINE=DELTA DEFAULT CHARSET=utf8mb4 \
         COLLATE=utf8mb4_0900_ai_ci{comment}",
        quoted(name),
        columns.join(",\n")
    )
}

fn create_database(name: &str, if_not_exists: bool) -> String {
    let condition = if if_not_exists { "/*!32312 IF NOT EXISTS*/ " } else { "" };
    format!(
        "CREATE DATABASE {condition}{} /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE \
         utf8mb4_0900_ai_ci */ /*!80016 DEFAULT ENCRYPTION='N' */",
        quoted(name)
    )
}

impl fmt::Display for ShowCreate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShowCreate::Table(name) => write!(f, "SHOW CREATE TABLE {name}"),
            ShowCreate::View(name) => write!(f, "SHOW CREATE VIEW {name}"),
            ShowCreate::Database { name, .. } => {
                write!(f, "SHOW CREATE DATABASE {}", quoted(name))
            }
            ShowCreate::Absent(absent, name) => {
                let word = ABSENT.iter().find(|(_, known)| known == absent);
                write!(f, "SHOW CREATE {} {name}", word.map_or("", |(word, _)| word))
            }
        }
    }
}
