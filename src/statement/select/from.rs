//! `FROM`: tables, queries in the place of tables, and joins.

use std::collections::{BTreeSet, HashMap};

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
    TableWithJoins,
};

use super::{Context, run, unsupported};
use crate::error::{Error, Result};
use crate::rows::{Row, Value};
use crate::statement::expression::{Field, Frame, evaluate, find_field, name_parts, truth};

/// More rows than a join is to have: it would not fit into memory.
const MAX_ROWS: usize = 2_000_000;

/// The columns and rows of a `FROM`.
pub(super) struct Relation {
    pub(super) fields: Vec<Field>,
    pub(super) rows: Vec<Row>,
}

impl Relation {
    fn has_table_of(&self, other: &Field) -> bool {
        self.fields.iter().any(|field| {
            field.schema == other.schema && field.table.eq_ignore_ascii_case(&other.table)
        })
    }
}

/// How two relations come together.
#[derive(Default)]
struct Join<'a> {
    /// What both rows must fulfil.
    on: Option<&'a Expr>,
    /// Equalities that only serve to find candidates: what they ask is checked later.
    hint: Option<&'a Expr>,
    /// Columns that both have, and that must be equal.
    using: Vec<Ident>,
    /// Whether a row of the left side stays without a partner.
    keeps_left: bool,
}

impl Context<'_> {
    /// All of a `FROM`. Without one there is one row of no columns.
    pub(super) fn relation(
        &self,
        from: &[TableWithJoins],
        condition: Option<&Expr>,
    ) -> Result<Relation> {
        let mut all = Relation { fields: Vec::new(), rows: vec![Vec::new()] };
        for (index, table) in from.iter().enumerate() {
            let mut relation = self.table(&table.relation)?;
            for join in &table.joins {
                let right = self.table(&join.relation)?;
                relation = self.join_by(relation, right, &join.join_operator)?;
            }
            all = if index == 0 {
                relation
            } else {
                self.join(all, relation, &Join { hint: condition, ..Join::default() })?
            };
        }
        Ok(all)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for a query engine")]
    fn table(&self, table: &TableFactor) -> Result<Relation> {
        match table {
            TableFactor::Table { name, alias, args: None, .. } => self.named(name, alias.as_ref()),
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                let (columns, rows) = run(subquery, self.session, self.world, None)?;
                let field = |mut column: crate::rows::Column, index: usize| {
                    if let Some(given) = alias.columns.get(index) {
                        column.name.clone_from(&given.name.value);
                    }
                    Field {
                        schema: String::new(),
                        table: alias.name.value.clone(),
                        column,
                        merged: false,
                    }
                };
                let fields = columns.into_iter().enumerate();
                let fields = fields.map(|(index, column)| field(column, index)).collect();
                Ok(Relation { fields, rows })
            }
            TableFactor::Derived { alias: None, .. } => Err(Error::NamelessTable),
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.relation(std::slice::from_ref(table_with_joins), None)
            }
            other => Err(unsupported(format!("FROM {other}"))),
        }
    }

    fn named(&self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<Relation> {
        let parts = name.0.iter().filter_map(|part| part.as_ident());
        let parts: Vec<&str> = parts.map(|part| part.value.as_str()).collect();
        if let [dual] = parts.as_slice()
            && dual.eq_ignore_ascii_case("DUAL")
        {
            return Ok(Relation { fields: Vec::new(), rows: vec![Vec::new()] });
        }
        let (schema, name) = match (parts.as_slice(), &self.session.database) {
            ([schema, name], _) => (*schema, *name),
            ([name], Some(database)) => (database.as_str(), *name),
            ([_], None) => return Err(Error::NoDatabase),
            (parts, _) => return Err(Error::UnknownTable { name: parts.join(".") }),
        };
        let Some(world) = self.world else {
            return Err(unsupported(format!("The table '{name}' here")));
        };
        let (columns, rows) = world.table(self.session, schema, name)?;
        let shown = alias.map_or(name, |alias| alias.name.value.as_str());
        let fields = columns.into_iter().map(|column| Field {
            schema: schema.to_owned(),
            table: shown.to_owned(),
            column,
            merged: false,
        });
        Ok(Relation { fields: fields.collect(), rows })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "MySQL has no other joins")]
    fn join_by(&self, left: Relation, right: Relation, how: &JoinOperator) -> Result<Relation> {
        let (constraint, keeps_left, swapped) = match how {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::StraightJoin(constraint) => (constraint, false, false),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (constraint, true, false)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                (constraint, true, true)
            }
            _ => return Err(unsupported("This kind of join")),
        };
        let mut join = Join { keeps_left, ..Join::default() };
        match constraint {
            JoinConstraint::On(on) => join.on = Some(on),
            JoinConstraint::Using(names) => {
                join.using = names
                    .iter()
                    .filter_map(|name| name.0.last().and_then(|part| part.as_ident()).cloned())
                    .collect();
            }
            JoinConstraint::Natural => {
                let has = |name: &str| {
                    let mut names = right.fields.iter().map(|field| &field.column.name);
                    names.any(|other| other.eq_ignore_ascii_case(name))
                };
                let names = left.fields.iter().map(|field| field.column.name.as_str());
                join.using = names.filter(|name| has(name)).map(Ident::from).collect();
            }
            JoinConstraint::None => {}
        }
        if swapped {
            let width = right.fields.len();
            let mut joined = self.join(right, left, &join)?;
            // The columns of the left side come first, whichever side keeps its rows.
            joined.fields.rotate_left(width);
            joined.rows.iter_mut().for_each(|row| row.rotate_left(width));
            return Ok(joined);
        }
        self.join(left, right, &join)
    }

    fn join(&self, left: Relation, right: Relation, join: &Join<'_>) -> Result<Relation> {
        if let Some(field) = right.fields.iter().find(|field| left.has_table_of(field)) {
            return Err(Error::SameTable { name: field.table.clone() });
        }
        let mut pairs =
            join.using.iter().map(|name| same(name, &left, &right)).collect::<Result<Vec<_>>>()?;
        let merged: BTreeSet<usize> = pairs.iter().map(|(_, right)| *right).collect();
        for condition in [join.on, join.hint].into_iter().flatten() {
            equalities(condition, &left.fields, &right.fields, &mut pairs);
        }
        let mut fields = left.fields;
        fields.extend(right.fields.iter().cloned().enumerate().map(|(index, mut field)| {
            field.merged |= merged.contains(&index);
            field
        }));
        let index = by_key(&right.rows, &pairs);
        let mut rows = Vec::new();
        for row in left.rows {
            self.session.go_on()?;
            let partners = match left_key(&row, &pairs) {
                Some(key) => index.get(&key).map_or(&[][..], Vec::as_slice),
                None => &[],
            };
            let mut found = false;
            for partner in partners.iter().filter_map(|partner| right.rows.get(*partner)) {
                let both: Row = row.iter().chain(partner).cloned().collect();
                let frame = Frame { fields: &fields, row: &both, outer: self.outer };
                let fits = match join.on {
                    Some(on) => truth(&evaluate(on, self.names(&frame))?) == Some(true),
                    None => true,
                };
                if fits {
                    found = true;
                    rows.push(both);
                }
            }
            if join.keeps_left && !found {
                let width = fields.len() - row.len();
                rows.push(row.into_iter().chain(std::iter::repeat_n(Value::Null, width)).collect());
            }
            if rows.len() > MAX_ROWS {
                return Err(unsupported(format!("A join of more than {MAX_ROWS} rows")));
            }
        }
        Ok(Relation { fields, rows })
    }
}

/// A column of each side that must be equal.
type Pair = (usize, usize);

/// The column that both sides have under a name.
fn same(name: &Ident, left: &Relation, right: &Relation) -> Result<Pair> {
    let left = find_field(&left.fields, &[name])?;
    let right = find_field(&right.fields, &[name])?;
    left.zip(right).ok_or_else(|| Error::UnknownColumn { name: name.value.clone() })
}

/// The `a.x = b.y` that a condition asks for, between columns of one type.
fn equalities(condition: &Expr, left: &[Field], right: &[Field], pairs: &mut Vec<Pair>) {
    if let Expr::Nested(inner) = condition {
        return equalities(inner, left, right, pairs);
    }
    let Expr::BinaryOp { left: a, op, right: b } = condition else { return };
    if *op == BinaryOperator::And {
        equalities(a, left, right, pairs);
        equalities(b, left, right, pairs);
    } else if *op == BinaryOperator::Eq {
        let pair = match (column(a, left), column(b, right)) {
            (Some(a), Some(b)) => Some((a, b)),
            _ => column(b, left).zip(column(a, right)),
        };
        let ty = |fields: &[Field], index: usize| fields.get(index).map(|field| field.column.ty);
        if let Some((a, b)) = pair
            && ty(left, a) == ty(right, b)
        {
            pairs.push((a, b));
        }
    }
}

fn column(expr: &Expr, fields: &[Field]) -> Option<usize> {
    find_field(fields, &name_parts(expr)?).ok().flatten()
}

/// The right side's rows by the values of their key; without one all have the same.
fn by_key(rows: &[Row], pairs: &[Pair]) -> HashMap<Vec<String>, Vec<usize>> {
    let mut index: HashMap<_, Vec<usize>> = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        let key = pairs.iter().map(|(_, column)| key_of(row.get(*column)));
        if let Some(key) = key.collect::<Option<Vec<_>>>() {
            index.entry(key).or_default().push(number);
        }
    }
    index
}

fn left_key(row: &Row, pairs: &[Pair]) -> Option<Vec<String>> {
    pairs.iter().map(|(column, _)| key_of(row.get(*column))).collect()
}

/// `NULL` is equal to nothing.
fn key_of(value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.to_string().to_lowercase()),
    }
}
