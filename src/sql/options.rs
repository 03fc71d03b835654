//! `(KEY = 'value', KEY = 5, KEY = ('a', 'b'))`: the lists of options behind `CREDENTIALS`,
//! `CONNECTION`, `ENCRYPTION` and `FILE_FORMAT`; without parentheses those of `CREATE FILE FORMAT` and
//! `CREATE CONNECTION`.

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::sql::cursor::{Cursor, Token};
use crate::sql::literal;

/// A list of options, in the order in which they were written. Keys are in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options(pub Vec<(String, OptionValue)>);

/// The texts of a value that [`Options::pairs`] gave: of a list, or the one that it is.
pub fn texts(value: &str) -> Result<Vec<String>> {
    if !value.starts_with('(') {
        return Ok(vec![value.to_owned()]);
    }
    match OptionValue::parse_list(&mut Cursor::new(value)?, "a list")? {
        OptionValue::List(texts) => Ok(texts),
        OptionValue::Text(_) | OptionValue::Word(_) | OptionValue::Number(_) => Ok(Vec::new()),
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// A text in quotes.
    Text(Secret),
    /// A word without quotes, in upper case: `CSV`, `TRUE`.
    Word(String),
    /// A number, as written.
    Number(String),
    /// `('a', 'b')`
    List(Vec<String>),
}

/// Whether values in quotes are printed, or `****` for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Print `****`.
    Mask,
    /// Print them. Only to test that what was printed can be read again.
    Expose,
}

impl Options {
    /// Reads a list in parentheses. Commas between the options may be left out.
    pub fn parse(cursor: &mut Cursor<'_>, clause: &str) -> Result<Options> {
        cursor.expect_sign("(")?;
        let mut options = Options::default();
        while !cursor.eat_sign(")") {
            options.parse_one(cursor, clause, "or ')'")?;
        }
        Ok(options)
    }

    /// Reads a list without parentheses, up to the end of the statement.
    pub fn parse_open(cursor: &mut Cursor<'_>, clause: &str) -> Result<Options> {
        let mut options = Options::default();
        while !cursor.at_end() {
            options.parse_one(cursor, clause, "or the end of the statement")?;
        }
        Ok(options)
    }

    fn parse_one(&mut self, cursor: &mut Cursor<'_>, clause: &str, or: &str) -> Result<()> {
        let key = cursor.name(&format!("an option of {clause} {or}"))?.to_uppercase();
        if self.0.iter().any(|(known, _)| *known == key) {
            return Err(Error::BadValue {
                option: clause.to_owned(),
                value: key.clone(),
                expected: "each option once".to_owned(),
            });
        }
        cursor.expect_sign("=")?;
        let value = OptionValue::parse(cursor, &key)?;
        self.0.push((key, value));
        cursor.eat_sign(",");
        Ok(())
    }

    /// Takes an option out, as text.
    pub fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(at).1.to_text())
    }

    /// Keys and values, each value as text.
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(key, value)| (key.clone(), value.to_text())).collect()
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let options: Vec<String> = self.0.iter().map(|option| print_one(option, secrets)).collect();
        format!("({})", options.join(", "))
    }

    /// The same without parentheses, each option with a blank before it; what `open` names is no secret.
    pub fn print_open(&self, secrets: Secrets, open: &[&str]) -> String {
        let mut out = String::new();
        for option in &self.0 {
            let secrets = if open.contains(&option.0.as_str()) { Secrets::Expose } else { secrets };
            out.push(' ');
            out.push_str(&print_one(option, secrets));
        }
        out
    }
}

/// Options whose value is a name: written without quotes it keeps its case.
const NAMES: &[&str] = &["CONNECTION_NAME", "FORMAT_NAME"];

fn print_one((key, value): &(String, OptionValue), secrets: Secrets) -> String {
    format!("{} = {}", literal::name(key), value.print(secrets))
}

impl OptionValue {
    fn parse(cursor: &mut Cursor<'_>, key: &str) -> Result<OptionValue> {
        let value = match cursor.peek() {
            Token::Text(text) => OptionValue::Text(Secret::new(text.clone())),
            Token::Word(word) if NAMES.contains(&key) => {
                OptionValue::Text(Secret::new(word.clone()))
            }
            Token::Word(word) => OptionValue::Word(word.to_uppercase()),
            Token::Number(number) => OptionValue::Number(number.clone()),
            Token::Sign(sign) if sign == "(" => return OptionValue::parse_list(cursor, key),
            Token::Name(_) | Token::Location(_) | Token::Uri(_) | Token::Sign(_) | Token::End => {
                return Err(cursor.expected(format_args!("a value for {key}")));
            }
        };
        cursor.advance();
        Ok(value)
    }

    fn parse_list(cursor: &mut Cursor<'_>, key: &str) -> Result<OptionValue> {
        cursor.expect_sign("(")?;
        let mut texts = Vec::new();
        while !cursor.eat_sign(")") {
            texts.push(cursor.text(&format!("a text in quotes for {key}, or ')'"))?);
            if !cursor.eat_sign(",") {
                cursor.expect_sign(")")?;
                break;
            }
        }
        Ok(OptionValue::List(texts))
    }

    fn to_text(&self) -> String {
        match self {
            OptionValue::Text(text) => text.expose_secret().to_owned(),
            OptionValue::Word(text) | OptionValue::Number(text) => text.clone(),
            OptionValue::List(_) => self.print(Secrets::Expose),
        }
    }

    fn print(&self, secrets: Secrets) -> String {
        match (self, secrets) {
            // A password may be a word or a number as well.
            (_, Secrets::Mask) => "'****'".to_owned(),
            (OptionValue::Text(text), Secrets::Expose) => literal::text(text.expose_secret()),
            (OptionValue::Word(text) | OptionValue::Number(text), Secrets::Expose) => text.clone(),
            (OptionValue::List(texts), Secrets::Expose) => {
                let texts: Vec<String> = texts.iter().map(|text| literal::text(text)).collect();
                format!("({})", texts.join(", "))
            }
        }
    }
}
