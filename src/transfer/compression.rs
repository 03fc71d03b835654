//! How a file is compressed: by what is declared, by its first bytes, by its name.
//!
//! Snowflake's drivers disagree on the order; the bytes are asked first here, for they are the only
//! ones that cannot be out of date.

use std::fmt;

use crate::error::{Error, Result};

/// Enough of a file's beginning to recognise every kind.
pub const MAGIC_BYTES: usize = 8;

/// What a file is compressed by. Parquet and ORC compress inside; their bytes are left alone too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952
    Gzip,
    /// bzip2
    Bzip2,
    /// RFC 7932
    Brotli,
    /// RFC 8878
    Zstd,
    /// RFC 1950, with the zlib header
    Deflate,
    /// RFC 1951
    RawDeflate,
    /// Apache Parquet
    Parquet,
    /// Apache ORC
    Orc,
}

/// Names of `SOURCE_COMPRESSION`, apart from `AUTO_DETECT`.
pub const DECLARED: &[(&str, Compression)] = &[
    ("GZIP", Compression::Gzip),
    ("BZ2", Compression::Bzip2),
    ("BROTLI", Compression::Brotli),
    ("ZSTD", Compression::Zstd),
    ("DEFLATE", Compression::Deflate),
    ("RAW_DEFLATE", Compression::RawDeflate),
    ("NONE", Compression::None),
];

/// Extensions that say what a file is.
const EXTENSIONS: &[(&str, Compression)] = &[
    (".gz", Compression::Gzip),
    (".tgz", Compression::Gzip),
    (".bz2", Compression::Bzip2),
    (".br", Compression::Brotli),
    (".zst", Compression::Zstd),
    (".deflate", Compression::Deflate),
    (".raw_deflate", Compression::RawDeflate),
    (".parquet", Compression::Parquet),
    (".orc", Compression::Orc),
];

/// Kinds that nobody who reads stages unpacks: Snowflake refuses them, and so do we.
const REFUSED: &[(&str, &[u8])] = &[
    (".xz", b"\xfd7zXZ\0"),
    (".lz", b"LZIP"),
    (".lzo", b"\x89LZO\0"),
    (".lzma", b""),
    (".Z", b"\x1f\x9d"),
];

impl Compression {
    /// As the result of `PUT` names it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "NONE",
            Compression::Gzip => "GZIP",
            Compression::Bzip2 => "BZIP2",
            Compression::Brotli => "BROTLI",
            Compression::Zstd => "ZSTD",
            Compression::Deflate => "DEFLATE",
            Compression::RawDeflate => "RAW_DEFLATE",
            Compression::Parquet => "PARQUET",
            Compression::Orc => "ORC",
        }
    }

    /// What the name of a file says; nothing where it says nothing.
    pub fn of_name(name: &str) -> Result<Compression> {
        // `.Z` is compress, while `.z` is anything.
        if let Some((extension, _)) =
            REFUSED.iter().find(|(extension, _)| name.ends_with(extension))
        {
            return Err(refused(extension));
        }
        let lower = name.to_ascii_lowercase();
        let known = EXTENSIONS.iter().find(|(extension, _)| lower.ends_with(extension));
        Ok(known.map_or(Compression::None, |(_, compression)| *compression))
    }

    /// What the first [`MAGIC_BYTES`] of a file say, else what its name says.
    pub fn detect(name: &str, head: &[u8]) -> Result<Compression> {
        for (extension, magic) in REFUSED {
            if !magic.is_empty() && head.starts_with(magic) {
                return Err(refused(extension));
            }
        }
        match Compression::of_bytes(head) {
            Some(compression) => Ok(compression),
            None => Compression::of_name(name),
        }
    }

    /// Whether the first bytes of a file speak against what it is declared to be. Brotli and raw
    /// deflate begin with anything.
    pub fn contradicts(self, head: &[u8]) -> Option<Compression> {
        let found = Compression::of_bytes(head).unwrap_or(Compression::None);
        let fits = match self {
            Compression::None | Compression::Brotli | Compression::RawDeflate => true,
            // Any window size and level: RFC 1950, 2.2.
            Compression::Deflate => is_zlib(head),
            Compression::Gzip
            | Compression::Bzip2
            | Compression::Zstd
            | Compression::Parquet
            | Compression::Orc => found == self,
        };
        (!fits && !head.is_empty()).then_some(found)
    }

    /// What the first [`MAGIC_BYTES`] of a file say; `None` if they may be anything.
    pub fn of_bytes(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Compression::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            [0xce, 0xb2, 0xcf, 0x81, ..] => Some(Compression::Brotli),
            [0x78, 0x01 | 0x9c | 0xda, ..] => Some(Compression::Deflate),
            [b'P', b'A', b'R', b'1', ..] => Some(Compression::Parquet),
            [b'O', b'R', b'C', ..] => Some(Compression::Orc),
            _ => None,
        }
    }
}

fn is_zlib(head: &[u8]) -> bool {
    match head {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0
        }
        _ => false,
    }
}

fn refused(extension: &str) -> Error {
    Error::Unsupported {
        what: format!("The compression of {extension} files"),
        hint: Some(
            "to upload the file as it is, add SOURCE_COMPRESSION=NONE AUTO_COMPRESS=FALSE"
                .to_owned(),
        ),
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_more_than_the_name() {
        let detect =
            |name, head: &[u8]| Compression::detect(name, head).map(Compression::name).ok();
        assert_eq!(detect("a.csv", b"id,name\n"), Some("NONE"));
        assert_eq!(detect("a.csv", b"\x1f\x8b\x08\0"), Some("GZIP"));
        assert_eq!(detect("a.csv.gz", b"id,name\n"), Some("GZIP"));
        assert_eq!(detect("A.PARQUET", b""), Some("PARQUET"));
        assert_eq!(detect("a", b"PAR1"), Some("PARQUET"));
        assert_eq!(detect("a", b"BZh91AY"), Some("BZIP2"));
        assert_eq!(detect("a", b"BZhello"), Some("NONE"));
        assert_eq!(detect("a.xz", b"id"), None);
        assert_eq!(detect("a", b"\xfd7zXZ\0"), None);
        assert_eq!(detect("a.Z", b""), None);
        assert_eq!(detect("a.z", b""), Some("NONE"));
    }
}
