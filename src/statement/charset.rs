//! Character sets and collations, with MySQL's names and numbers.
//!
//! Everything is UTF-8 here. The others are those that clients name out of habit, and whose ASCII
//! part is the same; a client that would really send something else is told so when it names it.

use crate::error::{Error, Result};

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    /// Its name, and what its collations begin with.
    pub name: &'static str,
    /// What `SHOW CHARACTER SET` says of it.
    pub description: &'static str,
    /// The collation of who names none.
    pub collation: &'static str,
    /// The most bytes that a character takes.
    pub max_length: u64,
}

const fn charset(
    name: &'static str,
    description: &'static str,
    collation: &'static str,
    max_length: u64,
) -> Charset {
    Charset { name, description, collation, max_length }
}

/// By name.
pub const CHARSETS: &[Charset] = &[
    charset("ascii", "US ASCII", "ascii_general_ci", 1),
    charset("binary", "Binary pseudo charset", "binary", 1),
    charset("latin1", "cp1252 West European", "latin1_swedish_ci", 1),
    charset("utf8mb3", "UTF-8 Unicode", "utf8mb3_general_ci", 3),
    charset("utf8mb4", "UTF-8 Unicode", "utf8mb4_0900_ai_ci", 4),
];

/// By name, with the number that a handshake and a column have for it.
pub const COLLATIONS: &[(&str, u64)] = &[
    ("ascii_bin", 65),
    ("ascii_general_ci", 11),
    ("binary", 63),
    ("latin1_bin", 47),
    ("latin1_danish_ci", 15),
    ("latin1_general_ci", 48),
    ("latin1_general_cs", 49),
    ("latin1_german1_ci", 5),
    ("latin1_german2_ci", 31),
    ("latin1_spanish_ci", 94),
    ("latin1_swedish_ci", 8),
    ("utf8mb3_bin", 83),
    ("utf8mb3_croatian_ci", 213),
    ("utf8mb3_czech_ci", 202),
    ("utf8mb3_danish_ci", 203),
    ("utf8mb3_esperanto_ci", 209),
    ("utf8mb3_estonian_ci", 198),
    ("utf8mb3_general_ci", 33),
    ("utf8mb3_general_mysql500_ci", 223),
    ("utf8mb3_german2_ci", 212),
    ("utf8mb3_hungarian_ci", 210),
    ("utf8mb3_icelandic_ci", 193),
    ("utf8mb3_latvian_ci", 194),
    ("utf8mb3_lithuanian_ci", 204),
    ("utf8mb3_persian_ci", 208),
    ("utf8mb3_polish_ci", 197),
    ("utf8mb3_roman_ci", 207),
    ("utf8mb3_romanian_ci", 195),
    ("utf8mb3_sinhala_ci", 211),
    ("utf8mb3_slovak_ci", 205),
    ("utf8mb3_slovenian_ci", 196),
    ("utf8mb3_spanish2_ci", 206),
    ("utf8mb3_spanish_ci", 199),
    ("utf8mb3_swedish_ci", 200),
    ("utf8mb3_tolower_ci", 76),
    ("utf8mb3_turkish_ci", 201),
    ("utf8mb3_unicode_520_ci", 214),
    ("utf8mb3_unicode_ci", 192),
    ("utf8mb3_vietnamese_ci", 215),
    ("utf8mb4_0900_ai_ci", 255),
    ("utf8mb4_0900_as_ci", 305),
    ("utf8mb4_0900_as_cs", 278),
    ("utf8mb4_0900_bin", 309),
    ("utf8mb4_bg_0900_ai_ci", 318),
    ("utf8mb4_bg_0900_as_cs", 319),
    ("utf8mb4_bin", 46),
    ("utf8mb4_bs_0900_ai_ci", 316),
    ("utf8mb4_bs_0900_as_cs", 317),
    ("utf8mb4_croatian_ci", 245),
    ("utf8mb4_cs_0900_ai_ci", 266),
    ("utf8mb4_cs_0900_as_cs", 289),
    ("utf8mb4_czech_ci", 234),
    ("utf8mb4_da_0900_ai_ci", 267),
    ("utf8mb4_da_0900_as_cs", 290),
    ("utf8mb4_danish_ci", 235),
    ("utf8mb4_de_pb_0900_ai_ci", 256),
    ("utf8mb4_de_pb_0900_as_cs", 279),
    ("utf8mb4_eo_0900_ai_ci", 273),
    ("utf8mb4_eo_0900_as_cs", 296),
    ("utf8mb4_es_0900_ai_ci", 263),
    ("utf8mb4_es_0900_as_cs", 286),
    ("utf8mb4_es_trad_0900_ai_ci", 270),
    ("utf8mb4_es_trad_0900_as_cs", 293),
    ("utf8mb4_esperanto_ci", 241),
    ("utf8mb4_estonian_ci", 230),
    ("utf8mb4_et_0900_ai_ci", 262),
    ("utf8mb4_et_0900_as_cs", 285),
    ("utf8mb4_general_ci", 45),
    ("utf8mb4_german2_ci", 244),
    ("utf8mb4_gl_0900_ai_ci", 320),
    ("utf8mb4_gl_0900_as_cs", 321),
    ("utf8mb4_hr_0900_ai_ci", 275),
    ("utf8mb4_hr_0900_as_cs", 298),
    ("utf8mb4_hu_0900_ai_ci", 274),
    ("utf8mb4_hu_0900_as_cs", 297),
    ("utf8mb4_hungarian_ci", 242),
    ("utf8mb4_icelandic_ci", 225),
    ("utf8mb4_is_0900_ai_ci", 257),
    ("utf8mb4_is_0900_as_cs", 280),
    ("utf8mb4_ja_0900_as_cs", 303),
    ("utf8mb4_ja_0900_as_cs_ks", 304),
    ("utf8mb4_la_0900_ai_ci", 271),
    ("utf8mb4_la_0900_as_cs", 294),
    ("utf8mb4_latvian_ci", 226),
    ("utf8mb4_lithuanian_ci", 236),
    ("utf8mb4_lt_0900_ai_ci", 268),
    ("utf8mb4_lt_0900_as_cs", 291),
    ("utf8mb4_lv_0900_ai_ci", 258),
    ("utf8mb4_lv_0900_as_cs", 281),
    ("utf8mb4_mn_cyrl_0900_ai_ci", 322),
    ("utf8mb4_mn_cyrl_0900_as_cs", 323),
    ("utf8mb4_nb_0900_ai_ci", 310),
    ("utf8mb4_nb_0900_as_cs", 311),
    ("utf8mb4_nn_0900_ai_ci", 312),
    ("utf8mb4_nn_0900_as_cs", 313),
    ("utf8mb4_persian_ci", 240),
    ("utf8mb4_pl_0900_ai_ci", 261),
    ("utf8mb4_pl_0900_as_cs", 284),
    ("utf8mb4_polish_ci", 229),
    ("utf8mb4_ro_0900_ai_ci", 259),
    ("utf8mb4_ro_0900_as_cs", 282),
    ("utf8mb4_roman_ci", 239),
    ("utf8mb4_romanian_ci", 227),
    ("utf8mb4_ru_0900_ai_ci", 306),
    ("utf8mb4_ru_0900_as_cs", 307),
    ("utf8mb4_sinhala_ci", 243),
    ("utf8mb4_sk_0900_ai_ci", 269),
    ("utf8mb4_sk_0900_as_cs", 292),
    ("utf8mb4_sl_0900_ai_ci", 260),
    ("utf8mb4_sl_0900_as_cs", 283),
    ("utf8mb4_slovak_ci", 237),
    ("utf8mb4_slovenian_ci", 228),
    ("utf8mb4_spanish2_ci", 238),
    ("utf8mb4_spanish_ci", 231),
    ("utf8mb4_sr_latn_0900_ai_ci", 314),
    ("utf8mb4_sr_latn_0900_as_cs", 315),
    ("utf8mb4_sv_0900_ai_ci", 264),
    ("utf8mb4_sv_0900_as_cs", 287),
    ("utf8mb4_swedish_ci", 232),
    ("utf8mb4_tr_0900_ai_ci", 265),
    ("utf8mb4_tr_0900_as_cs", 288),
    ("utf8mb4_turkish_ci", 233),
    ("utf8mb4_unicode_520_ci", 246),
    ("utf8mb4_unicode_ci", 224),
    ("utf8mb4_vi_0900_ai_ci", 277),
    ("utf8mb4_vi_0900_as_cs", 300),
    ("utf8mb4_vietnamese_ci", 247),
    ("utf8mb4_zh_0900_as_cs", 308),
];

/// The character set of this name.
pub fn find(name: &str) -> Result<&'static Charset> {
    // What MySQL 8 calls so until it means utf8mb4.
    let name = if name.eq_ignore_ascii_case("utf8") { "utf8mb3" } else { name };
    let found = CHARSETS.iter().find(|charset| charset.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| Error::UnknownCharacterSet { name: name.to_owned() })
}

/// The collation of this name, as it is written.
pub fn find_collation(name: &str) -> Result<&'static str> {
    let found = COLLATIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match found {
        Some((known, _)) => Ok(known),
        None => Err(Error::UnknownCollation { name: name.to_owned() }),
    }
}

/// The character set that a collation sorts.
pub fn of_collation(collation: &str) -> &str {
    collation.split_once('_').map_or(collation, |(charset, _)| charset)
}

/// `NO PAD` where blanks at the end count, else `PAD SPACE`.
pub fn pad_attribute(collation: &str) -> &'static str {
    let counts = collation == "binary" || collation.contains("_0900_");
    if counts { "NO PAD" } else { "PAD SPACE" }
}

/// How much memory sorting takes, in MySQL's measure.
pub fn sort_length(collation: &str) -> u64 {
    match collation {
        "utf8mb4_0900_bin" => 1,
        "utf8mb4_ja_0900_as_cs_ks" => 24,
        _ if collation.contains("_0900_") => 0,
        _ if !collation.starts_with("utf8") => 1,
        _ if collation.ends_with("_bin") || collation.contains("_general_") => 1,
        "utf8mb3_tolower_ci" => 1,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_set_has_its_default_collation() {
        assert!(CHARSETS.is_sorted_by_key(|charset| charset.name));
        assert!(COLLATIONS.is_sorted_by_key(|(name, _)| name));
        for charset in CHARSETS {
            assert_eq!(find_collation(charset.collation).ok(), Some(charset.collation));
            assert_eq!(of_collation(charset.collation), charset.name);
        }
        for (collation, _) in COLLATIONS {
            assert!(find(of_collation(collation)).is_ok(), "{collation}");
        }
        assert_eq!(find("UTF8").ok().map(|charset| charset.name), Some("utf8mb3"));
        assert!(find("gbk").is_err());
    }
}
