//! The named file formats that a session sees: its own temporary ones, which hide others of the same name,
//! and those of the catalog. And what it means that a stage or a query names one.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::access::people::ServerPrivilege;
use crate::error::{Error, ObjectKind, Result};
use crate::formats::{self, Format};
use crate::session::Session;
use crate::similar::nearest;
use crate::sql::name::QualifiedName;
use crate::stage;
use crate::stage::definition::Definition;
use crate::stage::name::StageName;
use crate::stage::{Created, IfExists, Listed};
use crate::statement::file_format::{self, FORMAT_NAME};

/// A format, as a session sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its name.
    pub name: StageName,
    /// What it is.
    pub format: Format,
    /// Whether it ends with the connection.
    pub temporary: bool,
}

/// The options of a `FILE_FORMAT` with a named format, checked: the name with its database.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    /// Keys and values, as a stage keeps them.
    pub options: BTreeMap<String, String>,
    /// Whether the format that they name ends with the connection.
    temporary: bool,
}

/// The format of this name.
pub async fn find(session: &Session, name: &QualifiedName) -> Result<Seen> {
    let name = session.stage_name(name)?;
    if let Some(format) = session.formats.get(&name) {
        return Ok(Seen { name, format: format.clone(), temporary: true });
    }
    let formats = session.instance.formats.read().await?;
    match formats.get(&name) {
        Some(format) => Ok(Seen { format: format.clone(), name, temporary: false }),
        None => Err(unknown(session, formats.unknown(&name), &name)),
    }
}

/// All formats, or those of one database, sorted by database and name.
pub async fn all(session: &Session, database: Option<&str>) -> Result<Vec<Seen>> {
    if let Some(database) = database
        && !session.instance.stages.database_exists(database).await?
    {
        return Err(Error::UnknownDatabase { name: database.to_owned() });
    }
    let formats = session.instance.formats.read().await?;
    let kept = formats.all().map(|(name, format)| (name, (format, false)));
    let own = session.formats.iter().map(|(name, format)| (name.clone(), (format, true)));
    // Of two that have the same name the second one counts.
    let seen: BTreeMap<_, _> = kept.chain(own).collect();
    let seen = seen.into_iter().filter(|(name, _)| database.is_none_or(|of| of == name.database));
    let seen = seen.map(|(name, (format, temporary))| {
        let format = format.clone();
        Seen { name, format, temporary }
    });
    Ok(seen.collect())
}

/// The error for a name that is unknown in the catalog: it may look like a type's, or like that of a
/// temporary format.
fn unknown(session: &Session, error: Error, name: &StageName) -> Error {
    let Error::UnknownObject { kind, name: shown, similar: None } = error else { return error };
    let own = session.formats.keys().filter(|known| known.database == name.database);
    let near = nearest(&name.name, own.map(|known| known.name.as_str()));
    let near = near.map(|near| StageName::new(&name.database, near).to_string());
    let ty = nearest(&name.name, file_format::types()).map(str::to_owned);
    Error::UnknownObject { kind, name: shown, similar: near.or(ty) }
}

/// A format of the catalog.
pub async fn find_kept(session: &Session, name: &StageName) -> Result<Format> {
    let formats = session.instance.formats.read().await?;
    formats.get(name).cloned().ok_or_else(|| formats.unknown(name))
}

/// Whether a format can have this name.
pub fn check_name(name: &StageName) -> Result<()> {
    if file_format::is_type(&name.name) {
        return Err(Error::BadName {
            what: "file format",
            name: name.name.clone(),
            why: "it is the name of a type",
        });
    }
    stage::name::check_name("file format", &name.name)
}

/// Fails if the user may make no format in this database, or if there is no such database.
pub async fn need_room_in(session: &Session, database: &str) -> Result<()> {
    session.rights().await?.need_stages_in(database)?;
    match session.instance.stages.database_exists(database).await? {
        true => Ok(()),
        false => Err(Error::UnknownDatabase { name: database.to_owned() }),
    }
}

/// Whether the user may change a format of this database: its maker may, and who owns the database.
pub async fn may_change(
    session: &Session,
    database: &str,
) -> Result<impl Fn(&Format) -> Result<()> + Sync> {
    let rights = session.rights().await?;
    rights.need_presence(&session.peer.user)?;
    let all = rights.owns_database(database);
    let user: Uuid = session.peer.user.id;
    Ok(move |format: &Format| match all || format.owner == user {
        true => Ok(()),
        false => rights.need(ServerPrivilege::Admin),
    })
}

/// Makes a format that ends with this connection.
pub fn create_temporary(
    session: &mut Session,
    name: &StageName,
    format: Format,
    how: IfExists,
) -> Result<Created> {
    match (session.formats.contains_key(name), how) {
        (true, IfExists::Keep) => Ok(Created::Kept),
        (true, IfExists::Fail | IfExists::ReplaceThis(_)) => Err(formats::exists(name)),
        (replaces, _) => {
            session.formats.insert(name.clone(), format);
            Ok(if replaces { Created::Replaced } else { Created::New })
        }
    }
}

/// Checks that the format is there which options name.
pub async fn bind(session: &Session, options: BTreeMap<String, String>) -> Result<Bound> {
    let Some(text) = options.get(FORMAT_NAME) else {
        return Ok(Bound { options, temporary: false });
    };
    let Seen { name, temporary, .. } = find(session, &named(text)?).await?;
    let mut options = options;
    options.insert(FORMAT_NAME.to_owned(), written(&name));
    Ok(Bound { options, temporary })
}

impl Bound {
    /// The options for a stage: one that stays can't refer to a format that goes.
    pub fn for_stage(&self, temporary: bool) -> Result<BTreeMap<String, String>> {
        if self.temporary && !temporary {
            return Err(Error::Unsupported {
                what: "A temporary file format for a permanent stage".to_owned(),
                hint: Some("create the format without TEMPORARY, or the stage with it".to_owned()),
            });
        }
        Ok(self.options.clone())
    }
}

/// The options of a stage with those of the format that it names, as that is now. What the stage says itself
/// holds in any case.
pub async fn expand(session: &Session, stage: &Definition) -> Result<BTreeMap<String, String>> {
    let mut own = stage.file_format.clone();
    let Some(text) = own.remove(FORMAT_NAME) else { return Ok(own) };
    let name = named(&text)?;
    let format = match stage.temporary {
        true => find(session, &name).await?.format,
        // For all sessions the same.
        false => find_kept(session, &session.stage_name(&name)?).await?,
    };
    Ok(over(format.options, own))
}

/// The options of one with those of another over them. Those of one type mean nothing for another.
pub fn over(
    mut below: BTreeMap<String, String>,
    above: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    if above.contains_key("TYPE") && above.get("TYPE") != below.get("TYPE") {
        below.clear();
    }
    below.extend(above);
    below
}

/// The name that a text in an option is.
pub fn named(text: &str) -> Result<QualifiedName> {
    QualifiedName::of_text(text, "file format").map_err(|_| Error::BadValue {
        option: FORMAT_NAME.to_owned(),
        value: text.to_owned(),
        expected: "a name, perhaps with its database: 'db.name'".to_owned(),
    })
}

/// A name as [`named`] reads it, whatever is in it.
pub fn written(name: &StageName) -> String {
    QualifiedName { database: Some(name.database.clone()), name: name.name.clone() }.to_string()
}

/// Fails if stages refer to this format.
pub async fn check_unused(session: &Session, name: &StageName) -> Result<()> {
    let text = written(name);
    let uses = |stage: &Definition| stage.file_format.get(FORMAT_NAME) == Some(&text);
    let Some(stages) = users(session, uses).await? else { return Ok(()) };
    let kind = ObjectKind::FileFormat;
    Err(Error::ObjectInUse { kind, name: name.to_string(), stages })
}

/// The stages of which this holds, in words; `None` if there are none. Those that the user may not know of
/// have no names.
pub async fn users(
    session: &Session,
    uses: impl Fn(&Definition) -> bool,
) -> Result<Option<String>> {
    let rights = session.rights().await?;
    let (mut known, mut hidden) = (Vec::new(), false);
    for listed in session.instance.stages.list_now().await? {
        let Listed::Stage(stage) = listed else { continue };
        match uses(&stage) {
            true if rights.sees(&stage.name.database, stage.id) => {
                known.push(format!("stage '{}'", stage.name));
            }
            true => hidden = true,
            false => {}
        }
    }
    if hidden {
        known.push("stages that you may not know of".to_owned());
    }
    Ok((!known.is_empty()).then(|| known.join(", ")))
}
