//! `CREATE FILE FORMAT` gives options of `FILE_FORMAT` a name, for stages and queries.
//!
//! ```text
//! CREATE [OR REPLACE] [TEMPORARY] FILE FORMAT [IF NOT EXISTS] [<database>.]<name>
//!     TYPE = <type> [<option> = <value> ...] [COMMENT = '...']
//!
//! > CREATE FILE FORMAT semicolons TYPE = CSV FIELD_DELIMITER = ';' PARSE_HEADER = TRUE
//! > CREATE STAGE lake FILE_FORMAT = (FORMAT_NAME = 'semicolons')
//! > SELECT * FROM @lake/a.csv (FILE_FORMAT => 'semicolons')
//! > CREATE FILE FORMAT csv TYPE = CSV
//! ERROR 1525 (HY000): Incorrect file format name 'csv': it is the name of a type
//! ```
//!
//! The options are those of `FILE_FORMAT = (...)`. Everybody may use and see a format: there are no files and
//! no secrets in it. Whoever may make stages in a database may make formats in it; who made one, and who owns
//! the database, may change it. `TEMPORARY`: seen by this connection alone, and gone with it.

use std::fmt;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::formats::Format;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::sql::options::{OptionValue, Options, Secrets};
use crate::stage::{Created, IfExists};
use crate::statement::{Statement, file_format, named_formats};

/// The words that it begins with.
pub const LEADS: &[&str] = &[
    "CREATE FILE FORMAT",
    "CREATE TEMPORARY FILE FORMAT",
    "CREATE TEMP FILE FORMAT",
    "CREATE OR REPLACE FILE FORMAT",
    "CREATE OR REPLACE TEMPORARY FILE FORMAT",
    "CREATE OR REPLACE TEMP FILE FORMAT",
];

/// `CREATE FILE FORMAT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFileFormat {
    /// What to do when the name is taken.
    pub if_exists: IfExists,
    /// Whether it ends with the connection.
    pub temporary: bool,
    /// Its name.
    pub name: QualifiedName,
    /// What it is; `COMMENT` is one of them.
    pub options: Options,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CREATE")?;
    let or_replace = cursor.eat_all(&["OR", "REPLACE"]);
    let temporary = cursor.eat("TEMPORARY") || cursor.eat("TEMP");
    cursor.expect("FILE")?;
    cursor.expect("FORMAT")?;
    let if_exists = if_exists(cursor, or_replace, "file format")?;
    let name = QualifiedName::parse_of(cursor, "file format")?;
    let options = Options::parse_open(cursor, "CREATE FILE FORMAT")?;
    let create = CreateFileFormat { if_exists, temporary, name, options };
    Ok(Statement::CreateFileFormat(create))
}

/// What `OR REPLACE`, which was there or not, and `IF NOT EXISTS`, which comes next or not, say together.
pub fn if_exists(cursor: &mut Cursor<'_>, or_replace: bool, what: &str) -> Result<IfExists> {
    if or_replace && cursor.sees("IF") {
        return Err(cursor.expected(format_args!(
            "a {what} name (OR REPLACE and IF NOT EXISTS exclude each other)"
        )));
    }
    if cursor.eat_all(&["IF", "NOT", "EXISTS"]) {
        return Ok(IfExists::Keep);
    }
    Ok(if or_replace { IfExists::Replace } else { IfExists::Fail })
}

impl CreateFileFormat {
    /// Creates it.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let mut options = self.options.clone();
        let comment = comment(&mut options)?.unwrap_or_default();
        let format = Format {
            options: file_format::check_named(&options)?,
            comment,
            creator: session.creator(),
            owner: session.peer.user.id,
            created_at: Timestamp::now(),
        };
        let name = session.new_stage_name(&self.name)?;
        named_formats::check_name(&name)?;
        named_formats::need_room_in(session, &name.database).await?;
        let created = if self.temporary {
            named_formats::create_temporary(session, &name, format, self.if_exists)?
        } else {
            let may = named_formats::may_change(session, &name.database).await?;
            session.instance.formats.create(&name, &format, self.if_exists, &may).await?
        };
        Ok(match created {
            Created::New | Created::Replaced => Outcome::done(),
            Created::Kept => {
                Outcome::done_with(format!("File format '{}' already exists", self.name))
            }
        })
    }
}

impl fmt::Display for CreateFileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_replace = if self.if_exists == IfExists::Replace { "OR REPLACE " } else { "" };
        let temporary = if self.temporary { "TEMPORARY " } else { "" };
        let keep = if self.if_exists == IfExists::Keep { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE {or_replace}{temporary}FILE FORMAT {keep}{}", self.name)?;
        f.write_str(&self.options.print_open(Secrets::Expose, &[]))
    }
}

/// Takes the comment out of the options.
pub fn comment(options: &mut Options) -> Result<Option<String>> {
    let value = options.0.iter().find(|(key, _)| key == "COMMENT").map(|(_, value)| value);
    if !matches!(value, None | Some(OptionValue::Text(_))) {
        return Err(Error::BadValue {
            option: "COMMENT".to_owned(),
            value: options.take("COMMENT").unwrap_or_default(),
            expected: "a text in quotes".to_owned(),
        });
    }
    Ok(options.take("COMMENT"))
}
