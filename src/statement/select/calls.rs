//! Functions in the place of a table, over the files of a location.
//!
//! ```text
//! LIST_STAGE(LOCATION => '@s/path' [, PATTERN => '<regex>'])
//! DIRECTORY(@s)
//! INFER_SCHEMA(LOCATION => '@s/path' [, FILE_FORMAT => '<name>' | <option of FILE_FORMAT> => <value>, ...])
//!
//! INSPECT_PARQUET('@s/path.parquet')
//!
//! > SELECT SUM(size) FROM LIST_STAGE(LOCATION => '@lake', PATTERN => '.*[.]parquet')
//! > SELECT column_name, type FROM INFER_SCHEMA(LOCATION => '@lake/books.parquet')
//! > SELECT * FROM NOPE('@lake')
//! ERROR 1305 (42000): FUNCTION NOPE does not exist
//! ```

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr};

use super::wanted::{Wanted, named, text_of};
use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::query::{FileTable, ParquetFacts, Query, RowTable};
use crate::rows::{Column, Row, Type, Value};
use crate::session::Session;
use crate::sql::location::{Area, Location};
use crate::stage::files::Entry;
use crate::statement::list;
use crate::statement::tables::TypeName;

/// A call of one of these functions.
pub(super) struct Call {
    function: Called,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy)]
enum Called {
    ListStage,
    Directory,
    InferSchema,
    InspectParquet,
}

impl Call {
    /// Of its name and its arguments; the first may be the location without a name.
    pub(super) fn of(name: &str, args: &[FunctionArg]) -> Result<Call> {
        let function = match name.to_uppercase().as_str() {
            "LIST_STAGE" => Called::ListStage,
            "DIRECTORY" => Called::Directory,
            "INFER_SCHEMA" => Called::InferSchema,
            "INSPECT_PARQUET" => Called::InspectParquet,
            _ => return Err(Error::UnknownFunction { name: name.to_owned() }),
        };
        let (mut location, mut rest) = (None, Vec::new());
        for (index, arg) in args.iter().enumerate() {
            let value =
                if let (0, FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = (index, arg) {
                    Some(value)
                } else {
                    of_location(arg)
                };
            match value {
                Some(value) => location = Some(text_of("LOCATION", value)?),
                None => rest.push(arg.clone()),
            }
        }
        let location = location.ok_or_else(|| Error::BadValue {
            option: name.to_uppercase(),
            value: String::new(),
            expected: "LOCATION => '@stage/path'".to_owned(),
        })?;
        Ok(Call { function, wanted: Wanted::of(&location, &rest)? })
    }

    /// The files that it is about.
    pub(super) fn location(&self) -> &Location {
        &self.wanted.location
    }

    /// What it gives.
    pub(super) async fn table(&self, name: String, session: &Session) -> Result<RowTable> {
        let (columns, rows) = match self.function {
            Called::ListStage => {
                let rows = self.entries(session).await?.into_iter().map(list::row);
                (list::columns(), rows.collect())
            }
            Called::Directory => self.directory(session).await?,
            Called::InferSchema => self.schema(session).await?,
            Called::InspectParquet => self.inspection(session).await?,
        };
        Ok(RowTable { name, columns, rows })
    }

    async fn entries(&self, session: &Session) -> Result<Vec<Entry>> {
        let files = session.files_at(&self.wanted.location.area, StagePrivilege::Read).await?;
        // It has to be there, though nothing is read.
        self.wanted.format(session).await?;
        self.wanted.entries(&files).await
    }

    /// Snowflake's columns.
    async fn directory(&self, session: &Session) -> Result<(Vec<Column>, Vec<Row>)> {
        let columns = vec![
            Column::new("RELATIVE_PATH", Type::Text),
            Column::new("SIZE", Type::UInt),
            Column::nullable("LAST_MODIFIED", Type::MOMENT),
            Column::nullable("MD5", Type::Text),
            Column::nullable("ETAG", Type::Text),
            Column::nullable("FILE_URL", Type::Text),
        ];
        let stage = match &self.wanted.location.area {
            Area::Stage { database: None, name } => Some(name.clone()),
            Area::Stage { database: Some(database), name } => Some(format!("{database}.{name}")),
            Area::User | Area::Table { .. } => None,
        };
        let url = session.instance.public_url();
        let row = |entry: Entry| {
            let url = stage.as_ref().map(|stage| format!("{url}/v1/stages/{stage}/{}", entry.path));
            vec![
                Value::Text(entry.path),
                Value::UInt(entry.size),
                entry.last_modified.map_or(Value::Null, Value::moment),
                entry.md5.into(),
                entry.etag.into(),
                url.into(),
            ]
        };
        Ok((columns, self.entries(session).await?.into_iter().map(row).collect()))
    }

    /// The columns that the files have.
    pub(super) async fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        let table = self.wanted.table(FileTable::name_of(0), session).await?;
        session.instance.engine.columns(Query::of_all(table)?).await
    }

    /// Databend's columns.
    async fn schema(&self, session: &Session) -> Result<(Vec<Column>, Vec<Row>)> {
        let columns = vec![
            Column::new("column_name", Type::Text),
            Column::new("type", Type::Text),
            Column::new("nullable", Type::Bool),
            Column::new("filenames", Type::Text),
            Column::new("order_id", Type::UInt),
        ];
        let table = self.wanted.table(FileTable::name_of(0), session).await?;
        let names: Vec<String> = table.entries.iter().map(|entry| entry.path.clone()).collect();
        let found = session.instance.engine.columns(Query::of_all(table)?).await?;
        let row = |(column, order): (Column, u64)| {
            vec![
                Value::Text(column.name),
                TypeName::of(column.ty).column_type.into(),
                Value::Int(i64::from(column.nullable)),
                names.join(", ").into(),
                Value::UInt(order),
            ]
        };
        Ok((columns, found.into_iter().zip(0..).map(row).collect()))
    }
}

impl Call {
    /// Databend's columns, a row a file.
    async fn inspection(&self, session: &Session) -> Result<(Vec<Column>, Vec<Row>)> {
        let columns = vec![
            Column::nullable("created_by", Type::Text),
            Column::new("num_columns", Type::UInt),
            Column::new("num_rows", Type::UInt),
            Column::new("num_row_groups", Type::UInt),
            Column::new("serialized_size", Type::UInt),
            Column::new("max_row_groups_size_compressed", Type::UInt),
            Column::new("max_row_groups_size_uncompressed", Type::UInt),
        ];
        let table = self.wanted.table(FileTable::name_of(0), session).await?;
        let row = |facts: ParquetFacts| {
            vec![
                facts.created_by.into(),
                Value::UInt(facts.columns),
                Value::UInt(facts.rows),
                Value::UInt(facts.row_groups),
                Value::UInt(facts.size),
                Value::UInt(facts.largest_compressed),
                Value::UInt(facts.largest_uncompressed),
            ]
        };
        let facts = session.instance.engine.inspect(table).await?;
        Ok((columns, facts.into_iter().map(row).collect()))
    }
}

fn of_location(arg: &FunctionArg) -> Option<&Expr> {
    match named(arg) {
        Ok((name, value)) if name == "LOCATION" => Some(value),
        Ok(_) | Err(_) => None,
    }
}
