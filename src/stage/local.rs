//! Files of this machine, opened as such: what reads many parts of one needs no detour.

use std::fs::File;

use jiff::Timestamp;

use crate::error::{Error, Result, StorageKind};
use crate::stage::fault;
use crate::stage::files::{Entry, Files, stays_below};
use crate::stage::name::StagePath;

impl Files {
    /// Whether they are in a directory of this machine.
    pub fn are_local(&self) -> bool {
        self.local.is_some()
    }

    /// Opens a file in a directory of this machine, the very version that `seen` tells of; `None` elsewhere.
    /// Waits for the disk.
    pub fn open_local(&self, path: &StagePath, seen: &Entry) -> Result<Option<File>> {
        let Some(root) = &self.local else { return Ok(None) };
        let place = root.join(self.key(path.as_str()));
        let failed = |error| fault::io("read", &self.label, path.as_str(), &error);
        if !stays_below(root, &place) {
            return Err(self.leads_out(path.as_str()));
        }
        let file = File::open(&place).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        let modified = found.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        if !found.is_file() || (found.len(), modified) != (seen.size, seen.last_modified) {
            return Err(Error::FileChanged { stage: self.label.clone(), path: path.to_string() });
        }
        Ok(Some(file))
    }

    pub(super) fn leads_out(&self, path: &str) -> Error {
        Error::Storage {
            operation: "use",
            stage: self.label.clone(),
            path: path.to_owned(),
            kind: StorageKind::Denied,
            detail: "a symbolic link leads out of the stage's root".to_owned(),
        }
    }
}
