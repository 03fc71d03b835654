//! URLs that the storage itself honours: the client goes there without this server.

use std::time::Duration;

use opendal::options::{ReadOptions, WriteOptions};

use crate::error::{Error, Result};
use crate::stage::files::Files;
use crate::stage::name::StagePath;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Download,
    /// To the stage.
    Upload,
}

/// A request that is signed already.
#[derive(Debug)]
pub struct Presigned {
    /// `GET` or `PUT`.
    pub method: String,
    /// The headers that have to be sent with it.
    pub headers: Vec<(String, String)>,
    /// Where.
    pub url: String,
}

impl Files {
    /// A request to the storage itself; `None` where it has none that could be given away.
    pub async fn presign(
        &self,
        path: &StagePath,
        direction: Direction,
        expire: Duration,
        content_type: Option<&str>,
    ) -> Result<Option<Presigned>> {
        if path.is_root() || path.as_str().ends_with('/') {
            return Err(Error::BadPath { path: path.to_string(), why: "it names no file" });
        }
        if direction == Direction::Upload {
            self.check_writable()?;
        }
        if !self.home.as_ref().is_some_and(|home| home.presigns()) {
            return Ok(None);
        }
        let key = self.key(path.as_str());
        let content_type = content_type.map(str::to_owned);
        let signed = match direction {
            Direction::Download => {
                let options =
                    ReadOptions { override_content_type: content_type, ..ReadOptions::default() };
                self.operator.presign_read_options(&key, expire, options).await
            }
            Direction::Upload => {
                let options = WriteOptions { content_type, ..WriteOptions::default() };
                self.operator.presign_write_options(&key, expire, options).await
            }
        };
        match signed {
            Ok(signed) => {
                let headers = signed.header().iter().filter_map(|(name, value)| {
                    Some((name.to_string(), value.to_str().ok()?.to_owned()))
                });
                Ok(Some(Presigned {
                    method: signed.method().to_string(),
                    headers: headers.collect(),
                    url: signed.uri().to_string(),
                }))
            }
            // Credentials of a kind that can't sign, such as a token.
            Err(error) => {
                tracing::debug!(stage = self.label, "the storage presigns nothing: {error}");
                Ok(None)
            }
        }
    }
}
