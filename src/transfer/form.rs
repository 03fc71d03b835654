//! What a file becomes on a stage: its name and its compression there.

use crate::error::{Error, Result};
use crate::transfer::compression::Compression;
use crate::transfer::encoder::AutoCompress;

/// What a file becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its name on the stage.
    pub name: String,
    /// How it comes.
    pub source: Compression,
    /// How it is stored.
    pub stored: Compression,
}

impl Form {
    /// Of a file of this name: by its first bytes where they are known, unless it is declared. A
    /// declaration that the bytes contradict is an error.
    pub fn of(
        name: &str,
        head: Option<&[u8]>,
        declared: Option<Compression>,
        auto: AutoCompress,
    ) -> Result<Form> {
        let source = match (declared, head) {
            (Some(declared), head) => {
                if let Some(found) = head.and_then(|head| declared.contradicts(head)) {
                    return Err(Error::NotAsDeclared {
                        file: name.to_owned(),
                        declared: declared.name(),
                        found: found.name(),
                    });
                }
                declared
            }
            (None, Some(head)) => Compression::detect(name, head)?,
            (None, None) => Compression::of_name(name)?,
        };
        let packed = source == Compression::None && auto != AutoCompress::No;
        let (extension, stored) =
            if packed { (auto.extension(), auto.target()) } else { ("", source) };
        Ok(Form { name: format!("{name}{extension}"), source, stored })
    }

    /// Whether it is compressed on the way.
    pub fn is_packed(&self) -> bool {
        self.source != self.stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Snowflake's table, with what it leaves open.
    #[test]
    fn what_is_plain_is_packed_and_nothing_else() {
        let form = |name, head: &[u8], declared, auto| {
            let form = Form::of(name, Some(head), declared, auto).expect("a form");
            (form.name, form.source.name(), form.stored.name())
        };
        let expected = |name: &str, source, stored| (name.to_owned(), source, stored);
        let (none, gzip) = (Some(Compression::None), Some(Compression::Gzip));
        let packed: &[u8] = b"\x1f\x8b\x08";
        for declared in [None, none] {
            let found = form("a.csv", b"id", declared, AutoCompress::Gzip);
            assert_eq!(found, expected("a.csv.gz", "NONE", "GZIP"));
            let found = form("a.csv", b"id", declared, AutoCompress::No);
            assert_eq!(found, expected("a.csv", "NONE", "NONE"));
        }
        let found = form("a.csv", b"id", None, AutoCompress::Zstd);
        assert_eq!(found, expected("a.csv.zst", "NONE", "ZSTD"));
        for auto in [AutoCompress::Gzip, AutoCompress::Zstd, AutoCompress::No] {
            for (name, declared) in [("x.gz", None), ("x.gz", gzip), ("x", None), ("x", gzip)] {
                assert_eq!(form(name, packed, declared, auto), expected(name, "GZIP", "GZIP"));
            }
            let found = form("x.parquet", b"PAR1", None, auto);
            assert_eq!(found, expected("x.parquet", "PARQUET", "PARQUET"));
        }
        let found = form("x.gz", packed, none, AutoCompress::Gzip);
        assert_eq!(found, expected("x.gz.gz", "NONE", "GZIP"));
        assert!(Form::of("x.gz", Some(b"id"), gzip, AutoCompress::Gzip).is_err());
        assert!(Form::of("x.xz", None, None, AutoCompress::Gzip).is_err());
    }
}
