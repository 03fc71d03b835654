//! `GET` reads the files at a location: their contents are the rows.
//!
//! ```text
//! GET <location> [PATTERN = '<regex>']
//!
//! > GET @lake/2024/a.csv
//! name        part  content
//! 2024/a.csv  0     id,title
//! > GET @lake file:///tmp/out
//! ERROR 1235 (42000): GET to 'file:///tmp/out' is not supported. Hint: the MySQL protocol lets no ...
//! ```
//!
//! For drivers and scripts. The path is a prefix and the pattern is over the whole name, as with
//! `LIST`; files come in byte order of their names, each in parts of [`PART_BYTES`], numbered from
//! 0. A file is whole when the next name or the end follows; an error packet ends what cannot be
//! read. An empty file is one row with nothing in `content`.
//!
//! From a shell, one file of one part is `mysql -N -B -r -e "GET @s/x"`, apart from the name, the
//! number and the line end that the tool writes around it; `stagewire get` has none of that.
//!
//! Snowflake's and bendsql's `GET` name a directory for their own driver to write to. No server can
//! ask that of a MySQL client, so a target is an error that says what to do.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::sql::cursor::{Cursor, Token};
use crate::sql::literal;
use crate::sql::location::Location;
use crate::stage::files::Files;
use crate::stage::name::StagePath;
use crate::stage::pattern::Pattern;
use crate::statement::{Statement, list};

/// The words that it begins with.
pub const LEADS: &[&str] = &["GET"];

/// The longest part of a file in one row. A row is one packet, and a driver takes none longer than
/// its `max_allowed_packet`: 4 MiB in older ones, more in the others.
pub const PART_BYTES: usize = 1 << 20;

/// The contents, part by part.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("name", Type::Text),
        Column::new("part", Type::UInt),
        Column::new("content", Type::Bytes),
    ]
}

/// `GET`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Where.
    pub location: Location,
    /// Which, as a regular expression over the whole name.
    pub pattern: Option<String>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    let mut get = Get { location: cursor.location("GET")?, pattern: None };
    while !cursor.at_end() {
        refuse_target(cursor)?;
        if cursor.sees("PATTERN") && get.pattern.is_none() {
            get.pattern = Some(list::parse_pattern(cursor)?);
        } else {
            return Err(cursor.expected_one_of(&["PATTERN"]));
        }
    }
    Ok(Statement::Get(get))
}

/// `file://...`, as in Snowflake and bendsql.
fn refuse_target(cursor: &Cursor<'_>) -> Result<()> {
    let target = match cursor.peek() {
        Token::Uri(text) | Token::Text(text) => text,
        Token::Word(_)
        | Token::Name(_)
        | Token::Number(_)
        | Token::Location(_)
        | Token::Sign(_)
        | Token::End => return Ok(()),
    };
    Err(Error::Unsupported {
        what: format!("GET to '{}'", target.escape_debug()),
        hint: Some(
            "the MySQL protocol lets no server write on a client's disk: use 'stagewire get \
             @stage/path <dir>' in a shell, GET without a target, whose rows are the contents, or \
             PRESIGN @stage/path for a URL"
                .to_owned(),
        ),
    })
}

impl Get {
    /// Reads while it lists.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let pattern = self.pattern.as_deref().map(Pattern::new).transpose()?;
        let files = session.files_at(&self.location.area, StagePrivilege::Read).await?;
        let rows = files
            .list(&self.location.path)
            .try_filter(move |entry| {
                let keep = pattern.as_ref().is_none_or(|pattern| pattern.matches(&entry.path));
                std::future::ready(keep)
            })
            .and_then(move |entry| contents(Arc::clone(&files), entry.path))
            .try_flatten()
            .boxed();
        Ok(Outcome::Rows { columns: columns(), rows })
    }
}

/// The rows of one file.
async fn contents(files: Arc<Files>, name: String) -> Result<BoxStream<'static, Result<Row>>> {
    let blocks = files.read(&StagePath::new(&name)?).await?;
    let numbered = parts(blocks).zip(stream::iter(0_u64..));
    let rows = numbered.map(move |(part, number)| {
        Ok(vec![Value::Text(name.clone()), Value::UInt(number), Value::Bytes(part?)])
    });
    Ok(rows.boxed())
}

/// Blocks of any size in parts of [`PART_BYTES`], the last one shorter; one empty part for nothing.
fn parts(blocks: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    struct Open {
        blocks: BoxStream<'static, Result<Bytes>>,
        waiting: BytesMut,
        given: bool,
    }
    let open = Open { blocks, waiting: BytesMut::new(), given: false };
    stream::try_unfold(Some(open), |open| async {
        let Some(mut open) = open else { return Ok(None) };
        while open.waiting.len() < PART_BYTES {
            match open.blocks.next().await {
                Some(block) => open.waiting.extend_from_slice(&block?),
                None if open.waiting.is_empty() && open.given => return Ok(None),
                None => return Ok(Some((open.waiting.freeze(), None))),
            }
        }
        open.given = true;
        let part = open.waiting.split_to(PART_BYTES).freeze();
        Ok(Some((part, Some(open))))
    })
    .boxed()
}

impl fmt::Display for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.location)?;
        match &self.pattern {
            Some(pattern) => write!(f, " PATTERN = {}", literal::text(pattern)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of the parts of blocks of these lengths; all bytes in order.
    async fn lengths(blocks: &[usize]) -> Vec<usize> {
        let total: usize = blocks.iter().sum();
        let all: Bytes = (0..total).map(|n| n.to_le_bytes()[1]).collect::<Vec<u8>>().into();
        let mut rest = all.clone();
        let blocks: Vec<_> = blocks.iter().map(|&length| Ok(rest.split_to(length))).collect();
        let parts: Vec<Bytes> =
            parts(stream::iter(blocks).boxed()).try_collect().await.expect("no error");
        assert_eq!(parts.concat(), all);
        parts.iter().map(Bytes::len).collect()
    }

    #[tokio::test]
    async fn parts_are_full_but_for_the_last() {
        const FULL: usize = PART_BYTES;
        assert_eq!(lengths(&[]).await, [0]);
        assert_eq!(lengths(&[1]).await, [1]);
        assert_eq!(lengths(&[1, FULL - 1]).await, [FULL]);
        assert_eq!(lengths(&[FULL - 1, 2]).await, [FULL, 1]);
        assert_eq!(lengths(&[3 * FULL + 5, 7]).await, [FULL, FULL, FULL, 12]);
    }

    #[tokio::test]
    async fn a_failure_ends_the_parts() {
        let blocks = stream::iter([Ok(Bytes::from_static(b"a")), Err(Error::Shutdown)]).boxed();
        let parts: Vec<Result<Bytes>> = parts(blocks).collect().await;
        assert!(matches!(parts.as_slice(), [Err(Error::Shutdown)]));
    }
}
