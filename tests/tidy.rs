//! What the compiler does not check: who may use whom, and that nothing is half there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use stagewire::statement::ENTRIES;

/// Each room with those that it may use. `error` and `config` are for all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("access", &["stage"]),
    ("client", &["sql", "transfer"]),
    ("compressed", &[]),
    ("config", &[]),
    ("counted", &["metrics"]),
    ("error", &["sql"]),
    ("exchange", &["tls"]),
    ("formats", &["similar", "stage"]),
    (
        "http",
        &["access", "counted", "instance", "metrics", "spans", "sql", "stage", "tls", "transfer"],
    ),
    (
        "instance",
        &["access", "exchange", "formats", "processes", "query", "schema", "stage", "tls"],
    ),
    ("metrics", &[]),
    ("processes", &[]),
    ("query", &["rows", "sql", "stage", "transfer"]),
    ("rows", &[]),
    ("schema", &["rows", "stage"]),
    (
        "server",
        &[
            "access",
            "compressed",
            "counted",
            "exchange",
            "instance",
            "metrics",
            "rows",
            "session",
            "spans",
            "tls",
        ],
    ),
    (
        "session",
        &[
            "access",
            "compressed",
            "formats",
            "instance",
            "metrics",
            "processes",
            "rows",
            "spans",
            "sql",
            "stage",
            "statement",
            "tls",
        ],
    ),
    ("similar", &[]),
    ("spans", &["rows"]),
    ("sql", &["similar", "stage"]),
    ("stage", &["metrics", "similar", "spans"]),
    (
        "statement",
        &[
            "access",
            "formats",
            "instance",
            "metrics",
            "processes",
            "query",
            "rows",
            "schema",
            "session",
            "similar",
            "sql",
            "stage",
            "tls",
            "transfer",
        ],
    ),
    ("tls", &[]),
    ("transfer", &["stage"]),
];

/// Crates that few rooms name.
const ALONE: &[(&str, &[&str])] = &[
    ("opensrv_mysql", &["server"]),
    ("opendal", &["stage"]),
    ("datafusion", &["query"]),
    ("object_store", &["query"]),
    ("deltalake_core", &["query"]),
    ("delta_kernel", &["query"]),
    ("csv", &["query"]),
    ("opendal_http_transport_reqwest", &["stage"]),
    ("quick_xml", &["stage"]),
    ("reqsign_aws_v4", &["stage"]),
    ("reqsign_core", &["stage"]),
    ("reqwest", &["spans", "stage"]),
    ("opentelemetry", &["spans"]),
    ("opentelemetry_http", &["spans"]),
    ("opentelemetry_otlp", &["spans"]),
    ("opentelemetry_sdk", &["spans"]),
    ("tracing_opentelemetry", &["spans"]),
    ("argon2", &["access"]),
    ("aws_lc_rs::rsa", &["exchange"]),
    ("axum", &["http"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("indicatif", &["client"]),
    ("mysql_async", &["client"]),
    ("flate2", &["compressed", "transfer"]),
    ("tokio_tar", &["transfer"]),
    ("rcgen", &["tls"]),
    ("rustls", &["tls"]),
    ("tokio_rustls", &["tls"]),
    ("sqlparser::tokenizer", &["sql"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with the room that it belongs to.
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join("src")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let below = path.strip_prefix(root().join("src")).expect("below src");
            let first = below.components().next().expect("a name");
            let room = Path::new(first.as_os_str()).with_extension("");
            let text = std::fs::read_to_string(&path).expect("text");
            found.push((path.clone(), room.display().to_string(), text));
        }
    }
    found
}

/// The words that follow `prefix` in the text.
fn after<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    text.match_indices(prefix)
        .filter_map(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (end > 0).then(|| &rest[..end])
        })
        .collect()
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_arrow_turns_back() {
    for (path, room, text) in sources() {
        // Doors for inputs of all kinds lead to all rooms; no program is built with them.
        if matches!(room.as_str(), "main" | "lib" | "fuzzing") {
            continue;
        }
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{room} is a new room: say whom it may use"));
        for used in after(&without_comments(&text), "crate::") {
            let known = MAY_USE.iter().any(|(name, _)| *name == used);
            let fine =
                used == room || matches!(used, "error" | "config") || allowed.contains(&used);
            assert!(!known || fine, "{} uses {used}", path.display());
        }
    }
}

#[test]
fn each_library_has_its_room() {
    for (path, room, text) in sources() {
        let code = without_comments(&text);
        for (library, owners) in ALONE {
            // The end of a statement is told by a token, in one place.
            let excused =
                *library == "sqlparser::tokenizer" && path.ends_with("statement/ordinary.rs");
            let named = code.contains(&format!("{library}::"));
            assert!(
                !named || owners.contains(&room.as_str()) || excused,
                "{} names {library}",
                path.display()
            );
        }
    }
}

#[test]
fn every_statement_has_a_grammar_a_corpus_and_a_script() {
    for entry in ENTRIES {
        let name = entry.grammar;
        for path in [
            format!("grammar/{name}.ebnf"),
            format!("grammar/corpus/{name}"),
            format!("tests/scripts/{name}"),
        ] {
            assert!(root().join(&path).is_file(), "{path} is missing");
        }
        assert!(!entry.leads.is_empty(), "{name} begins with nothing");
    }
}

#[test]
fn every_grammar_and_corpus_belongs_to_a_statement() {
    let known: BTreeSet<&str> = ENTRIES.iter().map(|entry| entry.grammar).collect();
    for entry in std::fs::read_dir(root().join("grammar/corpus")).expect("the corpus") {
        let name = entry.expect("an entry").file_name();
        assert!(
            known.contains(name.to_str().expect("a name")),
            "grammar/corpus/{name:?} is nobody's"
        );
    }
}

/// A variant that nobody makes is a promise not kept.
#[test]
fn every_error_is_made_somewhere() {
    let sources = sources();
    let errors =
        sources.iter().find(|(path, ..)| path.ends_with("src/error.rs")).expect("error.rs");
    let body = errors.2.split("pub enum Error {").nth(1).expect("the enum");
    let body = body.split("\n}\n").next().expect("its end");
    let variants = body.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?;
        let end = name.find([' ', ',']).unwrap_or(name.len());
        name.starts_with(|c: char| c.is_ascii_uppercase()).then(|| &name[..end])
    });
    for variant in variants {
        let made = sources.iter().any(|(path, _, text)| {
            let elsewhere = !path.ends_with("src/error.rs") && !path.ends_with("http/answer.rs");
            elsewhere && after(text, "Error::").contains(variant)
        });
        assert!(made, "Error::{variant} is never made");
    }
}
