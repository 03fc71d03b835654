//! The door to users, roles and grants: who looks, who changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::access::password::Kept;
use crate::access::people::{Grantee, Grants, Identity, OwnLimits, People, Rights, Role, User};
use crate::access::{Known, ROOT};
use crate::config::Plugin;
use crate::error::{Error, Result};
use crate::stage::{PEOPLE, Register, Sealed, Stages};

/// MySQL's limit.
const MAX_NAME_CHARS: usize = 32;

/// Users, roles and grants, as they are on all servers of one catalog.
pub struct Directory {
    register: Register<People>,
}

impl Directory {
    /// Opens what is kept beside the stages.
    pub async fn open(stages: &Stages) -> Result<Directory> {
        Ok(Directory { register: stages.register(PEOPLE).await? })
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

    /// What is known of a name other than `root`, whose password is in the configuration.
    pub async fn known(&self, name: &str, default: Plugin) -> Result<Known> {
        let people = self.people().await?;
        let Some(User { id, plugin, password, .. }) = people.users.get(name) else {
            return Ok(Known { plugin: self.pretended(name, &people, default), user: None });
        };
        let text = self.register.open_sealed(password, *id, plugin.name())?;
        let kept = Kept::from_text(*plugin, text);
        Ok(Known { plugin: *plugin, user: kept.map(|kept| (*id, kept)) })
    }

    /// The method of a name that nobody has: always the same, on all servers, and one that a user
    /// could have.
    fn pretended(&self, name: &str, people: &People, default: Plugin) -> Plugin {
        let in_use = people.users.values().map(|user| user.plugin).chain([default]);
        let in_use: Vec<Plugin> = in_use.collect::<BTreeSet<_>>().into_iter().collect();
        let [tag, ..] = self.register.tag("log-in", name);
        in_use.get(usize::from(tag) % in_use.len().max(1)).copied().unwrap_or(default)
    }

    /// Makes a user; `false` if there is one of this name already.
    pub async fn create_user(
        &self,
        name: &str,
        kept: &Kept,
        limits: OwnLimits,
        by: &str,
    ) -> Result<bool> {
        check_name("user", name)?;
        let id = Uuid::new_v4();
        let user = User {
            id,
            plugin: kept.plugin(),
            password: self.seal(kept, id)?,
            grants: Grants::default(),
            limits,
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

    /// Changes what a user can take.
    pub async fn set_limits(
        &self,
        user: &Identity,
        change: &(dyn Fn(&mut OwnLimits) + Sync),
    ) -> Result<()> {
        protect(&user.name)?;
        let change = |people: &mut People| match people.users.get_mut(&user.name) {
            Some(present) if present.id == user.id => {
                change(&mut present.limits);
                Ok(())
            }
            Some(_) | None => Err(unknown("User", &user.name)),
        };
        self.register.change(&change).await
    }

    /// Gives a user another password.
    pub async fn set_password(&self, user: &Identity, kept: &Kept) -> Result<()> {
        protect(&user.name)?;
        let sealed = self.seal(kept, user.id)?;
        let change = |people: &mut People| match people.users.get_mut(&user.name) {
            Some(present) if present.id == user.id => {
                present.plugin = kept.plugin();
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

    /// How a user proves a password; `None` for `root`, and who is not there.
    pub async fn plugin(&self, user: &Identity) -> Result<Option<Plugin>> {
        Ok(self.people().await?.users.get(&user.name).map(|user| user.plugin))
    }

    fn seal(&self, kept: &Kept, owner: Uuid) -> Result<Sealed> {
        self.register.close(&kept.to_text(), owner, kept.plugin().name())
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
