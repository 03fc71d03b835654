//! What was seen in files: how each is read, and its columns. A file of the same version is not opened again to
//! learn that.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::cache::{Cache, CacheKey, CacheValue};
use object_store::path::Path;

use super::format::Reading;

/// What one column of a schema is taken to need.
const COLUMN_BYTES: usize = 256;

/// What all queries of a server have seen; the least used is forgotten first.
pub(super) struct Seen {
    cache: DefaultCache<Key, Found>,
}

/// A version of a file, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    location: Path,
    options: Arc<BTreeMap<String, String>>,
}

/// What is in a file.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) reading: Reading,
    pub(super) schema: SchemaRef,
}

impl Seen {
    /// Remembers as much as fits into so many bytes.
    pub(super) fn new(bytes: usize) -> Seen {
        Seen { cache: DefaultCache::new(bytes) }
    }

    /// What is known of a file that is read with these options. Its location names its version.
    pub(super) fn get(
        &self,
        location: &Path,
        options: &Arc<BTreeMap<String, String>>,
    ) -> Option<Found> {
        self.cache.get(&Key { location: location.clone(), options: options.clone() })
    }

    /// Remembers it.
    pub(super) fn put(&self, location: Path, options: Arc<BTreeMap<String, String>>, found: Found) {
        self.cache.put(&Key { location, options }, found);
    }
}

impl CacheKey for Key {
    fn size(&self) -> usize {
        let options = self.options.iter().map(|(key, value)| key.len() + value.len());
        self.location.as_ref().len() + options.sum::<usize>() + size_of::<Key>()
    }

    fn table_ref(&self) -> Option<&TableReference> {
        None
    }
}

impl CacheValue for Found {
    fn size(&self) -> usize {
        self.schema.flattened_fields().len() * COLUMN_BYTES + size_of::<Found>()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn the_least_used_is_forgotten_first() {
        let options = Arc::new(BTreeMap::new());
        let reading = Reading::of("a.csv", &options).expect("a way to read");
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let found = Found { reading, schema };
        let seen = Seen::new(3 * (found.size() + 200));
        let path = |number: usize| Path::from(format!("stage/{number}.csv/1"));
        for number in 0..100 {
            seen.put(path(number), options.clone(), found.clone());
            assert!(seen.get(&path(0), &options).is_some(), "{number}");
        }
        assert!(seen.get(&path(1), &options).is_none());
        let others = Arc::new(BTreeMap::from([("TYPE".to_owned(), "CSV".to_owned())]));
        assert!(seen.get(&path(0), &others).is_none());
    }
}
