//! `COPY INTO <location>`: what is written reads back as it was; a statement that fails, is killed or whose client
//! goes away leaves no file.

#![cfg(feature = "query")]

mod support;

use support::client::{Client, Column, Response};
use support::server::until;
use support::world::{Storage, World};

/// Rows as the client gets them.
type Table = (Vec<Column>, Vec<Vec<Option<String>>>);

fn done(client: &mut Client, sql: &str) -> Response {
    let answer = client.query(sql).pop().expect("an answer");
    assert!(!matches!(answer, Response::Err(_)), "{sql}: {answer:?}");
    answer
}

fn rows(client: &mut Client, sql: &str) -> Table {
    match done(client, sql) {
        Response::Rows { columns, rows, .. } => (columns, rows),
        other @ (Response::Ok { .. } | Response::Err(_)) => panic!("{sql}: {other:?}"),
    }
}

fn refused(client: &mut Client, sql: &str) -> u16 {
    match client.query(sql).pop() {
        Some(Response::Err(refusal)) => refusal.code,
        other => panic!("{sql}: {other:?}"),
    }
}

/// A world with the stage `lake`, on which are two rows with parts, and a thousand numbers.
fn world(storage: Storage) -> Option<(World, Client)> {
    let world = World::new(storage)?;
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let parts = r#"{"k":1,"o":{"a":[1,null],"b":"x\"y"},"l":[1,2]}
{"k":2,"o":null,"l":null}
"#;
    let numbers: String = (0..1000).map(|number| format!("{number}\n")).collect();
    for (name, text) in [("parts.ndjson", parts), ("numbers.csv", numbers.as_str())] {
        let text = text.replace('\\', "\\\\").replace('\n', "\\n");
        done(&mut client, &format!("CALL STAGE_PUT('@lake/in/{name}', '{text}')"));
    }
    Some((world, client))
}

/// A value of each type in one row, and none in the other.
const EVERY_TYPE: &str = "SELECT k, o, l,
    IF(k = 1, CAST('-9223372036854775808' AS SIGNED), NULL) AS i,
    IF(k = 1, CAST('18446744073709551615' AS UNSIGNED), NULL) AS u,
    IF(k = 1, 0.1e0 + 0.2e0, NULL) AS d,
    IF(k = 1, CAST('12345678901234567890.0123456789' AS DECIMAL(30, 10)), NULL) AS exact,
    IF(k = 1, CAST('-0.01' AS DECIMAL(9, 2)), NULL) AS small,
    IF(k = 1, DATE '2024-02-29', NULL) AS day,
    IF(k = 1, TIMESTAMP '1999-12-31 23:59:59.123456', NULL) AS moment,
    IF(k = 1, x'00ff2722', NULL) AS bytes,
    IF(k = 1, 1 = 1, NULL) AS yes,
    IF(k = 1, 'it''s', NULL) AS text,
    NULL AS nothing
    FROM @lake/in/parts.ndjson ORDER BY k";

/// Texts that formats have to take care of.
const NASTY: &str = r#"SELECT * FROM (
    SELECT 1 AS n, 'a,b' AS t UNION ALL SELECT 2, '"q"' UNION ALL SELECT 3, 'l\n2\r\n3'
    UNION ALL SELECT 4, '\t' UNION ALL SELECT 5, NULL UNION ALL SELECT 6, 'x''y\\z'
    UNION ALL SELECT 7, '\\N' UNION ALL SELECT 8, 'NULL' UNION ALL SELECT 9, ' é 日本 '
    UNION ALL SELECT 10, '|;' UNION ALL SELECT 11, 'a""b,"' UNION ALL SELECT 12, '\r' {more}
    ) x ORDER BY n"#;

#[test]
fn every_type_comes_back() {
    let Some((_world, mut client)) = world(Storage::Fs) else { return };
    let wanted = rows(&mut client, EVERY_TYPE);
    assert_eq!(wanted.1.len(), 2);
    for (name, options) in [
        ("t.parquet", ""),
        ("snappy.parquet", "FILE_FORMAT = (COMPRESSION = SNAPPY)"),
        ("none.parquet", "FILE_FORMAT = (COMPRESSION = NONE)"),
        ("t.arrow", ""),
        ("zstd.arrow", "FILE_FORMAT = (COMPRESSION = ZSTD)"),
        ("stream.arrow", "FILE_FORMAT = (TYPE = ARROW_STREAM COMPRESSION = LZ4)"),
    ] {
        done(&mut client, &format!("COPY INTO @lake/{name} FROM ({EVERY_TYPE}) {options}"));
        let found = rows(&mut client, &format!("SELECT * FROM @lake/{name} ORDER BY k"));
        // A column of nothing has no type to keep.
        let kept = |table: &Table| table.0[..table.0.len() - 1].to_vec();
        assert_eq!(kept(&found), kept(&wanted), "{name}");
        assert_eq!(found.1, wanted.1, "{name}");
    }
    // Avro has no unsigned numbers; the values are the same.
    for codec in ["AUTO", "NONE", "SNAPPY", "ZSTD"] {
        let name = format!("{codec}.avro");
        let options = format!("FILE_FORMAT = (COMPRESSION = {codec})");
        done(&mut client, &format!("COPY INTO @lake/{name} FROM ({EVERY_TYPE}) {options}"));
        let found = rows(&mut client, &format!("SELECT * FROM @lake/{name} ORDER BY k"));
        assert_eq!(found.1, wanted.1, "{name}");
    }
}

#[test]
fn texts_come_back_whatever_is_in_them() {
    let Some((_world, mut client)) = world(Storage::Fs) else { return };
    // The engine computes it, for it is a query of files.
    let with_empty = NASTY
        .replace("{more}", "UNION ALL SELECT $1 + 20, '' FROM @lake/in/numbers.csv WHERE $1 = 0");
    let wanted = rows(&mut client, &with_empty);
    assert_eq!(wanted.1.len(), 13);
    for name in ["t.parquet", "t.ndjson", "t.ndjson.gz", "t.json.zst", "t.arrow", "t.avro"] {
        done(&mut client, &format!("COPY INTO @lake/{name} FROM ({with_empty})"));
        let found = rows(&mut client, &format!("SELECT * FROM @lake/{name} ORDER BY n"));
        assert_eq!(found.1, wanted.1, "{name}");
    }
    // In CSV an empty text is quoted, and `NULL` is nothing.
    for (name, options) in [
        ("a.csv", ""),
        ("b.csv.gz", ""),
        ("c.csv.bz2", ""),
        ("d.csv.zst", ""),
        ("e.tsv", ""),
        ("f.csv", "FIELD_DELIMITER = '|'"),
        ("g.csv", "FIELD_DELIMITER = ';' QUOTE = ''''"),
        ("h.csv", "ESCAPE = '\\\\'"),
        ("i.csv", "RECORD_DELIMITER = '\\r\\n'"),
        ("j.csv", "FIELD_DELIMITER = '\\t'"),
    ] {
        let format = match options {
            "" => String::new(),
            options => format!("FILE_FORMAT = (TYPE = CSV {options})"),
        };
        done(
            &mut client,
            &format!("COPY INTO @lake/{name} FROM ({with_empty}) HEADER = TRUE {format}"),
        );
        let options = options.replace(" = ", " => ").replace("' ", "', ");
        let comma = if options.is_empty() { "" } else { ", " };
        let sql =
            format!("SELECT * FROM @lake/{name} (PARSE_HEADER => TRUE{comma}{options}) ORDER BY n");
        assert_eq!(rows(&mut client, &sql).1, wanted.1, "{name}");
    }
}

/// A million rows, in order.
const MANY: &str = "SELECT a.$1 * 1000 + b.$1 AS n, REPEAT('x', 30) AS t
    FROM @lake/in/numbers.csv a, @lake/in/numbers.csv b";

#[test]
fn files_are_split_and_none_is_lost() {
    let Some((world, mut client)) = world(Storage::Fs) else { return };
    for (format, most) in [
        ("TYPE = CSV COMPRESSION = NONE", 200_000),
        ("TYPE = PARQUET COMPRESSION = NONE", 300_000),
        ("TYPE = NDJSON COMPRESSION = GZIP", 50_000),
    ] {
        let from = format!("FROM (SELECT * FROM ({MANY}) x WHERE n < 50000)");
        let sql = format!(
            "COPY INTO @lake/out {from} FILE_FORMAT = ({format}) MAX_FILE_SIZE = {most}
             DETAILED_OUTPUT = TRUE"
        );
        let (_, files) = rows(&mut client, &sql);
        assert!(files.len() > 1, "{format}: {files:?}");
        let number = |row: &Vec<Option<String>>, place: usize| -> u64 {
            row[place].as_deref().expect("a value").parse().expect("a number")
        };
        assert_eq!(files.iter().map(|row| number(row, 2)).sum::<u64>(), 50_000, "{format}");
        // Of the last one nobody knows.
        for row in &files {
            assert!(number(row, 1) < 3 * most, "{format}: {row:?}");
        }
        let listed: Vec<_> = world.list("lake");
        let stored = listed.iter().filter(|(path, _)| path.starts_with("out/"));
        assert_eq!(
            stored.map(|(_, size)| size).sum::<u64>(),
            files.iter().map(|row| number(row, 1)).sum::<u64>()
        );
        let column = if format.contains("CSV") { "$1" } else { "n" };
        let sum = format!("SELECT COUNT(*), SUM({column}) FROM @lake/out/");
        let sum = rows(&mut client, &sum).1.remove(0);
        assert_eq!(sum, [Some("50000".to_owned()), Some("1249975000".to_owned())], "{format}");
        done(&mut client, "REMOVE @lake/out/");
    }
}

#[test]
fn a_thousand_directories_have_a_file_each() {
    let Some((world, mut client)) = world(Storage::Fs) else { return };
    let from = format!("FROM (SELECT *, n % 1000 AS part FROM ({MANY}) x WHERE n < 20000)");
    let sql = format!("COPY INTO @lake/by {from} PARTITION BY (part)");
    let (_, sum) = rows(&mut client, &sql);
    assert_eq!(sum[0][0].as_deref(), Some("20000"));
    let files = world.list("lake").into_iter().filter(|(path, _)| path.starts_with("by/part="));
    assert_eq!(files.count(), 1000);
    let check = "SELECT COUNT(*), COUNT(DISTINCT part), SUM(n % 1000 = part) FROM @lake/by/";
    let (_, found) = rows(&mut client, check);
    let found: Vec<_> = found[0].iter().flatten().map(String::as_str).collect();
    assert_eq!(found, ["20000", "1000", "20000"]);
}

/// So small that many files are finished before the last one begins.
const SMALL: &str =
    "FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE FIELD_OPTIONALLY_ENCLOSED_BY = NONE)
    MAX_FILE_SIZE = 50000";

/// Only what was there before is there, seen or not.
fn until_nothing_is_left(world: &World) {
    until("the files are gone", || {
        let out = world.list("lake").into_iter().filter(|(path, _)| path.starts_with("out"));
        out.count() == 0 && world.unfinished().is_empty()
    });
}

fn a_failure_leaves_nothing(storage: Storage) {
    let Some((world, mut client)) = world(storage) else { return };
    // The last row can't be written.
    let bad =
        format!("SELECT n, IF(n = 99999, 'a,b', t) FROM ({MANY}) x WHERE n < 100000 ORDER BY n");
    assert_eq!(refused(&mut client, &format!("COPY INTO @lake/out/ FROM ({bad}) {SMALL}")), 1525);
    until_nothing_is_left(&world);
    let by = format!(
        "COPY INTO @lake/out/ FROM (SELECT n, t, n DIV 1000 AS p FROM ({bad}) y (n, t))
        PARTITION BY (p) {SMALL}"
    );
    assert_eq!(refused(&mut client, &by), 1525);
    until_nothing_is_left(&world);
    // And the connection lives on.
    done(
        &mut client,
        &format!("COPY INTO @lake/out/ FROM (SELECT * FROM ({MANY}) x LIMIT 10) {SMALL}"),
    );
}

#[test]
fn a_failure_leaves_nothing_on_fs() {
    a_failure_leaves_nothing(Storage::Fs);
}

#[test]
fn a_failure_leaves_nothing_on_s3() {
    a_failure_leaves_nothing(Storage::S3);
}

fn whoever_is_cut_off_leaves_nothing(storage: Storage) {
    let Some((world, mut witness)) = world(storage) else { return };
    let endless =
        format!("COPY INTO @lake/out/ FROM (SELECT x.n, x.t FROM ({MANY}) x, ({MANY}) y) {SMALL}");
    let seen = || world.list("lake").iter().any(|(path, _)| path.starts_with("out/"));
    // A client of `root`'s is killed; one goes away; one is out of time.
    let mut victim = Client::connect(world.server.addr);
    let id = victim.greeting.connection_id;
    victim.command(format!("\x03{endless}").as_bytes());
    until("a file is seen", seen);
    done(&mut witness, &format!("KILL QUERY {id}"));
    let Response::Err(refusal) = victim.response(false) else { panic!("it goes on") };
    assert_eq!(refusal.code, 1317);
    until_nothing_is_left(&world);
    done(&mut victim, "SET max_execution_time = 2000");
    assert_eq!(refused(&mut victim, &endless), 3024);
    until_nothing_is_left(&world);
    done(&mut victim, "SET max_execution_time = 0");
    victim.command(format!("\x03{endless}").as_bytes());
    until("a file is seen", seen);
    done(&mut witness, &format!("KILL {id}"));
    until_nothing_is_left(&world);
    drop(victim);
    let mut gone = Client::connect(world.server.addr);
    gone.command(format!("\x03{endless}").as_bytes());
    until("a file is seen", seen);
    drop(gone);
    until_nothing_is_left(&world);
}

#[test]
fn whoever_is_cut_off_leaves_nothing_on_fs() {
    whoever_is_cut_off_leaves_nothing(Storage::Fs);
}

#[test]
fn whoever_is_cut_off_leaves_nothing_on_s3() {
    whoever_is_cut_off_leaves_nothing(Storage::S3);
}

#[test]
fn a_quota_holds() {
    let Some((world, mut root)) = world(Storage::Fs) else { return };
    for sql in [
        "CREATE USER ann IDENTIFIED BY 'pass' WITH MAX_STAGE_BYTES 100000",
        "GRANT READ ON STAGE lake TO ann",
    ] {
        done(&mut root, sql);
    }
    let options = support::client::Options { user: "ann".to_owned(), ..Default::default() };
    let mut ann = Client::with(world.server.addr, &options).expect("a log-in");
    let sql = format!(
        "COPY INTO @~/x FROM ({MANY}) FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE) MAX_FILE_SIZE = 20000"
    );
    assert_eq!(refused(&mut ann, &sql), 1226);
    until("the files are gone", || rows(&mut ann, "LIST @~").1.is_empty());
    // What was reserved is free again.
    let few = format!("COPY INTO @~/x.csv FROM (SELECT * FROM ({MANY}) x LIMIT 1000)");
    done(&mut ann, &few);
    assert_eq!(refused(&mut ann, &few), 1086);
}

#[test]
fn a_file_is_read_and_replaced_by_one_statement() {
    let Some((_world, mut client)) = world(Storage::Fs) else { return };
    done(&mut client, "COPY INTO @lake/x.csv FROM (SELECT 1 AS a UNION ALL SELECT 2)");
    for _ in 0..2 {
        done(
            &mut client,
            "COPY INTO @lake/x.csv FROM (SELECT $1 + 1 FROM @lake/x.csv) OVERWRITE = TRUE",
        );
    }
    assert_eq!(
        rows(&mut client, "SELECT SUM($1), COUNT(*) FROM @lake/x.csv").1[0][0].as_deref(),
        Some("7")
    );
}

#[test]
fn of_two_at_once_one_has_the_name() {
    let Some((world, mut client)) = world(Storage::Fs) else { return };
    let sql = format!("COPY INTO @lake/one.csv FROM (SELECT * FROM ({MANY}) x WHERE n < 50000)");
    let addr = world.server.addr;
    let racers: Vec<_> = (0..4)
        .map(|_| {
            let sql = sql.clone();
            std::thread::spawn(move || match Client::connect(addr).query(&sql).pop() {
                Some(Response::Rows { .. }) => 0,
                Some(Response::Err(refusal)) => refusal.code,
                other => panic!("{other:?}"),
            })
        })
        .collect();
    let mut ends: Vec<u16> = racers.into_iter().map(|one| one.join().expect("an end")).collect();
    ends.sort_unstable();
    assert_eq!(ends, [0, 1086, 1086, 1086]);
    let count = rows(&mut client, "SELECT COUNT(*) FROM @lake/one.csv").1;
    assert_eq!(count, [[Some("50000".to_owned())]]);
    assert_eq!(world.unfinished(), [""; 0]);
}
