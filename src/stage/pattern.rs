//! `PATTERN='...'`: a regular expression over the paths of files.

use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// What a compiled expression may take. Enough for any pattern that a person writes; without a
/// bound, a few bytes such as `(.{1000}){1000}` take all memory.
const MAX_COMPILED_BYTES: usize = 1024 * 1024;

/// A regular expression that a path has to match from beginning to end.
///
/// The path is the one relative to the stage's root, as `LIST` shows it. Databend matches what
/// follows the path given in the statement, Snowflake the full path with the bucket's prefix.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression.
    pub fn new(pattern: &str) -> Result<Pattern> {
        // Compiled alone first, so that `a)|(b` is an error and its message shows no wrapping. A
        // pattern that fails only when wrapped ends in a comment of `(?x)`, as in `(?x) a # b`.
        compile(pattern)
            .and_then(|_| {
                compile(&format!(r"\A(?:{pattern})\z"))
                    .or_else(|_| compile(&format!("\\A(?:{pattern}\n)\\z")))
            })
            .map(Pattern)
            .map_err(|error| Error::BadPattern { pattern: pattern.to_owned(), why: reason(&error) })
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(MAX_COMPILED_BYTES).build()
}

/// One line; `regex` draws a picture of several.
fn reason(error: &regex::Error) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return "it needs too much memory".to_owned();
    }
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_anchored() {
        let pattern = Pattern::new(".*[.]csv").expect("valid");
        assert!(pattern.matches("2024/a.csv"));
        assert!(!pattern.matches("2024/a.csv.gz"));
        let either = Pattern::new("a|b").expect("valid");
        assert!(either.matches("a") && either.matches("b"));
        assert!(!either.matches("ab") && !either.matches("xb"));
        let commented = Pattern::new("(?x) a b # both").expect("valid");
        assert!(commented.matches("ab") && !commented.matches("abc"));
    }

    #[test]
    fn a_wrong_expression_says_why_in_one_line() {
        for pattern in ["a(", "*", "a)|(b", "[", "(.{1000}){1000}"] {
            let error = Pattern::new(pattern).expect_err(pattern).to_string();
            assert!(!error.contains('\n'), "{error}");
        }
        assert_eq!(
            Pattern::new("a(").expect_err("unclosed").to_string(),
            "Got error 'unclosed group' from regular expression 'a('"
        );
    }
}
