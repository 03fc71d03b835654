//! The door to users, roles and grants: who looks, who changes.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::access::ROOT;
use crate::access::people::{Grantee, Grants, Identity, People, Rights, Role, User};
use crate::config::Secret;
use crate::error::{Error, Result};
use crate::stage::{Register, Sealed, Stages};

/// MySQL's limit.
const MAX_NAME_CHARS: usize = 32;

/// What a password's digest is sealed as.
const NATIVE: &str = "mysql_native_password";

/// Users, roles and grants, as they are on all servers of one catalog.
pub struct Directory {
    register: Register<People>,
}

impl Directory {
    /// Opens what is kept beside the stages.
    pub async fn open(stages: &Stages) -> Result<Directory> {
        Ok(Directory { register: stages.register().await? })
    }

    /// Everybody, now.
    pub async fn people(&self) -> Result<Arc<People>> {
        self.register.read().await
    }

    /// What a user may do now. `root` is not looked up.
    pub async fn rights(&self, user: &Identity) -> Result<Rights> {
        if user.name == ROOT { Ok(Rights::all()) } else { Ok(self.people().await?.rights(user)) }
    }

    /// Who has this name now.
    pub async fn identity(&self, name: &str) -> Result<Identity> {
        if name == ROOT {
            return Ok(Identity::root());
        }
        self.people().await?.identity(name).ok_or_else(|| unknown("User", name))
    }

    /// A user's id and SHA1(SHA1(password)); `None` for who is not there. Not of `root`, whose
    /// password is in the configuration.
    pub async fn password_digest(&self, user: &str) -> Result<Option<(Uuid, [u8; 20])>> {
        let people = self.people().await?;
        let Some(User { id, password, .. }) = people.users.get(user) else { return Ok(None) };
        let digits = self.register.open_sealed(password, *id, NATIVE)?;
        Ok(from_hex(digits.expose_secret()).map(|digest| (*id, digest)))
    }

    /// Makes a user; `false` if there is one of this name already.
    pub async fn create_user(&self, name: &str, password: &Secret, by: &str) -> Result<bool> {
        check_name("user", name)?;
        if self.people().await?.users.contains_key(name) {
            return Ok(false);
        }
        let id = Uuid::new_v4();
        let user = User {
            id,
            password: self.seal(password, id)?,
            grants: Grants::default(),
            created_at: Timestamp::now(),
            creator: by.to_owned(),
        };
        let made = self
            .register
            .change(&|people| {
                if people.users.contains_key(name) {
                    return Err(exists("User", name));
                }
                people.users.insert(name.to_owned(), user.clone());
                Ok(())
            })
            .await;
        match made {
            Err(Error::PrincipalExists { .. }) => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Gives a user another password.
    pub async fn set_password(&self, user: &Identity, password: &Secret) -> Result<()> {
        protect(&user.name)?;
        let sealed = self.seal(password, user.id)?;
        let change = |people: &mut People| match people.users.get_mut(&user.name) {
            Some(present) if present.id == user.id => {
                present.password = sealed.clone();
                Ok(())
            }
            Some(_) | None => Err(unknown("User", &user.name)),
        };
        self.register.change(&change).await
    }

    /// Forgets a user. The files of `@~` stay: another user of this name gets them.
    pub async fn drop_user(&self, name: &str) -> Result<()> {
        protect(name)?;
        let change = |people: &mut People| match people.users.remove(name) {
            Some(_) => Ok(()),
            None => Err(unknown("User", name)),
        };
        self.register.change(&change).await
    }

    /// Makes a role; `false` if there is one of this name already.
    pub async fn create_role(&self, name: &str, by: &str) -> Result<bool> {
        check_name("role", name)?;
        let role = Role {
            grants: Grants::default(),
            created_at: Timestamp::now(),
            creator: by.to_owned(),
        };
        let change = |people: &mut People| {
            if people.roles.contains_key(name) {
                return Err(exists("Role", name));
            }
            people.roles.insert(name.to_owned(), role.clone());
            Ok(())
        };
        match self.register.change(&change).await {
            Err(Error::PrincipalExists { .. }) => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Forgets a role; nobody has it any more.
    pub async fn drop_role(&self, name: &str) -> Result<()> {
        let change = |people: &mut People| {
            people.roles.remove(name).ok_or_else(|| unknown("Role", name))?;
            people.forget_role(name);
            Ok(())
        };
        self.register.change(&change).await
    }

    /// A database is gone; nobody has one that is made under its name later.
    pub async fn forget_database(&self, name: &str) -> Result<()> {
        let people = self.people().await?;
        let users = people.users.values().map(|user| &user.grants);
        let mut grants = users.chain(people.roles.values().map(|role| &role.grants));
        if !grants.any(|grants| grants.databases.contains(name)) {
            return Ok(());
        }
        let change = |people: &mut People| {
            people.forget_database(name);
            Ok(())
        };
        self.register.change(&change).await
    }

    /// Changes what was granted to somebody.
    pub async fn change_grants(
        &self,
        to: &Grantee,
        change: &(dyn Fn(&mut Grants) + Sync),
    ) -> Result<()> {
        let change = |people: &mut People| {
            change(people.grants_mut(to).ok_or_else(|| nobody(to))?);
            // A role that is granted has to be there when it is granted.
            let roles = people.grants(to).map(|grants| grants.roles.clone()).unwrap_or_default();
            match roles.iter().find(|role| !people.roles.contains_key(*role)) {
                Some(role) => Err(unknown("Role", role)),
                None => Ok(()),
            }
        };
        if let Grantee::User(name) = to {
            protect(name)?;
        }
        self.register.change(&change).await
    }

    fn seal(&self, password: &Secret, owner: Uuid) -> Result<Sealed> {
        let digest = super::native_digest(password.expose_secret());
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.register.close(&Secret::new(digits), owner, NATIVE)
    }
}

/// The error for who is not there.
fn nobody(who: &Grantee) -> Error {
    match who {
        Grantee::User(name) => unknown("User", name),
        Grantee::Role(name) => unknown("Role", name),
    }
}

fn unknown(what: &'static str, name: &str) -> Error {
    Error::UnknownPrincipal { what, name: name.to_owned() }
}

fn exists(what: &'static str, name: &str) -> Error {
    Error::PrincipalExists { what, name: name.to_owned() }
}

/// `root` is the configuration's.
fn protect(name: &str) -> Result<()> {
    if name != ROOT {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: "Changing root".to_owned(),
        hint: Some("root has every privilege; its password is in the configuration".to_owned()),
    })
}

fn check_name(what: &'static str, name: &str) -> Result<()> {
    protect(name)?;
    let long = name.chars().count() > MAX_NAME_CHARS;
    if name.is_empty() || long || name.chars().any(char::is_control) || name.contains('@') {
        return Err(Error::BadValue {
            option: format!("the {what}'s name"),
            value: name.escape_debug().to_string(),
            expected: format!("1 to {MAX_NAME_CHARS} characters, none of them '@'"),
        });
    }
    Ok(())
}

fn from_hex(digits: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    if digits.len() != 40 {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}
