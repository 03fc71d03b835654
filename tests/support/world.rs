//! A server on one of two kinds of storage, and a look at what it has stored behind its back.

use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use stagewire::config::{Config, Limits, Place, Secret};
use stagewire::error::Error;
use stagewire::stage::Listed;
use stagewire::stage::name::{StageName, StagePath};

use super::s3::Bucket;
use super::server::{Server, config, until};

/// Where the files of internal stages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Fs,
    S3,
}

/// A server, and what it works with.
pub struct World {
    pub storage: Storage,
    pub server: Server,
    dir: tempfile::TempDir,
    bucket: Option<Bucket>,
    /// What the keys of this run begin with.
    pub run: String,
}

impl World {
    /// `None` where there is no such storage, which is announced.
    pub fn new(storage: Storage) -> Option<World> {
        World::with_limits(storage, Limits::default())
    }

    /// The same, with other limits.
    pub fn with_limits(storage: Storage, limits: Limits) -> Option<World> {
        World::with_config(storage, |config, _| config.limits = limits)
    }

    /// The same, and another server over all that it keeps, where the storage is one that servers share.
    pub fn of_two(storage: Storage) -> Option<(World, Option<Server>)> {
        let mut both = None;
        let world = World::with_config(storage, |config, run| {
            config.secret_key = Some(Secret::new("ab".repeat(32)));
            if let Some(Place { url, options }) = config.storage.clone() {
                // Not below what is empty in the end.
                let (bucket, _) = url.split_at(url.find(run).unwrap_or(0));
                let url = format!("{bucket}catalog-{run}/");
                config.catalog = Some(Place { url, options });
                let data_dir = config.data_dir.with_file_name("other");
                both = Some(Config { data_dir, ..config.clone() });
            }
        })?;
        let other = both.map(|config| Server::open(config).expect("a second server"));
        Some((world, other))
    }

    /// The same, with a configuration that is changed, and may depend on the name of the run.
    pub fn with_config(storage: Storage, change: impl FnOnce(&mut Config, &str)) -> Option<World> {
        let bucket = match storage {
            Storage::Fs => None,
            Storage::S3 => Some(Bucket::from_env()?),
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        let run = uuid::Uuid::new_v4().simple().to_string();
        std::fs::create_dir(dir.path().join("external")).expect("a directory");
        let mut config: Config = config(&dir.path().join("data"));
        config.external.fs_dirs = vec![dir.path().join("external")];
        if let Some(bucket) = &bucket {
            let options = bucket.options().into_iter();
            config.storage = Some(Place {
                url: format!("s3://{}/{run}/internal/", bucket.name),
                options: options.map(|(key, value)| (key.to_owned(), Secret::new(value))).collect(),
            });
        }
        change(&mut config, &run);
        let server = Server::open(config).expect("a server");
        Some(World { storage, server, dir, bucket, run })
    }

    /// A directory in which external stages may be.
    pub fn external_dir(&self) -> PathBuf {
        self.dir.path().join("external")
    }

    /// The bucket, on S3.
    pub fn bucket(&self) -> &Bucket {
        self.bucket.as_ref().expect("on S3")
    }

    /// What a file of a stage holds; `None` if there is no such file.
    pub fn read(&self, stage: &str, path: &str) -> Option<Vec<u8>> {
        let stages = self.server.instance.stages.clone();
        let path = StagePath::new(path).expect("a path");
        let name = StageName::new("default", stage);
        self.server.block_on(async move {
            let definition = stages.get(&name).await.expect("a stage");
            let files = stages.open_files(&definition).await.expect("its files");
            match files.read(&path).await {
                Ok(blocks) => {
                    let blocks: Vec<_> = blocks.try_collect().await.expect("read");
                    Some(blocks.concat())
                }
                Err(Error::UnknownFile { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        })
    }

    /// The files of a stage, with their sizes.
    pub fn list(&self, stage: &str) -> Vec<(String, u64)> {
        let stages = self.server.instance.stages.clone();
        let name = StageName::new("default", stage);
        self.server.block_on(async move {
            let definition = stages.get(&name).await.expect("a stage");
            let files = stages.open_files(&definition).await.expect("its files");
            let root = StagePath::new("").expect("a path");
            let entries: Vec<_> = files.list(&root).try_collect().await.expect("listed");
            entries.into_iter().map(|entry| (entry.path, entry.size)).collect()
        })
    }

    /// Uploads that have begun and are not over, as the storage itself tells.
    pub fn unfinished(&self) -> Vec<String> {
        match &self.bucket {
            Some(bucket) => bucket.unfinished_uploads(&self.run),
            None => unfinished_files(&self.dir.path().join("data")),
        }
    }

    /// All that the storage holds of internal stages, visible or not.
    pub fn stored(&self) -> Vec<String> {
        match &self.bucket {
            Some(bucket) => bucket.objects(&self.run),
            None => files_below(&self.dir.path().join("data/files")),
        }
    }

    /// Waits until the server has seen the end of all connections but these.
    pub fn until_connections(&self, open: usize) {
        let connections = &self.server.instance.connections;
        until("the connections end", || {
            connections.load(std::sync::atomic::Ordering::SeqCst) <= open
        });
    }
}

/// A bucket outlives the test: what the test has stored goes with its stages.
impl Drop for World {
    fn drop(&mut self) {
        if self.storage == Storage::Fs || std::thread::panicking() {
            return;
        }
        let stages = self.server.instance.stages.clone();
        self.server.block_on(async move {
            for listed in stages.list(None).await.expect("listed") {
                if let Listed::Stage(definition) = listed {
                    stages.drop_stage(&definition.name, "a test").await.expect("dropped");
                }
            }
        });
        assert_eq!(self.stored(), [""; 0], "files of stages that are gone");
    }
}

/// The unfinished files of a server's data directory.
pub fn unfinished_files(data_dir: &Path) -> Vec<String> {
    files_below(&data_dir.join("unfinished"))
}

/// Every file below a directory, which need not be there.
pub fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

/// Bytes that neither repeat nor compress, the same in every run (SplitMix64).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
