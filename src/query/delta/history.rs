//! Which files were loaded into a table: in its log, in the very commit that has added their rows. So a file is
//! never loaded and forgotten, nor remembered and not loaded; and of two servers that load one file at once, one
//! finds that the other was first.

use std::collections::HashSet;

use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::types::Int64Type;
use datafusion::arrow::array::{Array, RecordBatch};
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::{DeltaResult, Snapshot};
use deltalake_core::kernel::Transaction;
use jiff::Timestamp;

use super::{Opened, REMEMBERED_DAYS};
use crate::error::{Error, Result};
use crate::stage::files::Entry;

/// A day, in milliseconds.
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What a version of a file is called in the log.
pub(super) fn key(home: &str, entry: &Entry) -> String {
    let version = entry.etag.clone().unwrap_or_else(|| {
        let moment = entry.last_modified.map(Timestamp::as_nanosecond).unwrap_or_default();
        format!("{}-{moment}", entry.size)
    });
    format!("loaded {home}/{} {version}", entry.path)
}

/// What tells the log that a file is loaded.
pub(super) fn entry(key: &str) -> Transaction {
    Transaction::new_with_last_update(key, 1, Some(Timestamp::now().as_millisecond()))
}

/// Those of the files that were loaded, and are not forgotten.
pub(super) async fn loaded(opened: &Opened, wanted: HashSet<String>) -> Result<HashSet<String>> {
    let log = opened.table.log_store();
    let (url, version) = (log.root_url().clone(), opened.table.version());
    let read = move || -> DeltaResult<HashSet<String>> {
        let engine = log.engine(None);
        let mut builder = Snapshot::builder_for(url.as_str());
        if let Some(version) = version {
            builder = builder.at_version(version);
        }
        let snapshot = builder.build(&*engine)?;
        let oldest = Timestamp::now().as_millisecond() - REMEMBERED_DAYS * DAY_MILLIS;
        let mut found = HashSet::new();
        for batch in snapshot.log_segment().read_actions(&*engine, LOG_TXN_SCHEMA.clone())? {
            let data = ArrowEngineData::try_from_engine_data(batch?.actions)?;
            collect(data.record_batch(), &wanted, oldest, &mut found);
        }
        Ok(found)
    };
    let broken = |what: String| Error::Internal { what };
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| broken(error.to_string()))?
        .map_err(|error| broken(format!("what was loaded: {error}")))
}

/// Adds the keys of a batch of the log.
fn collect(
    batch: &RecordBatch,
    wanted: &HashSet<String>,
    oldest: i64,
    found: &mut HashSet<String>,
) {
    let Some(actions) = batch.column_by_name("txn").and_then(|column| column.as_struct_opt())
    else {
        return;
    };
    let Some(keys) =
        actions.column_by_name("appId").and_then(|column| column.as_string_opt::<i32>())
    else {
        return;
    };
    let times = actions
        .column_by_name("lastUpdated")
        .and_then(|column| column.as_primitive_opt::<Int64Type>());
    for (row, key) in keys.iter().enumerate() {
        let Some(key) = key.filter(|_| actions.is_valid(row)) else { continue };
        let time = times.filter(|times| times.is_valid(row)).map(|times| times.value(row));
        if wanted.contains(key) && time.is_none_or(|time| time >= oldest) {
            found.insert(key.to_owned());
        }
    }
}
