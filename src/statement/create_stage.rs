//! `CREATE STAGE` gives a place for files a name.
//!
//! ```text
//! CREATE [OR REPLACE] [TEMPORARY] STAGE [IF NOT EXISTS] [<database>.]<name>
//!     [URL = '<scheme>://...'] [CREDENTIALS = (...)] [CONNECTION = (...)] [ENDPOINT = '...']
//!     [ENCRYPTION = (...)] [FILE_FORMAT = (...)] [COMMENT = '...']
//!
//! > CREATE STAGE my_internal_stage
//! > CREATE STAGE lake URL='s3://bucket/data/'
//!     CONNECTION=(REGION='eu-central-1' ACCESS_KEY_ID='...' SECRET_ACCESS_KEY='...')
//! > CREATE STAGE lake
//! ERROR 1050 (42S01): Stage 'lake' already exists. Hint: CREATE OR REPLACE STAGE replaces it ...
//! ```
//!
//! Without `URL` the stage is internal: the server keeps its files, and `OR REPLACE` or `DROP`
//! removes them. With one it is external, and its files are never removed with it. A stage that
//! names no credentials is anonymous. `TEMPORARY`: gone, with its files, when the connection ends.
//!
//! `CONNECTION = (CONNECTION_NAME = 'name')` refers to what `CREATE CONNECTION` has made: who and where the storage
//! is comes from there, now and later. Beside it there may be `REGION`, `ENABLE_VIRTUAL_HOST_STYLE`,
//! `ENCRYPTION_TYPE` and `KMS_KEY_ID`.
//!
//! `FILE_FORMAT` may name a format of `CREATE FILE FORMAT`: by `(FORMAT_NAME = 'name')`, with options behind it
//! that win over those of the format, or by the name alone. The stage refers to it: what the format becomes,
//! it is for the stage too.
//!
//! Clauses come in any order, unlike Databend's. `COMMENT` is kept, which Databend forgets.

use jiff::Timestamp;
use uuid::Uuid;

use crate::access::people::{Grantee, Grants, Rights, StagePrivilege};
use crate::config::Secret;
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::{Cursor, Token};
use crate::sql::literal;
use crate::sql::name::QualifiedName;
use crate::sql::options::{OptionValue, Options, Secrets};
use crate::stage::definition::{Definition, Place};
use crate::stage::name::StageName;
use crate::stage::{Created, IfExists, place};
use crate::statement::file_format::FORMAT_NAME;
use crate::statement::named_connections::Usable;
use crate::statement::named_formats::Bound;
use crate::statement::{Statement, file_format, named_connections, named_formats};

/// The words that it begins with.
pub const LEADS: &[&str] = &[
    "CREATE STAGE",
    "CREATE TEMPORARY STAGE",
    "CREATE TEMP STAGE",
    "CREATE OR REPLACE STAGE",
    "CREATE OR REPLACE TEMPORARY STAGE",
    "CREATE OR REPLACE TEMP STAGE",
];

/// `CREATE STAGE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateStage {
    /// What to do when the name is taken.
    pub if_exists: IfExists,
    /// Whether it ends with the connection.
    pub temporary: bool,
    /// Its name.
    pub name: QualifiedName,
    /// What it is.
    pub clauses: Clauses,
}

/// The clauses that describe a stage; `ALTER STAGE` has the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clauses {
    /// `URL = '...'`
    pub url: Option<String>,
    /// `CREDENTIALS = (...)`
    pub credentials: Option<Options>,
    /// `CONNECTION = (...)`
    pub connection: Option<Options>,
    /// `ENDPOINT = '...'`
    pub endpoint: Option<String>,
    /// `ENCRYPTION = (...)`
    pub encryption: Option<Options>,
    /// `FILE_FORMAT = (...)`
    pub file_format: Option<Options>,
    /// `COMMENT = '...'`
    pub comment: Option<String>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CREATE")?;
    let or_replace = cursor.eat_all(&["OR", "REPLACE"]);
    let temporary = cursor.eat("TEMPORARY") || cursor.eat("TEMP");
    cursor.expect("STAGE")?;
    if or_replace && cursor.sees("IF") {
        return Err(
            cursor.expected("a stage name (OR REPLACE and IF NOT EXISTS exclude each other)")
        );
    }
    let if_exists = if cursor.eat_all(&["IF", "NOT", "EXISTS"]) {
        IfExists::Keep
    } else if or_replace {
        IfExists::Replace
    } else {
        IfExists::Fail
    };
    let name = QualifiedName::parse(cursor)?;
    let clauses = Clauses::parse(cursor)?;
    if clauses.url.is_none() {
        clauses.must_be_internal()?;
    }
    Ok(Statement::CreateStage(CreateStage { if_exists, temporary, name, clauses }))
}

impl CreateStage {
    /// Creates it.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let name = session.new_stage_name(&self.name)?;
        name.check()?;
        let connection = self.clauses.connection(session).await?;
        let definition = Definition {
            name,
            id: Uuid::new_v4(),
            place: self.clauses.place(None, connection.as_ref())?,
            temporary: self.temporary,
            file_format: self.clauses.file_format(session).await?.for_stage(self.temporary)?,
            comment: self.clauses.comment.clone().unwrap_or_default(),
            creator: session.creator(),
            owner: session.peer.user.id,
            created_at: Timestamp::now(),
        };
        if let Place::External(external) = &definition.place {
            let connection = connection.as_ref().map(|usable| &usable.connection);
            session.instance.stages.check_place(external, connection)?;
        }
        let rights = session.rights().await?;
        rights.need_stages_in(&definition.name.database)?;
        let how = self.how(session, &rights, &definition.name).await?;
        let (id, database) = (definition.id, definition.name.database.clone());
        let created = if self.temporary {
            session.create_temporary(definition, how).await?
        } else {
            session.instance.stages.create(definition, how).await?
        };
        if created != Created::Kept && !self.temporary && !rights.owns_database(&database) {
            let owner = Grantee::User(session.peer.user.name.clone());
            let owns = |grants: &mut Grants| {
                grants.stages.entry(id).or_default().insert(StagePrivilege::Ownership);
            };
            session.instance.directory.change_grants(&owner, &owns).await?;
        }
        Ok(match created {
            Created::New | Created::Replaced => Outcome::done(),
            Created::Kept => Outcome::done_with(format!("Stage '{}' already exists", self.name)),
        })
    }

    /// What to do with a stage that is there: somebody else's is not replaced.
    async fn how(&self, session: &Session, rights: &Rights, name: &StageName) -> Result<IfExists> {
        let any = self.temporary || rights.owns_database(&name.database);
        if self.if_exists != IfExists::Replace || any {
            return Ok(self.if_exists);
        }
        match session.instance.stages.get(name).await {
            Ok(old) if rights.has_on(&name.database, old.id, StagePrivilege::Ownership) => {
                Ok(IfExists::ReplaceThis(old.id))
            }
            Ok(_) | Err(Error::UnknownStage { .. }) => Ok(IfExists::Fail),
            Err(error) => Err(error),
        }
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let mut text = String::from("CREATE ");
        if self.if_exists == IfExists::Replace {
            text.push_str("OR REPLACE ");
        }
        if self.temporary {
            text.push_str("TEMPORARY ");
        }
        text.push_str("STAGE ");
        if self.if_exists == IfExists::Keep {
            text.push_str("IF NOT EXISTS ");
        }
        text.push_str(&self.name.to_string());
        text.push_str(&self.clauses.print(secrets));
        text
    }
}

/// The option that names a connection.
const CONNECTION_NAME: &str = "CONNECTION_NAME";

impl Clauses {
    const NAMES: &[&str] =
        &["URL", "CREDENTIALS", "CONNECTION", "ENDPOINT", "ENCRYPTION", "FILE_FORMAT", "COMMENT"];

    /// Reads clauses in any order, up to the end of the statement. Commas between them may be there.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Clauses> {
        let mut clauses = Clauses::default();
        while !cursor.at_end() {
            clauses.parse_one(cursor)?;
            cursor.eat_sign(",");
        }
        Ok(clauses)
    }

    fn parse_one(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let keyword = cursor.keyword().unwrap_or_default();
        match keyword.as_str() {
            "URL" if self.url.is_none() => self.url = Some(text(cursor, "a URL in quotes")?),
            "ENDPOINT" if self.endpoint.is_none() => {
                self.endpoint = Some(text(cursor, "a URL in quotes")?);
            }
            "COMMENT" if self.comment.is_none() => {
                self.comment = Some(text(cursor, "a text in quotes")?);
            }
            "CREDENTIALS" if self.credentials.is_none() => {
                self.credentials = Some(options(cursor, "CREDENTIALS")?);
            }
            "CONNECTION" if self.connection.is_none() => {
                self.connection = Some(options(cursor, "CONNECTION")?);
            }
            "ENCRYPTION" if self.encryption.is_none() => {
                self.encryption = Some(options(cursor, "ENCRYPTION")?);
            }
            "FILE_FORMAT" if self.file_format.is_none() => {
                self.file_format = Some(file_format(cursor)?);
            }
            _ => return Err(cursor.expected_one_of(Clauses::NAMES)),
        }
        Ok(())
    }

    /// Whether anything says where the files are.
    pub fn names_a_place(&self) -> bool {
        self.url.is_some()
            || self.credentials.is_some()
            || self.connection.is_some()
            || self.endpoint.is_some()
            || self.encryption.is_some()
    }

    fn must_be_internal(&self) -> Result<()> {
        if !self.names_a_place() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: "CREDENTIALS, CONNECTION, ENDPOINT or ENCRYPTION of an internal stage".to_owned(),
            hint: Some("they belong to external stages: add URL='<scheme>://...'".to_owned()),
        })
    }

    /// The connection that they name, for who may use it.
    pub async fn connection(&self, session: &Session) -> Result<Option<Usable>> {
        let mut options = self.connection.clone().unwrap_or_default();
        match options.take(CONNECTION_NAME) {
            Some(name) => named_connections::usable(session, &name).await.map(Some),
            None => Ok(None),
        }
    }

    /// The place that the clauses describe, with the URL of `old` where they name none, and the connection
    /// that they name.
    pub fn place(&self, old: Option<&Place>, connection: Option<&Usable>) -> Result<Place> {
        let url = match (&self.url, old) {
            (Some(url), _) => url,
            (None, Some(Place::External(external))) => &external.url,
            (None, Some(Place::Internal) | None) => {
                self.must_be_internal()?;
                return Ok(Place::Internal);
            }
        };
        let mut pairs = Vec::new();
        for options in [&self.credentials, &self.connection, &self.encryption].into_iter().flatten()
        {
            pairs.extend(options.pairs());
        }
        pairs.extend(self.endpoint.iter().map(|url| ("ENDPOINT".to_owned(), url.clone())));
        match connection {
            Some(connection) => {
                pairs.retain(|(key, _)| key != CONNECTION_NAME);
                connection.place(url, &pairs)
            }
            None => Ok(Place::External(place::external(url, &pairs)?)),
        }
    }

    /// The checked `FILE_FORMAT`.
    pub async fn file_format(&self, session: &Session) -> Result<Bound> {
        match &self.file_format {
            Some(options) => named_formats::bind(session, file_format::check(options)?).await,
            None => Ok(Bound::default()),
        }
    }

    /// As they can be written again, if `secrets` are exposed; each with a blank before it.
    pub fn print(&self, secrets: Secrets) -> String {
        let mut text = String::new();
        let mut add = |name: &str, value: String| text.push_str(&format!(" {name} = {value}"));
        let address = |url: &String| match secrets {
            Secrets::Expose => literal::text(url),
            Secrets::Mask => literal::text(&place::without_credentials(url)),
        };
        if let Some(url) = &self.url {
            add("URL", address(url));
        }
        let lists = [
            ("CREDENTIALS", &self.credentials, secrets),
            ("CONNECTION", &self.connection, secrets),
            ("ENCRYPTION", &self.encryption, secrets),
            ("FILE_FORMAT", &self.file_format, Secrets::Expose),
        ];
        for (name, options, secrets) in lists {
            if let Some(options) = options {
                add(name, options.print(secrets));
            }
        }
        if let Some(endpoint) = &self.endpoint {
            add("ENDPOINT", address(endpoint));
        }
        if let Some(comment) = &self.comment {
            add("COMMENT", literal::text(comment));
        }
        text
    }
}

fn text(cursor: &mut Cursor<'_>, what: &str) -> Result<String> {
    cursor.advance();
    cursor.eat_sign("=");
    cursor.text(what)
}

/// `FILE_FORMAT = (...)`, or the name of a type or a format.
pub(super) fn file_format(cursor: &mut Cursor<'_>) -> Result<Options> {
    cursor.advance();
    cursor.eat_sign("=");
    if matches!(cursor.peek(), Token::Sign(sign) if sign == "(") {
        return Options::parse(cursor, "FILE_FORMAT");
    }
    let name = cursor.word_or_text("options of FILE_FORMAT in parentheses, or a format's name")?;
    let key = if file_format::is_type(&name) { "TYPE" } else { FORMAT_NAME };
    Ok(Options(vec![(key.to_owned(), OptionValue::Text(Secret::new(name)))]))
}

fn options(cursor: &mut Cursor<'_>, clause: &str) -> Result<Options> {
    cursor.advance();
    cursor.eat_sign("=");
    Options::parse(cursor, clause)
}
