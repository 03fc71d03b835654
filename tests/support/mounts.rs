//! Directories that fail by what is mounted there. Who may not mount is told so; CI has to be allowed to.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, as long as it lives.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Of 16 MiB.
    pub fn mount() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let tmpfs = ["-t", "tmpfs", "-o", "size=16m", "tmpfs"].map(OsStr::new);
        mount(tmpfs.into_iter().chain([dir.path().as_os_str()])).then_some(SmallDisk(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.path());
    }
}

/// A directory that can only be read, as long as this lives. Permissions would mean nothing to root.
pub struct ReadOnly(PathBuf);

impl ReadOnly {
    pub fn mount(dir: &Path) -> Option<ReadOnly> {
        let bind = ["--bind", "-o", "ro"].map(OsStr::new);
        let again = [dir.as_os_str(), dir.as_os_str()];
        mount(bind.into_iter().chain(again)).then(|| ReadOnly(dir.to_owned()))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn mount<'a>(arguments: impl Iterator<Item = &'a OsStr>) -> bool {
    if Command::new("mount").args(arguments).output().is_ok_and(|mount| mount.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "nothing can be mounted");
    eprintln!("skipped: nothing can be mounted (it needs root)");
    false
}

fn unmount(dir: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(dir).status();
}
