//! One revision of a stage or database: an object in the catalog, written once, never changed.
//!
//! It is JSON, for people who have to look at it in an emergency. `format` is checked before
//! anything else, so that a server never half-understands what a newer one wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Secret;
use crate::stage::definition::{Definition, External, Place, Tombstone, Via};
use crate::stage::name::StageName;
use crate::stage::place;
use crate::stage::seal::{Seal, Sealed};

/// The version that this server writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// What a stage's revision says.
#[derive(Debug, Clone)]
pub(super) enum StageState {
    /// The stage is like this.
    Present(Present),
    /// The stage is gone.
    Dropped(Tombstone),
    /// The stage has another name now.
    Moved(Moved),
    /// Nobody knows: the object can't be read.
    Damaged(Damaged),
}

/// A stage that is there.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) definition: Arc<Definition>,
    /// The incarnation of the database that it was made in. If the database has another one now,
    /// it was dropped in between, and this stage with it.
    pub(super) database: Uuid,
    /// Set by RENAME: valid only if that name's next revision is [`Moved`] to here.
    pub(super) pending_from: Option<Pending>,
}

/// The name that a stage is coming from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) name: StageName,
    /// Its revision before it moves.
    pub(super) revision: u64,
}

/// Where a stage went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) to: StageName,
    /// The revision of that name that it became.
    pub(super) revision: u64,
    pub(super) at: Timestamp,
    pub(super) by: String,
}

/// An object that can't be read.
#[derive(Debug, Clone)]
pub(super) struct Damaged {
    pub(super) why: String,
    /// The stage whose files it has, if that much can be read and the files are ours.
    pub(super) internal: Option<Uuid>,
}

/// What a database's revision says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DatabaseState {
    /// The database is there; this is its incarnation.
    Present {
        id: Uuid,
        at: Timestamp,
        by: String,
    },
    Dropped(Tombstone),
}

/// The outermost part, the same for all. `writer` is never the same twice: whoever gets told that
/// an object exists already can see whether it is the one it has just written.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format: u32,
    writer: Uuid,
    state: T,
}

/// What is read first of an object of unknown age.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredState {
    Present(Box<StoredStage>),
    Dropped(Tombstone),
    Moved(Moved),
}

#[derive(Serialize, Deserialize)]
struct StoredStage {
    name: StageName,
    id: Uuid,
    database: Uuid,
    place: StoredPlace,
    #[serde(default)]
    temporary: bool,
    #[serde(default)]
    file_format: BTreeMap<String, String>,
    #[serde(default)]
    comment: String,
    creator: String,
    #[serde(default)]
    owner: Uuid,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_from: Option<Pending>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredPlace {
    Internal,
    External {
        url: String,
        options: BTreeMap<String, StoredOption>,
    },
    /// A kind of its own: a server that knows no connections takes the stage for damaged, not for one
    /// without credentials.
    Connected {
        url: String,
        options: BTreeMap<String, StoredOption>,
        connection: Via,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum StoredOption {
    Sealed(Sealed),
    Text(String),
}

/// Writes a stage's revision.
pub(super) fn encode_stage(state: &StageState, seal: &Seal) -> crate::error::Result<Vec<u8>> {
    let stored = match state {
        StageState::Present(present) => StoredState::Present(Box::new(store(present, seal)?)),
        StageState::Dropped(tombstone) => StoredState::Dropped(tombstone.clone()),
        StageState::Moved(moved) => StoredState::Moved(moved.clone()),
        StageState::Damaged(_) => {
            return Err(internal("a damaged revision can't be written again"));
        }
    };
    encode(stored)
}

/// Writes a database's revision.
pub(super) fn encode_database(state: &DatabaseState) -> crate::error::Result<Vec<u8>> {
    encode(state)
}

/// Reads a stage's revision. What can't be read is damaged, and harms no other stage.
pub(super) fn decode_stage(bytes: &[u8], name: &StageName, seal: &Seal) -> StageState {
    let damaged = |why| StageState::Damaged(Damaged { why, internal: None });
    match decode::<StoredState>(bytes) {
        Ok(StoredState::Dropped(tombstone)) => StageState::Dropped(tombstone),
        Ok(StoredState::Moved(moved)) => StageState::Moved(moved),
        Ok(StoredState::Present(stored)) if stored.name != *name => {
            damaged(format!("it describes '{}'", stored.name))
        }
        Ok(StoredState::Present(stored)) => {
            let internal = matches!(stored.place, StoredPlace::Internal).then_some(stored.id);
            match restore(*stored, seal) {
                Ok(present) => StageState::Present(present),
                Err(why) => StageState::Damaged(Damaged { why, internal }),
            }
        }
        Err(why) => damaged(why),
    }
}

/// Reads a database's revision, or says why that can't be done.
pub(super) fn decode_database(bytes: &[u8]) -> Result<DatabaseState, String> {
    decode(bytes)
}

fn store(present: &Present, seal: &Seal) -> crate::error::Result<StoredStage> {
    let definition = &present.definition;
    let place = match &definition.place {
        Place::Internal => StoredPlace::Internal,
        Place::External(External { url, options, connection }) => {
            let mut stored = BTreeMap::new();
            for (name, value) in options {
                let option = if place::is_secret(url, name) {
                    StoredOption::Sealed(seal.close(value, definition.id, name)?)
                } else {
                    StoredOption::Text(value.expose_secret().to_owned())
                };
                stored.insert(name.clone(), option);
            }
            let url = url.clone();
            match connection.clone() {
                Some(connection) => StoredPlace::Connected { url, options: stored, connection },
                None => StoredPlace::External { url, options: stored },
            }
        }
    };
    Ok(StoredStage {
        name: definition.name.clone(),
        id: definition.id,
        database: present.database,
        place,
        temporary: definition.temporary,
        file_format: definition.file_format.clone(),
        comment: definition.comment.clone(),
        creator: definition.creator.clone(),
        owner: definition.owner,
        created_at: definition.created_at,
        pending_from: present.pending_from.clone(),
    })
}

fn restore(stored: StoredStage, seal: &Seal) -> Result<Present, String> {
    let open = |options: BTreeMap<String, StoredOption>| {
        let mut clear = BTreeMap::new();
        for (name, option) in options {
            let value = match option {
                StoredOption::Sealed(sealed) => seal.open(&sealed, stored.id, &name)?,
                StoredOption::Text(text) => Secret::new(text),
            };
            clear.insert(name, value);
        }
        Ok::<_, String>(clear)
    };
    let place = match stored.place {
        StoredPlace::Internal => Place::Internal,
        StoredPlace::External { url, options } => {
            Place::External(External { url, options: open(options)?, connection: None })
        }
        StoredPlace::Connected { url, options, connection } => {
            let connection = Some(connection);
            Place::External(External { url, options: open(options)?, connection })
        }
    };
    let definition = Definition {
        name: stored.name,
        id: stored.id,
        place,
        temporary: stored.temporary,
        file_format: stored.file_format,
        comment: stored.comment,
        creator: stored.creator,
        owner: stored.owner,
        created_at: stored.created_at,
    };
    Ok(Present {
        definition: Arc::new(definition),
        database: stored.database,
        pending_from: stored.pending_from,
    })
}

pub(super) fn encode<T: Serialize>(state: T) -> crate::error::Result<Vec<u8>> {
    let envelope = Envelope { format: FORMAT, writer: Uuid::new_v4(), state };
    serde_json::to_vec_pretty(&envelope).map_err(|error| internal(&error.to_string()))
}

pub(super) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    let format: Format = serde_json::from_slice(bytes).map_err(|error| not_json(bytes, &error))?;
    if format.format != FORMAT {
        return Err(format!("its format is {}, this server knows {FORMAT}", format.format));
    }
    let envelope: Envelope<T> =
        serde_json::from_slice(bytes).map_err(|error| not_json(bytes, &error))?;
    Ok(envelope.state)
}

/// serde_json's own text may quote values.
fn not_json(bytes: &[u8], error: &serde_json::Error) -> String {
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    format!("it can't be understood at line {}, column {}", error.line(), error.column())
}

fn internal(what: &str) -> crate::error::Error {
    crate::error::Error::Internal { what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Present {
        let options = BTreeMap::from([
            ("region".to_owned(), Secret::new("eu")),
            ("secret_access_key".to_owned(), Secret::new("hush")),
        ]);
        Present {
            definition: Arc::new(Definition {
                name: StageName::new("db", "lake"),
                id: Uuid::new_v4(),
                place: Place::External(External {
                    url: "s3://b/".to_owned(),
                    options,
                    connection: None,
                }),
                temporary: false,
                file_format: BTreeMap::from([("TYPE".to_owned(), "CSV".to_owned())]),
                comment: "it's".to_owned(),
                creator: "'root'@'127.0.0.1'".to_owned(),
                owner: Uuid::nil(),
                created_at: Timestamp::UNIX_EPOCH,
            }),
            database: Uuid::new_v4(),
            pending_from: Some(Pending { name: StageName::new("db", "old"), revision: 3 }),
        }
    }

    #[test]
    fn a_stage_comes_back_and_its_secrets_are_not_in_the_text() {
        let seal = Seal::new([1; 32]);
        let bytes = encode_stage(&StageState::Present(stage()), &seal).expect("encoded");
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        assert!(!text.contains("hush") && text.contains("\"eu\""), "{text}");
        let present = stage();
        let StageState::Present(read) = decode_stage(&bytes, &present.definition.name, &seal)
        else {
            panic!("not present")
        };
        assert_eq!(read.definition.place, present.definition.place);
        assert_eq!(read.pending_from, present.pending_from);
    }

    #[test]
    fn a_stage_with_a_connection_is_of_another_kind() {
        let (seal, mut present) = (Seal::new([1; 32]), stage());
        let mut definition = (*present.definition).clone();
        let via = Via { id: Uuid::new_v4(), name: "vault".to_owned() };
        if let Place::External(external) = &mut definition.place {
            external.connection = Some(via);
        }
        present.definition = Arc::new(definition.clone());
        let bytes = encode_stage(&StageState::Present(present), &seal).expect("encoded");
        // A server that knows no connections doesn't take it for a stage without credentials.
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        assert!(text.contains("\"connected\"") && !text.contains("\"external\""), "{text}");
        let StageState::Present(read) = decode_stage(&bytes, &definition.name, &seal) else {
            panic!("not present")
        };
        assert_eq!(read.definition.place, definition.place);
    }

    #[test]
    fn what_cannot_be_read_is_damaged() {
        let seal = Seal::new([1; 32]);
        let name = StageName::new("db", "lake");
        let good = encode_stage(&StageState::Present(stage()), &seal).expect("encoded");
        let text = String::from_utf8(good.clone()).expect("UTF-8");
        let why = |bytes: &[u8], name: &StageName, seal: &Seal| {
            let StageState::Damaged(damaged) = decode_stage(bytes, name, seal) else {
                panic!("read")
            };
            damaged.why
        };
        for (bytes, expected) in [
            (b"".as_slice(), "it is empty"),
            (b"{}", "it can't be understood"),
            (&good[..good.len() / 2], "it can't be understood"),
            (text.replace("\"format\": 1", "\"format\": 2").as_bytes(), "its format is 2"),
        ] {
            let why = why(bytes, &name, &seal);
            assert!(why.contains(expected), "{why}");
        }
        assert!(why(&good, &name, &Seal::new([2; 32])).contains("sealed with the key"));
        assert!(why(&good, &StageName::new("db", "other"), &seal).contains("'db.lake'"));
    }
}
