//! `CREATE VIEW` gives a query a name, so that tools see files as a table with columns.
//!
//! ```text
//! CREATE [OR REPLACE] VIEW [IF NOT EXISTS] [<database>.]<name> [(<column>, ...)] AS <query>
//!
//! > CREATE VIEW books AS SELECT id, title FROM @lake/books.parquet
//! > SELECT title FROM books WHERE id = 1
//! > CREATE VIEW books AS SELECT 1
//! ERROR 1050 (42S01): Table 'books' already exists
//! ```
//!
//! Who queries a view needs `READ` on the stages that it reads: it is a name, not a way around rights. Its
//! columns are those of the moment when it was made.

use std::fmt;

use jiff::Timestamp;
use sqlparser::ast;
use uuid::Uuid;

use crate::access::people::ServerPrivilege;
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::schema::{Taken, View};
use crate::session::Session;
use crate::sql::literal;
use crate::sql::name::QualifiedName;
use crate::stage::name::StageName;
use crate::statement::select::{Select, files};
use crate::statement::{Statement, kept};

/// `CREATE VIEW`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: QualifiedName,
    /// What to do where there is one.
    pub taken: Taken,
    /// Names for its columns.
    pub columns: Vec<String>,
    /// What it stands for.
    pub select: Select,
}

/// Of what `sqlparser` has read.
pub fn of(view: ast::CreateView, select: Select) -> Result<Statement> {
    if view.materialized || view.temporary {
        return Err(Error::Unsupported {
            what: "A view that is materialized or temporary".to_owned(),
            hint: None,
        });
    }
    let taken = match (view.or_replace, view.if_not_exists) {
        (true, _) => Taken::Replace,
        (false, true) => Taken::Keep,
        (false, false) => Taken::Fail,
    };
    let columns = view.columns.iter().map(|column| column.name.value.clone()).collect();
    let name = name_of(&view.name)?;
    Ok(Statement::CreateView(Box::new(CreateView { name, taken, columns, select })))
}

/// `name`, `database.name`
pub fn name_of(name: &ast::ObjectName) -> Result<QualifiedName> {
    let parts: Vec<&str> =
        name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.as_str()).collect();
    match parts.as_slice() {
        [name] => Ok(QualifiedName { database: None, name: (*name).to_owned() }),
        [database, name] => {
            Ok(QualifiedName { database: Some((*database).to_owned()), name: (*name).to_owned() })
        }
        _ => Err(Error::UnknownTable { name: name.to_string() }),
    }
}

impl CreateView {
    /// Makes it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let name = session.new_stage_name(&self.name)?;
        self.check_name(session, &name).await?;
        let query = files::qualified(&self.select.query, session)?;
        let select = Select { query, texts: self.select.texts.clone() };
        let mut columns = select.known_columns(session).await?;
        if !self.columns.is_empty() && self.columns.len() != columns.len() {
            return Err(Error::DifferentColumns);
        }
        for (column, name) in columns.iter_mut().zip(&self.columns) {
            column.name.clone_from(name);
        }
        for (index, column) in columns.iter().enumerate() {
            let same = |other: &crate::rows::Column| other.name.eq_ignore_ascii_case(&column.name);
            if columns.iter().skip(index + 1).any(same) {
                return Err(Error::DuplicateColumn { name: column.name.clone() });
            }
        }
        let view = View {
            id: Uuid::new_v4(),
            reads: files::stages_in(&select, session).await?,
            query: select.to_string(),
            columns,
            creator: session.creator(),
            owner: session.peer.user.id,
            created_at: Timestamp::now(),
        };
        match session.instance.schemas.create_view(&name, &view, self.taken).await? {
            true => Ok(Outcome::done()),
            false => Ok(Outcome::done_with(format!("View '{name}' already exists"))),
        }
    }

    /// Whoever may make stages may make views; a view of somebody else is not replaced.
    async fn check_name(&self, session: &Session, name: &StageName) -> Result<()> {
        let rights = session.rights().await?;
        rights.need_stages_in(&name.database)?;
        if !session.instance.stages.database_exists(&name.database).await? {
            return Err(Error::UnknownDatabase { name: name.database.clone() });
        }
        let schema = session.instance.schemas.read().await?;
        if let (Taken::Replace, Some(view)) = (self.taken, schema.view(name))
            && view.owner != session.peer.user.id
            && !rights.owns_database(&name.database)
        {
            return Err(Error::TableExists { name: name.to_string() });
        }
        match session.stage(name).await {
            Ok(_) => Err(Error::TableExists { name: name.to_string() }),
            Err(Error::UnknownStage { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the user may know of a view: it is his, his database's, or of stages that he knows of.
pub async fn is_seen(session: &Session, database: &str, view: &View) -> Result<bool> {
    if view.owner == session.peer.user.id || session.rights().await?.owns_database(database) {
        return Ok(true);
    }
    let schema = session.instance.schemas.read().await?;
    for stage in &view.reads {
        if let Some(table) = schema.table(stage) {
            if kept::is_seen(session, stage, table).await? {
                continue;
            }
            return Ok(false);
        }
        match session.stage(stage).await {
            Ok(_) => {}
            Err(Error::UnknownStage { .. } | Error::UnknownDatabase { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Forgets views: `DROP VIEW [IF EXISTS] <name>, ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropView {
    /// Which.
    pub names: Vec<QualifiedName>,
    /// Whether a missing one is no error.
    pub if_exists: bool,
}

impl DropView {
    /// Drops them. One that is missing keeps none of the others.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let mut missing = None;
        for name in &self.names {
            let name = session.stage_name(name)?;
            match self.drop(session, &name).await {
                Err(Error::UnknownTable { .. }) if self.if_exists => {}
                Err(error @ Error::UnknownTable { .. }) => missing = missing.or(Some(error)),
                dropped => dropped?,
            }
        }
        match missing {
            Some(error) => Err(error),
            None => Ok(Outcome::done()),
        }
    }

    async fn drop(&self, session: &Session, name: &StageName) -> Result<()> {
        let schema = session.instance.schemas.read().await?;
        if let Some(view) = schema.view(name).filter(|view| view.owner != session.peer.user.id)
            && !session.rights().await?.owns_database(&name.database)
        {
            if !is_seen(session, &name.database, view).await? {
                return Err(unknown(name));
            }
            session.need(ServerPrivilege::Admin).await?;
        }
        session.instance.schemas.drop_view(name).await
    }
}

fn unknown(name: &StageName) -> Error {
    Error::UnknownTable { name: format!("{}.{}", name.database, name.name) }
}

impl fmt::Display for CreateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.taken {
            Taken::Replace => "CREATE OR REPLACE VIEW ",
            Taken::Keep => "CREATE VIEW IF NOT EXISTS ",
            Taken::Fail => "CREATE VIEW ",
        })?;
        self.name.fmt(f)?;
        if !self.columns.is_empty() {
            let columns: Vec<String> =
                self.columns.iter().map(|name| literal::name(name)).collect();
            write!(f, " ({})", columns.join(", "))?;
        }
        write!(f, " AS {}", self.select)
    }
}

impl fmt::Display for DropView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP VIEW {if_exists}{}", names.join(", "))
    }
}
