//! What the footers of Parquet files say.

use datafusion::common::DataFusionError;
use datafusion_datasource_parquet::metadata::DFParquetMetadata;

use super::store::Store;
use super::{FileTable, ParquetFacts, fault};
use crate::error::Result;

/// The facts of each file.
pub(super) async fn facts(table: FileTable) -> Result<Vec<ParquetFacts>> {
    let mut store = Store::default();
    let metas: Vec<_> =
        table.entries.iter().map(|entry| store.add(&table.home, &table.files, entry)).collect();
    let mut all = Vec::new();
    for (entry, meta) in table.entries.iter().zip(metas) {
        let named =
            |error: DataFusionError| fault::of(&error, Some((&table.location, &entry.path)));
        let footer = DFParquetMetadata::new(&store, &meta).fetch_metadata().await.map_err(named)?;
        let groups = footer.row_groups();
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        all.push(ParquetFacts {
            created_by: footer.file_metadata().created_by().map(str::to_owned),
            columns: count(footer.file_metadata().schema_descr().num_columns()),
            rows: number(footer.file_metadata().num_rows()),
            row_groups: count(groups.len()),
            size: entry.size,
            largest_compressed: number(
                groups.iter().map(|group| group.compressed_size()).max().unwrap_or_default(),
            ),
            largest_uncompressed: number(
                groups.iter().map(|group| group.total_byte_size()).max().unwrap_or_default(),
            ),
        });
    }
    Ok(all)
}
