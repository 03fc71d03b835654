//! Users, roles, and what was granted to them: one document, so that a change of it is seen whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::ROOT;
use crate::config::{Plugin, UserLimits};
use crate::error::{Error, Result};
use crate::stage::Sealed;
use crate::stage::name::StageName;

/// All users but `root`, and all roles.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct People {
    /// By name.
    pub users: BTreeMap<String, User>,
    /// By name.
    pub roles: BTreeMap<String, Role>,
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// Not the one of an earlier user of this name.
    pub id: Uuid,
    /// How it is kept and proved. Users of the first versions all had the first one.
    #[serde(default)]
    pub plugin: Plugin,
    /// What is kept of the password.
    pub password: Sealed,
    /// What the user may do.
    #[serde(default)]
    pub grants: Grants,
    /// What the user can take.
    #[serde(default)]
    pub limits: OwnLimits,
    /// When the user was made.
    pub created_at: Timestamp,
    /// Who has made the user.
    pub creator: String,
}

/// What was said of what one user can take: 0 for no limit. What was not said is the configuration's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnLimits {
    /// Connections at a time.
    pub connections: Option<u64>,
    /// Statements at a time.
    pub statements: Option<u64>,
    /// Bytes of `@~` and of the internal stages that the user has made.
    pub stage_bytes: Option<u64>,
}

impl OwnLimits {
    /// With those of everybody where there are none.
    pub fn or(self, all: UserLimits) -> UserLimits {
        UserLimits {
            connections: self.connections.unwrap_or(all.connections),
            statements: self.statements.unwrap_or(all.statements),
            stage_bytes: self.stage_bytes.unwrap_or(all.stage_bytes),
        }
    }
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    /// What who has the role may do.
    #[serde(default)]
    pub grants: Grants,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who has made it.
    pub creator: String,
}

/// Who has logged in. A later user of the name is somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// [`User::id`]; nobody's in the case of `root`.
    pub id: Uuid,
}

impl Identity {
    /// The one who is always there.
    pub fn root() -> Identity {
        Identity { name: ROOT.to_owned(), id: Uuid::nil() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// On everything.
    #[serde(default)]
    pub server: BTreeSet<ServerPrivilege>,
    /// Databases, with all that is in them.
    #[serde(default)]
    pub databases: BTreeSet<String>,
    /// Stages and tables, by id: a new one of an old name is another one.
    #[serde(default)]
    pub stages: BTreeMap<Uuid, BTreeSet<StagePrivilege>>,
    /// Connections, by id too: `USAGE` and `OWNERSHIP`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<Uuid, BTreeSet<StagePrivilege>>,
    /// Roles.
    #[serde(default)]
    pub roles: BTreeSet<String>,
}

/// A privilege that is about no single object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerPrivilege {
    /// Make stages.
    CreateStage,
    /// Make, change and drop users and roles.
    CreateUser,
    /// Everything, as `root`.
    Admin,
}

/// A privilege on a stage; on a connection there are the first one and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StagePrivilege {
    /// See that it is there, and how it is defined; make stages with a connection.
    Usage,
    /// `LIST`, `GET`, `PRESIGN DOWNLOAD`, the source of `COPY FILES`
    Read,
    /// `PUT`, `REMOVE`, `PRESIGN UPLOAD`, the target of `COPY FILES`
    Write,
    /// All of these, and `ALTER`, `DROP`, `GRANT`
    Ownership,
}

/// Who can be granted something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A user.
    User(String),
    /// A role.
    Role(String),
}

impl People {
    /// What was granted to somebody; `None` for who is not there.
    pub fn grants(&self, to: &Grantee) -> Option<&Grants> {
        match to {
            Grantee::User(name) => self.users.get(name).map(|user| &user.grants),
            Grantee::Role(name) => self.roles.get(name).map(|role| &role.grants),
        }
    }

    /// As [`People::grants`], to change it.
    pub fn grants_mut(&mut self, to: &Grantee) -> Option<&mut Grants> {
        match to {
            Grantee::User(name) => self.users.get_mut(name).map(|user| &mut user.grants),
            Grantee::Role(name) => self.roles.get_mut(name).map(|role| &mut role.grants),
        }
    }

    /// Takes a role from everybody who has it.
    pub fn forget_role(&mut self, name: &str) {
        let users = self.users.values_mut().map(|user| &mut user.grants);
        let roles = self.roles.values_mut().map(|role| &mut role.grants);
        for grants in users.chain(roles) {
            grants.roles.remove(name);
        }
    }

    /// Takes a database from everybody who has it.
    pub fn forget_database(&mut self, name: &str) {
        let users = self.users.values_mut().map(|user| &mut user.grants);
        let roles = self.roles.values_mut().map(|role| &mut role.grants);
        for grants in users.chain(roles) {
            grants.databases.remove(name);
        }
    }

    /// Who has this name now.
    pub fn identity(&self, name: &str) -> Option<Identity> {
        match name {
            ROOT => Some(Identity::root()),
            _ => Some(Identity { name: name.to_owned(), id: self.users.get(name)?.id }),
        }
    }

    /// The user of this id.
    pub fn with_id(&self, id: Uuid) -> Option<(&str, &User)> {
        let found = self.users.iter().find(|(_, user)| user.id == id);
        found.map(|(name, user)| (name.as_str(), user))
    }

    /// Everything that a user may do, by all roles; nothing, if he was dropped.
    pub fn rights(&self, user: &Identity) -> Rights {
        if user.name == ROOT {
            return Rights::all();
        }
        if self.users.get(&user.name).is_none_or(|present| present.id != user.id) {
            return Rights::default();
        }
        let mut rights = Rights { present: true, ..Rights::default() };
        let mut open = vec![Grantee::User(user.name.clone())];
        while let Some(grants) = open.pop().and_then(|next| self.grants(&next)) {
            rights.grants.add(grants);
            for role in &grants.roles {
                if rights.roles.insert(role.clone()) {
                    open.push(Grantee::Role(role.clone()));
                }
            }
        }
        rights
    }
}

impl Grants {
    fn add(&mut self, others: &Grants) {
        self.server.extend(&others.server);
        self.databases.extend(others.databases.iter().cloned());
        for (stage, privileges) in &others.stages {
            self.stages.entry(*stage).or_default().extend(privileges);
        }
        for (connection, privileges) in &others.connections {
            self.connections.entry(*connection).or_default().extend(privileges);
        }
    }
}

/// The error for a stage that somebody may not know of: the same as for one that is not there.
pub fn hidden(name: &StageName) -> Error {
    Error::UnknownStage { name: name.to_string(), similar: None }
}

/// Everything that a user may do.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    grants: Grants,
    /// The user's roles, and theirs.
    pub roles: BTreeSet<String>,
    /// Whether the user is still there.
    present: bool,
}

impl Rights {
    /// `root`'s.
    pub fn all() -> Rights {
        let mut rights = Rights { present: true, ..Rights::default() };
        rights.grants.server.insert(ServerPrivilege::Admin);
        rights
    }

    /// Whether a privilege on no single object is there.
    pub fn has(&self, privilege: ServerPrivilege) -> bool {
        let server = &self.grants.server;
        server.contains(&privilege) || server.contains(&ServerPrivilege::Admin)
    }

    /// Whether everything in a database may be done.
    pub fn owns_database(&self, database: &str) -> bool {
        self.has(ServerPrivilege::Admin) || self.grants.databases.contains(database)
    }

    /// Whether a privilege on a stage is there.
    pub fn has_on(&self, database: &str, stage: Uuid, privilege: StagePrivilege) -> bool {
        self.owns_database(database)
            || self.grants.stages.get(&stage).is_some_and(|granted| {
                granted.contains(&privilege) || granted.contains(&StagePrivilege::Ownership)
            })
    }

    /// Fails if a privilege on no single object is missing.
    pub fn need(&self, privilege: ServerPrivilege) -> Result<()> {
        if self.has(privilege) {
            return Ok(());
        }
        let privilege = match privilege {
            ServerPrivilege::CreateStage => "CREATE STAGE",
            ServerPrivilege::CreateUser => "CREATE USER",
            ServerPrivilege::Admin => "ADMIN",
        };
        Err(Error::PrivilegeNeeded { privilege, hint: "an administrator can GRANT it ON *.*" })
    }

    /// Fails for a user who was dropped while he was connected.
    pub fn need_presence(&self, user: &Identity) -> Result<()> {
        if self.present {
            return Ok(());
        }
        Err(Error::UnknownPrincipal { what: "User", name: user.name.clone() })
    }

    /// Fails if no stage may be made in a database.
    pub fn need_stages_in(&self, database: &str) -> Result<()> {
        if self.owns_database(database) { Ok(()) } else { self.need(ServerPrivilege::CreateStage) }
    }

    /// Fails if a privilege on a stage is missing.
    pub fn need_on(
        &self,
        user: &Identity,
        name: &StageName,
        stage: Uuid,
        privilege: StagePrivilege,
    ) -> Result<()> {
        if !self.sees(&name.database, stage) {
            return Err(hidden(name));
        }
        // Whoever sees it may see it.
        if privilege == StagePrivilege::Usage || self.has_on(&name.database, stage, privilege) {
            return Ok(());
        }
        Err(Error::StageDenied {
            privilege: privilege.to_string(),
            user: user.name.clone(),
            stage: name.to_string(),
        })
    }

    /// Fails if a table's stage may not be used by who does not own the table.
    pub fn need_table(&self, database: &str, table: &str) -> Result<()> {
        if self.owns_database(database) {
            return Ok(());
        }
        Err(hidden(&StageName::new(database, format!("%{table}"))))
    }

    /// Whether a privilege on a connection is there. Connections are in no database.
    pub fn has_on_connection(&self, connection: Uuid, privilege: StagePrivilege) -> bool {
        self.has(ServerPrivilege::Admin)
            || self.grants.connections.get(&connection).is_some_and(|granted| {
                granted.contains(&privilege) || granted.contains(&StagePrivilege::Ownership)
            })
    }

    /// Whether a connection may be known of.
    pub fn sees_connection(&self, connection: Uuid) -> bool {
        self.has_on_connection(connection, StagePrivilege::Usage)
    }

    /// Whether a stage may be known of: any privilege will do.
    pub fn sees(&self, database: &str, stage: Uuid) -> bool {
        self.owns_database(database)
            || self.grants.stages.get(&stage).is_some_and(|granted| !granted.is_empty())
    }
}

impl fmt::Display for ServerPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerPrivilege::CreateStage => "CREATE STAGE",
            ServerPrivilege::CreateUser => "CREATE USER",
            ServerPrivilege::Admin => "ADMIN",
        })
    }
}

impl fmt::Display for StagePrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StagePrivilege::Usage => "USAGE",
            StagePrivilege::Read => "READ",
            StagePrivilege::Write => "WRITE",
            StagePrivilege::Ownership => "OWNERSHIP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(grants: Grants) -> Role {
        Role { grants, created_at: Timestamp::UNIX_EPOCH, creator: String::new() }
    }

    #[test]
    fn users_of_the_first_versions_have_the_first_method() {
        let text = r#"{"users":{"bob":{"id":"00000000-0000-0000-0000-000000000001",
            "password":{"sealed":"","key":""},"created_at":"1970-01-01T00:00:00Z","creator":""}},
            "roles":{}}"#;
        let people: People = serde_json::from_str(text).expect("people");
        assert_eq!(people.users["bob"].plugin, Plugin::Native);
        let text = serde_json::to_string(&people).expect("text");
        assert!(text.contains(r#""plugin":"mysql_native_password""#), "{text}");
    }

    #[test]
    fn roles_are_followed_even_in_a_circle() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut people = People::default();
        let reads = Grants {
            stages: BTreeMap::from([(one, BTreeSet::from([StagePrivilege::Read]))]),
            roles: BTreeSet::from(["b".to_owned()]),
            ..Grants::default()
        };
        let owns = Grants {
            stages: BTreeMap::from([(other, BTreeSet::from([StagePrivilege::Ownership]))]),
            databases: BTreeSet::from(["sales".to_owned()]),
            roles: BTreeSet::from(["a".to_owned(), "gone".to_owned()]),
            ..Grants::default()
        };
        people.roles.insert("a".to_owned(), role(reads));
        people.roles.insert("b".to_owned(), role(owns));
        let seal = serde_json::from_str(r#"{"sealed":"","key":""}"#).expect("a seal");
        let grants = Grants { roles: BTreeSet::from(["a".to_owned()]), ..Grants::default() };
        let user = User {
            id: Uuid::nil(),
            plugin: Plugin::Native,
            password: seal,
            grants,
            limits: OwnLimits::default(),
            created_at: Timestamp::UNIX_EPOCH,
            creator: String::new(),
        };
        people.users.insert("eve".to_owned(), user);
        let eve = people.identity("eve").expect("there");
        let rights = people.rights(&eve);
        assert!(rights.has_on("default", one, StagePrivilege::Read));
        assert!(!rights.has_on("default", one, StagePrivilege::Write));
        assert!(rights.has_on("default", other, StagePrivilege::Write));
        assert!(rights.has_on("sales", Uuid::nil(), StagePrivilege::Ownership));
        assert!(rights.sees("default", one) && !rights.sees("default", Uuid::nil()));
        assert!(!rights.has(ServerPrivilege::CreateStage));
        // A later user of the name is somebody else, and so is one before him.
        let other_eve = Identity { id: Uuid::from_u128(7), ..eve.clone() };
        assert!(!people.rights(&other_eve).sees("default", other));
        assert!(people.rights(&other_eve).need_presence(&other_eve).is_err());
        assert!(people.rights(&eve).need_presence(&eve).is_ok());
        people.forget_role("a");
        assert!(!people.rights(&eve).sees("default", one));
        assert!(people.identity("nobody").is_none());
        assert!(people.rights(&Identity::root()).has(ServerPrivilege::CreateUser));
    }
}
