//! `CALL STAGE_PUT` stores a value as a file: for drivers that know no LOCAL INFILE, and where it is
//! locked.
//!
//! ```text
//! CALL STAGE_PUT(<location of the file>, { '<content>' | X'<digits>' | ? } [, '<option> ...'])
//!
//! > CALL STAGE_PUT('@lake/2024/a.csv', 'id,name\n1,ada\n')
//! source  target  source_size  target_size  source_compression  target_compression  status    message
//! a.csv   a.csv   14           14           NONE                NONE                UPLOADED
//! > CALL STAGE_PUT('@lake', 'x')
//! ERROR 1525 (HY000): Incorrect path '': it names no file. Hint: ...
//! ```
//!
//! Prepared, with `?` for the content, a driver sends any bytes, in pieces where it does so
//! (`COM_STMT_SEND_LONG_DATA`). As text, the content must be UTF-8 or hexadecimal digits. Either way
//! it is held in memory and bounded by `max_allowed_packet`; files travel by `PUT` or HTTP.
//!
//! The options are those of `PUT`. The file keeps its bytes and its name unless they say otherwise,
//! and an existing file stays unless `OVERWRITE=TRUE`. The answer is `PUT`'s row, for every client.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::rows::{Outcome, Value};
use crate::session::Session;
use crate::sql::cursor::{Cursor, Token};
use crate::sql::literal;
use crate::sql::location::Location;
use crate::sql::options::Secrets;
use crate::stage::name::StagePath;
use crate::statement::Statement;
use crate::statement::put::{self, Options};
use crate::transfer::encoder::AutoCompress;

/// The words that it begins with.
pub const LEADS: &[&str] = &["CALL STAGE_PUT"];

/// `CALL STAGE_PUT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStagePut {
    /// The file.
    pub location: Location,
    /// What to store.
    pub content: Content,
    /// How.
    pub options: Options,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In the statement.
    Literal(Bytes),
    /// The first parameter of a prepared statement.
    Parameter,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CALL")?;
    cursor.expect("STAGE_PUT")?;
    cursor.expect_sign("(")?;
    let location = cursor.location("CALL STAGE_PUT(")?;
    cursor.expect_sign(",")?;
    let content = Content::parse(cursor)?;
    let options = if cursor.eat_sign(",") {
        options(&cursor.text("options in quotes, as in 'OVERWRITE=TRUE'")?)?
    } else {
        Options::default()
    };
    cursor.expect_sign(")")?;
    Ok(Statement::CallStagePut(CallStagePut { location, content, options }))
}

/// The options of `PUT`, but for those that speak of the client's files.
fn options(text: &str) -> Result<Options> {
    let options = Options::parse(text).map_err(elsewhere)?;
    if options.unpack || options.name.is_some() {
        return Err(Error::BadValue {
            option: "the options".to_owned(),
            value: text.to_owned(),
            expected: "neither AS nor UNPACK: the location names the file".to_owned(),
        });
    }
    Ok(options)
}

/// An error in the options points into a text of their own, which is not the statement.
fn elsewhere(error: Error) -> Error {
    if let Error::Syntax { expected, found, hint, .. } = error {
        Error::Syntax { expected, found, at: None, hint }
    } else {
        error
    }
}

impl Content {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Content> {
        // `_binary'...'`: how some drivers write bytes.
        if cursor.sees("_binary") {
            cursor.advance();
        }
        let content = match cursor.peek() {
            Token::Text(text) => Content::Literal(Bytes::from(text.clone())),
            Token::Sign(sign) if sign == "?" => Content::Parameter,
            Token::Sign(sign) => match unhex(sign) {
                Some(bytes) => Content::Literal(bytes),
                None => return Err(cursor.expected(EXPECTED)),
            },
            Token::Word(_)
            | Token::Name(_)
            | Token::Number(_)
            | Token::Location(_)
            | Token::Uri(_)
            | Token::End => return Err(cursor.expected(EXPECTED)),
        };
        cursor.advance();
        Ok(content)
    }
}

const EXPECTED: &str = "the content: a text in quotes, X'...' or ?";

/// `X'00ff'`
fn unhex(sign: &str) -> Option<Bytes> {
    let digits = sign.strip_prefix(['x', 'X'])?.strip_prefix('\'')?.strip_suffix('\'')?;
    let pairs = digits.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|pair| match pair {
            [_, _] => u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok(),
            _ => None,
        })
        .collect();
    bytes.map(Bytes::from)
}

impl CallStagePut {
    /// Stores it.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let content = match &self.content {
            Content::Literal(content) => content.clone(),
            Content::Parameter => match session.parameters.first() {
                Some(Value::Bytes(bytes)) => bytes.clone(),
                Some(Value::Null) | None => return Err(Error::WrongParameters),
                Some(value) => Bytes::from(value.to_string()),
            },
        };
        let path = self.location.path.as_str();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let location = Location { area: self.location.area.clone(), path: StagePath::new(dir)? };
        let mut options = self.options.clone();
        options.auto_compress.get_or_insert(AutoCompress::No);
        put::store(session, &location, name, &options, content).await
    }
}

impl CallStagePut {
    /// As it can be written again, if `secrets` are exposed; else without the content.
    pub fn print(&self, secrets: Secrets) -> String {
        let content = match (&self.content, secrets) {
            (Content::Parameter, _) => "?".to_owned(),
            (Content::Literal(bytes), Secrets::Mask) => format!("'**** {} bytes'", bytes.len()),
            (Content::Literal(bytes), Secrets::Expose) => match std::str::from_utf8(bytes) {
                Ok(text) => literal::text(text),
                Err(_) => literal::hex(bytes),
            },
        };
        let options = self.options.to_string();
        let options = match options.trim_start() {
            "" => String::new(),
            options => format!(", {}", literal::text(options)),
        };
        format!("CALL STAGE_PUT({}, {content}{options})", self.location)
    }
}
