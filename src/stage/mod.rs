//! What a stage is. The only room that names `opendal`; knows no SQL.

pub mod definition;
pub mod name;
