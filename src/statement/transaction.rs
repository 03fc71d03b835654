//! `BEGIN`, `COMMIT`, `SAVEPOINT`, `LOCK TABLES` ...: accepted, for there is nothing to roll back. Drivers
//! send them around whatever they do.
//!
//! ```text
//! > START TRANSACTION READ ONLY
//! > COMMIT AND NO CHAIN
//! > ROLLBACK TO SAVEPOINT a
//! > COMMIT NOW
//! ERROR 1064 (42000): Expected AND, RELEASE or the end of the statement, found 'NOW' ...
//! ```

use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::sql::scan::Scan;
use crate::statement::Statement;

/// The words that they begin with.
pub const LEADS: &[&str] =
    &["BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "LOCK", "UNLOCK"];

/// Reads one.
pub fn parse(scan: &Scan<'_>) -> Result<Statement> {
    let mut cursor = Cursor::from_scan(scan.statement, scan)?;
    let first = cursor.keyword().unwrap_or_default();
    cursor.advance();
    match first.as_str() {
        "BEGIN" => {
            let _ = cursor.eat("WORK");
            cursor.expect_end("WORK")?;
        }
        "START" => start(&mut cursor)?,
        "COMMIT" => completion(&mut cursor)?,
        "ROLLBACK" => {
            let _ = cursor.eat("WORK");
            if cursor.eat("TO") {
                let _ = cursor.eat("SAVEPOINT");
                cursor.name("a savepoint")?;
                cursor.expect_end("")?;
            } else {
                completion(&mut cursor)?;
            }
        }
        "RELEASE" => {
            cursor.expect("SAVEPOINT")?;
            cursor.name("a savepoint")?;
            cursor.expect_end("")?;
        }
        "LOCK" | "UNLOCK" => lock(&mut cursor, first == "LOCK")?,
        _ => {
            cursor.name("a savepoint")?;
            cursor.expect_end("")?;
        }
    }
    Ok(Statement::Transaction)
}

fn start(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.expect("TRANSACTION")?;
    let modes: [&[&str]; 3] =
        [&["WITH", "CONSISTENT", "SNAPSHOT"], &["READ", "ONLY"], &["READ", "WRITE"]];
    loop {
        let found = modes.iter().any(|mode| cursor.eat_all(mode));
        if !found || !cursor.eat_sign(",") {
            break;
        }
    }
    cursor.expect_end("WITH CONSISTENT SNAPSHOT, READ ONLY, READ WRITE")
}

/// `[WORK] [AND [NO] CHAIN] [[NO] RELEASE]`
fn completion(cursor: &mut Cursor<'_>) -> Result<()> {
    let _ = cursor.eat("WORK");
    if cursor.eat("AND") {
        let _ = cursor.eat("NO");
        cursor.expect("CHAIN")?;
    }
    if !cursor.eat_all(&["NO", "RELEASE"]) {
        let _ = cursor.eat("RELEASE");
    }
    cursor.expect_end("AND, RELEASE")
}

/// `LOCK TABLES a READ, b AS c WRITE`, `UNLOCK TABLES`
fn lock(cursor: &mut Cursor<'_>, lock: bool) -> Result<()> {
    if cursor.eat("INSTANCE") {
        if lock {
            cursor.expect("FOR")?;
            cursor.expect("BACKUP")?;
        }
        return cursor.expect_end("");
    }
    if !cursor.eat("TABLES") {
        cursor.expect("TABLE")?;
    }
    if !lock {
        return cursor.expect_end("");
    }
    loop {
        QualifiedName::parse(cursor)?;
        if !cursor.sees("READ") && !cursor.sees("WRITE") && !cursor.sees("LOW_PRIORITY") {
            let _ = cursor.eat("AS");
            cursor.name("an alias")?;
        }
        if cursor.eat("READ") {
            let _ = cursor.eat("LOCAL");
        } else {
            let _ = cursor.eat("LOW_PRIORITY");
            cursor.expect("WRITE")?;
        }
        if !cursor.eat_sign(",") {
            break;
        }
    }
    cursor.expect_end("")
}
