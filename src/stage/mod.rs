//! What a stage is: which there are, where their files are, and the way to those files.
//!
//! The only room that names `opendal`. It knows no SQL and no sockets: others come with a
//! [`Definition`](definition::Definition) or a [`StagePath`](name::StagePath), and bytes.
//!
//! | | |
//! |---|---|
//! | [`name`], [`definition`] | the nouns |
//! | [`place`] | a URL and its options, checked; the table of all options |
//! | [`pattern`] | `PATTERN='...'` |
//! | `stages` | [`Stages`]: everything below behind one door |
//! | [`connection`] | credentials and endpoints under names, which stages refer to |
//! | `catalog` | databases and stages: create, alter, rename, drop, list |
//! | `history`, `revision` | what the catalog is made of: numbered objects, and what is in one |
//! | `register` | documents that belong to rooms above: users and roles, views, file formats |
//! | `seal` | secrets at rest |
//! | `probe`, `lock` | who was first: on a storage that is shared, and on this machine |
//! | `reach`, `guard` | how far an address is; the way of stages to the network, which leads to none that is not allowed |
//! | `policy` | what the operator allows stages: directories, URLs, endpoints, credentials |
//! | `open` | a place into an operator, with or without the server's own credentials |
//! | `calls` | what every call over the network goes through: time limit, more tries, turns, a count |
//! | [`files`], `local`, `list`, `writer`, `parts` | look, read, remove; files of this machine; the order of a listing; an upload, in parts |
//! | `digest`, `attribute`, `marks` | the MD5s and SHA-256s of files: computed; kept in a directory; kept in an object store |
//! | `unfinished`, `alive` | what a server that was killed has left in a bucket; what this one is writing, and so is not left |
//! | `copy` | from one place to another: by the storage, or through here |
//! | `memory` | what files on their way may hold in memory, together |
//! | `presign`, `link` | URLs that need no password: the storage's, and our own |
//! | `key`, `fault` | names as keys; a storage's failures as ours |
//!
//! # What always holds
//!
//! - **A revision is written once.** The next one is written only if nobody has written it, so of
//!   any number of servers that change a stage at once one wins, and the others look again. Numbers
//!   go on after a drop; nothing is ever removed from a history.
//! - **What was read once is known for ever**, because revisions don't change. A look-up asks only
//!   whether there is a newer one; in a directory that this server owns it asks nobody.
//! - **An object that can't be read is one damaged stage**, never a catalog that doesn't open.
//! - **A secret is in the catalog only sealed**, bound to its stage or connection, and option.
//! - **A stage that names a connection is opened with what that says now**, and only `Stages` opens it.
//! - **A stage that names no credentials gets none**: the server's environment, files and instance
//!   role are turned off, unless the operator allows the URL.
//! - **A path never leaves its stage**: [`StagePath`](name::StagePath) has no way up, and on a file
//!   system links are followed only as long as they stay below the root.
//! - **A file is there whole or not at all**, and the one that it replaces stays until then.
//!   Whoever drops a [`FileWriter`] half-way has undone it.
//! - **Files come in byte order of their paths**, in memory that doesn't grow with their number
//!   (with the entries of one directory, where the storage has directories).
//! - **The files of an internal stage go with it, those of an external one never.** They are kept
//!   below the stage's id, so a rename moves nothing.
//!
//! - **A digest is that of the bytes that are there**, or nobody knows it: each is kept with what
//!   tells that version of the file from others, and counts for no other.
//!
//! # What is where
//!
//! ```text
//! <data_dir>/stagewire.lock                who owns the directory
//!            secret.key                    unless the operator gives a key
//!            catalog/  or config.catalog:  databases/<db>/<revision>.json
//!                                          stages/<db>/<stage>/<revision>.json
//!            files/    or config.storage:  stages/<id>/  temporary/<id>/
//!                                          users/<user>/  tables/<db>/<table>/
//!                                          digests/<each of these>/  in object stores: see `marks`
//!                                          rows/<table's id>/  what tables hold: see `query::delta`
//!            unfinished/                   uploads on their way; emptied at each start
//! ```

mod alive;
mod attribute;
mod calls;
mod catalog;
pub mod connection;
mod copy;
pub mod definition;
mod digest;
mod fault;
pub mod files;
mod guard;
mod history;
mod key;
mod link;
mod list;
mod local;
mod lock;
mod marks;
mod memory;
mod meter;
pub mod name;
mod open;
#[cfg(any(test, fuzzing))]
pub(crate) use self::open::forget_memory;
mod parts;
pub mod pattern;
pub mod place;
mod policy;
mod presign;
mod probe;
mod reach;
mod register;
mod revision;
mod seal;
mod stages;
mod unfinished;
mod writer;

pub use catalog::{Created, IfExists, Listed};
pub use copy::{Copied, Route};
pub use files::{Entry, Files};
pub use link::{Link, Scope};
pub use lock::Locks;
pub use parts::Parts;
pub use presign::{Direction, Presigned};
pub use register::{FORMATS, PEOPLE, Register, SCHEMA};
pub use seal::Sealed;
pub use stages::Stages;
pub use writer::{Committed, FileWriter};
