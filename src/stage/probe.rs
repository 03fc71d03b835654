//! Whether a storage can decide who was first. Several that look like S3 take the condition of a
//! write and ignore it, so it is tried, once, at the start.

use futures::future::join_all;
use opendal::{ErrorKind, Operator};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Writers at a time. Stores that look first and write then let several of eight through.
const WRITERS: usize = 8;

/// Refuses a storage on which two servers could both win.
pub(super) async fn conditional_writes(operator: &Operator) -> Result<()> {
    if !operator.info().capability().write_with_if_not_exists {
        return Err(refused("it has no create-if-absent"));
    }
    let root = format!("probe/{}", Uuid::new_v4());
    let (twice, race) = (format!("{root}-twice"), format!("{root}-race"));
    let outcome = probe(operator, &twice, &race).await;
    if let Err(error) = operator.delete_iter([twice, race]).await {
        tracing::warn!("the catalog's probe objects are left behind: {error}");
    }
    outcome
}

async fn probe(operator: &Operator, twice: &str, race: &str) -> Result<()> {
    let write = |key: &str, text: String| {
        let key = key.to_owned();
        async move { operator.write_with(&key, text).if_not_exists(true).await }
    };
    write(twice, "first".to_owned()).await.map_err(|error| failed(&error))?;
    match write(twice, "second".to_owned()).await {
        Err(error) if error.kind() == ErrorKind::ConditionNotMatch => {}
        Err(error) => return Err(failed(&error)),
        Ok(_) => return Err(refused("it ignores the condition of a write")),
    }
    let writers = (0..WRITERS).map(|writer| write(race, writer.to_string()));
    let won = join_all(writers).await.into_iter().filter(Result::is_ok).count();
    if won != 1 {
        return Err(refused(&format!("{won} of {WRITERS} writers of one object succeeded")));
    }
    Ok(())
}

fn refused(why: &str) -> Error {
    Error::Startup {
        what: format!("The catalog can't be kept on this storage: {why}"),
        hint: "stages could be lost when two servers change them at once; use another storage, or \
               leave 'catalog' out"
            .to_owned(),
    }
}

fn failed(error: &opendal::Error) -> Error {
    Error::Startup {
        what: format!("Can't write to the catalog: {error}"),
        hint: "see 'catalog' in the configuration file: url, endpoint_url, credentials".to_owned(),
    }
}
