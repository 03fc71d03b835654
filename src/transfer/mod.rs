//! Bytes on their way in. Knows neither SQL nor sockets: an upload by SQL and one by HTTP are the
//! same [`upload::Upload`].

pub mod archive;
pub mod compression;
pub mod encoder;
pub mod form;
mod gzip;
pub mod sources;
pub mod upload;
mod zstd;
