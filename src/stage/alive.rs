//! Which files this server is writing. They are not abandoned, however old a clock says that they are: it may have
//! been set while they came.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many files of each name are on their way. The last segment of a path is enough: an abandoned file whose name
/// is in use is collected another time.
#[derive(Debug, Default)]
pub(super) struct Alive(Mutex<HashMap<String, usize>>);

/// A file on its way, until it is dropped.
#[derive(Debug)]
pub(super) struct Life {
    of: Arc<Alive>,
    name: String,
}

impl Alive {
    /// Begins a file.
    pub(super) fn begin(self: &Arc<Alive>, path: &str) -> Life {
        let name = last_segment(path).to_owned();
        *self.0.lock().entry(name.clone()).or_default() += 1;
        Life { of: Arc::clone(self), name }
    }

    /// Whether it may be one of ours.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.lock().contains_key(last_segment(path))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut names = self.of.0.lock();
        match names.get_mut(&self.name) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(names.remove(&self.name)),
        }
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_use_until_the_last_file_has_ended() {
        let alive = Arc::new(Alive::default());
        let (first, second) = (alive.begin("a/x"), alive.begin("b/x"));
        drop(first);
        assert!(alive.has("c/x") && !alive.has("c/y"));
        drop(second);
        assert!(!alive.has("c/x"));
    }
}
