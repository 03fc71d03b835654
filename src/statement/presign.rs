//! `PRESIGN` gives a URL by which one file can be fetched or stored for some time, without a password.
//!
//! ```text
//! PRESIGN [DOWNLOAD | UPLOAD] <location> [EXPIRE = <seconds>] [CONTENT_TYPE = '<type>']
//!
//! > PRESIGN @lake/2024/a.csv EXPIRE=600
//! method  headers  url
//! GET     {}       http://127.0.0.1:8000/v1/stages/default.lake/2024/a.csv?expires=1795500000&signature=5f0c...
//! > PRESIGN UPLOAD @lake/2024/b.csv CONTENT_TYPE='text/csv'
//! method  headers                      url
//! PUT     {"content-type":"text/csv"}  http://127.0.0.1:8000/v1/stages/default.lake/2024/b.csv?...
//! > PRESIGN @lake/2024/
//! ERROR 1525 (HY000): Incorrect path '2024/': it names no file. Hint: ...
//! ```
//!
//! The request needs the method and the headers that are shown. An hour if nothing is said, seven days
//! at most. Whether the file exists is not looked at. An upload replaces what is there.
//!
//! Where the storage signs (S3, GCS, OSS, COS, OBS, with a key of the stage's own) the client goes there
//! directly. Everywhere else the server signs a URL of its own, for that method and that file of that
//! stage; a new stage of the same name is another one. Azure is among those: what OpenDAL would sign
//! there is the stage's own token. `public_url` in the configuration file is what these URLs begin with.
//!
//! Unlike Databend's, it works on every storage, and a location without a file name is an error.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json};

use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::location::{Area, Location};
use crate::sql::name::QualifiedName;
use crate::stage::{Direction, Link, Presigned, Scope};
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["PRESIGN"];

/// Databend's default.
const DEFAULT_SECONDS: u64 = 3600;

/// What S3 allows.
const MOST_SECONDS: u64 = 7 * 24 * 3600;

/// What stands for itself everywhere in a URL.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Databend's three columns.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("method", Type::Text),
        Column::new("headers", Type::Text),
        Column::new("url", Type::Text),
    ]
}

/// `PRESIGN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presign {
    /// Which way, where it is said.
    pub direction: Option<Direction>,
    /// Which file.
    pub location: Location,
    /// For how many seconds.
    pub expire: Option<u64>,
    /// The type of what is fetched or stored.
    pub content_type: Option<String>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("PRESIGN")?;
    let direction = if cursor.eat("DOWNLOAD") {
        Some(Direction::Download)
    } else if cursor.eat("UPLOAD") {
        Some(Direction::Upload)
    } else {
        None
    };
    let location = cursor.location("PRESIGN")?;
    let mut presign = Presign { direction, location, expire: None, content_type: None };
    while !cursor.at_end() {
        if cursor.sees("EXPIRE") && presign.expire.is_none() {
            cursor.advance();
            cursor.eat_sign("=");
            presign.expire = Some(cursor.number("EXPIRE", 1, MOST_SECONDS)?);
        } else if cursor.sees("CONTENT_TYPE") && presign.content_type.is_none() {
            cursor.advance();
            cursor.eat_sign("=");
            presign.content_type = Some(parse_content_type(cursor)?);
        } else {
            return Err(cursor.expected_one_of(&["EXPIRE", "CONTENT_TYPE"]));
        }
    }
    Ok(Statement::Presign(presign))
}

fn parse_content_type(cursor: &mut Cursor<'_>) -> Result<String> {
    let text = cursor.text("a type in quotes for CONTENT_TYPE")?;
    if !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(text);
    }
    Err(Error::BadValue {
        option: "CONTENT_TYPE".to_owned(),
        value: text.escape_debug().to_string(),
        expected: "a type such as 'text/csv'".to_owned(),
    })
}

impl Presign {
    /// What the URL is good for needs a privilege.
    fn privilege(&self) -> StagePrivilege {
        match self.direction {
            Some(Direction::Upload) => StagePrivilege::Write,
            Some(Direction::Download) | None => StagePrivilege::Read,
        }
    }

    /// Signs.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let direction = self.direction.unwrap_or(Direction::Download);
        let expire = Duration::from_secs(self.expire.unwrap_or(DEFAULT_SECONDS));
        let files = session.files_at(&self.location.area, self.privilege()).await?;
        // The storage itself would not ask.
        if direction == Direction::Upload {
            files.check_room()?;
        }
        let content_type = self.content_type.as_deref();
        let by_storage =
            files.presign(&self.location.path, direction, expire, content_type).await?;
        let signed = match by_storage {
            Some(signed) => signed,
            None => self.sign(session, direction, expire).await?,
        };
        let headers: Map<String, Json> =
            signed.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        let row =
            vec![signed.method.into(), Json::from(headers).to_string().into(), signed.url.into()];
        Ok(Outcome::rows(columns(), vec![row]))
    }

    /// A URL of our own.
    async fn sign(
        &self,
        session: &Session,
        direction: Direction,
        expire: Duration,
    ) -> Result<Presigned> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires = (now + expire).as_secs();
        let method = match direction {
            Direction::Download => "GET",
            Direction::Upload => "PUT",
        };
        let (area, scope) = scope(session, &self.location.area).await?;
        let content_type = self.content_type.as_deref().unwrap_or("");
        // A client that stores says itself what it stores.
        let fetched_as = if direction == Direction::Download { content_type } else { "" };
        let path = self.location.path.as_str();
        let link = Link { method, scope: &scope, path, expires, content_type: fetched_as };
        let signature = session.instance.stages.sign(&link);
        let stage = area.to_string();
        let segments: Vec<String> = path.split('/').map(encoded).collect();
        let mut url = format!(
            "{}/v1/stages/{}/{}?expires={expires}&signature={signature}",
            session.instance.public_url(),
            encoded(stage.trim_start_matches('@')),
            segments.join("/")
        );
        if let Scope::User(user, _) = &scope {
            url.push_str(&format!("&user={}", encoded(user)));
        }
        if !fetched_as.is_empty() {
            url.push_str(&format!("&content_type={}", encoded(fetched_as)));
        }
        let sent = (direction == Direction::Upload && !content_type.is_empty())
            .then(|| ("content-type".to_owned(), content_type.to_owned()));
        Ok(Presigned { method: method.to_owned(), headers: sent.into_iter().collect(), url })
    }
}

/// The area with its database, and what a signature for it names.
async fn scope(session: &Session, area: &Area) -> Result<(Area, Scope)> {
    match area {
        Area::User => {
            let user = session.peer.user.clone();
            Ok((Area::User, Scope::User(user.name, user.id)))
        }
        Area::Stage { database, name } => {
            let name = QualifiedName { database: database.clone(), name: name.clone() };
            let definition = session.stage(&session.stage_name(&name)?).await?;
            if definition.temporary {
                return Err(Error::Unsupported {
                    what: "PRESIGN on a temporary stage of this storage".to_owned(),
                    hint: Some("nobody but this connection knows the stage".to_owned()),
                });
            }
            let database = Some(definition.name.database.clone());
            let area = Area::Stage { database, name: definition.name.name.clone() };
            Ok((area, Scope::Stage(definition.id)))
        }
        Area::Table { database, name } => {
            let database = database.as_ref().or(session.database.as_ref());
            let database = database.ok_or(Error::NoDatabase)?.clone();
            let area = Area::Table { database: Some(database.clone()), name: name.clone() };
            Ok((area, Scope::Table(database, name.clone())))
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

impl fmt::Display for Presign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PRESIGN ")?;
        match self.direction {
            Some(Direction::Download) => f.write_str("DOWNLOAD ")?,
            Some(Direction::Upload) => f.write_str("UPLOAD ")?,
            None => {}
        }
        write!(f, "{}", self.location)?;
        if let Some(seconds) = self.expire {
            write!(f, " EXPIRE = {seconds}")?;
        }
        match &self.content_type {
            Some(text) => write!(f, " CONTENT_TYPE = {}", literal::text(text)),
            None => Ok(()),
        }
    }
}
