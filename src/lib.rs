//! Stagewire: named stages for files on any storage, for every MySQL client.

pub mod access;
pub mod config;
pub mod error;
pub mod instance;
pub mod rows;
pub mod server;
pub mod session;
pub mod sql;
pub mod stage;
