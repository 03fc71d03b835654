//! The reader of `grammar/*.ebnf`: rules from text, random sentences from rules, and whether a
//! sentence derives from them. The notation is in `grammar/README.md`.

#![allow(unreachable_pub, reason = "the test includes this as a private module")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a class of tokens is one kind of token")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stagewire::sql::cursor::{Cursor, Token};
use stagewire::sql::location::Location;
use stagewire::sql::mode::SqlMode;
use stagewire::statement::Statement;
use stagewire::statement::put::Options as PutOptions;

/// One alternative of the grammar, as a name for reports: rule and number.
pub type Branch = String;

/// All rules.
#[derive(Debug)]
pub struct Grammar {
    rules: BTreeMap<String, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    /// A keyword in upper case, or a sign.
    Literal(String),
    /// A class of tokens: `NAME`, `1..99`.
    Class(String),
    Rule(String),
    Sequence(Vec<Node>),
    /// Each with the name of the branch.
    Choice(Vec<(Branch, Node)>),
    Optional(Branch, Box<Node>),
    Repeat(Branch, Box<Node>),
    AnyOrder {
        least: usize,
        items: Vec<(Branch, Node)>,
    },
}

/// Source of chance: xorshift64*, so that a seed gives the same sentences everywhere.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(bits).expect("31 bits") % n
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

impl Grammar {
    /// Reads `common.ebnf` and the named files.
    pub fn read(dir: &Path, files: &[&str]) -> Grammar {
        let mut rules = BTreeMap::new();
        for file in files.iter().chain(&["common"]) {
            let path = dir.join(format!("{file}.ebnf"));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            for (name, node) in Reader::new(&text).rules() {
                assert!(rules.insert(name.clone(), node).is_none(), "{name} is defined twice");
            }
            assert!(
                *file == "common" || rules.contains_key(*file),
                "{file}.ebnf has no rule {file}"
            );
        }
        Grammar { rules }
    }

    /// The names of all branches that a rule can reach.
    pub fn branches(&self, rule: &str) -> BTreeSet<Branch> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![rule.to_owned()];
        while let Some(rule) = open.pop() {
            if seen.insert(rule.clone()) {
                collect(self.rule(&rule), &mut found, &mut open);
            }
        }
        found
    }

    fn rule(&self, name: &str) -> &Node {
        self.rules.get(name).unwrap_or_else(|| panic!("there is no rule {name}"))
    }

    /// A random sentence as pieces, and the branches that it took.
    pub fn sentence(&self, rule: &str, chance: &mut Chance) -> (Vec<String>, BTreeSet<Branch>) {
        let (mut pieces, mut took) = (Vec::new(), BTreeSet::new());
        self.produce(self.rule(rule), chance, &mut pieces, &mut took);
        (pieces, took)
    }

    fn produce(
        &self,
        node: &Node,
        chance: &mut Chance,
        out: &mut Vec<String>,
        took: &mut BTreeSet<Branch>,
    ) {
        match node {
            Node::Literal(word) => out.push(any_case(word, chance)),
            Node::Class(class) => out.push(sample(class, chance)),
            Node::Rule(name) => self.produce(self.rule(name), chance, out, took),
            Node::Sequence(items) => {
                for item in items {
                    self.produce(item, chance, out, took);
                }
            }
            Node::Choice(items) => {
                let (branch, item) = chance.pick(items);
                took.insert(branch.clone());
                self.produce(item, chance, out, took);
            }
            Node::Optional(branch, item) => {
                if chance.below(2) == 0 {
                    took.insert(branch.clone());
                    self.produce(item, chance, out, took);
                }
            }
            Node::Repeat(branch, item) => {
                for _ in 0..chance.below(4) {
                    took.insert(branch.clone());
                    self.produce(item, chance, out, took);
                }
            }
            Node::AnyOrder { least, items } => {
                let mut left: Vec<&(Branch, Node)> = items.iter().collect();
                let count = least + chance.below(items.len() + 1 - least);
                for _ in 0..count {
                    let (branch, item) = left.remove(chance.below(left.len()));
                    took.insert(branch.clone());
                    self.produce(item, chance, out, took);
                }
            }
        }
    }

    /// Whether a statement derives from a rule; if so, the branches of one derivation.
    pub fn derives(&self, rule: &str, sql: &str) -> Option<BTreeSet<Branch>> {
        let tokens = tokens(sql)?;
        let end = tokens.len();
        self.matches(self.rule(rule), &tokens, 0)
            .into_iter()
            .find(|(at, _)| *at == end)
            .map(|(_, took)| took)
    }

    /// Every way to match a node from a place: where it ends, and the branches taken.
    fn matches(&self, node: &Node, tokens: &[Tok], at: usize) -> Vec<(usize, BTreeSet<Branch>)> {
        match node {
            Node::Literal(word) => one(tokens.get(at).is_some_and(|t| t.is_literal(word)), at + 1),
            Node::Class(class) if class == "QUERY" || class == "EXPRESSION" => {
                let end = end_of_inner(tokens, at, class == "EXPRESSION");
                one(end > at, end)
            }
            Node::Class(class) if class == "CONDITION" => one(at < tokens.len(), tokens.len()),
            Node::Class(class) => one(tokens.get(at).is_some_and(|t| t.is_class(class)), at + 1),
            Node::Rule(name) => self.matches(self.rule(name), tokens, at),
            Node::Sequence(items) => {
                let mut ways = vec![(at, BTreeSet::new())];
                for item in items {
                    ways = self.extend(&ways, item, tokens, None);
                }
                ways
            }
            Node::Choice(items) => items
                .iter()
                .flat_map(|(branch, item)| {
                    self.extend(&[(at, BTreeSet::new())], item, tokens, Some(branch))
                })
                .collect(),
            Node::Optional(branch, item) => {
                let start = vec![(at, BTreeSet::new())];
                let mut ways = self.extend(&start, item, tokens, Some(branch));
                ways.extend(start);
                ways
            }
            Node::Repeat(branch, item) => {
                let mut all = vec![(at, BTreeSet::new())];
                let mut last = all.clone();
                while !last.is_empty() {
                    last = self.extend(&last, item, tokens, Some(branch));
                    last.retain(|(end, _)| !all.iter().any(|(known, _)| known == end));
                    all.extend(last.clone());
                }
                all
            }
            Node::AnyOrder { least, items } => {
                let mut all = Vec::new();
                let mut last = vec![(at, BTreeSet::new(), BTreeSet::new())];
                while !last.is_empty() {
                    let mut next = Vec::new();
                    for (end, took, used) in last {
                        for (index, (branch, item)) in items.iter().enumerate() {
                            if used.contains(&index) {
                                continue;
                            }
                            for (end, took) in
                                self.extend(&[(end, took.clone())], item, tokens, Some(branch))
                            {
                                let mut used = used.clone();
                                used.insert(index);
                                next.push((end, took, used));
                            }
                        }
                        if used.len() >= *least {
                            all.push((end, took));
                        }
                    }
                    last = next;
                }
                all
            }
        }
    }

    fn extend(
        &self,
        ways: &[(usize, BTreeSet<Branch>)],
        item: &Node,
        tokens: &[Tok],
        branch: Option<&Branch>,
    ) -> Vec<(usize, BTreeSet<Branch>)> {
        let mut out = Vec::new();
        for (at, took) in ways {
            for (end, more) in self.matches(item, tokens, *at) {
                let mut took = took.clone();
                took.extend(more);
                took.extend(branch.cloned());
                out.push((end, took));
            }
        }
        out
    }
}

fn one(found: bool, end: usize) -> Vec<(usize, BTreeSet<Branch>)> {
    if found { vec![(end, BTreeSet::new())] } else { Vec::new() }
}

fn collect(node: &Node, found: &mut BTreeSet<Branch>, rules: &mut Vec<String>) {
    match node {
        Node::Literal(_) | Node::Class(_) => {}
        Node::Rule(name) => rules.push(name.clone()),
        Node::Sequence(items) => items.iter().for_each(|item| collect(item, found, rules)),
        Node::Choice(items) | Node::AnyOrder { items, .. } => {
            for (branch, item) in items {
                found.insert(branch.clone());
                collect(item, found, rules);
            }
        }
        Node::Optional(branch, item) | Node::Repeat(branch, item) => {
            found.insert(branch.clone());
            collect(item, found, rules);
        }
    }
}

/// Where a query or an expression ends that stands between parentheses.
fn end_of_inner(tokens: &[Tok], at: usize, at_comma: bool) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match &token.token {
            Token::Sign(sign) if sign == "(" => depth += 1,
            Token::Sign(sign) if sign == ")" && depth == 0 => return index,
            Token::Sign(sign) if sign == ")" => depth -= 1,
            Token::Sign(sign) if sign == "," && depth == 0 && at_comma => return index,
            Token::Word(word) if depth == 0 && at_comma && word.eq_ignore_ascii_case("AS") => {
                return index;
            }
            _ => {}
        }
    }
    tokens.len()
}

/// A token, and whether it was in double quotes (then it may be a name).
struct Tok {
    token: Token,
    double_quoted: bool,
}

fn tokens(sql: &str) -> Option<Vec<Tok>> {
    if !Statement::split(sql, SqlMode::default()).1.is_empty() {
        return None;
    }
    let mut cursor = Cursor::new(sql).ok()?;
    let mut tokens = Vec::new();
    while !cursor.at_end() {
        let double_quoted = cursor.rest().starts_with('"');
        tokens.push(Tok { token: cursor.peek().clone(), double_quoted });
        cursor.advance();
    }
    Some(tokens)
}

impl Tok {
    fn is_literal(&self, literal: &str) -> bool {
        match &self.token {
            Token::Word(word) => word.eq_ignore_ascii_case(literal),
            Token::Sign(sign) => sign == literal,
            Token::Location(text) => text == literal,
            _ => false,
        }
    }

    fn is_class(&self, class: &str) -> bool {
        match (class, &self.token) {
            ("NAME", Token::Word(_) | Token::Name(_)) => true,
            ("NAME", Token::Text(_)) => self.double_quoted,
            ("STRING", Token::Text(_))
            | ("NUMBER", Token::Number(_))
            | ("WORD", Token::Word(_)) => true,
            ("LOCATION", Token::Location(text) | Token::Text(text))
            | ("TABLE", Token::Name(text)) => Location::parse(text).is_ok(),
            ("EVERYWHERE", Token::Text(text)) => text == "%",
            ("HEX", Token::Sign(sign)) => sign.starts_with("X'"),
            ("PUT_OPTIONS", Token::Text(text)) => PutOptions::parse(text).is_ok(),
            ("URI", Token::Uri(_)) => true,
            ("URI", Token::Text(text)) => text.to_lowercase().starts_with("file://"),
            (range, Token::Number(number)) if range.contains("..") => {
                let (low, high) = range.split_once("..").expect("a range");
                let number: u64 = number.parse().unwrap_or(u64::MAX);
                (low.parse().expect("low")..=high.parse().expect("high")).contains(&number)
            }
            _ => false,
        }
    }
}

/// The pieces with random blanks and comments between them.
pub fn join(pieces: &[String], chance: &mut Chance) -> String {
    const BLANKS: &[&str] =
        &[" ", "  ", "\n", "\t", " /* it's @a #b */ ", " -- c;'\n", " # d\"\n", "/**/ "];
    let mut text = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            // A location or URI goes on up to a blank; signs need none.
            let last = &pieces[index - 1];
            let tight = (is_sign(piece) || is_sign(last)) && !is_open_ended(last);
            match chance.below(4) {
                0 if tight => {}
                0 | 1 => text.push(' '),
                _ if is_open_ended(last) => text.push_str(" /* c */ "),
                _ => text.push_str(chance.pick::<&str>(BLANKS)),
            }
        }
        text.push_str(piece);
    }
    if chance.below(3) == 0 {
        text.push_str(chance.pick::<&str>(&[";", " ;", "; -- end", ";\n/* end */\n"]));
    }
    text
}

fn is_sign(piece: &str) -> bool {
    matches!(piece, "=" | "," | "(" | ")")
}

fn is_open_ended(piece: &str) -> bool {
    piece.starts_with('@') || piece.to_lowercase().starts_with("file://")
}

fn any_case(word: &str, chance: &mut Chance) -> String {
    match chance.below(3) {
        0 => word.to_owned(),
        1 => word.to_lowercase(),
        _ => word
            .chars()
            .map(|c| if chance.below(2) == 0 { c.to_ascii_lowercase() } else { c })
            .collect(),
    }
}

/// A token of a class, nasty ones among them.
fn sample(class: &str, chance: &mut Chance) -> String {
    let from = |items: &[&str], chance: &mut Chance| (*chance.pick(items)).to_owned();
    match class {
        "NAME" => from(
            &[
                "lake",
                "_x$1",
                "été",
                "`my stage`",
                "`a``b`",
                "\"my stage\"",
                "\"it's\"",
                "`1`",
                "`#`",
                "`--`",
                "`select`",
                "stage",
                "list",
                "`a.b`",
            ],
            chance,
        ),
        "STRING" => from(
            &[
                "''",
                "'x'",
                "'it''s'",
                "'a\\'b'",
                "\"double\"",
                "'@s/*.csv'",
                "'-- no'",
                "'/* no */'",
                "'#'",
                "';'",
                "'C:\\\\t'",
                "'é 日本'",
                "'a\\nb'",
                "'.*[.]csv'",
                "'****'",
                "'a\\\\_b'",
            ],
            chance,
        ),
        "WORD" => from(&["CSV", "TRUE", "false", "auto"], chance),
        "NUMBER" => from(&["0", "1", "4096"], chance),
        "LOCATION" => from(
            &[
                "@s",
                "@s/",
                "@s/a/b.csv",
                "@s/a--b",
                "@s/#x",
                "@s/*.csv",
                "@db.s/x",
                "@~",
                "@~/a",
                "@%t",
                "@db.%t/x",
                "@\"my stage\"/a",
                "@`my s`/é",
                "'@s/a b'",
                "'@\"my stage\"/a b'",
                "'@s/it''s'",
                "@s/50%",
                "@s/a+b?c",
                "@2024/x",
                "\"@s/x\"",
                "@s/a=b:c",
            ],
            chance,
        ),
        "EVERYWHERE" => from(&["'%'", "\"%\""], chance),
        "TABLE" => from(&["`@s`", "`@s/a b.csv`", "`@db.s/#x`"], chance),
        "URI" => from(
            &[
                "file:///tmp/a.csv",
                "file:///tmp/a#b--c",
                "FILE:///a/%20",
                "file://C:\\temp\\n.csv",
                "'file:///tmp/a b.csv'",
                "'file:///it''s'",
                "\"file:///x\"",
                "file:///C:/x",
                "file://rel/a",
                "'file://~/x'",
            ],
            chance,
        ),
        "HEX" => from(&["X''", "x'00fF'", "X'6162'"], chance),
        "PUT_OPTIONS" => {
            from(&["''", "'OVERWRITE=TRUE'", "'auto_compress zstd OVERWRITE = FALSE'"], chance)
        }
        "QUERY" => from(
            &[
                "SELECT 1",
                "SELECT a, $1, @v FROM '@s/x#.csv' WHERE b = 'x)' AND c <> @@port",
                "WITH c AS (SELECT 1 AS x) SELECT x FROM c",
                "SELECT x FROM '@s/a b'(PATTERN => '.*[.]csv') AS t ORDER BY x LIMIT 5",
            ],
            chance,
        ),
        "EXPRESSION" => from(&["year", "CONCAT('d=', day, ',')", "`a b`", "n % 10"], chance),
        "CONDITION" => from(
            &[
                "name = 'x'",
                "name LIKE 'l%' AND 1 = 1",
                "(comment IS NULL)",
                "NOT name IN ('a', 'b')",
                "`name` <> \"#\"",
            ],
            chance,
        ),
        range if range.contains("..") => {
            let (low, high) = range.split_once("..").expect("a range");
            from(&[low, high], chance)
        }
        other => panic!("no samples for {other}"),
    }
}

/// Reads the notation.
struct Reader<'a> {
    rest: &'a str,
    rule: String,
    branches: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader { rest: text, rule: String::new(), branches: 0 }
    }

    fn rules(mut self) -> Vec<(String, Node)> {
        let mut rules = Vec::new();
        while !self.peek().is_empty() {
            let name = self.next();
            self.rule.clone_from(&name);
            self.branches = 0;
            self.expect("=");
            let node = self.choice(&[";"]);
            self.expect(";");
            rules.push((name, node));
        }
        rules
    }

    fn branch(&mut self, node: &str) -> Branch {
        self.branches += 1;
        format!("{} #{} {node}", self.rule, self.branches)
    }

    fn choice(&mut self, ends: &[&str]) -> Node {
        let mut items = vec![self.sequence(ends)];
        while self.peek() == "|" {
            self.next();
            items.push(self.sequence(ends));
        }
        if items.len() == 1 {
            return items.remove(0);
        }
        Node::Choice(items.into_iter().map(|item| (self.branch(&brief(&item)), item)).collect())
    }

    fn sequence(&mut self, ends: &[&str]) -> Node {
        let mut items = Vec::new();
        while self.peek() != "|" && !ends.contains(&self.peek().as_str()) {
            items.push(self.item());
        }
        assert!(!items.is_empty(), "an empty alternative in {}", self.rule);
        if items.len() == 1 { items.remove(0) } else { Node::Sequence(items) }
    }

    fn item(&mut self) -> Node {
        let token = self.next();
        match token.as_str() {
            "(" => self.closed(")"),
            "[" => {
                let item = self.closed("]");
                Node::Optional(self.branch(&brief(&item)), Box::new(item))
            }
            "{" => {
                let item = self.closed("}");
                Node::Repeat(self.branch(&brief(&item)), Box::new(item))
            }
            "{|" | "{1|" => {
                let mut items = Vec::new();
                loop {
                    items.push(self.sequence(&["|}"]));
                    if self.next() == "|}" {
                        break;
                    }
                }
                let items =
                    items.into_iter().map(|item| (self.branch(&brief(&item)), item)).collect();
                Node::AnyOrder { least: usize::from(token == "{1|"), items }
            }
            literal if literal.starts_with('"') => {
                Node::Literal(literal.trim_matches('"').to_owned())
            }
            class
                if class
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "._".contains(c)) =>
            {
                Node::Class(class.to_owned())
            }
            rule => Node::Rule(rule.to_owned()),
        }
    }

    fn closed(&mut self, end: &str) -> Node {
        let node = self.choice(&[end]);
        self.expect(end);
        node
    }

    fn expect(&mut self, token: &str) {
        let found = self.next();
        assert_eq!(found, token, "in rule {}", self.rule);
    }

    fn peek(&self) -> String {
        let rest = self.rest.trim_start();
        if let Some(text) = rest.strip_prefix('"') {
            let end = text.find('"').expect("a closing quote");
            return format!("\"{}\"", &text[..end]);
        }
        for sign in ["{1|", "{|", "|}"] {
            if rest.starts_with(sign) {
                return sign.to_owned();
            }
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let word: String = rest.chars().take_while(|c| is_word(*c)).collect();
        if word.is_empty() { rest.chars().take(1).collect() } else { word }
    }

    fn next(&mut self) -> String {
        let token = self.peek();
        self.rest = &self.rest.trim_start()[token.len()..];
        token
    }
}

fn brief(node: &Node) -> String {
    match node {
        Node::Literal(word) | Node::Class(word) | Node::Rule(word) => word.clone(),
        Node::Sequence(items) => items.iter().map(brief).collect::<Vec<_>>().join(" "),
        Node::Choice(_) => "(...)".to_owned(),
        Node::Optional(_, item) => format!("[{}]", brief(item)),
        Node::Repeat(_, item) => format!("{{{}}}", brief(item)),
        Node::AnyOrder { .. } => "{|...|}".to_owned(),
    }
}
