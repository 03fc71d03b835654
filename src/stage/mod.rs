//! What a stage is. The only room that names `opendal`; knows no SQL.

mod catalog;
pub mod definition;
mod fault;
pub mod files;
mod history;
mod key;
mod list;
mod lock;
pub mod name;
mod open;
pub mod pattern;
pub mod place;
mod probe;
mod revision;
mod seal;
mod stages;
mod writer;

pub use catalog::{Created, IfExists, Listed};
pub use files::{Entry, Files};
pub use stages::Stages;
pub use writer::{Committed, FileWriter};
