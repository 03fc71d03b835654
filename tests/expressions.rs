//! MySQL's expressions over a file, against what MySQL 9.7 answers: `tests/queries/expressions` has, between
//! tabs, an expression, MySQL's answer, and ours where it is another one.
#![cfg(feature = "query")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use support::client::{Client, Options, Response};
use support::server::{Server, config};

/// The row that all expressions are computed over.
const ROW: &str = "i,f,s,day,at,j\n5,2.25,Hello World,2024-02-29,2024-02-29 17:08:09,\"{\"\"a\"\": 1, \"\"b\"\": [2, {\"\"c\"\": \"\"x\"\"}]}\"\n";

fn answer(client: &mut Client, expression: &str) -> String {
    let sql = format!("SELECT {expression} FROM @lake/t.csv (PARSE_HEADER => TRUE)");
    match client.query(&sql).pop() {
        Some(Response::Rows { rows, .. }) => {
            let value = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
            value.unwrap_or_else(|| "NULL".to_owned()).replace('\n', "\\n")
        }
        Some(Response::Err(refusal)) => format!("ERROR {}", refusal.code),
        Some(Response::Ok { .. }) | None => "no rows".to_owned(),
    }
}

#[test]
fn expressions_are_answered_as_mysql_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::open(config(&dir.path().join("data"))).expect("a server");
    let mut client = Client::with(server.addr, &Options::default()).expect("a log-in");
    client.serve_map(BTreeMap::from([("/tmp/t.csv".to_owned(), ROW.as_bytes().to_vec())]));
    client.query("CREATE STAGE lake");
    client.query("PUT 'file:///tmp/t.csv' @lake AUTO_COMPRESS=FALSE");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries/expressions");
    let known = std::fs::read_to_string(&path).expect("expressions");
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for line in known.lines() {
        let mut parts = line.split('\t');
        let (expression, theirs) =
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let expected = parts.next().unwrap_or(theirs);
        let ours = answer(&mut client, expression);
        if ours != expected {
            wrong.push(format!("{expression}: {ours}, not {expected}"));
        }
        lines.push(match ours == theirs {
            true => format!("{expression}\t{theirs}\n"),
            false => format!("{expression}\t{theirs}\t{ours}\n"),
        });
    }
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(&path, lines.concat()).expect("written");
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
