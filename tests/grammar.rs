//! The grammar in `grammar/` and the parser agree, both ways. See `grammar/README.md`.

#[path = "support/ebnf.rs"]
mod ebnf;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ebnf::{Chance, Grammar, join};
use stagewire::error::Error;
use stagewire::statement::{ENTRIES, Statement};

/// Sentences per rule: enough that every alternative turns up many times.
const SENTENCES: usize = 2000;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grammar")
}

fn grammar() -> Grammar {
    let mut files: Vec<&str> = ENTRIES.iter().map(|entry| entry.grammar).collect();
    // `set_clauses` and `clauses` are read from their own files.
    files.dedup();
    Grammar::read(&dir(), &files)
}

/// `STAGEWIRE_TEST_SEED` repeats a failure; it is printed with every one.
fn seed() -> u64 {
    std::env::var("STAGEWIRE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(
        || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| u64::from(now.subsec_nanos()) | 1)
        },
    )
}

#[test]
fn random_sentences_are_read_and_what_they_print_is_the_same() {
    let (grammar, seed) = (grammar(), seed());
    let mut chance = Chance(seed);
    for entry in ENTRIES {
        let mut missing = grammar.branches(entry.grammar);
        for _ in 0..SENTENCES {
            let (pieces, took) = grammar.sentence(entry.grammar, &mut chance);
            missing.retain(|branch| !took.contains(branch));
            let sql = join(&pieces, &mut chance);
            let statement = match Statement::parse(&sql) {
                Ok(statement) => statement,
                // A rule knows no meanings: twice the same option, an internal stage with a key.
                Err(error) if error.code().number != 1064 => continue,
                Err(error) => panic!("seed {seed}: {sql}\n{}", error.message()),
            };
            let printed = statement.exposing_secrets();
            match Statement::parse(&printed) {
                Ok(again) => assert_eq!(again, statement, "seed {seed}: {sql}\nprinted {printed}"),
                Err(error) => {
                    panic!("seed {seed}: {sql}\nprinted {printed}\n{}", error.message())
                }
            }
        }
        assert!(missing.is_empty(), "never made, seed {seed}: {missing:?}");
    }
}

#[test]
fn broken_sentences_never_panic_and_errors_point_inside_the_text() {
    let (grammar, seed) = (grammar(), seed());
    let mut chance = Chance(seed);
    let mut refused = 0;
    for entry in ENTRIES {
        for _ in 0..SENTENCES {
            let (mut pieces, _) = grammar.sentence(entry.grammar, &mut chance);
            let at = chance.below(pieces.len());
            match chance.below(4) {
                0 => drop(pieces.remove(at)),
                1 => pieces.insert(at, pieces[at].clone()),
                2 => {
                    let other = chance.below(pieces.len());
                    pieces.swap(at, other);
                }
                _ => {
                    let piece = &mut pieces[at];
                    let cut =
                        piece.char_indices().map(|(n, _)| n).nth(chance.below(3)).unwrap_or(0);
                    piece.truncate(cut);
                }
            }
            let sql = join(&pieces, &mut chance);
            if let Err(error) = Statement::parse(&sql) {
                refused += 1;
                points_inside(&error, &sql, seed);
            }
        }
    }
    assert!(refused > SENTENCES, "breaking sentences must break some");
}

fn points_inside(error: &Error, sql: &str, seed: u64) {
    assert!(!error.message().is_empty());
    let Error::Syntax { at: Some(at), .. } = error else { return };
    let line = sql.lines().nth(at.span.line - 1).unwrap_or("");
    let inside = at.span.column <= line.chars().count() + 1;
    assert!(inside && line.starts_with(&at.line), "seed {seed}: {at:?} is not in {sql:?}");
}

#[test]
fn the_corpus_is_read_as_recorded_and_derives_from_the_grammar() {
    let grammar = grammar();
    let record = std::env::var_os("UPDATE_GOLDENFILES").is_some();
    // What several statements share needs a case with one of them only.
    let mut missing: BTreeSet<String> =
        ENTRIES.iter().flat_map(|entry| grammar.branches(entry.grammar)).collect();
    for entry in ENTRIES {
        let path = dir().join("corpus").join(entry.grammar);
        let mut written = String::new();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        for case in cases(&text) {
            let result = Statement::parse(&case);
            let derived = grammar.derives(entry.grammar, &case);
            match (&result, derived) {
                (Ok(_), Some(took)) => missing.retain(|branch| !took.contains(branch)),
                (Ok(_), None) => panic!("{path:?}: read, but does not derive: {case}"),
                (Err(error), Some(_)) => {
                    // Derives, but has no meaning; or the WHERE condition is no SQL.
                    let excused = error.code().number != 1064 || case.contains("WHERE");
                    assert!(excused, "{path:?}: derives, but is not read: {case}");
                }
                (Err(_), None) => {}
            }
            written.push_str(&recorded(&case, result));
        }
        if record {
            std::fs::write(&path, written).expect("the corpus can be written");
        } else {
            assert_eq!(text, written, "{path:?}: UPDATE_GOLDENFILES=1 records it anew");
        }
    }
    assert!(missing.is_empty(), "the corpus has no case for {missing:?}");
}

/// The inputs of a corpus file.
fn cases(text: &str) -> Vec<String> {
    text.split("\n\n")
        .map(|block| {
            let input = block.lines().take_while(|line| !is_answer(line));
            input.collect::<Vec<_>>().join("\n")
        })
        .filter(|input| !input.trim().is_empty())
        .collect()
}

fn is_answer(line: &str) -> bool {
    line.starts_with("=> ") || line.starts_with("!> ")
}

fn recorded(case: &str, result: Result<Statement, Error>) -> String {
    let (mark, answer) = match result {
        Ok(statement) => ("=> ", statement.exposing_secrets()),
        Err(error) => {
            let code = error.code();
            ("!> ", format!("ERROR {} ({}): {}", code.number, code.state, error.message()))
        }
    };
    let lines: Vec<String> = answer.lines().map(|line| format!("{mark}{line}")).collect();
    format!("{case}\n{}\n\n", lines.join("\n"))
}

#[test]
fn every_rule_of_the_readme_is_the_grammars() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let mut files: BTreeSet<&str> = ENTRIES.iter().map(|entry| entry.grammar).collect();
    files.insert("common");
    for file in files {
        let rules = std::fs::read_to_string(dir().join(format!("{file}.ebnf"))).expect("a rule");
        assert!(readme.contains(rules.trim()), "README.md has another text for {file}.ebnf");
    }
}
