//! Where in a query a table may stand: there `@x` is a location, everywhere else a variable.
//!
//! ```text
//! SELECT @a, SUBSTRING(x FROM @b) FROM @s/x.csv t, (SELECT * FROM @c) JOIN @d ON t.y = @e
//!        ^^                   ^^       ^^^^^^^^                     ^^       ^^          ^^
//!     variable             variable    location                     location  location    variable
//! ```
//!
//! `COPY INTO @a FROM @b` is read as a query whose `INTO` and `FROM` each have one.

/// Words behind which a `FROM` has ended.
const ENDS: &[&str] = &[
    "EXCEPT",
    "FOR",
    "GROUP",
    "HAVING",
    "INTERSECT",
    "INTO",
    "LIMIT",
    "ON",
    "ORDER",
    "UNION",
    "USING",
    "WHERE",
    "WINDOW",
];

/// Functions in the place of a table whose argument is a location.
const OF_A_LOCATION: &[&str] = &["DIRECTORY", "INFER_SCHEMA", "INSPECT_PARQUET", "LIST_STAGE"];

/// Follows the tokens of a query.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// What is open: the query, and each parenthesis in it.
    open: Vec<Part>,
    /// What the present part is.
    part: Part,
    /// Whether a table may come next.
    next: bool,
    /// Whether the last word was the name of a function of a location.
    function: bool,
    /// The last sign, as far as it matters: the first half of `=>`.
    equals: bool,
}

/// A query, or what is between parentheses.
#[derive(Debug, Default, Clone, Copy)]
struct Part {
    /// Whether it is a query: a `FROM` without one belongs to `SUBSTRING(x FROM 2)`.
    query: bool,
    /// Whether this is its `FROM`.
    from: bool,
    /// Whether it holds the arguments of a function of a location.
    arguments: bool,
    /// Whether it is `COPY INTO`, and no query.
    copies: bool,
}

impl Tables {
    /// For `COPY INTO`.
    pub(super) fn of_copy() -> Tables {
        let part = Part { query: true, copies: true, ..Part::default() };
        Tables { part, ..Tables::default() }
    }

    /// Whether what comes now stands where a table may.
    pub(super) fn expected(&self) -> bool {
        self.next
    }

    /// A word has come.
    pub(super) fn word(&mut self, word: &str) {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        self.function = self.next && OF_A_LOCATION.iter().any(|name| is(name));
        self.next = false;
        if is("SELECT") {
            self.part = Part { query: true, ..Part::default() };
        } else if is("FROM") && self.part.query {
            self.part.from = true;
            self.next = true;
        } else if (is("INTO") && self.part.copies)
            || ((is("JOIN") || is("STRAIGHT_JOIN")) && self.part.from)
        {
            self.next = true;
        } else if ENDS.iter().any(|end| is(end)) && self.part.query {
            // Another join may follow a condition, but no other table by a comma.
            self.part.from = self.part.from && (is("ON") || is("USING"));
        }
        self.equals = false;
    }

    /// Another character has come that is no blank, no part of a word and of no text.
    pub(super) fn sign(&mut self, sign: char) {
        let argument = self.part.arguments && self.equals && sign == '>';
        match sign {
            '(' => {
                self.open.push(self.part);
                // Tables that are joined in parentheses go on where one may stand.
                let (from, arguments) = (self.next, self.function);
                let part = Part { from, arguments, ..Part::default() };
                self.next = self.next || self.function;
                self.part = part;
            }
            ')' => {
                self.part = self.open.pop().unwrap_or_default();
                self.next = false;
            }
            ',' => self.next = self.part.from,
            _ => self.next = argument,
        }
        self.function = false;
        self.equals = sign == '=';
    }

    /// A text, a quoted name or a location has come.
    pub(super) fn other(&mut self) {
        (self.next, self.function, self.equals) = (false, false, false);
    }
}
